"""Responses whose chunked bodies are taken out mean the same: h11 behind the tap against h11 alone.

Of whatever a server sends, cut anywhere, both have told the same after every single read (data, headers,
errors), and stand at the same place once no body is under way. The rest of this file proves that bodies are
taken out at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any, TypeVar

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamflow_client.wire.chunked import BodyTap

T = TypeVar("T")
HTTPCORE_LIMIT = 100 * 1024  # bytes of an unfinished event that h11 keeps


class Peer:
    """The client's end as httpcore drives it: a request is sent once the response before it is complete.

    Attributes:
        told: the events; data that follows data is one.
        pieces: how many pieces of data there were since the last read.
    """

    def __init__(self, methods: Sequence[bytes], tap: BodyTap | None) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.pieces = 0
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=HTTPCORE_LIMIT)
        self._tap = tap
        self._methods = list(methods)
        self._ask()

    def read(self, data: bytes) -> None:
        """As the transport does: a body is asked for before h11 is."""
        self.pieces = 0
        share = data
        if self._tap is not None:
            share = self._tap.receive(data)
            if self._h11.their_state is h11.SEND_BODY:
                self._tell_body()
        for part in (share, b"") if share and not data else (share,):
            if part or not data:
                self._h11.receive_data(part)
            while self._tell():
                pass

    def _tell_body(self) -> None:
        if self._tap is not None and (body := self._tap.take()):
            self._tell_data(body)

    def _tell_data(self, data: bytes) -> None:
        self.pieces += 1
        before = self.told.pop()[1] if self.told[-1][0] == "data" else b""
        self.told.append(("data", before + data))

    @property
    def failed(self) -> bool:
        return self._h11.their_state is h11.ERROR

    def place(self, *, within_body: bool) -> tuple[Any, ...]:
        """Where h11 stands; after an error, and within a body that it does not see, only that."""
        unseen = self.failed or within_body
        return (self._h11.states, None if unseen else self._h11.trailing_data)

    def _ask(self) -> None:
        request = h11.Request(
            method=self._methods.pop(0), target=b"/flow", headers=[(b"Host", b"example.com")]
        )
        for event in (request, h11.EndOfMessage()):
            sent = self._h11.send(event)
            if self._tap is not None:
                self._tap.sends(sent)

    def _tell(self) -> bool:
        """Whether there may be more to tell."""
        try:
            event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            self.told.append(("error", _same_words(str(error))))
            return False
        match event:
            case h11.NEED_DATA | h11.PAUSED | h11.ConnectionClosed():
                return self._goes_on()
            case h11.Data(data=data):
                self._tell_data(bytes(data))
            case h11.EndOfMessage(headers=headers):
                self.told.append(("end", headers.raw_items()))
            case h11.Response() | h11.InformationalResponse():
                facts = (event.status_code, event.reason, event.http_version, event.headers.raw_items())
                self.told.append((type(event).__name__, *facts))
                if isinstance(event, h11.Response):
                    self._tell_body()
            case _:
                raise AssertionError(event)
        return True

    def _goes_on(self) -> bool:
        if self._h11.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE} or not self._methods:
            return False
        self._h11.start_next_cycle()
        self._ask()
        return True


def _same_words(error: str) -> str:
    """What follows a chunk and is no line end, h11 is given in place of the next one's size."""
    return (
        "illegal chunk header: bytearray(b'\\r\\n')" if error.startswith("malformed chunk footer") else error
    )


def assert_same(reads: Sequence[bytes], methods: Sequence[bytes]) -> Peer:
    """After each read, and after the end that follows."""
    tap = BodyTap()
    alone, behind = Peer(methods, None), Peer(methods, tap)
    for read in [*reads, b""]:
        alone.read(read)
        behind.read(read)
        assert behind.told == alone.told
        assert behind.place(within_body=tap.is_open) == alone.place(within_body=tap.is_open)
        if alone.failed:
            break
    return alone


def cut(stream: bytes, points: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(point % (len(stream) + 1) for point in points)})
    return [stream[a:b] for a, b in pairwise(places)]


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
TOKENS = [b'data: {"message":"tok %d"}\n\n' % number for number in range(30)]


# --- whatever a server may send ---------------------------------------------------------------------------


