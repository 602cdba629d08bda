"""A field that its schema requires, but that may be null, may be absent from what a server answers.

Servers in Python leave nulls out. What is sent has to have every field, and members of a union are still told
apart by the fields that they require.
"""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from functools import reduce
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ValidationError

from streamflow_client.found import FoundFlow
from streamflow_client.schema.catalog import Catalog
from streamflow_client.schema.flowspec import FlowSpec
from streamflow_client.schema.lenient import lenient
from streamflow_client.schema.model import (
    Anything,
    Array,
    Definition,
    Field,
    Integer,
    Null,
    Record,
    Ref,
    Type,
    Types,
    Union,
)
from streamflow_client.schema.raw import Schema

Json = Any
Answer = Literal["chunk", "output"]
ANSWERS: list[Answer] = ["chunk", "output"]

TEXT, WHOLE, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}
MAYBE = {"anyOf": [TEXT, NULL]}  # as pydantic says it


def flow(schema: Json) -> FoundFlow:
    """A flow whose input, chunks and output all have this schema."""
    told = Schema(schema, schema)
    return FoundFlow(FlowSpec("odd", "/odd", "callable", "", told, told, told, "a test"))


def record(title: str, required: str = "", **fields: Json) -> Json:
    return {"type": "object", "title": title, "properties": fields, "required": required.split()}


