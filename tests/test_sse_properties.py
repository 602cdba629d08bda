"""The decoder of server-sent events against arbitrary streams, cuts, and two other decoders."""

import re
from itertools import pairwise

import httpx
import httpx_sse
from hypothesis import given, settings
from hypothesis import strategies as st

from pure_calls import flat
from streamflow_client.wire.sse import Event, EventDecoder, EventTooLarge

LIMIT = 1 << 20

# --- streams ----------------------------------------------------------------------------------

ends = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])
tokens = st.sampled_from(
    [
        *(b"data", b"data: ", b"data: x", b"data:", b"event", b"id", b"id: 7", b"retry"),
        *(b"retry:80", b"error", b"error: e", b": ping", b"END", b":", b": ", b" ", b"\0", b"1"),
        *(b"\xc3\xa9", b"\xef\xbb\xbf", b"\xef\xbb", b"\xff", b"\n", b"\n\n", b"\r", b"\r\n"),
        *(b"", b"x" * 600),
    ]
)
plain = st.binary(max_size=8).map(lambda b: b"data: " + re.sub(rb"[\r\n]", b"", b) + b"\n\n")
lines = st.tuples(tokens, tokens, ends).map(b"".join)
parts = st.one_of(plain, plain, lines, tokens, st.binary(max_size=4))
streams = st.lists(parts, max_size=30).map(b"".join)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    points = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    return [data[a:b] for a, b in pairwise(points)]


cuts = st.lists(st.integers(0, 1 << 16), max_size=12)
some_settings = settings(max_examples=300, deadline=None, derandomize=True)

# --- a decoder as slow and as near to the words of the standard as can be ----------------------


class Reference:
    """Each comment is the standard's own text, or names a deviation of ours."""

    def __init__(self, stream: bytes, opening: bytes, closing: bytes) -> None:
        self.opening, self.closing = opening, closing
        self.events: list[bytes | Event] = []
        self.comments = 0
        self.last_event_id = self.id = ""
        self.retry: int | None = None
        self.block_retry: int | None = None
        self.clear()
        # "strips one leading UTF-8 Byte Order Mark (BOM), if any"; half a one is nothing either
        stream = stream.removeprefix(b"\xef\xbb\xbf")
        *whole, tail = re.split(rb"\r\n|\r|\n", stream)
        for line in whole:
            self.line(line)
        self.finish(tail)

    def clear(self) -> None:
        self.data, self.error, self.type = b"", b"", ""
        self.block_retry = None
        self.block: list[bytes] = []

    def line(self, line: bytes) -> None:
        if line == b"":  # "If the line is empty (a blank line): Dispatch the event"
            self.dispatch()
        elif line[:1] == b":":  # "If the line starts with a U+003A COLON character (:): Ignore it"
            self.comments += 1
        else:
            self.block.append(line)
            name, value = (
                line,
                b"",
            )  # "using the whole line as the field name, and the empty string"
            if b":" in line:
                name, value = line[: line.index(b":")], line[line.index(b":") + 1 :]
            if value[:1] == b" ":  # "If value starts with a U+0020 SPACE character, remove it"
                value = value[1:]
            self.field(name, value)

    def field(self, name: bytes, value: bytes) -> None:
        if name == b"event":  # "Set the event type buffer to the field value"
            self.type = value.decode(errors="replace")
        elif name == b"data":  # "Append the field value to the data buffer, then append a LF"
            self.data += value + b"\n"
        elif name == b"error":  # ours
            self.error += value + b"\n"
        elif name == b"id":  # "If the field value does not contain U+0000 NULL"
            if b"\0" not in value:
                self.id = value.decode(errors="replace")
        elif name == b"retry" and re.fullmatch(rb"[0-9]{1,15}", value):  # 15: ours
            self.retry = self.block_retry = int(value)

    def event(self) -> Event | None:
        if not self.data and not self.error:  # "If the data buffer is an empty string … return"
            return None
        error = self.error[:-1] if self.error else None
        # "If the data buffer's last character is a LF character, then remove" it
        return Event(self.data[:-1], self.type, self.id, self.block_retry, error)

    def dispatch(self) -> None:
        self.last_event_id = self.id
        event = self.event()
        opening, closing = b"data: " + self.opening, self.closing
        if (
            event
            and self.id == ""
            and re.fullmatch(re.escape(opening) + b"(?s:.*)" + re.escape(closing), b"\n".join(self.block))
            and len(self.block) == 1
        ):
            self.events.append(self.block[0][len(opening) : len(self.block[0]) - len(closing)])  # ours
        elif event:
            self.events.append(event)
        self.clear()

    def finish(self, tail: bytes) -> None:  # ours: "any pending data must be discarded"
        retry = self.retry
        if tail:
            self.line(tail)
        self.retry = retry
        event = self.event()
        self.tail = [event] if event else []


