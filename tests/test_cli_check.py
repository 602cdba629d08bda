"""The command that compares a server with a catalog file: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import pytest
from pydantic import BaseModel, Field

from shell import Cli, command_line, plain_surroundings
from streamflow_client import Catalog, Difference
from streamflow_client.cli import checking, exits
from streamflow_client.cli.exits import ExitCode
from streamflow_client.cli.lines import lines_of
from streamflow_client.schema.comparing.rules import RULES, Part, severity
from streamflow_client.testing import StubServer, faults

OPENAPI, ACTIONS = "/openapi.json", "/api/actions"
CONTRACT = Path(__file__).resolve().parent.parent / "docs" / "contract.md"
EVIL = "\x1b]0;evil\x07\u202e\n"
NOWHERE = "http://localhost:9"


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_surroundings(monkeypatch, columns=60)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return command_line(capsys)


class Order(BaseModel):
    theme: str
    dishes: int = Field(default=3, ge=1)


class Menu(BaseModel):
    title: str


@pytest.fixture
def stub(flow_stub_factory: Callable[..., StubServer]) -> StubServer:
    stub = flow_stub_factory("go")

    @stub.flow
    def menu(order: Order, send: Callable[[Any], None]) -> Menu:
        return Menu(title=order.theme)

    return stub


Change = Callable[[Any], None]
Save = Callable[..., str]


def unchanged(schemas: Any) -> None:
    pass


@pytest.fixture
def saved(stub: StubServer, tmp_path: Path) -> Save:
    """Writes what the server tells to a file, as some other version of it."""
    with urlopen(stub.url + OPENAPI) as answer:
        told = answer.read()

    def save(change: Change = unchanged) -> str:
        document = json.loads(told)
        change(document["components"]["schemas"])
        file = tmp_path / "flows.json"
        file.write_text(json.dumps(document, indent=1), "utf-8")
        return str(file)

    return save


def other_order(schemas: Any) -> None:
    """The server now wants whole dishes, has lost a flow's field, and tells a new one."""
    fields = schemas["Order"]["properties"]
    fields["dishes"]["type"] = "number"
    del fields["theme"]["type"]
    del schemas["Menu"]["properties"]["title"]
    schemas["Menu"]["required"] = []


def no_title(schemas: Any) -> None:
    schemas["Menu"] = {"type": "object"}


# --- for people ---


def test_nothing_differs(cli: Cli, stub: StubServer, saved: Save) -> None:
    file = saved()
    told = f"no differences between {file} and {stub.url}/openapi.json\n"
    assert cli("check", stub.url, "--catalog", file) == (0, told, "")


def test_differences_are_compatible(cli: Cli, stub: StubServer, saved: Save) -> None:
    file = saved(no_title)
    ended = cli("check", stub.url, "--catalog", file)
    assert ended == (
        0,
        (
            "flow menu\n"
            "  compatible: output: It was `dict[str, Any]`, and is `Menu` now. [type-narrowed]\n"
            f"1 difference between {file} and {stub.url}/openapi.json, which is compatible\n"
        ),
        "",
    )


def test_something_breaks(cli: Cli, stub: StubServer, saved: Save) -> None:
    file = saved(other_order)
    ended = cli("check", stub.url, "--catalog", file)
    assert ended == (
        1,
        (
            "flow menu\n"
            "  breaking for input: input/properties/theme: It was `Any`, and is `str` now: the server may"
            " refuse what programs send. [type-narrowed]\n"
            "  breaking for input: input/properties/dishes: It was `float`, and is `int` now: the server may"
            " refuse what programs send. [type-narrowed]\n"
            "  compatible: output/properties/title: The field 'title' is new, and has to be there."
            " [required-field-added]\n"
            f"3 differences between {file} and {stub.url}/openapi.json, 2 breaking\n"
        ),
        "",
    )


def test_a_flow_is_gone(cli: Cli, stub: StubServer, tmp_path: Path) -> None:
    file = tmp_path / "actions.json"
    file.write_text(json.dumps({"/flow/gone": {"key": "/flow/gone"}, "/flow/../up": {"key": "x"}}))
    ended = cli("check", stub.url, "--catalog", str(file))
    assert ended.code == 1
    assert ended.out.splitlines()[:4] == [
        "flow gone",
        "  breaking: The server has no such flow: calls of it fail. [flow-removed]",
        "flow menu",
        "  compatible: The file does not name this flow. [flow-added]",
    ]
    assert ended.err.startswith(f"warning: catalog {file}: action '/flow/../up' is skipped")


