"""What the stub has seen, for tests to read and to wait on.

In: events, noted by the other rooms. Out: `Received`, `Run`, counts, and `Board.wait_until`.
Nothing here decides anything.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ..text import brief, shown

Outcome = Literal["running", "finished", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Received:
    """One request, the `nth` on its `connection`, both from 1. `at` is in monotonic seconds."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    flow: str | None
    streaming: bool
    connection: int
    nth: int
    at: float

    def __repr__(self) -> str:
        how = ", streaming" if self.streaming else ""
        what = f"{shown(self.method, 20)} {shown(self.path)}"
        return f"<Received {what} on connection {self.connection}, {len(self.body)} bytes{how}>"

    @property
    def json(self) -> Any:
        """The body as JSON, None if empty. Raises ValueError if it is something else."""
        return json.loads(self.body) if self.body else None


@dataclass(slots=True)
class Run:
    """One run of a flow function. `client_left`: when its client went, in monotonic seconds."""

    flow: str
    input: Any
    trace_id: str
    stream_id: str | None = None
    chunks_sent: int = 0
    outcome: Outcome = "running"
    client_left: float | None = None

    def __repr__(self) -> str:
        count = f"{self.chunks_sent} chunk{'' if self.chunks_sent == 1 else 's'} sent"
        return f"<Run of {shown(repr(self.flow), 100)}, {self.outcome}, {count}, input {brief(self.input)}>"


@dataclass(slots=True)
class Connections:
    """Numbers of connections; `in_use` ones have a request or response in course."""

    open: int = 0
    in_use: int = 0
    accepted: int = 0

    @property
    def idle(self) -> int:
        return self.open - self.in_use


@dataclass(slots=True)
class Board:
    """All records of one stub. Written on its threads, read from any."""

    requests: list[Received] = field(default_factory=list[Received])
    runs: list[Run] = field(default_factory=list[Run])
    connections: Connections = field(default_factory=Connections)
    open_streams: int = 0
    most_open_streams: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _waiting: int = 0

    def changed(self) -> None:
        """Called after every event: wakes those who wait."""
        # Unlocked look first, as chunks come by the thousand: a waiter counts itself before it
        # looks.
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def stream_opened(self) -> None:
        self.open_streams += 1
        self.most_open_streams = max(self.most_open_streams, self.open_streams)
        self.changed()

    def stream_closed(self) -> None:
        self.open_streams -= 1
        self.changed()

    def wait_until(self, condition: Callable[[], object], timeout: float) -> None:
        """Block until `condition()`; AssertionError with the state after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            self._waiting += 1
            try:
                while not condition():
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise AssertionError(f"not so after {timeout} s:\n{self}")
                    # A condition may also look at things that no event of ours announces.
                    self._changed.wait(min(left, 0.05))
            finally:
                self._waiting -= 1

    def __str__(self) -> str:
        requests = [f"  {r.method} {r.path} on connection {r.connection}" for r in self.requests]
        streams = f"  {self.open_streams} open streams, at most {self.most_open_streams}"
        runs = [f"  {run}" for run in self.runs]
        return "\n".join([*requests, *runs, f"  {self.connections}", streams])