Outcome = tuple[list[bytes | Event], list[Event], int, str, int | None]


def reference(stream: bytes, opening: bytes = b"", closing: bytes = b"") -> Outcome:
    r = Reference(stream, opening, closing)
    return r.events, r.tail, r.comments, r.last_event_id, r.retry


def decode(pieces: list[bytes], opening: bytes = b"", closing: bytes = b"") -> Outcome:
    decoder = EventDecoder(LIMIT, opening, closing)
    events = [event for piece in pieces for event in flat(decoder.feed(piece))]
    tail = decoder.finish()
    return events, tail, decoder.comments, decoder.last_event_id, decoder.retry


@some_settings
@given(streams, cuts)
def test_cuts_make_no_difference(stream: bytes, at: list[int]) -> None:
    assert decode(cut(stream, at)) == decode([stream])


@some_settings
@given(streams, cuts)
def test_it_does_what_the_standard_says(stream: bytes, at: list[int]) -> None:
    assert decode(cut(stream, at)) == reference(stream)


@some_settings
@given(st.lists(plain, min_size=1, max_size=40).map(b"".join), cuts)
def test_plain_streams(stream: bytes, at: list[int]) -> None:
    assert decode(cut(stream, at)) == reference(stream)


ends_of_plain = st.sampled_from([b"", b"x", b"1", b"data: ", b"ab", b"a"])


@some_settings
@given(streams, cuts, ends_of_plain, ends_of_plain)
def test_whatever_is_plain(stream: bytes, at: list[int], opening: bytes, closing: bytes) -> None:
    assert decode(cut(stream, at), opening, closing) == reference(stream, opening, closing)


@some_settings
@given(st.data(), ends_of_plain, ends_of_plain, cuts)
def test_runs(data: st.DataObject, opening: bytes, closing: bytes, at: list[int]) -> None:
    line = st.sampled_from([b"", b"a", b"bab", b"x1"]).map(lambda b: b"data: " + opening + b + closing)
    stream = b"".join(
        data.draw(
            st.lists(line | plain.map(bytes.strip), max_size=20).map(lambda x: [e + b"\n\n" for e in x])
        )
    )
    assert decode(cut(stream, at), opening, closing) == reference(stream, opening, closing)


def decode_until_refused(pieces: list[bytes], limit: int) -> tuple[list[bytes | Event], bool]:
    decoder = EventDecoder(limit)
    events: list[bytes | Event] = []
    try:
        for piece in pieces:
            events += flat(decoder.feed(piece))
        events += decoder.finish()
    except EventTooLarge as error:
        return events, error.size > limit
    return events, False


@some_settings
@given(streams, cuts, st.integers(2, 40))  # 2: the half of a BOM may be a whole stream
def test_what_is_too_large_does_not_depend_on_cuts(stream: bytes, at: list[int], limit: int) -> None:
    assert decode_until_refused(cut(stream, at), limit) == decode_until_refused([stream], limit)


# --- httpx-sse ---------------------------------------------------------------------------------

# It is right only where every block has data (it dispatches blocks without: an empty event after
# `id:` and a blank line or a comment), no block is cut off by the end (it drops the tail, as the
# standard says), `retry` is digits (it takes whatever int() takes, -5 and Arabic digits too), there
# is no `error` field (it drops it) and no BOM (it loses the event after it). Whole texts only.
texts = st.text(st.characters(exclude_characters="\r\n\0\ufeff", codec="utf-8"), max_size=6)
fields = st.one_of(
    st.tuples(st.sampled_from(["event: ", "event:", "id: ", "id:", "data:", "data: ", ":"]), texts),
    st.tuples(st.sampled_from(["retry: ", "retry:"]), st.integers(0, 99999).map(str)),
    st.tuples(st.sampled_from(["data", "event", "id", "END", "id: \0"])),
).map("".join)
blocks = st.tuples(st.lists(fields, max_size=3), texts, st.lists(fields, max_size=3)).map(
    lambda b: [*b[0], "data: " + b[1], *b[2], ""]
)


@settings(some_settings, max_examples=100)
@given(st.lists(blocks, max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), cuts)
def test_httpx_sse_agrees(contents: list[list[str]], end: str, at: list[int]) -> None:
    stream = "".join(line + end for block in contents for line in block).encode()
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=stream)
    theirs = [
        (sse.data.encode(), sse.event, sse.id, sse.retry)
        for sse in httpx_sse.EventSource(response).iter_sse()
    ]
    events = [e if isinstance(e, Event) else Event(e) for e in decode(cut(stream, at))[0]]
    assert [(e.data, e.event or "message", e.id, e.retry) for e in events] == theirs
