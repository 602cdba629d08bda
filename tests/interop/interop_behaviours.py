"""What is asked of every server: one function a row of the matrix.

In: a `Lane`, a server as seen by one driver. Out: a few words that say what the server did, which
`interop_expected.py` has for every server. What must never happen on any server (a lost chunk, a second run,
a hang) is asserted here instead.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from threading import Event
from time import monotonic
from typing import Any
from uuid import uuid4

from drivers import Blocking, Driver
from interop_flows import (
    BIG,
    BOOM,
    CRASH,
    DETAILS,
    ECHO,
    MENU,
    ODD,
    ODD_JSON,
    ODDS,
    SECRET,
    SECURE,
    SLOW,
    THEME,
    TOKEN,
    TREE,
    TREES,
    VOID,
    Order,
    item,
    menu,
    preorder,
    upper,
)
from interop_servers import Running, Server
from small_proxy import SmallProxy
from streamflow_client import (
    AsyncClient,
    Client,
    DiscoveryError,
    FlowDef,
    FlowError,
    FlowStatusError,
    InputValidationError,
    StreamExpiredError,
    StreamInterruptedError,
    UnknownFlowError,
)

YES = "yes"
PATIENCE = 30.0  # seconds for what a server does by itself
STANDSTILL = 3.0  # seconds; a run that goes on sends a chunk every 0.05
MIB = 1024 * 1024
STATUS_NAMES = [cls.code for cls in FlowStatusError.__subclasses__()]

Behaviour = Callable[["Lane"], str]
BEHAVIOURS: dict[str, Behaviour] = {}


def behaviour(function: Behaviour) -> Behaviour:
    """Its docstring's first line is the row's title."""
    BEHAVIOURS[function.__name__] = function
    return function


def title_of(name: str) -> str:
    return (BEHAVIOURS[name].__doc__ or "").partition("\n")[0].rstrip(".")


@dataclass(frozen=True)
class Lane:
    """A server, as one driver sees it.

    Attributes:
        twin: the same app in development mode, whose reflection tells the types.
    """

    server: Server
    running: Running
    twin: Running | None
    driver: Driver

    @property
    def url(self) -> str:
        if self.server.protocol == "reflection":
            assert self.running.reflection
            return self.running.reflection
        return self.running.url

    @contextmanager
    def client(self, *, url: str | None = None, **options: Any) -> Iterator[Any]:
        options = {"timeout": PATIENCE, "protocol": self.server.protocol} | options
        with self.driver.client(None, url=url or self.url, **options) as client:
            yield client

    @contextmanager
    def discovering(self, **options: Any) -> Iterator[Any]:
        """A client of which the flows are known: from the app itself, or from its development server."""
        catalog = None
        if self.server.describes == "reflection" and self.server.protocol == "callable":
            assert self.twin is not None
            catalog = self.twin.reflection
        with self.client(catalog=catalog, **options) as client:
            client.discover()
            yield client

    def flow(self, flow: FlowDef[Any, Any, Any], *, under: str = "") -> FlowDef[Any, Any, Any]:
        """Where this server has it: declared under its place's name."""
        place = f"{self.server.prefix}{under}{flow.name}"
        return FlowDef(place, input=flow.input, chunk=flow.chunk, output=flow.output)

    def numbers(self, n: int) -> list[int]:
        """What arrives of the chunks 0 to n - 1."""
        return list(range(0 if self.server.falsy else 1, n))

    def settled(self, run: str) -> dict[str, Any]:
        """What the app noted, once the run has ended, or has not gone on for long."""
        changed, noted = monotonic(), self.running.run(run)
        while noted["ended"] is None and monotonic() < changed + STANDSTILL:
            Event().wait(0.02)
            before, noted = noted, self.running.run(run)
            if noted != before:
                changed = monotonic()
        return noted


def chunks_of(stream: Any) -> list[Any]:
    return list(iter(stream))


# --- calls and types ---------------------------------------------------------------------------------


@behaviour
def output_only(lane: Lane) -> str:
    """The output only."""
    with lane.client() as client:
        assert client.flow(lane.flow(MENU))(Order(theme=THEME, count=2)) == menu(2)
        assert client.flow(lane.flow(ECHO))("a\u2028b \u0000 😀") == "a\u2028b \u0000 😀"
    return YES


@behaviour
def chunks_and_output(lane: Lane) -> str:
    """Chunks and output."""
    with lane.client() as client, client.flow(lane.flow(MENU)).stream(Order(theme=THEME)) as stream:
        assert chunks_of(stream) == [item(index) for index in range(3)]
        assert stream.result() == menu()
        assert stream.received == 3
    return YES


