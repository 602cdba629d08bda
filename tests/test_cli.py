"""The command line against a real server: what it prints, where, and how it ends."""

import io
import json
import os
import runpy
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from shell import Cli, command_line, plain_surroundings
from streamflow_client import __version__
from streamflow_client.cli import main
from streamflow_client.cli.exits import MEANINGS, ExitCode
from streamflow_client.testing import Call, FlowFailure, StubServer, faults

Send = Callable[[Any], None]
MODULE = Path(__file__).parent.parent / "streamflow_client" / "__main__.py"
PROGRAM = [sys.executable, "-W", "error", "-m", "streamflow_client"]


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_surroundings(monkeypatch, columns=100)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return command_line(capsys)


@pytest.fixture
def stub(flow_stub_factory: Callable[..., StubServer]) -> StubServer:
    stub = flow_stub_factory("go")  # which ends runs whose client left

    @stub.flow
    def echo(value: Any, send: Send) -> Any:
        for chunk in value if isinstance(value, list) else []:
            send(chunk)
        return value

    @stub.flow
    def nothing() -> str:
        return "no input"

    @stub.flow
    def failing(value: Any, send: Send) -> None:
        send("before")
        raise FlowFailure("NOT_FOUND", "no \x1b]0;evil\x07 such thing")

    @stub.flow
    def endless(send: Send, call: Call) -> None:
        for number in count():
            send(number)
            if call.client_gone.wait(0.01):
                return

    return stub


def answered(stub: StubServer) -> Any:
    """What the flow was given as its input."""
    return stub.requests[-1].json


# --- what is printed ---


def test_chunks_a_line_each_and_the_result_set_off(cli: Cli, stub: StubServer) -> None:
    ended = cli("run", stub.url, "echo", '["one", {"two": [2, null]}, 3.5]')
    lines = ended.out.splitlines()
    assert lines[:3] == ["one", '{"two":[2,null]}', "3.5"]
    assert lines[3].startswith("result ──")
    assert lines[4:] == ['["one",{"two":[2,null]},3.5]']
    assert (ended.code, ended.err) == (0, "")
    assert stub.requests[-1].streaming


def test_only_the_final_output(cli: Cli, stub: StubServer) -> None:
    assert cli("run", stub.url, "echo", '["a"]', "--unary") == (0, '["a"]\n', "")
    assert cli("run", stub.url, "echo", '"text"', "--unary") == (0, "text\n", "")
    assert not stub.requests[-1].streaming


def test_a_terminal_gets_the_result_indented(
    cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli("run", stub.url, "echo", "--unary", "a=1").out == '{\n  "a": 1\n}\n'


def test_json_for_pipes(cli: Cli, stub: StubServer) -> None:
    ended = cli("run", stub.url, "echo", '["é\\u009b", 2]', "--json")
    assert ended.out.splitlines() == [
        '{"chunk":"é\\u009b"}',
        '{"chunk":2}',
        '{"result":["é\\u009b",2]}',
    ]
    assert (ended.code, ended.err) == (0, "")


def test_control_sequences_are_shown_never_sent(cli: Cli, stub: StubServer) -> None:
    value = json.dumps(["\x1b[2Jred\r\u202e", {"k\x9b": "\x1b"}, "two\nlines"])
    ended = cli("run", stub.url, "echo", value)
    assert ended.out.splitlines()[:4] == [
        r"\x1b[2Jred\r\u202e",
        r'{"k\u009b":"\u001b"}',
        "two",
        "lines",
    ]
    assert not any(c in ended.out for c in "\x1b\r\x9b\u202e")


# --- the input ---


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        pytest.param([], {}, id="none"),
        pytest.param(["null"], {"data": None}, id="null"),
        pytest.param(['{"a": "b=c"}'], {"data": {"a": "b=c"}}, id="object"),
        pytest.param(['"a=b"'], {"data": "a=b"}, id="text"),
        pytest.param(["--", "-5"], {"data": -5}, id="negative"),
        pytest.param(
            ["theme=dark red", "n=3", "flag=true", 'zip="12"', "id=007", "none=", "x=a=b", "e=NaN"],
            {
                "data": {
                    "theme": "dark red",
                    "n": 3,
                    "flag": True,
                    "zip": "12",
                    "id": "007",
                    "none": "",
                    "x": "a=b",
                    "e": "NaN",
                }
            },
            id="pairs",
        ),
        pytest.param(['list=[1,{"a":2}]'], {"data": {"list": [1, {"a": 2}]}}, id="nested"),
    ],
)
def test_inputs(cli: Cli, stub: StubServer, words: list[str], sent: Any) -> None:
    assert cli("run", stub.url, "nothing", *words).code == 0
    assert answered(stub) == sent


