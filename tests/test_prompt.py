"""At a prompt: what Tab finds in plain Python, how everything public looks, and what mistakes are told.

Notebooks are the business of `test_notebook.py` and `test_kernel.py`.
"""

from __future__ import annotations

import inspect
import json
import pydoc
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from rlcompleter import Completer
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

import streamflow_client
from drivers import DRIVERS, Driver
from streamflow_client import (
    AsyncClient,
    Attempt,
    Catalog,
    Client,
    FlowDef,
    FlowError,
    InputValidationError,
    NotFoundError,
    Retry,
    Schema,
    Ticket,
    Timeline,
    Timeout,
    UnknownFlowError,
)
from streamflow_client.calls import KEEP
from streamflow_client.schema.signature import LEFT_OUT
from streamflow_client.testing import StubServer
from streamflow_client.wire.codec import UNSET
from test_flows import declared

ours = pytest.mark.parametrize("driver", DRIVERS, ids=repr)

SECRET = "s3cret"
ODD = "a\x1b[2J\n\u202eb" * 5_000
URL = "http://localhost:3400"


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with declared(StubServer("go")) as stub:
        yield stub


def completed(text: str, **names: Any) -> set[str]:
    """What Tab offers in plain Python."""
    completer, found = Completer(names), set[str]()
    while (each := completer.complete(text, len(found))) is not None:
        found.add(each)
    return found


# --- completion --------------------------------------------------------------------------------------