@behaviour
def content_type(lane: Lane) -> str:
    """Content-Type of a stream."""
    with lane.client() as client, client.flow(lane.flow(ECHO)).stream("x") as stream:
        assert stream.result() == "x"
        given: str | None = stream.response.headers.get("content-type")
    return given or "none"


@behaviour
def trace_id(lane: Lane) -> str:
    """A stream tells its trace id."""
    with lane.client() as client, client.flow(lane.flow(MENU)).stream(Order(theme=THEME)) as stream:
        stream.result()
        return YES if stream.trace_id else "no"


@behaviour
def declared_types(lane: Lane) -> str:
    """Declared types: recursive, odd names, enum, union, tuple, map, date-time."""
    with lane.client() as client:
        with client.flow(lane.flow(TREES)).stream(TREE) as stream:
            assert chunks_of(stream) == preorder(TREE)
            assert stream.result() == upper(TREE)
        with client.flow(lane.flow(ODDS)).stream(ODD) as stream:
            assert chunks_of(stream) == [ODD]
            assert stream.result() == ODD
    return YES


@behaviour
def null_field(lane: Lane) -> str:
    """A field that is null comes as null."""
    with lane.client() as client:
        flow = client.flow(lane.flow(FlowDef("odd")))
        with flow.stream(ODD_JSON) as stream:
            (chunk,) = chunks_of(stream)
            told = {"output": flow(ODD_JSON), "chunk": chunk, "output of a stream": stream.result()}
    left_out = [what for what, value in told.items() if "maybe" not in value]
    if len(left_out) == len(told):
        return "left out"
    return f"left out of: {', '.join(left_out)}" if left_out else YES


@behaviour
def discovered_types(lane: Lane) -> str:
    """Types that discovery tells."""
    if lane.server.describes is None:
        with lane.client() as client:
            try:
                client.discover()
            except DiscoveryError:
                return "none"
        return "some"
    with lane.discovering() as client:
        flow = client.flows[lane.server.prefix + "menu"]
        with flow.stream(theme=THEME, count=2) as stream:
            names = [_name_of(chunk) for chunk in chunks_of(stream)]
            output = stream.result()
        assert names == [item(0).name, item(1).name]
        assert output.total == 2
        told = {"input": flow.input_type, "chunk": flow.chunk_type, "output": flow.output_type}
    return ", ".join(what for what, type_ in told.items() if type_ is not Any)


def _name_of(chunk: Any) -> str:
    name: str = chunk["name"] if isinstance(chunk, dict) else chunk.name
    return name


@behaviour
def discovered_odd_types(lane: Lane) -> str:
    """Discovered types take what the flow takes, and refuse what it would refuse."""
    if lane.server.describes is None:
        return "none"
    missing: list[str] = []
    with lane.discovering() as client:
        odd, tree = client.flows[lane.server.prefix + "odd"], client.flows[lane.server.prefix + "tree"]
        with odd.stream(ODD_JSON) as stream:
            assert len(chunks_of(stream)) == 1
            assert stream.result() is not None
        with tree.stream(json.loads(TREE.model_dump_json())) as stream:
            assert len(chunks_of(stream)) == 4
            assert stream.result().name == "ROOT"
        for field, wrong in WRONG.items():
            try:
                odd(ODD_JSON | {field: wrong})
            except InputValidationError:
                continue
            except FlowError:
                pass
            missing.append(field)
        try:
            tree({"name": "x", "children": [{"name": "y", "children": [{"name": 5}]}]})
            missing.append("recursion")
        except InputValidationError:
            pass
        except FlowError:
            missing.append("recursion")
    return YES if not missing else "all but " + ", ".join(missing)


WRONG: dict[str, Any] = {
    "class": "seven",
    "mood": "angry",
    "shape": {"kind": "circle", "side": 2},
    "pair": ["left", "right"],
    "scores": {"a": "b"},
    "maybe": 5,
    "when": "yesterday",
}


@behaviour
def defaults(lane: Lane) -> str:
    """A default of the input is filled in."""
    if lane.server.describes is None:
        with lane.client() as client:
            output = client.flow(lane.flow(FlowDef("menu")))({"theme": THEME})
        assert output["total"] == 3
        return "by the server"
    with lane.discovering() as client:
        flow = client.flows[lane.server.prefix + "menu"]
        default = signature(flow.inner if isinstance(flow, Blocking) else flow).parameters["count"].default
        assert flow(theme=THEME).total == 3
    return "from the schema" if default == 3 else "by the server"