class Server:
    """Makes up what a server sends: mostly right, at times strange, and wrong where h11 must see it."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def connection(self) -> tuple[bytes, list[bytes]]:
        """Responses in a row, and the methods of their requests."""
        methods = [self._mostly(b"POST", b"GET", b"HEAD", times=4) for _ in range(self._up_to(3) + 1)]
        methods[-1] = self._mostly(methods[-1], b"CONNECT")
        stream = b"".join(self._response(method) for method in methods)
        return stream + self._mostly(b"", b"HTTP/1.1 200 OK\r\n\r\nnobody asked", b"\r\n"), methods

    def cuts(self, stream: bytes) -> list[bytes]:
        return cut(stream, [self._up_to(len(stream)) for _ in range(self._one_of(0, 0, 1, 1, 2, 3, 10, 100))])

    def _response(self, method: bytes) -> bytes:
        interim = self._mostly(
            b"",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nTransfer-Encoding: chunked\r\n\r\n",
            self._mostly(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 099 What\r\n\r\n"),
        )
        status = self._mostly(b"200", b"404", b"204", b"304", b"500", times=4)
        head, body = self._framed(status)
        empty = method == b"HEAD" or status in (b"204", b"304")
        return interim + head + self._mostly(b"" if empty else body, body, times=9)

    def _framed(self, status: bytes) -> tuple[bytes, bytes]:
        body, chunks = self._data(400), self._chunked()
        size = b"%d" % len(body)
        length = b"Content-Length: " + self._mostly(size, size + b", " + size, size + b"x", b"0" + size)
        match self._mostly("chunked", "length", "length", "both", "end", times=2):
            case "chunked":
                return self._head(status, self._coding()), chunks
            case "both":
                return self._head(status, length, self._coding()), chunks
            case "length":
                return self._head(status, length, *self._mostly([], [length], [length + b"0"])), body
            case _:
                return self._head(status), body

    def _coding(self) -> bytes:
        name = self._mostly(
            b"Transfer-Encoding", b"transfer-encoding", b"TRANSFER-ENCODING", b"X-Coding", times=6
        )
        value = self._mostly(b"chunked", b"Chunked", b"gzip, chunked", b"identity", b"", b"chunked,")
        space = self._mostly(b" ", b"", b"\t ", times=4)
        return name + b":" + space + value + self._mostly(b"", b" ", b"\t", b"\r", b"\v")

    def _head(self, status: bytes, *fields: bytes) -> bytes:
        others = [b"Content-Type: text/plain", b"Set-Cookie: a=b; HttpOnly", b"X-Empty:", b"X-Y:\t1 \xff 2 "]
        lines = [*fields, *self._random.sample(others, self._up_to(4))]
        if self._now_and_then(40):
            lines += [
                self._one_of(b" folded", b"no colon", b"", b"bad name: 1", b"X: \0", b"Connection: close")
            ]
        self._random.shuffle(lines)
        version = self._mostly(b"1.1", b"1.0", b"1.9", b"2.0", b"1", b"1.1 ")
        reason = self._one_of(b" OK", b" ", b"", b" No \xff")
        lines.insert(0, b"HTTP/" + version + b" " + status + reason)
        return b"".join(line + self._end_of_line() for line in [*lines, b""])

    def _chunked(self) -> bytes:
        extended = self._now_and_then(8)
        count = self._one_of(0, 1, 2, 3, 10, 40)
        return b"".join(self._chunk(extended) for _ in range(count)) + self._last()

    def _chunk(self, extended: bool) -> bytes:
        data = self._data(40) or b"x"
        size = self._mostly(b"%x", b"%X", b"%08x", b"%020x", times=9) % len(data)
        size += self._mostly(b"", b" ", b"  \t", b"      ", b" " * 20)
        if extended:
            size += self._one_of(b"", b"", b";a", b";a=b", b'; a = "\xff\r"', b" ;b", b";" + b"e" * 30)
        if self._now_and_then(300):
            wrong = [b"", b"-1", b"+5", b"0x5", b"5_0", b"g", b"f" * 21, b"f" * 20, b"\n5", b" 5", b"5\v"]
            size = self._one_of(*wrong)
        return size + self._end_of_line() + data + self._end_of_line()

    def _last(self) -> bytes:
        zero = self._mostly(b"0", b"00", b"0 ", b"0;last", b"000000000", times=6)
        trailers = [[b"Digest: 1"], [b"A: 1", b"B: 2"], [b"folded: 1", b" 2"], [b"bad"]]
        return b"".join(
            line + self._end_of_line() for line in [zero, *self._mostly([], *trailers, times=4), b""]
        )

    def _data(self, longest: int) -> bytes:
        kinds = [b"data: {}\n\n", b"data: x\r\n\r\n", b"\r\n5\r\n", b"0\r\n\r\n", b"\r\n", b"a", b"\n"]
        kinds = self._one_of(kinds, kinds[:1])
        return b"".join(self._one_of(*kinds) for _ in range(self._up_to(longest // 4)))[:longest]

    def _end_of_line(self) -> bytes:
        return self._mostly(b"\r\n", b"\n", b"\r", b"", b"\r\r\n", b"\n\r", times=500)

    def _mostly(self, usual: T, *others: T, times: int = 25) -> T:
        return self._one_of(*others) if self._now_and_then(times) else usual

    def _now_and_then(self, times: int) -> bool:
        return self._up_to(times) == 0

    def _up_to(self, end: int) -> int:
        return self._random.randrange(end + 1)

    def _one_of(self, *values: T) -> T:
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


@settings(max_examples=150, deadline=None, derandomize=True)
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
    run_seeds(range(5_000))


@pytest.mark.faults
@pytest.mark.parametrize("part", range(1, 9))
def test_h11_tells_the_same_of_very_many_mutated_responses(part: int) -> None:
    run_seeds(range(part * 10_000, (part + 1) * 10_000))


# --- what is taken out, and what is not -----------------------------------------------------------------


def asked(head: bytes, method: bytes = b"POST") -> BodyTap:
    """The head of a response was read."""
    tap = BodyTap()
    tap.sends(method + b" /flow HTTP/1.1\r\n\r\n")
    assert tap.receive(head) == head
    return tap


def after_head(*reads: bytes, head: bytes = HEAD, method: bytes = b"POST") -> list[tuple[bytes, bytes]]:
    """The body, and h11's share, of each read that follows a head."""
    tap = asked(head, method)
    shares = [(tap.receive(read), tap.take()) for read in reads]
    return [(body, share) for share, body in shares]


