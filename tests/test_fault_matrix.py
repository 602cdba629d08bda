"""Whatever fails, on every loop, HTTP library and transport, with ids or without: a call ends as promised.

The scenarios and what they promise stand in `fault_table.py`; here is what runs them, a cell a test: the call
ends in time and as promised, the server saw no more requests and runs than that, and nothing stays open.
The README's table of failures is compared with the same scenarios.
"""

import gc
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any, get_args

import aiohttp
import httpx
import httpx2
import pytest

import streamflow_client
from drivers import LOOPS, Driver, Loop, Outcome, spawn
from fault_table import (
    GUARD,
    GUARDED,
    LIMIT,
    README_ROWS,
    SCENARIOS,
    Ends,
    Listener,
    Scenario,
    Transport,
)
from streamflow_client import ChunkValidationError, FlowDef, FlowError, Timeout
from streamflow_client.testing import Fault, FlowFailure, Received, StubServer
from streamflow_client.testing import faults as f

pytestmark = pytest.mark.faults

LIBRARIES: dict[str, ModuleType | None] = {"ours": None, "httpx": httpx, "httpx2": httpx2, "aiohttp": aiohttp}
CLIENTS = [of for of in product(LOOPS, LIBRARIES) if of[1] != "aiohttp" or of[0] == "asyncio"]
TRANSPORTS: tuple[Transport, ...] = get_args(Transport)
KINDS = ("without ids", "durable")
MODES = ("unary", "stream")
ID_HEADER = "x-genkit-stream-id"
NO_HOST = "no-such-host.invalid"
TRUSTING_NONE = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
PATIENCE = 3.0  # a machine that stands still looks like a silent server: then once more with slower clocks


@dataclass(frozen=True)
class Cell:
    """One scenario in one of its surroundings."""

    name: str
    loop: Loop
    library: str
    transport: Transport
    kind: str
    mode: str

    def __str__(self) -> str:
        return f"{self.name}-{self.loop}-{self.library}-{self.transport}-{self.kind}-{self.mode}"

    @property
    def scenario(self) -> Scenario:
        return SCENARIOS[self.name]

    @property
    def promise(self) -> Ends:
        scenario = self.scenario
        if self.mode == "unary":
            return scenario.unary
        if self.kind != "durable":
            return scenario.stream
        if self.loop == "sync" and self.library != "ours" and scenario.on_callers_client:
            return scenario.on_callers_client
        return scenario.durable or scenario.stream


EVERY_CELL = [
    Cell(name, *client, transport, kind, mode)
    for name, client, transport, kind, mode in product(SCENARIOS, CLIENTS, TRANSPORTS, KINDS, MODES)
]
CELLS = [cell for cell in EVERY_CELL if cell.transport in cell.scenario.only]
IMPOSSIBLE = [cell for cell in EVERY_CELL if cell.transport not in cell.scenario.only]


# --- running a cell ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_call_ends_as_promised(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", without_the_network(socket.getaddrinfo))
    try:
        run(cell, 1)
    except AssertionError:
        if cell.scenario.timeout == GUARDED:
            raise
        run(cell, PATIENCE)


def run(cell: Cell, patience: float) -> None:
    """In a thread of its own: a call that hangs, whatever its deadline, fails and stops no other test."""
    with serve(cell) as stub:
        spawn(lambda: call_and_check(cell, stub, patience)).result(2 * GUARD)
        gc.collect(1)  # what is forgotten open gives its warning in its own cell
        stub.wait_until(lambda: stub.connections.open == 0)


def call_and_check(cell: Cell, stub: StubServer, patience: float) -> None:
    scenario, attempts = cell.scenario, Attempts(cell.scenario, stub)
    driver = Driver(cell.loop, LIBRARIES[cell.library])
    options: dict[str, Any] = {
        "headers": attempts,
        "timeout": slower(scenario.timeout, patience),
        "retry": scenario.retry,
        "max_event_bytes": LIMIT,
        "max_response_bytes": LIMIT,
    }
    if scenario.listener == "is not trusted":
        options["http_client"] = driver.http_client(TRUSTING_NONE)
    if scenario.listener == "has no name":
        options["url"] = re.sub(r"//[^:]*", f"//{NO_HOST}", stub.url)
    with attempts, driver.client(stub, **options) as client:
        call_before(client, cell, stub)
        attempts.count, requests, runs = 0, len(stub.requests), len(stub.runs)
        began = monotonic()
        outcome = call(client, cell)
        took = monotonic() - began
        stub.wait_until(lambda: is_let_go(stub))
        check_outcome(outcome, cell, attempts.count)
        assert took < GUARD, "the call hung"
        assert len(stub.requests) - requests == cell.promise.requests, outcome
        assert len(stub.runs) - runs == cell.promise.runs, outcome
        check_requests(stub.requests[requests:])


