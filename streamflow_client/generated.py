"""What modules that `streamflow-client generate` writes are made of.

In: classes whose annotations say what a schema said, and definitions of flows. Out: checks as exact as those
of discovered flows, for the annotations are read back into the same model of types; flows, bound to either
client. Out of place here: reading annotations, and writing modules (`schema/source`).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, ParamSpec, overload

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema
from typing_extensions import TypeForm, TypeVar

from .aio import AsyncClient, AsyncFlow, AsyncGeneratedFlow
from .found import FlowTypes, SchemaFlow
from .schema.core import Core
from .schema.model import Anything, Ref, Types
from .schema.runtime import FlowModel
from .schema.source.annotations import Read, read_form
from .schema.source.markers import (
    Omittable,
    exactly_one,
    formatted,
    items,
    members,
    multiples,
    patterns,
    unique,
    unsaid,
    values,
)
from .sync import Client, Flow, GeneratedFlow

__all__ = [
    "BoundFlows",
    "ClientT",
    "FlowDef",
    "GeneratedModel",
    "Omittable",
    "exactly_one",
    "flow",
    "formatted",
    "items",
    "members",
    "multiples",
    "patterns",
    "unique",
    "unsaid",
    "values",
]

P = ParamSpec("P")
InputT = TypeVar("InputT")
ChunkT = TypeVar("ChunkT")
OutputT = TypeVar("OutputT")
ClientT = TypeVar("ClientT", bound=Client | AsyncClient, covariant=True)  # noqa: PLC0105 - generated modules show it

if TYPE_CHECKING:
    _Base = BaseModel  # so that type checkers make a constructor of the fields, as of any model
else:
    _Base = FlowModel


class GeneratedModel(_Base):
    """An object of a flow's input, chunk or output; its annotations say what the server's schema says.

    The constructor takes fields by their Python names, and by those on the wire. A field that was left out
    and has no default is None and is not sent, while a given None is. Dump with `by_alias=True` for the names
    on the wire. Annotations may be changed; validators and serializers cannot be added.
    """

    __extra__: ClassVar[Any] = None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        """Raises: TypeError: an annotation says what JSON's types do not know."""
        if cls is GeneratedModel:
            return handler(source)
        read = read_form(cls, GeneratedModel)
        assert isinstance(read.types.root, Ref)
        return _core(read).class_schema(read.types.root.name)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> dict[str, Any]:
        """A copy: pydantic puts the definitions into it, and it must not be one of them."""
        return deepcopy(handler.resolve_ref_schema(handler(schema)))


def _core(read: Read) -> Core:
    """Each class says itself which fields it refuses, so nothing has to be more exact than that."""
    homes = [(name, class_.__module__) for name, class_ in read.classes.items()]
    key = sha256(repr((read.types, homes)).encode("utf-8", "surrogatepass")).hexdigest()
    return Core(read.types, read.classes, key, exact=False)


