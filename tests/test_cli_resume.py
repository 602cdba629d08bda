"""`run --resume`, and what the command line tells so that one can: after Ctrl-C, SIGTERM, and a break."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest

from shell import Cli, Ended, command_line, plain_surroundings
from streamflow_client import Client, FlowDef, ReplayDivergedError, Ticket
from streamflow_client.cli import main
from streamflow_client.cli.exits import ExitCode, can_go_on
from streamflow_client.cli.interruptions import Interruptions
from streamflow_client.cli.run import ending_of
from streamflow_client.testing import FlowFailure, StubServer, faults

Send = Callable[[Any], None]
PROGRAM = [sys.executable, "-W", "error", "-m", "streamflow_client", "run"]
COUNT = FlowDef("count", chunk=int, output=str)
LINES = ['{"chunk":0}', '{"chunk":1}', '{"chunk":2}', '{"chunk":3}', '{"result":"done"}']
MANY = 5000
WAY_ON = re.compile(r"go on with: --resume (\S+)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_surroundings(monkeypatch, columns=100)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return command_line(capsys)


@pytest.fixture
def may_end() -> threading.Event:
    """Until it is set, the flow `many` has sent its chunks but not ended."""
    return threading.Event()


@pytest.fixture
def stub(flow_stub_factory: Callable[..., StubServer], may_end: threading.Event) -> Iterator[StubServer]:
    stub = flow_stub_factory("express")

    @stub.flow(durable=True)
    def count(send: Send) -> str:
        for number in range(4):
            send(number)
        return "done"

    stub.flow("other", durable=True)(count)
    stub.flow("fleeting")(count)

    @stub.flow(durable=True)
    def failing(send: Send) -> None:
        send("before")
        raise FlowFailure("NOT_FOUND", "no such thing")

    @stub.flow(durable=True)
    def many(send: Send) -> str:
        for number in range(MANY):
            send(number)
        may_end.wait(20)
        return "done"

    yield stub
    may_end.set()


def ticket_after(stub: StubServer, chunks: int, flow: str = "count") -> Ticket:
    """Of a new run, of which so many chunks were taken."""
    with Client(stub.url) as client, client.flow(flow).stream() as stream:
        for _ in range(chunks):
            next(stream)
        ticket = stream.ticket()
    assert ticket is not None
    return ticket


def ticket_in(ended: Ended) -> Ticket:
    found = WAY_ON.search(ended.err)
    assert found, ended.err
    return Ticket.parse(found[1])


def calls(stub: StubServer) -> list[Any]:
    return [request for request in stub.requests if request.method == "POST"]


# --- resuming ---


@pytest.mark.parametrize("received", range(5))
def test_a_ticket_leads_to_exactly_the_rest(cli: Cli, stub: StubServer, received: int) -> None:
    ticket = ticket_after(stub, received)
    ended = cli("run", stub.url, "count", "--resume", str(ticket), "--json")
    assert (ended.code, ended.out.splitlines(), ended.err) == (0, LINES[received:], "")
    assert len(stub.runs) == 1
    assert (calls(stub)[-1].headers["x-genkit-stream-id"], calls(stub)[-1].body) == (ticket.stream_id, b"{}")


def test_for_people(cli: Cli, stub: StubServer) -> None:
    ended = cli("run", stub.url, "count", "--resume", f" {ticket_after(stub, 3)}\n")
    lines = ended.out.splitlines()
    assert (ended.code, ended.err, lines[0], lines[-1]) == (0, "", "3", "done")
    assert lines[1].startswith("result ──")
    assert len(lines) == 3


def test_a_bare_id_leads_to_all(cli: Cli, stub: StubServer) -> None:
    ticket = ticket_after(stub, 3)
    ended = cli("run", stub.url, "count", "--resume", ticket.stream_id, "--json")
    assert ended.out.splitlines() == LINES
    assert len(stub.runs) == 1


def test_a_resumed_stream_goes_on_over_drops(cli: Cli, stub: StubServer) -> None:
    ticket = ticket_after(stub, 1)
    stub.script("count", faults.drop(after_chunks=2), faults.drop(after_chunks=3))
    ended = cli("run", stub.url, "count", "--resume", str(ticket), "--json")
    assert ended.out.splitlines() == LINES[1:]
    assert (ended.code, len(stub.runs)) == (0, 1)


def test_a_ticket_of_python_and_one_of_the_command_are_the_same(cli: Cli, stub: StubServer) -> None:
    stub.script("count", faults.drop(after_chunks=2), *[faults.status(401)])
    ticket = ticket_in(cli("run", stub.url, "count"))
    with Client(stub.url) as client, client.flow(COUNT).resume(ticket) as stream:
        assert ([*stream], stream.result()) == ([2, 3], "done")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        pytest.param(["--resume", "TICKET", "{}"], "--resume takes up a run", id="with an input"),
        pytest.param(["--resume", "TICKET", "a=1", "b=2"], "--resume takes up a run", id="with pairs"),
        pytest.param(["--resume", "TICKET", "-"], "--resume takes up a run", id="with standard input"),
        pytest.param(["--resume", "TICKET", "--unary"], "--unary makes no sense", id="unary"),
        pytest.param(
            ["--resume", "TICKET", "--protocol", "reflection"],
            "reflection protocol cannot resume",
            id="reflection",
        ),
        pytest.param(["--resume", "CUT"], "the ticket is damaged", id="cut"),
        pytest.param(["--resume", "sft1."], "the ticket is damaged", id="nothing in it"),
        pytest.param(["--resume", ""], "takes a ticket", id="empty"),
        pytest.param(["--resume", "s3cret\nid"], "takes a ticket", id="two lines"),
        pytest.param(["--resume", "s3crét"], "takes a ticket", id="no id either"),
        pytest.param(["--resume", "OTHER FLOW"], "the ticket is for flow 'other'", id="another flow"),
        pytest.param(["--resume", "OTHER SERVER"], "on https://elsewhere.example:443", id="another server"),
        pytest.param(["--resume", "BROKEN OUT"], "is not one line of printable ASCII", id="a forged id"),
    ],
)
def test_what_makes_no_sense_is_told_and_no_secret_repeated(
    cli: Cli, stub: StubServer, words: list[str], reason: str
) -> None:
    ticket = ticket_after(stub, 1)
    given = {
        "TICKET": str(ticket),
        "CUT": str(ticket)[:-5],
        "OTHER FLOW": str(ticket_after(stub, 1, "other")),
        "OTHER SERVER": str(Ticket("https://elsewhere.example:443", "count", "s3cret", 1, 0)),
        "BROKEN OUT": str(Ticket(ticket.origin, "count", "s3cret\r\nX: y", 1, 0)),
    }
    before = calls(stub)
    ended = cli("run", stub.url, "count", *(given.get(word, word) for word in words))
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert reason in ended.told
    assert not any(secret in ended.err for secret in ("sft1.e", "s3cr", ticket.stream_id, *given.values()))
    assert calls(stub) == before


@pytest.mark.parametrize("fault", [None, faults.stream_not_found_html()], ids=["204", "HTML 500"])
def test_an_expired_stream(cli: Cli, stub: StubServer, fault: faults.Faults) -> None:
    ticket = ticket_after(stub, 1)
    stub.expire_streams()
    stub.script("count", fault)
    ended = cli("run", stub.url, "count", "--resume", str(ticket), "--json")
    error = json.loads(ended.out)["error"]
    assert (ended.code, error["type"]) == (ExitCode.INTERRUPTED, "StreamExpiredError")
    assert "ticket" not in error
    assert (ended.err.count("\n"), "no longer knows this stream" in ended.err) == (1, True)
    assert len(stub.runs) == 1


# --- breaks ---


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        (faults.drop(after_chunks=2), [], ExitCode.INTERRUPTED),
        (faults.stall(after_chunks=2), ["--timeout", "1"], ExitCode.TIMEOUT),
    ],
    ids=["drop", "time-out"],
)
def test_a_break_tells_the_way_on(
    cli: Cli, stub: StubServer, fault: faults.Fault, options: list[str], code: ExitCode
) -> None:
    stub.always("count", fault)
    ended = cli("run", stub.url, "count", "--json", *options)
    assert ended.code == code
    *chunks, last = map(json.loads, ended.out.splitlines())
    assert chunks == [{"chunk": 0}, {"chunk": 1}]
    assert last["error"]["ticket"] == str(ticket_in(ended))
    assert ended.err.splitlines()[-2].startswith("error: flow 'count': ")
    stub.always("count", None)
    rest = cli("run", stub.url, "count", "--resume", last["error"]["ticket"], "--json")
    assert rest.out.splitlines() == LINES[2:]
    assert len(stub.runs) == 1


def test_a_refusal_while_resuming_tells_the_way_on(cli: Cli, stub: StubServer) -> None:
    """As where a token has run out meanwhile."""
    stub.script("count", faults.drop(after_chunks=2), faults.status(401))
    ended = cli("run", stub.url, "count")
    assert (ended.code, ticket_in(ended).received) == (ExitCode.FLOW_FAILED, 2)


@pytest.mark.parametrize("flow", ["fleeting", "failing", "count"])
def test_where_no_way_leads_on_none_is_told(cli: Cli, stub: StubServer, flow: str) -> None:
    """Not durable; the flow itself has failed; another run."""
    stub.script("fleeting", faults.drop(after_chunks=1))
    stub.script("count", faults.drop(after_chunks=1), faults.other_stream_id())
    ended = cli("run", stub.url, flow, "--json")
    assert ended.code in {ExitCode.INTERRUPTED, ExitCode.FLOW_FAILED}
    assert "ticket" not in json.loads(ended.out.splitlines()[-1])["error"]
    assert "--resume" not in ended.err


def test_an_error_without_a_ticket_leads_nowhere() -> None:
    assert not can_go_on(ReplayDivergedError("x"))


def test_the_log_has_no_ticket(cli: Cli, stub: StubServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "streamflow_client")
    stub.script("count", faults.drop(after_chunks=2), faults.status(401))
    ticket = ticket_in(cli("run", stub.url, "count"))
    caplog.set_level(logging.DEBUG, "streamflow_client")
    cli("run", stub.url, "count", "--resume", str(ticket))
    assert caplog.records
    assert not any(secret in caplog.text for secret in (str(ticket), ticket.stream_id))


# --- Ctrl-C and SIGTERM ---

STOPS = [(signal.SIGINT, ExitCode.CTRL_C), (signal.SIGTERM, ExitCode.TERMINATED)]
posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals to send")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Children of a shell's background job would ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@posix
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize(("stop", "code"), STOPS, ids=["SIGINT", "SIGTERM"])
@pytest.mark.usefixtures("interruptible")
def test_stopped_anywhere_the_rest_is_what_was_not_printed(
    cli: Cli,
    stub: StubServer,
    may_end: threading.Event,
    options: list[str],
    stop: signal.Signals,
    code: ExitCode,
    number: int,
) -> None:
    """The signal comes while chunks are printed as fast as can be, wherever that may be."""
    with subprocess.Popen(
        [*PROGRAM, stub.url, "many", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        printed = [program.stdout.readline() for _ in range(1 + 500 * number)]
        program.send_signal(stop)
        printed += program.stdout.readlines()
        err = program.stderr.read()
    assert program.returncode == code
    assert err.startswith("cancelled; go on with: --resume sft1.")
    assert err.count("\n") == 1
    ticket = ticket_in(Ended(0, "", err))
    if options:
        assert json.loads(printed.pop()) == {"cancelled": {"ticket": str(ticket)}}
    assert len(printed) == ticket.received
    may_end.set()
    rest = cli("run", stub.url, "many", "--resume", str(ticket), *options)
    chunks = [*printed, *rest.out.splitlines(keepends=True)][:MANY]
    assert [json.loads(chunk)["chunk"] if options else int(chunk) for chunk in chunks] == [*range(MANY)]
    assert (rest.code, rest.err, len(stub.runs)) == (0, "", 1)


@posix
@pytest.mark.parametrize(("stop", "code"), STOPS, ids=["SIGINT", "SIGTERM"])
def test_a_signal_waits_until_its_chunk_is_printed(
    cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch, stop: signal.Signals, code: ExitCode
) -> None:
    stopping(monkeypatch, at="1\n", signals=[stop])
    ended = cli("run", stub.url, "count")
    assert (ended.code, ended.out) == (code, "0\n1\n")
    assert ticket_in(ended).received == 2
    assert cli("run", stub.url, "count", "--resume", str(ticket_in(ended))).out.startswith("2\n3\nresult")


@posix
def test_a_signal_stops_what_has_come_already(
    cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the stream is there, so that there is nothing left to cancel."""
    head = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nX-Genkit-Stream-Id: s1\r\n\r\n"
    frames = b"".join(b'data: {"message":%d}\n\n' % number for number in range(4))
    stub.script("count", faults.raw(head + frames + b'data: {"result":"done"}\n\n'))
    stopping(monkeypatch, at="1\n", signals=[signal.SIGINT])
    ended = cli("run", stub.url, "count")
    assert (ended.code, ended.out, ticket_in(ended).received) == (ExitCode.CTRL_C, "0\n1\n", 2)