@contextmanager
def serve(cell: Cell) -> Iterator[StubServer]:
    """A stub with the two flows, and the scenario's faults scripted."""

    def count(n: int, send: Callable[[int], None]) -> int:
        for number in range(n):
            send(number)
        return n

    def fail(n: int, send: Callable[[int], None]) -> int:
        send(0)
        send(1)
        raise FlowFailure("ABORTED", f"not {n}")

    scenario = cell.scenario
    with StubServer(tls=cell.transport == "TLS", keep_alive=60) as stub:
        for flow in (count, fail):
            stub.flow(durable=cell.kind == "durable")(flow)
        stub.script(scenario.flow, *scenario.before, *scenario.faults)
        stub.always(scenario.flow, scenario.then)
        yield stub


class Attempts:
    """The `headers=` of a client, asked before each attempt: counts them, and lets the listener misbehave."""

    def __init__(self, scenario: Scenario, stub: StubServer) -> None:
        self.count = 0
        self._scenario = scenario
        self._states = {"refuses": stub.refusing, "stalls TLS": stub.tls_stall}
        self._state = ExitStack()

    def __call__(self) -> dict[str, str]:
        self.count += 1
        self._state.close()
        begin = self._states.get(self._scenario.listener or "")
        if begin and (not self._scenario.on_attempts or self.count in self._scenario.on_attempts):
            self._state.enter_context(begin())
        return {}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *why: object) -> None:
        self._state.close()


def slower(timeout: Timeout, patience: float) -> Timeout:
    """The short clocks only: the guard stays."""
    clocks = {name: getattr(timeout, name) for name in ("connect", "idle", "progress", "total")}
    short = {name: seconds * patience for name, seconds in clocks.items() if seconds and seconds < GUARD}
    return replace(timeout, **short)


def call_before(client: Any, cell: Cell, stub: StubServer) -> None:
    for fault in cell.scenario.before:
        assert client.flow("count")(1) == 1
        kept = not isinstance(fault, f.close_idle_after)
        stub.wait_until(partial(is_let_go, stub, kept))


def call(client: Any, cell: Cell) -> Outcome:
    """The call itself: its output, or its chunks and output."""
    outcome = Outcome()
    kinds = dict(zip(("input", "chunk", "output"), cell.scenario.types, strict=True))
    flow = client.flow(FlowDef(cell.scenario.flow, **kinds))
    try:
        if cell.mode == "unary":
            outcome.output = flow(cell.scenario.input)
            return outcome
        with flow.stream(cell.scenario.input) as stream:
            read(stream, outcome)
    except FlowError as error:
        outcome.error = error
    return outcome


def read(stream: Any, outcome: Outcome) -> None:
    while True:
        try:
            outcome.chunks.append(next(stream))
        except StopIteration:
            break
        except ChunkValidationError as error:
            outcome.chunks.append(type(error))
    outcome.output = stream.result()


def is_let_go(stub: StubServer, kept: bool = True) -> bool:
    """Nothing is in course any more; one connection may be `kept` for the next call."""
    return stub.connections.in_use == stub.open_streams == 0 and stub.connections.open <= kept


def check_outcome(outcome: Outcome, cell: Cell, attempts: int) -> None:
    promise, error = cell.promise, outcome.error
    assert tuple(outcome.chunks) == promise.chunks, outcome
    assert attempts == attempts_of(promise), outcome
    assert type(error) is (promise.error or type(None)), outcome
    if error is None:
        assert outcome.output == cell.scenario.input
        return
    assert isinstance(error, FlowError)
    assert error.received == len(promise.chunks), outcome
    assert error.work_may_have_run is promise.ran, outcome
    assert (error.ticket is not None) is promise.ticket, outcome
    assert getattr(error, "clock", None) == promise.clock, outcome
    assert getattr(error, "http_status", None) == promise.http_status, outcome
    if attempts:
        assert error.timeline is not None
        assert len(error.timeline.attempts) == attempts, outcome


def check_requests(requests: list[Received]) -> None:
    """What resumes brings no input; what begins anew is known to the server as the same call."""
    begins = [request.headers for request in requests if ID_HEADER not in request.headers]
    assert all(request.json == {} for request in requests if ID_HEADER in request.headers)
    assert len({headers.get("idempotency-key") for headers in begins}) <= 1