@behaviour
def void(lane: Lane) -> str:
    """Nothing in, nothing out, chunks of nothing."""
    with lane.client() as client, client.flow(lane.flow(VOID)).stream(None) as stream:
        chunks = chunks_of(stream)
        assert chunks in ([None, None], [])
        assert stream.result() is None
        assert client.flow(lane.flow(VOID))(None) is None
    return YES if chunks else "loses chunks of nothing"


@behaviour
def no_input(lane: Lane) -> str:
    """A call without any input (`flow()`)."""
    with lane.client() as client:
        return _ending(client.flow(lane.flow(VOID)))


@behaviour
def big_chunk(lane: Lane) -> str:
    """One chunk of 8 MiB."""
    size = 8 * MIB
    with lane.client() as client, client.flow(lane.flow(BIG)).stream({"size": size}) as stream:
        (chunk,) = chunks_of(stream)
        assert chunk == "x" * size
        assert stream.result() == size
    return YES


# --- failures ----------------------------------------------------------------------------------------


def _ending(call: Callable[[], Any]) -> str:
    """How a call ended: "yes", or the status it failed with."""
    try:
        call()
    except FlowStatusError as error:
        return error.status
    except FlowError as error:
        return type(error).__name__
    return YES


def _told(error: FlowStatusError, n: int, status: str) -> str:
    """Which parts of a public error the server told: status, message and details."""
    message = f"boom after {n}"
    told = {
        "status": error.status == status,
        "message": error.message == message,
        "details": error.details == {"n": n, "why": DETAILS},
    }
    if all(told.values()):
        return "status, message, details"
    inside = [] if told["message"] or message not in str(error.message) else ["message within other words"]
    inside += ["message in the details"] * (not told["message"] and message in json.dumps(error.details))
    shown = [what for what, is_told in told.items() if is_told] + inside
    as_status = [] if told["status"] else [f"{error.status} for {status}"]
    return ", ".join(as_status + shown)


def _boom(lane: Lane, client: Any, *, stream: bool, n: int = 2, status: str = "FAILED_PRECONDITION") -> str:
    flow = client.flow(lane.flow(BOOM))
    given = {"n": n, "status": status}
    chunks: list[int] = []
    try:
        if stream:
            with flow.stream(given) as running:
                chunks.extend(iter(running))
        else:
            flow(given)
    except FlowStatusError as error:
        failure = error
    else:
        raise AssertionError("it did not fail")
    assert chunks == (lane.numbers(n) if stream else [])
    assert failure.received == len(chunks)
    return _told(failure, n, status)


@behaviour
def failure_of_output(lane: Lane) -> str:
    """A flow's public error, output only."""
    with lane.client() as client:
        return _boom(lane, client, stream=False)


@behaviour
def failure_in_stream(lane: Lane) -> str:
    """A flow's public error, after two chunks."""
    with lane.client() as client:
        return _boom(lane, client, stream=True)


@behaviour
def every_status(lane: Lane) -> str:
    """Each of the 16 statuses, output only."""
    with lane.client() as client:
        return _statuses(lane, client, stream=False)


@behaviour
def every_status_in_stream(lane: Lane) -> str:
    """Each of the 16 statuses, in a stream."""
    with lane.client() as client:
        return _statuses(lane, client, stream=True)


def _statuses(lane: Lane, client: Any, *, stream: bool) -> str:
    """`yes`, or what the server says for which others: `INTERNAL for UNKNOWN, DATA_LOSS`."""
    mistaken: dict[str, list[str]] = {}
    for status in STATUS_NAMES:
        said = _boom(lane, client, stream=stream, n=1, status=status).partition(" for ")[0]
        if not said.startswith("status"):
            mistaken.setdefault(said, []).append(status)
    if len(mistaken) == 1 and len(*mistaken.values()) >= len(STATUS_NAMES) - 1:
        return f"{next(iter(mistaken))} for all"
    return "; ".join(f"{said} for {', '.join(meant)}" for said, meant in mistaken.items()) or YES


@behaviour
def crash(lane: Lane) -> str:
    """An unexpected error of a flow."""
    endings = [_crashed(lane, stream=stream) for stream in (False, True)]
    return endings[0] if endings[0] == endings[1] else f"{endings[0]}; in a stream: {endings[1]}"


