"""Generated modules: what they say is what the schemas say, and nothing else is in them."""

from __future__ import annotations

import ast
import json
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import generated_catalog
from generated_modules import complaints, forget, loaded, written, written_to_the_letter
from hand_picked_schemas import HAND_PICKED
from shell import Cli, command_line, plain_surroundings
from streamflow_client import AsyncClient, Client, InputValidationError
from streamflow_client.cli.exits import ExitCode
from streamflow_client.cli.generating import flows_to_write
from streamflow_client.found import FlowTypes
from streamflow_client.generated import FlowDef, GeneratedModel
from streamflow_client.schema.annotations import read_form
from streamflow_client.schema.catalog import Catalog
from streamflow_client.schema.layout import WIDTH
from streamflow_client.schema.lenient import lenient
from streamflow_client.schema.merging import worded
from streamflow_client.schema.model import (
    MISSING,
    Anything,
    Array,
    Definition,
    Field,
    Integer,
    Literals,
    Nothing,
    Null,
    Record,
    Ref,
    Schema,
    Text,
    Type,
    Types,
    Union,
)
from streamflow_client.schema.read import read_types
from streamflow_client.schema.runtime import Role, build
from streamflow_client.schema.runtime import build
from streamflow_client.schema.source import FlowSchemas, is_too_deep, module_source
from streamflow_client.testing import StubServer
from test_schema_oracle import Ours, cases, model_records, model_types, nullable_cases, oracle

ROOT = Path(__file__).parent.parent
quick = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), max_examples=150
)


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_surroundings(monkeypatch, columns=60)


# --- the same types


def module_of(types: Types) -> Any:
    """With these types as the output, which are lenient already."""
    return loaded(written(types))


def read_back(module: Any) -> Types:
    types: Types | None = module.F.types.output
    return Types(Anything(), {}) if types is None else types


def comparable(types: Types) -> str:
    """The root, and what it needs: `repr` tells 1 from 1.0 and from True, which `==` does not."""
    from streamflow_client.schema.merging import _reached

    needed = {name: types.definitions[name] for name in sorted(_reached(types))}
    return repr((types.root, needed))


@quick
@given(model_types, st.tuples(model_records, model_records))
def test_annotations_are_read_back_as_the_types_that_they_were_written_from(
    root: Type, records: tuple[Record, Record]
) -> None:
    types = lenient(Types(root, {"A": Definition(records[0]), "B": Definition(records[1])}))
    module = module_of(types)
    assert comparable(read_back(module)) == comparable(worded(types))
    forget(module)


def test_types_of_schemas_are_read_back_too() -> None:
    for schema, _, _ in HAND_PICKED.values():
        types = lenient(read_types(Schema(schema, schema), name="Root"))
        module = module_of(types)
        assert comparable(read_back(module)) == comparable(worded(types))
        forget(module)


# --- the same values


class Generated:
    """A schema's types as a generated module has them."""

    def __init__(self, text: str, role: str = "output") -> None:
        self._module = loaded(text)
        self.adapter = TypeAdapter[Any](getattr(self._module.F, role))

    def is_valid(self, instance: Any) -> bool:
        return is_valid(self.adapter, instance)

    def round_trip(self, instance: Any) -> Any:
        return round_trip(self.adapter, instance)

    def forget(self) -> None:
        forget(self._module)


def is_valid(adapter: TypeAdapter[Any], instance: Any) -> bool:
    try:
        adapter.validator.validate_json(json.dumps(instance))
    except ValidationError:
        return False
    return True


def round_trip(adapter: TypeAdapter[Any], instance: Any) -> Any:
    return json.loads(adapter.dump_json(adapter.validate_json(json.dumps(instance)), by_alias=True))


def differences(schema: Any, instances: list[Any], counts: Counter[str]) -> Iterator[str]:
    """Where run-time types and generated module do not say what jsonschema-rs says; they have to agree."""
    ours, theirs = Ours(schema), oracle(schema)
    generated = Generated(written_to_the_letter(ours.types))
    counts["schemas"] += 1
    for instance in instances:
        counts["instances"] += 1
        shown = f"{json.dumps(schema)}  <-  {json.dumps(instance)}"
        valid = generated.is_valid(instance)
        assert valid == ours.is_valid(instance), shown
        if valid:
            assert generated.round_trip(instance) == ours.round_trip(instance), shown
        if valid != theirs.is_valid(instance):
            yield shown
    generated.forget()


def test_hand_picked_schemas_agree() -> None:
    counts = Counter[str]()
    found = [
        (name, difference)
        for name, (schema, valid, invalid) in HAND_PICKED.items()
        for difference in differences(schema, [*valid, *invalid], counts)
    ]
    assert [name for name, _ in found] == ["date-time", "time"]  # times without an offset, on purpose
    assert counts["schemas"] > 100
    assert counts["instances"] > 500


def agree(examples: int) -> None:
    counts = Counter[str]()
    found: dict[str, None] = {}

    @settings(quick, max_examples=examples)
    @given(cases())
    def compare(case: tuple[Any, list[Any]]) -> None:
        different = list(differences(*case, counts))
        found.update(dict.fromkeys(different))
        counts["schemas that differ"] += bool(different)

    compare()
    report = "\n".join([str(dict(counts)), *found])
    print(report)  # noqa: T201 - the counts are what this test has to show
    assert counts["schemas"] >= examples, report
    assert counts["schemas that differ"] <= examples / 100, report
    of_later_drafts = [each for each in found if "draft-07" in each and '"format": "uuid"' in each]
    assert list(found) == of_later_drafts, report


def test_generated_schemas_agree() -> None:
    agree(80)


@pytest.mark.faults
def test_two_thousand_generated_schemas_agree() -> None:
    agree(2_000)