@ours
def test_tab_finds_flows_once_they_are_known(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        flows = client.flows.inner
        assert completed("flows.m", flows=flows) == set()
        assert completed("client.fl", client=client.inner) == {"client.flow(", "client.flows"}
        assert stub.requests == []
        client.discover()
        asked = len(stub.requests)
        assert completed("flows.", flows=flows) == {"flows.menu(", "flows.shout(", "flows.bare("}
        assert completed("flows.menu.str", flows=flows) == {"flows.menu.stream(", "flows.menu.stream_events("}
        assert flows._ipython_key_completions_() == ["menu", "my-flow/v2", "shout", "bare"]
        assert len(stub.requests) == asked


@ours
def test_what_needs_no_request_is_known_at_once(driver: Driver, stub: StubServer, tmp_path: Path) -> None:
    with Client(stub.url) as other:
        catalog = other.discover()
    file = tmp_path / "flows.json"
    file.write_text(json.dumps(catalog._origin.document))
    stub.requests.clear()
    for source, told in ((catalog, ": menu, my-flow/v2, shout, bare)"), (file, ", not discovered yet)")):
        with driver.client(stub, catalog=source) as client:
            flows = client.flows.inner
            assert repr(flows).endswith(told)  # it reads no file
            assert "menu" in dir(flows)
            assert "my-flow/v2" in flows._ipython_key_completions_()
            assert repr(flows).endswith("menu, my-flow/v2, shout, bare)")
    assert stub.requests == []


def test_a_catalog_that_cannot_be_read_completes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "flows.json"
    file.write_text("[")
    with Client(URL, catalog=file) as client:
        for source in (client.flows, Client(URL, catalog=tmp_path / "none.json").flows):
            assert dir(source) == dir(type(source))
            assert source._ipython_key_completions_() == []
            assert "not discovered yet" in repr(source)


PROBES = [
    *("_repr_html_", "_repr_mimebundle_", "_ipython_display_", "_ipython_key_completions_", "__wrapped__"),
    *("_ipython_canary_method_should_not_exist_", "_repr_pretty_", "__signature__", "__text_signature__"),
    *("__call__", "__doc__", "__name__", "__array__", "_getAttributeNames", "__custom_documentations__"),
]


@ours
def test_what_prompts_look_for_asks_nothing(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        flows, menu = client.flows.inner, client.flow("menu").inner
        stream = menu.stream({"theme": "x"})
        for thing in (client.inner, flows, menu, stream):
            for name in PROBES:
                value = getattr(thing, name, None)
                if name in ("_repr_html_", "_ipython_key_completions_") and value is not None:
                    value()
            dir(thing)
            inspect.getmembers(type(thing))
            pydoc.render_doc(thing)
    assert stub.requests == []


# --- help --------------------------------------------------------------------------------------------


@ours
def test_signatures_are_those_of_the_types(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        declared_flow = client.flow("menu", input=Request, chunk=str, output=list[int]).inner
        assert str(inspect.signature(declared_flow)).endswith("Request, /) -> list[int]")
        assert list(inspect.signature(type(declared_flow)).parameters) == ["http", "settings", "definition"]
        if driver.name != "sync":
            late = client.flows.menu.inner
            assert list(inspect.signature(late).parameters) == ["input", "fields"]
            client.discover()
            assert list(inspect.signature(late).parameters) == ["theme", "dishes"]
        menu = client.flows.menu.inner
        for call in (menu, menu.stream, menu.stream_events):
            assert list(inspect.signature(call).parameters) == ["theme", "dishes"]


@ours
def test_help_of_a_flow_begins_with_its_call(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        client.discover()
        lines = pydoc.plain(pydoc.render_doc(client.flows.menu.inner)).splitlines()
    assert lines[2] == f"class MenuFlow({'Async' if driver.name != 'sync' else ''}DiscoveredFlow)"
    assert lines[3] == " |  MenuFlow(*, theme: str, dishes: int = 3) -> streamflow_client.flows.Menu"
    assert lines[5] == " |  menu(theme: str, dishes: int = 3) -> Menu, streams Item"
    assert " |  Writes a menu." in lines


def test_help_of_the_package_says_how_to_begin() -> None:
    text = pydoc.plain(pydoc.render_doc(streamflow_client))
    code = re.findall("^    (?:client|list|help|with|menu|from)\\b.*", text, re.MULTILINE)
    assert len(code) > 6
    assert "client.flows.menu(theme=" in text


# --- how things look ---------------------------------------------------------------------------------


def secretive_client() -> Client:
    url = URL.replace("//", f"//user:{SECRET}@")
    return Client(url, headers={"x-key": SECRET}, auth=SECRET, catalog=odd_catalog())


def odd_catalog() -> Catalog:
    schema = {"type": "object", "description": ODD, "properties": {"x": {"enum": [ODD], "default": ODD}}}
    action = {"name": "odd", "description": ODD, "inputSchema": schema, "outputSchema": schema}
    others = {f"/flow/{number}": {"name": str(number)} for number in range(2_000)}
    return Catalog.parse(
        json.dumps({"/flow/odd": action} | others), source=f"https://u:{SECRET}@host/x?key={SECRET}"
    )


ATTEMPT = Attempt(1, 0.5, 200, 10, True, "result")
LOOKS: dict[str, tuple[Callable[[], Any], str]] = {
    "client": (secretive_client, "Client('http://localhost:3400')"),
    "async client": (lambda: AsyncClient(URL), "AsyncClient('http://localhost:3400')"),
    "flows": (lambda: secretive_client().flows, "Flows(http://localhost:3400: odd, 0, 1, "),
    "flows, unknown": (lambda: Client(URL).flows, "Flows(http://localhost:3400, not discovered yet)"),
    "discovered flow": (lambda: secretive_client().flows.odd, "<Flow odd(x: Literal['a\\"),
    "late flow": (lambda: AsyncClient(URL).flows[ODD], "<Flow a\\x1b[2J\\n\\u202eb"),
    "flow": (lambda: Client(URL).flow("menu"), "Flow('menu' at http://localhost:3400)"),
    "odd flow": (lambda: Client(URL).flow(ODD, path="/x"), "Flow('a\\x1b[2J\\n\\u202eba"),
    "stream": (
        lambda: secretive_client().flow("menu").stream(),
        "FlowStream('menu', not started, 0 chunks received)",
    ),
    "odd stream": (lambda: Client(URL).flow(ODD, path="/x").stream(), "FlowStream('a\\x1b[2J\\n"),
    "resumed stream": (lambda: Client(URL).flow("f").resume(SECRET), "FlowStream('f', not started, 0"),
    "catalog": (odd_catalog, "Catalog('https://host/x', 2001 flows: odd, 0, 1, "),
    "spec": (lambda: odd_catalog()["odd"], "FlowSpec('odd', input={'description': 'a\\x1b[2J"),
    "spec of little": (
        lambda: odd_catalog()["1"],
        "FlowSpec('1', input=None, chunk=None, output=None, source='https://host/x')",
    ),
    "schema": (lambda: Schema({"b": list(range(10**5)), "a": ODD}, {}), "Schema({'a': 'a\\x1b[2J"),
    "boolean schema": (lambda: Schema(False, False), "Schema(False, pointer='')"),
    "huge number": (lambda: Schema({"const": 10**5000}, {}), "Schema(…, pointer='')"),
    "definition": (
        lambda: FlowDef("menu", input=list[int] | None, chunk=Menu, output=list[str]),
        "FlowDef('menu', input=list[int] | None, chunk=Menu, output=list[str])",
    ),
    "odd definition": (lambda: FlowDef(ODD, input=dict[str, Any]), "FlowDef('a\\x1b[2J\\n"),
    "found definition": (
        lambda: secretive_client().flows.odd.definition,
        "FlowDef('odd', input=OddInput, chunk=Any, output=OddOutput)",
    ),
    "ticket": (
        lambda: Ticket("http://host:80", "menu", SECRET, 3, 7),
        "Ticket(origin='http://host:80', flow='menu', stream_id='***', received=3)",
    ),
    "odd ticket": (lambda: Ticket(ODD, ODD, SECRET, 3, 7), "Ticket(origin='a\\x1b[2J"),
    "timeout": (Timeout, "Timeout(connect=5.0, idle=300.0, progress=None, total=None)"),
    "retry": (Retry, "Retry(attempts=4, wait_initial=0.2, wait_max=10.0, replay=False, verify_replay=False)"),
    "attempt": (
        lambda: ATTEMPT,
        "Attempt(number=1, started=0.5, http_status=200, bytes=10, reused=True, ended=",
    ),
    "timeline": (
        lambda: Timeline((ATTEMPT,) * 100, "answered", 1.0, 10, 3, 0.5, None),
        "<Timeline: answered after 1.00 s, 100 attempts, 10 bytes, 3 chunks, last byte 0.50 s ago, reused",
    ),
    "liveness": (
        lambda: streamflow_client.Liveness(1.0, None, 2.0),
        "Liveness(byte=1.0, comment=None, chunk",
    ),
    "error": (lambda: FlowError("broke", flow="menu"), "FlowError('broke')"),
    "odd error": (lambda: NotFoundError(ODD, status=ODD, details=ODD, flow=ODD), "NotFoundError('a\\x1b[2J"),
    "kept": (lambda: KEEP, "KEEP"),
    "unset": (lambda: UNSET, "UNSET"),
    "left out": (lambda: LEFT_OUT, "…"),
    "stub": (StubServer, "<StubServer not running: no flows>"),
}


class Menu(BaseModel):
    title: str


@pytest.mark.parametrize("name", LOOKS)
def test_everything_looks_well(name: str) -> None:
    make, begins = LOOKS[name]
    text = repr(make())
    assert text.startswith(begins)
    assert text.isprintable()
    assert len(text) < 600
    assert SECRET not in text


def test_what_the_stub_saw_looks_well(stub: StubServer) -> None:
    with Client(stub.url, headers={"x-key": SECRET}, auth=SECRET) as client:
        client.flow("bare")(ODD)
        client.flow("my-flow/v2").stream([1]).result()
    first, second = stub.requests
    assert repr(first).startswith("<Received POST /bare on connection 1, ")
    assert repr(second).endswith(" bytes, streaming>")
    assert repr(stub.runs[0]).startswith("<Run of 'bare', finished, 1 chunk sent, input 'a\\x1b[2J")
    assert repr(stub) == f"<StubServer {stub.url}: menu, my-flow/v2, shout, bare>"
    for text in map(repr, (first, second, *stub.runs, stub)):
        assert text.isprintable()
        assert len(text) < 400
        assert SECRET not in text
        assert str(stub.runs[1].stream_id) not in text


@ours
def test_errors_of_a_call_look_well(driver: Driver, stub: StubServer) -> None:
    flows: list[FlowDef[Any, Any, Any]] = [
        FlowDef("menu", input=int),
        FlowDef("none"),
        FlowDef("shout", output=int),
    ]
    for flow in flows:
        outcome = driver.call(stub, flow, SECRET, auth=SECRET, retry=None)
        error = outcome.error
        assert isinstance(error, FlowError)
        for text in (repr(error), str(error), repr(error.timeline), repr(outcome.stream)):
            assert text.isprintable()
            assert len(text) < 600
            assert SECRET not in text


# --- what is told of mistakes ------------------------------------------------------------------------


class Request(BaseModel):
    theme: str
    courses: int = 3


class Strict(Request):
    model_config = ConfigDict(extra="forbid")


class Aliased(BaseModel):
    theme: str = Field(alias="menuTheme")


class Typed(TypedDict):
    theme: str


@dataclass
class Plain:
    theme: str


MISTAKES: dict[str, tuple[Callable[[Client], Any], type[Exception], str]] = {
    "a flow": (
        lambda client: client.flows.mneu,
        UnknownFlowError,
        "which has menu, my-flow/v2, shout, bare; did you mean 'menu'?",
    ),
    "a flow by its name": (
        lambda client: client.flows["my-flow"],
        UnknownFlowError,
        "; did you mean 'my-flow/v2'?",
    ),
    "a flow of a catalog": (
        lambda client: client.discover()["shuot"],
        UnknownFlowError,
        "; did you mean 'shout'?",
    ),
    "a private name": (
        lambda client: client.flows._menu,
        AttributeError,
        "'_menu' is no flow; a flow of that name is reached by flows['_menu']",
    ),
    "a keyword": (
        lambda client: client.flows.menu(thme="x"),
        InputValidationError,
        "theme: Field required; thme: Extra inputs are not permitted; did you mean 'theme'?",
    ),
    "a field of a chunk": (
        lambda client: list(client.flows.menu.stream(theme="x")).pop().nmae,
        AttributeError,
        "'Item' object has no attribute 'nmae'; did you mean 'name'?",
    ),
    "a field of an output": (
        lambda client: client.flows.menu(theme="x").titel,
        AttributeError,
        "'Menu' object has no attribute 'titel'; did you mean 'title'?",
    ),
    "a field that no schema speaks of": (
        lambda client: client.flows.menu.output_type(title="x", items=[], extra=1).exrta,
        AttributeError,
        "'Menu' object has no attribute 'exrta'; did you mean 'extra'?",
    ),
    "a field like none": (
        lambda client: client.flows.menu.output_type(title="x", items=[]).price,
        AttributeError,
        "'Menu' object has no attribute 'price'",
    ),
    "a key": (
        lambda client: client.flows.menu.stream({"theme": "x", "dihses": 2}),
        InputValidationError,
        "dihses: Extra inputs are not permitted; did you mean 'dishes'?",
    ),
    "a key of a declared model": (
        lambda client: client.flow("menu", input=Request)({"thme": "x"}),  # type: ignore[arg-type]
        InputValidationError,
        "theme: Field required; 'thme' is no field of it: did you mean 'theme'?",
    ),
    "a key of a strict model": (
        lambda client: client.flow("menu", input=Strict)({"theme": "x", "course": 2}),  # type: ignore[arg-type]
        InputValidationError,
        "course: Extra inputs are not permitted; did you mean 'courses'?",
    ),
    "a key of a model with aliases": (
        lambda client: client.flow("menu", input=Aliased)({"menutheme": "x"}),  # type: ignore[arg-type]
        InputValidationError,
        "did you mean 'menuTheme'?",
    ),
    "a key of a typed dictionary": (
        lambda client: client.flow("menu", input=Typed)({"thme": "x"}),  # type: ignore[arg-type]
        InputValidationError,
        "did you mean 'theme'?",
    ),
    "a key of a dataclass": (
        lambda client: client.flow("menu", input=Plain)({"thme": "x"}),  # type: ignore[arg-type]
        InputValidationError,
        "did you mean 'theme'?",
    ),
    "a key like none": (
        lambda client: client.flow("menu", input=Request)({"x": 1, 2: 3}),  # type: ignore[arg-type]
        InputValidationError,
        "theme: Field required",
    ),
    "no name at all": (
        lambda client: client.flow("menu", input=Request)({"theme": 3, "thmee": 1}),  # type: ignore[arg-type]
        InputValidationError,
        "theme: Input should be a valid string",
    ),
    "keywords of no object": (
        lambda client: client.flows.shout(txt="a"),
        TypeError,
        "the input is no object, so it has no keywords; give one value",
    ),
    "both": (
        lambda client: client.flows.menu({}, theme="x"),
        TypeError,
        "give one input or its fields by keywords, not both",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_what_was_meant(name: str, stub: StubServer) -> None:
    make, kind, ends = MISTAKES[name]
    with Client(stub.url) as client, pytest.raises(kind) as caught:
        make(client)
    assert type(caught.value) is kind
    assert str(caught.value).endswith(ends)


def test_private_names_of_a_value_are_not_guessed_at(stub: StubServer) -> None:
    with Client(stub.url) as client:
        menu = client.flows.menu(theme="x")
    for name in ("_title", "__titel__", *PROBES):
        if not hasattr(type(menu), name):
            with pytest.raises(AttributeError) as caught:
                getattr(menu, name)
            assert "did you mean" not in str(caught.value)
    assert not hasattr(menu, "_repr_html_")


SUGGESTED = {
    "client.folws": "flows",
    "client.with_option": "with_options",
    "flow.strem": "stream",
    "stream.reslt()": "result",
    "stream.recieved": "received",
    "item.nmae": "name",
    "menu.titel": "title",
    "catalog['menu'].input_shema": "input_schema",
    "AsyncClient(URL).close": "aclose",
}


def test_python_suggests_attributes(stub: StubServer) -> None:
    """Only where an error ends the program, or the prompt's line: so it is tried there."""
    script = (
        "import sys\n"
        "from streamflow_client import *\n"
        "URL = sys.argv[1]\n"
        "client = Client(URL)\n"
        "catalog, flow = client.discover(), client.flows.menu\n"
        "stream = flow.stream(theme='x')\n"
        "item, menu = next(stream), stream.result()\n"
    )
    lines = "".join(f"{code}\n" for code in SUGGESTED)
    command = [sys.executable, "-i", "-c", script, stub.url]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=False)
    told = [line for line in done.stderr.splitlines() if line.startswith("AttributeError: ")]
    for line, meant in zip(told, SUGGESTED.values(), strict=True):
        assert line.lower().replace(":", "").endswith(f"did you mean '{meant}'?")
