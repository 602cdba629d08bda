"""When a call has waited long enough.

In: events with the driver's time, seconds. Out: the moment at which the first clock will have run out, and
which one that is. It reads no clock itself and decides nothing. Pure.
"""

from __future__ import annotations

from .errors import Clock
from .options import Timeout

LONGEST_WAIT = 3600.0  # seconds that a server may have us wait where no total deadline says otherwise

SAYS: dict[Clock, str] = {
    "pool": "the http_client had no free connection: its limit is reached, responses were left unclosed, "
    "or cancelled calls wedged its pool (httpcore issue 1093); a new client has a new pool",
    "connect": "no connection",
    "idle": "not one byte came",
    "progress": "no chunk came",
    "total": "the call did not end",
}


class Clocks:
    """The clocks of one call.

    `idle` and `progress` run only while the caller waits: the time that it takes between two reads does not
    count. `connect` and `total` always run.

    Attributes:
        streaming: whether chunks are expected, so that `progress` counts.
        last_byte, last_comment, last_chunk: when they came; None for never.
    """

    def __init__(self, timeout: Timeout, *, streaming: bool) -> None:
        self.timeout = timeout
        self.last_byte: float | None = None
        self.last_comment: float | None = None
        self.last_chunk: float | None = None
        self.began: float | None = None
        self.streaming = streaming
        self._connecting = False
        self._running = False
        self._awaited = True
        self._since = 0.0  # when the connection, the attempt or the caller's wait began, whichever is last

    def begin(self, now: float) -> None:
        """The call begins, if it has not before: `total` runs."""
        self.began = now if self.began is None else self.began

    def opening(self, now: float) -> None:
        """An attempt begins."""
        self.begin(now)
        self._since = now
        self._connecting = self._running = True

    def connected(self, now: float) -> None:
        self._since = now
        self._connecting = False

    def waiting(self, now: float) -> None:
        """The caller begins to wait for what comes next."""
        if not self._connecting:
            self._since = now
        self._awaited = True  # last, since others may look meanwhile

    def resting(self) -> None:
        """The caller has what it waited for."""
        self._awaited = False

    def pausing(self) -> None:
        """Between two attempts, or after the last, only `total` runs."""
        self._running = self._connecting = False

    def deadline(self, *, idle: bool = True) -> float | None:
        """When the first clock, `idle` among them or not, will have run out; None where none runs."""
        first = self._first(idle)
        return None if first is None else first[0]

    def is_over(self, now: float) -> bool:
        """Whether the total deadline has passed."""
        if self.timeout.total is None:
            return False
        end = self._total_end()
        return end is not None and now >= end

    def due(self, *, idle: bool = True) -> Clock:
        """The clock that runs out first, `idle` among them or not.

        Where none runs, it is the one that would count what is waited for.
        """
        first = self._first(idle)
        if first is None:
            return "connect" if self._connecting else "idle"
        return first[1]

    def fits(self, seconds: float, now: float) -> bool:
        """Whether a wait of `seconds` is a sensible one and ends before the total deadline."""
        end = self._total_end()
        return seconds <= LONGEST_WAIT if end is None else now + seconds < end

    def _total_end(self) -> float | None:
        total = self.timeout.total
        return None if total is None or self.began is None else self.began + total

    def _first(self, idle: bool) -> tuple[float, Clock] | None:
        """Asked at every read, so without a list of them all."""
        awaited = self._awaited  # first, since `waiting` sets it last
        timeout, since = self.timeout, self._since
        first: tuple[float, Clock] | None = None
        if timeout.total is not None and self.began is not None:
            first = (self.began + timeout.total, "total")
        if self._connecting:
            if timeout.connect is not None:
                first = _sooner(first, since + timeout.connect, "connect")
        elif self._running and awaited:
            if idle and timeout.idle is not None:
                first = _sooner(first, max(since, self.last_byte or 0.0) + timeout.idle, "idle")
            if self.streaming and timeout.progress is not None:
                first = _sooner(first, max(since, self.last_chunk or 0.0) + timeout.progress, "progress")
        return first


def _sooner(first: tuple[float, Clock] | None, end: float, clock: Clock) -> tuple[float, Clock]:
    return first if first is not None and first[0] <= end else (end, clock)
