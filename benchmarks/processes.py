"""The processes of a benchmark: the server, and a worker for each contestant.

In: names. Out: what they answer. They end with us: each reads its standard input until we close it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.request import urlopen

from .contestants import Entry

HERE = Path(__file__).parent
JAVASCRIPT = Path(os.environ.get("STREAMFLOW_BENCH", HERE.parent / ".bench")).resolve()
Core = Literal["server", "client"]
PATIENCE = 20.0  # seconds that a process may take to end


class Process:
    """A program that answers lines with lines, on a core of its own where the machine has two.

    Without that, waking a reader costs half or double, depending on where the scheduler put both.
    """

    def __init__(self, *command: str, core: Core) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if sys.platform == "linux":
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(self._process.pid, {cores[0 if core == "server" else -1]})
        self._name = " ".join(command[-2:])

    @property
    def pid(self) -> int:
        return self._process.pid

    def line(self) -> str:
        """The next line it says.

        Raises:
            RuntimeError: it ended instead; why stands on standard error.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended, with status {self._process.wait()}")
        return line

    def ask(self, do: str, **words: object) -> dict[str, Any]:
        """Its answer to an order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **words}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.line())
        return answer

    def end(self) -> None:
        """Close its standard input and wait."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Server:
    """The running server."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{int(process.line())}"

    def usage(self) -> tuple[float, int]:
        """Its CPU seconds, and events sent, so far."""
        with urlopen(f"{self.url}/usage") as reply:  # noqa: S310 - our own server
            answer = json.load(reply)
        return answer["cpu"], answer["sent"]


@contextmanager
def serving(module: str = "server") -> Iterator[Server]:
    """The server, while it is needed."""
    with running(sys.executable, "-m", f"benchmarks.{module}", core="server") as process:
        yield Server(process)


@contextmanager
def working(entry: Entry, url: str) -> Iterator[Process]:
    """A contestant in its process, while it is needed."""
    command = [sys.executable, "-m", "benchmarks.worker", entry.name, url]
    if entry.source.endswith(".mjs"):
        command = ["node", str(HERE / entry.source), url, str(JAVASCRIPT)]
    with running(*command) as process:
        yield process


@contextmanager
def running(*command: str, core: Core = "client") -> Iterator[Process]:
    """A program, until it is no more needed."""
    process = Process(*command, core=core)
    try:
        yield process
    finally:
        process.end()
