"""Flows of a catalog as definitions: their types are made from schemas, and `help` shows their fields.

In: a `FlowSpec`. Out: `FlowTypes`, what its schemas say; `FoundFlow`, a definition to call it by. Out of
place here: where catalogs come from (`discovery.py`), what schemas mean (`schema/`).
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from textwrap import indent
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import TypeVar

from .discovery import DISCOVERY_LOG
from .errors import DiscoveryError
from .flowdef import FlowDef
from .schema.complaints import readable
from .schema.flowspec import FlowSpec
from .schema.model import Anything, Map, Record, Types
from .schema.names import class_name
from .schema.raw import Schema
from .schema.walk import alternatives, resolved
from .wire.codec import Codec

if TYPE_CHECKING:  # what reads schemas is imported with the first flow: many clients discover none
    from .schema.runtime import Built, Role

log: logging.Logger = logging.getLogger(DISCOVERY_LOG)

FlowT = TypeVar("FlowT")
InputT = TypeVar("InputT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)
OutputT = TypeVar("OutputT", default=Any)


@dataclass(frozen=True, slots=True)
class FlowTypes:
    """What the schemas of a flow say, as plain data; None for a schema that the catalog does not tell."""

    name: str
    input: Types | None
    chunk: Types | None
    output: Types | None

    @classmethod
    def read(cls, spec: FlowSpec) -> FlowTypes:
        """Raises: DiscoveryError: a schema is broken."""
        return cls(
            spec.name,
            input=_read_types(spec, "input", spec.input_schema),
            chunk=_read_types(spec, "chunk", spec.chunk_schema),
            output=_read_types(spec, "output", spec.output_schema),
        )

    @property
    def signature(self) -> str:
        """The flow on one line: `menu(theme: str, dishes: int = 3) -> Menu, streams Item`."""
        from .schema.describe import signature

        return signature(self.name, self.input, self.chunk, self.output)


class SchemaFlow(FlowDef[InputT, ChunkT, OutputT]):
    """A flow's definition whose types say themselves which fields they know: made from schemas."""

    __slots__ = ()

    @property
    def types(self) -> FlowTypes:
        """What its types say, as plain data."""
        raise NotImplementedError

    def _new_codec(self, *, strict: bool) -> Codec[InputT, ChunkT, OutputT]:
        """Strict means to the letter of the schemas."""
        return Codec(self.name, self.input, self.chunk, self.output, strict=strict, explain=readable)

    @property
    def takes_record(self) -> bool:
        """Whether the input is an object with known fields, so that no fields at all mean their defaults."""
        return _record(self.types.input) is not None

    @property
    def takes_fields(self) -> bool:
        """Whether the input is, or may be, an object."""
        types = self.types.input
        if types is None:
            return True
        may_be = alternatives(types.root, types.definitions)
        return any(isinstance(each, Anything | Map | Record) for each in may_be)

    def unknown_fields(self, names: set[str]) -> list[str]:
        """Those of `names` that the input's schema does not name, though it may tolerate them."""
        record = _record(self.types.input)
        if record is None or not record.extra_said or not isinstance(record.extra, Anything):
            return []  # any name may be one, or validation says which may not
        known = {field.name for field in record.fields} | {field.python_name for field in record.fields}
        return sorted(names - known)

    def input_fields(self) -> list[str]:
        """Names of the input's fields, as Python has them and as the wire does."""
        record = _record(self.types.input)
        fields = () if record is None else record.fields
        return list(dict.fromkeys(name for field in fields for name in (field.python_name, field.name)))


