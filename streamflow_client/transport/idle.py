"""Connections that wait for reuse.

In: lanes whose exchange ended cleanly. Out: the one used last; and those that waited too long or are too
many, for whoever asks to close them. Nothing is closed or awaited here, so that both transports use it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Protocol, TypeVar

Origin = tuple[bytes, bytes, int]  # scheme, host, port: what may share a connection


class Lane(Protocol):
    """A connection. `idle_since` is in monotonic seconds."""

    origin: Origin
    idle_since: float


LaneT = TypeVar("LaneT", bound=Lane)


class IdleLanes(dict[Origin, deque[LaneT]]):
    """Lanes by origin, those that waited longest on the left. These three methods are thread-safe.

    Their cost grows with the origins that have a lane here, not with the lanes that are busy.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._process = os.getpid()

    def put(self, lane: LaneT) -> None:
        with self._lock:
            self.setdefault(lane.origin, deque()).append(lane)

    def take(self, origin: Origin) -> LaneT | None:
        """The lane used last, since it is the least likely to be closed by the server.

        None of those that a fork has copied: two processes on one connection read each other's answers.
        """
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock = threading.Lock()  # the parent's may have been held
            self.clear()
        with self._lock:
            lanes = self.get(origin)
            return self._pop(lanes[-1]) if lanes else None

    def sweep(self, oldest: float, most: int) -> list[LaneT]:
        """Give up those that came to rest at or before `oldest`, and all but the newest `most`."""
        late: list[LaneT] = []
        if not self:  # as on every call of a client that makes one after the other
            return late
        with self._lock:
            left = sum(map(len, self.values()))
            while left:
                first = min((lanes[0] for lanes in self.values()), key=lambda lane: lane.idle_since)
                if first.idle_since > oldest and left <= most:
                    break
                late.append(self._pop(first))
                left -= 1
        return late

    def _pop(self, lane: LaneT) -> LaneT:
        """Remove the first or last lane of its origin, and an origin without any."""
        lanes = self[lane.origin]
        if lanes[-1] is lane:
            lanes.pop()
        else:
            lanes.popleft()
        if not lanes:
            del self[lane.origin]
        return lane
