"""The demo: every step is a real call, and is shown as it runs."""

import io
import os
import re
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from rich.console import Console

from shell import plain_surroundings
from streamflow_client.cli import main
from streamflow_client.cli.demo import STEPS, Stage, play, source_of, title_of
from streamflow_client.cli.exits import ExitCode

DEMO = [sys.executable, "-W", "error", "-m", "streamflow_client", "demo"]


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_surroundings(monkeypatch, columns=100)


def test_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    play(pace=0.05)
    out, err = capsys.readouterr()
    assert err == ""
    for number, step in enumerate(STEPS, 1):
        assert f"{number} of {len(STEPS)}  {title_of(step.code)} ─" in out
        assert source_of(step.code) in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 96
    told = " ".join(out.replace("│", " ").split())
    for fact in (
        "<Flow menu(theme: str, dishes: int = 3) -> Menu, streams MenuItem>",
        "Tonight: harbour: harbour soup, harbour pie",
        'the server saw: GET /openapi.json, then POST /menu {"data":{"theme":"harbour","dishes":2}}',
        "The lamp of Ada, 51 words",
        "a run of 'story', 51 chunks sent, finished",
        'POST /menu {"data":{"theme":"pirate","dishes":3}}, no stream',
        "2 streams open at once",
        "dishes: Input should be less than or equal to 4",
        "0 requests with this input",
        "status FAILED_PRECONDITION message The kitchen closes at 22:00",
        "a run of 'table', 1 chunk sent, failed",
        "flow 'bread': the stream was cancelled",
        "chunks sent, cancelled; its client left after 0.",
        "pot is warm … the connection is gone; later, in any process: leaves are in three minutes",
        "2 requests, but 1 run",
        "streamflow-client list URL",
        "streamflow-client run URL FLOW key=value",
    ):
        assert fact in told, fact


def test_it_is_short_and_words_come_one_by_one() -> None:
    begun = time.monotonic()
    times: list[float] = []
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        while data := os.read(program.stdout.fileno(), 65536):
            times += [time.monotonic()] * bool(re.fullmatch(rb" ?[A-Z]?[a-z]+[.,]?", data))
        assert program.stderr.read() == b""
    assert program.returncode == 0
    assert time.monotonic() - begun < 15
    assert len(times) > 10
    assert sum(later - earlier > 0.01 for earlier, later in pairwise(times)) > 10


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[bool] = []
    monkeypatch.setattr("streamflow_client.cli.demo.play", lambda: played.append(True))
    assert main(["demo"]) == ExitCode.OK
    assert played == [True]


def test_its_reader_may_leave() -> None:
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == ExitCode.CLOSED_PIPE


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["one two\n"], "  │ one two\n"),
        (["one ", "two ", "three ", "four\n"], "  │ one two three\n  │ four\n"),
        (["\n", "a\n\nb\n"], "  │\n  │ a\n  │\n  │ b\n"),
        (["  indented    \n"], "  │   indented\n"),
        (["averyveryverylongword x\n"], "  │ averyveryverylongword\n  │ x\n"),
        (["日本 日本 日本\n"], "  │ 日本 日本 日本\n"),
        (["\x1b[31m\n"], "  │ \\x1b[31m\n"),
    ],
)
def test_the_stage(pieces: list[str], shown: str) -> None:
    file = io.StringIO()
    stage = Stage(Console(file=file, width=20))
    for piece in pieces:
        stage(piece, end="")
    assert file.getvalue() == shown
