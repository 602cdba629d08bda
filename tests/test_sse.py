"""The decoder of server-sent events: the grammar as one table, the limit, and its running time."""

import pickle
import timeit
import tracemalloc
from collections.abc import Callable, Sequence
from time import thread_time
from typing import NamedTuple

import pytest

from pure_calls import flat
from streamflow_client.wire.sse import Event, EventDecoder, EventTooLarge, Run

LIMIT = 1 << 20


class Case(NamedTuple):
    name: str
    stream: bytes
    events: list[bytes | Event]
    tail: list[Event] | None = None
    comments: int = 0
    last_event_id: str = ""
    retry: int | None = None


CASES = [
    Case("nothing", b"", []),
    Case("one plain event", b"data: a\n\n", [b"a"]),
    Case("plain events", b"data: a\n\ndata: b\n\ndata: c\n\n", [b"a", b"b", b"c"]),
    Case("plain, a tail", b"data: a\n\ndata: b\n\ndata: c\n", [b"a", b"b"], [Event(b"c")]),
    Case("tail without line end", b"data: a\n\ndata: b", [b"a"], [Event(b"b")]),
    Case("tail of noise", b"data: a\n\nEND", [b"a"]),
    Case("tail with an error", b"error: x", [], [Event(b"", error=b"x")]),
    Case("tail that is a comment", b"data: a\n: b", [], [Event(b"a")], comments=1),
    Case("tail keeps its id to itself", b"id: 1\ndata: a\n", [], [Event(b"a", id="1")]),
    Case("a half retry", b"retry: 50\n\nretry: 6", [], retry=50),
    Case("a whole retry in a tail", b"retry: 50\ndata: a", [], [Event(b"a", retry=50)], retry=50),
    Case("CR", b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
    Case("CRLF", b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
    Case("CRLF, lines joined", b"data: a\r\ndata: b\r\n\r\n", [Event(b"a\nb")]),
    Case("all line ends", b"data: a\n\rdata: b\r\n\ndata: c\r\r\n", [b"a", b"b", b"c"]),
    Case("LF then CR are two ends", b"data: a\n\r", [b"a"]),
    Case("lines joined", b"data: a\ndata: b\ndata\n\n", [Event(b"a\nb\n")]),
    Case("blank lines", b"\n\n\r\r\n\ndata: a\n\n\n\n\ndata: b\n\n", [b"a", b"b"]),
    Case("odd among plain", b"data: a\n\ndata:b\n\ndata: c\n\n", [b"a", Event(b"b"), b"c"]),
    Case("no space", b"data:a\n\n", [Event(b"a")]),
    Case("one space removed", b"data:  a \n\n", [b" a "]),
    Case("a tab stays", b"data:\ta\n\n", [Event(b"\ta")]),
    Case("empty payload", b"data: \n\n", [b""]),
    Case("empty values", b"data:\n\ndata\n\n", [Event(b""), Event(b"")]),
    Case("colons in the value", b"data: a: b\n\ndata::\n\n", [b"a: b", Event(b":")]),
    Case("bytes stay bytes", b"data: \xff\x00\xc3\n\n", [b"\xff\x00\xc3"]),
    Case("other separators", b"data: a\x0b\x0c\x1c\xc2\x85\xe2\x80\xa8b\n\n",
         [b"a\x0b\x0c\x1c\xc2\x85\xe2\x80\xa8b"]),
    Case("BOM", b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    Case("only the first BOM", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [b"b"]),
    Case("BOM further on", b"\n\xef\xbb\xbfdata: a\n\n", []),
    Case("half a BOM", b"\xef\xbb", []),
    Case("half a BOM, then more", b"\xef\xbbdata: a\ndata: b\n\n", [Event(b"b")]),
    Case("BOM and CR", b"\xef\xbb\xbf\rdata: a\r\r", [b"a"]),
    Case("comments", b":\n: b\n\n:data: c\n", [], comments=3),
    Case("comment beside data", b": b\ndata: a\n:\n\ndata: c\n\n", [b"a", b"c"], comments=2),
    Case("ping between events", b"data: a\n\n: ping\n\ndata: b\n\n", [b"a", b"b"], comments=1),
    Case("noise", b"END\n\nEND\ndata: a\n\nEND: b\nDATA: c\n data: d\n\n", [Event(b"a")]),
    Case("type", "event: é\ndata: a\n\ndata: b\n\n".encode(), [Event(b"a", "é"), b"b"]),
    Case("last type counts", b"event: a\nevent: b\ndata: c\n\nevent: d\nevent\ndata: e\n\n",
         [Event(b"c", "b"), Event(b"e")]),
    Case("type without data", b"event: a\n\ndata: b\n\n", [b"b"]),
    Case("broken UTF-8", b"event: \xff\nid: \xfe\ndata: a\n\n", [Event(b"a", "\ufffd", "\ufffd")],
         last_event_id="\ufffd"),
    Case("id persists", b"id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\n",
         [Event(b"a", id="1"), Event(b"b", id="1"), Event(b"c", id="2")], last_event_id="2"),
    Case("id reset", b"id: 1\ndata: a\n\nid\ndata: b\n\ndata: c\n\n",
         [Event(b"a", id="1"), Event(b"b"), b"c"]),
    Case("id without data", b"id: 1\n\ndata: a\n\n", [Event(b"a", id="1")], last_event_id="1"),
    Case("id with NUL", b"id: 1\nid: \x002\ndata: a\n\n", [Event(b"a", id="1")], last_event_id="1"),
    Case("id not dispatched", b"id: 1\n\nid: 2\n", [], last_event_id="1"),
    Case("retry", b"retry: 50\ndata: a\n\ndata: b\n\n", [Event(b"a", retry=50), b"b"], retry=50),
    Case("retry without data", b"retry:007\n\n", [], retry=7),
    Case("bad retries", "retry: -5\nretry: 1.5\nretry:  6\nretry\nretry: ٣\ndata: a\n\n".encode(),
         [Event(b"a")]),
    Case("retry of 15 digits and more", b"retry: 999999999999999\nretry: 1000000000000000\n\n", [],
         retry=999999999999999),
    Case("error alone", b"error: a\nerror:b\n\ndata: c\n\n", [Event(b"", error=b"a\nb"), b"c"]),
    Case("error and data", b"data: a\nerror\n\n", [Event(b"a", error=b"")]),
    Case("Next's end", b'data: {"message":1}\n\ndata: {"result":2}\n\nEND',
         [b'{"message":1}', b'{"result":2}']),
    Case("spec: two lines", b"data: YHOO\ndata: +2\ndata: 10\n\n", [Event(b"YHOO\n+2\n10")]),
    Case("spec: four blocks",
         b": test stream\n\ndata: first event\nid: 1\n\n"
         b"data:second event\nid\n\ndata:  third event\n",
         [Event(b"first event", id="1"), Event(b"second event")], [Event(b" third event")],
         comments=1),
    Case("spec: empty data", b"data\n\ndata\ndata\n\ndata:", [Event(b""), Event(b"\n")],
         [Event(b"")]),
    Case("spec: the space is optional", b"data:test\n\ndata: test\n\n", [Event(b"test"), b"test"]),
    Case("spec: types", b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
         [Event(b"73857293", "add"), Event(b"2153", "remove")]),
]  # fmt: skip


def decode(name: str, pieces: Sequence[bytes]) -> Case:
    decoder = EventDecoder(LIMIT)
    events = [event for piece in pieces for event in flat(decoder.feed(piece))]
    tail = decoder.finish() or None
    assert decoder.finish() == []
    counters = decoder.comments, decoder.last_event_id, decoder.retry
    return Case(name, b"".join(pieces), events, tail, *counters)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
class TestGrammar:
    def test_whole(self, case: Case) -> None:
        assert decode(case.name, [case.stream]) == case

    def test_cut_in_two_anywhere(self, case: Case) -> None:
        for i in range(len(case.stream) + 1):
            assert decode(case.name, [case.stream[:i], b"", case.stream[i:]]) == case, i

    def test_byte_by_byte(self, case: Case) -> None:
        assert decode(case.name, cut(case.stream, 1)) == case

    def test_after_plain_events(self, case: Case) -> None:
        plain = b"" if "BOM" in case.name else b"data: p\n\n" * 3
        events = [*decode("", [plain]).events, *case.events]
        expected = case._replace(stream=plain + case.stream, events=events)
        assert decode(case.name, [plain + case.stream]) == expected


def test_types_of_bare_payloads() -> None:
    # A tuple never equals bytes, but a bytearray does.
    pieces = [b"data: a\n\n", b"da", b"ta: b\n\n", b"dat", b"a:c\n\nerr", b"or: d\n\n"]
    bare, joined, odd, error = decode("", pieces).events
    assert [type(bare), type(joined)] == [bytes, bytes]
    assert isinstance(odd, Event)
    assert isinstance(error, Event)
    assert [type(odd.data), type(error.error)] == [bytes, bytes]


def test_a_cr_dispatches_at_once() -> None:
    decoder = EventDecoder(LIMIT)
    assert flat(decoder.feed(b"data: a\r\n\r")) == [b"a"]
    assert decoder.feed(b"") == []
    assert flat(decoder.feed(b"\ndata: b\r\r")) == [b"b"]


def test_the_standard_sets_retry_at_once_but_the_id_at_the_end_of_the_block() -> None:
    decoder = EventDecoder(LIMIT)
    decoder.feed(b"retry: 5\nid: 1\n: c\n")
    assert (decoder.retry, decoder.last_event_id, decoder.comments) == (5, "", 1)
    decoder.feed(b"\n")
    assert decoder.last_event_id == "1"


def test_plain_events_are_found_in_runs() -> None:
    """One run a piece, beside the event that was cut and what is not plain."""
    event = b'data: {"message":"abcdefgh"}\n\n'
    last = b'data: {"result":1}\n\n'
    decoder = EventDecoder(LIMIT, opening=b'{"message":', closing=b"}")
    stream = event * 500 + last
    found = [
        decoder.feed(piece) for piece in (stream[:100], stream[100:4100], stream[4100:], b": ping\n" + event)
    ]
    run = [b'"abcdefgh"']
    assert found == [
        [run * 3],  # 100 = 3 * 30 + 10
        [run, run * 132],  # 20 bytes to complete one, 132 * 30, 20 left over
        [run, run * 363, Event(b'{"result":1}')],
        [run],
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'data: {"message":1}', [b"1"]),
        (b'data: {"message":}', [b""]),
        (b'data: {"message":1', Event(b'{"message":1')),
        (b'data: {"message":1} ', Event(b'{"message":1} ')),
        (b'data:{"message":1}', Event(b'{"message":1}')),
        (b'data: {"message" :1}', Event(b'{"message" :1}')),
        (b'data: {"result":1}', Event(b'{"result":1}')),
    ],
)
@pytest.mark.parametrize("after", [b"", b'data: {"message":2}\n\n'])
def test_what_is_plain_is_up_to_the_caller(line: bytes, found: Run | Event, after: bytes) -> None:
    stream = line + b"\n\n" + after
    for at in range(len(stream)):
        decoder = EventDecoder(LIMIT, opening=b'{"message":', closing=b"}")
        events = flat(decoder.feed(stream[:at]) + decoder.feed(stream[at:]))
        assert events == flat([found]) + [b"2"] * bool(after), at


def test_opening_and_closing_do_not_overlap() -> None:
    decoder = EventDecoder(LIMIT, opening=b"ab", closing=b"bc")
    for stream in (b"data: abc\n\n", b"data: abbc\n\n", b"data: abc\n\ndata: abbc\n\ndata: abc\n\n"):
        whole = decoder.feed(stream)
        assert flat(whole) == flat(
            found for i in range(len(stream)) for found in decoder.feed(stream[i : i + 1])
        )
        assert [len(event) for event in whole if isinstance(event, Event)] == [5] * stream.count(b"abc")


# --- the limit --------------------------------------------------------------------------------


def feed(decoder: EventDecoder, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        decoder.feed(piece)


TOO_LARGE = {
    "plain": b"data: 56789\n\n",
    "unfinished": b"data: 56789",
    "lines": b"data: 6\ndata",
    "noise": b"0123456\n0123",
    "comment": b":0123456789",
    "comment after data": b"data: 6\n:890",
    "error": b"error:6789\n0\n",
}


@pytest.mark.parametrize("stream", TOO_LARGE.values(), ids=TOO_LARGE)
@pytest.mark.parametrize("before", [b"", b"data: a\n\n", b"data: a\n\n:\n\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_too_large(stream: bytes, before: bytes, size: int) -> None:
    """The limit is 10 bytes, and the eleventh (without line ends) is one too many."""
    decoder = EventDecoder(10)
    decoder.feed(before)
    with pytest.raises(EventTooLarge, match="exceeds the limit of 10 bytes") as caught:
        feed(decoder, cut(stream, size))
    error = caught.value
    assert (error.limit, error.size > 10) == (10, True)
    assert stream.startswith(error.head.rstrip(b"\n"))
    assert len(error.head) >= 11


@pytest.mark.parametrize("stream", [*TOO_LARGE.values(), b"data: 56789"], ids=[*TOO_LARGE, "again"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_just_not_too_large(stream: bytes, size: int) -> None:
    decoder = EventDecoder(11)
    feed(decoder, cut(stream, size))
    decoder.finish()


def test_what_does_not_add_up() -> None:
    """Comments are not part of an event, and one event is not part of the next."""
    decoder = EventDecoder(10)
    assert flat(decoder.feed(b":2345678\n" * 9 + b"data: 6789\n\n" * 9)) == [b"6789"] * 9
    assert flat(decoder.feed(b"END\n\n" * 9 + b"data: 6789\r\r" * 9)) == [b"6789"] * 9
    assert decoder.feed(b"id:1\n") == []
    assert decoder.feed(b"id:2\n\n" + b"data:\n\n" * 9) == [Event(b"", id="2")] * 9


@pytest.mark.parametrize("bad", TOO_LARGE.values(), ids=TOO_LARGE)
@pytest.mark.parametrize(("between", "more"), [(b"", []), (b"data:b\n\n", [Event(b"b")])])
@pytest.mark.parametrize("again", [lambda decoder: decoder.feed(b""), EventDecoder.finish])
def test_events_before_it_are_returned_first(
    bad: bytes, between: bytes, more: list[bytes | Event], again: Callable[[EventDecoder], object]
) -> None:
    decoder = EventDecoder(10)
    assert flat(decoder.feed(b"data: a\n\n" + between + bad + b"\n\ndata: d\n\n")) == [b"a", *more]
    for _ in range(2):
        with pytest.raises(EventTooLarge) as caught:
            again(decoder)
        assert bad.startswith(caught.value.head.rstrip(b"\n"))


def test_it_refuses_further_use() -> None:
    decoder = EventDecoder(10)
    for piece in (b"data: 56789", b"\n\n", b"data: a\n\n"):
        with pytest.raises(EventTooLarge, match="nothing after it can be decoded"):
            decoder.feed(piece)
    with pytest.raises(EventTooLarge):
        decoder.finish()


def test_the_error_keeps_little_and_pickles() -> None:
    decoder = EventDecoder(1000)
    with pytest.raises(EventTooLarge) as caught:
        decoder.feed(b"data: a\nEND\n" + b"x" * 2000)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.size, error.limit) == (2010, 1000)
    assert error.head == b"data: a\nEND\n" + b"x" * 188
    assert str(error) == str(caught.value)


@pytest.mark.parametrize(
    "start",
    [b"data: ", b":", b"END", b"END" + b"x" * (LIMIT - 99) + b"\n"],
    ids=["data", "comment", "noise", "a line"],
)
def test_memory_is_bounded(start: bytes) -> None:
    piece = b"x" * 65536
    decoder = EventDecoder(LIMIT)
    tracemalloc.start()
    decoder.feed(start)
    with pytest.raises(EventTooLarge):
        feed(decoder, [piece] * 1000)
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.3 * (LIMIT + len(piece))
    assert left < len(piece)


# --- running time -----------------------------------------------------------------------------


def seconds(pieces: list[bytes]) -> float:
    """CPU, the best of five: other work on the machine only adds to it."""
    once = timeit.Timer(lambda: feed(EventDecoder(1 << 30), pieces), timer=thread_time)
    return min(once.repeat(number=1, repeat=5))


def one_line(n: int) -> bytes:
    return b"data: " + b"x" * n + b"\n\n"


def lines(n: int) -> bytes:
    return b"data: x\n" * (n // 8) + b"\n"


def odd_among_plain(n: int) -> bytes:
    return b"data: x\n\ndata: y\n\ndata:z\n\n" * (n // 26)


@pytest.mark.parametrize(
    ("make", "small", "piece"),
    [
        (one_line, 1 << 20, 4096),
        (one_line, 1 << 14, 1),
        (lines, 1 << 15, 1024),
        (odd_among_plain, 1 << 15, 1 << 30),
    ],
)
def test_time_is_linear(make: Callable[[int], bytes], small: int, piece: int) -> None:
    """Eight times the bytes may take eight times as long; 64 times is what a square would take."""
    ratio = seconds(cut(make(8 * small), piece)) / seconds(cut(make(small), piece))
    assert ratio < 24
