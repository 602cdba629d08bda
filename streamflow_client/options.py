"""What a caller may set: clocks and retries.

In: numbers. Out: frozen, checked options. No defaults live elsewhere. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from sys import float_info
from types import UnionType
from typing import Any

MIB = 1024 * 1024
DEFAULT_MAX_EVENT_BYTES = 16 * MIB
DEFAULT_MAX_RESPONSE_BYTES = 32 * MIB


@dataclass(frozen=True, slots=True)
class Timeout:
    """The clocks of a call, in seconds; None switches one off.

    Attributes:
        connect: to reach the server, TLS included, for each attempt.
        idle: no byte, of headers or body, comments included.
        progress: no chunk; comments do not count.
        total: one deadline for the whole call, over all attempts.

    Raises:
        ValueError: a clock is not a positive number.
    """

    connect: float | None = 5.0
    idle: float | None = 300.0
    progress: float | None = None
    total: float | None = None

    def __post_init__(self) -> None:
        for name in ("connect", "idle", "progress", "total"):
            seconds = getattr(self, name)
            if seconds is not None:
                _check_seconds(f"Timeout({name}=…)", seconds, " or None")


@dataclass(frozen=True, slots=True)
class Retry:
    """When and how often a call is tried again.

    Attributes:
        attempts: requests without progress, the first one included; refilled by every new chunk.
        wait_initial: seconds before the second attempt, at most (jittered).
        wait_max: upper bound of one wait, in seconds; a Retry-After of the server wins over it.
        replay: also repeat calls whose flow may have run. For idempotent flows only; one
            `Idempotency-Key` goes with all attempts.
        verify_replay: compare digests of what a resumed stream replays, and fail on a difference.

    Raises:
        ValueError: a number makes no sense.
    """

    attempts: int = 4
    wait_initial: float = 0.2
    wait_max: float = 10.0
    replay: bool = False
    verify_replay: bool = False

    def __post_init__(self) -> None:
        if not _is_number(self.attempts, int) or self.attempts < 1:
            raise ValueError(f"Retry(attempts=…) must be a whole number, 1 or more, got {self.attempts!r}")
        _check_seconds("Retry(wait_initial=…)", self.wait_initial)
        _check_seconds("Retry(wait_max=…)", self.wait_max)


def _check_seconds(what: str, seconds: Any, also: str = "") -> None:
    # Compared, for `isfinite` cannot take an int that is larger than every float; NaN is never between.
    if not _is_number(seconds, int | float) or not 0 < seconds <= float_info.max:
        raise ValueError(f"{what} must be a positive number of seconds{also}, got {seconds!r}")


def _is_number(value: Any, kind: type[int] | UnionType) -> bool:
    """`True` is an int to Python, but no number that anybody meant."""
    return isinstance(value, kind) and not isinstance(value, bool)


def as_timeout(value: float | Timeout | None) -> Timeout:
    """A bare number is the total; None switches every clock off."""
    if isinstance(value, Timeout):
        return value
    if value is None:
        return Timeout(connect=None, idle=None)
    return Timeout(total=value)
