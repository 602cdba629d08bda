"""Each clock of `Timeout` fires at its time, in every client, whatever the server still sends; and no clock
runs while nobody waits."""

import pickle
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import pytest

from drivers import DRIVERS, EACH_LOT, Driver, Mode
from streamflow_client import Clock, FlowDef, FlowTimeoutError, Retry, Timeout
from streamflow_client.testing import Call, Faults, StubServer
from streamflow_client.testing import faults as f

FLOW = FlowDef("held", input=int, chunk=int, output=int)
each_lot = pytest.mark.parametrize("drivers", EACH_LOT)
LATE = 0.3  # seconds a clock may fire late
EARLY = 0.01  # what the clocks of the machine may differ by
NEVER: dict[str, Any] = {"connect": None, "idle": None}


def serve(*, tls: bool = False) -> StubServer:
    stub = StubServer(tls=tls)

    @stub.flow
    def held(n: int, send: Callable[[int], None], call: Call) -> int:
        # with 1 it never ends
        for number in range(n):
            send(number)
        if n == 1:
            call.client_gone.wait(60)
        return n

    @stub.flow
    def count(n: int, send: Callable[[int], None]) -> int:
        for number in range(n):
            send(number)
        return n

    stub.flow("lasting", durable=True)(count)

    return stub


@dataclass(frozen=True)
class Case:
    """A clock that is to fire, and all that does not keep it from that."""

    clock: Clock
    timeout: Timeout | float
    seconds: float = 0.5
    faults: Faults = None
    received: int = 0
    input: int = 1
    modes: tuple[Mode, ...] = ("unary", "stream")
    tls: bool = False
    deaf: bool = False
    retry: Retry | None = None
    attempts: int = 1  # the least; a busy machine fits fewer of those that `retry` allows into `total`
    trickles: bool = False

    @property
    def most_attempts(self) -> int:
        return self.retry.attempts if self.retry else 1

    @property
    def limit(self) -> float:
        """What the clock was set to."""
        if isinstance(self.timeout, float):
            return self.timeout
        seconds: float = getattr(self.timeout, self.clock)
        return seconds


BODY: tuple[Mode, ...] = ("stream",)
LATER = (f.delay_headers(0.2), f.status(503, retry_after=0))

CASES: dict[str, Case] = {
    "connect": Case("connect", Timeout(connect=0.5), tls=True, deaf=True),
    "connect, each attempt": Case(
        "connect",
        Timeout(connect=0.25),
        tls=True,
        deaf=True,
        retry=Retry(attempts=2, wait_initial=0.001),
        attempts=2,
    ),
    "total, while connecting": Case("total", 0.5, tls=True, deaf=True),
    "total, over attempts to connect": Case(
        "total",
        Timeout(connect=0.3, total=0.8),
        seconds=0.8,
        tls=True,
        deaf=True,
        retry=Retry(attempts=9, wait_initial=0.001),
        attempts=2,
    ),
    "idle, before the headers": Case("idle", Timeout(idle=0.5), faults=f.delay_headers(60)),
    "idle, within the headers": Case("idle", Timeout(idle=0.5), faults=f.trickle_headers(60), input=0),
    "idle, in the body": Case("idle", Timeout(idle=0.5), received=1, modes=BODY),
    "idle, in the body, TLS": Case("idle", Timeout(idle=0.5), received=1, modes=BODY, tls=True),
    "idle, in a plain body": Case("idle", Timeout(idle=0.5), faults=f.stall(), input=0, modes=("unary",)),
    "idle, after the result": Case(
        "idle", Timeout(idle=0.5), faults=f.no_body_end(), input=0, modes=("unary",)
    ),
    "progress, before the headers": Case(
        "progress", Timeout(progress=0.5), faults=f.delay_headers(60), modes=BODY
    ),
    "progress, while headers trickle": Case(
        "progress", Timeout(progress=0.5), faults=f.trickle_headers(0.2), modes=BODY, trickles=True
    ),
    "progress, with pings only": Case(
        "progress", Timeout(progress=0.5, idle=0.3), faults=f.pings(0.1, 1), received=1, modes=BODY
    ),
    "progress, no chunk at all": Case("progress", Timeout(progress=0.5), faults=f.pings(0.1), modes=BODY),
    "total, before the headers": Case("total", 0.5, faults=f.delay_headers(60)),
    "total, while headers trickle": Case(
        "total", Timeout(total=0.5, idle=0.4), faults=f.trickle_headers(0.2), input=0, trickles=True
    ),
    "total, with pings": Case(
        "total", Timeout(total=0.5, idle=0.3), faults=f.pings(0.1, 1), received=1, modes=BODY
    ),
    "total, with pings, TLS": Case("total", 0.5, faults=f.pings(0.1, 1), received=1, modes=BODY, tls=True),
    "total, with chunks": Case(
        "total",
        Timeout(total=0.6, progress=0.4, idle=0.4),
        seconds=0.6,
        faults=f.slow_chunks(0.25),
        input=60,
        received=2,
        modes=BODY,
    ),
    "total, over attempts": Case("total", 0.5, faults=LATER, retry=Retry(attempts=9), attempts=2),
}


