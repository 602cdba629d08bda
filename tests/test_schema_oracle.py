"""Run-time types against jsonschema-rs: the same values are valid, and dumping gives them back.

What differs on purpose stands in `ON_PURPOSE`, each with its reason.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, time
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from hand_picked_schemas import DRAFT_07, DRAFT_2020, HAND_PICKED, NAIVE, ON_PURPOSE_ACCEPTED
from streamflow_client.schema.accepts import accepts
from streamflow_client.schema.lenient import lenient
from streamflow_client.schema.model import (
    FORMATS,
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
from streamflow_client.schema.raw import Schema
from streamflow_client.schema.read import read_types
from streamflow_client.schema.runtime import build

Json = Any

SPACE = "RFC 3339, 5.6: applications may separate date and time by a space"
LEAP = "Python's times have no leap second"
YEAR = "Python's years begin at 1"

ON_PURPOSE = [
    ({"format": "date-time"}, "2024-05-01T12:30:00", "accepted", NAIVE),
    ({"format": "date-time"}, "2024-05-01T12:30:00.123456", "accepted", NAIVE),
    ({"format": "time"}, "12:30:00", "accepted", NAIVE),
    ({"format": "date-time"}, "2024-05-01 12:30:00Z", "accepted", SPACE),
    ({"format": "date-time"}, "2016-12-31T23:59:60Z", "refused", LEAP),
    ({"format": "time"}, "23:59:60Z", "refused", LEAP),
    ({"format": "date-time"}, "0000-01-01T00:00:00Z", "refused", YEAR),
    ({"format": "date"}, "0000-01-01", "refused", YEAR),
    ({"$schema": DRAFT_07, "format": "uuid"}, "abc", "refused", "a later format, but meant where it is said"),
    ({"type": "integer", "multipleOf": 3}, 1e300, "accepted", "it means the integer that the float holds"),
    ({"format": "email"}, "nobody", "accepted", "other formats are annotations"),
]

OF_FORMATS = {
    "date-time": [
        *("2024-05-01T12:30:00Z", "2024-05-01t12:30:00.5+02:00", "2024-13-01T12:30:00Z", "1714566600", ""),
        *(
            "2024-05-01",
            "2024-05-01T12:30Z",
            "2024-02-30T00:00:00Z",
            "2024-05-01T12:30:00,5Z",
            "1714566600.5",
        ),
    ],
    "date": ["2024-05-01", "2024-02-30", "20240501", "2024-05-01T00:00:00Z", "1714566600", "2024-05-01\n"],
    "time": [
        "12:30:00Z",
        "12:30:00.25-07:00",
        "25:00:00Z",
        "12:30",
        "12:30Z",
        "45000",
        "\u0661\u0662:30:00Z",
    ],
    "uuid": [
        *("123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-42661417400A"),
        *("123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}", "1"),
    ],
}


class Ours:
    """The types of one schema, to the letter."""

    def __init__(self, schema: Json | Types) -> None:
        known = isinstance(schema, Types)
        self.types = schema if known else read_types(Schema(schema, schema), name="Root")
        form = build(self.types, role="output", name="oracle").form
        self.adapter = TypeAdapter[Any](form)

    def parse(self, instance: Json) -> Any:
        return self.adapter.validator.validate_json(json.dumps(instance))

    def is_valid(self, instance: Json) -> bool:
        try:
            self.parse(instance)
        except ValidationError:
            return False
        return True

    def round_trip(self, instance: Json) -> Json:
        return json.loads(self.adapter.dump_json(self.parse(instance), by_alias=True, warnings="error"))


def oracle(schema: Json) -> jsonschema_rs.Validator:
    draft07 = isinstance(schema, dict) and "draft-07" in schema.get("$schema", "")
    make = jsonschema_rs.Draft7Validator if draft07 else jsonschema_rs.Draft202012Validator
    return make(schema, validate_formats=True)


def given_back(dumped: Json, instance: Json, defaults: frozenset[str] = frozenset()) -> bool:
    """Whether a dump says what the instance said, besides fields filled in from defaults."""
    if isinstance(instance, dict):
        return (
            isinstance(dumped, dict)
            and dumped.keys() - instance.keys() <= defaults
            and all(key in dumped and given_back(dumped[key], instance[key], defaults) for key in instance)
        )
    if isinstance(instance, list):
        return (
            isinstance(dumped, list)
            and len(dumped) == len(instance)
            and all(given_back(*pair, defaults) for pair in zip(dumped, instance, strict=True))
        )
    if isinstance(instance, str) and isinstance(dumped, str):
        return dumped == instance or meant(dumped) == meant(instance)
    return isinstance(dumped, bool) == isinstance(instance, bool) and bool(dumped == instance)


def meant(text: str) -> object:
    """What a text of some format means: equal for equal instants."""
    for parse in (datetime.fromisoformat, time.fromisoformat, UUID):
        try:
            return parse(text.upper())
        except ValueError:
            continue
    return text


def names_with_defaults(schema: Json) -> Iterator[str]:
    """The names that a dump may hold though the instance did not."""
    parts: Iterable[Json] = ()
    if isinstance(schema, dict):
        properties = schema.get("properties")
        for name, part in properties.items() if isinstance(properties, dict) else ():
            if isinstance(part, dict) and "default" in part:
                yield name
        parts = schema.values()
    elif isinstance(schema, list):
        parts = schema
    for part in parts:
        yield from names_with_defaults(part)


@pytest.mark.parametrize("name", HAND_PICKED)
def test_hand_picked_schemas_agree_with_the_oracle(name: str) -> None:
    schema, valid, invalid = HAND_PICKED[name]
    ours, theirs = Ours(schema), oracle(schema)
    defaults = frozenset(names_with_defaults(schema))
    for instance in valid:
        assert theirs.is_valid(instance)
        assert ours.is_valid(instance), instance
        assert given_back(ours.round_trip(instance), instance, defaults), instance
    for instance in invalid:
        assert not theirs.is_valid(instance)
        on_purpose = isinstance(instance, str) and (name, instance) in ON_PURPOSE_ACCEPTED
        assert ours.is_valid(instance) == on_purpose, instance


@pytest.mark.parametrize(
    ("format", "text"), [(name, text) for name, texts in OF_FORMATS.items() for text in texts]
)
def test_formats_agree_with_the_oracle(format: str, text: str) -> None:
    schema = {"type": "string", "format": format}
    assert Ours(schema).is_valid(text) == oracle(schema).is_valid(text)


@pytest.mark.parametrize(("schema", "instance", "verdict", "reason"), ON_PURPOSE)
def test_what_differs_on_purpose(schema: Json, instance: Json, verdict: str, reason: str) -> None:
    assert Ours(schema).is_valid(instance) == (verdict == "accepted"), reason
    assert oracle(schema).is_valid(instance) != (verdict == "accepted"), "no longer differs: strike it"


# ------------------------------------------------------------------------------------ generated

PATTERNS = ["^a", "b$", "^[a-z]+$", "^[0-9]{2}$", "x|y", "^\\d+$", "^a.c$", "é"]
TEXTS = ["", "a", "b", "ab", "abc", "xyz", "12", "7", "é", "日本", "1", "true", "null", "x" * 9]
FORMATTED = {
    "date-time": ["2024-05-01T12:30:00Z", "2024-05-01T12:30:00.5+02:00"],
    "date": ["2024-05-01", "1999-12-31"],
    "time": ["12:30:00Z", "00:00:00.125-07:00"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000"],
}
NUMBERS = [0, 1, -1, 2, 3, 5, 7, 10, 100, 2.0, 2.5, 0.1, 0.3, 19.99, -0.5, 1e300, 2**53 + 1, 10**30, -3.0]
NAMES = ["a", "b", "c", "foo-bar", "class", "$id", "model_config", "_x", "1st"]
DEFAULT = "d"  # the one name that has defaults
REFS = ["A", "B", "C"]

scalars = st.sampled_from([None, True, False, *NUMBERS, *TEXTS, *itertools.chain(*FORMATTED.values())])
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, DEFAULT]), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def schemas(draw: st.DrawFn) -> Json:
    """A schema with definitions that refer to each other, of either draft."""
    draft07 = draw(st.booleans())
    make = _Make(draw, draft07)
    root = make.schema(3)
    root = {"allOf": [root]} if isinstance(root, bool) else root
    used = json.dumps(root)
    definitions = {name: make.definition() for name in REFS} if "$ref" in used else {}
    draft = DRAFT_07 if draft07 else DRAFT_2020
    if "$ref" in root and draft07:
        root = {"allOf": [root]}  # keywords beside `$ref` do not count in draft-07
    return {"$schema": draft, **root, **({make.definitions: definitions} if definitions else {})}


class _Make:
    """Draws schemas, and instances that nearly fit them."""

    def __init__(self, draw: st.DrawFn, draft07: bool) -> None:
        self.draw = draw
        self.draft07 = draft07
        self.definitions = "definitions" if draft07 else "$defs"

    def one(self, options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) < percent

    def schema(self, depth: int) -> Json:
        kinds = ["integer", "number", "string", "scalar", "literals", "format"]
        if depth > 0:
            kinds += ["object"] * 4
            kinds += [
                "array",
                "tuple",
                "map",
                "any_of",
                "one_of",
                "tagged",
                "all_of",
                "ref",
                "nullable",
                "any",
            ]
        return getattr(self, f"_{self.one(kinds)}")(depth)

    def definition(self) -> Json:
        """Mostly an object: only what lies within a value may contain itself."""
        return self._object(2) if self.chance(70) else {"type": "array", "items": self.schema(1)}

    def _any(self, depth: int) -> Json:
        return self.one([{}, True, {"description": "anything"}])

    def _scalar(self, depth: int) -> Json:
        return {
            "type": self.one(
                ["boolean", "null", "integer", "number", "string", ["string", "null"], ["integer", "string"]]
            )
        }

    def _integer(self, depth: int) -> Json:
        return {
            "type": "integer",
            **self._limits([0, 1, 2.5, 5]),
            **self._sometimes("multipleOf", [1, 2, 3, 0.5]),
        }

    def _number(self, depth: int) -> Json:
        return {
            "type": "number",
            **self._limits([0, 0.5, 3]),
            **self._sometimes("multipleOf", [0.1, 0.01, 2, 0.5]),
        }

    def _limits(self, options: list[float]) -> Json:
        return {
            **self._sometimes(self.one(["minimum", "exclusiveMinimum"]), options),
            **self._sometimes(self.one(["maximum", "exclusiveMaximum"]), [option + 5 for option in options]),
        }

    def _sometimes(self, word: str, options: Any) -> Json:
        return {word: self.one(options)} if self.chance(25) else {}

    def _string(self, depth: int) -> Json:
        return {
            "type": "string",
            **self._sometimes("minLength", [0, 1, 2]),
            **self._sometimes("maxLength", [2, 3, 8]),
            **self._sometimes("pattern", PATTERNS),
        }

    def _format(self, depth: int) -> Json:
        return {"type": "string", "format": self.one([*FORMATTED, "byte"])}

    def _literals(self, depth: int) -> Json:
        options = self.draw(st.lists(values, min_size=1, max_size=4, unique_by=repr))
        return {"const": options[0]} if self.chance(25) else {"enum": options}

    def _object(self, depth: int) -> Json:
        names = self.draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True))
        properties = {name: self.schema(depth - 1) for name in names}
        if self.chance(15):
            properties[DEFAULT] = {"type": "integer", "default": 4}
        required = [name for name in names if self.chance(50)]
        extra = self.one(
            [{}, {}, {"additionalProperties": False}, {"additionalProperties": {"type": "integer"}}]
        )
        return {
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            **extra,
        }

    def _map(self, depth: int) -> Json:
        return {
            "type": "object",
            "additionalProperties": self.schema(depth - 1),
            **self._sometimes("minProperties", [1, 2]),
            **self._sometimes("maxProperties", [1, 2]),
            **self._sometimes("propertyNames", [{"pattern": "^[a-c]"}, {"maxLength": 1}]),
        }

    def _array(self, depth: int) -> Json:
        return {
            "type": "array",
            "items": self.schema(depth - 1),
            **self._sometimes("minItems", [1, 2]),
            **self._sometimes("maxItems", [1, 2, 3]),
            **self._sometimes("uniqueItems", [True]),
        }

    def _tuple(self, depth: int) -> Json:
        items = [self.schema(depth - 1) for _ in range(self.one([1, 2]))]
        words = ("items", "additionalItems") if self.draft07 else ("prefixItems", "items")
        return {
            "type": "array",
            words[0]: items,
            **self._sometimes(words[1], [False, {"type": "integer"}, False]),
            **self._sometimes("minItems", [1, 2]),
            **self._sometimes("maxItems", [2, 3]),
        }

    def _any_of(self, depth: int) -> Json:
        return {"anyOf": [self.schema(depth - 1) for _ in range(self.one([2, 2, 3]))]}

    def _one_of(self, depth: int) -> Json:
        return {"oneOf": [self.schema(depth - 1) for _ in range(2)]}

    def _tagged(self, depth: int) -> Json:
        return {self.one(["oneOf", "anyOf"]): [self._with_tag(tag, depth) for tag in ("a", "b")]}

    def _with_tag(self, tag: str, depth: int) -> Json:
        made = self._object(depth)
        return {
            **made,
            "properties": {**made["properties"], "kind": {"const": tag}},
            "required": [*made.get("required", []), "kind"],
        }

    def _all_of(self, depth: int) -> Json:
        if self.chance(50):
            return {"allOf": [self._object(depth), self._object(depth - 1)]}
        return {"allOf": [self._integer(depth), self._number(depth)]}

    def _ref(self, depth: int) -> Json:
        return {"$ref": f"#/{self.definitions}/{self.one(REFS)}"}

    def _nullable(self, depth: int) -> Json:
        return {"anyOf": [self.schema(depth - 1), {"type": "null"}]}

    # --- instances

    def instance(self, schema: Json, root: Json, depth: int = 6) -> Json:
        """Something that nearly always fits where nothing is drawn against it."""
        if isinstance(schema, bool) or depth == 0 or self.chance(6):
            return self.draw(values)
        if "$ref" in schema:
            return self.instance(root[self.definitions][schema["$ref"].rpartition("/")[2]], root, depth - 1)
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                return self._of_parts(word, schema[word], root, depth)
        if "enum" in schema or "const" in schema:
            return self.one(schema.get("enum") or [schema["const"]])
        kind = schema.get("type")
        kind = kind if isinstance(kind, str) else self.one(kind or ["null"])
        return self._of_kind(kind, schema, root, depth)

    def _of_parts(self, word: str, parts: list[Json], root: Json, depth: int) -> Json:
        if word != "allOf":
            return self.instance(self.one(parts), root, depth - 1)
        made = [self.instance(part, root, depth - 1) for part in parts]
        if all(isinstance(part, dict) for part in made):
            return {name: value for part in made for name, value in part.items()}
        return made[0]

    def _of_kind(self, kind: str, schema: Json, root: Json, depth: int) -> Json:
        if kind == "object":
            return (self._fields if "properties" in schema else self._pairs)(schema, root, depth)
        if kind == "array":
            return self._items(schema, root, depth)
        texts = FORMATTED.get(schema.get("format", ""), TEXTS)
        options = {"string": texts, "integer": NUMBERS, "number": NUMBERS, "boolean": [True, False]}
        return self.one(options.get(kind, [None]))

    def _pairs(self, schema: Json, root: Json, depth: int) -> Json:
        names = self.draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=2, unique=True))
        return {name: self.instance(schema["additionalProperties"], root, depth - 1) for name in names}

    def _fields(self, schema: Json, root: Json, depth: int) -> Json:
        required = schema.get("required", [])
        made = {
            name: self.instance(part, root, depth - 1)
            for name, part in schema["properties"].items()
            if name in required or (depth > 2 and self.chance(50))
        }
        if self.chance(10):
            made["more"] = self.one([1, "x", None])
        if made and self.chance(6):
            del made[self.one(sorted(made))]
        return made

    def _items(self, schema: Json, root: Json, depth: int) -> Json:
        parts = schema.get("prefixItems") or schema["items"]
        if isinstance(parts, list):
            made = [self.instance(part, root, depth - 1) for part in parts]
            return [*made, 1] if self.chance(15) else made[: len(made) - self.chance(15)]
        return [self.instance(parts, root, depth - 1) for _ in range(self.one([0, 1, 2, 2, 3]))]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Json, list[Json]]:
    schema = draw(schemas())
    make = _Make(draw, "draft-07" in schema["$schema"])
    return schema, [make.instance(schema, schema) for _ in range(7)] + [draw(values)]


def test_generated_schemas_agree_with_the_oracle() -> None:
    counts = Counter[str]()
    differences: list[str] = []
    lost: list[str] = []

    @settings(
        max_examples=300,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(cases())
    def compare(case: tuple[Json, list[Json]]) -> None:
        schema, instances = case
        ours, theirs = Ours(schema), oracle(schema)
        counts["widened"] += bool(ours.types.warnings)
        for instance in instances:
            expected = theirs.is_valid(instance)
            counts["valid" if expected else "invalid"] += 1
            shown = f"{json.dumps(schema)}  <-  {json.dumps(instance)}"
            assert accepts(instance, ours.types.root, ours.types.definitions) == ours.is_valid(instance), (
                shown
            )
            if ours.is_valid(instance) != expected:
                differences.append(f"{'refused' if expected else 'accepted'}: {shown}")
            elif expected and not given_back(
                back := ours.round_trip(instance), instance, frozenset({DEFAULT})
            ):
                lost.append(f"{json.dumps(back)}: {shown}")

    compare()
    pairs = counts["valid"] + counts["invalid"]
    report = "\n".join([f"{dict(counts)}, {len(differences)} differ", *differences[:20], *lost[:20]])
    print(report)  # noqa: T201 - the counts are what this test has to show
    assert pairs >= 2_000, report
    assert min(counts["valid"], counts["invalid"]) > pairs / 5, report
    assert len(differences) <= pairs / 100, report
    assert not lost, report


@st.composite
def nullable_cases(draw: st.DrawFn) -> tuple[Json, list[Json]]:
    """Schemas many of whose required fields may be null, and instances that lack some of the nulls."""
    schema = nullable(draw(schemas()), draw)
    make = _Make(draw, "draft-07" in schema["$schema"])
    whole = [make.instance(schema, schema) for _ in range(5)]
    return schema, [*whole, *(without_some_nulls(instance, draw) for instance in whole)]


def nullable(schema: Json, draw: st.DrawFn) -> Json:
    if isinstance(schema, list):
        return [nullable(part, draw) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {word: nullable(part, draw) for word, part in schema.items()}
    for name, part in made.get("properties", {}).items():
        if isinstance(part, dict) and "default" not in part and name != "kind" and draw(st.booleans()):
            made["properties"][name] = {"anyOf": [part, {"type": "null"}]}
            made["required"] = [*dict.fromkeys([*made.get("required", []), name])]
    return made


def without_some_nulls(value: Json, draw: st.DrawFn) -> Json:
    if isinstance(value, list):
        return [without_some_nulls(item, draw) for item in value]
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if item is not None or draw(st.booleans())}
        return {name: without_some_nulls(item, draw) for name, item in kept.items()}
    return value


def with_nulls(value: Any, letter: Types) -> Any:
    """The same value, its absent fields given as null where they have to be there to the letter."""
    inside: Iterable[Any] = ()
    if isinstance(value, BaseModel):
        record = letter.definitions[type(value).__name__].type
        assert isinstance(record, Record)
        inside = [*vars(value).values(), *(value.model_extra or {}).values()]
        for field in record.fields:
            if field.required and field.python_name not in value.model_fields_set:
                setattr(value, field.python_name, None)
    elif isinstance(value, dict | list | tuple):
        inside = value.values() if isinstance(value, dict) else value
    for part in inside:
        with_nulls(part, letter)
    return value


def test_what_is_read_leniently_is_read_the_same_or_lacks_nulls_alone() -> None:
    counts = Counter[str]()

    @settings(
        max_examples=300,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(nullable_cases())
    def compare(case: tuple[Json, list[Json]]) -> None:
        schema, instances = case
        letter = Ours(schema)
        ours = Ours(lenient(letter.types))
        for instance in instances:
            shown = f"{json.dumps(schema)}  <-  {json.dumps(instance)}"
            if letter.is_valid(instance):
                counts["to the letter"] += 1
                assert repr(ours.parse(instance)) == repr(letter.parse(instance)), shown
                assert ours.round_trip(instance) == letter.round_trip(instance), shown
            elif ours.is_valid(instance):
                counts["leniently"] += 1
                assert given_back(ours.round_trip(instance), instance, frozenset({DEFAULT})), shown
                filled = ours.adapter.dump_json(with_nulls(ours.parse(instance), letter.types), by_alias=True)
                assert letter.is_valid(json.loads(filled)), shown

    compare()
    assert counts["to the letter"] > 1_000, counts
    assert counts["leniently"] > 40, counts


# ------------------------------------------------------------------------- one meaning of acceptance

ODD_TEXTS = [text for _, text, *_ in ON_PURPOSE if isinstance(text, str)]
OF_ANY_FORMAT = [*itertools.chain(*FORMATTED.values(), *OF_FORMATS.values()), *ODD_TEXTS]
KEYS = ["a", "b", "", "2024-05-01", "2024-02-30", "12:30:00", "23:59:60Z"]
BOUNDS = [None, None, -1, 0, 0.5, 2.5, 3, 2**53, 2.0**53, 2**63, 10**30, 1e300]
MULTIPLES = [0.1, 0.01, 0.5, 1, 2, 3, 3.0, 7, 2.5, 2**64, 1e300]
COUNTS = [None, None, 0, 1, 2]

limits = {"ge": st.sampled_from(BOUNDS), "gt": st.none(), "le": st.none(), "lt": st.sampled_from(BOUNDS)}
multiples = {"multiples": st.lists(st.sampled_from(MULTIPLES), max_size=2, unique=True).map(tuple)}
texts = st.builds(
    Text,
    min_length=st.sampled_from(COUNTS),
    max_length=st.none() | st.sampled_from([1, 8, 25]),
    patterns=st.lists(st.sampled_from(["^a", "b$", "0", "T"]), max_size=2).map(tuple),
    format=st.sampled_from([*FORMATS, None]),
)
formatted = st.sampled_from(FORMATS).map(lambda name: Text(format=name))
json_scalars = st.sampled_from([None, True, False, *NUMBERS, 9e300, 2**63, 2.0**64, *TEXTS, *OF_ANY_FORMAT])
json_values = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=5,
)
counts = {"min_items": st.sampled_from(COUNTS), "max_items": st.sampled_from([None, 2, 3])}
leaves: st.SearchStrategy[Type] = st.one_of(
    st.sampled_from([Anything(), Nothing(), Null(), Boolean(), Integer(), Number(), Ref("A"), Ref("B")]),
    formatted,
    texts,
    st.builds(Integer, **limits, **multiples),
    st.builds(Number, **limits, **multiples),
    st.lists(json_scalars, min_size=1, max_size=3, unique_by=repr).map(lambda found: Literals(tuple(found))),
)


def containers(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    members = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Array, items=inner, unique=st.booleans(), **counts),
        st.builds(Tuple, items=members, rest=inner | st.just(Nothing()), unique=st.booleans(), **counts),
        st.builds(Map, values=inner, keys=texts | formatted, **counts),
        st.builds(Union, members=members, exclusive=st.booleans()),
    )


model_types = st.recursive(leaves, containers, max_leaves=4)
model_fields = st.tuples(
    *(st.builds(Field, st.just(n), st.just(n), model_types, st.booleans()) for n in ("a", "b"))
)
model_records = st.builds(
    Record, model_fields, extra=model_types | st.just(Nothing()), extra_said=st.booleans()
)


@settings(
    max_examples=80,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(model_types, st.tuples(model_records, model_records), st.lists(json_values, min_size=12, max_size=12))
def test_what_is_accepted_is_what_run_time_types_take(
    root: Type, records: tuple[Record, Record], instances: list[Json]
) -> None:
    types = Types(root, {"A": Definition(records[0]), "B": Definition(records[1])})
    ours = Ours(types)
    for instance in instances:
        assert accepts(instance, root, types.definitions) == ours.is_valid(instance), instance


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", dict.fromkeys([*OF_ANY_FORMAT, *TEXTS]))
def test_formats_have_one_meaning(format: str, text: str) -> None:
    by_type = Ours({"type": "string", "format": format}).is_valid(text)
    as_key = Ours({"additionalProperties": True, "propertyNames": {"format": format}}).is_valid({text: 1})
    in_enum = Ours({"enum": [text], "format": format}).is_valid(text)
    default = Ours({"properties": {"a": {"type": "string", "format": format, "default": text}}})
    assert (as_key, in_enum, not default.types.warnings) == (by_type, by_type, by_type)
    assert default.is_valid({})


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("multiple", MULTIPLES)
@pytest.mark.parametrize("kind", ["integer", "number"])
def test_multiples_have_one_meaning(kind: str, multiple: float, number: float) -> None:
    ours = Ours({"type": kind, "multipleOf": multiple})
    assert accepts(number, ours.types.root, ours.types.definitions) == ours.is_valid(number)