@settings(quick, max_examples=60)
@given(nullable_cases())
def test_inputs_and_answers_are_as_those_of_discovered_flows(case: tuple[Any, list[Any]]) -> None:
    """Also where answers lack nulls, and where inputs have fields that no schema speaks of."""
    schema, instances = case
    types = read_types(Schema(schema, schema), name="Root")
    roles: tuple[Role, ...] = ("input", "output")
    for role in roles:
        found = build(types if role == "input" else lenient(types), role=role, name="f")
        runtime = TypeAdapter[Any](found.form)
        generated = Generated(written(types, role), role)
        for instance in instances:
            shown = f"{role}: {json.dumps(schema)}  <-  {json.dumps(instance)}"
            assert generated.is_valid(instance) == is_valid(runtime, instance), shown
            if generated.is_valid(instance):
                assert generated.round_trip(instance) == round_trip(runtime, instance), shown
        generated.forget()


# --- nothing else in them

ODD = [
    *('"""', "'''", '"', "'", "\\", "\\\\", "\\N{BULLET}", "{x}", "%s", "\n", "\r", "\0", "\x1b[2J", "\t"),
    *("\u2028", "\u202e", "\ud800", "\udfff", "\ufeff", "\u200b", "#", "import os", "\f", "\x85", "x" * 120),
    *('"\nimport os\n"', "\\\n", '\\"', '"""\nimport os', "'" + '"', "é", "日本", "😀", "   ", "# fmt: on"),
]
odd_texts = st.lists(st.sampled_from(ODD) | st.text(max_size=8), max_size=6).map("".join)


@st.composite
def odd_flows(draw: st.DrawFn) -> FlowSchemas:
    """Odd text wherever a schema has text."""

    def text() -> str:
        return draw(odd_texts)

    fields = (
        Field(text() or "a", "a", Text(patterns=(text(), text())), True, description=text()),
        Field(text() or "b", "b", Literals((text(), 1.5)), False, text(), text(), text()),
        Field(text() or "c", "class_", Literals((text(), text() + "!")), False, MISSING, text()),
        Field("d", "d", Anything(), False, {text(): [text(), {text(): None}]}),
        Field("e", "e", Text(max_length=1, patterns=(text(),)), False, text()),
    )
    definitions = {
        "A": Definition(Record(fields, Text(patterns=(text(),)), extra_said=True), text(), text()),
        "B": Definition(Union((Null(), Array(Ref("B")), Literals((text(),)))), text(), text()),
    }
    types = Types(Union((Ref("A"), Ref("B")), discriminator=text()), definitions, text(), text())
    return FlowSchemas(text() or "f", text(), None, types, None)


@settings(quick, max_examples=100)
@given(odd_flows(), odd_texts)
def test_odd_text_is_text_and_nothing_else(flow: FlowSchemas, note: str) -> None:
    text = module_source([flow], [note])
    assert list(complaints(text)) == []
    assert {character for character in text if not character.isprintable()} <= {"\n"}
    module = loaded(text)
    found, *_ = (value for value in vars(module).values() if isinstance(value, FlowDef))
    assert found.name == flow.name
    assert flow.chunk is not None
    for form in (rewrapped, without_words):
        assert comparable(form(found.types.chunk)) == comparable(form(worded(lenient(flow.chunk))))
    forget(module)


def rewrapped(types: Types) -> Types:
    """Docstrings are wrapped. Those of aliases are for readers alone."""
    definitions = {
        name: replace(found, description=" ".join(found.description.split()))
        for name, found in types.definitions.items()
        if isinstance(found.type, Record)
    }
    return Types(Ref("A"), {"B": Definition(Null()), **definitions})


def without_words(types: Types) -> Types:
    definitions = {name: replace(found, description="") for name, found in types.definitions.items()}
    return replace(types, definitions=definitions)


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "from os import path",
        "from datetime import timezone",
        "from typing import Any as str",
        "print(1)",
        "X = print",
        "X = flow(__import__('os'))",
        "X = FlowDef(**a)",
        "X = TypeAliasType('X', 'print(1)')",
        "X = TypeAliasType('X', f'{1}')",
        "class X(GeneratedModel, metaclass=int): pass",
        "class X(int): pass",
        "class X(GeneratedModel):\n    def f(self): pass",
        "class X(GeneratedModel):\n    a: int = (lambda: 1)()",
        "class X(GeneratedModel):\n    a: [x for x in ()]",
        "class X(GeneratedModel):\n    a: int.real",
        "class X(GeneratedModel):\n    __class__: int",
        "@flow\nclass X(GeneratedModel): pass",
        "while True: pass",
        "f'{1}'",
    ],
)
def test_the_list_of_harmless_things_is_short(text: str) -> None:
    known = "from streamflow_client.generated import FlowDef, GeneratedModel, flow\n"
    assert list(complaints(known)) == []
    assert list(complaints(known + text))


def test_types_that_are_too_deep_for_python_are_told() -> None:
    deep: Type = Integer(ge=1)
    for _ in range(99):
        deep = Array(deep, min_items=1)
    assert is_too_deep(FlowSchemas("f", "", None, None, Types(deep, {})))
    for _ in range(60):
        assert isinstance(deep, Array)
        deep = deep.items
    assert not is_too_deep(FlowSchemas("f", "", None, None, Types(deep, {})))
    forget(loaded(written(Types(deep, {}))))


def test_many_fields_are_written_and_read() -> None:
    names = [f"field_{number}" for number in range(2_000)]
    fields = tuple(Field(name, name, Integer(), required=True) for name in names)
    module = loaded(written(Types(Ref("A"), {"A": Definition(Record(fields, Nothing(), True))})))
    assert list(module.A.model_fields) == names
    forget(module)
