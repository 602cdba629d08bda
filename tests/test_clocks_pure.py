"""The clocks of a call: which run when, and which runs out first. Times are those of the test."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow_client.clocks import LONGEST_WAIT, SAYS, Clocks
from streamflow_client.errors import Clock
from streamflow_client.options import Timeout

ALL = Timeout(connect=5, idle=30, progress=60, total=100)
OFF = Timeout(connect=None, idle=None)


def clocks(timeout: Timeout = ALL, *, streaming: bool = True, opened: float = 0.0) -> Clocks:
    made = Clocks(timeout, streaming=streaming)
    made.opening(opened)
    return made


def connected(timeout: Timeout = ALL, *, streaming: bool = True, at: float = 2.0) -> Clocks:
    made = clocks(timeout, streaming=streaming)
    made.connected(at)
    return made


def told(made: Clocks) -> tuple[float | None, Clock]:
    return made.deadline(), made.due()


def test_none_runs_before_the_call_does() -> None:
    made = Clocks(ALL, streaming=True)
    made.waiting(3)
    assert made.deadline() is None


def test_before_the_connection_only_connect_and_total_run() -> None:
    assert told(clocks(opened=7)) == (12, "connect")
    assert told(clocks(Timeout(connect=None, idle=1, progress=1, total=50))) == (50, "total")
    assert told(clocks(Timeout(connect=5, total=4))) == (4, "total")
    assert clocks(Timeout(connect=None, idle=1, progress=1)).deadline() is None


def test_a_caller_who_begins_to_wait_does_not_move_the_connect_clock() -> None:
    made = clocks()
    made.waiting(4)
    assert told(made) == (5, "connect")


def test_once_connected_idle_and_progress_run_from_there() -> None:
    assert told(connected()) == (32, "idle")
    assert told(connected(Timeout(idle=30, progress=20))) == (22, "progress")
    assert told(connected(Timeout(idle=30, progress=20), streaming=False)) == (32, "idle")
    assert told(connected(Timeout(idle=None, progress=20))) == (22, "progress")


def test_a_byte_moves_idle_and_a_chunk_moves_progress() -> None:
    made = connected(Timeout(idle=30, progress=40))
    made.last_byte = 20
    assert told(made) == (42, "progress"), "a byte is life, but no chunk"
    made.last_comment = 41
    assert told(made) == (42, "progress")
    made.last_chunk = made.last_byte = 41
    assert told(made) == (71, "idle")
    made.last_byte = 60
    assert told(made) == (81, "progress")


def test_what_came_before_the_wait_does_not_shorten_it() -> None:
    made = connected()
    made.last_byte = made.last_chunk = 10
    made.waiting(50)
    assert told(made) == (80, "idle")
    made.opening(60)
    made.connected(61)
    assert told(made) == (91, "idle")


def test_idle_and_progress_run_only_while_the_caller_waits() -> None:
    made = connected()
    made.resting()
    assert told(made) == (100, "total")
    made.waiting(40)
    assert told(made) == (70, "idle")


def test_connect_runs_also_while_nobody_waits() -> None:
    made = clocks()
    made.resting()
    assert told(made) == (5, "connect")


def test_between_attempts_only_total_runs() -> None:
    for made in (clocks(), connected()):
        made.pausing()
        assert told(made) == (100, "total")
        made.opening(50)
        assert told(made) == (55, "connect")


def test_total_runs_from_the_first_attempt_on() -> None:
    made = clocks(opened=10)
    made.pausing()
    made.opening(108)
    assert made.began == 10
    assert told(made) == (110, "total")


def test_what_is_switched_off_never_runs_out() -> None:
    made = clocks(OFF)
    assert told(made) == (None, "connect")
    made.connected(1)
    assert told(made) == (None, "idle")
    made.pausing()
    assert made.deadline() is None


@pytest.mark.parametrize(
    ("seconds", "fits"), [(0, True), (9.999, True), (10, False), (11, False), (float("inf"), False)]
)
def test_a_wait_fits_if_it_ends_before_the_deadline(seconds: float, fits: bool) -> None:
    assert clocks().fits(seconds, 90) is fits


@pytest.mark.parametrize(("seconds", "fits"), [(0, True), (3600, True), (3601, False), (float("inf"), False)])
def test_without_a_deadline_a_wait_has_a_bound(seconds: float, fits: bool) -> None:
    assert LONGEST_WAIT == 3600
    assert clocks(OFF).fits(seconds, 90) is fits


def test_every_clock_says_what_did_not_happen() -> None:
    assert SAYS.keys() == set(get_args(Clock))


limits = st.none() | st.integers(1, 20).map(float)
timeouts = st.builds(Timeout, limits, limits, limits, limits)
moves = st.lists(
    st.sampled_from(["opening", "connected", "waiting", "resting", "pausing", "byte", "chunk"]), max_size=12
)


@given(timeouts, st.booleans(), st.lists(st.integers(0, 9), min_size=12, max_size=12), moves)
def test_the_first_to_run_out_is_never_earlier_than_its_time(
    timeout: Timeout, streaming: bool, passing: list[int], names: list[str]
) -> None:
    """Against the definition: the moment that each clock counts from, kept by the test itself."""
    made = Clocks(timeout, streaming=streaming)
    now, first, attempt, life, progress = 1000.0, None, 0.0, 0.0, 0.0
    connecting = running = False
    awaited = True
    for name, seconds in zip(names, passing, strict=False):
        now += seconds
        match name:
            case "opening":
                first = now if first is None else first
                attempt = life = progress = now
                connecting = running = True
                made.opening(now)
            case "connected":
                attempt = life = progress = now
                connecting = False
                made.connected(now)
            case "waiting":
                awaited = True
                if not connecting:
                    life = progress = now
                made.waiting(now)
            case "resting":
                awaited = False
                made.resting()
            case "pausing":
                connecting = running = False
                made.pausing()
            case "byte":
                life = now
                made.last_byte = now
            case _:
                progress = now
                made.last_chunk = now
    reading = running and awaited and not connecting
    since: dict[Clock, float | None] = {
        "connect": attempt if connecting else None,
        "idle": life if reading else None,
        "progress": progress if reading and streaming else None,
        "total": first,
    }
    ends = {
        clock: start + getattr(timeout, clock)
        for clock, start in since.items()
        if start is not None and getattr(timeout, clock) is not None
    }
    assert made.deadline() == min(ends.values(), default=None)
    if ends:
        assert ends[made.due()] == made.deadline()


def test_who_looks_while_the_caller_begins_to_wait_sees_no_clock_that_ran_out() -> None:
    """Another thread, say, between its two looks: at the moment, and at whether it counts."""
    begins: list[float] = []

    class Interrupted(Clocks):
        @property
        def _since(self) -> float:
            then = self._then
            if begins:
                self.waiting(begins.pop())
            return then

        @_since.setter
        def _since(self, then: float) -> None:
            self._then = then

    clocks = Interrupted(Timeout(idle=1), streaming=True)
    clocks.opening(0)
    clocks.connected(0)
    clocks.waiting(0)
    clocks.resting()
    begins.append(100)
    assert clocks.deadline() is None
    assert clocks.deadline() == 101
