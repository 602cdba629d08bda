"""`tests/typing` leaves nothing out: every public name and member is in an `assert_type` there.

Type checkers run those files (`make check`); here they are only read. A value counts as an instance of a
class where that can be seen: a parameter's annotation, a call of the class, `with`, `except`.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from inspect import isclass, isroutine
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import streamflow_client
from streamflow_client import testing
from streamflow_client.testing import plugin

FILES = sorted((Path(__file__).parent / "typing").glob("*.py"))

# What users never make themselves: its constructor is ours.
OURS_TO_MAKE = {
    *("Flow", "Flows", "DiscoveredFlow", "FlowStream", "GeneratedFlow"),
    *("AsyncFlow", "AsyncFlows", "AsyncDiscoveredFlow", "AsyncFlowStream", "AsyncGeneratedFlow"),
    *("Attempt", "Timeline", "Liveness", "Catalog", "FlowSpec", "Schema", "Difference"),
    *("Call", "Connections", "Received", "Run"),
}
OURS_TO_CALL = {  # public for our own modules, not for users
    "streamflow_client.FlowDef.codec",
    "streamflow_client.GeneratedFlow.of",
    "streamflow_client.AsyncGeneratedFlow.of",
}
SPOKEN = {  # what is written without its name: calls, indexes, loops, `with`
    *("__init__", "__call__", "__getattr__", "__getitem__", "__len__", "__contains__"),
    *("__iter__", "__next__", "__enter__", "__aiter__", "__anext__", "__aenter__"),
}
BUILTINS = {"len": "__len__", "iter": "__iter__", "list": "__iter__", "next": "__next__"}
BUILTINS |= {"aiter": "__aiter__", "anext": "__anext__"}


# --- what there is ---


def public(module: ModuleType, names: Iterable[str]) -> Iterator[str]:
    """The paths of a module's public names and of their members."""
    for name in names:
        value = getattr(module, name)
        path = f"{module.__name__}.{name}"
        yield path
        if isclass(value):
            yield from (f"{path}.{member}" for member in members(value))
        elif isinstance(value, ModuleType):
            classes = [key for key, each in vars(value).items() if isclass(each) and of(each, value)]
            yield from public(value, classes)


def of(value: Any, module: ModuleType) -> bool:
    return bool(value.__module__ == module.__name__)


def members(cls: type) -> set[str]:
    """What a class itself brings: not what it only inherits, nor values that its bases have, too."""
    inherited = set(chain.from_iterable(map(vars, cls.__mro__[1:])))
    own = {
        name
        for name, value in vars(cls).items()
        if isroutine(value) or isinstance(value, property | classmethod) or name not in inherited
    }
    if cls.__name__ in OURS_TO_MAKE:
        own.discard("__init__")
    return {name for name in own | attributes(cls) if name in SPOKEN or not name.startswith("_")}


