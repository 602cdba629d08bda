"""Python names for titles, flows, definitions and properties."""

from __future__ import annotations

import builtins
import keyword
import unicodedata
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, create_model

from streamflow_client.schema.model import Anything, Definition, Record, Ref, Types
from streamflow_client.schema.model import Field as KnownField
from streamflow_client.schema.names import FIELD_NAMES, MODULE_NAMES, Taken, class_name, field_names
from streamflow_client.schema.runtime import FlowModel, build


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MenuInput", "MenuInput"),
        ("my-flow/v2 Input", "MyFlowV2Input"),
        ("menu_item", "MenuItem"),
        ("HTTPError", "HTTPError"),
        ("1st course", "N1stCourse"),
        ("_private", "Private"),
        ("", "Unnamed"),
        ("--", "Unnamed"),
        ("😀", "Unnamed"),
        ("class", "Class"),
        ("none", "None_"),
        ("Any", "Any_"),
        ("base model", "BaseModel_"),
        ("value error", "ValueError_"),
        ("größe", "Größe"),
        ("日本 語", "日本語"),
        ("ﬁsh", "Fish"),
        ("a²", "A2"),
    ],
)
def test_class_names(text: str, name: str) -> None:
    assert class_name(text) == name


@given(st.text())
def test_every_text_makes_a_class_name(text: str) -> None:
    name = class_name(text)
    assert name.isidentifier()
    assert name == unicodedata.normalize("NFKC", name)
    assert not name.startswith("_")
    assert not keyword.iskeyword(name)
    assert not hasattr(builtins, name)
    assert name not in MODULE_NAMES


@pytest.mark.parametrize(
    ("wire", "python"),
    [
        (
            ("foo", "camelCase", "größe", "self", "cls", "日本"),
            ("foo", "camelCase", "größe", "self", "cls", "日本"),
        ),
        (("foo-bar", "x y", "$id", "@type"), ("foo_bar", "x_y", "id", "type")),
        (("class", "None", "match"), ("class_", "None_", "match")),
        (("1st", "_private", "__init__", "__x"), ("n1st", "private", "init", "x")),
        (("model_config", "copy", "json"), ("model_config_", "copy_", "json_")),
        (("schema", "validate", "dict"), ("schema_", "validate_", "dict_")),
        (("_copy", "$class"), ("copy_", "class_")),
        (("mro", "register"), ("mro_", "register_")),
        (("", "***", "_"), ("empty", "field", "field_2")),
        (("foo-bar", "foo_bar", "foo.bar"), ("foo_bar_2", "foo_bar", "foo_bar_3")),
        (("class", "class_"), ("class_2", "class_")),
        (("ﬁ", "fi", "ﬂ"), ("fi_2", "fi", "fl")),
        (("", "empty"), ("empty_2", "empty")),
        (("\N{COUNTING ROD UNIT DIGIT ONE}:0", "0_\N{COUNTING ROD UNIT DIGIT ONE}"), ("n0", "n0_2")),
    ],
    ids=str,
)
def test_field_names(wire: tuple[str, ...], python: tuple[str, ...]) -> None:
    assert field_names(wire) == dict(zip(wire, python, strict=True))


@given(
    st.lists(st.text(max_size=4) | st.sampled_from([*sorted(FIELD_NAMES), "a-b", "a_b", "a b"]), unique=True)
)
def test_field_names_are_unique_fit_pydantic_and_spare_what_is_fine(wire: list[str]) -> None:
    names = field_names(wire)
    python = list(names.values())
    assert list(names) == wire
    assert len(set(python)) == len(python)
    for name, chosen in names.items():
        assert chosen.isidentifier()
        assert not keyword.iskeyword(chosen)
        assert not chosen.startswith("_")
        assert chosen not in FIELD_NAMES
        assert chosen == name or chosen not in names  # nobody takes another's wire name


ODD = sorted({*dir(FlowModel), *dir(type(FlowModel)), *dir(builtins), *keyword.kwlist, *keyword.softkwlist})


@given(st.lists(st.text(max_size=4) | st.sampled_from(ODD), unique=True, max_size=9))
@example(ODD)
def test_any_names_of_properties_make_a_class_without_a_warning(wire: list[str]) -> None:
    fields = tuple(
        KnownField(name, chosen, Anything(), required=False) for name, chosen in field_names(wire).items()
    )
    types = Types(Ref("Odd"), {"Odd": Definition(Record(fields, Anything(), extra_said=False))})
    with warnings.catch_warnings(action="error"):
        model = build(types, role="output", name="odd").model
    assert model is not None
    given_values = {name: index for index, name in enumerate(wire)}
    assert model.model_validate(given_values).model_dump(by_alias=True) == given_values


def test_pydantic_takes_every_odd_name() -> None:
    wire = [*sorted(FIELD_NAMES), "self", "cls", "", "1st", "class", "foo-bar", "größe", "data", "values"]
    fields = {chosen: (int, Field(alias=name)) for name, chosen in field_names(wire).items()}
    config = ConfigDict(protected_namespaces=())
    with warnings.catch_warnings(action="error"):
        model = create_model("Odd", __config__=config, **fields)  # type: ignore[call-overload]
    made: BaseModel = model.model_validate({name: index for index, name in enumerate(wire)})
    assert made.model_dump(by_alias=True) == {name: index for index, name in enumerate(wire)}


def test_many_of_one_name_are_numbered() -> None:
    taken = Taken()
    assert [taken.new("Item") for _ in range(3)] == ["Item", "Item2", "Item3"]
    assert [taken.new("Any_") for _ in range(3)] == ["Any_", "Any2", "Any3"]
    assert taken.new("Item2") == "Item22"
