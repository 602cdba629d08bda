"""Every block of the README is run against a real stub; what it prints is what the README says.

A Python block that begins with imports is a program, any other one continues the block before it. A text
block after blocks that print is their output. Times in seconds are not compared.
"""

import ast
import builtins
import contextlib
import io
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import streamflow_client
from streamflow_client.testing import StubServer

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SERVER = "http://localhost:3400"  # what the README calls, and the stub stands for


@dataclass
class Block:
    language: str
    line: int  # of its first line in the README
    text: str

    @property
    def code(self) -> str:
        """The text where it stands in the README, so that tracebacks name the right line."""
        return "\n" * (self.line - 1) + self.text


@dataclass
class Program:
    """Blocks that run one after the other, and what they print together."""

    blocks: list[Block]
    output: str | None = None

    @property
    def is_test(self) -> bool:
        return any("\ndef test_" in block.text for block in self.blocks)


@dataclass
class Page:
    programs: list[Program] = field(default_factory=list[Program])
    commands: list[Program] = field(default_factory=list[Program])
    others: list[Block] = field(default_factory=list[Block])


def blocks() -> Iterator[Block]:
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        yield Block(found[1], README.count("\n", 0, found.start(2)) + 1, found[2])


def read() -> Page:
    page = Page()
    printing: Program | None = None
    for block in blocks():
        match block.language:
            case "python" if not begins_a_program(block):
                page.programs[-1].blocks.append(block)
            case "python":
                printing = Program([block])
                page.programs.append(printing)
            case "sh":
                printing = Program([block])
                page.commands.append(printing)
            case "text" if printing is not None:
                printing.output, printing = block.text, None
            case _:
                page.others.append(block)
                printing = None
    return page


def begins_a_program(block: Block) -> bool:
    return isinstance(ast.parse(block.text).body[0], ast.Import | ast.ImportFrom)


PAGE = read()


def at(program: Program) -> str:
    return f"line {program.blocks[0].line}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubServer]:
    """The server that the README tells its reader to start, without its pauses.

    What commands write, they write to a folder of this test, where programs find it.
    """
    build: Callable[..., StubServer] = runpy.run_path(str(ROOT / "examples/server.py"))["build"]
    folder = tmp_path_factory.mktemp("readme")
    with build(pace=0) as stub, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        for commands in PAGE.commands:
            for line in commands.blocks[0].text.splitlines():
                if "-o" in (words := shlex.split(line, comments=True)):
                    run_command(words, stub)
        yield stub


def comparable(printed: str, server: StubServer) -> str:
    return re.sub(r"\d+\.\d\d s\b", "0.00 s", printed.replace(server.url, SERVER))


def test_there_are_blocks_of_every_kind() -> None:
    assert len(PAGE.programs) > 5
    assert len(PAGE.commands) > 3
    assert any(program.is_test for program in PAGE.programs)
    # What no test runs: the tree of errors, and lines for another program.
    assert [block.language for block in PAGE.others] == ["text", "nginx"]


@pytest.mark.parametrize("program", [each for each in PAGE.programs if not each.is_test], ids=at)
def test_a_program(program: Program, server: StubServer) -> None:
    printed = io.StringIO()
    names: dict[str, Any] = {"__name__": "readme"}
    with contextlib.redirect_stdout(printed):
        for block in program.blocks:
            code = block.code.replace(SERVER, server.url)
            exec(compile(code, ROOT / "README.md", "exec", dont_inherit=True), names)
    assert comparable(printed.getvalue(), server) == (program.output or "")
    server.wait_until(lambda: server.open_streams == 0 and server.connections.in_use == 0)


def test_the_tests(tmp_path: Path) -> None:
    for program in PAGE.programs:
        if program.is_test:
            file = tmp_path / f"test_line_{program.blocks[0].line}.py"
            file.write_text("".join(block.text for block in program.blocks), "utf-8")
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{sum(each.is_test for each in PAGE.programs)} passed" in ran.stdout


@pytest.mark.parametrize("commands", PAGE.commands, ids=at)
def test_commands(commands: Program, server: StubServer) -> None:
    printed = "".join(
        run_command(words, server)
        for line in commands.blocks[0].text.splitlines()
        if (words := shlex.split(line, comments=True))
    )
    if commands.output is not None:
        assert comparable(printed, server) == commands.output


def run_command(words: list[str], server: StubServer) -> str:
    """What a command prints; those that would install or start something are only checked."""
    match words:
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        case ["pip", "install", requirement]:
            check_requirement(requirement)
        case ["python", program]:
            assert (ROOT / program).is_file()
        case ["streamflow-client", *arguments]:
            return run_client([word.replace(SERVER, server.url) for word in arguments])
        case _:
            pytest.fail(f"no test knows how to run {words}")
    return ""


def check_requirement(requirement: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = re.fullmatch(r"([\w-]+)(?:\[(\w+)\])?", requirement)
    assert found
    assert found[1] == project["name"]
    assert found[2] is None or found[2] in project["optional-dependencies"]


def run_client(arguments: list[str]) -> str:
    """The console script's module, since the script may not be on PATH."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "streamflow_client", *arguments],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    files = [target for target in targets if "://" not in target]
    assert [file for file in files if not (ROOT / file).exists()] == []
    examples = {f"examples/{file.name}" for file in (ROOT / "examples").glob("*.py")}
    assert examples <= set(files)


def test_errors_that_are_named_exist() -> None:
    names = set(re.findall(r"\b[A-Z][A-Za-z]+Error\b", README))
    # Genkit's own, in the words of servers: none so far.
    assert {
        name for name in names if not hasattr(streamflow_client, name) and not hasattr(builtins, name)
    } == set()


def test_the_tree_of_errors_is_the_real_one() -> None:
    tree = next(block.text for block in PAGE.others if block.language == "text")
    parents: list[str] = []
    for line in tree.splitlines():
        indent, name = re.match(r"([│├└─ ]*)(\w+)", line, re.ASCII).groups()  # type: ignore[union-attr]
        if not name.endswith("Error"):
            continue
        depth = len(indent) // 4
        del parents[depth:]
        if parents:
            cls, parent = (getattr(streamflow_client, each) for each in (name, parents[-1]))
            assert parent in cls.__bases__, line
        parents.append(name)


def test_the_defaults_are_the_real_ones() -> None:
    """The block under "Clocks and retries" says that it shows the defaults."""
    block = next(each for each in blocks() if "timeout=Timeout(" in each.text)
    for call in ast.walk(ast.parse(block.text)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id != "Client":
            cls = getattr(streamflow_client, call.func.id)
            given = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
            assert cls(**given) == cls()
            assert set(given) == set(cls.__dataclass_fields__)


def test_limits_are_the_real_ones() -> None:
    from streamflow_client.options import DEFAULT_MAX_EVENT_BYTES, DEFAULT_MAX_RESPONSE_BYTES, MIB

    assert f"`max_event_bytes` ({DEFAULT_MAX_EVENT_BYTES // MIB} MiB)" in README
    assert f"`max_response_bytes` ({DEFAULT_MAX_RESPONSE_BYTES // MIB} MiB)" in README
