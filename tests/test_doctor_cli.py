"""`streamflow-client doctor` against real servers: what it asks, what it says, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import pytest

from shell import Cli, Ended, command_line, plain_surroundings
from streamflow_client.cli.examining import probing
from streamflow_client.cli.examining.diagnosis import FEWEST_CHUNKS
from streamflow_client.cli.examining.evidence import Recorder
from streamflow_client.cli.examining.report import SHOWN
from streamflow_client.cli.exits import ExitCode
from streamflow_client.testing import Call, FlowFailure, StubServer, faults

Send = Callable[[Any], None]
OPENAPI, ACTIONS, HEALTH = "/openapi.json", "/api/actions", "/api/__health"
NOWHERE = "http://localhost:9"
PROGRAM = [sys.executable, "-W", "error", "-m", "streamflow_client", "doctor"]
PATIENCE = 30.0  # seconds until something is taken for never


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_surroundings(monkeypatch, columns=100)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    run = command_line(capsys)
    return lambda *words: run("doctor", *words)


Stubs = Callable[..., StubServer]


@pytest.fixture
def stubs(flow_stub_factory: Stubs) -> Stubs:
    """Servers with the flow `menu`, which describe nothing unless asked to."""

    def start(
        dialect: str = "express", *, durable: bool = False, described: str = "", **options: Any
    ) -> StubServer:
        stub = flow_stub_factory(dialect, **options)
        for path in {OPENAPI, ACTIONS} - {described}:
            stub.always(path, faults.status(404))

        @stub.flow(durable=durable)
        def menu(dishes: int, send: Callable[[int], None]) -> str:
            for number in range(dishes):
                send(number)
            return "done"

        @stub.flow
        def failing(text: str, send: Send) -> None:
            send(1)
            raise FlowFailure("FAILED_PRECONDITION", text)

        return stub

    return start


@pytest.fixture
def stub(stubs: Stubs) -> StubServer:
    return stubs()


class Findings(dict[str, Any]):
    """A JSON document of `doctor`: its findings by their check, the last of each."""

    def __init__(self, ended: Ended) -> None:
        self.document = json.loads(ended.out)
        self.code, self.err = ended.code, ended.err
        super().__init__({each["check"]: each for each in self.document["findings"]})

    def verdict(self, check: str) -> str:
        found: str = self[check]["verdict"]
        return found


def examined(cli: Cli, *words: str) -> Findings:
    found = Findings(cli(*words, "--json"))
    assert found.document["bad"] == sum(each["verdict"] == "bad" for each in found.document["findings"])
    return found


# --- what is asked ---


def test_without_a_flow_nothing_runs(cli: Cli, stubs: Stubs) -> None:
    stub = stubs(described=OPENAPI)
    found = examined(cli, stub.url)
    asked = [(request.method, request.path) for request in stub.requests]
    *documents, (method, path) = asked
    assert documents == [("GET", OPENAPI), ("GET", ACTIONS), ("GET", HEALTH)]
    assert method == "POST"
    assert path.startswith("/no-such-flow-")
    assert stub.requests[-1].json == {}
    assert stub.runs == []
    assert (found.document["flow"], found.document["runs"]) == (None, 0)
    assert found.verdict("run") == "unknown"


@pytest.mark.parametrize("durable", [False, True])
def test_a_flow_runs_once(cli: Cli, stubs: Stubs, durable: bool) -> None:
    stub = stubs(durable=durable)
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3")
    assert stub.run_count("menu") == len(stub.runs) == 1
    assert (found.document["flow"], found.document["runs"]) == ("menu", 1)
    asked = [request for request in stub.requests if request.path == "/menu"]
    resumed = ["x-genkit-stream-id" in request.headers for request in asked]
    assert resumed == ([False, True] if durable else [False])
    assert found.verdict("resume") == ("good" if durable else "note")
    assert found["resume"]["facts"]["id"] is durable


def test_every_connection_is_let_go(cli: Cli, stubs: Stubs) -> None:
    stub = stubs(durable=True)
    assert examined(cli, stub.url, "--flow", "menu", "--input", "2").code == 0
    stub.wait_until(lambda: stub.connections.open == 0)


# --- what it is ---

CANDIDATES = {
    "express": ["js-express"],
    "next": ["js-next"],
    "firebase": ["js-firebase"],
    "go": ["go"],
    "fastapi": ["python-fastapi", "plain-fastapi"],
    "fastapi-old": ["python-fastapi", "plain-fastapi"],
    "flask": ["python-flask"],
}
FAILING = CANDIDATES | {"fastapi": ["python-fastapi"], "fastapi-old": ["python-fastapi"]}
BEFORE = CANDIDATES | {"express": ["js-express", "js-firebase"], "firebase": ["js-express", "js-firebase"]}


@pytest.mark.parametrize("dialect", CANDIDATES)
def test_each_dialect(cli: Cli, stubs: Stubs, dialect: str) -> None:
    stub = stubs(dialect)
    url = stub.url
    assert examined(cli, url)["server"]["facts"]["candidates"] == BEFORE[dialect]
    assert (
        examined(cli, url, "--flow", "menu", "--input", "3")["server"]["facts"]["candidates"]
        == CANDIDATES[dialect]
    )
    failed = examined(cli, url, "--flow", "failing", "--input", '"oh"')
    assert failed["server"]["facts"]["candidates"] == FAILING[dialect]
    assert (failed.code, failed.verdict("run")) == (ExitCode.UNWELL, "bad")
    assert failed["run"]["facts"]["ending"] == "failed"
    assert failed["run"]["facts"]["chunks"] == 1


@pytest.mark.parametrize("dialect", ["express", "go", "fastapi"])
def test_the_reflection_api(cli: Cli, stubs: Stubs, dialect: str) -> None:
    stub = stubs(dialect, described=ACTIONS)
    kind = {"express": "js", "go": "go", "fastapi": "python"}[dialect]
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3")
    assert found["server"]["facts"]["candidates"] == [f"{kind}-reflection"]
    assert found["run"]["facts"]["protocol"] == "reflection"
    assert found["run"]["facts"]["chunks"] == 3
    assert found.verdict("types") == ("good" if dialect == "go" else "note")
    assert stub.requests[-1].path == "/api/runAction"
    assert stub.run_count("menu") == 1


def test_the_protocol_may_be_named(cli: Cli, stubs: Stubs) -> None:
    stub = stubs()
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3", "--protocol", "reflection")
    assert found["run"]["facts"]["protocol"] == "reflection"
    assert {request.path for request in stub.requests if request.method == "POST"} == {"/api/runAction"}
    stub = stubs(described=ACTIONS)
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3", "--protocol", "callable")
    assert stub.requests[-1].path == "/menu"
    assert found.verdict("types") == "note"  # the catalog's


@pytest.mark.parametrize(
    ("dialect", "verdict", "content_type"),
    [
        ("go", "good", "text/event-stream"),
        ("express", "note", "text/plain"),
        ("firebase", "note", None),
        ("flask", "note", "text/html; charset=utf-8"),
    ],
)
def test_content_types(cli: Cli, stubs: Stubs, dialect: str, verdict: str, content_type: str | None) -> None:
    found = examined(cli, stubs(dialect).url, "--flow", "menu", "--input", "3")["content-type"]
    assert (found["verdict"], found["facts"]["content_type"]) == (verdict, content_type)


def test_keep_alive(cli: Cli, stubs: Stubs) -> None:
    assert examined(cli, stubs("go").url)["http"]["facts"] == {"version": "HTTP/1.1", "reused": True}
    assert examined(cli, stubs("flask").url)["http"]["facts"] == {"version": "HTTP/1.1", "reused": False}


def test_a_connection_that_we_closed_tells_nothing_of_keep_alive(
    cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "PROBE_SECONDS", 0.5)
    everywhere(stub, faults.stall(after_chunks=0))
    found = examined(cli, stub.url)
    assert len(stub.requests) > 1
    assert found["http"]["facts"] == {"version": "HTTP/1.1", "reused": None}
    assert found.verdict("http") == "good"


@pytest.mark.usefixtures("no_ssl_context")
def test_tls(cli: Cli, stubs: Stubs, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = stubs(tls=True)
    refused = examined(cli, stub.url)
    assert refused.code == ExitCode.NOT_CONNECTED
    assert "CERTIFICATE_VERIFY_FAILED" in refused["connection"]["found"]
    assert "SSL_CERT_FILE" in refused["connection"]["advice"]
    monkeypatch.setenv("SSL_CERT_FILE", str(stub.ca_file))
    found = examined(cli, stub.url)
    assert found.code == 0
    assert found["tls"]["facts"]["version"].startswith("TLSv1.")
    assert found["tls"]["facts"]["days_left"] > 0


# --- live or buffered ---


class Hearing:
    """A clock that stands still until it is moved on, and whether the client has read what was sent."""

    def __init__(self) -> None:
        self.now = 100.0
        self.heard = Semaphore(0)


@pytest.fixture
def hearing(monkeypatch: pytest.MonkeyPatch) -> Hearing:
    found = Hearing()

    class Telling(Recorder):
        def piece(self, at: float, data: bytes) -> None:
            super().piece(at, data)
            found.heard.release()

    monkeypatch.setattr(probing, "monotonic", lambda: found.now)
    monkeypatch.setattr(probing, "Recorder", Telling)
    return found


def test_live_chunks(cli: Cli, stub: StubServer, hearing: Hearing) -> None:
    @stub.flow
    def live(send: Send) -> None:
        while hearing.heard.acquire(blocking=False):
            pass  # what came before the run
        for number in range(5):
            hearing.now += 1.0
            send(number)
            assert hearing.heard.acquire(timeout=PATIENCE)

    found = examined(cli, stub.url, "--flow", "live")
    assert found["delivery"]["facts"] == {
        "chunks": 5,
        "bursts": 5,
        "first_seconds": 1.0,
        "last_seconds": 5.0,
        "longest_gap_seconds": 1.0,
    }
    assert (found.verdict("delivery"), found.code) == ("good", 0)


def test_buffered_chunks(cli: Cli, stub: StubServer, hearing: Hearing) -> None:
    @stub.flow
    def late(send: Send) -> None:
        hearing.now += 3.0
        for number in range(5):
            send(number)

    found = examined(cli, stub.url, "--flow", "late")
    assert (found.verdict("delivery"), found.code) == ("bad", ExitCode.UNWELL)
    assert found["delivery"]["found"].startswith("all 5 chunks came together, 3.00 s after the request")
    assert "proxy_buffering off" in found["delivery"]["advice"]


def test_too_few_chunks(cli: Cli, stub: StubServer) -> None:
    found = examined(cli, stub.url, "--flow", "menu", "--input", str(FEWEST_CHUNKS - 1))
    assert (found.verdict("delivery"), found.code) == ("unknown", 0)


def test_pings(cli: Cli, stub: StubServer, hearing: Hearing) -> None:
    stub.always("menu", (faults.insert(b": ping\n\n", 1), faults.insert(b": ping\n\n: ping\n\n", 2)))
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3")["pings"]
    assert (found["verdict"], found["facts"]["pings"], found["facts"]["every_seconds"]) == ("good", 3, 0.0)


# --- resuming ---


def test_resuming(cli: Cli, stubs: Stubs) -> None:
    found = examined(cli, stubs(durable=True).url, "--flow", "menu", "--input", "4")["resume"]
    assert found["facts"] == {"id": True, "http_status": 200, "chunks": 4, "outcome": "same"}


def test_a_failure_is_resumed_to_the_same_failure(cli: Cli, stubs: Stubs) -> None:
    stub = stubs()

    @stub.flow(durable=True)
    def lost(send: Send) -> None:
        send(1)
        raise FlowFailure("NOT_FOUND", "no such thing")

    found = examined(cli, stub.url, "--flow", "lost")
    assert found["resume"]["facts"]["outcome"] == "same"
    assert found["resume"]["facts"]["chunks"] == 1


@pytest.mark.parametrize(
    ("fault", "outcome", "status"),
    [
        (faults.status(204), "expired", 204),
        (faults.stream_not_found_html(), "expired", 500),
        (faults.other_stream_id(), "other", 200),
        (faults.lose_chunk(1), "other", 200),
        (faults.change_chunk(1, "x"), "other", 200),
        (faults.status(503), "failed", 503),
        (faults.drop(after_chunks=1), "failed", 200),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, faults.Fault) else None,
)
def test_resuming_goes_wrong(cli: Cli, stubs: Stubs, fault: Any, outcome: str, status: int) -> None:
    stub = stubs("next" if outcome == "other" else "express", durable=True)
    stub.script("menu", None, fault)
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3")
    assert (found.verdict("resume"), found.code) == ("bad", ExitCode.UNWELL)
    assert found["resume"]["facts"]["outcome"] == outcome
    assert found["resume"]["facts"]["http_status"] == status
    assert stub.run_count("menu") == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (('"message":0', '"message":1', '"result":"done"'), "2 chunks instead of 1"),
        (('"message":0', '"result":"other"'), "another result"),
        (('"message":0', '"result":"done"'), ""),
    ],
)
def test_a_replay_that_goes_on_otherwise(cli: Cli, stubs: Stubs, values: tuple[str, ...], says: str) -> None:
    stub = stubs(durable=True)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    events = "".join(f"data: {{{value}}}\n\n" for value in values)
    stub.script("menu", None, faults.raw(head + events.encode()))
    found = examined(cli, stub.url, "--flow", "menu", "--input", "1")
    assert found["resume"]["facts"]["outcome"] == ("other" if says else "same")
    assert says in found["resume"]["found"]
    assert found.verdict("resume") == ("bad" if says else "good")


def test_a_stream_that_broke_is_resumed(cli: Cli, stubs: Stubs) -> None:
    stub = stubs(durable=True)
    stub.script("menu", faults.drop(after_chunks=1))
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3")
    assert found["run"]["facts"]["ending"] == "broken"
    assert (found.verdict("run"), found.code) == ("bad", ExitCode.UNWELL)
    assert found["resume"]["facts"] == {"id": True, "http_status": 200, "chunks": 3, "outcome": "same"}
    assert stub.run_count("menu") == 1


# --- types ---


def test_types(cli: Cli, stubs: Stubs) -> None:
    stub = stubs(described=OPENAPI)
    assert examined(cli, stub.url, "--flow", "menu", "--input", "3").verdict("types") == "good"
    stub.script("menu", (faults.change_chunk(0, "no number"), faults.change_chunk(2, None)))
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3")
    assert (found.verdict("types"), found["types"]["facts"]["wrong"], found.code) == (
        "bad",
        2,
        ExitCode.UNWELL,
    )
    assert "chunk" in found["types"]["found"]
    assert found["run"]["facts"]["ending"] == "result"


def test_an_output_of_another_type(cli: Cli, stubs: Stubs, tmp_path: Path) -> None:
    stub = stubs()
    file = tmp_path / "actions.json"
    schemas = {"inputSchema": {"type": "integer"}, "outputSchema": {"type": "integer"}}
    file.write_text(json.dumps({"/flow/menu": {"key": "/flow/menu", "name": "menu", **schemas}}))
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3", "--catalog", str(file))
    assert (found.verdict("types"), found["types"]["facts"]["wrong"]) == ("bad", 1)
    assert str(file) in [
        each["facts"]["place"] for each in found.document["findings"] if each["check"] == "discovery"
    ]


def test_an_input_of_another_type_runs_nothing(cli: Cli, stubs: Stubs) -> None:
    stub = stubs(described=OPENAPI)
    ended = cli(stub.url, "--flow", "menu", "--input", '"three"')
    assert (ended.code, ended.out) == (ExitCode.TYPES, "")
    assert "not of the flow's input type" in ended.err
    assert stub.runs == []


def test_a_text_needs_no_quotation_marks_where_it_is_known(cli: Cli, stubs: Stubs) -> None:
    stub = stubs(described=OPENAPI)
    examined(cli, stub.url, "--flow", "failing", "--input", "as it stands")
    assert stub.requests[-1].json == {"data": "as it stands"}


def test_a_broken_schema_is_told_and_the_flow_runs_without(
    cli: Cli, stub: StubServer, tmp_path: Path
) -> None:
    file = tmp_path / "actions.json"
    file.write_text(json.dumps({"/flow/menu": {"name": "menu", "inputSchema": {"$ref": "#/nowhere"}}}))
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3", "--catalog", str(file))
    assert found.verdict("types") == "unknown"
    assert found.verdict("run") == "good"
    assert any("there is nothing at '#/nowhere'" in each["found"] for each in found.document["findings"])


def test_a_catalog_that_is_not_there(cli: Cli, stub: StubServer) -> None:
    found = examined(cli, stub.url, "--catalog", "no-such-file.json")
    assert any("no-such-file.json: No such file" in each["found"] for each in found.document["findings"])
    assert found.code == 0


def test_another_servers_catalog_tells_nothing_of_this_one(cli: Cli, stubs: Stubs) -> None:
    stub, other = stubs("go"), stubs("flask", described=OPENAPI)
    found = examined(
        cli, stub.url, "--catalog", other.url + OPENAPI, "--auth", "s3cret", "--flow", "menu", "--input", "3"
    )
    assert found["server"]["facts"]["candidates"] == ["go"]
    assert found.verdict("types") == "good"
    assert "authorization" not in other.requests[0].headers
    assert stub.requests[0].headers["authorization"] == "Bearer s3cret"


# --- credentials ---


@pytest.mark.parametrize("dialect", ["express", "next", "firebase", "go", "fastapi", "flask"])
def test_a_server_that_wants_a_key(cli: Cli, stubs: Stubs, dialect: str) -> None:
    stub = stubs(dialect, api_key="open-sesame")
    words = (stub.url, "--flow", "menu", "--input", "3")
    without = examined(cli, *words)
    assert (without.verdict("auth"), without.verdict("run"), without.code) == ("bad", "bad", ExitCode.UNWELL)
    assert "--auth" in without["auth"]["advice"]
    wrong = examined(cli, *words, "--auth", "wrong-one")
    assert wrong["auth"]["found"].startswith("the credential is refused")
    right = examined(cli, *words, "-H", "X-Api-Key: open-sesame")
    assert right.verdict("run") == "good"
    assert right.verdict("auth") == ("unknown" if dialect == "firebase" else "good")
    assert stub.run_count("menu") == 1


def test_whether_a_credential_is_asked_for_is_not_guessed(cli: Cli, stub: StubServer) -> None:
    assert examined(cli, stub.url, "--auth", "s3cret").verdict("auth") == "unknown"
    anonymous = stub.requests[-1]
    assert anonymous.path.startswith("/no-such-flow-")
    assert "authorization" not in anonymous.headers
    assert "authorization" in stub.requests[-2].headers


def test_secrets_are_not_repeated(cli: Cli, stub: StubServer) -> None:
    @stub.flow(durable=True)
    def echoing(call: Call) -> None:
        raise FlowFailure(
            "ABORTED", f"{call.headers['authorization']} {call.headers['x-one']} {call.stream_id}"
        )

    page = b"<pre>Cannot POST /x</pre><title>tok-en-123</title>"
    stub.always("*", faults.status(404, body=page, headers=(("Via", "tok-en-123 s3cret-header"),)))
    stub.script("echoing", None)
    words = (stub.url, "--flow", "echoing", "--auth", "tok-en-123", "-H", "X-One: s3cret-header")
    for options in ([], ["--json"]):
        stub.script("echoing", None)
        ended = cli(*words, *options)
        assert "***" in ended.out
        told = ended.out + ended.err
        assert stub.runs[-1].stream_id is not None
        for secret in ("tok-en-123", "s3cret-header", stub.runs[-1].stream_id):
            assert secret not in told


def test_a_password_in_the_url_is_not_repeated(cli: Cli, stub: StubServer) -> None:
    ended = cli(stub.url.replace("//", "//me:pass-word@"))
    assert "pass-word" not in ended.out + ended.err
    assert stub.requests[0].headers["authorization"].startswith("Basic ")
    assert "authorization" not in stub.requests[-1].headers


def test_credentials_are_not_repeated_as_they_were_sent(cli: Cli, stub: StubServer) -> None:
    credential = "Basic bWU6cGFzcy13b3Jk"  # me:pass-word
    sent = (("Via", credential), ("Server", "nginx session-0123456789"))
    stub.always("*", faults.status(404, body=b"", headers=sent))
    url = stub.url.replace("//", "//me:pass-word@")
    ended = cli(url, "-H", "Cookie: theme=dark; id=session-0123456789")
    assert stub.requests[0].headers["authorization"] == credential
    assert "via: Basic ***" in ended.out
    assert "server: nginx ***" in ended.out


# --- servers that misbehave ---


def everywhere(stub: StubServer, fault: faults.Fault) -> None:
    for key in ("*", OPENAPI, ACTIONS):
        stub.always(key, fault)


def test_nothing_listens(cli: Cli, stub: StubServer) -> None:
    with stub.refusing():
        found = examined(cli, stub.url, "--flow", "menu", "--input", "3")
    assert found.code == ExitCode.NOT_CONNECTED
    assert [each["check"] for each in found.document["findings"]] == ["connection"]
    assert found.document["runs"] == 0
    assert "could not reach" in found["connection"]["found"]
    assert found["connection"]["advice"]


@pytest.mark.parametrize("fault", [faults.delay_headers(60), faults.trickle_headers(0.02)])
def test_a_server_that_never_answers(
    cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr(probing, "PROBE_SECONDS", 0.5)
    everywhere(stub, fault)
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3")
    assert found.code == ExitCode.TIMEOUT
    assert [each["check"] for each in found.document["findings"]] == ["connection"] * probing.MOST_SILENT
    assert len(stub.requests) <= probing.MOST_SILENT
    assert "did not end within 0.5 s" in found["connection"]["found"]
    assert stub.runs == []


def test_what_is_no_http(cli: Cli, stub: StubServer) -> None:
    everywhere(stub, faults.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"))
    found = examined(cli, stub.url)
    assert found.code == ExitCode.INTERRUPTED
    assert "does not speak HTTP" in found["connection"]["found"]


def test_html_pages_for_everything(cli: Cli, stub: StubServer) -> None:
    everywhere(stub, faults.html_page(200))
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3")
    assert (found.code, found["run"]["facts"]["ending"]) == (ExitCode.UNWELL, "unlike")
    assert "HTML" in found["run"]["found"]
    assert found["server"]["facts"]["candidates"] == []
    assert stub.runs == []


@pytest.mark.parametrize(
    ("fault", "ending", "verdict"),
    [
        (faults.drop(after_chunks=2), "broken", "bad"),
        (faults.clean_eof(after_chunks=2), "broken", "bad"),
        (faults.reset(after_bytes=5), "broken", "bad"),
        (faults.close_before_response(), "broken", "bad"),
        (faults.corrupt_json(after_chunks=1), "unlike", "bad"),
        (faults.oversize(20 * 1024 * 1024, after_chunks=1), "unlike", "bad"),
        (faults.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "unlike", "bad"),
        (faults.status(302, headers=(("Location", "/login"),)), "unlike", "bad"),
        (faults.status(503), "refused", "bad"),
        (faults.pieces(1), "result", "good"),
        (faults.no_body_end(), "result", "good"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, faults.Fault) else None,
)
def test_runs_that_go_wrong(cli: Cli, stub: StubServer, fault: Any, ending: str, verdict: str) -> None:
    stub.always("menu", fault)
    found = examined(cli, stub.url, "--flow", "menu", "--input", "2")  # too few to judge when they came
    assert (found["run"]["facts"]["ending"], found.verdict("run")) == (ending, verdict)
    assert found.code == (ExitCode.UNWELL if verdict == "bad" else 0)
    assert len([request for request in stub.requests if request.path == "/menu"]) == 1


@pytest.mark.parametrize(
    ("fault", "seconds", "ending", "verdict"),
    [
        (faults.stall(after_chunks=0), "0.3", "silence", "bad"),
        (faults.delay_headers(60), "0.3", "silence", "bad"),
        (faults.stall(after_chunks=1), "2", "time", "unknown"),
        (faults.pings(0.01, after_chunks=1), "2", "time", "unknown"),
    ],
)
def test_runs_without_end(
    cli: Cli, stub: StubServer, fault: Any, seconds: str, ending: str, verdict: str
) -> None:
    stub.always("menu", fault)
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3", "--timeout", seconds)
    assert (found["run"]["facts"]["ending"], found.verdict("run")) == (ending, verdict)
    assert "--timeout" in found["run"]["advice"]


def test_a_flow_that_floods(cli: Cli, stub: StubServer) -> None:
    @stub.flow
    def endless(send: Send, call: Call) -> None:
        for number in count():
            send(f"{number}" * 100)
            if call.client_gone.is_set():
                return

    found = examined(cli, stub.url, "--flow", "endless", "--timeout", "2")
    assert found["run"]["facts"]["ending"] == "time"
    stub.wait_until(lambda: stub.connections.open == 0)


@pytest.mark.parametrize("close", ["menn", "no-such"])
def test_an_unknown_flow(cli: Cli, stubs: Stubs, close: str) -> None:
    stub = stubs(described=OPENAPI)
    found = examined(cli, stub.url, "--flow", close)
    assert found.document["runs"] == len(stub.runs) == 0
    assert cli(stub.url, "--flow", close).out.splitlines()[-1] == "1 bad finding; no flow was run"
    assert (found["run"]["facts"]["ending"], found["run"]["facts"]["http_status"]) == ("refused", 404)
    assert ("did you mean 'menu'?" in found["run"]["advice"]) is (close == "menn")


def test_a_proxy_that_tells_of_itself(cli: Cli, stub: StubServer) -> None:
    stub.always(HEALTH, faults.status(502, headers=(("Server", "nginx/1.22.1"), ("Via", "1.1 gate"))))
    assert examined(cli, stub.url)["proxy"]["facts"]["told"] == ["via: 1.1 gate", "server: nginx/1.22.1"]


def test_a_compressed_stream(cli: Cli, stub: StubServer) -> None:
    import gzip

    body = gzip.compress(b'data: {"message":1}\n\n' * 3 + b'data: {"result":2}\n\n')
    headers = (("Content-Encoding", "gzip"),)
    stub.always("menu", faults.status(200, body=body, content_type="text/event-stream", headers=headers))
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3")
    assert (found.verdict("content-type"), found["delivery"]["facts"]["chunks"]) == ("bad", 3)


def test_an_answer_that_is_no_stream(cli: Cli, stub: StubServer) -> None:
    stub.always("menu", faults.status(200, body=b'{"result":1}', content_type="application/json"))
    found = examined(cli, stub.url, "--flow", "menu", "--input", "3")
    assert (found.verdict("run"), found.verdict("delivery"), found.code) == ("good", "note", 0)
    assert "content-type" not in found


# --- what is printed ---


def test_text_for_people(cli: Cli, stubs: Stubs) -> None:
    stub = stubs("go")
    ended = cli(stub.url, "--flow", "menu", "--input", "2")
    first, *lines, last = ended.out.splitlines()
    assert first == stub.url
    assert last == "nothing is bad; the flow was run once"
    assert (
        "good    server: speaks like Genkit Go (Go's text for an unknown path (404 page not found);"
        in ended.out
    )
    assert "unknown delivery: 2 chunks: too few to tell whether they arrive live or buffered" in lines
    assert "        → run a flow, or give an input, that sends 3 chunks or more with pauses" in lines
    assert (ended.code, ended.err) == (0, "")
    bad = cli(stub.url, "--flow", "failing", "--input", '"oh"')
    assert bad.out.splitlines()[-1] == "1 bad finding; the flow was run once"
    assert bad.code == ExitCode.UNWELL
    assert cli(stub.url).out.splitlines()[-1] == "nothing is bad; no flow was run"


def test_what_a_server_says_is_escaped_and_bounded(cli: Cli, stub: StubServer) -> None:
    evil = "\x1b]0;evil\x07\u202e" + "long " * 1000
    words = (stub.url, "--flow", "failing", "--input", json.dumps(evil))
    text, document = cli(*words), cli(*words, "--json")
    assert r"\x1b]0;evil\x07\u202elong" in text.out
    assert max(map(len, text.out.splitlines())) < SHOWN + 100
    assert not any(character in text.out + document.out for character in "\x1b\x07\u202e")
    told = {each["check"]: each for each in json.loads(document.out)["findings"]}["run"]
    assert "evil" in told["found"]
    assert len(told["found"]) <= SHOWN


def test_names_and_headers_are_escaped_and_bounded_too(cli: Cli, stub: StubServer, tmp_path: Path) -> None:
    file = tmp_path / "actions.json"
    file.write_text(json.dumps({"/flow/a\u202eb": {"name": "a\u202eb"}}))
    stub.always(HEALTH, faults.status(502, headers=(("Via", "1.1 " + "gate" * 1000),)))
    ended = cli(stub.url, "--catalog", str(file))
    assert r"describes 1 flow: a\u202eb" in ended.out
    assert max(map(len, ended.out.splitlines())) < SHOWN + 100


def test_the_shape_of_the_document(cli: Cli, stubs: Stubs) -> None:
    found = examined(cli, stubs(durable=True).url, "--flow", "menu", "--input", "3")
    assert set(found.document) == {"url", "flow", "runs", "bad", "findings"}
    for each in found.document["findings"]:
        assert set(each) == {"check", "verdict", "found", "advice", "facts"}
        assert each["verdict"] in {"good", "note", "bad", "unknown"}
        assert each["found"]
        assert isinstance(each["facts"], dict)
    assert found.err == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((NOWHERE, "--input", "1"), "--input is for a flow"),
        ((NOWHERE, "--flow", "../up"), "'..'"),
        ((NOWHERE, "--flow", ""), "needs a name"),
        ((NOWHERE, "--timeout", "0"), "must be a positive number"),
        ((NOWHERE, "--header", "secret"), "a header is written as"),
        ((NOWHERE, "--catalog", "file:///x"), "catalog is a path or an http(s) URL"),
        (("localhost:3400",), "expected a URL"),
        (("http://me:pass-word@h?x",), "***"),
    ],
)
def test_words_that_make_no_sense(cli: Cli, words: tuple[str, ...], says: str) -> None:
    ended = cli(*words)
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert says in ended.told
    assert "pass-word" not in ended.err


def test_a_proxy_that_makes_no_sense(cli: Cli, stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "garbage://")
    ended = cli(stub.url)
    assert ended.code == ExitCode.USAGE
    assert "proxy" in ended.err
    assert not stub.requests


def test_an_input_that_is_no_json(cli: Cli, stub: StubServer) -> None:
    ended = cli(stub.url, "--flow", "menu", "--input", "{no")
    assert (ended.code, ended.out, stub.runs) == (ExitCode.USAGE, "", [])
    assert "the input is not JSON" in ended.told


def test_help_tells_how_often_the_flow_runs_and_the_exit_code(cli: Cli) -> None:
    text = " ".join(cli("--help").out.split())
    assert "Run this flow, once" in text
    assert f"{ExitCode.UNWELL} doctor found something bad" in text


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    programs: list[subprocess.Popen[str]] = []
    # Children of a shell's background job would ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(*words: str) -> subprocess.Popen[str]:
        program = subprocess.Popen(
            [*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        programs.append(program)
        return program

    yield start
    signal.signal(signal.SIGINT, before)
    for program in programs:
        program.kill()
        program.communicate()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.CTRL_C), (signal.SIGTERM, ExitCode.TERMINATED)]
)
@pytest.mark.parametrize("while_running", [True, False])
def test_signals(
    stub: StubServer, started: Any, number: signal.Signals, code: ExitCode, while_running: bool
) -> None:
    entered = Event()

    @stub.flow
    def endless(send: Send, call: Call) -> None:
        send(0)
        entered.set()
        call.client_gone.wait(PATIENCE)

    if not while_running:
        stub.always(HEALTH, faults.delay_headers(60))
    program = started(stub.url, "--flow", "endless")
    if while_running:
        assert entered.wait(PATIENCE)
    else:
        stub.wait_until(lambda: any(request.path == HEALTH for request in stub.requests), PATIENCE)
    program.send_signal(number)
    out, err = program.communicate(timeout=PATIENCE)
    assert (program.returncode, out, err) == (code, "", "cancelled\n")