def _crashed(lane: Lane, *, stream: bool) -> str:
    with lane.client() as client:
        flow = client.flow(lane.flow(CRASH))
        try:
            chunks_of(flow.stream({"n": 1})) if stream else flow({"n": 1})
        except FlowStatusError as error:
            shown = SECRET in f"{error.message} {error.details}"
            return f"{error.status}, its text {'shown' if shown else 'hidden'}"
        except StreamInterruptedError:
            return "the connection breaks off"
    raise AssertionError("it did not fail")


@behaviour
def api_key(lane: Lane) -> str:
    """No key, a wrong key, the right key."""
    return ", ".join(
        _both_endings(lane, lane.flow(SECURE), "you", auth=auth) for auth in (None, "wrong", TOKEN)
    )


def _both_endings(lane: Lane, flow: FlowDef[Any, Any, Any], given: Any, **options: Any) -> str:
    """How a call for the output only ends, and how a stream does, where it differs."""
    with lane.client(**options) as client:
        called = client.flow(flow)
        unary = _ending(lambda: called(given))
        streamed = _ending(lambda: called.stream(given).result())
    return unary if unary == streamed else f"{unary}; in a stream: {streamed}"


@behaviour
def unknown_flow(lane: Lane) -> str:
    """A flow that is not there."""
    return _both_endings(lane, FlowDef(f"{lane.server.prefix}nowhere"), {})


@behaviour
def local(lane: Lane) -> str:
    """`Client.local()` finds it in development mode."""
    if lane.server.describes != "reflection":
        return "none"
    assert lane.twin is not None
    folder = lane.twin.folder / "below"
    folder.mkdir(exist_ok=True)

    async def call() -> str:
        async with await AsyncClient.local(folder) as client:
            await client.discover()
            output: str = await client.flows.echo("x")
            return output

    if lane.driver.name == "sync":
        with Client.local(folder) as client:
            assert client.flows.echo("x") == "x"
    else:
        assert lane.driver.run(call) == "x"
    return YES


@behaviour
def unknown_to_discovery(lane: Lane) -> str:
    """A flow that discovery does not name is refused before anything is sent."""
    if lane.server.describes is None:
        return "none"
    with lane.discovering() as client:
        try:
            client.flows[lane.server.prefix + "menus"]
        except UnknownFlowError:
            return YES
    return "no"


@behaviour
def refused_input(lane: Lane) -> str:
    """Input that the server refuses (not validated by us)."""
    return _both_endings(lane, lane.flow(FlowDef("menu")), {"theme": 5})


# --- leaving and coming back -------------------------------------------------------------------------


def _leave(lane: Lane, under: str) -> str:
    run = uuid4().hex
    with lane.client() as client:
        stream = client.flow(lane.flow(SLOW, under=under)).stream({"run": run, "n": 40})
        assert [next(stream) for _ in range(3)] == lane.numbers(40)[:3]
        stream.cancel()
        stream.close()
    noted = lane.settled(run)
    assert noted["runs"] == 1
    return {"finished": "runs on to its end", "stopped": "stopped", None: "stands still"}[noted["ended"]]


@behaviour
def leaving(lane: Lane) -> str:
    """The client leaves a stream: the run …"""
    return _leave(lane, "")


@behaviour
def leaving_durable(lane: Lane) -> str:
    """The client leaves a durable stream: the run …"""
    return _leave(lane, "durable/") if lane.server.durable else "no stream manager"


@behaviour
def resuming(lane: Lane) -> str:
    """A connection cut mid-stream, twice."""
    under = "durable/" if lane.server.durable else ""
    run, n, chunks = uuid4().hex, 12, list[int]()
    with _cuttable(lane) as (proxy, client):
        stream = client.flow(lane.flow(SLOW, under=under)).stream({"run": run, "n": n})
        try:
            for chunk in iter(stream):
                chunks.append(chunk)
                if len(chunks) in {3, 7}:
                    proxy.end("cut" if len(chunks) == 3 else "reset")
            assert stream.result() == n
            failure = None
        except (StreamInterruptedError, FlowStatusError) as error:
            failure = error
        stream.close()
    whole = lane.numbers(n)
    assert chunks == (whole if failure is None else whole[: len(chunks)])
    match failure:
        case None:
            assert lane.settled(run) == {"runs": 1, "sent": n, "ended": "finished"}
            return "resumed, one run"
        case FlowStatusError():
            assert failure.timeline is not None
            assert len(failure.timeline.attempts) == 2
            return f"replayed, then {failure.status}"
        case _:
            assert (failure.ticket, failure.work_may_have_run, failure.received) == (None, True, len(chunks))
            return "StreamInterruptedError"


