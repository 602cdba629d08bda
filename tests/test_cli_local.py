"""`list --local`, `check --local` and `run --local`: the server that a project's runtime files name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from shell import Cli, command_line, plain_surroundings
from small_proxy import SmallProxy
from streamflow_client.cli.exits import ExitCode
from streamflow_client.local import RUNTIMES
from streamflow_client.testing import StubServer, faults

HEALTH, ACTIONS, RUN = "/api/__health", "/api/actions", "/api/runAction"
SECRET = "the-secret"
EVIL = "\x1b]0;evil\x07\u202e"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is one of a project's."""
    plain_surroundings(monkeypatch, columns=300)
    inside = tmp_path / "src"
    inside.mkdir()
    monkeypatch.chdir(inside)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return command_line(capsys)


@pytest.fixture
def start(flow_stub_factory: Callable[..., StubServer], tmp_path: Path) -> Callable[..., StubServer]:
    """A server in development mode, with its runtime file."""

    def start(**told: Any) -> StubServer:
        stub = flow_stub_factory()
        stub.always(HEALTH, faults.status(200, body=b"OK"))

        @stub.flow
        def shout(text: str, send: Callable[[str], None]) -> str:
            send(text)
            return text.upper()

        @stub.flow
        def spoons() -> int:
            return 7

        file = tmp_path / RUNTIMES / f"{stub.port}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"id": "i", "pid": 77, "reflectionServerUrl": stub.url} | told))
        return stub

    return start


def asked(stub: StubServer) -> list[str]:
    return [request.path for request in stub.requests]


def test_list_shows_the_flows_of_the_server_that_runs(cli: Cli, start: Callable[..., StubServer]) -> None:
    stub = start()
    ended = cli("list", "--local")
    assert (ended.code, ended.err) == (ExitCode.OK, "")
    assert ended.out.splitlines() == [
        "shout(input: str, /) -> str",
        "spoons(input: Any = …, /) -> int",
        f"2 flows from {stub.url}{ACTIONS}, called through the reflection API",
    ]
    assert asked(stub) == [HEALTH, ACTIONS]


def test_check_compares_the_server_that_runs(cli: Cli, start: Callable[..., StubServer]) -> None:
    stub = start()
    with urlopen(stub.url + ACTIONS) as answer:
        Path("flows.json").write_bytes(answer.read())
    ended = cli("check", "--local", "--catalog", "flows.json")
    assert ended == (ExitCode.OK, f"no differences between flows.json and {stub.url}{ACTIONS}\n", "")


def test_list_for_programs(cli: Cli, start: Callable[..., StubServer]) -> None:
    stub = start()
    ended = cli("list", "--local", "--json")
    document = json.loads(ended.out)
    assert ended.code == ExitCode.OK
    assert [(flow["name"], flow["protocol"], flow["source"]) for flow in document["flows"]] == [
        (name, "reflection", stub.url + ACTIONS) for name in ("shout", "spoons")
    ]


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["--local", "shout", "hi", "--unary"], "HI\n"),
        (["--local", "spoons", "--unary"], "7\n"),
        (["shout", "hi", "--local", "--json"], '{"chunk":"hi"}\n{"result":"HI"}\n'),
        (["--app", "i", "shout", "hi", "--unary"], "HI\n"),
    ],
)
def test_run_calls_a_flow_of_it(
    cli: Cli, start: Callable[..., StubServer], words: list[str], out: str
) -> None:
    stub = start()
    ended = cli("run", *words)
    assert (ended.code, ended.out, ended.err) == (ExitCode.OK, out, "")
    assert asked(stub) == [HEALTH, ACTIONS, RUN]


def test_neither_the_token_of_the_environment_nor_a_proxy_gets_anything(
    cli: Cli, start: Callable[..., StubServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = start()
    monkeypatch.setenv("STREAMFLOW_TOKEN", SECRET)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with SmallProxy() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.address}")
        assert cli("list", "--local").code == ExitCode.OK
        assert cli("run", "--local", "shout", "hi").code == ExitCode.OK
        assert proxy.accepted == 0
    assert SECRET not in str(stub.requests)


def test_one_of_several_is_chosen_by_its_name(cli: Cli, start: Callable[..., StubServer]) -> None:
    shop, bank = start(name="shop"), start(name="bank")
    ended = cli("list", "--local")
    assert ended.code == ExitCode.NOT_DISCOVERED
    assert "several Genkit dev servers run" in ended.told
    assert f"'shop' at {shop.url}" in ended.told
    assert f"'bank' at {bank.url}" in ended.told
    ended = cli("list", "--local", "--app", "bank")
    assert f"from {bank.url}" in ended.out
    assert f"from {shop.url}" in cli("list", "--app", "shop").out


@pytest.mark.parametrize("words", [["list", "--local"], ["run", "--local", "shout", "hi"]])
def test_where_none_runs_it_says_what_was_looked_at_and_what_to_do(
    cli: Cli, tmp_path: Path, words: list[str]
) -> None:
    file = tmp_path / RUNTIMES / "x.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"id": "i", "reflectionServerUrl": "http://evil.com:1/" + EVIL + "x" * 999}))
    ended = cli(*words)
    assert (ended.code, ended.out) == (ExitCode.NOT_DISCOVERED, "")
    assert ended.err.startswith(f"error: no Genkit dev server runs ({tmp_path / RUNTIMES}: x.json: refused, ")
    assert ended.err.endswith("give its URL\n")
    assert ended.err.count("\n") == 1
    assert ended.err.strip().isprintable()
    assert "x" * 200 not in ended.err


def test_for_programs_the_failure_is_json(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / RUNTIMES).mkdir(parents=True)
    error = json.loads(cli("list", "--local", "--json").out)["error"]
    assert error["type"] == "DiscoveryError"
    assert "no files" in error["message"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list"], "give the server's URL, or --local"),
        (["list", "http://localhost:1", "--local"], "give no URL"),
        (["list", "--local", "-H", f"Authorization: {SECRET}"], "sends no credentials"),
        (["list", "--local", "--catalog", "file.json"], "give no"),
        (["run", "--local", "shout", "-H", f"Authorization: {SECRET}"], "sends no credentials"),
        (["run", "--local", "shout", "--protocol", "callable"], "give no"),
        (["run", "http://localhost:1"], "name a flow"),
        (["run", "--local"], "Missing argument"),
    ],
)
def test_words_that_make_no_sense_with_it(
    cli: Cli, start: Callable[..., StubServer], words: list[str], told: str
) -> None:
    stub = start()
    ended = cli(*words)
    assert ended.code == ExitCode.USAGE
    assert told in ended.told
    assert SECRET not in ended.told
    assert stub.requests == []


def test_its_time_may_be_limited(cli: Cli, start: Callable[..., StubServer]) -> None:
    start().always(ACTIONS, faults.delay_headers(3600))
    ended = cli("list", "--local", "--timeout", "0.2")
    assert ended.code == ExitCode.TIMEOUT
    assert "total" in ended.told
