"""Server-sent events: bytes in, whole events out.

In go the bytes of a response body, in pieces cut anywhere. Out come the events they complete, in
order: the *plain* ones, which follow each other, as a run, a list of their payloads; every other one as an
`Event`. Plain is an event that is nothing but one line `data: <opening><payload><closing>` (comments beside
it don't matter) while no event id is in force; opening and closing are the caller's. Runs are found and
split at the speed of C, which is what makes a stream of small events cheap. The payload stays undecoded:
what it means, which event types matter and whether a stream may end where it does belong to the callers,
as do content types, reconnecting and every kind of I/O.

The grammar is https://html.spec.whatwg.org/multipage/server-sent-events.html, quoted below, with
these differences:

* `error:`, a field that Genkit's JavaScript servers write, is kept and joined as `data` is, and a
  block with an `error` but no `data` is dispatched too. The standard would ignore both.
* "Once the end of the file is reached, any pending data must be discarded": `finish()` hands it
  over instead. Nothing in it changes `last_event_id`, nor does a half-read line change `retry`.
* A `retry` of more than 15 digits is ignored, as if it were not a number.
* No event may be larger than `max_event_bytes`.
"""

from typing import Final, NamedTuple

_BOM: Final = b"\xef\xbb\xbf"
_DATA: Final = b"data: "
_CR: Final = 0x0D  # an int: `b"\r" in data` takes 160 ns, since CPython tries it as a number first
_HEAD: Final = 200  # bytes of a refused event that an error keeps
_RETRY_DIGITS: Final = 15  # 30,000 years; longer numbers overflow clocks, and int() at 4,300


Run = list[bytes]
"""The payloads of plain events that follow each other, at least one."""


class Event(NamedTuple):
    """An event that is not plain."""

    data: bytes
    """The data lines joined by line feeds; nobody has checked that they are UTF-8."""
    event: str = ""
    """The event type; empty for the default one, `message`."""
    id: str = ""
    """The last event id in force when the event was dispatched."""
    retry: int | None = None
    """Milliseconds, where this very event had a valid retry field."""
    error: bytes | None = None
    """The error lines, joined like data; None where there were none."""


class EventTooLarge(ValueError):
    """An event outgrew the limit, so nothing after it can be decoded.

    `size` is what was known of it by then, `head` its first 200 bytes.
    """

    def __init__(self, size: int, limit: int, head: bytes) -> None:
        super().__init__(size, limit, head[:_HEAD])  # all three, so that it pickles
        self.size = size
        self.limit = limit
        self.head: bytes = head[:_HEAD]

    def __str__(self) -> str:
        return (
            f"an event of at least {self.size} bytes exceeds the limit of {self.limit} bytes; "
            "nothing after it can be decoded"
        )


