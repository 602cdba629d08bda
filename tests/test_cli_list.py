"""What discovery gives to the command line: `list`, and the types that `run` uses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

import jsonschema_rs
import pytest
from pydantic import BaseModel, Field

from shell import Cli, command_line, plain_surroundings
from streamflow_client import Client, FlowTimeoutError
from streamflow_client.cli.conversion import is_text, typed, untyped
from streamflow_client.cli.exits import ExitCode
from streamflow_client.cli.listing import self_contained
from streamflow_client.cli.run import time_left
from streamflow_client.schema.raw import Schema
from streamflow_client.schema.read import read_types
from streamflow_client.schema.refs import Document
from streamflow_client.testing import StubServer, faults

OPENAPI, ACTIONS = "/openapi.json", "/api/actions"
NOWHERE = "http://localhost:9"  # for commands that ask no server
NOT_KNOWN = "which are not known"
EVIL = "\x1b]0;evil\x07\u202e"


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_surroundings(monkeypatch, columns=60)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return command_line(capsys)


class Order(BaseModel):
    theme: str
    zip: str = ""
    dishes: int = Field(default=3, ge=1)
    class_: str | None = Field(default=None, alias="class")


class Spoons(BaseModel):
    count: int = 2


class Dish(BaseModel):
    name: str
    kind: str | None = Field(default=None, alias="class")


@pytest.fixture
def stub(flow_stub_factory: Callable[..., StubServer]) -> StubServer:
    stub = flow_stub_factory("go")

    @stub.flow(description="Writes a menu,\ndish by dish.")
    def menu(order: Order, send: Callable[[Any], None]) -> Dish:
        send({"name": order.theme})
        return Dish.model_validate({"name": order.theme, "class": order.class_})

    @stub.flow
    def shout(text: str) -> str:
        return text.upper()

    return stub


def sent(stub: StubServer) -> Any:
    """What the flow was given."""
    return stub.requests[-1].json


def asked(stub: StubServer) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in stub.requests]


# --- list ---


def action(**schemas: Any) -> dict[str, Any]:
    return {"key": "/flow/x", "name": "x", **schemas}


PROPERTIES = {f"parameter{number}": {"type": "string"} for number in range(9)}
DOCUMENT = {
    "/flow/plain": action(inputSchema={"type": "string"}, description=f"Says\n  {EVIL} things. " * 3),
    "/flow/broken": action(outputSchema={"$ref": "#/nowhere"}),
    "/flow/long": action(inputSchema={"type": "object", "properties": PROPERTIES}, outputSchema={}),
    "/flow/odd": action(inputSchema={"type": "array", "contains": {"type": "null"}}),
    "/flow/../up": action(),
}


@pytest.fixture
def saved(tmp_path: Path) -> str:
    file = tmp_path / "actions.json"
    file.write_text(json.dumps(DOCUMENT), "utf-8")
    return str(file)


def test_a_line_for_each_flow(cli: Cli, stub: StubServer) -> None:
    ended = cli("list", stub.url)
    assert ended.out.splitlines() == [
        "menu(theme: str, zip: str = '', dishes: int = 3, class_: str | None = None) -> Dish, streams Any",
        "    Writes a menu, dish by dish.",
        "shout(input: str, /) -> str, streams Any",
        f"2 flows from {stub.url}/openapi.json",
    ]
    assert (ended.code, ended.err) == (0, "")


def test_broken_flows_are_listed_and_oddities_told(cli: Cli, saved: str) -> None:
    ended = cli("list", NOWHERE, "--catalog", saved)
    plain, description, broken, long, odd, summary = ended.out.splitlines()
    assert plain == "plain(input: str, /) -> Any"
    assert description == "    " + r"Says \x1b]0;evil\x07\u202e things. " * 2 + (
        r"Says \x1b]0;evil\x07\u202e things."
    )
    assert broken.startswith("broken: its output schema (in ")
    assert "there is nothing at '#/nowhere'" in broken
    assert long.count("parameter") == len(PROPERTIES)
    assert odd.startswith("odd(input: list[Any], /) -> ")
    assert summary == f"4 flows from {saved}"
    catalog, schema = ended.err.splitlines()
    assert catalog.startswith(f"warning: catalog {saved}: action '/flow/../up' is skipped")
    assert schema.startswith("warning: flow 'odd': input schema: ")
    assert "contains" in schema
    assert ended.code == 0


def test_a_terminal_gets_lines_that_fit(cli: Cli, saved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # no bold letters; rich then needs both numbers
    monkeypatch.setenv("LINES", "25")
    plain, description, broken, long, *_ = cli("list", NOWHERE, "--catalog", saved).out.splitlines()
    assert plain == "plain(input: str, /) -> Any"
    assert description == r"    Says \x1b]0;evil\x07\u202e things. Says \x1b]0;evil\x07…"
    assert broken.startswith("broken: its output schema")
    assert long == "long(parameter0: str = …, parameter1: str = …, para…) -> Any"
    assert {len(line) for line in (description, broken, long)} == {60}


def test_flows_of_a_reflection_server(cli: Cli, stub: StubServer) -> None:
    stub.always(OPENAPI, faults.status(404))
    *_, summary = cli("list", stub.url).out.splitlines()
    assert summary == f"2 flows from {stub.url}/api/actions, called through the reflection API"


def test_headers_and_token_go_with_the_question(cli: Cli, stub: StubServer) -> None:
    assert cli("list", stub.url, "-H", "X-One: 1", "--auth", "s3cret", "--timeout", "20").code == 0
    headers = stub.requests[0].headers
    assert (headers["x-one"], headers["authorization"]) == ("1", "Bearer s3cret")


def test_one_json_document(cli: Cli, stub: StubServer) -> None:
    ended = cli("list", stub.url, "--json")
    listed = json.loads(ended.out)
    assert (ended.code, ended.err, listed["warnings"]) == (0, "", [])
    menu, shout = listed["flows"]
    assert {key: menu[key] for key in ("name", "path", "protocol", "description", "source")} == {
        "name": "menu",
        "path": "/menu",
        "protocol": "callable",
        "description": "Writes a menu,\ndish by dish.",
        "source": f"{stub.url}/openapi.json",
    }
    assert menu["signature"].startswith("menu(theme: str, ")
    assert (shout["input"], shout["output"]) == ({"type": "string"}, {"type": "string"})
    order = jsonschema_rs.validator_for(menu["input"])  # it needs no other document
    assert order.is_valid({"theme": "x"})
    assert not order.is_valid({"theme": "x", "dishes": 0})


def test_what_is_wrong_is_in_the_json_too(cli: Cli, saved: str) -> None:
    ended = cli("list", NOWHERE, "--catalog", saved, "--json")
    listed = json.loads(ended.out)
    broken = listed["flows"][1]
    assert broken["signature"] is None
    assert "there is nothing at '#/nowhere'" in broken["error"]
    assert broken["output"] == {"$ref": "#/nowhere"}
    assert "error" not in listed["flows"][0]
    assert len(listed["warnings"]) == 1
    assert not any(character in ended.out for character in "\x1b\x07\u202e")


def test_no_flows_at_all(cli: Cli, stub: StubServer, tmp_path: Path) -> None:
    empty = tmp_path / "empty.json"
    empty.write_text("{}")
    ended = cli("list", NOWHERE, "--catalog", str(empty), "--json")
    assert json.loads(ended.out) == {"flows": [], "warnings": []}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_nothing_found(cli: Cli, stub: StubServer, options: list[str]) -> None:
    stub.always(OPENAPI, faults.html_page(200))
    stub.always(ACTIONS, faults.status(404))
    ended = cli("list", stub.url, *options)
    assert ended.code == ExitCode.NOT_DISCOVERED
    assert ended.err.startswith("error: found no flows (")
    assert ended.err.count("\n") == 1
    assert bool(ended.out) == bool(options)
    if options:
        assert json.loads(ended.out)["error"]["type"] == "DiscoveryError"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--catalog", "no-such-file.json"], ExitCode.NOT_DISCOVERED, "no-such-file.json: No such file"),
        (["--catalog", "http://user:pw@host/x"], ExitCode.USAGE, "no user and password"),
        (["--catalog", ""], ExitCode.USAGE, "catalog is a path or an http(s) URL"),
        (["--catalog", "file:///x"], ExitCode.USAGE, "catalog is a path or an http(s) URL"),
        (["--header", "secret"], ExitCode.USAGE, "a header is written as"),
        (["--timeout", "-1"], ExitCode.USAGE, "must be a positive number"),
    ],
    ids=["file", "url", "empty", "scheme", "header", "timeout"],
)
def test_words_of_list_that_make_no_sense(cli: Cli, words: list[str], code: ExitCode, says: str) -> None:
    ended = cli("list", NOWHERE, *words)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.told


@pytest.mark.parametrize("command", [["list"], ["run", "shout"]], ids=["list", "run"])
@pytest.mark.parametrize("url", ["http://h?token=s3cret", "http://h/#s3cret", "http://:s3cret@/h"])
def test_secrets_in_a_url_are_not_repeated(cli: Cli, command: list[str], url: str) -> None:
    ended = cli(command[0], url, *command[1:])
    assert ended.code == ExitCode.USAGE
    assert "***" in ended.told
    assert "s3cret" not in ended.err


@pytest.mark.parametrize("catalog", ["", "file:///x"])
def test_a_catalog_of_run_that_makes_no_sense(cli: Cli, stub: StubServer, catalog: str) -> None:
    ended = cli("run", stub.url, "shout", '"x"', "--catalog", catalog)
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert "catalog is a path or an http(s) URL" in ended.told
    assert stub.requests == []


# --- schemas that stand alone ---


TREE: dict[str, Any] = {
    "components": {
        "schemas": {
            "Tree": {
                "type": "object",
                "properties": {
                    "leaf": {"$ref": "#/components/schemas/a~1b/properties/x"},
                    "trees": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                    "gone": {"$ref": "#/nowhere"},
                    "second": {"$ref": "#/paths/~1t/parameters/1/schema"},
                },
            },
            "a/b": {"properties": {"x": {"type": "integer"}, "y": {"type": "null"}}},
            "Unused": {"type": "string"},
        }
    },
    "paths": {"/t": {"parameters": [{}, {"schema": {"enum": [1]}}]}},
}


def test_a_schema_takes_along_what_it_refers_to() -> None:
    place = {"$ref": "#/components/schemas/Tree"}
    before = json.dumps(TREE)
    alone = self_contained(Schema(place, TREE, "/somewhere"))
    assert json.dumps(TREE) == before
    assert alone["$ref"] == "#/components/schemas/Tree"
    assert set(alone["components"]["schemas"]) == {"Tree", "a/b"}
    assert alone["components"]["schemas"]["Tree"] == TREE["components"]["schemas"]["Tree"]
    del TREE["components"]["schemas"]["Tree"]["properties"]["gone"]
    valid = jsonschema_rs.validator_for(alone).is_valid
    assert valid({"leaf": 1, "trees": [{"leaf": 2}], "second": 1})
    assert not valid({"trees": [{"leaf": "x"}]})
    assert not valid({"second": 2})


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ("/components/schemas/a~1b", "/components/schemas/a~1b/properties/x"),
        ("/paths/~1t/parameters", "/paths/~1t/parameters/1/schema"),
    ],
)
def test_a_part_and_the_whole_that_it_belongs_to(whole: str, part: str, order: int) -> None:
    references = [{"$ref": f"#{whole}"}, {"$ref": f"#{part}"}][::order]
    alone = self_contained(Schema({"items": references}, TREE, "/somewhere"))
    found, meant = (Document(Schema(root, root)).at(whole) for root in (alone, TREE))
    assert found == meant


def test_what_a_schema_says_itself_is_kept() -> None:
    own = {"$ref": "#/components/schemas/Unused", "components": "its own"}
    assert self_contained(Schema(own, TREE, "/somewhere")) == own


@pytest.mark.parametrize("value", [True, {"$ref": "#"}, {"type": "string"}], ids=repr)
def test_a_schema_that_needs_nothing_stays_as_it_is(value: Any) -> None:
    assert self_contained(Schema(value, TREE, "/x")) == value
    assert self_contained(Schema(value, value)) == value
    assert self_contained(None) is None


# --- run: pairs by their types ---


STRING, INTEGER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}
CONVERSIONS: list[tuple[str, dict[str, Any], str, Any]] = [
    ("text", STRING, "01234", "01234"),
    ("text true", STRING, "true", "true"),
    ("text null", STRING, "null", "null"),
    ("text quoted", STRING, '"x"', '"x"'),
    ("text empty", STRING, "", ""),
    ("text with a format", {**STRING, "format": "date"}, "2026", "2026"),
    ("integer", INTEGER, "-5", -5),
    ("integer as float", INTEGER, "2.0", 2.0),
    ("integer out of bounds", {**INTEGER, "minimum": 1}, "0", 0),
    ("integer, no number", INTEGER, "many", "many"),
    ("integer, octal", INTEGER, "01", "01"),
    ("integer, boolean", INTEGER, "true", True),
    ("number", {"type": "number"}, "1e3", 1000.0),
    ("number, not finite", {"type": "number"}, "NaN", "NaN"),
    ("boolean", {"type": "boolean"}, "true", True),
    ("boolean, another word", {"type": "boolean"}, "yes", "yes"),
    ("null", NULL, "null", None),
    ("enum of texts", {"enum": ["1", "true"]}, "1", "1"),
    ("enum of texts, none of them", {"enum": ["small", "large"]}, "5", "5"),
    ("enum of numbers", {"enum": [1, 2]}, "2", 2),
    ("enum of many kinds", {"enum": ["on", True, 0, None]}, "on", "on"),
    ("enum of many kinds, null", {"enum": ["on", True, 0, None]}, "null", None),
    ("text or null", {"type": ["string", "null"]}, "null", None),
    ("text or null, number", {"type": ["string", "null"]}, "12", "12"),
    ("text or number", {"type": ["string", "number"]}, "12", 12),
    ("text or number, text", {"type": ["string", "number"]}, "012", "012"),
    ("one of", {"oneOf": [{**INTEGER, "maximum": 9}, STRING]}, "10", "10"),
    ("list", {"type": "array", "items": STRING}, '["a", "b"]', ["a", "b"]),
    ("list, no JSON", {"type": "array"}, "a,b", "a,b"),
    ("object", {"type": "object"}, '{"a": 1}', {"a": 1}),
    ("record", {"properties": {"a": INTEGER}, "type": "object"}, '{"a": "x"}', {"a": "x"}),
    ("record or text", {"anyOf": [{"type": "object"}, STRING]}, '{"a": 1}', {"a": 1}),
    ("anything", {}, "5", 5),
    ("anything, quoted", {}, '"5"', "5"),
    ("anything, text", {}, "a b", "a b"),
    ("reference", {"$ref": "#/$defs/Zip"}, "01", "01"),
    ("reference, digits", {"$ref": "#/$defs/Zip"}, "12", "12"),
]


def as_typed(schema: Any, **texts: str) -> dict[str, Any]:
    return dict(typed(texts, read_types(Schema(schema, schema), name="X")))


def same(left: Any, right: Any) -> bool:
    return json.dumps(left) == json.dumps(right)  # 1 is not true, 2 is not 2.0


@pytest.mark.parametrize(
    ("schema", "text", "value"), [case[1:] for case in CONVERSIONS], ids=[c[0] for c in CONVERSIONS]
)
def test_conversions(schema: dict[str, Any], text: str, value: Any) -> None:
    record = {"type": "object", "properties": {"x": schema}, "$defs": {"Zip": STRING}}
    assert same(as_typed(record, x=text), {"x": value})
    values = {"type": "object", "additionalProperties": schema, "$defs": {"Zip": STRING}}
    assert same(as_typed(values, x=text), {"x": value})


@pytest.mark.parametrize(
    ("schema", "word", "is_itself"),
    [
        ({"type": "string"}, "ahoy", True),
        ({"type": "string"}, "", True),
        ({"type": "string"}, "01234", True),
        ({"type": "string"}, "1234", True),
        ({"type": "string"}, "null", True),
        ({"type": "string"}, '"quoted"', False),
        ({"type": "string", "maxLength": 2}, '"quoted"', False),
        ({"type": ["string", "null"]}, "null", False),
        ({"type": ["string", "integer"]}, "12", False),
        ({"type": ["string", "integer"]}, "1.5", True),
        ({"enum": ["small", 5]}, "large", True),
        ({"enum": ["small", 5]}, "5", False),
        ({"type": "integer"}, "many", False),
        ({"type": "array", "items": {"type": "string"}}, "ahoy", False),
        ({}, "ahoy", False),
        (True, "ahoy", False),
        ({"$ref": "#/$defs/Zip", "$defs": {"Zip": {"type": "string"}}}, "12", True),
    ],
    ids=repr,
)
def test_which_words_are_texts_themselves(schema: Any, word: str, is_itself: bool) -> None:
    assert is_text(word, read_types(Schema(schema, schema), name="X")) is is_itself


def test_fields_by_either_name() -> None:
    record = {"type": "object", "properties": {"class": STRING, "n": INTEGER}}
    assert as_typed(record, class_="1", n="1") == {"class": "1", "n": 1}
    assert list(typed({"class": "1"}, read_types(Schema(record, record), name="X"))) == [("class", "1")]


def test_fields_of_one_of_several_objects() -> None:
    one = {"type": "object", "properties": {"kind": {"const": "1"}, "n": INTEGER}, "required": ["kind"]}
    two = {"type": "object", "properties": {"kind": {"const": "2"}, "n": STRING}, "required": ["kind"]}
    union = {"anyOf": [one, two]}
    assert as_typed(union, kind="2", n="5", other="5") == {"kind": "2", "n": 5, "other": 5}
    assert as_typed(union, n="05") == {"n": "05"}


def test_without_types_json_goes_first() -> None:
    assert untyped({"a": "5", "b": "05", "c": '"5"'}) == {"a": 5, "b": "05", "c": "5"}


# --- run: typed calls ---


def test_pairs_become_what_the_schema_says(cli: Cli, stub: StubServer) -> None:
    ended = cli("run", stub.url, "menu", "theme=true", "zip=01234", "dishes=2", "class=7")
    assert sent(stub) == {"data": {"theme": "true", "zip": "01234", "dishes": 2, "class": "7"}}
    assert asked(stub) == [("GET", OPENAPI), ("POST", "/menu")]
    assert ended.out.splitlines()[0] == '{"name":"true"}'
    assert ended.out.splitlines()[2:] == ['{"name":"true","class":"7"}']
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["thme=x"], "did you mean 'theme'?"),
        (["theme=x", "dishes=0"], "dishes: Input should be an integer that is at least 1"),
        (["theme=x", "dishes=many"], "dishes: Input should be an integer"),
        (['{"theme": 5}'], "theme: Input should be a valid string"),
    ],
    ids=["unknown", "bound", "kind", "json"],
)
def test_bad_input_is_told_by_field_and_nothing_is_sent(
    cli: Cli, stub: StubServer, words: list[str], says: str
) -> None:
    ended = cli("run", stub.url, "menu", *words)
    assert (ended.code, ended.out) == (ExitCode.TYPES, "")
    assert says in ended.err
    assert asked(stub) == [("GET", OPENAPI)]


@pytest.mark.parametrize(
    ("word", "text"),
    [("ahoy", "ahoy"), ("01234", "01234"), ("1234", "1234"), ('"x"', "x"), ("", ""), ("{x", "{x")],
    ids=repr,
)
def test_a_lone_word_for_a_flow_that_takes_a_text(cli: Cli, stub: StubServer, word: str, text: str) -> None:
    assert cli("run", stub.url, "shout", word, "--unary").code == 0
    assert sent(stub) == {"data": text}


def test_a_word_that_is_no_text_is_told(cli: Cli, stub: StubServer) -> None:
    ended = cli("run", stub.url, "shout", "\udcff")
    assert (ended.code, ended.out) == (ExitCode.TYPES, "")
    ended = cli("run", stub.url, "menu", "ahoy")
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert "the input is not JSON" in ended.told
    assert stub.runs == []


@pytest.mark.parametrize("options", [[], ["--unary"], ["--protocol", "callable"]], ids=repr)
def test_no_input_means_the_defaults_of_an_object(cli: Cli, stub: StubServer, options: list[str]) -> None:
    @stub.flow
    def soup(spoons: Spoons) -> int:
        return spoons.count

    assert cli("run", stub.url, "soup", *options).code == 0
    assert sent(stub) == {"data": {"count": 2}}
    ended = cli("run", stub.url, "menu", *options)
    assert (ended.code, ended.out) == (ExitCode.TYPES, "")
    assert "theme: Field required" in ended.err
    assert len(stub.runs) == 1


def test_pairs_for_a_flow_that_takes_no_object(cli: Cli, stub: StubServer) -> None:
    ended = cli("run", stub.url, "shout", "text=x")
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert "the input is no object" in ended.told
    assert stub.runs == []


def test_one_field_by_both_of_its_names(cli: Cli, stub: StubServer) -> None:
    ended = cli("run", stub.url, "menu", "theme=x", "class=1", "class_=2")
    assert ended.code == ExitCode.USAGE
    assert "'class' is given twice" in ended.told
    assert stub.runs == []


def test_flows_of_the_reflection_api_are_called_through_it(cli: Cli, stub: StubServer) -> None:
    stub.always(OPENAPI, faults.status(404))
    assert cli("run", stub.url, "menu", "theme=x", "--json").code == 0
    assert asked(stub) == [("GET", OPENAPI), ("GET", ACTIONS), ("POST", "/api/runAction")]
    assert cli("run", stub.url, "shout", '"x"', "--unary", "--protocol", "callable") == (0, "X\n", "")
    assert asked(stub)[-1] == ("POST", "/shout")


def test_a_protocol_that_is_given_keeps_the_types(cli: Cli, stub: StubServer) -> None:
    assert cli("run", stub.url, "menu", "theme=5", "--unary", "--protocol", "reflection").code == 0
    assert asked(stub) == [("GET", OPENAPI), ("POST", "/api/runAction")]
    assert sent(stub)["input"]["theme"] == "5"


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_that_tells_nothing_is_called_without_types(cli: Cli, stub: StubServer, status: int) -> None:
    stub.always(OPENAPI, faults.status(status))
    stub.always(ACTIONS, faults.status(404))
    assert cli("run", stub.url, "shout", '"x"', "--unary") == (0, "X\n", "")
    cli("run", stub.url, "menu", "theme=5")
    assert sent(stub) == {"data": {"theme": 5}}
    ended = cli("run", stub.url, "shout", "x")
    assert ended.code == ExitCode.USAGE
    assert "the input is not JSON" in ended.told


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (faults.status(401), "(HTTP 401): Unauthorized"),
        (faults.status(500), "(HTTP 500): Internal Server Error"),
        (faults.html_page(200), "the server answered with an HTML page"),
        (faults.drop(), "the connection was lost"),
        (faults.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{broken"), "JSON"),
        (faults.delay_headers(60), "the call did not end within 0."),
    ],
    ids=["401", "500", "html", "drop", "json", "mute"],
)
def test_why_the_types_are_not_known_is_told(cli: Cli, stub: StubServer, fault: Any, why: str) -> None:
    stub.always(OPENAPI, fault)
    stub.always(ACTIONS, faults.status(404))
    seconds = "1" if fault == faults.delay_headers(60) else "60"  # what is tried again needs time to fail
    ended = cli("run", stub.url, "shout", '"x"', "--unary", "--timeout", seconds)
    assert (ended.code, ended.out) == (0, "X\n")
    warning = ended.err.splitlines()[-1]  # attempts may have been told before
    assert warning.startswith(f"warning: the flow is called without its types, {NOT_KNOWN}: ")
    assert why in warning
    assert len(warning) < 400
    assert sent(stub) == {"data": "x"}


@pytest.mark.parametrize(
    "fault", [faults.delay_headers(60), faults.drop(), faults.status(500)], ids=["mute", "drop", "500"]
)
def test_a_catalog_that_was_named_and_cannot_be_read(cli: Cli, stub: StubServer, fault: Any) -> None:
    stub.always(OPENAPI, fault)
    words = ["--catalog", stub.url + OPENAPI, "--timeout", "2"]
    ended = cli("run", stub.url, "shout", '"x"', *words)
    assert (ended.code == 0, ended.out) == (False, "")
    assert ended.err.splitlines()[-1].startswith("error: ")
    assert stub.runs == []


def test_a_server_that_is_not_there(cli: Cli) -> None:
    with StubServer() as gone:
        url = gone.url
    ended = cli("run", url, "shout", '"x"')
    assert (ended.code, ended.out) == (ExitCode.NOT_CONNECTED, "")
    assert "without its types" not in ended.err


def test_a_server_out_of_reach_is_not_tried_twice(
    cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(_: Client) -> NoReturn:
        raise FlowTimeoutError("no connection", clock="connect")

    monkeypatch.setattr(Client, "discover", unreachable)
    assert cli("run", stub.url, "shout", '"x"') == (ExitCode.TIMEOUT, "", "error: no connection\n")
    assert stub.requests == []


def test_a_call_gets_the_time_that_discovery_left() -> None:
    left = time_left(60.0, monotonic() - 20).total
    assert left is not None
    assert 1 < left <= 40
    assert time_left(1.0, monotonic() - 20).total == 0.001
    assert time_left(None, 0.0).total is None


def test_a_flow_that_the_catalog_lacks(cli: Cli, stub: StubServer, saved: str) -> None:
    ended = cli("run", stub.url, "shout", '"x"', "--catalog", saved, "--unary")
    assert (ended.code, ended.out) == (0, "X\n")
    assert ended.err.startswith(
        f"warning: the flow is called without its types, {NOT_KNOWN}: no flow 'shout' in "
    )
    ended = cli("run", stub.url, "meun", "a=1")
    warning, error = ended.err.splitlines()
    assert ended.code == ExitCode.FLOW_FAILED
    assert error.startswith("error: flow 'meun': NOT_FOUND")
    assert warning.endswith(
        f": no flow 'meun' in {stub.url}/openapi.json, which has menu, shout; did you mean 'menu'?"
    )
    assert sent(stub) == {"data": {"a": 1}}


def test_a_flow_whose_schema_is_broken(cli: Cli, stub: StubServer, saved: str) -> None:
    stub.flow("broken")(lambda: "fine")
    ended = cli("run", stub.url, "broken", "--catalog", saved, "--unary")
    assert (ended.code, ended.out) == (0, "fine\n")
    assert f"{NOT_KNOWN}: flow 'broken': its output schema " in ended.told
    assert asked(stub) == [("POST", "/broken")]


def test_a_catalog_that_was_named_has_to_be_there(cli: Cli, stub: StubServer) -> None:
    ended = cli("run", stub.url, "shout", '"x"', "--catalog", "no-such-file.json")
    assert (ended.code, ended.out) == (ExitCode.NOT_DISCOVERED, "")
    assert stub.requests == []


def test_a_result_that_is_not_of_its_type(cli: Cli, stub: StubServer, tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps({"/flow/shout": action(outputSchema=INTEGER)}))
    ended = cli("run", stub.url, "shout", '"x"', "--catalog", str(file), "--unary")
    assert (ended.code, ended.out) == (ExitCode.TYPES, "")
