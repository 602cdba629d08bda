"""The model of types → pydantic's core schemas: how a value is checked, parsed and dumped, in Rust.

In: `Types`, and the class of each record. Out: one core schema for a type, whole in itself. Out of place
here: classes, scalars (`scalars.py`), and checks written in Python (`checks.py`).

JSON types are exact, in JSON and in Python mode. Where several core schemas stand for one type, the usual
case comes first, and one message speaks for all. What such a union holds is dumped by its run-time type
(`scalars.ANY`), so that dumping never has to guess the member again.

A client may allow unknown fields at run time, which opens closed objects. A union must still choose the
member that it would choose to the letter of the schema, so it asks its members twice: by the letter,
which nothing opens, and, where none of them accepts, as the caller likes it.

A union that would ask its members about the same value again and again (`tangles.py`) remembers what they
said, in Python. It therefore chooses among them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, SerializationInfo, SerializerFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema

from . import checks, scalars
from .complaints import BY_LETTER
from .describe import annotation
from .model import (
    MISSING,
    Anything,
    Array,
    Boolean,
    Definition,
    Field,
    Integer,
    Literals,
    Map,
    Nothing,
    Null,
    Number,
    Record,
    Ref,
    Text,
    Tuple,
    Type,
    Types,
    Union,
)
from .tangles import Tangles
from .walk import names_in, resolved

__all__ = ["Core", "refuses_extra"]


def refuses_extra(record: Record, *, exact: bool) -> bool:
    """Whether a record refuses fields that it does not know; `exact`: also where its schema says nothing."""
    return isinstance(record.extra, Nothing) or (exact and not record.extra_said)


class Core:
    """Writes the core schemas of one `Types`.

    Args:
        classes: the class of each record, by the name of its definition.
        prefix: of the references among the core schemas, which pydantic keeps in one heap.
        exact: whether fields that no schema speaks of are refused, as misspelt.
    """

    def __init__(
        self, types: Types, classes: Mapping[str, type[BaseModel]], prefix: str, *, exact: bool
    ) -> None:
        self.definitions: Mapping[str, Definition] = types.definitions
        self._classes = classes
        self._prefix = prefix
        self._exact = exact
        self._opened = set[str]() if exact else _closed_below(types)
        self.tangles: Tangles = Tangles(types.definitions)

    def schema(self, type: Type) -> CoreSchema:
        """The core schema of a type, with all that it refers to."""
        writer = _Writer(self)
        root = writer.write(type)
        return core_schema.definitions_schema(root, writer.definitions()) if writer.needed else root

    def class_schema(self, name: str) -> CoreSchema:
        """The core schema of a record's class.

        Where pydantic-core meets a finished class within another schema, it takes the validator of that
        class instead, unless that ends in a function. It must not do so for records that a union asks for
        by the letter: the validator of the class is one that the caller may open.
        """
        writer = _Writer(self)
        root = writer.write(Ref(name))
        if self.opens(name):
            root = core_schema.no_info_after_validator_function(_same, root)
        return core_schema.definitions_schema(root, writer.definitions())

    def class_of(self, name: str) -> type[BaseModel]:
        return self._classes[name]

    def reference(self, name: str, letter: bool) -> str:
        # pydantic calls a definition in `model_json_schema()` what stands before the colon
        return f"{name}:{self._prefix}{'!' if letter else ''}"

    def forbids(self, record: Record) -> bool:
        """Whether a record refuses fields that it does not know."""
        return refuses_extra(record, exact=self._exact)

    def may_open(self, type: Type) -> bool:
        """Whether a caller who allows unknown fields changes what the type accepts."""
        return any(name in self._opened for name in names_in(type))

    def opens(self, name: str) -> bool:
        """The same of a definition."""
        return name in self._opened


class _Writer:
    """One pass: a core schema, and the definitions that it needs, each by the letter or not."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._letter = False
        self._within: str | None = None
        self.needed = set[tuple[str, bool]]()
        self._waiting = list[tuple[str, bool]]()
        self._writers: Mapping[type[Any], Callable[[Any], CoreSchema]] = {
            Anything: lambda _: core_schema.any_schema(),
            Nothing: lambda _: scalars.NEVER,
            Null: lambda _: core_schema.none_schema(),
            Boolean: lambda _: scalars.FLAG,
            Integer: scalars.integer,
            Number: scalars.number,
            Text: scalars.text,
            Literals: scalars.literals,
            Array: self._array,
            Tuple: self._tuple,
            Map: self._map,
            Union: self._union,
            Ref: self._ref,
        }

    def write(self, type: Type) -> CoreSchema:
        return self._writers[type.__class__](type)

    def definitions(self) -> list[CoreSchema]:
        written: list[CoreSchema] = []
        while self._waiting:
            name, self._letter = self._waiting.pop()
            self._within = name
            written.append(self._definition(name))
        return written

    def _definition(self, name: str) -> CoreSchema:
        meant = self._core.definitions[name].type
        reference = self._core.reference(name, self._letter)
        if isinstance(meant, Record):
            return self._record(name, meant, reference)
        # any core schema can be referred to, except another reference
        schema = core_schema.chain_schema([self._ref(meant)]) if isinstance(meant, Ref) else self.write(meant)
        return cast("CoreSchema", {**schema, "ref": reference})

    # --- arrays and maps

    def _array(self, type: Array) -> CoreSchema:
        schema = core_schema.list_schema(
            self.write(type.items), min_length=type.min_items, max_length=type.max_items
        )
        return _unique(schema) if type.unique else schema

    def _tuple(self, type: Tuple) -> CoreSchema:
        needed = type.min_items or 0
        items = [self._tuple_item(item, place >= needed) for place, item in enumerate(type.items)]
        rest = [] if isinstance(type.rest, Nothing) else [self.write(type.rest)]
        schema: CoreSchema = core_schema.tuple_schema(
            [*items, *rest],
            variadic_item_index=len(items) if rest else None,
            min_length=type.min_items,
            max_length=type.max_items,
        )
        if needed < len(items):
            schema = core_schema.no_info_after_validator_function(
                checks.present, schema, serialization=scalars.ANY
            )
        return _unique(schema) if type.unique else schema

    def _tuple_item(self, item: Type, optional: bool) -> CoreSchema:
        schema = self.write(item)
        if not optional:
            return schema
        return core_schema.with_default_schema(schema, default_factory=checks.missing_item)

    def _map(self, type: Map) -> CoreSchema:
        return core_schema.dict_schema(
            scalars.key(type.keys),
            self.write(type.values),
            min_length=type.min_items,
            max_length=type.max_items,
        )

    # --- unions

    def _union(self, type: Union) -> CoreSchema:
        if type.discriminator is not None:
            return self._tagged(type.discriminator, type.members)
        if not type.exclusive and Null() in type.members:
            rest = tuple(member for member in type.members if member != Null())
            return core_schema.nullable_schema(self.write(rest[0] if len(rest) == 1 else Union(rest)))
        if type.exclusive:
            return self._exclusive(type)
        if self._letter or not self._core.may_open(type) or self._differ_in_kind(type.members):
            return self._smart(type)
        message = "Input fits no type of the union to the letter"
        letter = scalars.told(self._by_letter(self._smart, type), BY_LETTER, message)
        choices = [(letter, "to the letter"), (self._smart(type), annotation(type))]
        return core_schema.union_schema([*choices], mode="left_to_right", serialization=scalars.ANY)

    def _differ_in_kind(self, members: tuple[Type, ...]) -> bool:
        """Whether what a value is decides which member it can be: then nothing is asked by the letter."""
        kinds = [_KINDS.get(self._resolved(member).__class__) for member in members]
        return None not in kinds and len(set(kinds)) == len(kinds)

    def _smart(self, type: Union) -> CoreSchema:
        twice = self._core.may_open(type) and not self._differ_in_kind(type.members)
        heavy = self._core.tangles.heavy_members(type, self._within, twice=twice)
        if not heavy:
            return self._one_of(type.members)
        light = tuple(member for member in type.members if member not in heavy)
        members = [*([self._one_of(light)] if light else []), *map(self.write, heavy)]
        return self._trials(type, members, checks.best)

    def _one_of(self, members: tuple[Type, ...]) -> CoreSchema:
        choices = [(self.write(member), annotation(member)) for member in members]
        return (
            choices[0][0]
            if len(choices) == 1
            else core_schema.union_schema([*choices], serialization=scalars.ANY)
        )

    def _exclusive(self, type: Union) -> CoreSchema:
        members = [self._by_letter(self.write, member) for member in type.members]
        return self._trials(type, members, checks.only_one)

    def _trials(self, type: Union, members: list[CoreSchema], choose: checks.Choose) -> CoreSchema:
        tagged = dict[Any, CoreSchema](enumerate(members))
        if not self._letter:
            tagged[checks.ANY_MEMBER] = self._one_of(type.members)
        choices: dict[Any, CoreSchema] = {
            tag: core_schema.no_info_before_validator_function(_value_of, member)
            for tag, member in tagged.items()
        }
        tangled = bool(self._core.tangles.heavy_members(type, self._within, twice=True))
        check = checks.trials(len(members), choose, letter=self._letter, tangled=tangled)
        asked = core_schema.tagged_union_schema(choices, _tag_of)
        return core_schema.no_info_wrap_validator_function(check, asked, serialization=scalars.ANY)

    def _by_letter(self, write: Callable[[Any], CoreSchema], type: Type) -> CoreSchema:
        before, self._letter = self._letter, True
        schema = write(type)
        self._letter = before
        return schema

    def _tagged(self, discriminator: str, members: tuple[Type, ...]) -> CoreSchema:
        choices: dict[Any, CoreSchema] = {}
        names: dict[str | int, None] = {discriminator: None}
        for member in members:
            field = _field(self._resolved(member), discriminator)
            names[field.python_name] = None
            tags = cast("Literals", self._resolved(field.type)).values
            choices.update((tag, self.write(member)) for tag in tags)
        return core_schema.tagged_union_schema(choices, [[name] for name in names], serialization=scalars.ANY)

    def _resolved(self, type: Type) -> Type:
        return resolved(type, self._core.definitions)

    def _ref(self, type: Ref) -> CoreSchema:
        letter = self._letter and self._core.opens(type.name)
        if (type.name, letter) not in self.needed:
            self.needed.add((type.name, letter))
            self._waiting.append((type.name, letter))
        return core_schema.definition_reference_schema(self._core.reference(type.name, letter))

    # --- records

    def _record(self, name: str, record: Record, reference: str) -> CoreSchema:
        class_ = self._core.class_of(name)
        closed = self._core.forbids(record)
        sealed = closed and self._letter  # nothing at run time opens a key that may not be
        extra: Literal["allow", "forbid"] = "forbid" if closed and not sealed else "allow"
        fields = core_schema.model_fields_schema(
            {field.python_name: self._field(field) for field in record.fields},
            model_name=class_.__name__,
            extra_behavior=extra,
            extras_schema=None if closed or record.extra == Anything() else self.write(record.extra),
            extras_keys_schema=scalars.NEVER if sealed else None,
        )
        return core_schema.model_schema(
            class_,
            fields,
            extra_behavior=extra,
            ref=reference,
            config={"title": class_.__name__},
            serialization=_dumping(record, closed=closed),
        )

    def _field(self, field: Field) -> core_schema.ModelField:
        schema = self.write(field.type)
        if not field.required:
            schema = _with_default(schema, field)
        return core_schema.model_field(schema, validation_alias=field.name, serialization_alias=field.name)