class EventDecoder:
    """Decodes one stream; the module's docstring says what comes out, and what `opening` and `closing` are.

    The size of an event is the sum of its lines without their line ends. Comments are not part of
    it, but a single line may not outgrow the limit either, whatever it is going to be. Events that
    a piece completes before one that is too large are returned first: the next call raises
    `EventTooLarge`, and so does every call from then on.
    """

    broken: bool
    """An event was too large: every further call raises."""
    comments: int
    """Comment lines so far: a sign of life."""
    last_event_id: str
    """What a reconnecting client would send as `Last-Event-ID`."""
    retry: int | None
    """The reconnection time in milliseconds that the server asked for last."""

    def __init__(self, max_event_bytes: int, opening: bytes = b"", closing: bytes = b"") -> None:
        self._opening = opening
        self._closing = closing
        self._plain = _DATA + opening
        self._ending = closing + b"\n\n"
        self._between = self._ending + self._plain  # what separates the payloads of a run
        self.broken = False
        self.comments = 0
        self.last_event_id = ""
        self.retry = None
        self._limit = max_event_bytes
        self._refused: tuple[int, int, bytes] | None = None  # what EventTooLarge said
        self._start: bytes | None = b""  # what may yet become a BOM; None once that is settled
        self._after_cr = False  # a line feed that comes next is the second half of a line end
        self._partial = bytearray()  # the unfinished line; appending to it takes linear time
        self._id = ""  # the standard's "last event ID buffer": in force from the next dispatch on
        self._begin_event()

    def _begin_event(self) -> None:
        self._fresh = not self._id  # nothing of an event was read, and it may be a plain one
        self._only_plain = True  # no line but `data: …` so far
        self._size = 0
        self._head = b""
        self._data: list[bytes | memoryview] = []
        self._error: list[bytes] = []
        self._type = ""
        self._event_retry: int | None = None

    def feed(self, data: bytes) -> list[Run | Event]:
        """The events that `data` completes. Raises: EventTooLarge."""
        if self._refused is not None:
            raise EventTooLarge(*self._refused)
        if self._after_cr or self._start is not None or _CR in data:
            data = self._with_line_feeds(self._without_bom(data))
        events: list[Run | Event] = []
        try:
            self._read(data, events)
        except EventTooLarge as error:
            self._refused = (error.size, error.limit, error.head)
            self.broken = True
            self._drop()
            if not events:
                raise
        return events

    def finish(self) -> list[Event]:
        """The event that the end of the stream cut short, if any. Nothing may be fed after it.

        Raises: EventTooLarge.
        """
        if self._refused is not None:
            raise EventTooLarge(*self._refused)
        retry = self.retry
        if self._partial:
            self._read_line(b"", [])
            self.retry = retry  # `retry: 50` may be half of `retry: 5000`
        tail = [self._event()] if self._data or self._error else []
        self._drop()
        return tail

    def _drop(self) -> None:
        self._partial = bytearray()
        self._begin_event()

    # --- bytes to lines -----------------------------------------------------------------------

    def _without_bom(self, data: bytes) -> bytes:
        """Spec: "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM)"."""
        if self._start is None:
            return data
        start = self._start + data
        undecided = len(start) < len(_BOM) and _BOM.startswith(start)
        self._start = start if undecided else None
        return b"" if undecided else start.removeprefix(_BOM)

    def _with_line_feeds(self, data: bytes) -> bytes:
        """Spec: lines end in "a U+000D CARRIAGE RETURN U+000A LINE FEED (CRLF) character pair, a
        single U+000A LINE FEED (LF) character, or a single U+000D CARRIAGE RETURN (CR) character".
        A CR at the end of a piece ends its line at once: the next byte may be long in coming."""
        if not data:
            return data
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _read(self, data: bytes, events: list[Run | Event]) -> None:
        pos, size, try_run = 0, len(data), True
        while pos < size:
            if self._fresh and data.startswith(self._plain, pos):
                # Once a piece, lest one that has other events too be searched again and again.
                end = self._read_plain(data, pos, events, run=try_run)
                if end == pos and try_run:
                    end = self._read_plain(data, pos, events, run=False)
                try_run = False
                if end > pos:
                    pos = end
                    continue
            end = data.find(b"\n", pos)
            if end < 0:
                self._keep(data[pos:])
                return
            self._read_line(data[pos:end], events)
            pos = end + 1

    def _read_plain(self, data: bytes, pos: int, events: list[Run | Event], *, run: bool) -> int:
        """Take the plain event that may begin at `pos`; with `run`, all up to the last in `data`.

        Gives the end of what was taken; `pos` where that is nothing, since an event there is not plain.
        """
        start = pos + len(self._plain)
        last = data.rfind(self._between, start) if run else -1
        after = start if last < 0 else last + len(self._between)
        end = data.find(b"\n", after) - len(self._closing)
        if end < after or not data.startswith(self._ending, end):  # the last one is not whole, or not plain
            end = last
        if end < 0:
            return pos
        payloads = data[start:end].split(self._between)
        if data.count(b"\n", start, end) != 2 * (len(payloads) - 1):
            return pos  # a line feed that belongs to no separator: some event is not a single line
        if end - pos > self._limit and self._too_large(payloads):
            return pos
        events.append(payloads)
        return end + len(self._ending)

    def _too_large(self, payloads: Run) -> bool:
        return max(map(len, payloads)) + len(self._plain) + len(self._closing) > self._limit

    def _keep(self, rest: bytes) -> None:
        self._fresh = False
        self._partial += rest
        self._check_size(self._partial)

    def _check_size(self, line: bytes | bytearray) -> None:
        size = self._size + len(line)
        if size > self._limit:
            raise EventTooLarge(size, self._limit, self._head + line[:_HEAD])

    # --- lines to events ----------------------------------------------------------------------

    def _read_line(self, line: bytes | bytearray, events: list[Run | Event]) -> None:
        if self._partial:
            self._partial += line
            line, self._partial = self._partial, bytearray()
        if not line:
            self._dispatch(events)
            return
        self._check_size(line)
        if line.startswith(b":"):
            self.comments += 1
        else:
            self._read_field(line)

    def _read_field(self, line: bytes | bytearray) -> None:
        self._fresh = False
        self._size += len(line)
        if len(self._head) < _HEAD:
            self._head += line[:_HEAD] + b"\n"
        if line.startswith(_DATA):
            self._data.append(memoryview(line)[len(_DATA) :])  # to copy large ones costs more than all else
            return
        self._only_plain = False
        name, _, value = bytes(line).partition(b":")
        self._set_field(name, value.removeprefix(b" "))

    def _set_field(self, name: bytes, value: bytes) -> None:
        match name:
            case b"data":
                self._data.append(value)
            case b"id" if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
            case b"event":
                self._type = value.decode("utf-8", "replace")
            case b"retry" if value.isdigit() and len(value) <= _RETRY_DIGITS:
                self.retry = self._event_retry = int(value)
            case b"error":
                self._error.append(value)
            case _:
                pass  # Spec: "Otherwise: The field is ignored."

    def _dispatch(self, events: list[Run | Event]) -> None:
        if self._only_plain and len(self._data) == 1 and not self._id and self._is_plain(self._data[0]):
            data = self._data[0]
            events.append([bytes(data[len(self._opening) : len(data) - len(self._closing)])])
        elif self._data or self._error:
            events.append(self._event())
        # Spec, before it asks whether there is data: "Set the last event ID string of the event
        # source to the value of the last event ID buffer. The buffer does not get reset".
        self.last_event_id = self._id
        self._begin_event()

    def _is_plain(self, data: bytes | memoryview) -> bool:
        opened, closed = len(self._opening), len(data) - len(self._closing)
        return opened <= closed and data[:opened] == self._opening and data[closed:] == self._closing

    def _event(self) -> Event:
        error = b"\n".join(self._error) if self._error else None
        return Event(b"\n".join(self._data), self._type, self._id, self._event_retry, error)
