"""The command line, run in the tests' own process, in surroundings that change nothing of what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import pytest

from streamflow_client.cli import main

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """Standard error without the styles, frames and line breaks of a terminal.

        Typer styles whatever NO_COLOR says, where `PY_COLORS` or `GITHUB_ACTIONS` is set.
        """
        return " ".join(_STYLE.sub("", self.err).replace("│", " ").split())


Cli = Callable[..., Ended]


def command_line(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process."""

    def run(*words: str) -> Ended:
        code = main(words)
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return run


def plain_surroundings(monkeypatch: pytest.MonkeyPatch, *, columns: int) -> None:
    """No token, no colours, no encoding of the caller's; a terminal of that width."""
    for name in ("STREAMFLOW_TOKEN", "FORCE_COLOR", "TTY_COMPATIBLE", "PYTHONIOENCODING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
