"""What run-time types accept, keep and give back, and what people see of them."""

from __future__ import annotations

import copy
import gc
import inspect
import json
import pickle
import pydoc
import subprocess
import sys
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, date, datetime, time
from multiprocessing import get_context
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from streamflow_client.schema.complaints import BY_LETTER, readable
from streamflow_client.schema.describe import annotation, signature
from streamflow_client.schema.model import (
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
from streamflow_client.schema.runtime import Built, FlowModel, Role, build, parameters
from streamflow_client.schema.signature import documentation
from streamflow_client.schema.tangles import Tangles

INVALID = object()
LENIENT: Any = {"extra": "allow"}


def types(root: Type, /, **definitions: Type) -> Types:
    return Types(root, {name: Definition(meant) for name, meant in definitions.items()})


def field(name: str, type: Type, required: bool = True, **more: Any) -> Field:
    return Field(name, more.pop("python", name), type, required, **more)


def optional(name: str, type: Type, **more: Any) -> Field:
    return field(name, type, required=False, **more)


def record(*fields: Field, extra: Type = Anything(), said: bool = False) -> Record:  # noqa: B008 - frozen
    return Record(fields, extra, said)


def closed(*fields: Field) -> Record:
    return Record(fields, Nothing(), extra_said=True)


def built(root: Type, role: Role = "output", /, **definitions: Type) -> Built:
    return build(types(root, **definitions), role=role, name="test")


def adapter(root: Type, role: Role = "output", /, **definitions: Type) -> TypeAdapter[Any]:
    return TypeAdapter(built(root, role, **definitions).form)


def model(root: Record, role: Role = "output", /, **definitions: Type) -> Any:
    return built(Ref("Root"), role, Root=root, **definitions).model


def parsed(adapter: TypeAdapter[Any], text: str, **options: Any) -> Any:
    try:
        return adapter.validator.validate_json(text, **options)
    except ValidationError:
        return INVALID


def taken(adapter: TypeAdapter[Any], value: Any) -> Any:
    """What an input becomes."""
    try:
        return adapter.validate_python(value, by_alias=True, by_name=True)
    except ValidationError:
        return INVALID


def dumped(adapter: TypeAdapter[Any], value: Any) -> Any:
    return json.loads(adapter.dump_json(value, by_alias=True, warnings="error"))


def same(one: Any, other: Any) -> bool:
    """Equal and of one type: 1 is no 1.0 here."""
    return type(one) is type(other) and bool(one == other)


def message(adapter: TypeAdapter[Any], text: str) -> str:
    with pytest.raises(ValidationError) as error:
        adapter.validator.validate_json(text)
    return "; ".join(detail["msg"] for detail in error.value.errors())


# ------------------------------------------------------------------------------------ scalars

BIG = 2**53 + 1
HUGE = 10**400
KINDS = record(), closed(field("a", Integer()))

SCALARS: list[tuple[Type, str, Any]] = [
    (Integer(), "1", 1),
    (Integer(), "2.0", 2),
    (Integer(), "1e2", 100),
    (Integer(), "1e300", int(1e300)),
    (Integer(), "1" * 400, int("1" * 400)),
    (Integer(), "2.5", INVALID),
    (Integer(), "true", INVALID),
    (Integer(), '"1"', INVALID),
    (Integer(), "null", INVALID),
    (Integer(), "1e400", INVALID),
    (Integer(), "NaN", INVALID),
    (Integer(ge=1, lt=5), "0", INVALID),
    (Integer(ge=1, lt=5), "4.0", 4),
    (Integer(ge=1, lt=5), "5.0", INVALID),
    (Integer(gt=0.5, le=1.5), "1", 1),
    (Integer(gt=0.5, le=1.5), "2", INVALID),
    (Integer(multiples=(2, 3)), "6", 6),
    (Integer(multiples=(2, 3)), "4", INVALID),
    (Integer(multiples=(2,)), str(BIG), INVALID),
    (Integer(multiples=(1.5,)), "3", 3),
    (Integer(multiples=(1.5,)), "4", INVALID),
    (Integer(le=BIG), str(BIG), BIG),
    (Integer(le=BIG), str(BIG + 1), INVALID),
    (Number(), "1", 1.0),
    (Number(), "1.5", 1.5),
    (Number(), "1e300", 1e300),
    (Number(), str(BIG), BIG),
    (Number(), "1" * 400, int("1" * 400)),
    (Number(), "1e400", INVALID),
    (Number(), "NaN", INVALID),
    (Number(), "-Infinity", INVALID),
    (Number(), "true", INVALID),
    (Number(), '"1.5"', INVALID),
    (Number(gt=0, le=1.5), "0", INVALID),
    (Number(gt=0, le=1.5), "1.5", 1.5),
    (Number(gt=0, le=1.5), "1" * 30, INVALID),
    (Number(le=BIG), str(BIG), BIG),
    (Number(le=BIG), str(BIG + 1), INVALID),
    (Number(gt=BIG), str(BIG + 1), BIG + 1),
    (Number(ge=BIG, lt=BIG + 1), str(BIG + 1), INVALID),
    (Number(ge=BIG), "1.5", INVALID),
    (Number(gt=BIG), str(BIG), INVALID),
    (Integer(ge=HUGE), str(HUGE), HUGE),
    (Integer(gt=HUGE), str(HUGE), INVALID),
    (Integer(le=-HUGE), "1", INVALID),
    (Integer(lt=HUGE), "1", 1),
    (Integer(lt=float("inf")), "1", 1),
    (Integer(ge=float("inf")), "1", INVALID),
    (Integer(multiples=(HUGE,)), str(3 * HUGE), 3 * HUGE),
    (Integer(multiples=(HUGE,)), "1e300", INVALID),
    (Integer(multiples=(1e300,)), "1e300", int(1e300)),
    (Number(ge=HUGE), str(HUGE), HUGE),
    (Number(ge=HUGE), "1.5", INVALID),
    (Number(gt=-HUGE), "1.5", 1.5),
    (Number(lt=HUGE), str(HUGE), INVALID),
    (Number(multiples=(HUGE,)), str(HUGE), HUGE),
    (Number(multiples=(HUGE,)), "1", INVALID),
    (Number(multiples=(0.1,)), "0.3", 0.3),
    (Number(multiples=(0.1,)), "0.35", INVALID),
    (Number(multiples=(0.01,)), "19.99", 19.99),
    (Boolean(), "true", True),
    (Boolean(), "1", INVALID),
    (Boolean(), '"true"', INVALID),
    (Null(), "null", None),
    (Null(), "0", INVALID),
    (Anything(), '{"a":[1,null]}', {"a": [1, None]}),
    (Nothing(), "null", INVALID),
    (Nothing(), '""', INVALID),
    (Text(), '"a"', "a"),
    (Text(), "1", INVALID),
    (Text(min_length=1, max_length=2), '"日本"', "日本"),
    (Text(min_length=1, max_length=2), '""', INVALID),
    (Text(min_length=1, max_length=2), '"abc"', INVALID),
    (Text(patterns=("a", "b$")), '"a b"', "a b"),
    (Text(patterns=("a", "b$")), '"ab\\n"', INVALID),
    (Text(patterns=("a", "b$")), '"b"', INVALID),
    (Text(format="date-time"), '"2024-05-01T12:30:00Z"', datetime(2024, 5, 1, 12, 30, tzinfo=UTC)),
    (Text(format="date-time"), '"2024-05-01T12:30:00"', datetime(2024, 5, 1, 12, 30)),  # noqa: DTZ001
    (Text(format="date-time"), '"1714566600"', INVALID),
    (Text(format="date-time"), "1714566600", INVALID),
    (Text(format="date-time"), '"2024-05-01"', INVALID),
    (Text(format="date-time", max_length=10), '"2024-05-01T12:30:00Z"', INVALID),
    (Text(format="date"), '"2024-05-01"', date(2024, 5, 1)),
    (Text(format="date"), '"2024-02-30"', INVALID),
    (Text(format="date"), "0", INVALID),
    (Text(format="time"), '"12:30:00"', time(12, 30)),
    (Text(format="time"), '"45000"', INVALID),
    (
        Text(format="uuid"),
        '"123e4567-e89b-12d3-a456-426614174000"',
        UUID("123e4567-e89b-12d3-a456-426614174000"),
    ),
    (Text(format="uuid"), '"123e4567e89b12d3a456426614174000"', INVALID),
    (Literals(("a", None)), "null", None),
    (Literals(("a", None)), '"b"', INVALID),
    (Literals((1,)), "1.0", 1),
    (Literals((1,)), "true", INVALID),
    (Literals((0,)), "false", INVALID),
    (Literals((True,)), "1", INVALID),
    (Literals((False, 1, "1")), "false", False),
    (Literals((False, 1, "1")), "0", INVALID),
    (Literals((True, False)), "false", False),
    (Literals((float("nan"), float("-inf"), float("inf"), 1.0)), "1", 1),
    (Literals((float("nan"), float("-inf"), 1.0)), "1e999", INVALID),
    (Literals((2.5, [1], {"a": 1})), "2.5", 2.5),
    (Literals((2.5, [1], {"a": 1})), "[1.0]", [1]),
    (Literals((2.5, [1], {"a": 1})), "[true]", INVALID),
    (Literals((2.5, [1], {"a": 1})), '{"a":1.0}', {"a": 1}),
    (Literals((2.5, [1], {"a": 1})), '{"a":1,"b":1}', INVALID),
]


@pytest.mark.parametrize(("type", "text", "expected"), SCALARS)
def test_scalars(type: Type, text: str, expected: Any) -> None:
    ours = adapter(type)
    value = parsed(ours, text)
    assert same(value, expected)
    if value is not INVALID:
        assert parsed(ours, json.dumps(dumped(ours, value))) == value


ARRAYS: list[tuple[Type, str, Any]] = [
    (Array(Integer()), "[1,2.0]", [1, 2]),
    (Array(Integer()), "{}", INVALID),
    (Array(Integer(), 1, 2), "[]", INVALID),
    (Array(Integer(), 1, 2), "[1,2,3]", INVALID),
    (Array(Anything(), unique=True), "[1,true,[1],[true]]", [1, True, [1], [True]]),
    (Array(Anything(), unique=True), "[1,1.0]", INVALID),
    (Array(Anything(), unique=True), '[{"a":1,"b":2},{"b":2,"a":1}]', INVALID),
    (Array(Text(format="date-time"), unique=True), '["2024-05-01T12:00:00Z","2024-05-01T14:00:00+02:00"]', 2),
    (Tuple((Integer(), Text()), Nothing(), min_items=2), '[1,"a"]', (1, "a")),
    (Tuple((Integer(), Text()), Nothing(), min_items=2), "[1]", INVALID),
    (Tuple((Integer(), Text()), Nothing(), min_items=2), '[1,"a",null]', INVALID),
    (Tuple((Integer(), Text()), Nothing()), "[1]", (1,)),
    (Tuple((Integer(), Text()), Nothing()), "[]", ()),
    (Tuple((Integer(), Text()), Nothing(), max_items=1), '[1,"a"]', INVALID),
    (Tuple((Integer(), Text()), Number(), min_items=1), '[1,"a",2]', (1, "a", 2.0)),
    (Tuple((Integer(), Text()), Number(), min_items=1), "[]", INVALID),
    (Tuple((Integer(),), Number(), max_items=2), "[1,2,3]", INVALID),
    (Tuple((Integer(),), Number(), min_items=3), "[1,2]", INVALID),
    (Tuple((Integer(),), Number(), unique=True), "[1,1.0]", INVALID),
    (Map(Integer()), '{"a":1}', {"a": 1}),
    (Map(Integer()), "[]", INVALID),
    (Map(Integer(), min_items=1, max_items=1), "{}", INVALID),
    (Map(Integer(), min_items=1, max_items=1), '{"a":1,"b":2}', INVALID),
    (Map(Integer(), Text(patterns=("^a",))), '{"b":1}', INVALID),
    (Map(Integer(), Text(format="date")), '{"2024-05-01":1}', {"2024-05-01": 1}),
    (Map(Integer(), Text(format="date")), '{"may":1}', INVALID),
]


@pytest.mark.parametrize(("type", "text", "expected"), ARRAYS)
def test_arrays_and_maps(type: Type, text: str, expected: Any) -> None:
    ours = adapter(type)
    value = parsed(ours, text)
    if expected == 2:  # two texts, though one instant
        assert len(value) == 2
    else:
        assert same(value, expected)
        assert value is INVALID or dumped(ours, value) == json.loads(text)


# ------------------------------------------------------------------------------------ Python mode

NAIVE = datetime(2024, 5, 1, 12, 30)  # noqa: DTZ001
SOME_UUID = UUID("123e4567-e89b-12d3-a456-426614174000")

PYTHON: list[tuple[Type, Any, Any]] = [
    (Integer(), True, INVALID),
    (Integer(), "1", INVALID),
    (Integer(), 2.0, 2),
    (Number(), True, INVALID),
    (Number(), 10**400, 10**400),
    (Number(), float("inf"), INVALID),
    (Text(), b"a", INVALID),
    (Array(Integer()), (1, 2), [1, 2]),
    (Tuple((Integer(),), Nothing(), min_items=1), [1], (1,)),
    (Text(format="date-time"), NAIVE, NAIVE),
    (Text(format="date-time"), "2024-05-01T12:30:00", NAIVE),
    (Text(format="date-time"), 1714566600, INVALID),
    (Text(format="date-time"), date(2024, 5, 1), INVALID),
    (Text(format="uuid"), SOME_UUID, SOME_UUID),
    (Text(format="date"), date(2024, 5, 1), date(2024, 5, 1)),
    (Literals((1, "a")), True, INVALID),
    (Union((Text(format="date-time"), Text())), NAIVE, NAIVE),
    (Map(Integer()), {1: 1}, INVALID),
    (Array(Anything(), unique=True), ({1, 2}, {1, 2}), [{1, 2}, {1, 2}]),  # no JSON: nothing to compare
]


@pytest.mark.parametrize(("type", "value", "expected"), PYTHON)
def test_values_of_python(type: Type, value: Any, expected: Any) -> None:
    assert same(taken(adapter(type, "input"), value), expected)


# ------------------------------------------------------------------------------------ unions

UNIONS: list[tuple[Type, str, Any]] = [
    (Union((Number(), Integer())), "1", 1),
    (Union((Integer(), Number())), "1.0", 1.0),
    (Union((Integer(), Null())), "null", None),
    (Union((Integer(), Null())), '"a"', INVALID),
    (Union((Text(format="date-time"), Text())), '"2024-05-01T12:30:00Z"', "2024-05-01T12:30:00Z"),
    (Union((Text(), Text(format="date-time"))), '"2024-05-01T12:30:00Z"', "2024-05-01T12:30:00Z"),
    (Union((Text(format="date"), Integer())), '"2024-05-01"', date(2024, 5, 1)),
    (Union((Array(Integer()), Array(Text()))), '["a"]', ["a"]),
    (Union((Integer(ge=5), Number(le=7)), exclusive=True), "6", INVALID),
    (Union((Integer(ge=5), Number(le=7)), exclusive=True), "8", 8),
    (Union((Integer(ge=5), Number(le=7)), exclusive=True), "1", 1.0),
    (Union((Integer(ge=5), Null()), exclusive=True), "null", None),
    (Union((Integer(ge=5), Number(le=7)), exclusive=True), "7.5", INVALID),
]


@pytest.mark.parametrize(("type", "text", "expected"), UNIONS)
def test_unions(type: Type, text: str, expected: Any) -> None:
    assert same(parsed(adapter(type), text), expected)


A = closed(field("a", Integer()))
B = closed(field("a", Integer()), field("b", Integer()))
OPENED: list[tuple[str, str | None, str | None]] = [  # to the letter, and with unknown fields allowed
    ('{"a":1}', "A", "A"),
    ('{"a":1,"b":2}', "B", "B"),
    ('{"a":1,"b":2,"z":3}', None, "B"),
    ('{"a":1,"z":3}', None, "A"),
    ('{"z":3}', None, None),
]


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize(("text", "letter", "lenient"), OPENED)
def test_allowing_unknown_fields_chooses_no_other_member(
    text: str, letter: str | None, lenient: str | None, exclusive: bool
) -> None:
    ours = adapter(Union((Ref("A"), Ref("B")), exclusive=exclusive), A=A, B=B)
    for options, expected in (({}, letter), (LENIENT, lenient)):
        value = parsed(ours, text, **options)
        assert (None if value is INVALID else type(value).__name__) == expected
        assert value is INVALID or dumped(ours, value) == json.loads(text)


def test_a_finished_class_does_not_open_a_union_that_contains_it() -> None:
    """pydantic-core would take the validator of a finished class for any schema of that class."""
    parts: dict[str, Type] = {"A": A, "B": B}
    parts |= {name: closed(field("x", Ref(part))) for name, part in (("C", "A"), ("D", "B"))}
    first = adapter(Union((Ref("C"), Ref("D"))), **parts)
    d = parsed(first, '{"x":{"a":1,"b":2}}')
    for class_ in (type(d), type(d.x)):
        class_.model_rebuild()
    for ours in (first, adapter(Union((Ref("C"), Ref("D"))), **parts)):
        assert type(parsed(ours, '{"x":{"a":1,"b":2}}', **LENIENT)) is type(d)


def test_two_members_of_oneof_accept() -> None:
    ours = adapter(Union((Ref("A"), Ref("B")), exclusive=True), A=record(field("a", Integer())), B=A)
    assert parsed(ours, '{"a":1}') is INVALID
    assert parsed(ours, '{"a":1}', **LENIENT) is INVALID
    assert type(parsed(ours, '{"a":1,"z":2}')).__name__ == "A"


TAGGED = Union((Ref("X"), Ref("Y")), discriminator="class")
X = record(field("class", Literals(("x",)), python="class_"), field("n", Integer()))
Y = closed(field("class", Literals(("y", "z")), python="class_"))


def test_discriminated_unions() -> None:
    ours = adapter(TAGGED, X=X, Y=Y)
    assert type(parsed(ours, '{"class":"x","n":1}')).__name__ == "X"
    assert type(parsed(ours, '{"class":"z"}')).__name__ == "Y"
    assert dumped(ours, parsed(ours, '{"class":"z","m":1}', **LENIENT)) == {"class": "z", "m": 1}
    assert "'x', 'y', 'z'" in message(ours, '{"class":"q"}')
    assert message(ours, '{"class":"x"}') == "Field required"
    assert type(taken(adapter(TAGGED, "input", X=X, Y=Y), {"class_": "x", "n": 1})).__name__ == "X"


@pytest.mark.parametrize(
    ("type", "text", "expected"),
    [
        (Integer(), '"1"', "Input should be a valid integer"),
        (
            Integer(ge=1, multiples=(5,)),
            "0",
            "Input should be an integer that is at least 1, a multiple of 5",
        ),
        (Number(), '"1"', "Input should be a valid number"),
        (Number(lt=3), "4", "Input should be a number that is less than 3"),
        (Number(multiples=(0.1,)), "0.25", "Input should be a multiple of 0.1"),
        (Number(gt=HUGE), "1", "Input should be a number that is more than about 10**400"),
        (Integer(le=-HUGE), "1", "Input should be an integer that is at most about -10**400"),
        (Integer(multiples=(HUGE,)), "1", "Input should be a multiple of about 10**400"),
        (Text(format="date-time"), "1", "Input should be a date-time such as 2024-05-01T12:30:00Z"),
        (Literals((1, "a")), "2", "Input should be one of 1, 'a'"),
        (Literals((True,)), "1", "Input should be True"),
        (
            Literals(tuple("abcdefghijklmn")),
            "1",
            "Input should be one of 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', …",
        ),
        (Literals(("a", "b")), "1", "Input should be 'a' or 'b'"),
        (Nothing(), "1", "No value is allowed here"),
        (Array(Integer(), unique=True), "[1,1]", "Input should have no two equal items"),
        (
            Union((Integer(), Number()), exclusive=True),
            "1",
            "Input should be of one type of the union alone, but is of 2",
        ),
    ],
)
def test_errors_say_what_should_be(type: Type, text: str, expected: str) -> None:
    assert message(adapter(type), text) == expected


# ------------------------------------------------------------------------------------ records

MENU = record(
    field("theme", Text()),
    optional("dishes", Integer(), default=3),
    optional("foo-bar", Text(), python="foo_bar", title="Foo", description="between\n foo and bar"),
    optional("note", Union((Text(), Null()))),
    optional("sub", Array(Ref("Root")), default=[]),
    optional("", Number(), python="empty"),
)


def test_absent_is_not_null() -> None:
    ours = adapter(Ref("Root"), Root=MENU)
    for text in ('{"theme":"a"}', '{"theme":"a","note":null}', '{"theme":"a","foo-bar":"x","":1}'):
        given = json.loads(text)
        value = parsed(ours, text)
        assert value.note is None
        assert dumped(ours, value) == {**given, "dishes": 3, "sub": []}
        assert value.model_dump(by_alias=True) == {**given, "dishes": 3, "sub": []}
        assert "foo_bar" not in value.model_dump() or "foo-bar" in given
    assert parsed(ours, '{"theme":"a","foo-bar":null}') is INVALID
    value.note = "later"
    assert dumped(ours, value)["note"] == "later"


@pytest.mark.parametrize("extra", [Anything(), Integer()])
def test_an_unknown_field_called_as_an_absent_one_in_python_does_not_give_it(extra: Type) -> None:
    absent = optional("class", Integer(), python="class_")
    ours = adapter(Ref("Root"), Root=record(absent, extra=extra))
    for text in ('{"class_":2}', '{"class":1}', '{"class":1,"class_":2}', '{"class_":2,"x":3}'):
        value = parsed(ours, text)
        assert dumped(ours, value) == json.loads(text)
        assert value.model_dump()["class_"] == json.loads(text).get("class_", 1)


def test_defaults_are_fresh_and_typed() -> None:
    inner = record(optional("at", Text(format="date"), default="2024-05-01"))
    class_ = model(
        record(optional("part", Ref("Part"), default={}), optional("tags", Array(Text()), default=[])),
        Part=inner,
    )
    one, other = class_(), class_()
    assert one.part.at == date(2024, 5, 1)
    one.tags.append("x")
    assert other.tags == []
    assert one.part is not other.part
    assert one.model_dump(mode="json") == {"part": {"at": "2024-05-01"}, "tags": ["x"]}


def test_a_default_that_contains_itself_ends_in_an_error() -> None:
    assert (
        parsed(adapter(Ref("Root"), Root=record(optional("more", Ref("Root"), default={}))), "{}") is INVALID
    )


EXTRAS: list[tuple[Record, Role, Any, bool, bool]] = [  # accepted to the letter, accepted leniently
    (record(), "output", 1, True, True),
    (record(), "chunk", 1, True, True),
    (record(), "input", 1, False, True),
    (record(said=True), "input", 1, True, True),
    (closed(), "output", 1, False, True),
    (record(extra=Integer(), said=True), "output", 1, True, True),
    (record(extra=Integer(), said=True), "output", "1", False, False),
    (record(extra=Integer(), said=True), "input", "1", False, False),
]


@pytest.mark.parametrize(("type", "role", "value", "letter", "lenient"), EXTRAS)
def test_unknown_fields(type: Record, role: Role, value: Any, letter: bool, lenient: bool) -> None:
    ours = adapter(Ref("Root"), role, Root=type)
    text = json.dumps({"more": value})
    for options, accepted in (({}, letter), (LENIENT, lenient)):
        instance = parsed(ours, text, **options)
        assert (instance is not INVALID) == accepted
        if accepted:
            assert instance.model_extra == {"more": value}
            assert dumped(ours, instance) == {"more": value}


def test_a_field_that_may_not_be() -> None:
    ours = adapter(Ref("Root"), Root=record(optional("never", Nothing())))
    assert dumped(ours, parsed(ours, "{}")) == {}
    assert parsed(ours, '{"never":null}') is INVALID
    assert parsed(adapter(Ref("Root"), Root=record(field("never", Nothing()))), "{}") is INVALID


def test_inputs_take_both_names_and_send_the_wire_name() -> None:
    ours = adapter(Ref("Root"), "input", Root=MENU)
    for value in ({"theme": "a", "foo-bar": "b"}, {"theme": "a", "foo_bar": "b"}):
        assert dumped(ours, taken(ours, value))["foo-bar"] == "b"
    class_ = model(MENU, "input")
    instance = class_(theme="a", foo_bar="b")
    assert instance == class_(**{"theme": "a", "foo-bar": "b"})
    assert taken(ours, instance) is instance
    assert taken(ours, {"theme": "a", "foobar": "b"}) is INVALID


def test_the_wire_has_wire_names_only() -> None:
    required = record(field("foo-bar", Text(), python="foo_bar"))
    assert parsed(adapter(Ref("Root"), Root=required), '{"foo_bar":"a"}') is INVALID


def test_assignments_are_checked() -> None:
    instance = model(MENU)(theme="a")
    with pytest.raises(ValidationError):
        instance.dishes = "3"


def test_a_subclass_checks_as_exactly_as_its_parent_and_its_own_fields_too() -> None:
    class Mine(model(MENU)):  # type: ignore[misc] # a class made at run time
        more: int

    assert Mine(theme="a", more=1).more == 1
    for fields in ({"theme": 1, "more": 1}, {"theme": "a"}, {"theme": "a", "more": 1, "dishes": True}):
        with pytest.raises(ValidationError):
            Mine(**fields)


def test_classes_are_parts_of_other_types() -> None:
    class Order(BaseModel):
        menu: model(MENU)  # type: ignore[valid-type] # a class made at run time
        other: model(record(field("a", Integer())))  # type: ignore[valid-type] # of the same name

    assert Order.model_validate({"menu": {"theme": "a"}, "other": {"a": 1}}).other.a == 1


# ------------------------------------------------------------------------------------ references

RECURSIVE: list[tuple[dict[str, Type], str, bool]] = [
    ({"Root": record(optional("next", Ref("Root")))}, '{"next":{"next":{}}}', True),
    ({"Root": record(optional("next", Ref("Root")))}, '{"next":{"next":1}}', False),
    (
        {"Root": record(optional("b", Ref("B"))), "B": record(optional("a", Ref("Root")))},
        '{"b":{"a":{}}}',
        True,
    ),
    (
        {"Root": record(optional("b", Ref("B"))), "B": record(optional("a", Ref("Root")))},
        '{"b":{"a":[]}}',
        False,
    ),
    ({"Root": Array(Union((Integer(), Ref("Root"))))}, "[1,[2,[]]]", True),
    ({"Root": Array(Union((Integer(), Ref("Root"))))}, '[1,["2"]]', False),
    ({"Root": Union((Null(), Text(), Map(Ref("Root"))))}, '{"a":{"b":null,"c":"d"}}', True),
    ({"Root": Union((Null(), Text(), Map(Ref("Root"))))}, '{"a":{"b":1}}', False),
    ({"Root": Ref("B"), "B": Integer()}, "1", True),
    ({"Root": Ref("B"), "B": Integer()}, "null", False),
    ({"Root": Ref("B"), "B": record(field("a", Integer()))}, '{"a":1}', True),
    ({"Root": Tuple((Integer(),), Ref("Root"))}, "[1,[2]]", True),
]


@pytest.mark.parametrize(("definitions", "text", "valid"), RECURSIVE)
def test_references_and_recursion(definitions: dict[str, Type], text: str, valid: bool) -> None:
    ours = adapter(Ref("Root"), **definitions)
    value = parsed(ours, text)
    assert (value is not INVALID) == valid
    assert not valid or dumped(ours, value) == json.loads(text)


def test_deep_and_wide_types_are_built() -> None:
    deep: Type = Text()
    for _ in range(150):
        deep = Array(deep)
    assert parsed(adapter(deep), "[" * 150 + "]" * 150) is not INVALID
    chain: dict[str, Type] = {f"R{n}": closed(field("r", Ref(f"R{n + 1}"))) for n in range(150)}
    assert parsed(adapter(Ref("R0"), R150=Integer(), **chain), '{"r":' * 150 + "1" + "}" * 150) is not INVALID
    wide = adapter(Ref("Root"), Root=record(*(optional(f"f{n}", Integer()) for n in range(10_000))))
    assert dumped(wide, parsed(wide, '{"f9999":1}')) == {"f9999": 1}


# ------------------------------------------------------------------------------------ tangled unions

NODES: dict[str, Type] = {
    "A": record(optional("a", Integer()), optional("child", Ref("T"))),
    "B": record(optional("b", Integer()), optional("child", Ref("T"))),
    "C": closed(optional("a", Integer()), optional("child", Ref("T"))),
    "D": closed(optional("b", Integer()), optional("child", Ref("T"))),
    "E": record(field("a", Integer()), optional("child", Ref("T"))),
    "F": record(field("b", Integer()), optional("child", Ref("T"))),
}
TANGLED: list[tuple[str, dict[str, Type]]] = [
    ("open", NODES | {"T": Union((Ref("A"), Ref("B"), Null()))}),
    ("closed", NODES | {"T": Union((Ref("C"), Ref("D"), Text()))}),
    ("one of open", NODES | {"T": Union((Ref("E"), Ref("F")), exclusive=True)}),
    ("one of closed", NODES | {"T": Union((Ref("C"), Ref("F")), exclusive=True)}),
    ("in a field", NODES | {"T": record(optional("child", Union((Ref("A"), Ref("B")))))}),
    (
        "in turn",
        NODES | {"T": Union((Array(Ref("T")), Ref("U"))), "U": Union((Ref("A"), Ref("B"), Ref("V")))}
        | {"V": record(optional("child", Ref("T")))},
    ),
    (
        "one member of two closed ones",
        {
            "T": Union((Ref("W"), Ref("X"))),
            "W": closed(optional("a", Integer()), optional("b", Integer()), optional("child", Ref("T"))),
            "X": closed(field("z", Integer())),
        },
    ),
    (
        "a ladder",
        dict[str, Type]({f"L{n}": Union((Ref(f"P{n}"), Ref(f"Q{n}"))) for n in range(60)})
        | {f"P{n}": record(optional("a", Integer()), optional("child", Ref(f"L{n + 1}"))) for n in range(60)}
        | {f"Q{n}": record(optional("b", Integer()), optional("child", Ref(f"L{n + 1}"))) for n in range(60)}
        | {"L60": record(optional("a", Integer()), optional("b", Integer())), "T": Ref("L0")},
    ),
]  # fmt: skip


def chain(depth: int, leaf: Any) -> Any:
    value = leaf
    for level in range(depth):
        value = {"b" if level % 2 else "a": level, "child": value}
    return value


@pytest.mark.parametrize("options", [{}, LENIENT], ids=["letter", "lenient"])
@pytest.mark.parametrize("definitions", [parts for _, parts in TANGLED], ids=[name for name, _ in TANGLED])
def test_tangled_unions_do_not_hang_on_deep_values(definitions: dict[str, Type], options: Any) -> None:
    """Without a memory each level would double the time: 2**60 trials."""
    ours = adapter(Ref("T"), **definitions)
    good = chain(60, {"a": 1})
    assert dumped(ours, parsed(ours, json.dumps(good), **options)) == good
    with pytest.raises(ValidationError) as caught:
        ours.validator.validate_json(json.dumps(chain(60, False)), **options)
    assert caught.value.error_count() < 10
    parsed(ours, json.dumps(chain(190, {"a": 1})), **options)  # pydantic follows no more than 255 references


def test_tangled_unions_choose_the_member_that_knows_most_of_the_fields() -> None:
    ours = adapter(Ref("T"), **TANGLED[0][1])
    value = parsed(ours, '{"b":1,"child":{"a":1,"child":{"b":1,"child":null}}}')
    chosen = [type(part).__name__ for part in (value, value.child, value.child.child)]
    assert chosen == ["B", "A", "B"]
    assert value.child.child.child is None
    assert type(parsed(ours, '{"c":1}')).__name__ == "A"


def test_tangled_oneof_takes_exactly_one() -> None:
    ours = adapter(Ref("T"), **TANGLED[2][1])
    assert parsed(ours, '{"a":1,"child":{"b":1}}').child.b == 1
    assert message(ours, '{"a":1,"b":1}') == "Input should be of one type of the union alone, but is of 2"
    assert parsed(ours, '{"a":1,"child":{"a":1,"b":1}}') is INVALID


def test_errors_of_tangled_unions_tell_the_innermost_place() -> None:
    ours = adapter(Ref("T"), **TANGLED[2][1])
    with pytest.raises(ValidationError) as caught:
        ours.validator.validate_json('{"a":1,"child":{"b":1,"child":{"a":"x"}}}')
    told = {line["loc"]: line["msg"] for line in caught.value.errors()}
    assert told["E", "child", "F", "child", "E", "a"] == "Input should be a valid integer"


def test_nothing_is_remembered_from_one_validation_to_the_next() -> None:
    ours = adapter(Ref("T"), "input", **TANGLED[0][1])
    value = {"a": 1, "child": {"b": 1}}
    assert taken(ours, value) == taken(ours, value)
    assert taken(ours, value) is not taken(ours, value)
    value["a"] = "x"
    assert taken(ours, value) is INVALID
    value["a"] = 2
    assert taken(ours, value).a == 2


def test_tangled_unions_in_threads_do_not_meet() -> None:
    ours = adapter(Ref("T"), **TANGLED[0][1])
    texts = [json.dumps(chain(20, {"a": number})) for number in range(40)]
    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(ours.validator.validate_json, texts))
    assert [dumped(ours, value) for value in values] == list(map(json.loads, texts))


