"""The real servers of the interoperability suite: what is started how, and where its flows are.

In: the folder into which `install.sh` put the apps. Out: running apps, each a process of its own in a working
folder of its own, and `Server`s: one way to reach an app's flows each, one column of the matrix.
What is asked of them does not belong here.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any, Literal

import httpx

HOME = Path(os.environ.get("STREAMFLOW_INTEROP", ".interop")).resolve()
LISTENING = b"LISTENING "
PATIENCE = 60.0  # seconds; a busy machine needs several to import a framework


@dataclass(frozen=True)
class App:
    """A program with all the flows.

    Attributes:
        folder: below `HOME`; the command's words are found from there.
        versions: of the packages that matter, as the docs name them.
        dev: whether it has a reflection server in development mode.
    """

    name: str
    folder: str
    command: tuple[str, ...]
    versions: str
    dev: bool = True


@dataclass(frozen=True)
class Server:
    """One way to reach an app's flows.

    Attributes:
        family: whose table of the matrix it stands in.
        prefix: of the flows' names, as "oncall/".
        durable: whether the flows are also served with a stream manager, below "durable/".
        brief: whether they are also served below "brief/", with streams that are forgotten after a second.
        protocol: "reflection" goes to the development server of the app.
        fragile: whether a stream that its client left disturbs those that follow.
        falsy: whether chunks of nothing, and of 0, arrive.
        describes: where the types of the flows come from: the app's own OpenAPI document, or its development
            server.
    """

    name: str
    family: str
    app: App
    prefix: str = ""
    durable: bool = False
    brief: bool = False
    fragile: bool = False
    falsy: bool = True
    protocol: Literal["callable", "reflection"] = "callable"
    describes: Literal["itself", "reflection"] | None = "reflection"


@dataclass
class Running:
    """A running app.

    Attributes:
        url: where its flows are.
        reflection: where its development server is, if it runs in development mode.
        folder: its working folder, where `.genkit/runtimes` is.
    """

    app: App
    url: str
    folder: Path
    reflection: str | None = None
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False), repr=False)

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 0

    def run(self, run: str) -> dict[str, Any]:
        """What the app noted of a run: how often it began, how many chunks it sent, how it ended."""
        response = self.http.get(f"{self.url}/runs/{run}")
        if response.status_code == 404:
            return {"runs": 0, "sent": 0, "ended": None}
        noted: dict[str, Any] = response.json()
        return noted


class AppError(RuntimeError):
    """An app did not start; the message holds what it printed."""


class Apps:
    """The running apps of a process, each started once, when first needed."""

    def __init__(self, new_folder: Callable[[str], Path]) -> None:
        self._new_folder = new_folder
        self._running: dict[tuple[App, bool], Running | AppError] = {}
        self._stops: dict[tuple[App, bool], ExitStack] = {}

    def get(self, app: App, *, dev: bool) -> Running:
        """Raises: AppError: it did not start, now or when it was tried first."""
        if (app, dev) not in self._running:
            stack = self._stops[app, dev] = ExitStack()
            try:
                folder = self._new_folder(app.name) / "work"
                self._running[app, dev] = stack.enter_context(start(app, folder, dev=dev))
            except AppError as error:
                self._running[app, dev] = error
        running = self._running[app, dev]
        if isinstance(running, AppError):
            raise running
        return running

    def stop(self, app: App, *, dev: bool) -> None:
        """The next one who asks gets a new one."""
        self._stops.pop((app, dev)).close()
        del self._running[app, dev]

    def close(self) -> None:
        with ExitStack() as every:  # one that cannot be stopped must not keep the others
            for stack in self._stops.values():
                every.callback(stack.close)


@contextmanager
def start(app: App, folder: Path, *, dev: bool) -> Iterator[Running]:
    """Run an app in an empty folder until the block ends.

    Raises:
        AppError: it is not installed, ended, or does not listen within a minute.
    """
    place = HOME / app.folder
    if not place.is_dir():
        raise AppError(f"{app.name} is not installed in {place.name}; run: make interop")
    folder.mkdir(parents=True)
    for root in ("package.json", "go.mod"):  # Genkit looks upwards for such a file to put `.genkit` beside it
        (folder / root).write_text({"package.json": "{}", "go.mod": "module work\n"}[root])
    command = [word.replace("{app}", str(place)) for word in app.command]
    told = folder / "printed.txt"
    # Whoever runs the tests may do so under Genkit's own tools: their ids and ports are not the app's.
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GENKIT_")}
    environment = surroundings | {"PORT": "0", "NODE_ENV": "production", "PYTHONUNBUFFERED": "1"}
    if dev:
        environment |= {"GENKIT_ENV": "dev", "NODE_ENV": "development"}
        # For Go: else two that start together may take the same port from 3100 on. Python takes any free one;
        # JavaScript does not look at this.
        environment["GENKIT_REFLECTION_PORT"] = str(_free_port())
    with ExitStack() as stack:
        errors = stack.enter_context(told.open("wb"))
        starting = stack.enter_context(ExitStack())
        if dev:
            starting.enter_context(_one_at_a_time())
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        except OSError as error:
            raise AppError(f"{app.name} cannot be run: {error}") from None
        printing = _Printing(process)
        stack.callback(_stop, process, printing)
        port = printing.port()
        if port is None:
            raise _no_start(f"{app.name} does not listen", told)
        running = Running(app, f"http://127.0.0.1:{port}", folder)
        stack.callback(running.http.close)
        if dev:
            running.reflection = _reflection_of(process, folder)
            if running.reflection is None:
                raise _no_start(f"{app.name} names no development server in .genkit/runtimes", told)
        starting.close()
        yield running


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Over all workers: two of JavaScript's development servers that start together take the same port."""
    with (HOME / "starting.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _no_start(what: str, errors: Path) -> AppError:
    return AppError(f"{what}; it complained:\n{errors.read_text(errors='replace')[-4000:]}")


def _stop(process: subprocess.Popen[bytes], printing: _Printing) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:  # open streams keep some servers
        process.kill()
        process.wait()
    printing.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class _Printing:
    """An app's standard output: it tells the port once, and is read on, so that the app never blocks."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._stdout = process.stdout
        self._said = Event()
        self._port: int | None = None
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def port(self) -> int | None:
        """None where the app ends, or a minute passes, before it listens."""
        self._said.wait(PATIENCE)
        return self._port

    def close(self) -> None:
        """Once the app has ended. Nobody may close a file that is being read."""
        self._reader.join(PATIENCE)
        self._stdout.close()

    def _read(self) -> None:
        for line in self._stdout:
            if line.startswith(LISTENING) and self._port is None:
                self._port = int(line.removeprefix(LISTENING))
                self._said.set()
        self._said.set()


def _reflection_of(process: subprocess.Popen[bytes], folder: Path) -> str | None:
    """The address that the app wrote down, once its flows can be asked for there."""
    ends = monotonic() + PATIENCE
    while monotonic() < ends and process.poll() is None:
        for file in (folder / ".genkit" / "runtimes").glob("*.json"):
            try:
                url: str = json.loads(file.read_text())["reflectionServerUrl"]
                httpx.get(f"{url}/api/actions", trust_env=False).raise_for_status()
            except (OSError, ValueError, KeyError, httpx.HTTPError):
                continue
            return url
        Event().wait(0.05)
    return None