def test_input_from_standard_input(cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO('{"é": 1}'.encode())))
    assert cli("run", stub.url, "echo", "-", "--unary").out == '{"é":1}\n'


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["a=1", "b"], "'b' is not key=value"),
        (["a=1", ""], "'' is not key=value"),
        (["{}", "{}"], "'{}' is not key=value"),
        (["a=1", "a=2"], "'a' is given twice"),
        (["--header", "secret"], "a header is written as"),
        (["--header", ": secret"], "a header is written as"),
        (["--header", "bad name: secret"], "a header is written as"),
        (["--header", "X: secret\r\nY: z"], "a header is written as"),
        (["--header", "X: secrét"], "a header is written as"),
        (["--auth", "secret\n"], "the token holds"),
        (["--timeout", "0"], "must be a positive number"),
        (["--timeout", "soon"], "number"),
        (["--protocol", "grpc"], "grpc"),
    ],
)
def test_bad_words_are_told_and_nothing_is_sent(
    cli: Cli, stub: StubServer, words: list[str], reason: str
) -> None:
    ended = cli("run", stub.url, "echo", *words)
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert reason in " ".join(ended.err.replace("│", "").split())
    assert "secr" not in ended.err
    assert stub.requests == []


@pytest.mark.parametrize("word", ["text", "", "\udcff", "=1", '{"a": b}', "NaN"])
def test_a_word_that_is_no_json_for_a_flow_that_may_take_anything(
    cli: Cli, stub: StubServer, word: str
) -> None:
    ended = cli("run", stub.url, "echo", word)
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert "the input is not JSON" in ended.err
    assert stub.runs == []


@pytest.mark.parametrize("place", [["localhost:3400", "echo"], ["http://h?q", "echo"], ["http://h", "../x"]])
def test_bad_places(cli: Cli, place: list[str]) -> None:
    assert cli("run", *place).code == ExitCode.USAGE


# --- headers, credentials, protocol ---


def test_headers_are_sent(cli: Cli, stub: StubServer) -> None:
    cli("run", stub.url, "nothing", "--header", "X-One: 1", "-H", "X-Two:2: 3 ")
    headers = stub.requests[-1].headers
    assert (headers["x-one"], headers["x-two"]) == ("1", "2: 3")
    assert "authorization" not in headers


