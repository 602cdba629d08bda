"""Responses with fewer chunks mean the same: h11 behind the merger against h11 alone.

Of whatever a server sends, cut anywhere, both have told the same after every single read (data, headers, errors)
and stand at the same place. The rest of this file proves that chunks are merged at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamflow_client.wire.chunked import ChunkMerger

HTTPCORE_LIMIT = 100 * 1024  # bytes of an unfinished event that h11 keeps


class Peer:
    """The client's end as httpcore drives it: a request is sent once the response before it is complete.

    Attributes:
        told: the events; data that follows data is one.
        pieces: how many events of data there were since the last read.
    """

    def __init__(self, methods: Sequence[bytes], merger: ChunkMerger | None) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.pieces = 0
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=HTTPCORE_LIMIT)
        self._merger = merger
        self._methods = list(methods)
        self._ask()

    def read(self, data: bytes) -> bytes:
        """What h11 was given."""
        self.pieces = 0
        if self._merger is not None:
            merged = self._merger.merge(data)
            assert bool(merged) == bool(data), "nothing is held back, or no end is made up"
            assert len(merged) <= len(data)
            data = merged
        self._h11.receive_data(data)
        while self._tell():
            pass
        return data

    @property
    def failed(self) -> bool:
        return self._h11.their_state is h11.ERROR

    @property
    def place(self) -> tuple[Any, ...]:
        """Where h11 stands; after an error only that."""
        return (self._h11.states, None if self.failed else self._h11.trailing_data)

    def _ask(self) -> None:
        request = h11.Request(
            method=self._methods.pop(0), target=b"/flow", headers=[(b"Host", b"example.com")]
        )
        for event in (request, h11.EndOfMessage()):
            sent = self._h11.send(event)
            if self._merger is not None:
                self._merger.sends(sent)

    def _tell(self) -> bool:
        """Whether there may be more to tell."""
        try:
            event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            self.told.append(("error", str(error)))
            return False
        match event:
            case h11.NEED_DATA | h11.PAUSED | h11.ConnectionClosed():
                return self._goes_on()
            case h11.Data(data=data):
                self.pieces += 1
                before = self.told.pop()[1] if self.told[-1][0] == "data" else b""
                self.told.append(("data", before + bytes(data)))
            case h11.EndOfMessage(headers=headers):
                self.told.append(("end", headers.raw_items()))
            case h11.Response() | h11.InformationalResponse():
                facts = (event.status_code, event.reason, event.http_version, event.headers.raw_items())
                self.told.append((type(event).__name__, *facts))
            case _:
                raise AssertionError(event)
        return True

    def _goes_on(self) -> bool:
        if self._h11.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE} or not self._methods:
            return False
        self._h11.start_next_cycle()
        self._ask()
        return True


def assert_same(reads: Sequence[bytes], methods: Sequence[bytes]) -> Peer:
    """After each read, and after the end that follows."""
    alone, behind = Peer(methods, None), Peer(methods, ChunkMerger())
    for read in [*reads, b""]:
        alone.read(read)
        behind.read(read)
        assert behind.told == alone.told
        assert behind.place == alone.place
        if alone.failed:
            break
    return alone


def cut(stream: bytes, points: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(point % (len(stream) + 1) for point in points)})
    return [stream[a:b] for a, b in pairwise(places)]


def chunked(*chunks: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + last


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TOKENS = [b'data: {"message":"tok %d"}\n\n' % number for number in range(30)]


# --- whatever a server may send ---------------------------------------------------------------------------


class Server:
    """Makes up what a server sends: mostly right, at times strange, and wrong where h11 must see it."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def connection(self) -> tuple[bytes, list[bytes]]:
        """Responses in a row, and the methods of their requests."""
        methods = [self._one_of(b"POST", b"POST", b"GET", b"HEAD") for _ in range(self._up_to(3) + 1)]
        if self._now_and_then(12):
            methods[-1] = b"CONNECT"
        stream = b"".join(self._response(method) for method in methods)
        return stream + self._rarely(b"HTTP/1.1 200 OK\r\n\r\nnobody asked", b"\r\n"), methods

    def cuts(self, stream: bytes) -> list[bytes]:
        return cut(stream, [self._up_to(len(stream)) for _ in range(self._one_of(0, 1, 2, 5, 20, 200))])

    def _response(self, method: bytes) -> bytes:
        head, body = self._framed(method)
        return self._interim() + head + body

    def _interim(self) -> bytes:
        return self._rarely(
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 099 What\r\n\r\n",
        )

    def _framed(self, method: bytes) -> tuple[bytes, bytes]:
        status = self._one_of(b"200", b"200", b"200", b"200", b"404", b"204", b"304", b"500")
        empty = method == b"HEAD" or status in (b"204", b"304")
        body = self._data(400)
        length = b"Content-Length: %d" % len(body)
        match self._one_of("chunked", "chunked", "chunked", "chunked", "length", "both", "end"):
            case "chunked":
                fields, body = [self._coding()], self._chunked()
            case "both":
                fields, body = [length, self._coding()], self._chunked()
            case "length":
                fields = [
                    self._one_of(*[length] * 6, length.lower(), length + b", %d" % len(body), length + b"x")
                ]
            case _:
                fields = []
        if self._now_and_then(10):
            fields += fields
        return self._head(status, fields), b"" if empty and not self._now_and_then(9) else body

    def _coding(self) -> bytes:
        name = self._one_of(
            *[b"Transfer-Encoding"] * 6, b"transfer-encoding", b"TRANSFER-ENCODING", b"X-Coding"
        )
        value = self._one_of(*[b"chunked"] * 9, b"Chunked", b"gzip, chunked", b"identity", b"", b"chunked,")
        return (
            name
            + b":"
            + self._one_of(b" ", b" ", b"", b"\t ")
            + value
            + self._rarely(b" ", b"\t", b"\r", b"\v")
        )

    def _head(self, status: bytes, fields: list[bytes]) -> bytes:
        others = [
            b"Content-Type: text/plain",
            b"Set-Cookie: a=b; HttpOnly",
            b"X-Empty:",
            b"Connection: close",
        ]
        lines = [*fields, *self._random.sample(others, self._one_of(0, 1, 2, 3))]
        self._random.shuffle(lines)
        version = self._one_of(*[b"1.1"] * 12, b"1.0", b"1.9", b"2.0", b"1")
        lines.insert(0, b"HTTP/%b %b%b" % (version, status, self._one_of(b" OK", b" ", b"", b" No \xff")))
        if self._now_and_then(15):
            lines.insert(1, self._one_of(b" folded", b"no colon", b"", b"bad name: 1", b"X: \x00"))
        return b"".join(line + self._end_of_line() for line in [*lines, b""])

    def _chunked(self) -> bytes:
        extended = self._now_and_then(5)
        chunks = [self._chunk(extended) for _ in range(self._one_of(0, 1, 2, 3, 10, 40))]
        return b"".join(chunks) + self._last()

    def _chunk(self, extended: bool) -> bytes:
        data = self._data(40) or b"x"
        size = self._one_of(b"%x", b"%x", b"%X", b"%08x" if self._now_and_then(3) else b"%x") % len(data)
        size += self._rarely(b" ", b"  \t", b"      ", b"             ")
        if extended:
            size += self._rarely(b";a", b";a=b", b'; a = "\xff\r"', b" ;b", b";" + b"e" * 30)
        if self._now_and_then(150):
            size = self._one_of(
                b"", b"-1", b"+5", b"0x5", b"5_0", b"g", b"f" * 21, b"f" * 20, b"\n5", b" 5", b"5\v"
            )
        return size + self._end_of_line(200) + data + self._end_of_line(200)

    def _last(self) -> bytes:
        zero = self._one_of(b"0", b"0", b"0", b"00", b"0 ", b"0;last", b"000000000")
        trailers = self._one_of(
            *[[]] * 4, [b"Digest: 1"], [b"A: 1", b"B: 2"], [b"folded: 1", b" 2"], [b"bad"]
        )
        return b"".join(line + self._end_of_line(40) for line in [zero, *trailers, b""])

    def _data(self, longest: int) -> bytes:
        kinds = (b"data: {}\n\n", b"data: x\r\n\r\n", b"\r\n5\r\n", b"0\r\n\r\n", b"\r\n", b"a", b"\n")
        return b"".join(self._one_of(*kinds) for _ in range(self._up_to(longest // 4)))[:longest]

    def _end_of_line(self, usually: int = 60) -> bytes:
        return self._one_of(b"\n", b"\r", b"", b"\r\r\n", b"\n\r") if self._now_and_then(usually) else b"\r\n"

    def _rarely(self, *values: bytes) -> bytes:
        return self._one_of(*values) if self._now_and_then(10) else b""

    def _now_and_then(self, times: int) -> bool:
        return self._up_to(times) == 0

    def _up_to(self, end: int) -> int:
        return self._random.randrange(end + 1)

    def _one_of(self, *values: Any) -> Any:
        return self._random.choice(values)


def mutate(random: Random, stream: bytes) -> bytes:
    """With a few bytes flipped, put in, taken out, or a piece told twice."""
    bent = bytearray(stream)
    for _ in range(random.randrange(1, 4)):
        place = random.randrange(len(bent))
        piece = bytes(random.choice(b"0123456789afAF;: \t\r\n\0x") for _ in range(random.randrange(1, 3)))
        match random.randrange(5):
            case 0:
                bent[place] ^= 1 << random.randrange(8)
            case 1:
                bent[place:place] = piece
            case 2:
                bent[place : place + len(piece)] = b""
            case 3:
                bent[place : place + len(piece)] = piece
            case _:
                bent[place:place] = bent[place : place + random.randrange(1, 40)]
    return bytes(bent)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_h11_tells_the_same_of_any_responses_cut_anywhere(random: Random) -> None:
    server = Server(random)
    stream, methods = server.connection()
    assert_same(server.cuts(stream), methods)


def run_seeds(seeds: range) -> None:
    for seed in seeds:
        random = Random(seed)
        server = Server(random)
        stream, methods = server.connection()
        if seed % 3:
            stream = mutate(random, stream)
        try:
            assert_same(server.cuts(stream), methods)
        except BaseException as error:
            error.add_note(f"seed {seed}: {stream!r}")
            raise


def test_h11_tells_the_same_of_mutated_responses() -> None:
    run_seeds(range(6_000))


@pytest.mark.faults
@pytest.mark.parametrize("part", range(1, 51))
def test_h11_tells_the_same_of_very_many_mutated_responses(part: int) -> None:
    run_seeds(range(part * 10_000, (part + 1) * 10_000))
