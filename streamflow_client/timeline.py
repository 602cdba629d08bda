"""What happened to one call, for people: *why did my stream die?*

In: plain facts that the session collected. Out: frozen records that pickle, and one line of text.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["connecting", "waiting for headers", "reading the body", "waiting to retry", "answered"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of a call.

    Attributes:
        number: 1 for the first.
        started: seconds after the call began.
        http_status: status of the response, None where none came.
        bytes: bytes of the response body.
        reused: True on a kept-alive connection, None where that is unknown.
        ended: how it ended, in a few words; "" while it runs.
    """

    number: int
    started: float
    http_status: int | None = None
    bytes: int = 0
    reused: bool | None = None
    ended: str = ""

    def __str__(self) -> str:
        status = "" if self.http_status is None else f"HTTP {self.http_status}"
        facts = [f"at {self.started:.2f} s", _connection(self.reused), status, _count(self.bytes, "byte")]
        return f"attempt {self.number} ({', '.join(filter(None, facts))}): {self.ended or 'running'}"


@dataclass(frozen=True, slots=True)
class Timeline:
    """How far a call came. Ages and times are in seconds.

    Attributes:
        attempts: every request that was made, in order.
        phase: what the call was doing.
        elapsed: since the call began.
        bytes: of response bodies, over all attempts.
        chunks: that had arrived, delivered or not.
        last_byte_age: since the last byte of any kind; None where none came.
        last_chunk_age: since the last chunk; None where none came.
    """

    attempts: tuple[Attempt, ...]
    phase: Phase
    elapsed: float
    bytes: int
    chunks: int
    last_byte_age: float | None
    last_chunk_age: float | None

    def __repr__(self) -> str:
        return f"<Timeline: {self}>"

    def __str__(self) -> str:
        parts = [
            f"{self.phase} after {self.elapsed:.2f} s",
            _count(len(self.attempts), "attempt"),
            _count(self.bytes, "byte"),
            _count(self.chunks, "chunk"),
            _age("last byte", self.last_byte_age),
            _age("last chunk", self.last_chunk_age),
            _connection(self.attempts[-1].reused if self.attempts else None),
        ]
        return ", ".join(part for part in parts if part)


def _connection(reused: bool | None) -> str:
    if reused is None:
        return ""
    return "reused connection" if reused else "new connection"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _age(what: str, seconds: float | None) -> str:
    return "" if seconds is None else f"{what} {seconds:.2f} s ago"