def attempts_of(promise: Ends) -> int:
    return promise.requests if promise.attempts is None else promise.attempts


def without_the_network(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """There is no host of that name, whatever the machine's resolver makes of it, and however slowly."""

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        if host in (NO_HOST, NO_HOST.encode()):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **options)

    return getaddrinfo


# --- the table is whole ------------------------------------------------------------------------------


def causes(scenario: Scenario) -> set[object]:
    """What goes wrong: classes of faults, and what the listener does."""
    places = (*scenario.before, *scenario.faults, scenario.then)
    each = [fault for place in places for fault in (place if isinstance(place, tuple) else (place,))]
    return {*(type(fault) for fault in each if fault is not None), *filter(None, [scenario.listener])}


def test_no_cell_is_missing(request: pytest.FixtureRequest) -> None:
    clients = [*product(("sync", "asyncio", "trio"), ("ours", "httpx", "httpx2")), ("asyncio", "aiohttp")]
    kinds = product(clients, ("plain", "TLS"), ("without ids", "durable"), ("unary", "stream"))
    surroundings = [(*client, *where) for client, *where in kinds]
    everything = set(product((*get_args(Fault), *get_args(Listener)), surroundings))
    covered = {(cause, astuple(cell)[1:]) for cell in EVERY_CELL for cause in causes(cell.scenario)}
    assert covered == everything
    assert {str(cell) for cell in EVERY_CELL} == {
        "-".join((name, *where)) for name, where in product(SCENARIOS, surroundings)
    }
    assert len(EVERY_CELL) == len(CELLS) + len(IMPOSSIBLE) == len(SCENARIOS) * len(surroundings)
    (parametrised,) = vars(test_a_call_ends_as_promised)["pytestmark"]
    assert parametrised.args == ("cell", CELLS)
    told = f"{len(CELLS)} cells of {len(SCENARIOS)} scenarios; {len(IMPOSSIBLE)} more cannot exist"
    request.config.get_terminal_writer().line(f"\n{told}")


def test_what_cannot_exist_is_a_matter_of_tls_alone() -> None:
    """Everything else runs, whatever it is."""
    for cell in IMPOSSIBLE:
        assert cell.scenario.why_only
        assert cell.transport == "plain"
        assert causes(cell.scenario) <= {"stalls TLS", "is not trusted"}


# --- the README's table ------------------------------------------------------------------------------


def readme() -> dict[str, str]:
    """Its table "What happens when": event -> what you get."""
    text = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    section = text.split("\n### What happens when\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return dict(rows[1:])  # the first is the table's head


def test_every_row_of_the_readme_is_shown_by_a_cell() -> None:
    events = readme()
    beginnings = README_ROWS.values()
    assert [[event for event in events if event.startswith(row)] for row in beginnings] == [
        [event] for event in events
    ], "each row has one key, in the same order"
    assert {cell.promise.shows for cell in CELLS} == {"", *README_ROWS}


@pytest.mark.parametrize("key", README_ROWS)
def test_a_row_of_the_readme_says_what_its_cells_promise(key: str) -> None:
    (gets,) = [gets for event, gets in readme().items() if event.startswith(README_ROWS[key])]
    promises = [cell.promise for cell in CELLS if cell.promise.shows == key]
    met = {error for promise in promises for error in errors_of(promise)}
    named = [getattr(streamflow_client, name) for name in re.findall(r"`(\w+Error)`", gets)]
    for kind in named:
        assert any(issubclass(error, kind) for error in met), f"no cell shows {kind}"
    for error in met:
        assert issubclass(error, tuple(named)) or "the error of" in gets, f"the README does not name {error}"

    well = [promise for promise in promises if promise.error is None]
    if "**not** tried again" in gets:  # a request that resumes is another one than that which began
        assert all(attempts_of(promise) <= 1 + promise.ticket for promise in promises)
    elif "tried again" in gets:
        assert any(attempts_of(promise) > 1 for promise in well)
    if "resumed" in gets:
        assert any(promise.requests > 1 and promise.runs == 1 for promise in well)
    assert all(promise.runs <= 1 for promise in promises)


def errors_of(promise: Ends) -> list[type[FlowError]]:
    """What it ends with, and what stands among its chunks."""
    return [kind for kind in (promise.error, *promise.chunks) if isinstance(kind, type)]
