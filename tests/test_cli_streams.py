"""The command line where the shell has closed a standard stream, or where nothing can be written to it.

Real processes with real descriptors: what Python makes of a closed one cannot be had otherwise.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from shell import Cli, Ended, command_line, plain_surroundings
from streamflow_client import Ticket
from streamflow_client.cli import main
from streamflow_client.cli.exits import ExitCode
from streamflow_client.testing import FlowFailure, StubServer

Send = Callable[[Any], None]
WAY_ON = re.compile(r"^go on with: --resume (sft1\.\S+)$")
PROGRAM = [sys.executable, "-W", "error", "-m", "streamflow_client"]
NOT_WRITTEN = "error: the output cannot be written: No space left on device"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its shell and its /dev/full")


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_surroundings(monkeypatch, columns=100)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return command_line(capsys)


@pytest.fixture
def stub(flow_stub_factory: Callable[..., StubServer]) -> StubServer:
    stub = flow_stub_factory("express")

    @stub.flow(durable=True)
    def count(send: Send) -> str:
        for number in range(3):
            send(number)
        return "done"

    @stub.flow
    def echo(value: Any) -> Any:
        return value

    @stub.flow(durable=True)
    def failing(send: Send) -> None:
        raise FlowFailure("NOT_FOUND", "no such thing")

    return stub


def in_a_shell(redirection: str, *words: str) -> Ended:
    """Run a command with its streams redirected as a shell does it."""
    program = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return Ended(program.returncode, program.stdout, program.stderr)


# --- standard output ---


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_without_standard_output(stub: StubServer, options: list[str]) -> None:
    """As if it were /dev/null: whoever closed it wants the run, not its words."""
    assert in_a_shell(">&-", "run", stub.url, "count", *options) == (0, "", "")
    assert stub.run_count("count") == 1


def test_a_listing_without_standard_output(stub: StubServer) -> None:
    assert in_a_shell(">&-", "list", stub.url) == (0, "", "")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_full_disk(cli: Cli, stub: StubServer, options: list[str]) -> None:
    """Nothing was written, so the way on leads to all of it, and to no second run."""
    ended = in_a_shell(">/dev/full", "run", stub.url, "count", *options)
    error, way_on = ended.err.splitlines()
    assert (ended.code, error) == (ExitCode.NOT_WRITTEN, NOT_WRITTEN)
    ticket = WAY_ON.match(way_on)
    assert ticket
    rest = cli("run", stub.url, "count", "--json", "--resume", ticket[1])
    assert [*map(json.loads, rest.out.splitlines())] == [
        *({"chunk": n} for n in range(3)),
        {"result": "done"},
    ]
    assert (rest.code, stub.run_count("count")) == (0, 1)


def test_a_disk_that_fills_up(cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way on leads to the first chunk that could not be written."""

    class FillsUp(io.StringIO):
        def write(self, text: str) -> int:
            if text.startswith('{"chunk":2'):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(text)

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", FillsUp())
        code = main(["run", stub.url, "count", "--json"])
    error, way_on = cli("--version").err.splitlines()
    assert (code, error) == (ExitCode.NOT_WRITTEN, NOT_WRITTEN)
    ticket = WAY_ON.match(way_on)
    assert ticket
    assert Ticket.parse(ticket[1]).received == 2


def test_a_full_disk_leads_nowhere_where_the_flow_failed(stub: StubServer) -> None:
    ended = in_a_shell(">/dev/full", "run", stub.url, "failing", "--json")
    failed, error = ended.err.splitlines()
    assert (ended.code, error) == (ExitCode.NOT_WRITTEN, NOT_WRITTEN)
    assert failed.startswith("error: flow 'failing': NOT_FOUND: no such thing")


def test_a_full_disk_without_a_way_on(stub: StubServer) -> None:
    ended = in_a_shell(">/dev/full", "run", stub.url, "echo", "1", "--unary")
    assert ended == (ExitCode.NOT_WRITTEN, "", NOT_WRITTEN + "\n")


def test_the_demo_on_a_full_disk() -> None:
    """rich writes there, not `print`."""
    assert in_a_shell(">/dev/full", "demo") == (ExitCode.NOT_WRITTEN, "", NOT_WRITTEN + "\n")


def test_standard_error_on_a_full_disk(stub: StubServer) -> None:
    """The exit code still tells how the flow ended."""
    ended = in_a_shell("2>/dev/full", "run", stub.url, "failing", "--json")
    assert ended.code == ExitCode.FLOW_FAILED
    assert json.loads(ended.out)["error"]["status"] == "NOT_FOUND"


# --- standard input ---


@pytest.mark.parametrize(
    ("redirection", "told"),
    [
        ("<&-", "there is no standard input to read, it is closed"),
        ("0>/dev/null", "standard input cannot be read"),
    ],
    ids=["closed", "only for writing"],
)
def test_without_standard_input(stub: StubServer, redirection: str, told: str) -> None:
    ended = in_a_shell(redirection, "run", stub.url, "echo", "-")
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert told in ended.told
    assert stub.requests == []


def test_all_streams_closed(stub: StubServer) -> None:
    """The descriptors 0 and 2 may then be sockets: nothing but HTTP may be written to them."""
    assert in_a_shell("<&- >&- 2>&-", "run", stub.url, "failing").code == ExitCode.FLOW_FAILED
    assert stub.run_count("failing") == 1
