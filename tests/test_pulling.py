"""`streamflow-client pull` against a server: what it writes, calls, keeps and says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from shell import Cli, command_line, plain_surroundings
from streamflow_client import Catalog, Client
from streamflow_client.cli.exits import ExitCode
from streamflow_client.testing import Call, FlowFailure, StubServer

Send = Callable[[Any], None]
EVIL = "\x1b]0;evil\x07\u202e"


class Order(BaseModel):
    theme: str
    dishes: int = 2


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_surroundings(monkeypatch, columns=200)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return command_line(capsys)


@pytest.fixture
def stub(flow_stub_factory: Callable[..., StubServer]) -> StubServer:
    stub = flow_stub_factory("express")

    @stub.flow(description=f"Writes a menu. {EVIL}")
    def menu(order: Order, send: Send) -> str:
        for number in range(order.dishes):
            send({"name": order.theme, **({"price": number / 2} if number else {})})
        return "done"

    @stub.flow
    def shout(text: str, send: Send) -> str:
        send(text.upper())
        return text

    @stub.flow
    def quiet() -> None: ...

    @stub.flow
    def failing(send: Send) -> None:
        send(1)
        raise FlowFailure("NOT_FOUND", "no such thing")

    @stub.flow
    def endless(send: Send, call: Call) -> None:
        for number in count():
            send(number)
            if call.client_gone.wait(0.01):
                return

    return stub


@pytest.fixture
def pull(cli: Cli, stub: StubServer, tmp_path: Path) -> Callable[..., Any]:
    """Pull from the reflection API, which tells no chunks here."""

    def run(*words: str) -> Any:
        return cli("pull", stub.url, "--catalog", f"{stub.url}/api/actions", *words)

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "flows.openapi.json"


Pull = Callable[..., Any]


def runs(stub: StubServer) -> int:
    return len(stub.runs)


def chunk(file: Path, flow: str) -> Any:
    found = Catalog.load(file)[flow].chunk_schema
    return None if found is None else found.value


def test_a_file_is_written_and_says_what_is_missing(pull: Pull, stub: StubServer, file: Path) -> None:
    ended = pull("-o", str(file))
    assert (ended.code, ended.out) == (ExitCode.OK, "")
    count, untold = ended.err.splitlines()
    assert count == f"5 flows in {file}"
    assert untold.startswith(
        "what chunks are is not told of menu, shout, quiet, failing, endless: declare it in"
    )
    assert untold.endswith("--sample 'menu=…'")
    assert list(Catalog.load(file)) == ["endless", "failing", "menu", "quiet", "shout"]
    assert runs(stub) == 0
    before = file.read_bytes()
    assert b"\x1b" not in before
    assert "\u202e" not in before.decode()
    assert pull("-o", str(file)).code == ExitCode.OK
    assert file.read_bytes() == before


def test_a_server_that_tells_all(cli: Cli, stub: StubServer, file: Path) -> None:
    ended = cli("pull", stub.url, "--output", str(file))
    assert (ended.code, ended.err) == (ExitCode.OK, f"5 flows in {file}\n")


def test_standard_output(pull: Pull, file: Path) -> None:
    pull("-o", str(file))
    for words in ((), ("-o", "-")):
        ended = pull(*words)
        assert ended.code == ExitCode.OK
        assert ended.out == file.read_text("utf-8")
        assert ended.err.startswith("5 flows\n")


def test_chunks_are_learnt_and_widened(pull: Pull, stub: StubServer, file: Path) -> None:
    ended = pull("-o", str(file), "--sample", 'menu={"theme": "a", "dishes": 1}', "--sample", "shout=hello=x")
    assert ended.code == ExitCode.OK
    assert [run.flow for run in stub.runs] == ["menu", "shout"]
    name = {"name": {"type": "string"}}
    learnt = {"x-streamflow-inferred": True, "type": "object", "properties": name, "required": ["name"]}
    assert chunk(file, "menu") == learnt
    assert chunk(file, "shout") == {"x-streamflow-inferred": True, "type": "string"}
    before = file.read_bytes()
    assert pull("-o", str(file)).code == ExitCode.OK
    assert file.read_bytes() == before
    assert pull("-o", str(file), "--sample", 'menu={"theme": "a"}').code == ExitCode.OK
    assert chunk(file, "menu") == {**learnt, "properties": {**name, "price": {"type": "number"}}}
    with Client(stub.url, catalog=file) as client, client.flows.menu.stream(theme="a") as stream:
        assert [each.name for each in stream] == ["a", "a"]


def test_what_is_known_is_not_called_for(pull: Pull, cli: Cli, stub: StubServer, file: Path) -> None:
    pull("-o", str(file))
    declared = file.read_text("utf-8").replace('"x-streamflow-not-told": true', '"type": "integer"')
    file.write_text(declared, "utf-8")
    ended = pull("-o", str(file), "--sample", "shout=a", "--sample", "menu={}")
    assert ended.code == ExitCode.OK
    assert (
        "warning: flow 'shout' is not called for a sample: its chunk schema is declared in the file"
        in ended.err
    )
    assert chunk(file, "shout") == {"type": "integer"}
    ended = cli("pull", stub.url, "--sample", "shout=a")
    assert "not called for a sample: the server tells its chunk schema" in ended.err
    assert runs(stub) == 0


def test_what_else_the_file_says_and_flows_that_are_gone(pull: Pull, file: Path) -> None:
    pull("-o", str(file))
    document = json.loads(file.read_text("utf-8"))
    document["info"] |= {"title": "Mine", "description": "By hand."}
    others = {"servers": [{"url": "https://flows.example"}], "security": [{"token": []}]}
    document |= others
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["paths"]["/old"] = document["paths"]["/menu"]
    file.write_text(json.dumps(document), "utf-8")
    ended = pull("-o", str(file))
    assert "warning: flow 'old' is gone from the server, and so from the file" in ended.err
    again = json.loads(file.read_text("utf-8"))
    assert "/old" not in again["paths"]
    assert again | others == again
    assert again["components"]["securitySchemes"] == document["components"]["securitySchemes"]
    assert (again["info"]["title"], again["info"]["description"]) == ("Mine", "By hand.")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("secret", "found no JSON"),
        ("{}", "no OpenAPI document"),
        ('{"/flow/x": {"key": "x"}}', "holds what was not pulled (no OpenAPI document)"),
        (
            '{"openapi": "3.1.0", "info": {}, "paths": {"/a": {"get": {}}}}',
            "holds what was not pulled (GET /a)",
        ),
    ],
)
def test_another_file_stays(pull: Pull, stub: StubServer, file: Path, content: str, why: str) -> None:
    file.write_text(content)
    ended = pull("-o", str(file), "--sample", "shout=a")
    assert ended.code == ExitCode.NOT_DISCOVERED
    assert why in ended.err
    assert file.read_text() == content
    assert runs(stub) == 0


def test_an_empty_file_is_as_good_as_none(pull: Pull, file: Path) -> None:
    file.touch()
    assert pull("-o", str(file)).code == ExitCode.OK
    assert len(Catalog.load(file)) == 5


def test_where_nothing_can_be_written_no_flow_is_called(pull: Pull, stub: StubServer, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "flows.json"
    ended = pull("-o", str(nowhere), "--sample", "shout=a")
    assert ended.code == ExitCode.NOT_WRITTEN
    assert ended.err == f"error: {nowhere} cannot be written: No such file or directory\n"
    assert runs(stub) == 0
    assert pull("-o", str(tmp_path)).code == ExitCode.NOT_WRITTEN
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert pull("-o", str(tmp_path / "a")).code == ExitCode.NOT_WRITTEN
    assert (tmp_path / "a").is_symlink()


def test_a_pipe_is_written_to_and_never_read(pull: Pull, tmp_path: Path) -> None:
    place = tmp_path / "pipe"
    os.mkfifo(place)
    with subprocess.Popen(["cat", place], stdout=subprocess.PIPE) as reader:
        ended = pull("-o", str(place))
        told, _ = reader.communicate()
    assert ended.code == ExitCode.OK
    assert told == pull().out.encode()


@pytest.mark.parametrize(
    ("sample", "code", "told"),
    [
        ("nothing=1", ExitCode.NOT_DISCOVERED, "no flow 'nothing'"),
        ("menu={", ExitCode.USAGE, "is not JSON"),
        ('menu={"dishes": 1}', ExitCode.TYPES, "theme: Field required"),
        ("failing", ExitCode.FLOW_FAILED, "no such thing"),
    ],
)
def test_samples_that_fail_write_nothing(
    pull: Pull, file: Path, sample: str, code: ExitCode, told: str
) -> None:
    ended = pull("-o", str(file), "--sample", sample)
    assert ended.code == code
    assert told in ended.told
    assert not file.exists()


def test_what_is_refused_is_refused_before_a_flow_runs(pull: Pull, stub: StubServer, file: Path) -> None:
    assert pull("-o", str(file), "--sample", "shout=a", "--sample", "nothing").code == ExitCode.NOT_DISCOVERED
    pull("-o", str(file))
    document = json.loads(file.read_bytes())
    content = document["paths"]["/menu"]["post"]["responses"]["200"]["content"]
    frames = content["text/event-stream"]["itemSchema"]["properties"]["data"]["contentSchema"]["anyOf"]
    frames[0]["properties"]["message"] = {"type": "object", "properties": 5}
    file.write_text(json.dumps(document), "utf-8")
    before = file.read_bytes()
    ended = pull("-o", str(file), "--sample", "shout=a")
    assert ended.code == ExitCode.NOT_DISCOVERED
    assert "the chunk schema that the file declares is broken" in ended.err
    assert file.read_bytes() == before
    assert runs(stub) == 0


def test_a_sample_without_chunks(pull: Pull, file: Path) -> None:
    ended = pull("-o", str(file), "--sample", "quiet")
    assert ended.code == ExitCode.OK
    assert "warning: flow 'quiet' sent no chunks: nothing is learnt of them" in ended.err
    assert chunk(file, "quiet") is None


def test_time_runs_out(pull: Pull, file: Path) -> None:
    ended = pull("-o", str(file), "--timeout", "0.4", "--sample", "endless")
    assert ended.code == ExitCode.TIMEOUT
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give the server's URL, or --local"),
        (("--local", "http://localhost:9"), "give no URL"),
        (("nonsense",), "expected a URL"),
    ],
)
def test_usage(cli: Cli, words: tuple[str, ...], told: str) -> None:
    ended = cli("pull", *words)
    assert ended.code == ExitCode.USAGE
    assert told in ended.told


def test_too_many_flows_for_a_file(pull: Pull, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamflow_client.schema.saving.writing.SIZE_LIMIT", 1000)
    ended = pull("-o", str(file))
    assert ended.code == ExitCode.NOT_DISCOVERED
    assert "could not be read again" in ended.err
    assert not file.exists()


def test_ctrl_c_leaves_the_file(stub: StubServer, file: Path) -> None:
    """The flow is cancelled, and nothing is written."""
    words = ["pull", stub.url, "--catalog", f"{stub.url}/api/actions", "-o", str(file), "--sample", "endless"]
    command = [sys.executable, "-W", "error", "-m", "streamflow_client", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        stub.wait_until(lambda: any(run.flow == "endless" for run in stub.runs), 20)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=20)
    assert (running.returncode, told) == (ExitCode.CTRL_C, "cancelled\n")
    assert not file.exists()


def test_standard_output_may_be_named(stub: StubServer) -> None:
    words = [sys.executable, "-m", "streamflow_client", "pull", stub.url]
    ended = subprocess.run([*words, "-o", "/dev/stdout"], capture_output=True, timeout=30, check=True)
    assert "menu" in Catalog.parse(ended.stdout, source="stdout")
