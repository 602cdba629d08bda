"""One model of types: what a JSON Schema says, as plain data.

In: nothing; `read.py` makes it. Out: frozen values that two writers read, one for run-time types, one for
Python source. Out of place here: JSON Schema's words, pydantic, and anything with behaviour.

Every type describes JSON values: an integer is no text, `true` is no integer, `2.0` is an integer. A type
is closed under intersection, so `allOf` leaves no trace. Objects with known fields are `Record`s; each
stands among the definitions of its `Types` under its class name, and is meant by a `Ref`. So does every
type that contains itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No value at all: the schema `false`."""


@dataclass(frozen=True, slots=True)
class Null:
    """The JSON value null."""


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Integer:
    """A number without a fraction, within bounds; a multiple of each of `multiples`."""

    ge: float | None = None  # `float` means int too, which keeps large bounds exact
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    multiples: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Number:
    """Any number, integers included, within bounds; a multiple of each of `multiples`."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    multiples: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A string. Lengths are in code points.

    `patterns` all have to be found somewhere in it; they are in the syntax of Rust's `regex` and known to
    compile. `format` is one of `FORMATS` or None: formats beyond these are annotations only.
    """

    min_length: int | None = None
    max_length: int | None = None
    patterns: tuple[str, ...] = ()
    format: str | None = None


FORMATS: Final = ("date-time", "date", "time", "uuid")


@dataclass(frozen=True, slots=True)
class Literals:
    """One of these JSON values, of any kinds: at least one, no two equal.

    Equal as JSON Schema has it: 1 and 1.0 are equal, 1 and true are not.
    """

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """A list of items of one type."""

    items: Type
    min_items: int | None = None
    max_items: int | None = None
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Tuple:
    """A list whose first items have a type each; what follows is of type `rest` (`Nothing`: no more).

    Unless `min_items` says so, fewer items than `items` are fine too.
    """

    items: tuple[Type, ...]
    rest: Type
    min_items: int | None = None
    max_items: int | None = None
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Map:
    """An object without known fields. Each key fits `keys`, each value `values`."""

    values: Type
    keys: Text = Text()
    min_items: int | None = None
    max_items: int | None = None


class Missing:
    """The type of `MISSING`: a field has no default, which is not the default null."""

    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class Field:
    """A known field of a `Record`.

    Attributes:
        name: on the wire; any text, the empty one too.
        python_name: an identifier, unique within the record, also among the wire names of other fields;
            it neither begins with an underscore nor shadows what pydantic's models have.
        required: whether an object without it is refused.
        default: a JSON value of the field's type, filled in where the field is missing; MISSING where
            the schema tells none.
    """

    name: str
    python_name: str
    type: Type
    required: bool
    default: Any = MISSING
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """An object with known fields.

    Attributes:
        fields: in the order of the schema.
        extra: the type of fields beyond these; `Nothing` where the schema closes the object.
        extra_said: False where the schema says nothing of fields beyond these. JSON Schema then allows
            them, but in an input they are more likely misspelt.
    """

    fields: tuple[Field, ...]
    extra: Type
    extra_said: bool


@dataclass(frozen=True, slots=True)
class Union:
    """A value of at least one of the members (two or more).

    Attributes:
        exclusive: of exactly one member (`oneOf`); False where no value can be of two members anyway.
        discriminator: wire name of a field that every member, a `Ref` to a `Record`, requires, with
            `Literals` of texts that no two members share; None where there is none.
    """

    members: tuple[Type, ...]
    exclusive: bool = False
    discriminator: str | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """The definition of that name."""

    name: str


Type = (
    Anything
    | Nothing
    | Null
    | Boolean
    | Integer
    | Number
    | Text
    | Literals
    | Array
    | Tuple
    | Map
    | Record
    | Union
    | Ref
)


@dataclass(frozen=True, slots=True)
class Definition:
    """A named type. Only here does a `Record` stand."""

    type: Type
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Types:
    """All that one schema says.

    Attributes:
        root: what the schema as a whole means.
        definitions: what `Ref`s name, by class name: a Python identifier, readable, and the same for the
            same schema.
        title, description: of the schema as a whole.
        warnings: what could not be expressed, and where: "#/properties/a: `not` is not checked".
    """

    root: Type
    definitions: Mapping[str, Definition]
    title: str = ""
    description: str = ""
    warnings: tuple[str, ...] = ()