def test_no_line_is_a_command_to_github(cli: Cli, stub: StubServer, tmp_path: Path) -> None:
    file = tmp_path / "flows.json"
    fields = {"properties": {"a\n::add-mask::b": {"const": "##[add-mask]c"}, "##[add-mask]d": {}}}
    flows = {"::add-mask::a": {"key": ""}, "##[add-mask]e": {"key": ""}}
    menu = {"key": "", "inputSchema": fields, "outputSchema": {"x": {"not": fields}}}
    file.write_text(json.dumps({f"/flow/{name}": flow for name, flow in {**flows, "menu": menu}.items()}))
    for form in ([], ["--json"]):
        ended = cli("check", stub.url, "--catalog", str(file), *form)
        assert ended.code == 1
        assert "add-mask]d" in ended.out
        lines = (ended.out + ended.err).splitlines()
        assert not [line for line in lines if line.strip().startswith("::")]
        assert form or not [line for line in lines if "##[" in line]


def test_a_pipe_is_read_once(cli: Cli, stub: StubServer, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = Thread(target=pipe.write_text, args=[json.dumps({"/flow/gone": {"key": ""}})])
    writing.start()
    ended = cli("check", stub.url, "--catalog", str(pipe), "--github")
    writing.join()
    assert ended.code == 1
    assert f"::error file={pipe},title=gone" in ended.out


def test_text_of_a_server_moves_no_cursor(cli: Cli, stub: StubServer, tmp_path: Path) -> None:
    evil = {"properties": {EVIL: {"const": EVIL}}}
    stub.always(OPENAPI, faults.status(404))
    file = tmp_path / "flows.json"
    file.write_text(json.dumps({"/flow/menu": {"key": "", "inputSchema": evil}}))
    for form in ([], ["--json"], ["--github"]):
        ended = cli("check", stub.url, "--catalog", str(file), *form)
        assert ended.code == 1
        assert "evil" in ended.out
        assert not any(character in ended.out + ended.err for character in "\x1b\x07\u202e")


def test_headers_and_token_go_with_the_question(cli: Cli, stub: StubServer, saved: Save) -> None:
    file = saved()
    words = ["-H", "X-One: 1", "--auth", "s3cret", "--timeout", "20"]
    assert cli("check", stub.url, "--catalog", file, *words).code == 0
    headers = stub.requests[-1].headers
    assert (headers["x-one"], headers["authorization"]) == ("1", "Bearer s3cret")


# --- for programs ---


def test_one_json_document(cli: Cli, stub: StubServer, saved: Save) -> None:
    file = saved(other_order)
    ended = cli("check", stub.url, "--catalog", file, "--json")
    told = json.loads(ended.out)
    assert (ended.code, ended.err) == (1, "")
    assert {key: told[key] for key in told if key != "differences"} == {
        "url": f"{stub.url}/openapi.json",
        "catalog": file,
        "breaking": 2,
    }
    assert told["differences"][0] == {
        "flow": "menu",
        "role": "input",
        "severity": "breaking",
        "rule": "type-narrowed",
        "path": "input/properties/theme",
        "message": "It was `Any`, and is `str` now: the server may refuse what programs send.",
    }
    assert len(told["differences"]) == 3


# --- for GitHub ---


def test_annotations(cli: Cli, stub: StubServer, saved: Save) -> None:
    file = saved(other_order)
    ended = cli("check", stub.url, "--catalog", file, "--github")
    *annotations, summary = ended.out.splitlines()
    lines = Path(file).read_text().splitlines()
    found = [re.fullmatch(r"::(\w+) file=(.*),line=(\d+),title=(.*?)::(.*)", each) for each in annotations]
    told = [(each[1], each[2], lines[int(each[3]) - 1].strip(), each[4]) for each in found if each]
    assert told == [
        ("error", file, '"theme": {', "menu%3A breaking for input"),
        ("error", file, '"dishes": {', "menu%3A breaking for input"),
        ("notice", file, '"Menu": {', "menu%3A compatible"),
    ]
    assert summary.endswith("2 breaking")
    assert ended.code == 1


def test_what_github_would_take_for_its_own_is_escaped() -> None:
    difference = Difference("a:b,c%\r\n", "output", "breaking", "x", "output/50%", "One.\r\nTwo: 100%, done.")
    assert checking._annotation("a,b:c.json", difference, None) == (
        "::error file=a%2Cb%3Ac.json,title=a%3Ab%2Cc%25\\r%0A%3A breaking for output"
        "::output/50%25: One.\\r%0ATwo: 100%25, done."
    )


DISH: Any = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Dish"}]}
SCHEMA: Any = {
    "properties": {
        "dishes": {"items": [{}, DISH]},
        'a"\\/~{[,:': {"type": "object", "additionalProperties": {"type": "integer"}},
    },
    "$defs": {"Dish": {"properties": {"price": {"type": "integer"}}}},
}
PLACES = [
    ("input", '"inputSchema": {'),
    ("input/properties/dishes", '"dishes": {'),
    ("input/properties/dishes/items/1/properties/price", '"price": {'),
    ("input/properties/dishes/items/1/properties/new", "{"),
    ("input/properties/dishes/items/0", "{},"),
    ('input/properties/a"\\~1~0{[,:/additionalProperties', '"additionalProperties": {'),
    ("input/properties/none", '"inputSchema": {'),
    ("flow", '"/flow/menu": {'),
    ("chunk", '"/flow/menu": {'),
]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(("path", "expected"), PLACES)
def test_the_line_of_a_place(path: str, expected: str, wrapped: bool) -> None:
    actions = {
        "/flow/other": {"key": ""},
        "/flow/menu": {"key": "", "n": [1, {"x": []}, []], "inputSchema": SCHEMA},
    }
    text = json.dumps({"actions": actions} if wrapped else actions, indent=2)
    part: Any = path.partition("/")[0]
    difference = Difference("menu", part, "breaking", "", path, "")
    (line,) = lines_of(text, Catalog.parse(text, source=""), [difference])
    assert line is not None
    assert text.splitlines()[line - 1].strip() == expected


def test_no_line() -> None:
    text = json.dumps({"/flow/menu": {"key": "", "inputSchema": {"$ref": "#/nowhere"}}})
    flows = Catalog.parse(text, source="")
    new = Difference("new", "flow", "compatible", "", "", "")
    broken = Difference("menu", "input", "breaking", "", "input", "")
    assert lines_of(text, flows, [new, broken]) == [None, 1]
    assert lines_of(text + " " * 2**23, flows, [broken]) == [None]


# --- what could not be compared ---


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Missing option '--catalog'"),
        ([NOWHERE, "--catalog", "no-such-file.json"], "no-such-file.json: No such file"),
        (["--catalog", "FILE"], "give the server's URL, or --local"),
        (["http://h?token=s3cret", "--catalog", "FILE"], "***"),
        ([NOWHERE, "--catalog", "FILE", "--json", "--github"], "give --json or --github, not both"),
        ([NOWHERE, "--catalog", "FILE", "--local"], "--local finds the server itself"),
        ([NOWHERE, "--catalog", "FILE", "--timeout", "5", "-H", "x"], "a header is written as"),
        ([NOWHERE, "--catalog", "FILE", "--timeout", "0.3"], "localhost:9"),
    ],
)
def test_what_could_not_be_compared(cli: Cli, saved: Save, words: list[str], says: str) -> None:
    file = saved()
    ended = cli("check", *(file if word == "FILE" else word for word in words))
    assert (ended.code, ended.out) == (exits.NOT_COMPARED, "")
    assert says in ended.told
    assert "s3cret" not in ended.err


