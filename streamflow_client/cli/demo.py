"""`streamflow-client demo`: a tour in a few seconds, on real sockets.

In: a console. Out: for each step its code, what it prints as it runs, and what the server saw. The flows
stand in `demo_flows.py`, the calls in `demo_steps.py`; nothing here pretends a result.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ..aio import AsyncClient
from ..sync import Client
from ..testing import StubServer
from . import demo_steps
from .demo_flows import make_server
from .output import PipedConsole
from .terminal import safe_text

WIDEST = 96
BAR = "  │ "


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its code, whose docstring is its title, and what the server saw of it."""

    code: Callable[[Client, Stage], None] | Callable[[AsyncClient, Stage], Awaitable[None]]
    witness: Callable[[StubServer], str]


class Stage:
    """A `print` that shows every piece at once, behind a bar, and breaks lines between words."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._column = 0
        self._space = ""

    def __call__(self, *values: object, sep: str = " ", end: str = "\n") -> None:
        text = safe_text(sep.join(map(str, values)) + end)
        for piece in re.findall(r"\n| +|[^ \n]+", text):
            if piece == "\n":
                self._newline()
            elif piece.isspace():
                self._space = piece  # written with the word that follows, if on the same line
            else:
                self._word(piece)

    def _word(self, word: str) -> None:
        piece = self._space + word
        if self._column and self._column + cell_len(piece) > self._console.width - len(BAR):
            self._newline()
            piece = word
        if not self._column:
            self._put(BAR, "cyan")
        self._put(piece)
        self._column += cell_len(piece)
        self._space = ""

    def _newline(self) -> None:
        if not self._column:
            self._put(BAR.rstrip(), "cyan")
        self._put("\n")
        self._column = 0
        self._space = ""

    def _put(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), end="", soft_wrap=True)


def play(pace: float = 1.0) -> None:
    """Run every step against a server of its own. `pace` stretches the flows' pauses."""
    console = PipedConsole(highlight=False)
    console.width = min(console.width, WIDEST)
    with make_server(pace) as stub:
        _open(console, stub)
        for number, step in enumerate(STEPS, 1):
            _play_step(console, stub, step, f"{number} of {len(STEPS)}")
    _close(console)


def _open(console: Console, stub: StubServer) -> None:
    text = Text.assemble(
        ("streamflow-client", "bold"),
        f"\nA flow server has just started at {stub.url}. All that follows are real calls over"
        " real sockets; the code that is shown is the code that runs.",
    )
    console.print(Panel(text, border_style="cyan", padding=(0, 1)))


def _play_step(console: Console, stub: StubServer, step: Step, number: str) -> None:
    console.print()
    console.rule(
        Text.assemble((f"{number}  ", "dim"), (title_of(step.code), "bold")), align="left", style="cyan"
    )
    code = Syntax("", "python", theme="ansi_dark").highlight(source_of(step.code))
    console.print(code, soft_wrap=True)
    _run_code(step.code, stub.url, Stage(console))
    console.print(_checked(f"the server saw: {step.witness(stub)}"))


def _checked(text: str) -> Table:
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_row("  [bold green]✔", Text(text, "green"))
    return line


def _run_code(code: Callable[[Any, Stage], Any], url: str, stage: Stage) -> None:
    if inspect.iscoroutinefunction(code):
        asyncio.run(_run_async(code, url, stage))
        return
    with Client(url) as client:
        code(client, stage)


async def _run_async(code: Callable[[AsyncClient, Stage], Awaitable[None]], url: str, stage: Stage) -> None:
    async with AsyncClient(url) as client:
        await code(client, stage)


def _close(console: Console) -> None:
    text = Text.assemble(
        "The flows of your server:  ",
        ("streamflow-client list URL", "bold"),
        "\nA call of one of them:      ",
        ("streamflow-client run URL FLOW key=value", "bold"),
        "\nFrom Python: README.md, and the programs in examples/",
    )
    console.print()
    console.print(Panel(text, title="Next", title_align="left", border_style="cyan"))


def title_of(function: Callable[..., object]) -> str:
    """The docstring of a step."""
    return (function.__doc__ or "").removesuffix(".")


def source_of(function: Callable[..., object]) -> str:
    """The body of a step, without its `def` line and its docstring, indented a little."""
    lines = inspect.getsource(function).splitlines()[2:]
    return textwrap.indent(textwrap.dedent("\n".join(lines)).strip(), "  ")


# --- what the server saw ---


def _last_run(stub: StubServer) -> str:
    run = stub.runs[-1]
    chunks = f"{run.chunks_sent} chunk{'' if run.chunks_sent == 1 else 's'}"
    return f"a run of {run.flow!r}, {chunks} sent, {run.outcome}"


def _question_and_call(stub: StubServer) -> str:
    question, call = stub.requests[-2:]
    return f"{question.method} {question.path}, then {call.method} {call.path} {call.body.decode()}"


def _plain_request(stub: StubServer) -> str:
    request = stub.requests[-1]
    kind = "asks for a stream" if request.streaming else "no stream"
    return f"{request.method} {request.path} {request.body.decode()}, {kind}"


def _at_once(stub: StubServer) -> str:
    return f"{stub.most_open_streams} streams open at once, each with its own chunks"


def _nothing(stub: StubServer) -> str:
    sent = [request for request in stub.requests if b"99" in request.body]
    return f"{len(sent)} requests with this input: it was caught before sending"


def _departure(stub: StubServer) -> str:
    run, request = stub.runs[-1], stub.requests[-1]
    stub.wait_until(lambda: run.client_left is not None)
    seconds = (run.client_left or 0) - request.at
    return f"{_last_run(stub)}; its client left after {seconds:.2f} s"


def _one_run(stub: StubServer) -> str:
    requests = [request for request in stub.requests if request.flow == "tea"]
    return f"{len(requests)} requests, but {stub.run_count('tea')} run: resuming runs nothing again"


STEPS = (
    Step(demo_steps.discover, _question_and_call),
    Step(demo_steps.story, _last_run),
    Step(demo_steps.menu, _plain_request),
    Step(demo_steps.menus, _at_once),
    Step(demo_steps.invalid, _nothing),
    Step(demo_steps.failure, _last_run),
    Step(demo_steps.cancel, _departure),
    Step(demo_steps.resume, _one_run),
)