@pytest.mark.parametrize("definitions", [TANGLED[0][1], TANGLED[2][1]], ids=["any of", "one of"])
def test_too_little_room_for_recursion_is_an_error_of_validation(definitions: dict[str, Type]) -> None:
    ours = adapter(Ref("T"), **definitions)
    text = json.dumps(chain(150, {"a": 1}))

    def deeper(frames: int) -> Any:
        return deeper(frames - 1) if frames else message(ours, text)

    room = sys.getrecursionlimit() - len(inspect.stack(0)) - 80
    assert deeper(room) == "Input is nested too deeply"


LEAF = Union((Text(), Array(Ref("T"))))
TANGLES: list[tuple[str, Union, dict[str, Type], int]] = [
    ("both lead back", Union((Ref("A"), Ref("B"))), NODES | {"T": Union((Ref("A"), Ref("B")))}, 2),
    ("one leads back", LEAF, {"T": LEAF}, 0),
    ("none leads back", Union((Ref("X"), Ref("Y"))), {"X": X, "Y": Y, "T": Integer()}, 0),
    ("both hold a list of lists", Union((Ref("L"), Map(Ref("L")))), {"L": LEAF, "T": LEAF}, 0),
    ("both hold a tangle", Union((Array(Ref("A")), Map(Ref("A")), Text())), dict(TANGLED[0][1]), 2),
    (
        "told apart by a field",
        Union((Ref("X"), Ref("Y")), discriminator="k"),
        dict[str, Type]({"T": Union((Ref("X"), Ref("Y")), discriminator="k")})
        | {name: record(field("k", Literals((name,))), optional("t", Ref("T"))) for name in "XY"},
        0,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "union", "definitions", "count"), TANGLES)