def _unique(schema: CoreSchema) -> CoreSchema:
    return core_schema.no_info_wrap_validator_function(checks.unique, schema)


def _same(value: Any) -> Any:
    return value


_KINDS: Mapping[type[Any], str] = {
    Null: "null",
    Boolean: "boolean",
    Integer: "number",
    Number: "number",
    Text: "string",
    Array: "array",
    Tuple: "array",
    Map: "object",
    Record: "object",
}


def _value_of(trial: checks.Trial) -> Any:
    return trial.value


def _tag_of(trial: checks.Trial) -> int | str:
    return trial.tag


def _field(record: Type, name: str) -> Field:
    fields = cast("Record", record).fields
    return next(field for field in fields if field.name == name)


def _with_default(schema: CoreSchema, field: Field) -> CoreSchema:
    if field.default is MISSING:
        return core_schema.with_default_schema(schema, default=None)
    # validated, for a default may be the JSON of a record or of a date; Rust copies lists and objects
    return core_schema.with_default_schema(schema, default=field.default, validate_default=True)


def _dumping(record: Record, *, closed: bool) -> core_schema.SerSchema | None:
    """How a record is dumped where Rust alone would add or lose fields."""
    absent = [
        (field.python_name, field.name)
        for field in record.fields
        if not field.required and field.default is MISSING
    ]
    if not absent and not closed:
        return None

    def dump(value: Any, standard: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        data = standard(value)
        if isinstance(value, BaseModel):
            extra = value.model_extra or {}
            for python_name, name in absent:
                key = name if info.by_alias else python_name
                if key not in extra and not _is_given(value, python_name, extra):
                    data.pop(key, None)
            if closed:  # opened at run time, which Rust does not know when dumping
                data.update(extra)
        return data

    return core_schema.wrap_serializer_function_ser_schema(dump, info_arg=True)


def _is_given(value: BaseModel, python_name: str, extra: Mapping[str, Any]) -> bool:
    """Whether a field came; pydantic's set of those that did names unknown fields of the wire as well."""
    if python_name not in value.model_fields_set:
        return False
    return python_name not in extra or getattr(value, python_name, None) is not None


def _closed_below(types: Types) -> set[str]:
    """The definitions that are closed records, or contain one however deep."""
    users: dict[str, list[str]] = {}
    waiting: list[str] = []
    for name, definition in types.definitions.items():
        for used in set(names_in(definition.type)):
            users.setdefault(used, []).append(name)
        if isinstance(definition.type, Record) and isinstance(definition.type.extra, Nothing):
            waiting.append(name)
    found = set(waiting)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in found:
                found.add(user)
                waiting.append(user)
    return found