@contextmanager
def _cuttable(lane: Lane) -> Iterator[tuple[SmallProxy, Any]]:
    """A client behind a proxy that ends connections when it is told to."""
    port = int(lane.url.rpartition(":")[2])
    with SmallProxy("tcp", server=port) as proxy, lane.client(url=f"http://{proxy.address}") as client:
        yield proxy, client


OTHER_PROCESS = """
import json, sys
from streamflow_client import Client, FlowDef
url, flow, ticket = sys.argv[1:]
with Client(url) as client:
    with client.flow(FlowDef(flow, chunk=int, output=int)).resume(ticket) as stream:
        print(json.dumps({"chunks": list(stream), "result": stream.result()}))
"""


@behaviour
def another_process(lane: Lane) -> str:
    """Another process goes on where this one left."""
    if not lane.server.durable:
        return "no stream manager"
    run, n = uuid4().hex, 40
    flow = lane.flow(SLOW, under="durable/")
    with lane.client() as client, client.flow(flow).stream({"run": run, "n": n}) as stream:
        assert [next(stream) for _ in range(3)] == [0, 1, 2]
        ticket = str(stream.ticket())
        command = [sys.executable, "-c", OTHER_PROCESS, lane.url, flow.name, ticket]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as other:  # the flow runs on meanwhile
            with lane.client() as second:
                assert chunks_of(second.flow(flow).resume(stream.stream_id)) == list(range(n))
            told, _ = other.communicate(timeout=PATIENCE)
    assert json.loads(told) == {"chunks": list(range(3, n)), "result": n}
    assert lane.settled(run) == {"runs": 1, "sent": n, "ended": "finished"}
    return YES


@behaviour
def unknown_stream(lane: Lane) -> str:
    """Resuming a stream that is not there."""
    if not lane.server.durable:
        return "no stream manager"
    with lane.client() as client:
        flow = client.flow(lane.flow(SLOW, under="durable/"))
        return _resumed(lambda: flow.resume(str(uuid4())))


@behaviour
def expired_stream(lane: Lane) -> str:
    """Resuming a stream that the server has forgotten."""
    if not lane.server.brief:
        return "no expiry can be set"
    with lane.client() as client:
        flow = client.flow(lane.flow(MENU, under="brief/"))
        with flow.stream(Order(theme=THEME)) as stream:
            stream.result()
            stream_id = stream.stream_id
        ends = monotonic() + PATIENCE
        while (ending := _resumed(lambda: flow.resume(stream_id))) == YES and monotonic() < ends:
            Event().wait(0.2)
            flow.stream(Order(theme=THEME)).result()  # some forget old streams when a new one begins
    return ending


def _resumed(resume: Callable[[], Any]) -> str:
    try:
        with resume() as stream:
            stream.result()
    except StreamExpiredError:
        return "StreamExpiredError"
    except FlowError as error:
        return type(error).__name__
    return YES


# --- connections -------------------------------------------------------------------------------------


@behaviour
def parallel(lane: Lane) -> str:
    """200 streams at once."""
    with lane.client() as client, ThreadPoolExecutor(200) as threads:
        flow = client.flow(lane.flow(MENU))

        def one(number: int) -> None:
            given = Order(theme=f"{THEME} {number}", count=5)
            with flow.stream(given) as stream:
                assert [chunk.name.startswith(f"{given.theme} ") for chunk in chunks_of(stream)] == [True] * 5
                assert stream.result().theme == given.theme

        endings = set(threads.map(lambda number: _ending(lambda: one(number)), range(200)))
    return YES if endings == {YES} else "not all"


@behaviour
def keep_alive(lane: Lane) -> str:
    """A connection serves several calls."""
    with _cuttable(lane) as (proxy, client):
        echo = client.flow(lane.flow(ECHO))
        for number in range(3):
            assert echo(str(number)) == str(number)
        after_outputs = proxy.accepted
        for number in range(3):
            with echo.stream(str(number)) as stream:
                assert stream.result() == str(number)
        after_streams = proxy.accepted
        kept = {"outputs": after_outputs == 1, "streams": after_streams - after_outputs <= 1}
    if all(kept.values()):
        return YES
    return ", ".join(f"not after {what}" for what, is_kept in kept.items() if not is_kept)


WEARING = frozenset({"leaving", "resuming", "parallel"})  # after these a fragile server is started anew
