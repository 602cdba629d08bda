"""Generated modules for tests: looked at, run, and put beside run-time types.

In: types, or a module's text. Out: `written`, its text; `loaded`, the module; `complaints`, whatever in it is
not on the list of what such a module may hold. Nothing is run that has a complaint.
"""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from unittest.mock import patch

from streamflow_client.schema.model import Types
from streamflow_client.schema.source.module import FlowSchemas, module_source

IMPORTS = {
    "__future__": {"annotations"},
    "datetime": {"date", "datetime", "time"},
    "typing": {"Annotated", "Any", "ClassVar", "Literal", "Never", "Union"},
    "uuid": {"UUID"},
    "pydantic": {"Field"},
    "typing_extensions": {"TypeAliasType"},
    "streamflow_client.generated": {
        *("BoundFlows", "ClientT", "FlowDef", "GeneratedModel", "Omittable", "exactly_one", "flow"),
        *("formatted", "items", "members", "multiples", "patterns", "unique", "unsaid", "values"),
    },
}
BUILTINS = {"bool", "dict", "float", "int", "list", "str", "tuple"}
CALLED = {
    *("Field", "FlowDef", "TypeAliasType", "flow"),
    *("formatted", "items", "members", "multiples", "patterns", "values"),
}
KEYWORDS = {
    *("default", "validate_default", "validation_alias", "serialization_alias", "description"),
    *("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern", "discriminator"),
    *("input", "chunk", "output", "rest"),
}

_numbers = itertools.count()


def written(types: Types, role: str = "output") -> str:
    """A module with one flow, called f, that has these types."""
    given: dict[str, Any] = {"input": None, "chunk": None, "output": None, role: types}
    return module_source([FlowSchemas("f", "", **given)])


def written_to_the_letter(types: Types) -> str:
    """The same with an output that is read as its schema says, with all nulls."""
    with patch("streamflow_client.schema.source.module.lenient", lambda types: types):
        return written(types)


def loaded(text: str) -> Any:
    """The module, run under a name of its own. Raises: AssertionError: it holds what it must not."""
    found = list(complaints(text))
    assert not found, found[:5]
    module = ModuleType(f"generated_{next(_numbers)}")
    sys.modules[module.__name__] = module  # annotations are looked up there
    exec(compile(text, module.__name__, "exec", dont_inherit=True), vars(module))
    return module


def forget(module: Any) -> None:
    del sys.modules[module.__name__]


def complaints(text: str) -> Iterator[str]:
    """What of a module is not on the list."""
    tree = ast.parse(text)
    looking = _Looking({name for node in ast.walk(tree) for name in _defined(node)} | BUILTINS)
    for number, node in enumerate(tree.body):
        yield from looking.statement(node, first=number == 0)


def _defined(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name for alias in names)
        case ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
            yield name
        case _:
            pass


class _Looking:
    def __init__(self, known: set[str]) -> None:
        self._known = known

    def statement(self, node: ast.stmt, *, first: bool) -> Iterator[str]:
        match node:
            case ast.Expr(ast.Constant(str())):
                pass
            case ast.ImportFrom(module=module, names=names, level=0):
                known = BUILTINS if module == "builtins" else IMPORTS.get(str(module), set())
                yield from {alias.name for alias in names} - known
                yield from (alias.asname for alias in names if alias.asname not in (None, f"_{alias.name}"))
            case ast.Assign(targets=[ast.Name()], value=ast.Call() | ast.Name() as value):
                yield from self.expression(value)
            case ast.ClassDef(bases=[base], keywords=keywords, decorator_list=[], body=body):
                yield from self.base(base, keywords)
                for number, inner in enumerate(body):
                    yield from self.member(inner, first=number == 0)
            case _:
                yield ast.dump(node)

    def base(self, base: ast.expr, keywords: list[ast.keyword]) -> Iterator[str]:
        if ast.unparse(base) not in ("GeneratedModel", "BoundFlows[ClientT]"):
            yield ast.dump(base)
        for keyword in keywords:
            if (keyword.arg, ast.unparse(keyword.value)) not in (("extra", "'forbid'"), ("extra", "'allow'")):
                yield ast.dump(keyword)

    def member(self, node: ast.stmt, *, first: bool) -> Iterator[str]:
        match node:
            case ast.Expr(ast.Constant(str())) | ast.Pass():
                pass
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as value):
                yield from self.field_name(name)
                yield from self.expression(value)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value, simple=1):
                yield from self.field_name(name)
                yield from self.expression(annotation)
                yield from () if value is None else self.expression(value)
            case _:
                yield ast.dump(node)

    def field_name(self, name: str) -> Iterator[str]:
        if name.startswith("_") and name != "__extra__":
            yield f"a field called {name}"

    def expression(self, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Constant():
                pass
            case ast.Name(id=name):
                if name not in self._known:
                    yield f"unknown name {name}"
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
                yield from self.call(name.removeprefix("_"), args, keywords)
            case (
                ast.Subscript(value=ast.Name())
                | ast.Starred()
                | ast.List()
                | ast.Dict()
                | ast.Tuple()
                | ast.UnaryOp(op=ast.USub(), operand=ast.Constant())
                | ast.BinOp(op=ast.BitOr())
            ):
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        yield from self.expression(child)
            case _:
                yield ast.dump(node)

    def call(self, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Iterator[str]:
        yield from {name} - CALLED
        for keyword in keywords:
            yield from {str(keyword.arg)} - KEYWORDS
            yield from self.expression(keyword.value)
        for arg in args:
            yield from self.expression(arg)
        if name == "TypeAliasType":
            match args:
                case [ast.Constant(str()), ast.Constant(str(text))]:
                    yield from self.expression(ast.parse(text, mode="eval").body)
                case _:
                    yield "an alias of something else than texts"