MANY = chunked(*TOKENS)
ALL = b"".join(TOKENS)

TAKEN = {
    "one": ([chunked(b"a")], [(b"a", b"")]),
    "two": ([b"1\r\na\r\n2\r\nbc\r\n"], [(b"abc", b"")]),
    "many": ([MANY], [(ALL, b"")]),
    "many, and the end": ([MANY + LAST], [(ALL, LAST)]),
    "trailers": ([MANY + b"0\r\nDigest: 1\r\n\r\n"], [(ALL, b"0\r\nDigest: 1\r\n\r\n")]),
    "half of the end": (
        [MANY + b"0", b"\r", b"\n\r", b"\n"],
        [(ALL, b""), (b"", b""), (b"", b"0\r\n\r"), (b"", b"\n")],
    ),
    "nothing": ([LAST], [(b"", LAST)]),
    "many again": ([MANY, MANY + LAST], [(ALL, b""), (ALL, LAST)]),
    "lines within": (
        [chunked(b"a\r\n\r\n", *[b"b\r\n1\r\n"] * 2)],
        [(b"a\r\n\r\nb\r\n1\r\nb\r\n1\r\n", b"")],
    ),
    "lines within some": ([chunked(*TOKENS, b"\r\n", *TOKENS)], [(ALL + b"\r\n" + ALL, b"")]),
    "large and small": ([chunked(b"x" * 999, b"y", b"z")], [(b"x" * 999 + b"yz", b"")]),
    "upper case, zeros, spaces": ([b"A\r\n0123456789\r\n001 \t\r\na\r\n"], [(b"0123456789a", b"")]),
    "a chunk of which the end is not here": (
        [MANY + b"2\r\na", b"b\r\n" + MANY],
        [(ALL + b"a", b""), (b"b" + ALL, b"")],
    ),
    "half a line end": ([MANY + b"1\r\na\r", b"\n" + MANY], [(ALL + b"a", b""), (ALL, b"")]),
    "half a size": ([MANY + b"0", b"1\r\na\r\n" + MANY], [(ALL, b""), (b"a" + ALL, b"")]),
    "half a size line": ([MANY + b"1\r", b"\na\r\n" + MANY], [(ALL, b""), (b"a" + ALL, b"")]),
    "a chunk larger than the read": (
        [b"ffff\r\na", b"b" * 65534 + b"\r\n" + MANY],
        [(b"a", b""), (b"b" * 65534 + ALL, b"")],
    ),
    "before what is wrong": (
        [MANY + b"1\r\naXX" + MANY, MANY],
        [(ALL + b"a", b"\r\nXX" + MANY), (b"", MANY)],
    ),
    "before what looks like a chunk, but in the place of a line end": (
        [b"1\r\na" + MANY],
        [(b"a", b"\r\n" + MANY)],
    ),
    "before half of a wrong line end": (
        [b"1\r\na\r", b"\r\n" + MANY],
        [(b"a", b""), (b"", b"\r\n\r\n" + MANY)],
    ),
    "before an extension": (
        [MANY + b"1;x\r\na\r\n" + MANY, MANY],
        [(ALL, b"1;x\r\na\r\n" + MANY), (b"", MANY)],
    ),
    "before the end of the connection": ([MANY + b"1\r", b""], [(ALL, b""), (b"", b"1\r")]),
}