@pytest.mark.parametrize("fault", [faults.html_page(200), faults.status(404)])
def test_a_server_that_tells_nothing(cli: Cli, stub: StubServer, saved: Save, fault: Any) -> None:
    file = saved()
    for place in (OPENAPI, ACTIONS):
        stub.always(place, fault)
    ended = cli("check", stub.url, "--catalog", file, "--json")
    assert ended.code == exits.NOT_COMPARED
    assert json.loads(ended.out)["error"]["type"] == "DiscoveryError"


def test_a_file_that_is_no_catalog(cli: Cli, stub: StubServer, tmp_path: Path) -> None:
    file = tmp_path / "flows.json"
    file.write_text("[]")
    ended = cli("check", stub.url, "--catalog", str(file))
    assert ended.code == exits.NOT_COMPARED
    assert "found JSON that is a list" in ended.err


def test_an_unexpected_error_does_not_look_like_a_break(
    cli: Cli, stub: StubServer, saved: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(Catalog, "differences", fail)
    ended = cli("check", stub.url, "--catalog", saved())
    assert ended == (exits.NOT_COMPARED, "", "unexpected error: ZeroDivisionError: by\\nzero\n")


@pytest.mark.parametrize("code", ExitCode)
def test_codes(code: ExitCode) -> None:
    ended = exits.check_code(code, exits.BREAKS)
    own = {ExitCode.OK: 1, ExitCode.CTRL_C: 130, ExitCode.CLOSED_PIPE: 141, ExitCode.TERMINATED: 143}
    assert ended == own.get(code, 2)


# --- the page ---


def test_the_page_tells_every_rule() -> None:
    row = re.compile(r"^\| `([a-z-]+)` \| (.+) \| (\w+) \| (\w+) \|$", re.MULTILINE)
    rows = row.findall(CONTRACT.read_text("utf-8"))
    parts: dict[bool, tuple[Part, Part]] = {True: ("flow", "flow"), False: ("input", "output")}
    assert rows == [
        (name, rule.meaning, *(severity(name, part) for part in parts[name.startswith("flow-")]))
        for name, rule in RULES.items()
    ]
