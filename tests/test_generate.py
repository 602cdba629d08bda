"""Generated modules: what they say is what the schemas say, and nothing else is in them."""

from __future__ import annotations

import ast
import json
import pickle
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import GenericAlias, ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import generated_catalog
from generated_modules import IMPORTS, complaints, forget, loaded, written, written_to_the_letter
from hand_picked_schemas import HAND_PICKED
from shell import Cli, command_line, plain_surroundings
from streamflow_client import AsyncClient, Client, InputValidationError
from streamflow_client.cli.exits import ExitCode
from streamflow_client.generated import FlowDef, GeneratedModel
from streamflow_client.generated import flow as member
from streamflow_client.schema.lenient import lenient
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
    Text,
    Tuple,
    Type,
    Types,
    Union,
)
from streamflow_client.schema.names import MODULE_NAMES, class_name
from streamflow_client.schema.raw import Schema
from streamflow_client.schema.read import read_types
from streamflow_client.schema.runtime import Role, build
from streamflow_client.schema.source.annotations import read_form
from streamflow_client.schema.source.merged import worded
from streamflow_client.schema.source.module import FlowSchemas, is_too_deep, module_source
from streamflow_client.schema.source.text import WIDTH, Writer, value
from streamflow_client.testing import StubServer
from test_schema_oracle import Ours, cases, model_records, model_types, nullable_cases, oracle

quick = settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
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
    from streamflow_client.schema.source.merged import _reached

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
    assert [each for each in found if not is_on_purpose(each)] == [], report


def is_on_purpose(difference: str) -> bool:
    """A format of later drafts is meant where it is said; 1e300 is the integer that the float holds."""
    schema, _, instance = difference.partition("  <-  ")
    later = "draft-07" in schema and '"format": "uuid"' in schema
    return later or ("multipleOf" in schema and "1e+300" in instance)


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


@settings(quick, max_examples=60)
@given(odd_flows(), odd_texts)
def test_odd_text_is_text_and_nothing_else(flow: FlowSchemas, note: str) -> None:
    text = module_source([flow], [note])
    assert list(complaints(text)) == []
    assert {character for character in text if not character.isprintable()} <= {"\n"}
    module = loaded(text)
    found, *_ = (value for value in vars(module).values() if isinstance(value, FlowDef))
    assert found.name == flow.name
    back = found.types.chunk
    assert back is not None
    assert flow.chunk is not None
    for form in (rewrapped, without_words):
        assert comparable(form(back)) == comparable(form(worded(lenient(flow.chunk))))
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
    while is_too_deep(FlowSchemas("f", "", None, None, Types(deep, {}))):
        assert isinstance(deep, Array)
        deep = deep.items
    types = Types(Union((deep, Array(Ref("A")))), {"A": Definition(Union((Null(), deep, Array(Ref("A")))))})
    module = module_of(types)
    assert comparable(read_back(module)) == comparable(types)
    assert not Generated(written(types)).is_valid(3)
    forget(module)


VALUES: dict[str, Any] = {
    "a long integer": 10**5_000,
    "a long negative one": -(10**5_000),
    "a large float": 1e300,
    "a small float": 5e-324,
    "minus zero": -0.0,
    "infinity": float("inf"),
    "minus infinity": -float("inf"),
    "an integer that is no float": 2**53 + 1,
    "lists and objects": [[], {}, {"": None, "a": [True, 1, 1.0]}],
}


@pytest.mark.parametrize("name", VALUES)
def test_values_are_written_exactly(name: str) -> None:
    text = Writer().flat(value(VALUES[name]))
    again = ast.literal_eval(text)
    assert again == VALUES[name]
    assert type(again) is type(VALUES[name])
    assert list(complaints(f"from pydantic import Field\nX = Field({text})")) == []


def test_many_fields_are_written_and_read() -> None:
    names = [f"field_{number}" for number in range(2_000)]
    fields = tuple(Field(name, name, Integer(), required=True) for name in names)
    module = loaded(written(Types(Ref("A"), {"A": Definition(Record(fields, Nothing(), True))})))
    assert list(module.A.model_fields) == names
    forget(module)