class _Checked:
    """The exact checks of an annotation, as pydantic finds them among its metadata."""

    def __init__(self, form: Any) -> None:
        self._form = form

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Asked twice: pydantic takes definitions from a type, but not from the metadata of one."""
        if source is not self:
            return handler.generate_schema(self)
        read = read_form(self._form, GeneratedModel)
        return _core(read).schema(read.types.root)

    def __repr__(self) -> str:
        return "<to the letter>"


def _checked(form: Any) -> Any:
    if form is Any or (isinstance(form, type) and issubclass(form, GeneratedModel)):
        return form
    return Annotated[form, _Checked(form)]


class FlowDef(SchemaFlow[InputT, ChunkT, OutputT]):
    """A flow of a generated module. Its types are checked as exactly as those of a discovered flow.

    Args:
        name: as the server knows it.
        input, chunk, output: a `GeneratedModel`, or an annotation of JSON values.
    """

    __slots__ = ("_forms", "_types")

    def __init__(
        self,
        name: str,
        *,
        input: TypeForm[InputT],
        chunk: TypeForm[ChunkT],
        output: TypeForm[OutputT],
    ) -> None:
        self._forms: tuple[Any, Any, Any] = (input, chunk, output)
        self._types: FlowTypes | None = None
        super().__init__(name, input=_checked(input), chunk=_checked(chunk), output=_checked(output))

    @property
    def types(self) -> FlowTypes:
        """What the annotations say, as plain data."""
        if self._types is None:
            self._types = FlowTypes(self.name, *map(_types, self._forms))
        return self._types


def _types(form: Any) -> Types | None:
    types = read_form(form, GeneratedModel).types
    return None if types.root == Anything() else types


class BoundFlows(Generic[ClientT]):
    """Flows of a generated module, for a client.

    Args:
        client: a `Client`, whose flows are called, or an `AsyncClient`, whose flows are awaited.

    Raises:
        TypeError: it is neither.
    """

    def __init__(self, client: ClientT) -> None:
        if not isinstance(client, Client | AsyncClient):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"flows are for a Client or an AsyncClient, not for {type(client).__name__}")
        self._client = client
        self._made: dict[object, Any] = {}  # flows by the members that they are of

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client!r})"

    def _flow(self, member: object, make: Callable[[Any], Any]) -> Any:
        """The flow of one of its members, made once; of two threads that want it first, both get the same."""
        made = self._made.get(member)
        return self._made.setdefault(member, make(self._client)) if made is None else made


class _Member(Generic[InputT, ChunkT, OutputT]):
    """A flow among `BoundFlows`; its input is one value."""

    def __init__(self, definition: FlowDef[InputT, ChunkT, OutputT]) -> None:
        self._definition = definition

    @overload
    def __get__(self, bound: None, owner: Any, /) -> FlowDef[InputT, ChunkT, OutputT]: ...

    @overload
    def __get__(self, bound: BoundFlows[Client], owner: Any, /) -> Flow[InputT, ChunkT, OutputT]: ...

    @overload
    def __get__(
        self, bound: BoundFlows[AsyncClient], owner: Any, /
    ) -> AsyncFlow[InputT, ChunkT, OutputT]: ...

    def __get__(self, bound: Any, owner: Any, /) -> Any:
        return self._definition if bound is None else bound._flow(self, self._made_for)  # noqa: SLF001

    def _made_for(self, client: Any) -> Any:
        return client.flow(self._definition)


class _RecordMember(Generic[P, InputT, ChunkT, OutputT]):
    """A flow among `BoundFlows`; its input is one value, or the fields of an object by keywords."""

    def __init__(self, definition: FlowDef[InputT, ChunkT, OutputT]) -> None:
        self._definition = definition

    @overload
    def __get__(self, bound: None, owner: Any, /) -> FlowDef[InputT, ChunkT, OutputT]: ...

    @overload
    def __get__(
        self, bound: BoundFlows[Client], owner: Any, /
    ) -> GeneratedFlow[P, InputT, ChunkT, OutputT]: ...

    @overload
    def __get__(
        self, bound: BoundFlows[AsyncClient], owner: Any, /
    ) -> AsyncGeneratedFlow[P, InputT, ChunkT, OutputT]: ...

    def __get__(self, bound: Any, owner: Any, /) -> Any:
        return self._definition if bound is None else bound._flow(self, self._made_for)  # noqa: SLF001

    def _made_for(self, client: Any) -> Any:
        kind: Any = GeneratedFlow if isinstance(client, Client) else AsyncGeneratedFlow
        return kind.of(client.flow(self._definition))


@overload
def flow(definition: FlowDef[InputT, ChunkT, OutputT], /) -> _Member[InputT, ChunkT, OutputT]: ...


@overload
def flow(
    definition: FlowDef[InputT, ChunkT, OutputT], fields: Callable[P, InputT], /
) -> _RecordMember[P, InputT, ChunkT, OutputT]: ...


def flow(definition: FlowDef[Any, Any, Any], fields: Any = None, /) -> Any:
    """A flow as an attribute of `BoundFlows`.

    Args:
        fields: the class of its input, whose fields a caller may then give by keywords.
    """
    return _Member(definition) if fields is None else _RecordMember[Any, Any, Any, Any](definition)