class FoundFlow(SchemaFlow[Any, Any, Any]):
    """A flow's definition made from a catalog: its types come from the server's schemas.

    Raises:
        DiscoveryError: a schema is broken.
    """

    __slots__ = ("_chunk", "_classes", "_input", "_output", "_types", "spec")

    def __init__(self, spec: FlowSpec) -> None:
        self.spec: FlowSpec = spec
        self._types = types = FlowTypes.read(spec)
        self._input = _built(spec, "input", types.input)
        self._chunk = _built(spec, "chunk", types.chunk)
        self._output = _built(spec, "output", types.output)
        # no path: a flow of a catalog lies below the base URL, where its name says
        super().__init__(
            spec.name, input=_form(self._input), chunk=_form(self._chunk), output=_form(self._output)
        )
        self._classes: dict[type, type] = {}

    @property
    def types(self) -> FlowTypes:
        """What the schemas say, as plain data."""
        return self._types

    def signature(self) -> inspect.Signature:
        """What a call takes and gives, for people."""
        from .schema.runtime import parameters

        positional = inspect.Parameter.POSITIONAL_ONLY
        if self._input is None:
            takes = [inspect.Parameter("input", positional, default=None, annotation=Any)]
        elif _record(self._input.types) is not None:
            takes = parameters(self._input)
        else:
            takes = [inspect.Parameter("input", positional, annotation=self._input.plain)]
        gives = Any if self._output is None else self._output.plain
        return inspect.Signature(takes, return_annotation=gives)

    def documentation(self) -> str:
        """What `help` tells: the call, the description, and the fields of the types that have some."""
        from .schema.signature import paragraphs

        built = (self._input, self._chunk, self._output)
        models = [each.model for each in built if each is not None and each.model is not None]
        named = {model.__name__: model.__doc__ for model in models}
        parts = [f"{name}:\n{indent(text, '    ')}" for name, text in named.items() if text]
        told = paragraphs(self.spec.description)
        return "\n\n".join(part for part in (self.types.signature, told, *parts) if part)

    def of(self, flow_class: type[FlowT]) -> type[FlowT]:
        """A class of flows for this one alone, so that `help` and `inspect.signature` show its fields."""
        if flow_class not in self._classes:
            self._classes[flow_class] = _described_class(flow_class, self)
        return self._classes[flow_class]


def _read_types(spec: FlowSpec, role: Role, schema: Schema | None) -> Types | None:
    """Raises: DiscoveryError."""
    from .schema.read import BrokenSchema, read_types

    if schema is None:
        return None
    try:
        types = read_types(schema, name=_class_name(spec, role))
    except BrokenSchema as error:
        raise DiscoveryError(
            f"its {role} schema (in {spec.source}) is broken: {error}; "
            "declare its types instead: client.flow(FlowDef(…))",
            flow=spec.name,
        ) from None
    for warning in types.warnings:
        log.warning("flow %r: %s schema: %s", spec.name, role, warning)
    return types


def _built(spec: FlowSpec, role: Role, types: Types | None) -> Built | None:
    from .schema.lenient import lenient
    from .schema.runtime import build

    if types is None:
        return None
    return build(types if role == "input" else lenient(types), role=role, name=_class_name(spec, role))


def _form(built: Built | None) -> Any:
    return Any if built is None else built.form


def _class_name(spec: FlowSpec, role: Role) -> str:
    return class_name(f"{spec.name} {role}")


def _record(types: Types | None) -> Record | None:
    """What the root is, if it is an object with known fields."""
    root = None if types is None else resolved(types.root, types.definitions)
    return root if isinstance(root, Record) else None


def _described_class(flow_class: type[FlowT], found: FoundFlow) -> type[FlowT]:
    members: dict[str, Any] = {"__doc__": found.documentation(), "__module__": flow_class.__module__}
    # Of the class too, whose own would show the parts that a flow is made of.
    members["__signature__"] = signature = found.signature()
    for name in ("__call__", "stream", "stream_events"):
        members[name] = _with_signature(getattr(flow_class, name), signature)
    return cast("type[FlowT]", type(class_name(f"{found.name} flow"), (flow_class,), members))


def _with_signature(function: FunctionType, signature: inspect.Signature) -> FunctionType:
    """The same function, shown with other parameters."""
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__doc__ = function.__doc__
    name = "self" if "self" not in signature.parameters else "_self"
    myself = inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY)
    if function.__name__ != "__call__":
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    shown_as = signature.replace(parameters=[myself, *signature.parameters.values()])
    copy.__signature__ = shown_as  # type: ignore[attr-defined]  # `inspect` looks for it
    return copy