def test_only_tangled_unions_pay(name: str, union: Union, definitions: dict[str, Type], count: int) -> None:
    tangles = Tangles(types(union, **definitions).definitions)
    assert len(tangles.heavy_members(union, "T")) == count, name


# ------------------------------------------------------------------------------------ what people see


def complaint(adapter: TypeAdapter[Any], text: str, title: str = "", **options: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        adapter.validator.validate_json(text, **options)
    return readable(caught.value, title)


def test_the_first_try_of_a_union_is_not_told() -> None:
    ours = adapter(Array(Union((Ref("A"), Ref("B")))), A=A, B=B)
    for options in ({}, {"extra": "forbid"}, LENIENT):
        error = complaint(ours, '[{"a":"x"}]', "menu output", **options)
        assert error.title == "menu output"
        places = [line["loc"] for line in error.errors()]
        assert places == [(0, "list", "A", "a")] or places == [  # noqa: PLR1714
            (0, "A | B", "A", "a"),
            (0, "A | B", "B", "a"),
            (0, "A | B", "B", "b"),
        ]
        assert {line["type"] for line in error.errors()} == {"int_type", "missing"}


def test_a_constructor_does_not_tell_the_first_try_either() -> None:
    class_ = model(record(field("part", Union((Ref("A"), Ref("B"))))), A=A, B=B)
    with pytest.raises(ValidationError) as caught:
        class_(part={"a": "x"})
    assert caught.value.title == "Root"
    assert [line["type"] for line in caught.value.errors()] == ["int_type", "int_type", "missing"]


def test_places_of_oneof_have_no_name_of_ours() -> None:
    ours = adapter(Map(Union((Ref("A"), Ref("B")), exclusive=True)), A=A, B=B)
    error = complaint(ours, '{"k":{"a":"x","b":1}}')
    assert [line["loc"] for line in error.errors()][:2] == [("k", "A", "a"), ("k", "A", "b")]


def test_an_error_that_is_readable_stays() -> None:
    with pytest.raises(ValidationError) as caught:
        adapter(Integer(le=3)).validator.validate_json('"x"')
    assert readable(caught.value) is caught.value
    titled = readable(caught.value, "menu chunk")
    assert titled.errors() == caught.value.errors()
    assert str(titled).startswith("1 validation error for menu chunk\n")


@pytest.mark.parametrize("title", ["Max Items", "max_items", "MAX items", "maxItems"])
def test_titles_that_repeat_the_name_are_not_shown(title: str) -> None:
    fields = [optional("max_items", Integer(), title=title), optional("n", Integer(), title="Count")]
    definition = Definition(record(*fields), title="The Menu")
    made = build(Types(Ref("TheMenu"), {"TheMenu": definition}), role="output", name="test")
    assert made.form.__doc__ == "Fields:\n    max_items: int = …\n    n: int = …: Count"
    assert made.form.model_fields["max_items"].title == title


def test_classes_and_instances_show_what_they_are() -> None:
    definition = Definition(MENU, title="Menu", description="What there is to eat.")
    made = build(Types(Ref("Menu"), {"Menu": definition, "Root": definition}), role="output", name="menu")
    class_ = made.model
    assert class_ is not None
    assert made.form is made.plain is class_
    assert repr(class_) == "<class 'streamflow_client.flows.Menu'>"
    assert repr(class_(theme="a")) == "Menu(theme='a', dishes=3, foo_bar=None, note=None, sub=[], empty=None)"
    assert class_.model_fields["foo_bar"].description == "between\n foo and bar"
    assert class_.model_fields["foo_bar"].title == "Foo"
    text = pydoc.plain(pydoc.render_doc(class_))
    for line in (
        "What there is to eat.",
        "theme: str\n",
        "dishes: int = 3\n",
        "foo_bar: str = … ['foo-bar']: between foo and bar",
    ):
        assert line in text
    assert str(inspect.signature(class_)).startswith("(*, theme: str, dishes: int = 3")
    shown = [str(parameter) for parameter in parameters(made)]
    assert shown[:3] == ["theme: str", "dishes: int = 3", "foo_bar: str | None = …"]
    assert parameters(built(Text())) == []


def test_what_is_shown_of_long_names_and_many_fields_is_short() -> None:
    long = record(field("a" * 5_000, Integer(), description="b" * 50_000, python="a" * 4_000))
    text = documentation("Long", Definition(long, description="c" * 50_000), long.fields)
    assert max(map(len, text.splitlines())) <= 1_000
    assert signature("f", types(Ref("Root"), Root=long), None, None) == f"f({'a' * 99}…: int) -> Any"
    many = record(*(field(f"f{n}", Integer()) for n in range(60)))
    told = signature("f", types(Ref("Root"), Root=many), None, None)
    assert told.endswith("f48: int, f49: int, …) -> Any")


def test_help_moves_no_cursor() -> None:
    field_ = optional("a", Text(), description="\x1b[2Jfield")
    definition = Definition(record(field_), description="first\nsecond \x1b[2J")
    made = build(Types(Ref("Root"), {"Root": definition}), role="output", name="test")
    assert made.form.__doc__ == "first\nsecond \\x1b[2J\n\nFields:\n    a: str = …: \\x1b[2Jfield"


def test_flow_models_have_no_public_names_of_their_own() -> None:
    assert {name for name in dir(FlowModel) if not name.startswith("_")} == {
        name for name in dir(BaseModel) if not name.startswith("_")
    }


PLAIN: list[tuple[Type, str, Any]] = [
    (Anything(), "Any", Any),
    (Nothing(), "Never", None),
    (Union((Text(), Null())), "str | None", str | None),
    (Union((Null(), Text(), Text(patterns=("a",)))), "str | None", str | None),
    (Array(Map(Number())), "list[dict[str, float]]", list[dict[str, float]]),
    (Literals(("a", 1, True)), "Literal['a', 1, True]", None),
    (Literals(("a" * 99,)), f"Literal['{'a' * 38}…]", None),
    (Literals((2.5, [1])), "Literal[2.5, [1]]", float | list),
    (Literals(tuple(range(20))), "Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …]", None),
    (Text(format="date-time"), "datetime", datetime),
    (Text(format="uuid"), "UUID", UUID),
    (Tuple((Integer(), Text()), Nothing(), min_items=2), "tuple[int, str]", tuple[int, str]),
    (Tuple((Integer(),), Text(), min_items=1), "tuple[int, *tuple[str, ...]]", tuple[int, *tuple[str, ...]]),
    (Tuple((Integer(),), Text()), "tuple[int, *tuple[str, ...]]", tuple[int | str, ...]),
    (Tuple((), Nothing()), "tuple[()]", None),
    (Union((Anything(), Text())), "Any | str", Any),
]


@pytest.mark.parametrize(("type", "text", "plain"), PLAIN)
def test_annotations(type: Type, text: str, plain: Any) -> None:
    assert annotation(type) == text
    made = built(type).plain
    assert plain is None or made == plain


@pytest.mark.parametrize(
    ("input", "chunk", "output", "expected"),
    [
        (None, None, None, "menu(input: Any = …, /) -> Any"),
        (types(Text()), types(Number()), types(Text()), "menu(input: str, /) -> str, streams float"),
        (
            types(Ref("Root"), Root=MENU),
            None,
            types(Ref("Root"), Root=MENU),
            "menu(theme: str, dishes: int = 3, foo_bar: str = …, note: str | None = …, "  # noqa: ISC004 - one text
            "sub: list[Root] = [], empty: float = …) -> Root",
        ),
        (
            types(Ref("A"), A=record(optional("a", Text()), field("b", Text()))),
            None,
            None,
            "menu(b: str, a: str = …) -> Any",
        ),
        (
            types(Ref("A"), A=record(optional("a", Text(), default="x" * 99))),
            None,
            None,
            f"menu(a: str = '{'x' * 38}…) -> Any",
        ),
    ],
)
def test_signatures(input: Types | None, chunk: Types | None, output: Types | None, expected: str) -> None:
    assert signature("menu", input, chunk, output) == expected


# ------------------------------------------------------------------------------------ pickling, and life

ITEM = closed(field("n", Integer()), optional("at", Text(format="date-time")))
LIST = record(field("items", Array(Ref("Item"))), optional("x", Anything(), default=MISSING))


def a_list() -> Any:
    return model(LIST, Item=ITEM).model_validate(
        {"items": [{"n": 1, "at": "2024-05-01T12:30:00Z"}, {"n": 2}], "z": 1}
    )


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickling_within_a_process_gives_the_same_class(protocol: int) -> None:
    value = a_list()
    again = pickle.loads(pickle.dumps(value, protocol))
    assert again == value
    assert type(again) is type(value)
    assert again.model_fields_set == value.model_fields_set
    assert pickle.loads(pickle.dumps(type(value), protocol)) is type(value)
    assert pickle.loads(pickle.dumps(FlowModel, protocol)) is FlowModel


def test_the_same_content_gives_the_same_classes() -> None:
    assert built(Ref("Root"), Root=MENU).form is built(Ref("Root"), Root=MENU).form
    assert built(Ref("Root"), Root=MENU).form is not built(Ref("Root"), "input", Root=MENU).form
    one, other = (model(record(optional("a", Anything(), default=default))) for default in (1, True))
    assert one is not other


def test_threads_that_build_the_same_at_once_get_the_same_classes() -> None:
    """Of 150 contents about two would have classes twice; of these it takes one."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for number in range(60):
                barrier = Barrier(4)

                def make(name: str, together: Barrier) -> Any:
                    together.wait()
                    return build(types(Ref("Root"), Root=MENU), role="output", name=name).model

                made = list(pool.map(make, [f"race{number}"] * 4, [barrier] * 4))
                assert len({id(class_) for class_ in made}) == 1
    finally:
        sys.setswitchinterval(interval)


def test_copies() -> None:
    value = a_list()
    for made in (copy.copy(value), copy.deepcopy(value), value.model_copy(deep=True)):
        assert made == value
        assert type(made) is type(value)
    assert copy.deepcopy(value).items[0] is not value.items[0]
    assert copy.deepcopy(type(value)) is type(value)


def test_a_pickle_holds_the_types_once() -> None:
    value = a_list()
    many = pickle.dumps([value.model_copy(deep=True) for _ in range(50)])
    assert many.count(b"extra_said") <= 1
    assert many.count(b"date-time") == 1
    assert len({type(made) for made in pickle.loads(many)}) == 1


def doubled(value: Any) -> Any:
    """Runs in a process that discovered nothing."""
    items = [item.model_copy(update={"n": item.n * 2}) for item in value.items]
    assert len({type(item) for item in [*items, *value.items]}) == 1
    return value.model_copy(update={"items": items})


def test_instances_go_through_a_process_pool() -> None:
    value = a_list()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        made = list(pool.map(doubled, [value, value]))
    assert [item.n for item in made[0].items] == [2, 4]
    assert {type(one) for one in made} == {type(value)}
    assert made[0].model_dump_json() == value.model_dump_json().replace('"n":2', '"n":4').replace(
        '"n":1', '"n":2'
    )


def test_pickles_are_read_where_nothing_was_built() -> None:
    program = (
        "import pickle, sys; v = pickle.load(sys.stdin.buffer); print(repr(v[0]), type(v[0]) is type(v[1]))"
    )
    data = pickle.dumps([a_list().items[1], a_list().items[1]])
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "Item(n=2, at=None) True"


def test_forms_that_are_no_classes_pickle() -> None:
    form = built(Array(Union((Ref("Item"), Null()))), Item=ITEM).form
    ours = TypeAdapter[Any](pickle.loads(pickle.dumps(form)))
    assert parsed(ours, '[{"n":1},null]') is not INVALID
    assert parsed(ours, '[{"n":"1"}]') is INVALID


def test_classes_die_when_nobody_uses_them() -> None:
    value = model(record(field("a", Integer()), optional("more", Ref("Root"))))(a=1)
    value.model_dump_json()
    class_ = weakref.ref(type(value))
    del value
    gc.collect()
    assert class_() is None


@pytest.mark.parametrize(
    ("members", "twice"),
    [
        ((Ref("A"), Text()), False),
        ((Ref("A"), Array(Ref("A")), Integer(), Null()), False),
        ((Ref("A"), Ref("B")), True),
        ((Ref("A"), Map(Text())), True),
        ((Ref("A"), Anything()), True),
    ],
)
def test_only_members_of_one_kind_are_asked_by_the_letter_first(
    members: tuple[Type, ...], twice: bool
) -> None:
    """Asked twice at every level of a value, a single recursive member would take quadratic time and more."""
    definitions: dict[str, Type] = {
        "A": closed(optional("a", Integer()), optional("more", Ref("T"))),
        "B": closed(optional("b", Integer())),
        "T": Union(members),
    }
    assert (BY_LETTER in str(adapter(Ref("T"), **definitions).core_schema)) is twice
