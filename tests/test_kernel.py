"""At a real Jupyter kernel: what cells show, what Tab and `?` tell, and what interrupting one does.

One kernel runs all tests of this file, with its settings in a folder of its own. The stub runs here, so that
its records tell what the kernel asked for.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from streamflow_client.testing import Call, StubServer
from test_flows import declared

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "notebook_style.py"
PATIENCE = 30.0  # seconds until a kernel that says nothing has failed


@dataclass
class Ran:
    """What came of a cell."""

    shown: dict[str, str] = field(default_factory=dict[str, str])  # its last line's value, by MIME type
    stdout: str = ""
    stderr: str = ""
    error: str = ""

    def take(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            name = content["name"]
            setattr(self, name, getattr(self, name) + content["text"])
        elif kind == "execute_result":
            self.shown = content["data"]
        elif kind == "error":
            self.error = f"{content['ename']}: {content['evalue']}"


class Kernel:
    """A kernel and its front end."""

    def __init__(self, manager: KernelManager, client: Any) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, meanwhile: Callable[[Ran], bool] | None = None) -> Ran:
        """Run a cell to its end. `meanwhile` looks at each message, and interrupts the cell by a True."""
        request: str = self.client.execute(code)
        ran = Ran()
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            ran.take(kind, content)
            if meanwhile is not None and meanwhile(ran):
                self.manager.interrupt_kernel()
                meanwhile = None
        self.client.get_shell_msg(timeout=PATIENCE)
        return ran

    def good(self, code: str) -> Ran:
        """Run a cell that neither fails nor complains."""
        ran = self.run(code)
        assert ran.error == "", ran
        assert ran.stderr == "", ran
        return ran

    def complete(self, code: str) -> list[str]:
        """What Tab makes of the end of `code`."""
        reply = self.client.complete(code, reply=True, timeout=PATIENCE)["content"]
        return [code[: reply["cursor_start"]] + match for match in reply["matches"]]

    def inspect(self, code: str) -> str:
        """What Shift-Tab tells of the end of `code`."""
        reply = self.client.inspect(code, reply=True, timeout=PATIENCE)["content"]
        return reply["data"]["text/plain"] if reply["found"] else ""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("jupyter")
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "test",
        "language": "python",
    }
    (folder / "kernels" / "test").mkdir(parents=True)
    (folder / "kernels" / "test" / "kernel.json").write_text(json.dumps(spec))
    places = {
        name: str(folder / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)
    manager = KernelManager(
        kernel_name="test",
        kernel_spec_manager=specs,
        connection_file=str(folder / "connection.json"),
        ip="127.0.0.1",
    )
    manager.start_kernel(env=os.environ | places | {"NO_COLOR": "1"}, cwd=str(folder))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=2 * PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with declared(StubServer("go")) as stub:

        @stub.flow
        def ticks(send: Callable[[int], None], call: Call) -> None:
            number = 0
            while not call.client_gone.wait(0.01):
                number += 1
                send(number)

        yield stub


@pytest.fixture
def client(kernel: Kernel, stub: StubServer) -> Iterator[None]:
    """In the kernel: a client of each kind, not discovered."""
    kernel.good(
        f"from streamflow_client import *\nclient, aclient = Client({stub.url!r}), AsyncClient({stub.url!r})"
    )
    yield
    kernel.good("client.close(); await aclient.aclose()\n%reset -f")
    stub.wait_until(lambda: stub.open_streams == 0)


def paths(stub: StubServer) -> list[str]:
    return [request.path for request in stub.requests]


@pytest.mark.usefixtures("client")
def test_looking_at_what_is_not_known_asks_no_server(kernel: Kernel, stub: StubServer) -> None:
    for flows in ("client.flows", "aclient.flows"):
        shown = kernel.good(flows).shown
        assert "not discovered yet" in shown["text/plain"]
        assert "not discovered yet" in shown["text/html"]
        for code in (f"{flows}.", f"{flows}.me", f'{flows}["', f'{flows}["me'):
            assert "menu" not in str(kernel.complete(code))
    kernel.good("stream = client.flow('menu').stream({'theme': 'x'})\nstream")
    kernel.good("flow = client.flow('menu', input=dict[str, str], output=list[int])")
    assert "flow(input: dict[str, str], /) -> list[int]" in kernel.inspect("flow")
    assert "The flows of a server by name" in kernel.good("help(client.flows)").stdout
    assert "The flows of a server by name" in kernel.inspect("aclient.flows")
    assert "looked up by its first call" in kernel.inspect("aclient.flows.menu")
    assert stub.requests == []
    assert "The flows of a server by name" in kernel.inspect("client.flows")
    assert paths(stub) == ["/openapi.json"]  # IPython asks for the length, and so does `len`


@pytest.mark.usefixtures("client")
def test_tab_completes_flows_and_their_fields(kernel: Kernel, stub: StubServer) -> None:
    kernel.good("catalog = client.discover(); await aclient.discover()")
    asked = len(stub.requests)
    for flows in ("client.flows", "aclient.flows"):
        assert {f"{flows}.menu", f"{flows}.shout"} <= set(kernel.complete(f"{flows}."))
        assert kernel.complete(f"{flows}.me") == [f"{flows}.menu"]
        assert kernel.complete(f'{flows}["me') == [f'{flows}["menu']
        assert kernel.complete(f'{flows}["my') == [f'{flows}["my-flow/v2']
        for call in (f"{flows}.menu(", f"{flows}.menu.stream("):
            assert f"{call}theme=" in kernel.complete(f"{call}th")
            assert f"{call}dishes=" in kernel.complete(call)
        assert f"{flows}.menu.stream" in kernel.complete(f"{flows}.menu.str")
        told = kernel.inspect(f"{flows}.menu")
        assert "theme: str, dishes: int = 3" in told
        assert "Writes a menu." in told
    assert kernel.complete('catalog["sh') == ['catalog["shout']
    assert "<td" in kernel.good("catalog").shown["text/html"]
    assert "Catalog(" in kernel.good("catalog").shown["text/plain"]
    assert "<td" in kernel.good("aclient.flows").shown["text/html"]
    assert len(stub.requests) == asked


@pytest.mark.usefixtures("client")
def test_a_cell_streams_and_awaits(kernel: Kernel, stub: StubServer) -> None:
    ran = kernel.good(
        "with client.flows.menu.stream(theme='x', dishes=2) as stream:\n"
        "    for item in stream: print(item.name)\n"
        "    print(stream.result().title)\n"
        "stream"
    )
    assert ran.stdout == "x 0\nx 1\nx\n"
    assert "FlowStream('menu', ended, 2 chunks received)" in ran.shown["text/plain"]
    assert "<td" in ran.shown["text/html"]
    ran = kernel.good(
        "async with aclient.flows.menu.stream(theme='y', dishes=2) as stream:\n"
        "    async for item in stream: print(item.name)\n"
        "    print((await stream.result()).title)\n"
        "stream"
    )
    assert ran.stdout == "y 0\ny 1\ny\n"
    assert "AsyncFlowStream('menu', ended, 2 chunks received)" in ran.shown["text/plain"]
    assert kernel.good("(await aclient.flows.menu(theme='z')).title").shown["text/plain"] == "'z'"
    assert kernel.good("client.flows.menu(theme='z').title").shown["text/plain"] == "'z'"
    assert stub.run_count("menu") == 4


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("loop", "again"),
    [
        pytest.param(
            "for number in (stream := client.flows.ticks.stream()): print(number)",
            "client.flows.shout('a')",
            id="sync",
        ),
        pytest.param(
            "async for number in (stream := aclient.flows.ticks.stream()): print(number)",
            "await aclient.flows.shout('a')",
            id="async",
        ),
    ],
)
def test_an_interrupted_cell_ends_its_call(kernel: Kernel, stub: StubServer, loop: str, again: str) -> None:
    ran = kernel.run(loop, meanwhile=lambda ran: "2\n" in ran.stdout)
    assert ran.error.split(":")[0] in ("KeyboardInterrupt", "CancelledError")
    assert ran.stderr == ""
    assert "cancelled" in kernel.good("stream").shown["text/plain"]
    stub.wait_until(lambda: stub.open_streams == 0)
    assert kernel.good(again).shown["text/plain"] == "'A'"


@pytest.mark.usefixtures("client")
def test_a_stream_that_the_history_keeps_does_no_harm(kernel: Kernel, stub: StubServer) -> None:
    kernel.good("stream = client.flows.ticks.stream(); next(stream)")
    ran = kernel.good("stream")
    assert "running" in ran.shown["text/plain"]
    kernel.good("other = aclient.flows.ticks.stream(); await anext(other)")
    kernel.good("other")
    kernel.good("del stream, other\nimport gc; gc.collect();")
    assert stub.open_streams == 2  # `Out` and `_` hold them
    assert kernel.good("client.flows.shout('a')").shown["text/plain"] == "'A'"
    assert kernel.good("await aclient.flows.shout('a')").shown["text/plain"] == "'A'"


@pytest.mark.usefixtures("client")
def test_a_stream_that_nothing_keeps_goes_in_silence(kernel: Kernel, stub: StubServer) -> None:
    for read in ("client.flows.ticks.stream(); next(s)", "aclient.flows.ticks.stream(); await anext(s)"):
        kernel.good(f"s = {read}")
        kernel.good("del s")
        stub.wait_until(lambda: stub.open_streams == 0)
    assert stub.run_count("ticks") == 2


@pytest.mark.usefixtures("client")
def test_mistakes_in_a_cell_name_what_was_meant(kernel: Kernel) -> None:
    for code, told in {
        "client.flows.mneu": "did you mean 'menu'?",
        "client.flows.menu(thme='x')": "did you mean 'theme'?",
        "client.flows.menu(theme='x').titel": "did you mean 'title'?",
        "await aclient.flows.menu(thme='x')": "did you mean 'theme'?",
        "list(AsyncClient('http://localhost:1').flows)": "await client.discover() first",
    }.items():
        assert told in kernel.run(code).error


def test_the_example_runs_as_cells(kernel: Kernel) -> None:
    cells = re.split("^# %%", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    assert len(cells) > 8
    printed = [kernel.good(cell).stdout for cell in (cells[0], *map("#{}".format, cells[1:]))]
    assert "Menu(title='The pirate menu', total=22.0)" in "".join(printed)
    assert "did you mean 'theme'?" in printed[-2]
    kernel.good("client.close(); stub.stop()\n%reset -f")