def test_a_token_from_the_environment_or_an_option(
    cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMFLOW_TOKEN", "from-env")
    texts = [cli("run", stub.url, "nothing"), cli("run", stub.url, "nothing", "--auth", "given")]
    tokens = [request.headers["authorization"] for request in stub.requests if request.method == "POST"]
    assert tokens == ["Bearer from-env", "Bearer given"]
    texts.append(cli("run", "--help"))
    texts.append(cli("run", stub.url, "gone"))
    assert not any("from-env" in text for ended in texts for text in (ended.out, ended.err))
    monkeypatch.setenv("STREAMFLOW_TOKEN", "")
    cli("run", stub.url, "nothing")
    assert "authorization" not in stub.requests[-1].headers


@pytest.mark.parametrize("options", [[], ["--unary"]])
def test_the_reflection_protocol(cli: Cli, stub: StubServer, options: list[str]) -> None:
    ended = cli("run", stub.url, "echo", '["a"]', "--json", "--protocol", "reflection", *options)
    assert ended.out.splitlines()[-1] == '{"result":["a"]}'
    assert (stub.requests[-1].path, ended.code) == ("/api/runAction", 0)


# --- failures ---


def test_a_failing_flow(cli: Cli, stub: StubServer) -> None:
    ended = cli("run", stub.url, "failing", "1")
    assert (ended.code, ended.out) == (ExitCode.FLOW_FAILED, "before\n")
    assert ended.err.startswith(r"error: flow 'failing': NOT_FOUND: no \x1b]0;evil\x07 such thing [")
    assert ended.err.count("\n") == 1


def test_a_failing_flow_as_json(cli: Cli, stub: StubServer) -> None:
    ended = cli("run", stub.url, "failing", "1", "--json")
    chunk, error = map(json.loads, ended.out.splitlines())
    assert (ended.code, chunk) == (ExitCode.FLOW_FAILED, {"chunk": "before"})
    assert error == {
        "error": {
            "type": "NotFoundError",
            "message": "no \x1b]0;evil\x07 such thing",
            "received": 1,
            "work_may_have_run": True,
            "status": "NOT_FOUND",
            "details": None,
            "http_status": 200,
            "trace_id": None,
        }
    }
    assert ended.err.count("\n") == 1


def test_details_as_json(cli: Cli, flow_stub_factory: Callable[..., StubServer]) -> None:
    stub = flow_stub_factory("express")

    @stub.flow
    def failing() -> None:
        raise FlowFailure("NOT_FOUND", "no", {"id": 7})

    ended = cli("run", stub.url, "failing", "--json")
    assert json.loads(ended.out)["error"]["details"] == {"id": 7}


@pytest.mark.parametrize(
    ("fault", "options", "code", "kind"),
    [
        (faults.drop(after_chunks=1), [], ExitCode.INTERRUPTED, "StreamInterruptedError"),
        (faults.html_page(200), [], ExitCode.INTERRUPTED, "ProtocolError"),
        (faults.html_page(404), [], ExitCode.FLOW_FAILED, "NotFoundError"),
        (faults.stall(), ["--timeout", "0.2"], ExitCode.TIMEOUT, "FlowTimeoutError"),
    ],
)
def test_exit_codes(
    cli: Cli,
    stub: StubServer,
    fault: faults.Fault,
    options: list[str],
    code: ExitCode,
    kind: str,
) -> None:
    stub.script("echo", fault)
    ended = cli("run", stub.url, "echo", "[1, 2]", "--json", *options)
    error = json.loads(ended.out.splitlines()[-1])["error"]
    assert (ended.code, error["type"]) == (code, kind)
    assert error.get("clock") == ("total" if code is ExitCode.TIMEOUT else None)
    assert ended.err.startswith("error: flow 'echo': ")
    assert ended.err.count("\n") == 1


def test_input_that_is_no_json(cli: Cli, stub: StubServer) -> None:
    """Bytes that are not UTF-8 reach Python as lone surrogates."""
    ended = cli("run", stub.url, "echo", "name=\udcff")
    assert (ended.code, ended.out, stub.runs) == (ExitCode.TYPES, "", [])


def test_no_server_each_attempt_is_told(cli: Cli, stub: StubServer) -> None:
    with stub.refusing():
        ended = cli("run", stub.url, "echo", "1", "--timeout", "30")
    *warnings, error = ended.err.splitlines()
    assert ended.code == ExitCode.NOT_CONNECTED
    assert len(warnings) == 3
    assert all(line.startswith("warning: ") and ": attempt " in line for line in warnings)
    assert error.startswith("error: could not reach ")


def test_an_unexpected_error_is_one_line(cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("streamflow_client.cli.app.run_flow", broken)
    ended = cli("run", stub.url, "echo", "--auth", "s3cret")
    assert ended == (ExitCode.UNEXPECTED, "", "unexpected error: ZeroDivisionError: by\\nzero\n")


# --- Ctrl-C and pipes ---


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Children of a shell's background job would ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def started(*words: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
@pytest.mark.parametrize("options", [[], ["--json"], ["--protocol", "reflection"]])
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c(stub: StubServer, options: list[str]) -> None:
    with started("run", stub.url, "endless", *options) as program:
        assert program.stdout is not None
        assert program.stdout.readline() in {"0\n", '{"chunk":0}\n'}
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=10)
    assert (program.returncode, err) == (ExitCode.CTRL_C, "cancelled\n")
    stub.wait_until(lambda: stub.runs[-1].outcome == "cancelled")
    assert stub.runs[-1].client_left or stub.requests[-1].path == "/api/cancelAction"
    assert stub.run_count("endless") == 1


def test_ctrl_c_in_process(cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("streamflow_client.cli.output.JsonPrinter.chunk", pressed)
    assert cli("run", stub.url, "endless", "--json") == (ExitCode.CTRL_C, "", "cancelled\n")
    stub.wait_until(lambda: stub.runs[-1].client_left)


def test_ctrl_c_before_a_command_runs(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("streamflow_client.cli.app.run_command", pressed)
    assert cli("--version") == (ExitCode.CTRL_C, "", "cancelled\n")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently there")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_closed_pipe_ends_silently(stub: StubServer, options: list[str]) -> None:
    with started("run", stub.url, "endless", *options) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == ""
    assert program.returncode == ExitCode.CLOSED_PIPE
    stub.wait_until(lambda: stub.runs[-1].client_left)


@pytest.mark.parametrize("words", [["[1]"], ["[1]", "--json"], ["[]"]])
def test_a_closed_pipe_in_process(
    cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """The last row breaks at the rule, which rich writes."""
    reading, writing = os.pipe()
    os.close(reading)
    with monkeypatch.context() as patch, io.TextIOWrapper(os.fdopen(writing, "wb", 0)) as broken:
        patch.setattr(sys, "stdout", broken)
        code = main(["run", stub.url, "echo", *words])
        broken.write("what nobody reads")
        broken.flush()  # goes nowhere, quietly
    assert code == ExitCode.CLOSED_PIPE
    assert cli("--version").err == ""


def test_standard_error_closed(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with io.TextIOWrapper(os.fdopen(writing, "wb", 0), write_through=True) as broken:
        monkeypatch.setattr(sys, "stderr", broken)
        assert main(["run", stub.url, "gone", "1"]) == ExitCode.FLOW_FAILED


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_locale(stub: StubServer, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    with started("run", stub.url, "echo", '["日"]') as program:
        out, err = program.communicate(timeout=10)
    assert (program.returncode, err) == (0, "")
    assert out.splitlines()[0] == ("日" if encoding == "utf-8" else r"\u65e5")


def test_a_stdout_of_another_kind(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a notebook has it."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["run", stub.url, "echo", "1", "--json"]) == 0
    assert isinstance(sys.stdout, io.StringIO)
    assert sys.stdout.getvalue() == '{"result":1}\n'


# --- version, help, the extra ---


def test_the_version(cli: Cli) -> None:
    assert cli("--version") == (0, f"streamflow-client {__version__}\n", "")


def test_the_module_is_the_command() -> None:
    program = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True, timeout=30)
    assert program.stdout == f"streamflow-client {__version__}\n"


def test_the_module_in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["streamflow-client", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(MODULE), run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("streamflow-client ")
    runpy.run_path(str(MODULE), run_name="imported")


def test_help_names_every_exit_code(cli: Cli) -> None:
    ended = cli("run", "--help")
    text = " ".join(ended.out.split())
    assert ended.code == 0
    for code, meaning in MEANINGS.items():
        assert f"{code:d} {meaning}" in text
    assert set(MEANINGS) == set(ExitCode)


@pytest.mark.parametrize("words", [[], ["dance"], ["run"], ["run", "http://h"]])
def test_wrong_usage(cli: Cli, words: list[str]) -> None:
    assert cli(*words).code == ExitCode.USAGE


@pytest.mark.parametrize("missing", ["typer", "rich.console"])
def test_without_the_extra(cli: Cli, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in [*sys.modules]:
        if name.startswith("streamflow_client.cli."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    ended = cli("--version")
    assert (ended.code, ended.out) == (ExitCode.NOT_INSTALLED, "")
    assert "pip install 'streamflow-client[cli]'" in ended.err


def test_another_missing_module_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "streamflow_client.cli.app", None)
    with pytest.raises(ModuleNotFoundError):
        main(["--version"])


def test_without_the_extra_in_a_new_process() -> None:
    script = """
        import sys

        class Blocker:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {"typer", "rich"}:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Blocker())
        import streamflow_client  # needs neither; httpx itself takes rich where it finds it
        from streamflow_client.cli import main
        sys.exit(main(["demo"]))
    """
    program = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (program.returncode, program.stdout) == (ExitCode.NOT_INSTALLED, "")
    assert "pip install 'streamflow-client[cli]'" in program.stderr
    assert "Traceback" not in program.stderr