@dataclass(frozen=True)
class Fired:
    """When a call ended, and how."""

    seconds: float
    error: Exception | None

    def is_late(self, case: Case) -> bool:
        return not case.seconds - EARLY <= self.seconds <= case.seconds + LATE


def fire(stub: StubServer, case: Case, driver: Driver, mode: Mode) -> Fired:
    with driver.client(stub, timeout=case.timeout, retry=case.retry) as client:
        flow = client.flow(FLOW)
        began = monotonic()
        try:
            flow(case.input) if mode == "unary" else list(flow.stream(case.input))
        except Exception as error:  # noqa: BLE001 - looked at below
            return Fired(monotonic() - began, error)
        return Fired(monotonic() - began, None)


Way = tuple[Driver, Mode]


def fire_all(stub: StubServer, case: Case, ways: Iterable[Way]) -> dict[Way, Fired]:
    """At the same time: they only wait."""
    with ThreadPoolExecutor() as threads:
        futures = {way: threads.submit(fire, stub, case, *way) for way in ways}
        return {way: future.result() for way, future in futures.items()}


@each_lot
@pytest.mark.parametrize("name", CASES)
def test_a_clock_fires_at_its_time(name: str, drivers: list[Driver]) -> None:
    case = CASES[name]
    ways: list[Way] = [
        (driver, mode) for driver in drivers for mode in case.modes if driver.reachable or not case.trickles
    ]
    with serve(tls=case.tls) as stub:
        stub.always("held", case.faults)
        deaf: AbstractContextManager[None] = stub.tls_stall() if case.deaf else nullcontext()
        with deaf:
            fired = fire_all(stub, case, ways)
            # Once more for those that a busy machine made late; the second time counts.
            fired |= fire_all(stub, case, [way for way, end in fired.items() if end.is_late(case)])
        for way, end in fired.items():
            error = end.error
            assert isinstance(error, FlowTimeoutError), (way, end)
            assert isinstance(error, TimeoutError)
            assert not end.is_late(case), (way, end)
            assert error.clock == case.clock, (way, error)
            assert error.received == case.received, (way, error)
            assert error.work_may_have_run is not case.deaf, (way, error)
            assert error.timeline is not None
            assert case.attempts <= len(error.timeline.attempts) <= case.most_attempts, (way, error)
            assert f" within {case.limit:g} s [" in str(error)
            assert pickle.loads(pickle.dumps(error)).clock == case.clock
        stub.wait_until(lambda: stub.connections.in_use == 0)


def side_by_side(drivers: list[Driver], check: Callable[[Driver], None]) -> None:
    """The same in all drivers at the same time."""
    with ThreadPoolExecutor() as threads:
        for future in [threads.submit(check, driver) for driver in drivers]:
            future.result()


@each_lot
def test_a_slow_consumer_trips_neither_idle_nor_progress(drivers: list[Driver]) -> None:
    def consume(driver: Driver) -> None:
        timeout = Timeout(idle=0.2, progress=0.2)
        with driver.client(stub, timeout=timeout) as client, client.flow("count").stream(3) as stream:
            sleep(0.3)  # all chunks lie in the socket, then in memory
            for expected in range(3):
                assert next(stream) == expected
                sleep(0.3)
            assert stream.result() == 3

    with serve() as stub:
        side_by_side(drivers, consume)


