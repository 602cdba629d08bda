"""What the soak believes: that its plans cover what they should, and that its judge notices what is wrong."""

from collections import Counter
from collections.abc import Callable

import pytest

import soak
from soak_lanes import Judge
from soak_plan import FAULTS, PLACES, Plan, Total, chunk_of, plan
from streamflow_client import FlowCancelledError, ProtocolError, StreamInterruptedError

HEALTHY = Plan(7, "sync", tls=False, kind="plain", chunks=3, reading="all")
DROPPED = Plan(7, "sync", tls=False, kind="plain", chunks=3, reading="all", at=2, fault="drop")


def deliver(judge: Judge, *indices: int, stream: int = 7) -> None:
    for index in indices:
        judge.chunk(chunk_of(stream, index))
    judge.received(len(indices))


def whole(judge: Judge) -> None:
    deliver(judge, 0, 1, 2)
    judge.result(Total(stream=7, chunks=3))


def dropped(judge: Judge) -> None:
    deliver(judge, 0, 1)
    judge.failed(StreamInterruptedError("dropped"))


@pytest.mark.parametrize(("plan", "run"), [(HEALTHY, whole), (DROPPED, dropped)], ids=["healthy", "faulty"])
def test_what_was_promised_is_right(plan: Plan, run: Callable[[Judge], None]) -> None:
    judge = Judge(plan)
    run(judge)
    judge.ends()
    assert not judge.wrong


def another_streams_chunk(judge: Judge) -> None:
    deliver(judge, 0, 1, 2, stream=8)
    judge.result(Total(stream=7, chunks=3))


def repeated_chunk(judge: Judge) -> None:
    deliver(judge, 0, 1, 1)
    judge.result(Total(stream=7, chunks=3))


def lost_chunk(judge: Judge) -> None:
    deliver(judge, 0, 1)
    judge.result(Total(stream=7, chunks=3))


def another_streams_result(judge: Judge) -> None:
    deliver(judge, 0, 1, 2)
    judge.result(Total(stream=8, chunks=3))


def no_outcome(judge: Judge) -> None:
    deliver(judge, 0, 1, 2)


def wrong_count(judge: Judge) -> None:
    whole(judge)
    judge.received(1)


def cancelled(judge: Judge) -> None:
    deliver(judge, 0)
    judge.failed(FlowCancelledError("nobody asked for it"))


def slow_to_stop(judge: Judge) -> None:
    whole(judge)
    judge.cancelled(-1e9)


WRONG = [
    another_streams_chunk,
    repeated_chunk,
    lost_chunk,
    another_streams_result,
    no_outcome,
    wrong_count,
    cancelled,
    slow_to_stop,
]


@pytest.mark.parametrize("run", WRONG, ids=lambda run: run.__name__)
def test_what_was_not_promised_is_wrong(run: Callable[[Judge], None]) -> None:
    judge = Judge(HEALTHY)
    run(judge)
    judge.ends()
    assert judge.wrong


def another_error(judge: Judge) -> None:
    deliver(judge, 0, 1)
    judge.failed(ProtocolError("dropped"))


def short_prefix(judge: Judge) -> None:
    deliver(judge, 0)
    judge.failed(StreamInterruptedError("dropped"))


@pytest.mark.parametrize("run", [another_error, short_prefix, whole], ids=lambda run: run.__name__)
def test_a_fault_has_one_right_end(run: Callable[[Judge], None]) -> None:
    judge = Judge(DROPPED)
    run(judge)
    judge.ends()
    assert judge.wrong


def test_the_plan_is_the_one_that_was_asked_for() -> None:
    plans = [plan(1, number) for number in range(30_000)]
    assert plans[:100] == [plan(1, number) for number in range(100)]
    assert Counter(each.lane for each in plans) == {"sync": 15_000, "asyncio": 7_500, "trio": 7_500}
    faulty = Counter(each.fault for each in plans if each.fault)
    cancelled = Counter(each.cancel.place for each in plans if each.cancel)
    assert faulty.keys() == FAULTS.keys()
    assert cancelled.keys() == set(PLACES)
    assert {each.way for each in plans if each.cancel} == {"cancel", "close", "task", "leave", "drop"}
    assert 1_400 < faulty.total() < 1_600
    assert 1_400 < cancelled.total() < 1_600


@pytest.mark.parametrize(
    ("samples", "grown"),
    [
        ([50, 90, 100, 100, 100, 100, 100, 100, 100], 0.0),  # warming up is no growth
        ([100, 100, 100, 100, 100, 100, 103, 103, 103], 0.03),
        ([100] * 8, None),
    ],
    ids=["flat", "grows", "too few"],
)
def test_growth_is_that_of_the_last_third(samples: list[int], grown: float | None) -> None:
    assert soak.growth(samples) == pytest.approx(grown)