def named(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def read(schema: Json, role: Answer, text: str, *, strict: bool = False) -> Any:
    codec = flow(schema).codec(strict=strict)
    return (codec.chunk if role == "chunk" else codec.output)(text.encode())


def dumped(value: Any) -> Json:
    """By wire names, as the JSON that it stands for."""
    if isinstance(value, list | tuple):
        return [dumped(item) for item in value]
    if isinstance(value, dict):
        return {key: dumped(item) for key, item in value.items()}
    if not isinstance(value, BaseModel):
        return value
    made = value.model_dump(by_alias=True, mode="json")
    assert json.loads(value.model_dump_json(by_alias=True)) == made
    return made


def at(value: Any, path: str) -> Any:
    """What lies at `items.0.note` in a value."""

    def step(inside: Any, name: str) -> Any:
        if isinstance(inside, list | tuple):
            return inside[int(name)]
        return inside[name] if isinstance(inside, dict) else getattr(inside, name)

    return reduce(step, path.split("."), value)


# --- what may be absent -------------------------------------------------------------------------------

NOTE = record("Note", "n note", n=WHOLE, note=MAYBE)
NODE = record("Node", "next", next={"anyOf": [named("Node"), NULL]})
TREE = record("Tree", "note kids", note=MAYBE, kids={"type": "array", "items": named("Tree")})
CAT = record("Cat", "kind more", kind={"const": "cat"}, more=NOTE)
DOG = record("Dog", "kind", kind={"const": "dog"})

RELAXED: dict[str, tuple[Json, str, str]] = {  # a schema, an answer, where None is read that did not come
    "a list of kinds": (record("R", "a", a={"type": ["string", "null"]}), "{}", "a"),
    "any of": (record("R", "a b", a=MAYBE, b=WHOLE), '{"b":1}', "a"),
    "one of": (record("R", "a", a={"oneOf": [TEXT, NULL]}), "{}", "a"),
    "an enum": (record("R", "a", a={"enum": ["x", None]}), "{}", "a"),
    "nothing but null": (record("R", "a", a=NULL), "{}", "a"),
    "anything": (record("R", "a", a={}), "{}", "a"),
    "behind a reference": (record("R", "a", a=named("M")) | {"$defs": {"M": MAYBE}}, "{}", "a"),
    "behind several": (
        record("R", "a", a=named("L")) | {"$defs": {"L": {"anyOf": [named("M"), WHOLE]}, "M": MAYBE}},
        "{}",
        "a",
    ),
    "all of": ({"allOf": [record("R", "a", a=MAYBE), record("", "b", b=WHOLE)]}, '{"b":1}', "a"),
    "a union or null": (record("R", "a", a={"anyOf": [NOTE, DOG, NULL]}), "{}", "a"),
    "a name that Python has not": (record("R", "k-n", **{"k-n": MAYBE}), "{}", "k_n"),
    "closed": (record("R", "a", a=MAYBE) | {"additionalProperties": False}, "{}", "a"),
    "nested": (record("R", "r", r=record("S", "t", t=NOTE)), '{"r":{"t":{"n":1}}}', "r.t.note"),
    "in an array": ({"type": "array", "items": NOTE}, '[{"n":1},{"n":2,"note":null}]', "0.note"),
    "in a tuple": ({"prefixItems": [WHOLE, NOTE], "type": "array"}, '[1,{"n":1}]', "1.note"),
    "in a map": ({"type": "object", "additionalProperties": NOTE}, '{"x":{"n":1}}', "x.note"),
    "among other fields": (record("R") | {"additionalProperties": NOTE}, '{"x":{"n":1}}', "x.note"),
    "a record or null": ({"anyOf": [NOTE, NULL]}, '{"n":1}', "note"),
    "within a record or null": (record("R", "r", r={"anyOf": [NOTE, NULL]}), '{"r":{"n":1}}', "r.note"),
    "a record or null itself": (record("R", "r", r={"anyOf": [NOTE, NULL]}), "{}", "r"),
    "recursive": (named("Node") | {"$defs": {"Node": NODE}}, '{"next":{"next":{}}}', "next.next.next"),
    "recursive in an array": (
        named("Tree") | {"$defs": {"Tree": TREE}},
        '{"note":"x","kids":[{"kids":[]}]}',
        "kids.0.note",
    ),
    "a member that a field names": (
        {"oneOf": [record("C", "kind a", kind={"const": "c"}, a=MAYBE), DOG]},
        '{"kind":"c"}',
        "a",
    ),
    "a member of its own kind": ({"anyOf": [NOTE, TEXT]}, '{"n":1}', "note"),
    "within a member that a field names": (
        {"oneOf": [CAT, DOG]},
        '{"kind":"cat","more":{"n":1}}',
        "more.note",
    ),
    "within a member of its own kind": (
        {"anyOf": [record("R", "r", r=NOTE), TEXT, {"type": "array", "items": TEXT}]},
        '{"r":{"n":1}}',
        "r.note",
    ),
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("role", ANSWERS)
@pytest.mark.parametrize("name", RELAXED)
def test_an_absent_field_that_may_be_null_is_none_and_stays_absent(
    name: str, role: Answer, strict: bool
) -> None:
    schema, text, path = RELAXED[name]
    value = read(schema, role, text, strict=strict)
    assert at(value, path) is None
    assert dumped(value) == json.loads(text)


@pytest.mark.parametrize("name", RELAXED)
def test_what_is_sent_has_to_have_the_field(name: str) -> None:
    schema, text, _ = RELAXED[name]
    with pytest.raises(ValidationError, match="Field required"):
        flow(schema).codec(strict=False).encode(json.loads(text))


@pytest.mark.parametrize("role", ANSWERS)
def test_a_given_null_stays_and_a_wrong_value_is_still_wrong(role: Answer) -> None:
    value = read(NOTE, role, '{"n":1,"note":null}')
    assert value.note is None
    assert dumped(value) == {"n": 1, "note": None}
    with pytest.raises(ValidationError, match="valid string"):
        read(NOTE, role, '{"n":1,"note":5}')
    with pytest.raises(ValidationError, match=r"(?m)^n$\n  Field required"):
        read(NOTE, role, '{"note":null}')


def test_a_default_does_not_stand_for_the_null_that_was_left_out() -> None:
    schema = record("R", "a b", a=MAYBE | {"default": "x"}, b=WHOLE | {"default": 1})
    value = read(schema, "output", '{"b":2}')
    assert value.a is None
    assert dumped(value) == {"b": 2}
    with pytest.raises(ValidationError, match="b"):
        read(schema, "output", "{}")


# --- members of unions --------------------------------------------------------------------------------

A = record("A", "a n", a=MAYBE, n=WHOLE)
B = record("B", "b", b=MAYBE)
HELD = record("Held", "a", a=MAYBE)
OUTER_A, OUTER_B = record("OuterA", "held", held=HELD), record("OuterB", "held", held=record("H"))
TANGLE = {
    "Any": {"anyOf": [named("L"), named("M")]},
    "L": record("L", "a more", a=MAYBE, more=named("Any")),
    "M": record("M", "b", b=MAYBE, more=named("Any")),
}

KEPT: dict[str, tuple[Json, str]] = {  # a schema, an answer without a field that a member requires
    "any of": ({"anyOf": [A, B]}, '{"n":1}'),
    "one of": ({"oneOf": [A, B]}, '{"n":1}'),
    "or null": ({"anyOf": [A, B, NULL]}, '{"n":1}'),
    "by references": ({"anyOf": [named("A"), named("B")], "$defs": {"A": A, "B": B}}, '{"n":1}'),
    "by references to unions": (
        {"oneOf": [named("X"), WHOLE], "$defs": {"X": {"oneOf": [A, B]}}},
        '{"n":1}',
    ),
    "one of them or null": (
        {"anyOf": [named("X"), B], "$defs": {"X": {"anyOf": [A, NULL]}}},
        '{"n":1}',
    ),
    "in an array": ({"type": "array", "items": {"anyOf": [A, B]}}, '[{"n":1}]'),
    "arrays": ({"anyOf": [{"type": "array", "items": each} for each in (A, B)]}, '[{"n":1}]'),
    "maps": ({"oneOf": [{"type": "object", "additionalProperties": each} for each in (A, B)]}, '{"x":{}}'),
    "within members": ({"anyOf": [OUTER_A, record("B", "b", b=WHOLE)]}, '{"held":{}}'),
    "within one beside a map": (
        {"anyOf": [OUTER_A, {"type": "object", "additionalProperties": TEXT}]},
        '{"held":{}}',
    ),
    "within one beside a constant": ({"anyOf": [OUTER_A, {"const": {"x": 1}}]}, '{"held":{}}'),
    "recursive": (named("Any") | {"$defs": TANGLE}, '{"b":"x","more":{"more":{"b":"y"}}}'),
    "also elsewhere": (
        record("R", "x y", x=named("A"), y={"anyOf": [named("A"), B]}) | {"$defs": {"A": A}},
        '{"x":{"n":1},"y":{"b":null}}',
    ),
}


@pytest.mark.parametrize("role", ANSWERS)
@pytest.mark.parametrize("name", KEPT)
def test_a_member_of_a_union_has_to_have_the_field(name: str, role: Answer) -> None:
    schema, text = KEPT[name]
    with pytest.raises(ValidationError):
        read(schema, role, text)


CHOSEN: list[tuple[Json, str, str]] = [  # a schema, an answer, its member
    ({"oneOf": [A, B]}, '{"b":null,"n":1}', "B"),
    ({"anyOf": [A, B]}, '{"n":1,"b":"x"}', "B"),
    ({"oneOf": [OUTER_A, OUTER_B]}, '{"held":{}}', "OuterB"),
    ({"anyOf": [OUTER_A, OUTER_B]}, '{"held":{}}', "OuterB"),
    (named("Any") | {"$defs": TANGLE}, '{"b":"x","more":{"b":null}}', "M"),
    ({"oneOf": [OUTER_A, {"const": {"held": {}}}]}, '{"held":{}}', "dict"),
    ({"oneOf": [OUTER_A, True]}, '{"held":{}}', "dict"),
]


@pytest.mark.parametrize(("schema", "text", "member"), CHOSEN)
def test_the_member_is_the_one_to_the_letter(schema: Json, text: str, member: str) -> None:
    value = read(schema, "output", text)
    assert type(value).__name__ == member
    assert dumped(value) == json.loads(text)


# --- the step itself ----------------------------------------------------------------------------------


def test_the_step_changes_no_more_than_it_has_to() -> None:
    nullable = Union((Integer(), Null()))
    fields = (Field("a", "a", nullable, required=True), Field("b", "b", Integer(), required=True))
    types = Types(
        Ref("R"),
        {
            "R": Definition(Record(fields, Anything(), extra_said=False), "a title"),
            "L": Definition(Array(Ref("R"))),
        },
        description="told",
        warnings=("one",),
    )
    before = repr(types)
    made = lenient(types)
    assert repr(types) == before
    assert repr(made) == before.replace("required=True", "required=False", 1)
    assert lenient(made) == made


def test_deep_wide_and_tangled_types_are_gone_through_once() -> None:
    """Each level is in two members of the next: there are more ways down than could ever be gone."""
    levels = 90
    pairs: dict[str, Type] = {
        f"U{n}": Union((Ref(f"U{n + 1}"), Array(Ref(f"V{n + 1}")))) for n in range(levels)
    }
    others: dict[str, Type] = {
        f"V{n}": Union((Array(Ref(f"U{n + 1}")), Ref(f"V{n + 1}"))) for n in range(levels)
    }
    last = Record((Field("a", "a", Null(), required=True),), Anything(), extra_said=False)
    root = Record((Field("v", "v", Ref("V0"), required=True),), Anything(), extra_said=False)
    ends: dict[str, Type] = {f"U{levels}": last, f"V{levels}": Null(), "Root": root}
    types = Types(Ref("Root"), {name: Definition(made) for name, made in (pairs | others | ends).items()})
    assert repr(lenient(types)) == repr(types).replace(
        "Ref(name='V0'), required=True", "Ref(name='V0'), required=False"
    )


# --- what people see, and copies ----------------------------------------------------------------------


def test_help_says_that_an_answer_may_lack_the_field() -> None:
    found = flow(NOTE)
    assert found.types.signature == "odd(n: int, note: str | None) -> Note, streams Note"
    assert str(inspect.signature(found.input)) == "(*, n: int, note: str | None)"
    assert str(inspect.signature(found.output)) == "(*, n: int, note: str | None = …)"
    assert "note: str | None\n" in found.input.__doc__ + "\n"
    assert "note: str | None = …" in found.output.__doc__
    assert str(found.signature()).startswith("(*, n: int, note: str | None) -> ")
    assert found.input.model_json_schema()["required"] == ["n", "note"]
    assert found.output.model_json_schema()["required"] == ["n"]
    assert found.output(n=1).note is None


def test_one_schema_has_classes_for_what_is_sent_and_for_what_is_answered() -> None:
    found = flow(NOTE)
    assert len({found.input, found.chunk, found.output}) == 3
    for class_ in (found.chunk, found.output):
        assert class_.model_validate({"n": 1}).note is None
    with pytest.raises(ValidationError, match="Field required"):
        found.input(n=1)
    again = flow(NOTE)
    assert (again.input, again.chunk, again.output) == (found.input, found.chunk, found.output)


def test_what_one_flow_left_out_another_is_not_sent() -> None:
    answer = read(NOTE, "output", '{"n":1}')
    codec = flow(NOTE).codec(strict=False)
    with pytest.raises(ValidationError, match="Field required"):
        codec.encode(answer)
    answer.note = None
    assert json.loads(codec.encode(answer) or b"") == {"n": 1, "note": None}


def test_answers_pickle_here_and_where_nothing_was_built() -> None:
    schema = record("R", "notes", notes={"type": "array", "items": NOTE})
    value = read(schema, "output", '{"notes":[{"n":1},{"n":2,"note":null}]}')
    data = pickle.dumps(value)
    assert pickle.loads(data) == value
    assert type(pickle.loads(data)) is type(value)
    program = (
        "import pickle, sys; v = pickle.load(sys.stdin.buffer);"
        "print(v.notes[0].note, v.model_dump_json(), type(v).model_validate({'notes': [{'n': 3}]}))"
    )
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    told = 'None {"notes":[{"n":1},{"n":2,"note":null}]} notes=[Note(n=3, note=None)]'
    assert done.stdout.decode().strip() == told


def test_a_catalog_keeps_the_schema_as_it_is() -> None:
    listed = {"/flow/odd": {"key": "/flow/odd", "name": "odd", "outputSchema": NOTE}}
    catalog = Catalog.parse(json.dumps(listed), source="actions.json")
    FoundFlow(catalog["odd"])
    for each in (catalog, pickle.loads(pickle.dumps(catalog))):
        told = each["odd"].output_schema
        assert told is not None
        assert told.value == NOTE