@pytest.mark.parametrize("name", TAKEN)
def test_chunked_bodies_are_taken_out(name: str) -> None:
    reads, expected = TAKEN[name]
    assert after_head(*reads) == expected
    assert_same([HEAD, *filter(None, reads)], [b"POST"])
    assert_same([HEAD + b"".join(reads)], [b"POST"])


HEADS = {
    "without a reason": b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n",
    "of an old version": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "of a failure": b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n",
    "in another case": b"HTTP/1.1 200 OK\r\ntRANSFER-eNCODING:\t Chunked \r\nA: b\r\n\r\n",
    "with a length too": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "after an interim one": b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Go on\r\n\r\n" + HEAD,
}


@pytest.mark.parametrize("name", HEADS)
def test_a_body_is_taken_out_behind_any_head(name: str) -> None:
    assert after_head(MANY, head=HEADS[name]) == [(ALL, b"")]
    assert assert_same([HEADS[name], MANY + LAST], [b"POST"]).told[-1] == ("end", [])


UNTOUCHED = {
    "HEAD": (HEAD, b"HEAD", MANY),
    "a tunnel": (HEAD, b"CONNECT", MANY),
    "a tunnel of another status": (HEAD.replace(b"200", b"299"), b"CONNECT", MANY),
    "no content": (HEAD.replace(b"200", b"204"), b"POST", MANY),
    "not modified": (HEAD.replace(b"200", b"304"), b"POST", MANY),
    "another protocol": (b"HTTP/1.1 101 OK\r\n\r\n" + HEAD, b"POST", MANY),
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", b"POST", MANY),
    "a length of nothing": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"POST", MANY),
    "until the connection ends": (b"HTTP/1.1 200 OK\r\n\r\n", b"POST", MANY),
    "another coding": (HEAD.replace(b"chunked", b"gzip, chunked"), b"POST", MANY),
    "a bare LF in the head": (HEAD.replace(b"OK\r\n", b"OK\n"), b"POST", MANY),
    "a folded line": (HEAD.replace(b"OK\r\n", b"OK\r\nA: b\r\n c\r\n"), b"POST", MANY),
    "another version": (HEAD.replace(b"1.1", b"2.0"), b"POST", MANY),
    "no status": (HEAD.replace(b"200", b"0"), b"POST", MANY),
    "no line": (b"\r\n" + HEAD, b"POST", MANY),
    "another field": (HEAD.replace(b"Tr", b"X-Tr"), b"POST", MANY),
    "a head that is too long": (HEAD[:-2] + b"A: " + b"b" * 65536, b"POST", b"\r\n\r\n" + MANY),
    "HTTP/2": (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d\0\x04\0\x10\0\0", b"PRI", HEAD + MANY),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_all_else_passes_as_it_is(name: str) -> None:
    head, method, read = UNTOUCHED[name]
    assert after_head(read, head=head, method=method) == [(b"", read)]


@pytest.mark.parametrize("name", [name for name in UNTOUCHED if name != "HTTP/2"])
def test_h11_judges_what_passes(name: str) -> None:
    head, method, read = UNTOUCHED[name]
    for reads in ([head, read, MANY], [head + read + MANY]):
        assert_same(reads, [method])


REFUSED = (
    b"",
    b"-1",
    b"+1",
    b"0x1",
    b"0X1",
    b"1_0",
    b"g",
    b"\n1",
    b" 1",
    b"1\v",
    b"1\r",
    b"1\n",
    b"1 2",
    b"\xb2",
)
DOUBTFUL = (
    b"1" + b" " * 14,
    b"000000001",
    b"1;x",
    b"1 ;x",
    b'1;x="\xff"',
    b"f" * 9,
    b"f" * 20,
    b"f" * 21,
)


@pytest.mark.parametrize("size", [*REFUSED, *DOUBTFUL, *[b"0" + size for size in REFUSED], b"0;x"])
def test_a_size_that_is_not_plain_is_left_to_h11(size: bytes) -> None:
    wrong = size + b"\r\na\r\n" + MANY
    assert after_head(wrong, MANY) == [(b"", wrong), (b"", MANY)]
    assert after_head(MANY + wrong, MANY) == [(ALL, wrong), (b"", MANY)]
    for reads in ([HEAD + wrong], [HEAD + MANY + wrong, MANY], [HEAD, wrong[:1], wrong[1:]]):
        assert_same(reads, [b"POST"])


ENDS = {
    "chunks": HEAD + MANY + LAST,
    "trailers": HEAD + MANY + b"0\r\nA: 1\r\n\r\n",
    "a bare LF": HEAD + MANY + b"0\r\n\n",
    "trailers with bare LFs": HEAD + MANY + b"0\r\nA: 1\nB: 2\n\n",
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "a length of nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
}


@pytest.mark.parametrize("name", ENDS)
def test_the_next_body_on_the_connection_is_taken_out_too(name: str) -> None:
    tap = BodyTap()
    for _ in range(3):
        tap.sends(b"POST /flow HTTP/1.1\r\n\r\n")
        tap.sends(b'{"data":1}')
        tap.receive(ENDS[name])
        tap.take()
        assert tap.is_between
        tap.sends(b"POST /flow HTTP/1.1\r\n\r\n")
        assert (tap.receive(HEAD + MANY + LAST), tap.take()) == (HEAD + LAST, ALL)
    assert_same([ENDS[name], HEAD + MANY + LAST] * 2, [b"POST"] * 4)


@pytest.mark.parametrize("name", ENDS)
def test_after_what_nobody_asked_for_nothing_is_taken_out(name: str) -> None:
    """h11 takes it for the beginning of the next response, so only h11 knows where that ends."""
    for unasked in ([ENDS[name] + b"HT"], [ENDS[name], b"HT"]):
        tap = BodyTap()
        tap.sends(b"POST /flow HTTP/1.1\r\n\r\n")
        for read in unasked:
            tap.receive(read)
        assert not tap.is_between
        tap.take()
        tap.sends(b"POST /flow HTTP/1.1\r\n\r\n")
        assert (tap.receive(HEAD + MANY), tap.take()) == (HEAD + MANY, b"")
    assert_same([ENDS[name] + HEAD[:3], HEAD[3:] + MANY + LAST], [b"POST"] * 2)


def test_what_comes_before_the_first_request_is_a_proxys() -> None:
    tap = BodyTap()
    assert tap.receive(b"\x05\0") == b"\x05\0"
    tap.sends(b"POST /flow HTTP/1.1\r\n\r\n")
    assert (tap.receive(HEAD + MANY), tap.take()) == (HEAD, ALL)


def test_a_tap_is_open_while_a_body_is_under_way() -> None:
    tap = asked(HEAD)
    steps = []
    for read in (b"1\r\na", b"\r\n0", b"\r\nA: 1\r\n", b"\r\n"):
        steps.append(tap.is_open)
        tap.receive(read)
    assert [*steps, tap.is_open] == [True, True, True, False, False]
    for end in (b"", b"x\r\n"):
        tap = asked(HEAD)
        tap.receive(end)
        assert not tap.is_open


EVERY = HEAD + chunked(b"a", b"b\r\n", b"c" * 17) + b"00\r\nA: 1\r\n\r\n"
PLACES = range(len(HEAD) - 4, len(EVERY) + 1)


@pytest.mark.parametrize("first", PLACES)
def test_after_every_two_cuts_the_next_body_is_taken_out(first: int) -> None:
    for second in range(first, len(EVERY) + 1):
        reads = cut(EVERY, [first, second])
        assert_same([*reads, EVERY], [b"POST"] * 2)
        tap = BodyTap()
        tap.sends(b"POST /flow HTTP/1.1\r\n\r\n")
        for read in reads:
            tap.receive(read)
        assert tap.take() == b"ab\r\n" + b"c" * 17
        tap.sends(b"POST /flow HTTP/1.1\r\n\r\n")
        assert tap.receive(EVERY) == HEAD + b"00\r\nA: 1\r\n\r\n"


def test_every_byte_alone_is_the_same() -> None:
    assert_same([bytes([byte]) for byte in EVERY * 2], [b"POST"] * 2)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=60),
    st.lists(st.integers(0), max_size=9),
)
def test_a_body_comes_in_one_piece_a_read(chunks: list[bytes], points: list[int]) -> None:
    peer = Peer([b"POST"], BodyTap())
    for read in cut(HEAD + chunked(*chunks) + LAST, points):
        peer.read(read)
        assert peer.pieces <= 1
    assert peer.told[1:] == [("data", b"".join(chunks)), ("end", [])]
