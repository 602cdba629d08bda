"""What is public is written down, and both clients have the same: names, order, parameters, words."""

import ast
import inspect
import re
import typing
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

import streamflow_client
from streamflow_client import (
    AsyncClient,
    AsyncDiscoveredFlow,
    AsyncFlow,
    AsyncFlows,
    AsyncFlowStream,
    AsyncGeneratedFlow,
    Client,
    DiscoveredFlow,
    Flow,
    FlowError,
    Flows,
    FlowStream,
    GeneratedFlow,
    InputValidationError,
    Ticket,
    aio,
    aio_stream,
    errors,
    sync,
    sync_stream,
)

RENAMED = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "aclose": "close",
    "AsyncClient": "Client",
    "AsyncFlow": "Flow",
    "AsyncFlows": "Flows",
    "AsyncDiscoveredFlow": "DiscoveredFlow",
    "AsyncFlowStream": "FlowStream",
    "AsyncGeneratedFlow": "GeneratedFlow",
    "AsyncIterator": "Iterator",
    "AsyncHeaderSource": "HeaderSource",
    "AsyncHttpClient": "HttpClient",
    "StopAsyncIteration": "StopIteration",
}
# what is awaited
WAITING = {"local", "discover", "__call__", "result", "restart", "__enter__", "__exit__", "__next__", "close"}
PAIRS = [
    (Client, AsyncClient),
    (Flows, AsyncFlows),
    (Flow, AsyncFlow),
    (GeneratedFlow, AsyncGeneratedFlow),
    (DiscoveredFlow, AsyncDiscoveredFlow),
    (FlowStream, AsyncFlowStream),
]
pairs = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].__name__)
# Each driver has what its way of waiting needs; everything else is in both files.
ONLY_SYNC = {"_close"}
ONLY_ASYNC = {"_asked", "_bury", "Http.read", "Http.let_go", "Http.check_loop"}
# Looking a flow up cannot wait there, so a call or a stream may have to find its flow itself.
LATE = {"_LateFlow", "_start_late", "find"}


def in_sync(text: str) -> str:
    """The words of the asynchronous client as the synchronous one says them."""
    return re.sub(r"\w+", lambda word: RENAMED.get(word[0], word[0]), text)


def members(cls: type) -> dict[str, Any]:
    """Everything that the class itself defines, in order; dunders too."""
    hidden = {"__module__", "__dict__", "__weakref__", "__doc__", "__orig_bases__", "__parameters__"}
    hidden |= {"__annotations__", "__firstlineno__", "__static_attributes__", "__type_params__"}
    return {in_sync(name): value for name, value in vars(cls).items() if name not in hidden | LATE}


def function_of(member: Any) -> Any:
    if isinstance(member, classmethod):
        return member.__func__
    return member.fget if isinstance(member, property) else member


def signature(member: Any) -> list[tuple[str, Any, Any, str]]:
    """Names, kinds, defaults and types of the parameters, and of what comes back."""
    found = inspect.signature(function_of(member))
    parameters = [p for name, p in found.parameters.items() if name not in LATE]
    told = [(p.name, p.kind, p.default, in_sync(str(p.annotation))) for p in parameters]
    return [*told, ("return", None, None, in_sync(str(found.return_annotation)))]


def first_line(member: Any) -> str:
    return in_sync((inspect.getdoc(function_of(member)) or "").partition("\n")[0])


@pairs
def test_both_clients_have_the_same_members_in_the_same_order(pair: tuple[type, type]) -> None:
    ours, theirs = (list(members(cls)) for cls in pair)
    assert ours == theirs


@pairs
def test_both_clients_take_and_say_the_same(pair: tuple[type, type]) -> None:
    ours, theirs = map(members, pair)
    for name, member in ours.items():
        twin = theirs[name]
        if not callable(function_of(member)):
            continue
        assert isinstance(member, property) is isinstance(twin, property), name
        assert signature(member) == signature(twin), name
        assert first_line(member) == first_line(twin), name
        waits = inspect.iscoroutinefunction(function_of(twin))
        assert not inspect.iscoroutinefunction(function_of(member)), name
        if not name.startswith("_") or name in WAITING:
            assert waits is (name in WAITING), name


