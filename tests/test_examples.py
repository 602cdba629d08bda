"""Every example is run for real: as a program against a stub, by pytest, or under uvicorn."""

import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from streamflow_client import (
    Client,
    FailedPreconditionError,
    UnavailableError,
)
from streamflow_client.testing import StubServer, faults

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"

STORY = "Once upon a time there was a fox. \n(33 characters)\n"
DISHES = "  4.50  pirate soup\n 12.00  pirate fish\n  5.50  pirate cake\n"
DISCOVERED = """\
<Flow menu(theme: str, courses: int = 3) -> Menu, streams MenuItem>
<Flow story(input: str, /) -> str, streams str>
<Flow ticks(input: Any, /) -> None, streams int>
(*, theme: str, courses: int = 3)
The pirate menu
  4.50  farm soup
 12.00  farm fish
 16.50
flow 'menu': the input is not of the flow's input type: theme: Field required; \
thme: Extra inputs are not permitted; did you mean 'theme'?
"""
OUTPUTS = {
    "async_iteration": f"{DISHES} 22.00  The pirate menu, 3 dishes\n",
    "discover": DISCOVERED,
    "final_output": "pirate: The pirate menu, 22.00\nspace: FAILED_PRECONDITION, no kitchen up there\n",
    "sync_script": STORY,
    "typed_calls": "The pirate menu\n  4.50  farm soup\n  4.50\nspace pirate soup, space pirate fish\n",
}


@pytest.fixture
def server() -> Iterator[StubServer]:
    """The server of the examples, without its pauses."""
    build: Callable[..., StubServer] = runpy.run_path(str(EXAMPLES / "server.py"))["build"]
    with build(pace=0) as stub:
        yield stub


def start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    with process:
        printed, complaints = process.communicate(timeout=30)
    return process.returncode, printed, complaints


def test_no_example_is_left_out() -> None:
    elsewhere = {"fastapi_relay", "menu_flows", "notebook_style", "server", "stub_in_tests"}
    assert {file.stem for file in EXAMPLES.glob("*.py")} == OUTPUTS.keys() | elsewhere


def test_programs_with_a_server_and_without(server: StubServer) -> None:
    running = {
        (name, *url): start(str(EXAMPLES / f"{name}.py"), *url)
        for name in OUTPUTS
        for url in ([server.url], [])
    }
    for (name, *_), process in running.items():
        assert outcome(process) == (0, OUTPUTS[name], "")
    assert server.connections.open == 0


def test_the_generated_module_is_what_is_generated_now(server: StubServer) -> None:
    module = str(EXAMPLES / "menu_flows.py")
    code = outcome(start("-m", "streamflow_client", "generate", server.url, "-o", module, "--check"))[0]
    assert code == 0, f"run: streamflow-client generate URL -o {module}, where examples/server.py is"


@pytest.mark.parametrize(
    ("own", "flows"), [(False, "['menu', 'story', 'ticks']"), (True, "['menu']")], ids=["server", "own stub"]
)
def test_the_notebook_shows_what_a_server_has(
    server: StubServer,
    own: bool,
    flows: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["notebook", "-f", "kernel.json", *([] if own else [server.url])])
    runpy.run_path(str(EXAMPLES / "notebook_style.py"))
    lines = iter(capsys.readouterr().out.splitlines())
    assert "not discovered yet" in next(lines)
    assert next(lines) == flows
    assert next(lines) == "<Flow menu(theme: str, courses: int = 3) -> Menu, streams MenuItem>"
    for told in (
        "What a caller asks for.",
        "(*, title: str, total: float)",
        '  "title": "MenuRequest",',
        "Menu(title='The pirate menu', total=22.0) 22.0",
        "MenuItem(name='pirate soup', price=4.5)",
        "MenuItem(name='pirate fish', price=12.0)",
        "The pirate menu",
        "{'title': 'The pirate menu', 'total': 22.0}",
    ):
        assert any(line.endswith(told) for line in lines), told  # each after the one before
    hint, kind = lines
    assert hint.endswith("did you mean 'theme'?")
    assert "courses: Input should be a" in kind


def test_the_script_tells_where_a_story_broke_off(server: StubServer) -> None:
    server.script("story", faults.drop(after_chunks=2))
    code, printed, complaints = outcome(start(str(EXAMPLES / "sync_script.py"), server.url))
    assert (code, printed) == (1, "Once upon ")
    assert "broke off after 2 words: flow 'story': the connection was lost" in complaints


