"""JSON ⇄ the caller's types: all type forms, wire names, unknown fields, and what cannot be sent."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from threading import Lock
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    RootModel,
    TypeAdapter,
    ValidationError,
    computed_field,
    field_serializer,
    with_config,
)
from pydantic.dataclasses import dataclass as checked_dataclass
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict

from pure_calls import repeatable
from streamflow_client.wire.codec import UNSET, Codec, is_not_json


def decoder(form: Any, *, strict: bool = False) -> Callable[[bytes], Any]:
    codec = Codec[Any, Any, Any]("f", Any, form, form, strict=strict)
    return codec.chunk


def encoder(form: Any) -> Callable[[Any], bytes | None]:
    return Codec[Any, Any, Any]("f", form, Any, Any, strict=False).encode


# --- type forms ---------------------------------------------------------------------------------


class Item(BaseModel):
    name: str
    price: float = 0.0


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


class Lazy(BaseModel):
    model_config = ConfigDict(defer_build=True)

    value: int


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Names(RootModel[list[str]]):
    pass


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]


class Keys(TypedDict):
    a: int


@dataclasses.dataclass
class Point:
    x: int

    def shout(self) -> str:
        return "!"


class Colour(Enum):
    RED = "red"


class Pair(NamedTuple):
    a: int
    b: str


Even = Annotated[int, AfterValidator(lambda n: n - n % 2)]
Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


@pytest.mark.parametrize(
    ("form", "payload", "value"),
    [
        (Any, b'{"a":[1,2.5,null,true]}', {"a": [1, 2.5, None, True]}),
        (None, b"null", None),
        (int, b"7", 7),
        (int, b"1" * 4000, int("1" * 4000)),
        (float, b"1", 1.0),
        (str, '"\u2028é"'.encode(), "\u2028é"),
        (bool, b"true", True),
        (bytes, b'"a"', b"a"),
        (int | str, b'"7"', "7"),
        (str | None, b"null", None),
        (list[int], b"[1,2]", [1, 2]),
        (dict[str, Item], b'{"a":{"name":"n"}}', {"a": Item(name="n")}),
        (tuple[int, str], b'[1,"a"]', (1, "a")),
        (set[int], b"[1,1]", {1}),
        (Literal["a", "b"], b'"b"', "b"),
        (Colour, b'"red"', Colour.RED),
        (datetime, b'"2026-11-22T07:32:31Z"', datetime(2026, 11, 22, 7, 32, 31, tzinfo=UTC)),
        (Decimal, b"1.10", Decimal("1.10")),
        (Even, b"7", 6),
        (Item, b'{"name":"n","price":1}', Item(name="n", price=1)),
        (Tree, b'{"value":1,"children":[{"value":2}]}', Tree(value=1, children=[Tree(value=2)])),
        (Lazy, b'{"value":1}', Lazy(value=1)),
        (Pet, b'{"kind":"dog","name":"d"}', Dog(kind="dog", name="d")),
        (Names, b'["a"]', Names(["a"])),
        (Page[Item], b'{"items":[{"name":"n"}]}', Page[Item](items=[Item(name="n")])),
        (Keys, b'{"a":1}', {"a": 1}),
        (Point, b'{"x":1}', Point(1)),
        (Pair, b'[1,"b"]', Pair(1, "b")),
        (Json[list[int]], b'"[1]"', [1]),
        (TypeAdapter, b"null", TypeError),
        (5, b"", TypeError),
        (Lock, b"", TypeError),
        (list["Nowhere"], b"", TypeError),  # type: ignore[name-defined]  # noqa: F821
    ],
    ids=lambda part: repr(part).partition(" at 0x")[0],  # the same in every process
)
def test_forms(form: Any, payload: bytes, value: Any) -> None:
    if value is TypeError:
        with pytest.raises(TypeError, match=r"^flow 'f': pydantic cannot use its chunk type: .*") as caught:
            decoder(form)
        assert "\n" not in str(caught.value)
    else:
        for strict in (False, True):
            found = decoder(form, strict=strict)(payload)
            assert (found, type(found)) == (value, type(value))
        encoded = encoder(form)("[1]" if form == Json[list[int]] else value)
        assert encoded is not None
        assert decoder(form)(b'"[1]"' if form == Json[list[int]] else encoded) == value


@pytest.mark.parametrize("role", ["input", "chunk", "output"])
def test_an_unusable_type_is_named(role: str) -> None:
    forms: dict[str, Any] = {"input": Any, "chunk": Any, "output": Any} | {role: 5}
    with pytest.raises(TypeError, match=f"flow 'f': pydantic cannot use its {role} type: Unable"):
        Codec[Any, Any, Any]("f", **forms, strict=False)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic takes typing.TypedDict there")
def test_a_typed_dict_of_the_wrong_module_is_told() -> None:
    from typing import TypedDict as OldTypedDict

    class Old(OldTypedDict):
        a: int

    with pytest.raises(TypeError, match=r"use `typing_extensions.TypedDict`"):
        decoder(Old)


def test_a_name_that_is_nowhere_is_told_at_once() -> None:
    class Broken(BaseModel):
        x: Nowhere  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(TypeError, match="name 'Nowhere' is not defined"):
        decoder(Broken)


# --- unknown fields -----------------------------------------------------------------------------


class Ignoring(BaseModel):
    model_config = ConfigDict(extra="ignore")

    x: int


class Heir(Ignoring):
    y: int = 0


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")

    x: int


class LazyForbidding(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    x: int


class Allowing(BaseModel):
    model_config = ConfigDict(extra="allow")

    x: int


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)

    x: int


class Outer(BaseModel):
    inner: Item


class Around(BaseModel):
    inner: Ignoring


class WithPoint(BaseModel):
    inner: Point


class OddDefault(BaseModel):
    x: dict[str, Any] = {"extra_behavior": "forbid"}


class Open(TypedDict):
    x: int


class Closed(TypedDict, closed=True):
    x: int


class Numbers(TypedDict, extra_items=int):  # type: ignore[call-arg]  # PEP 728
    x: int


@with_config(ConfigDict(extra="ignore"))
class Shut(TypedDict):
    x: int


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int


@checked_dataclass(config=ConfigDict(extra="allow"))
class Roomy:
    x: int


class Small(BaseModel):
    x: int


class Large(BaseModel):
    x: int
    y: int = 0


@pytest.mark.parametrize(
    ("form", "kept"),
    [
        (Item, {"name": "n", "price": 0.0, "more": 1}),
        (Frozen, {"x": 1, "more": 1}),
        (OddDefault, {"x": {}, "more": 1}),
        (Open, {"x": 1, "more": 1}),
        (Ignoring, {"x": 1}),
        (Heir, {"x": 1, "y": 0}),
        (Forbidding, None),
        (LazyForbidding, None),
        (Allowing, {"x": 1, "more": 1}),
        (Closed, None),
        (Numbers, {"x": 1, "more": 1}),
        (Shut, {"x": 1}),
        (Point, {"x": 1}),
        (Slotted, {"x": 1}),
        (Roomy, {"x": 1, "more": 1}),
        (Outer, {"inner": {"name": "n", "price": 0.0, "more": 1}, "more": 1}),
        (Around, {"inner": {"x": 1}}),
        (WithPoint, {"inner": {"x": 1}}),
        (Small | None, {"x": 1, "more": 1}),
        (Pet, {"kind": "cat", "lives": 9, "more": 1}),
        (RootModel[Small], {"x": 1, "more": 1}),
        (list[Small], [{"x": 1, "more": 1}]),
        (Page[Small], {"items": [{"x": 1, "more": 1}], "more": 1}),
        (Small | Large, {"x": 1, "more": 1}),
    ],
    ids=repr,
)
def test_unknown_fields(form: Any, kept: Any) -> None:
    payload = _payload(form)
    if kept is None:
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            decoder(form)(payload)
    else:
        assert _all_of(decoder(form)(payload)) == kept
    with pytest.raises(ValidationError, match=r"not permitted|Unexpected keyword"):
        decoder(form, strict=True)(payload)


def _all_of(value: Any) -> Any:
    """A value with its unknown fields, which `model_dump` leaves out."""
    if isinstance(value, RootModel):
        return _all_of(value.root)
    if isinstance(value, BaseModel):
        return _all_of(vars(value) | (value.model_extra or {}))
    if isinstance(value, dict):
        return {key: _all_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_all_of(item) for item in value]
    if isinstance(value, Slotted):
        return {"x": value.x}
    return _all_of(vars(value)) if hasattr(value, "__dict__") else value


def _payload(form: Any) -> bytes:
    more = {"more": 1}
    item, small = {"name": "n"} | more, {"x": 1} | more
    special: dict[Any, Any] = {
        Item: item,
        OddDefault: {"x": {}} | more,
        Outer: {"inner": item} | more,
        Around: {"inner": small} | more,
        WithPoint: {"inner": small} | more,
        list[Small]: [small],
        Page[Small]: {"items": [small]} | more,
    }
    pet = {"kind": "cat", "lives": 9} | more
    return json.dumps(pet if form is Pet else special.get(form, small)).encode()


@pytest.mark.parametrize("form", [Small | Large, Large | Small])
def test_unknown_fields_choose_no_other_member_of_a_union(form: Any) -> None:
    for payload in (b'{"x":1,"y":2}', b'{"x":1}', b'{"x":1,"z":2}'):
        plain = TypeAdapter(form).validate_json(payload)
        assert type(decoder(form)(payload)) is type(plain)


def test_extra_items_of_a_typed_dict_are_checked() -> None:
    with pytest.raises(ValidationError, match="more"):
        decoder(Numbers)(b'{"x":1,"more":"a"}')


HOSTILE = ["model_dump", "model_config", "model_fields", "__class__", "__dict__", "copy", "shout", "é", ""]


def test_a_server_overwrites_no_method() -> None:
    payload = json.dumps({"name": "n", "x": 1} | dict.fromkeys(HOSTILE, 1)).encode()
    item = decoder(Item)(payload)
    assert (type(item), item.model_dump()["name"], item.model_extra["copy"]) == (Item, "n", 1)
    point = decoder(Point)(payload)
    assert (type(point), point.shout()) == (Point, "!")


def test_an_unknown_field_may_have_the_name_of_a_field_with_an_alias() -> None:
    class Aliased(BaseModel):
        x: int = Field(alias="X")

    value = decoder(Aliased)(b'{"X":1,"x":2}')
    assert (value.x, value.model_extra) == (1, {"x": 2})


# --- inputs -------------------------------------------------------------------------------------


class Named(BaseModel):
    theme: str = Field(alias="menuTheme")
    items: int = Field(default=3, serialization_alias="itemCount")
    tags: list[str] = Field(default_factory=list[str])


class Sloppy(BaseModel):
    x: int = None  # type: ignore[assignment]  # as people write it


class Computed(BaseModel):
    a: int

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated properties
    @property
    def b(self) -> int:
        return self.a + 1


NAMED = b'{"menuTheme":"x","itemCount":3,"tags":[]}'


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        (Named, Named(menuTheme="x"), NAMED),
        (Named, {"menuTheme": "x"}, NAMED),
        (Named, {"theme": "x"}, NAMED),
        (Named, {"theme": "x", "items": 3, "unknown": 1}, NAMED),
        (Named | None, {"theme": "x"}, NAMED),
        (list[Named], [{"theme": "x"}], b"[" + NAMED + b"]"),
        (Keys, {"a": 1}, b'{"a":1}'),
        (Point, {"x": 1}, b'{"x":1}'),
        (Point, Point(1), b'{"x":1}'),
        (Sloppy, {}, b'{"x":null}'),
        (Computed, {"a": 1}, b'{"a":1,"b":2}'),
        (Any, Item(name="n"), b'{"name":"n","price":0.0}'),
        (Any, Named(menuTheme="x"), NAMED),
        (Any, Point(1), b'{"x":1}'),
        (Any, {1: 2, None: (3,)}, b'{"1":2,"None":[3]}'),
        (Any, "\u2028", '"\u2028"'.encode()),
        (Any, 10**4000, b"1" + b"0" * 4000),
        (Any, math.nan, b"null"),
        (float, math.inf, b"null"),
        (bytes, b"a", b'"a"'),
        (None, None, b"null"),
        (Any, None, b"null"),
        (int, UNSET, None),
        (Any, UNSET, None),
    ],
    ids=str,
)
def test_inputs(form: Any, value: Any, expected: bytes | None) -> None:
    assert encoder(form)(value) == expected


def test_no_input_is_not_none() -> None:
    assert repr(UNSET) == "UNSET"
    with pytest.raises(ValidationError):
        encoder(int)(None)


class Refusing(BaseModel):
    x: int

    @field_serializer("x")
    def no(self, value: int) -> int:
        raise KeyError("no")


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    return deep


SECRET = "s3cret, input_type=str"


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (Any, object(), "Unable to serialize unknown type"),
        (Any, {"a": {1: [Lock()]}}, "Unable to serialize unknown type"),
        (Any, _circle(), "Circular reference"),
        (Any, _deep(), "depth exceeded"),
        (list[Any], _deep(), "depth exceeded"),
        (Any, b"\xff", "invalid utf-8"),
        (Any, "\ud800", "surrogates not allowed"),
        (Refusing, {"x": 1}, "Error calling function `no`"),
        (Item, Item.model_construct(name=1, price=SECRET), "Expected `str`"),
        (Item, Item.model_construct(name=SECRET, price=SECRET), "Expected `float`"),
    ],
    ids=lambda value: repr(type(value)),
)
def test_inputs_that_are_no_json(form: Any, value: Any, text: str) -> None:
    with pytest.raises(PydanticSerializationError) as caught:
        encoder(form)(value)
    assert text in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("form", "value"),
    [(int, "x"), (Item, {}), (Item, None), (Named, {"items": 1}), (Tree, {"value": 1, "children": _deep()})],
)
def test_inputs_of_another_type(form: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        encoder(form)(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@repeatable
@given(json_values)
def test_any_json_goes_out_and_comes_back(value: Any) -> None:
    encoded = encoder_of_any(value)
    assert encoded is not None
    assert json.loads(encoded) == value
    assert repr(decoder_of_any(encoded)) == repr(value)


encoder_of_any, decoder_of_any = encoder(Any), decoder(Any)


@repeatable
@given(st.binary(max_size=20) | st.sampled_from([b"[" * 10_000, b"1" * 5_000, b'"\\ud800"']))
def test_garbage_is_a_validation_error(payload: bytes) -> None:
    errors = [_error(decode, payload) for decode in (decoder_of_any, decoder_of_item)]
    assert errors[1] is not None
    assert is_not_json(errors[1]) == (errors[0] is not None)


decoder_of_item = decoder(Item)


def _error(decode: Callable[[bytes], Any], payload: bytes) -> ValidationError | None:
    try:
        decode(payload)
    except ValidationError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("form", "payload", "expected"),
    [
        (int, b"[", True),
        (int, b"", True),
        (int, b'"\xff"', True),
        (int, b'"x"', False),
        (Item, b"{}", False),
        (Json[int], b'"x"', False),
        (dict[str, Json[int]], b'{"a":"x"}', False),
        (list[Json[int]], b'["x","y"]', False),
        (Json[int], b"x", True),
        (list[Annotated[str, AfterValidator(lambda text: decoder(int)(text.encode()))]], b'["x"]', False),
    ],
)
def test_is_not_json(form: Any, payload: bytes, expected: bool) -> None:
    with pytest.raises(ValidationError) as caught:
        decoder(form)(payload)
    assert is_not_json(caught.value) is expected