def attributes(cls: type) -> set[str]:
    """What the methods of a class set on `self`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


# --- what is asserted ---


class Asserted(ast.NodeVisitor):
    """Collects the paths of the names and members that the `assert_type`s of a file are about."""

    def __init__(self, source: str) -> None:
        self.paths: set[str] = set()
        self._imported: dict[str, str] = {}
        self._classes: dict[str, str] = {}  # of variables
        self._given_by: dict[str, str | None] = {}  # … and the member that gave their value
        self.visit(ast.parse(source))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for each in node.names:
            self._imported[each.asname or each.name] = f"{node.module}.{each.name}"

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outside = self._classes.copy(), self._given_by.copy()
        self.generic_visit(node)
        self._classes, self._given_by = outside

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._forget(ast.unparse(target))
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        self._forget(node.arg)
        self._is_a(node.arg, node.annotation)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._forget(node.name)
            self._is_a(node.name, node.type)
        self.generic_visit(node)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        enter = "__enter__" if isinstance(node, ast.With) else "__aenter__"
        for item in node.items:
            cls = self._class_of(item.context_expr)
            if isinstance(item.optional_vars, ast.Name):
                name = item.optional_vars.id
                self._forget(name)
                self._given_by[name] = f"{cls}.{enter}" if cls else self._member(item.context_expr)
                if cls:  # ours all give themselves
                    self._classes[name] = cls
        self.generic_visit(node)

    visit_AsyncWith = visit_With  # noqa: N815

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        iterate = "__iter__" if isinstance(node, ast.For) else "__aiter__"
        cls = self._class_of(node.iter)
        if isinstance(node.target, ast.Name):
            self._forget(node.target.id)
            self._given_by[node.target.id] = f"{cls}.{iterate}" if cls else None
        self.generic_visit(node)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "assert_type":
            self.paths |= {path for each in ast.walk(node) if (path := self._path(each))}
            member = self._member(node.args[0])
            self.paths |= {member} if member else set()
        self.generic_visit(node)

    def _forget(self, name: str) -> None:
        self._classes.pop(name, None)
        self._given_by.pop(name, None)

    def _is_a(self, name: str, annotation: ast.expr | None) -> None:
        path = self._path(annotation.value if isinstance(annotation, ast.Subscript) else annotation)
        if path:
            self._classes[name] = path

    def _path(self, node: ast.AST | None) -> str | None:
        """Of an imported name, or of what stands in an imported module or class."""
        if isinstance(node, ast.Name):
            return self._imported.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self._path(node.value)
            return owner and f"{owner}.{node.attr}"
        return None

    def _class_of(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._classes.get(node.id)
        return self._path(node.func) if isinstance(node, ast.Call) else None

    def _member(self, node: ast.expr) -> str | None:
        """The member that gives the value of an expression."""
        found: str | None = None
        match node:
            case ast.Await(value=value):
                found = self._member(value)
            case ast.Name(id=name):
                found = self._given_by.get(name)
            case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in BUILTINS:
                found = self._spoken(first, BUILTINS[name])
            case ast.Call(func=func) if path := self._path(func):
                found = f"{path}.__init__"  # a class method's path is noted as a name's
            case ast.Call(func=func):
                found = self._spoken(func, "__call__") or self._member(func)
            case ast.Attribute(value=value, attr=attr):
                found = self._spoken(value, attr)
            case ast.Subscript(value=value):
                found = self._spoken(value, "__getitem__")
            case ast.Compare(ops=[ast.In()], comparators=[value]):
                found = self._spoken(value, "__contains__")
            case _:
                pass
        return found

    def _spoken(self, owner: ast.expr, name: str) -> str | None:
        cls = self._class_of(owner)
        return cls and f"{cls}.{name}"


def asserted(sources: Iterable[str]) -> set[str]:
    return set(chain.from_iterable(Asserted(source).paths for source in sources))


MODULES: list[ModuleType] = [streamflow_client, testing]
PUBLIC = {path for module in MODULES for path in public(module, module.__all__)}
ASSERTED = asserted(file.read_text("utf-8") for file in FILES)


def covered(path: str) -> bool:
    owner, _, name = path.rpartition(".")
    if name == "__getattr__":  # any attribute that is none of the class's own
        return any(each.rpartition(".")[0] == owner for each in ASSERTED - PUBLIC)
    return path in ASSERTED


def test_everything_public_is_in_an_assert_type() -> None:
    missing = sorted(path for path in PUBLIC - OURS_TO_CALL if not covered(path))
    assert missing == [], f"assert their types in tests/typing: {missing}"


def test_there_is_something_to_cover() -> None:
    some = [
        "AsyncClient.flows",
        "Client.local",
        "DiscoveredFlow.stream",
        "FlowStream.__iter__",
        "Ticket.flow",
    ]
    assert {f"streamflow_client.{name}" for name in some} <= PUBLIC
    assert "streamflow_client.testing.faults.drop.after_chunks" in PUBLIC
    assert not [path for path in PUBLIC if "._" in path and path.rpartition(".")[2] not in SPOKEN]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("assert_type(stream.received, int)", "FlowStream.received"),
        ("assert_type(stream.result(), int)", "FlowStream.result"),
        ("assert_type(await stream.aclose(), int)", "FlowStream.aclose"),
        ("assert_type(next(stream), int)", "FlowStream.__next__"),
        ("assert_type(list(stream), list[int])", "FlowStream.__iter__"),
        ("assert_type(stream(1), int)", "FlowStream.__call__"),
        ("assert_type(stream[1], int)", "FlowStream.__getitem__"),
        ("assert_type(1 in stream, bool)", "FlowStream.__contains__"),
        ("with stream as entered: assert_type(entered, FlowStream)", "FlowStream.__enter__"),
        ("for item in stream: assert_type(item, int)", "FlowStream.__iter__"),
        ("async for item in stream: assert_type(item, int)", "FlowStream.__aiter__"),
        ("with stream.refusing() as x: assert_type(x, None)", "FlowStream.refusing"),
        ("assert_type(FlowStream(1), FlowStream)", "FlowStream.__init__"),
        ("assert_type(FlowStream.parse(1), FlowStream)", "FlowStream.parse"),
        ("assert_type(FlowStream(1).received, int)", "FlowStream.received"),
        ("assert_type(1, FlowStream)", "FlowStream"),
        # … and what does not count
        ("stream.received", None),
        ("print(stream.received)", None),
        ("assert_type(stream.ticket().received, int)", None),
        ("assert_type(other.received, int)", None),
        ("for item in stream.parts: assert_type(item, int)", None),
        ("stream = other; assert_type(stream.received, int)", None),
        ("def g(stream: Other) -> None: assert_type(stream.received, int)", None),
    ],
)
def test_what_counts_as_asserted(line: str, path: str | None) -> None:
    source = (
        f"from lib import FlowStream\nasync def f(stream: FlowStream[int], other: int) -> None:\n    {line}\n"
    )
    found = asserted([source])
    assert (
        (f"lib.{path}" in found) if path else ({each for each in found if each != "lib.FlowStream"} == set())
    )


def test_fixtures_are_asserted_with_their_types() -> None:
    fixtures = [plugin.flow_stub, plugin.flow_stub_factory]
    tree = ast.parse((Path(__file__).parent / "typing" / "stub.py").read_text("utf-8"))
    given = {
        node.arg: ast.unparse(node.annotation)
        for node in ast.walk(tree)
        if isinstance(node, ast.arg) and node.annotation
    }
    for fixture in fixtures:
        told = inspect.signature(inspect.unwrap(fixture)).return_annotation
        assert given[fixture.__name__] == re.sub(r"^Iterator\[(.*)\]$", r"\1", told)


def test_both_checkers_pin_every_wrong_use() -> None:
    """One ignore would hide what the other checker no longer sees."""
    both = re.compile(r"  # type: ignore\[[\w, -]+\]  # pyright: ignore\[\w[\w, ]+\]$")
    ignores = re.compile(r"#.*ignore\[|#.*ignore$")
    lines = [
        f"{file.name}:{number}: {line}"
        for file in FILES
        if not file.name.startswith("generated_")
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if ignores.search(line)
    ]
    assert len(lines) > 200
    assert [line for line in lines if not both.search(line)] == []
    assert {line.partition("_")[0] for line in lines} == {"wrong"}