def test_the_server_runs_until_ctrl_c() -> None:
    process = start(str(EXAMPLES / "server.py"), "0")
    assert process.stdout
    line = process.stdout.readline()
    found = re.match(r"http://localhost:\d+", line)
    assert found, line
    with Client(found[0]) as client:
        assert client.flow("menu", output=dict[str, Any])({"theme": "p", "courses": 0})["total"] == 0
    process.send_signal(signal.SIGINT)
    assert outcome(process) == (0, "", "")


def test_the_tests_pass() -> None:
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / "stub_in_tests.py")]
    code, printed, complaints = outcome(start(*command))
    assert code == 0, printed + complaints


# --- the relay ---


class NewerAsgi:
    """The app as servers of ASGI 2.4 run it: Starlette then leaves noticing a disconnect to `send`."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "asgi": {**scope["asgi"], "spec_version": "2.4"}}
        await self.app(scope, receive, send)


@contextmanager
def relaying(url: str, wrap: Callable[[Any], Any] = lambda app: app) -> Iterator[str]:
    """The relay under uvicorn, on a free port."""
    create_app = runpy.run_path(str(EXAMPLES / "fastapi_relay.py"))["create_app"]
    config = uvicorn.Config(wrap(create_app(url)), log_config=None, ws="none", lifespan="on")
    relay = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=relay.run, args=([listening],))
        thread.start()
        try:
            # The port listens already: a caller who is early waits in its queue.
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            relay.should_exit = True
            thread.join(10)
    assert not thread.is_alive()


def test_the_relay_speaks_the_protocol_itself(server: StubServer) -> None:
    with relaying(server.url) as url, Client(url) as client:
        menu = client.flow("menu", chunk=dict[str, Any], output=dict[str, Any])
        for _ in range(2):
            with menu.stream({"theme": "pirate"}) as stream:
                names = [dish["name"] for dish in stream]
                assert names == ["pirate soup", "pirate fish", "pirate cake"]
                assert stream.result() == {"title": "The pirate menu", "total": 22.0}
                assert stream.response is not None
                assert stream.response.headers["x-accel-buffering"] == "no"
    assert server.connections.accepted == 1, "one client, one pool"
    server.wait_until(lambda: server.connections.open == 0)  # closed with the app's lifespan


def test_the_relay_hands_failures_on(server: StubServer) -> None:
    with relaying(server.url) as url, Client(url) as client:
        menu = client.flow("menu")
        with pytest.raises(FailedPreconditionError, match="no kitchen up there"):
            menu.stream({"theme": "space"}).result()

        server.script("menu", faults.html_page())
        with pytest.raises(UnavailableError, match="the kitchen does not answer") as caught:
            menu.stream({"theme": "pirate"}).result()
        assert "html" not in str(caught.value)


@pytest.mark.parametrize("wrap", [lambda app: app, NewerAsgi], ids=["asgi-2.3", "asgi-2.4"])
@pytest.mark.parametrize("chunks", [0, 1])
def test_the_relay_lets_go_when_its_caller_leaves(wrap: Callable[[Any], Any], chunks: int) -> None:
    with StubServer("go") as stub:

        @stub.flow
        def menu(request: dict[str, str], send: Callable[[dict[str, Any]], None]) -> None:
            send({"name": "soup", "price": 1})

        # The flow is silent: nothing that could be sent tells the relay that its caller has left.
        stub.always("menu", faults.stall(after_chunks=chunks))
        with relaying(stub.url, wrap) as url:
            body = {"data": {"theme": "pirate"}}
            with httpx.Client() as http, http.stream("POST", f"{url}/menu", json=body) as caller:
                lines = caller.iter_lines()
                if chunks:
                    assert json.loads(next(lines).removeprefix("data: "))["message"]["name"] == "soup"
                stub.wait_until(lambda: stub.runs)
                assert stub.runs[0].client_left is None
            stub.wait_until(lambda: stub.runs[0].client_left is not None)
            stub.wait_until(lambda: stub.open_streams == 0)


def test_the_relay_serves_others_meanwhile(server: StubServer) -> None:
    """A caller who stays keeps his stream when another one leaves."""
    server.script("menu", faults.stall(after_chunks=1), None)
    with relaying(server.url) as url, Client(url, retry=None) as client:
        menu = client.flow("menu")
        with menu.stream({"theme": "pirate"}) as leaving:
            next(leaving)
            with menu.stream({"theme": "farm"}) as staying:
                next(staying)
                leaving.close()
                assert staying.result() == {"title": "The farm menu", "total": 22.0}