# --- as a reader finds it


def test_the_module_of_the_repository_is_what_is_written_now() -> None:
    assert generated_catalog.MODULE.read_text(encoding="utf-8") == generated_catalog.text()


def test_a_formatter_changes_nothing(tmp_path: Path) -> None:
    texts = [generated_catalog.text()]

    @settings(quick, max_examples=60)
    @given(model_types, st.tuples(model_records, model_records), odd_flows())
    def write(root: Type, records: tuple[Record, Record], odd: FlowSchemas) -> None:
        texts.append(written(Types(root, {"A": Definition(records[0]), "B": Definition(records[1])})))
        texts.append(module_source([odd], [odd.description]))

    write()
    for number, text in enumerate(texts):
        formatted = text.replace("# fmt: off\n", "")
        assert formatted != text
        (tmp_path / f"m{number}.py").write_text(formatted, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", f"--line-length={WIDTH}", "."]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[:3_000] + ran.stderr[-1_000:]


def flow(name: str, input: Type | None, output: Type | None, **definitions: Type) -> FlowSchemas:
    types = {found: Definition(type_) for found, type_ in definitions.items()}
    roots = [None if root is None else Types(root, types) for root in (input, None, output)]
    return FlowSchemas(name, "", *roots)


def record(*fields: Field, said: bool = False) -> Record:
    return Record(fields, Anything(), extra_said=said)


TEXT = Field("text", "text", Text(), required=True)
NOTE = Field("note", "note", Union((Text(), Null())), required=True)
ITEM, OTHER = record(TEXT), record(replace(TEXT, type=Integer()))
LIST = record(Field("items", "items", Array(Ref("Item")), required=True))

SHARED: list[tuple[str, list[FlowSchemas], dict[str, str]]] = [
    (
        "what only inputs have refuses unknown fields",
        [flow("f", Ref("Item"), None, Item=ITEM)],
        {"Item": 'extra="forbid"'},
    ),
    ("what answers have keeps them", [flow("f", None, Ref("Item"), Item=ITEM)], {"Item": ""}),
    ("what both have is one", [flow("f", Ref("Item"), Ref("Item"), Item=ITEM)], {"Item": ""}),
    (
        "what several flows have is one",
        [flow(name, Ref("Item"), None, Item=ITEM) for name in "fg"],
        {"Item": 'extra="forbid"'},
    ),
    (
        "where answers may lack a null, inputs have a class of their own",
        [flow("f", Ref("Item"), Ref("Item"), Item=record(NOTE))],
        {"Item": "", "ItemInput": 'extra="forbid"'},
    ),
    (
        "what contains those has too",
        [flow("f", Ref("List"), Ref("List"), List=LIST, Item=record(NOTE))],
        {"Item": "", "List": "", "ItemInput": 'extra="forbid"', "ListInput": 'extra="forbid"'},
    ),
    (
        "others of one name are numbered",
        [flow("f", None, Ref("Item"), Item=ITEM), flow("g", None, Ref("Item"), Item=OTHER)],
        {"Item": "", "Item2": ""},
    ),
    (
        "what contains others is another",
        [
            flow("f", None, Ref("List"), List=LIST, Item=ITEM),
            flow("g", None, Ref("List"), List=LIST, Item=OTHER),
        ],
        {"Item": "", "List": "", "Item2": "", "List2": ""},
    ),
    (
        "a number that is taken is passed over",
        [
            flow("f", None, Ref("Item"), Item=ITEM),
            flow("g", None, Ref("Item2"), Item=OTHER, Item2=record(NOTE, TEXT)),
            flow("h", None, Ref("Item"), Item=OTHER),
        ],
        {"Item": "", "Item2": "", "Item3": ""},
    ),
    ("what a schema says stays", [flow("f", Ref("A"), None, A=record(said=True))], {"A": 'extra="allow"'}),
]


@pytest.mark.parametrize(("name", "flows", "expected"), SHARED, ids=[row[0] for row in SHARED])
def test_definitions_of_several_flows(name: str, flows: list[FlowSchemas], expected: dict[str, str]) -> None:
    text = module_source(flows)
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    told = {each.name: ", ".join(map(ast.unparse, each.keywords)).replace("'", '"') for each in classes}
    assert told.pop("Flows") == ""
    assert told == expected
    assert module_source(flows[::-1]) == text
    forget(loaded(text))


NAMES = [
    "menu",
    "my-flow/v2",
    "my_flow_v2",
    "class",
    "Menu",
    "flow",
    "__init__",
    "2nd",
    "größe",
    "",
    "-",
    "FLOW",
]


def test_flows_have_python_names_and_keep_their_own() -> None:
    flows = [flow(name, Ref("Menu"), Ref("Menu"), Menu=ITEM) for name in NAMES if name]
    module = loaded(module_source(flows))
    bound = module.Flows(Client("http://localhost:9"))
    names = [name for name in dir(bound) if not name.startswith("_")]
    found = {getattr(bound, name).definition.name: name for name in names}
    assert found == {
        "menu": "menu",
        "my-flow/v2": "my_flow_v2_2",
        "my_flow_v2": "my_flow_v2",
        "class": "class_",
        "Menu": "Menu",
        "flow": "flow",
        "__init__": "init",
        "2nd": "n2nd",
        "größe": "größe",
        "-": "flow_2",
        "FLOW": "FLOW",
    }
    assert all(getattr(bound, name).input_type is module.Menu for name in names)
    forget(module)


def test_no_class_is_called_like_what_a_module_imports() -> None:
    imported = {name for names in IMPORTS.values() for name in names}
    assert {name for name in imported if not name[0].islower()} <= MODULE_NAMES
    assert class_name("Flows") == "Flows_"


HIDING = ["date", "str", "int", "list", "Field", "Any", "Item", "Literal", "Omittable", "unique", "Annotated"]
HIDDEN = {
    "properties": {
        **{name: {"type": "string", "format": "date"} for name in [*HIDING, "ClassVar", "Union", "tuple"]},
        "kind": {"enum": ["a", "b"]},
        "pairs": {"type": "array", "prefixItems": [{"type": "boolean"}], "minItems": 1},
        "either": {"anyOf": [{"type": "integer", "minimum": n} for n in range(9)]},
        "texts": {"type": "array", "items": {"type": "string", "minLength": 2}, "uniqueItems": True},
    },
    "additionalProperties": {"type": "integer"},
}


def test_fields_may_be_called_like_types() -> None:
    kinds: list[Type] = [Text(format="date"), Text(), Integer(ge=1), Array(Text(), unique=True), Ref("Item")]
    kinds += [Anything(), Literals(("a", None))]
    fields = tuple(
        Field(name, name, kinds[place % len(kinds)], required=place % 2 == 0, description="d")
        for place, name in enumerate(HIDING * len(kinds))
        if place < len(HIDING)
    )
    others = tuple(replace(each, name=f"a{each.name}", python_name=f"a{each.name}") for each in fields)
    types = Types(Ref("A"), {"A": Definition(record(*fields, *others)), "Item": Definition(ITEM)})
    module = module_of(types)
    assert comparable(read_back(module)) == comparable(worded(lenient(types)))
    forget(module)


def test_hidden_types_are_imported_by_another_name() -> None:
    """To mypy and pyright `_ClassVar = ClassVar` is a variable, and no type."""
    text = written(read_types(Schema(HIDDEN, HIDDEN), name="A"))
    forget(loaded(text))
    assert "from typing import ClassVar as _ClassVar" in text
    assert not re.findall(r"^_\w+ = .*", text, re.MULTILINE)


# --- as a caller finds it


@pytest.fixture
def stub(flow_stub_factory: Callable[..., StubServer]) -> StubServer:
    stub = flow_stub_factory("go")

    @stub.flow
    def menu(value: Any) -> Any:
        return {"title": value["theme"], "total": value["courses"], "sent": value}

    return stub


@pytest.fixture
def module() -> Iterator[Any]:
    module = loaded(generated_catalog.text())
    yield module
    forget(module)


def test_calls(stub: StubServer, module: Any) -> None:
    with Client(stub.url) as client:
        flows = module.Flows(client)
        menu = flows.menu(theme="pirate", class_="B")
        assert type(menu) is module.Menu
        assert (menu.title, menu.total, menu.note) == ("pirate", 3.0, None)
        assert menu.model_extra["sent"]["class"] == "B"
        assert "serve-at" not in menu.model_extra["sent"]
        assert flows.menu(module.MenuRequest(theme="space")).title == "space"
        assert flows.menu.stream(theme="x").result().title == "x"
        assert flows.menu.with_options(timeout=5)(theme="y").title == "y"
        assert client.flow(module.MENU)(module.MenuRequest(theme="z")).title == "z"
        assert flows.menu.stream_events(theme="x").result() is None
        assert module.Flows.menu is module.MENU
        assert repr(flows) == f"Flows(Client('{stub.url}'))"


async def test_async_calls(stub: StubServer, module: Any) -> None:
    async with AsyncClient(stub.url) as client:
        flows = module.Flows(client)
        assert (await flows.menu(theme="pirate")).title == "pirate"
        assert (await flows.menu(module.MenuRequest(theme="space"))).title == "space"
        async with flows.menu.stream(theme="x") as stream:
            assert (await stream.result()).title == "x"
        assert await flows.menu.stream_events(theme="x").result() is None
        assert (await flows.menu.with_options(timeout=5)(theme="y")).title == "y"


WRONG: list[tuple[str, Callable[[Any], Any], str]] = [
    ("nothing", lambda flows: flows.menu(), "theme: Field required"),
    ("a slip", lambda flows: flows.menu(theme="x", corses=1), "did you mean 'courses'?"),
    ("a wrong type", lambda flows: flows.menu.stream(theme=1), "theme: Input should be a valid string"),
    ("a slip in an open object", lambda flows: flows.odd(eiter=1), "Extra inputs are not permitted|either"),
    ("a text that is a number", lambda flows: flows.story(1), "Input should be a valid string"),
    ("too small", lambda flows: flows.menu(theme="x", courses=0), "an integer that is at least 1"),
]


@pytest.mark.parametrize(("name", "call", "says"), WRONG, ids=[row[0] for row in WRONG])
def test_wrong_inputs_are_told_before_anything_is_sent(
    name: str, call: Callable[[Any], Any], says: str, module: Any
) -> None:
    with Client("http://localhost:9") as client, pytest.raises(InputValidationError, match=says):
        call(module.Flows(client))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_flow_is_made_once_for_a_client_and_its_like(kind: Any, module: Any) -> None:
    client = kind("http://localhost:9")
    flows, others = module.Flows(client), module.Flows(client.with_options(timeout=5))
    for name in ("menu", "story"):  # with the fields of an object, with one value
        flow = getattr(flows, name)
        assert getattr(flows, name) is flow
        assert flow.definition is getattr(module.Flows, name)
        assert getattr(others, name) is not flow
    assert flows.menu is not flows.story


def test_the_flow_of_a_parent_is_not_taken_for_that_of_its_child(module: Any) -> None:
    class Hers(module.Flows):  # type: ignore[misc]  # whatever the module's own are
        menu = member(module.STORY)

        @property
        def their_menu(self) -> Any:
            return super().menu

    flows = Hers(Client("http://localhost:9"))
    for _ in range(2):
        assert flows.menu.definition is module.STORY
        assert flows.their_menu.definition is module.MENU


def test_flows_are_for_clients_alone(module: Any) -> None:
    with pytest.raises(TypeError, match="for a Client or an AsyncClient, not for str"):
        module.Flows("http://localhost:3400")


def test_more_than_one_input_is_told(module: Any) -> None:
    with Client("http://localhost:9") as client:
        flows = module.Flows(client)
        with pytest.raises(TypeError, match="one input, got 2"):
            flows.menu({}, {})
        with pytest.raises(TypeError, match="not both"):
            flows.menu({}, theme="x")


def test_objects_take_both_names_and_pickle(module: Any) -> None:
    one, other = module.MenuRequest(theme="x", class_="B"), module.MenuRequest(**{"theme": "x", "class": "B"})
    assert one == other == pickle.loads(pickle.dumps(one))
    assert json.loads(one.model_dump_json(by_alias=True))["class"] == "B"
    assert "until" not in one.model_dump()
    assert module.MenuRequest(theme="x", until=None).model_dump()["until"] is None


def test_mypy_reads_no_long_integers_as_literals() -> None:
    types = Types(Literals((10**30, "a", 2)), {})
    text = written(types)
    assert "Literal['a', 2] | int" in text or 'Literal["a", 2] | int' in text
    assert "values(1000" in text


def test_classes_have_json_schemas() -> None:
    """Also a closed class within itself, and a tuple whose last items may be missing."""
    itself = Field("next", "next", Ref("A"), required=False)
    short = Field("pair", "pair", Tuple((Text(), Text()), Text()), required=False)
    types = Types(Ref("A"), {"A": Definition(record(itself, short))})
    class_: Any = loaded(written(types, "input")).A
    found = json.loads(json.dumps(class_.model_json_schema()))
    assert found["$defs"]["A"]["additionalProperties"] is False
    listed: Any = GenericAlias(list, class_)
    assert json.loads(json.dumps(TypeAdapter(listed).json_schema()))["type"] == "array"


def test_a_change_of_the_module_has_effect() -> None:
    text = written(Types(Ref("A"), {"A": Definition(record(TEXT))}))
    module = loaded(
        text.replace("text: str", "text: str | None = Field(default=None, max_length=2)").replace(
            "from stream", "from pydantic import Field\nfrom stream", 1
        )
    )
    assert module.A(text="ab").text == "ab"
    assert module.A().text is None
    with pytest.raises(ValidationError, match="at most 2"):
        module.A(text="abc")
    forget(module)


REFUSED: list[tuple[str, str, str]] = [
    ("a class of another kind", "    a: Decimal", "is no type of JSON"),
    ("a limit of something else", "    a: bool = Field(ge=1)", "ge has no meaning for"),
    ("a mark of something else", "    a: Annotated[str, unique]", "unique has no meaning for"),
    ("an unknown mark", "    a: Annotated[str, 5]", "5 has no meaning"),
    ("keys that are no texts", "    a: dict[int, str]", "the keys of JSON objects are texts"),
    ("two names", "    a: str = Field(validation_alias='b', serialization_alias='c')", "one text"),
    (
        "a validator",
        "    a: str\n\n    @field_validator('a')\n    @classmethod\n    def c(cls, v: str) -> str: return v",
        "have no validators",
    ),
    ("something private", "    a: str\n    _b: int = 5", r"A\._b: .* private attributes"),
    (
        "code after it all",
        "    a: str\n\n    def model_post_init(self, c: object) -> None: ...",
        "model_post_init",
    ),
    (
        "a setting of values",
        "    model_config = {'str_max_length': 2}\n    a: str",
        "model_config.'str_max_length'",
    ),
]


@pytest.mark.parametrize(("name", "body", "says"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_change_without_meaning_is_refused(name: str, body: str, says: str) -> None:
    imports = (
        "from __future__ import annotations\nfrom decimal import Decimal\nfrom typing import Annotated\n"
        "from pydantic import Field, field_validator\n"
        "from streamflow_client.generated import GeneratedModel, unique\n"
    )
    edited = sys.modules[f"edited: {name}"] = ModuleType(f"edited: {name}")
    exec(f"{imports}\nclass A(GeneratedModel):\n{body}\n", vars(edited))
    with pytest.raises(TypeError, match=says):
        edited.A(a="x")
    forget(edited)


def test_the_base_class_is_an_object_without_known_fields() -> None:
    assert TypeAdapter(GeneratedModel).validate_python({}) == GeneratedModel()


def test_vanilla_annotations_are_read_too() -> None:
    """What people write by hand, beyond what is generated."""

    class Node(GeneratedModel):
        value: int
        next: list[str] = []  # noqa: RUF012
        by: dict[str, float] | None = None
        plain: list = []  # type: ignore[type-arg]  # noqa: RUF012

    types = read_form(Node, GeneratedModel).types
    assert isinstance(types.root, Ref)
    assert Node(value=1).next == []
    assert Node.model_validate({"value": 2.0, "by": {"a": 1}}).value == 2
    with pytest.raises(ValidationError):
        Node.model_validate({"value": True})


# --- the command


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return command_line(capsys)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "flows.json"
    path.write_bytes(generated_catalog.catalog())
    return path


def test_the_command_writes_a_module(cli: Cli, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "flows.py"
    ended = cli("generate", str(saved), "-o", str(out))
    assert (ended.code, ended.out) == (0, "")
    assert ended.told == "warning: flow 'unless': input schema: #/properties/a: `not` is not checked"
    assert out.read_text(encoding="utf-8") == generated_catalog.text()
    assert cli("generate", str(saved)).out == generated_catalog.text()
    assert cli("generate", str(saved), "-o", str(out), "--check").code == 0


def test_the_command_asks_a_server(cli: Cli, stub: StubServer, tmp_path: Path) -> None:
    ended = cli("generate", stub.url, "--header", "a: b", "--timeout", "20")
    assert ended.code == 0
    assert '"menu"' in ended.out
    assert stub.url not in ended.out


def test_check_tells_what_differs_and_changes_nothing(cli: Cli, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "flows.py"
    ended = cli("generate", str(saved), "-o", str(out), "--check")
    assert (ended.code, out.exists()) == (ExitCode.UNEXPECTED, False)
    assert "is not there: run the same command without --check" in ended.told
    out.write_text(generated_catalog.text() + "x = 1\n", encoding="utf-8")
    ended = cli("generate", str(saved), "-o", str(out), "--check")
    assert ended.code == ExitCode.UNEXPECTED
    assert "differs from what the schemas say now: run the same command without --check" in ended.told
    assert out.read_text(encoding="utf-8").endswith("x = 1\n")
    assert cli("generate", str(saved), "-o", str(out)).code == 0
    assert cli("generate", str(saved), "-o", str(out), "--check").code == 0


SHOWING_ONE = b"# Menus\n\nGenerated by `streamflow-client generate`: run it again\n"
SPEAKS_OF_ONE = b'"""Wraps flows.py.\n\nGenerated by `streamflow-client generate`: that one, not this.\n"""\n'


@pytest.mark.parametrize("check", [[], ["--check"]], ids=["write", "check"])
@pytest.mark.parametrize("text", [b"import os\n", b"\xff\xfe", SHOWING_ONE, SPEAKS_OF_ONE])
def test_a_file_that_was_not_generated_is_not_overwritten(
    cli: Cli, saved: Path, tmp_path: Path, text: bytes, check: list[str]
) -> None:
    out = tmp_path / "mine.py"
    out.write_bytes(text)
    ended = cli("generate", str(saved), "-o", str(out), *check)
    assert ended.code == ExitCode.USAGE
    assert out.read_bytes() == text


def test_a_generated_file_may_have_comments_before_it(cli: Cli, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "flows.py"
    assert cli("generate", str(saved), "-o", str(out)).code == 0
    text = out.read_text(encoding="utf-8")
    out.write_text(f"#!/usr/bin/env python\n# ruff: noqa\n\n{text}", encoding="utf-8")
    assert cli("generate", str(saved), "-o", str(out)).code == 0
    assert out.read_text(encoding="utf-8") == text


def test_a_place_that_cannot_be_written_is_told(cli: Cli, saved: Path, tmp_path: Path) -> None:
    ended = cli("generate", str(saved), "-o", str(tmp_path / "no" / "flows.py"))
    assert ended.code == ExitCode.NOT_WRITTEN
    assert "cannot be written: No such file" in ended.told


def test_broken_flows_are_left_out_and_told(cli: Cli, tmp_path: Path) -> None:
    saved = tmp_path / "flows.json"
    broken = {"key": "/flow/bad", "name": "bad", "inputSchema": {"$ref": "http://x/y"}}
    good = {"key": "/flow/good", "name": "good", "inputSchema": {"type": "string"}}
    saved.write_text(json.dumps({"/flow/bad": broken, "/flow/good": good}))
    ended = cli("generate", str(saved))
    assert ended.code == 0
    assert "warning: flow 'bad' is left out: its input schema" in ended.told
    assert "- flow 'bad' is left out, for a schema of it is broken" in ended.out
    saved.write_text(json.dumps({"/flow/bad": broken}))
    ended = cli("generate", str(saved))
    assert (ended.code, ended.out) == (ExitCode.NOT_DISCOVERED, "")
    assert "has no flow to generate a module for" in ended.told


NO_SENSE: list[tuple[list[str], str]] = [
    ([], "give the server's URL, a file, or --local"),
    (["flows.json", "--check"], "--check compares with a module"),
    (["flows.json", "--header", "a: b"], "a file is read as it is"),
    (["flows.json", "--timeout", "1"], "a file is read as it is"),
    (["flows.json", "--local"], "--local finds the server itself"),
]


@pytest.mark.parametrize(("words", "says"), NO_SENSE)
def test_words_that_make_no_sense(cli: Cli, words: list[str], says: str) -> None:
    ended = cli("generate", *words)
    assert ended.code == ExitCode.USAGE
    assert says in ended.told


def test_no_such_file(cli: Cli, tmp_path: Path) -> None:
    assert cli("generate", str(tmp_path / "none.json")).code == ExitCode.NOT_DISCOVERED


# --- beside another generator

WRONG_IN_THE_OTHER = [
    *("tuple of draft-07", "ref with siblings in draft-07", "allOf of a list and a tuple"),
    *("allOf of anyOfs", "discriminated by OpenAPI"),
]
"""Schemas of whose valid instances the other generator's module refuses some."""


def test_another_generator_takes_the_same_instances() -> None:
    from datamodel_code_generator import InputFileType, generate
    from datamodel_code_generator.enums import DataModelType

    refused: list[str] = []
    for name, (schema, valid, _) in HAND_PICKED.items():
        if not isinstance(schema, dict):
            continue
        text = generate(
            json.dumps(schema),
            input_file_type=InputFileType.JsonSchema,
            output_model_type=DataModelType.PydanticV2BaseModel,
            class_name="Root",
            formatters=[],
        )
        sys.modules["another"] = another = ModuleType("another")
        exec(str(text), vars(another))  # made of our own schemas alone
        theirs = TypeAdapter[Any](another.Root)
        ours = Generated(written_to_the_letter(read_types(Schema(schema, schema), name="Root")))
        assert all(map(ours.is_valid, valid))
        if not all(is_valid(theirs, instance) for instance in valid):
            refused.append(name)
        ours.forget()
        forget(another)
    assert refused == WRONG_IN_THE_OTHER


# --- as type checkers find it


@pytest.mark.faults
@pytest.mark.parametrize(
    "checker",
    [
        ["mypy", "--strict", "--config-file=", "--cache-dir=cache"],
        ["pyright", "--pythonpath", sys.executable],
    ],
    ids=["mypy", "pyright"],
)
def test_type_checkers_find_nothing(checker: list[str], tmp_path: Path) -> None:
    """In a project of its own, without plugins; of hand-picked schemas and generated ones."""
    schemas = [*(schema for schema, _, _ in HAND_PICKED.values()), HIDDEN]

    @settings(quick, max_examples=250)
    @given(cases())
    def draw(case: tuple[Any, list[Any]]) -> None:
        schemas.append(case[0])

    draw()
    read = [read_types(Schema(each, each), name=f"Root{number}") for number, each in enumerate(schemas)]
    flows = [FlowSchemas(f"f{number}", "", types, None, types) for number, types in enumerate(read)]
    (tmp_path / "flows.py").write_text(module_source(flows), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pyright]\ntypeCheckingMode = "strict"\n', encoding="utf-8"
    )
    command = [sys.executable, "-m", *checker, "flows.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3_000:]
