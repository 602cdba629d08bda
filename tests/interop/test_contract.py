"""From a real server to checked code, in one go: pull, check, generate, mypy and pyright, call.

On the way, Redocly's linter and viewer take the pulled file for what it is, an OpenAPI document.

The development server (or the app's own OpenAPI document) tells the types; the program that was written
against them then calls the app as in production, where nothing describes it any more.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from interop_expected import EXPRESS, FASTAPI, GO_NEWEST, PLAIN
from interop_flows import THEME, item, menu
from interop_servers import HOME, App, Apps

PROGRAM = """\
import asyncio
import json
import sys
from typing import assert_type

from streamflow_client import AsyncClient, Client

from flows import Flows


def blocking(url: str) -> list[object]:
    with Client(url) as client:
        flows = Flows(client)
        total = flows.menu(theme="Ünïcode", count=2).total
        assert_type(total, int)
        with flows.menu.stream(theme="Ünïcode", count=2) as stream:
            names = [item.name for item in stream]
            assert_type(names, list[str])
            result = stream.result()
        said = flows.echo("ahoy")
        assert_type(said, str)
        return [total, names, result.names, said]


async def waiting(url: str) -> list[object]:
    async with AsyncClient(url) as client:
        flows = Flows(client)
        total = (await flows.menu(theme="Ünïcode", count=2)).total
        assert_type(total, int)
        async with flows.menu.stream(theme="Ünïcode", count=2) as stream:
            names = [item.name async for item in stream]
            assert_type(names, list[str])
            result = await stream.result()
        said = await flows.echo("ahoy")
        return [total, names, result.names, said]


def wrong(client: Client) -> None:
    flows = Flows(client)
    flows.menu(theme=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    flows.menu(thme="x")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    flows.echo(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    flows.nemu(theme="x")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


if __name__ == "__main__":
    url = sys.argv[1]
    print(json.dumps([blocking(url), asyncio.run(waiting(url))]))
"""
NAMES = [item(0).name, item(1).name]
EXPECTED = [2, NAMES, menu(2).names, "ahoy"]


@dataclass(frozen=True)
class Case:
    """How an app is pulled.

    Attributes:
        dev: whether its development server describes it, not the app itself.
        samples: calls from which chunk types are learnt that nothing tells.
    """

    app: App
    dev: bool = True
    samples: tuple[str, ...] = ()


LEARNT = ('menu={"theme": "x", "count": 2}',)
CASES = {
    "go": Case(GO_NEWEST),
    "express": Case(EXPRESS, samples=LEARNT),
    "fastapi": Case(FASTAPI, samples=LEARNT),
    "plain-fastapi": Case(PLAIN, dev=False),
}


@pytest.mark.interop
@pytest.mark.parametrize("name", [pytest.param(name, id=f"{name}-contract") for name in CASES])
def test_pull_check_generate_typecheck_and_call(name: str, apps: Apps, tmp_path: Path) -> None:
    case = CASES[name]
    running = apps.get(case.app, dev=case.dev)
    described = running.reflection or running.url
    samples = [word for sample in case.samples for word in ("--sample", sample)]

    streamflow(tmp_path, "pull", described, "-o", "flows.openapi.json", *samples)
    look_at(tmp_path, "flows.openapi.json")
    streamflow(tmp_path, "check", described, "--catalog", "flows.openapi.json")
    streamflow(tmp_path, "generate", "flows.openapi.json", "-o", "flows.py")
    streamflow(tmp_path, "generate", "flows.openapi.json", "-o", "flows.py", "--check")

    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    python = (sys.executable, "-m")
    told(tmp_path, *python, "mypy", "--strict", "--config-file=", "flows.py", "program.py")
    told(tmp_path, *python, "pyright", "--pythonpath", sys.executable, "--warnings")

    production = apps.get(case.app, dev=False)
    called = told(tmp_path, sys.executable, "program.py", production.url)
    assert json.loads(called) == [EXPECTED, EXPECTED]
    assert THEME in NAMES[0]


def streamflow(folder: Path, *words: str) -> str:
    command = shutil.which("streamflow-client", path=str(Path(sys.executable).parent))
    assert command, "the command is not installed beside this Python"
    return told(folder, command, *words)


def look_at(folder: Path, file: str) -> None:
    """As those who have other tools for OpenAPI do."""
    redocly = str(HOME / "redocly/node_modules/.bin/redocly")
    assert Path(redocly).exists(), "Redocly is not installed; run: make interop"
    told(folder, redocly, "lint", "--extends=spec", file)
    told(folder, redocly, "build-docs", file, "--output", "docs.html")
    page = (folder / "docs.html").read_text("utf-8")
    assert all(f'"operationId":"{flow}"' in page for flow in ("menu", "echo", "tree"))


def told(folder: Path, *words: str) -> str:
    """What a command prints; its failure shows all that it said."""
    surroundings = os.environ | {
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
        "PYTHONUTF8": "1",
        "REDOCLY_TELEMETRY": "off",
        "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    }
    done = subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
