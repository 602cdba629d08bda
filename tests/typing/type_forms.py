"""Every kind of type form that `FlowDef` takes, and what becomes of it. Checked, never run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union, assert_type
from uuid import UUID

from pydantic import BaseModel, Field, RootModel
from typing_extensions import TypeAliasType, TypedDict

from streamflow_client import AsyncClient, AsyncFlow, AsyncFlowStream, Client, Flow, FlowDef, FlowStream

T = TypeVar("T")


class Model(BaseModel):
    """A model."""

    name: str


class Page(BaseModel, Generic[T]):
    """A generic model."""

    items: list[T]


class Dictionary(TypedDict, total=False):
    """A typed dictionary."""

    name: str


@dataclass
class Data:
    """A dataclass."""

    name: str


class Colour(Enum):
    """An enumeration."""

    RED = "red"


class Point(NamedTuple):
    """A named tuple."""

    x: float
    y: float


Numbers = RootModel[list[int]]
Alias = int | str
Named = TypeAliasType("Named", list[int] | None)
Listed = TypeAliasType("Listed", list[T], type_params=(T,))

# --- each kind once, as input, chunk and output ---

PRIMITIVES = FlowDef("f", input=int, chunk=str, output=float)
MORE = FlowDef("f", input=bool, chunk=bytes, output=object)
MODELS = FlowDef("f", input=Model, chunk=Dictionary, output=Data)
VALUES = FlowDef("f", input=datetime, chunk=UUID, output=Decimal)
KINDS = FlowDef("f", input=Colour, chunk=Point, output=Numbers)
NOTHING = FlowDef("f", input=None, chunk=None, output=None)
UNIONS = FlowDef("f", input=int | str, chunk=Model | None, output=list[Model] | dict[str, int] | None)
OLD_UNIONS = FlowDef("f", input=Optional[int], chunk=Union[int, str], output=Optional[Model])  # noqa: UP007, UP045
GENERICS = FlowDef("f", input=list[int], chunk=dict[str, list[Model]], output=Page[Model])
TUPLES = FlowDef("f", input=tuple[int, str], chunk=tuple[int, ...], output=set[str])
ABSTRACT = FlowDef("f", input=Sequence[int], chunk=Mapping[str, Any], output=frozenset[int])
LITERALS = FlowDef("f", input=Literal["a", "b"], chunk=Literal[1] | None, output=Literal[True])
ANNOTATED = FlowDef(
    "f",
    input=Annotated[int, Field(gt=0)],
    chunk=Annotated[Model | Data, Field(union_mode="left_to_right")],
    output=list[Annotated[str, Field(min_length=1)]],
)
ALIASES = FlowDef("f", input=Alias, chunk=Named, output=Listed[int])
ANYTHING = FlowDef("f", input=Any, chunk=Any, output=Any)
INPUT = FlowDef("f", input=int)
CHUNK = FlowDef("f", chunk=int)
OUTPUT = FlowDef("f", output=int | None)
BARE = FlowDef("f")

assert_type(PRIMITIVES, FlowDef[int, str, float])
assert_type(MORE, FlowDef[bool, bytes, object])
assert_type(MODELS, FlowDef[Model, Dictionary, Data])
assert_type(VALUES, FlowDef[datetime, UUID, Decimal])
assert_type(KINDS, FlowDef[Colour, Point, RootModel[list[int]]])
assert_type(NOTHING, FlowDef[None, None, None])
assert_type(UNIONS, FlowDef[int | str, Model | None, list[Model] | dict[str, int] | None])
assert_type(OLD_UNIONS, FlowDef[int | None, int | str, Model | None])
assert_type(GENERICS, FlowDef[list[int], dict[str, list[Model]], Page[Model]])
assert_type(TUPLES, FlowDef[tuple[int, str], tuple[int, ...], set[str]])
assert_type(ABSTRACT, FlowDef[Sequence[int], Mapping[str, Any], frozenset[int]])
assert_type(LITERALS, FlowDef[Literal["a", "b"], Literal[1] | None, Literal[True]])
assert_type(ANNOTATED, FlowDef[int, Model | Data, list[str]])
assert_type(ALIASES, FlowDef[int | str, list[int] | None, list[int]])
assert_type(ANYTHING, FlowDef[Any, Any, Any])
assert_type(INPUT, FlowDef[int, Any, Any])
assert_type(CHUNK, FlowDef[Any, int, Any])
assert_type(OUTPUT, FlowDef[Any, Any, int | None])
assert_type(BARE, FlowDef[Any, Any, Any])


def flows(client: Client) -> None:
    assert_type(client.flow(PRIMITIVES), Flow[int, str, float])
    assert_type(client.flow(NOTHING), Flow[None, None, None])
    assert_type(client.flow(UNIONS), Flow[int | str, Model | None, list[Model] | dict[str, int] | None])
    assert_type(client.flow(GENERICS), Flow[list[int], dict[str, list[Model]], Page[Model]])
    assert_type(client.flow(LITERALS), Flow[Literal["a", "b"], Literal[1] | None, Literal[True]])
    assert_type(client.flow(ANNOTATED), Flow[int, Model | Data, list[str]])
    assert_type(client.flow(ALIASES), Flow[int | str, list[int] | None, list[int]])
    assert_type(client.flow(BARE), Flow[Any, Any, Any])


def flows_by_name(client: Client) -> None:
    assert_type(client.flow("f", input=int, chunk=str, output=float), Flow[int, str, float])
    assert_type(client.flow("f", input=None, output=None), Flow[None, Any, None])
    assert_type(client.flow("f", chunk=Model | None, output=Listed[int]), Flow[Any, Model | None, list[int]])
    assert_type(client.flow("f", output=Annotated[int, Field(gt=0)]), Flow[Any, Any, int])
    assert_type(client.flow("f", input=Literal["a"], path="/x"), Flow[Literal["a"], Any, Any])
    assert_type(client.flow("f"), Flow[Any, Any, Any])


def uses(client: Client) -> None:
    assert_type(client.flow(UNIONS)(3), list[Model] | dict[str, int] | None)
    assert_type(client.flow(UNIONS)("x"), list[Model] | dict[str, int] | None)
    assert_type(client.flow(NOTHING)(None), None)
    assert_type(client.flow(LITERALS)("a"), Literal[True])
    assert_type(client.flow(MODELS)(Model(name="x")).name, str)
    assert_type(client.flow(ALIASES).stream("x"), FlowStream[list[int] | None, list[int]])
    assert_type(next(client.flow(MODELS).stream()).get("name"), str | None)
    assert_type(next(client.flow(KINDS).stream(Colour.RED)).x, float)
    assert_type(client.flow(ANNOTATED).stream(1), FlowStream[Model | Data, list[str]])


async def async_uses(client: AsyncClient) -> None:
    assert_type(client.flow(PRIMITIVES), AsyncFlow[int, str, float])
    assert_type(client.flow("f", input=None, output=None), AsyncFlow[None, Any, None])
    assert_type(client.flow("f", output=Annotated[int, Field(gt=0)]), AsyncFlow[Any, Any, int])
    assert_type(await client.flow(UNIONS)(3), list[Model] | dict[str, int] | None)
    assert_type(await client.flow(NOTHING)(None), None)
    assert_type(await client.flow(LITERALS)("a"), Literal[True])
    assert_type(client.flow(ALIASES).stream("x"), AsyncFlowStream[list[int] | None, list[int]])
    assert_type((await anext(client.flow(MODELS).stream())).get("name"), str | None)
    assert_type(client.flow(ANNOTATED).stream(1), AsyncFlowStream[Model | Data, list[str]])