@posix
def test_a_signal_reaches_the_run_where_the_server_can_be_told(
    cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if closing the stream overtakes the thread that is to cancel it."""
    monkeypatch.setattr("streamflow_client.cli.interruptions.Thread", Mock)
    stopping(monkeypatch, at="1\n", signals=[signal.SIGINT])
    ended = cli("run", stub.url, "many", "--protocol", "reflection")
    assert (ended.code, ended.out, ended.err) == (ExitCode.CTRL_C, "0\n1\n", "cancelled\n")
    assert stub.requests[-1].path == "/api/cancelAction"


@posix
def test_a_second_signal_does_not_wait(cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chunk may have been printed or not: better twice than never."""
    stopping(monkeypatch, at="1\n", signals=[signal.SIGINT, signal.SIGINT])
    ended = cli("run", stub.url, "count")
    assert (ended.code, ended.out) == (ExitCode.CTRL_C, "0\n")
    assert ticket_in(ended).received == 1


def stopping(monkeypatch: pytest.MonkeyPatch, *, at: str, signals: list[signal.Signals]) -> None:
    """Send the signals just before this line is printed."""

    def emit(text: str) -> None:
        if f"{text}\n" == at:
            for number in signals:
                os.kill(os.getpid(), number)
        sys.stdout.write(f"{text}\n")

    monkeypatch.setattr("streamflow_client.cli.output.emit", emit)


@posix
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_before_anything_was_printed(
    cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch, stop: signal.Signals
) -> None:
    """The ticket that was given still leads on; a new run has none yet."""
    ticket = ticket_after(stub, 2)
    arrived = signalling_when_asked(stub, stop)
    ended = cli("run", stub.url, "count", "--resume", str(ticket))
    arrived.join()
    assert (ended.out, ticket_in(ended)) == ("", ticket)
    arrived = signalling_when_asked(stub, stop)
    ended = cli("run", stub.url, "count")
    arrived.join()
    assert (ended.out, ended.err) == ("", "cancelled\n")


def signalling_when_asked(stub: StubServer, stop: signal.Signals) -> threading.Thread:
    """Let the flow's answer wait, and send the signal meanwhile."""
    before = len(calls(stub))
    stub.script("count", faults.delay_headers(20))

    def work() -> None:
        stub.wait_until(lambda: len(calls(stub)) > before)
        os.kill(os.getpid(), stop)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@posix
def test_signals_are_given_back(cli: Cli, stub: StubServer) -> None:
    before = [signal.getsignal(number) for number, _ in STOPS]
    cli("run", stub.url, "count")
    assert [signal.getsignal(number) for number, _ in STOPS] == before


@posix
@pytest.mark.parametrize("number", [number for number, _ in STOPS])
def test_a_signal_that_is_ignored_stays_so(cli: Cli, stub: StubServer, number: signal.Signals) -> None:
    """As `nohup`, or a shell's background job, has it."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Interruptions().taken():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_stream_that_someone_else_cancelled_is_an_error(
    stub: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def act() -> None:
        with (
            Client(stub.url) as client,
            client.flow("many").stream() as stream,
            Interruptions().cancelling(stream),
        ):
            stream.cancel()
            next(stream)

    assert ending_of(act) == ExitCode.UNEXPECTED
    error, way_on = capsys.readouterr().err.splitlines()
    assert error.startswith("error: flow 'many': the stream was cancelled")
    assert WAY_ON.match(way_on)


def test_in_another_thread_there_are_no_signals_to_take(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    thread = threading.Thread(target=lambda: codes.append(main(["run", stub.url, "count", "--json"])))
    thread.start()
    thread.join()
    assert (codes, out.getvalue().count("\n")) == ([0], 5)


@posix
def test_a_pipe_that_ctrl_c_ended_too(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `… --json | jq` sees: the reader is gone when its last line is to be written."""
    reading, writing = os.pipe()

    class Pipe(io.TextIOWrapper):
        def write(self, text: str) -> int:
            if text == '{"chunk":1}':
                os.kill(os.getpid(), signal.SIGINT)
            if '"cancelled"' in text:
                os.close(reading)
            return super().write(text)

    with monkeypatch.context() as patch, Pipe(os.fdopen(writing, "wb", 0)) as pipe:
        patch.setattr(sys, "stdout", pipe)
        code = main(["run", stub.url, "count", "--json"])
    assert code == ExitCode.CTRL_C
    assert ticket_in(Ended(code, "", capsys.readouterr().err)).received == 2