def functions(module: Any) -> list[str]:
    """Every function and method of a module by its qualified name, in the order of the file."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    found: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found.append(node.name)
            found += [
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node.name)
    return found


@pytest.mark.parametrize("files", [(sync, aio), (sync_stream, aio_stream)], ids=["client", "stream"])
def test_both_files_have_the_same_functions_in_the_same_order(files: tuple[Any, Any]) -> None:
    ours = [name for name in functions(files[0]) if name not in ONLY_SYNC]
    theirs = [
        in_sync(name)
        for name in functions(files[1])
        if name not in ONLY_ASYNC and LATE.isdisjoint(name.split("."))
    ]
    assert ours == theirs
    assert set(functions(aio_stream)) >= ONLY_ASYNC


def test_everything_public_is_named_once_and_exists() -> None:
    named = streamflow_client.__all__
    assert sorted(set(named)) == named
    assert all(hasattr(streamflow_client, name) for name in named)
    imported = {
        name
        for name, value in vars(streamflow_client).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert imported == set(named)
    assert {name for name in errors.__all__ if name != "Clock"} | {"Clock"} <= set(named)


PUBLIC = [
    value
    for name in streamflow_client.__all__
    if inspect.isroutine(value := getattr(streamflow_client, name)) or inspect.isclass(value)
]


@pytest.mark.parametrize("value", PUBLIC, ids=lambda value: value.__name__)
def test_everything_public_says_what_it_is(value: Any) -> None:
    assert value.__doc__, value
    assert not value.__doc__.startswith(f"{value.__name__}("), "a dataclass's own words, not ours"
    for name, member in vars(value).items():
        if not name.startswith("_") and callable(function_of(member)):
            assert inspect.getdoc(function_of(member)), f"{value.__name__}.{name}"


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawing = (errors.__doc__ or "").split("\n\n")[2:]
    drawn = set(re.findall(r"\b[A-Z]\w+Error\b", "\n".join(drawing)))
    classes = [getattr(errors, name) for name in errors.__all__ if name != "Clock"]
    assert all(issubclass(cls, FlowError) for cls in classes)
    plain = {cls.__name__ for cls in classes if cls.__base__ is not errors.FlowStatusError}
    assert plain <= drawn
    canonical = {cls.code for cls in errors.FlowStatusError.__subclasses__()}
    assert canonical == set(errors.STATUS_ERRORS)
    assert len(canonical) == 16


@pytest.mark.parametrize("url", ["http://xn--.invalid", "http://xn--a\u0308.test"])
def test_a_host_name_that_cannot_be_is_told_when_the_client_is_made(url: str) -> None:
    with pytest.raises(ValueError, match="names no host"):
        Client(url)


@pytest.mark.parametrize("auth", ["", " token", "token ", "to\nken", "tok\u00e9n"])
def test_a_token_that_cannot_be_sent_is_told_and_not_repeated(auth: str) -> None:
    with pytest.raises(ValueError, match="auth") as caught:
        Client("http://localhost:3400", auth=auth)
    assert not auth.strip() or auth.strip() not in str(caught.value)


def test_a_ticket_goes_to_the_origin_of_its_flow_only() -> None:
    with Client("http://localhost:3400") as client:
        there = client.flow("f", path="https://other.test/f")
        with pytest.raises(ValueError, match=r"on https://other\.test:443"):
            there.resume(Ticket("http://localhost:3400", "f", "id", 0, 0))
        ticket = Ticket("https://other.test:443", "f", "id", 1, 2)
        for place in (ticket, str(ticket)):
            assert there.resume(place).ticket() == ticket


def test_raw_events_need_the_protocol_that_has_them() -> None:
    with (
        Client("http://localhost:3400", protocol="reflection") as client,
        pytest.raises(ValueError, match="no server-sent events"),
    ):
        client.flow("f").stream_events()


def test_an_input_validator_may_raise_anything() -> None:
    def refuse(value: int) -> int:
        raise KeyError(value)

    with Client("http://localhost:3400") as client, pytest.raises(InputValidationError, match="KeyError"):
        client.flow("f", input=Annotated[int, AfterValidator(refuse)])(1)


@pytest.mark.parametrize("stream_id", ["h\u00e9", "two\r\nlines", "", " "])
def test_a_stream_id_that_no_server_issues_is_refused_and_not_repeated(stream_id: str) -> None:
    with Client("http://localhost:3400") as client:
        for where in (stream_id, Ticket("http://localhost:3400", "f", stream_id, 0, 0)):
            with pytest.raises(ValueError, match=r"stream.id") as caught:
                client.flow("f").resume(where)
            assert not stream_id.strip() or stream_id not in str(caught.value)


def test_a_name_that_is_not_public_is_told_like_any_other() -> None:
    with pytest.raises(AttributeError, match="'streamflow_client' has no attribute 'Clinet'"):
        streamflow_client.Clinet  # type: ignore[attr-defined]  # noqa: B018
    assert set(streamflow_client.__all__) <= set(dir(streamflow_client))


@pytest.mark.parametrize(
    "kind",
    [kind for kind in PUBLIC if inspect.isclass(kind) and "Flow" in kind.__name__],
    ids=lambda k: k.__name__,
)
def test_frameworks_can_look_at_the_types_of(kind: Any) -> None:
    typing.get_type_hints(kind)
    typing.get_type_hints(kind.__init__)