@each_lot
def test_a_slow_consumer_of_a_slow_server_trips_nothing(drivers: list[Driver]) -> None:
    """Time that the caller takes does not count, also where the server says nothing meanwhile."""

    def consume(driver: Driver) -> None:
        timeout = Timeout(idle=0.45, progress=0.45)
        with driver.client(stub, timeout=timeout) as client, client.flow("count").stream(3) as stream:
            for expected in range(3):
                assert next(stream) == expected
                sleep(0.5)
            assert stream.result() == 3

    with serve() as stub:
        stub.always("count", f.slow_chunks(0.3))
        side_by_side(drivers, consume)


@each_lot
def test_the_total_also_counts_what_the_caller_takes(drivers: list[Driver]) -> None:
    def consume(driver: Driver) -> None:
        with driver.client(stub, timeout=0.3) as client, client.flow(FLOW).stream(1) as stream:
            assert next(stream) == 0
            sleep(0.4)
            began = monotonic()
            with pytest.raises(FlowTimeoutError) as caught:
                next(stream)
            assert caught.value.clock == "total"
            assert monotonic() - began < LATE

    with serve() as stub:
        side_by_side(drivers, consume)


@each_lot
@pytest.mark.parametrize("clock", ["idle", "progress"])
def test_a_durable_stream_that_falls_silent_is_resumed(clock: str, drivers: list[Driver]) -> None:
    def read(driver: Driver) -> None:
        timeout = Timeout(**{clock: 0.3})
        with driver.client(stub, timeout=timeout) as client, client.flow("lasting").stream(3) as stream:
            assert ([*stream], stream.result()) == ([0, 1, 2], 3)

    for driver in drivers:
        with serve() as stub:
            stub.script("lasting", f.pings(0.1, 1) if clock == "progress" else f.stall(1))
            read(driver)
            assert [len(stub.requests), stub.run_count("lasting")] == [2, 1]


@each_lot
def test_a_durable_stream_is_not_resumed_after_its_total_time(drivers: list[Driver]) -> None:
    def read(driver: Driver) -> None:
        with driver.client(stub, timeout=3) as client, client.flow("lasting").stream(3) as stream:
            assert next(stream) == 0
            with pytest.raises(FlowTimeoutError) as caught:
                next(stream)
            assert caught.value.clock == "total"
            assert caught.value.ticket is not None
            assert caught.value.ticket.received == 1

    with serve() as stub:
        stub.always("lasting", f.stall(1))
        side_by_side(drivers, read)
        assert len(stub.requests) == len(drivers)


@each_lot
def test_without_a_timeout_no_clock_runs(drivers: list[Driver]) -> None:
    def wait(driver: Driver) -> None:
        for timeout in (None, Timeout(**NEVER)):
            with driver.client(stub, timeout=timeout) as client, client.flow("count").stream(2) as stream:
                assert next(stream) == 0
                assert stream.inner._session.deadline() is None
                assert stream.result() == 2

    with serve() as stub:
        stub.always("count", (f.delay_headers(0.1), f.slow_chunks(0.1)))
        side_by_side(drivers, wait)


@each_lot
def test_options_of_a_copy_set_its_clocks(drivers: list[Driver]) -> None:
    def wait(driver: Driver) -> None:
        with driver.client(stub, timeout=60.0) as client:
            quick = client.flow(FLOW).with_options(timeout=0.2)
            with pytest.raises(FlowTimeoutError, match=r"did not end within 0\.2 s"):
                quick(1)
            with pytest.raises(FlowTimeoutError, match=r"not one byte came within 0\.2 s"):
                list(client.with_options(timeout=Timeout(idle=0.2)).flow(FLOW).stream(1))

    with serve() as stub:
        stub.always("held", f.stall())
        side_by_side(drivers, wait)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "1"])
def test_a_timeout_is_a_positive_number(seconds: Any) -> None:
    with pytest.raises(ValueError, match="must be a positive number of seconds"):
        Timeout(total=seconds)
    with pytest.raises(ValueError, match="must be a positive number of seconds"):
        DRIVERS[0].client(None, url="http://localhost", timeout=seconds).__enter__()
