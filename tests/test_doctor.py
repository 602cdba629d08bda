"""What `doctor` makes of what it saw: observations in, findings out, without a server and without a clock."""

from __future__ import annotations

import ast
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from import_rules import PACKAGE, is_forbidden
from streamflow_client.cli.examining.diagnosis import SAME_MOMENT, Finding, delivery, diagnose
from streamflow_client.cli.examining.evidence import (
    HEAD_BYTES,
    MOST_TIMES,
    Answer,
    Observations,
    Probe,
    Problem,
    Recorder,
    Recording,
    Redactor,
    Resumed,
    Run,
    Source,
    Tls,
)
from streamflow_client.cli.examining.signatures import ADVICE, REFLECTIONS, TITLES, Kind, recognise

NOT_FOUND = Answer(404, {"content-type": "text/plain"}, b"nothing here")


def seen(**changes: Any) -> Observations:
    """A server that answers, and tells nothing."""
    probe = Probe("GET /openapi.json", NOT_FOUND)
    bare = Observations("http://localhost:1", probes=(probe,), nowhere=probe, health=probe, reused=True)
    return replace(bare, **changes)


def answering(answer: Answer) -> Observations:
    probe = Probe("POST /no-such-flow", answer)
    return seen(probes=(probe,), nowhere=probe)


def finding(observations: Observations, check: str) -> Finding:
    """The one finding of that check."""
    (found,) = [each for each in diagnose(observations) if each.check == check]
    return found


def stream(*events: bytes, kind: str = "text/event-stream", **changes: Any) -> Run:
    """A run of a stream with these bytes, a piece each, all at the beginning."""
    headers = {"content-type": kind} if kind else {}
    recorder = Recorder(headers, changes.get("protocol", "callable"))
    for event in events:
        recorder.piece(0.0, event)
    return replace(Run("menu", answer=Answer(200, headers), recording=recorder.finish(0.0)), **changes)


CHUNK, RESULT = b'data: {"message":1}\n\n', b'data: {"result":2}\n\n'


# --- live or buffered ---


def spaced(count: int, gap: float, first: float = 1.0) -> tuple[float, ...]:
    return tuple(first + gap * number for number in range(count))


@pytest.mark.parametrize(
    ("chunks", "pings", "verdict", "says"),
    [
        pytest.param((), (), "unknown", "0 chunks: too few", id="none"),
        pytest.param((0.5,), (), "unknown", "1 chunk: too few", id="one"),
        pytest.param((0.5, 3.0), (), "unknown", "2 chunks: too few", id="two"),
        pytest.param(
            spaced(3, 0.5), (), "good", "live: 3 chunks over 1.00 s, the first after 1.00 s", id="3"
        ),
        pytest.param(spaced(12, 0.05, 0.0), (), "good", "live: 12 chunks over 0.55 s", id="at-once-but-live"),
        pytest.param(spaced(12, 0.001), (), "bad", "all 12 chunks came together, 1.00 s", id="buffered"),
        pytest.param(spaced(12, 0.0, 60.0), (), "bad", "60.00 s after the request", id="long-buffered"),
        pytest.param((0.99, 1.0, 1.01), (), "bad", "0.99 s after the request", id="from-its-first"),
        pytest.param(spaced(12, 0.001, 0.2), (), "bad", "0.20 s after the request", id="just-slow-enough"),
        pytest.param(spaced(12, 0.001, 0.1), (), "unknown", "too fast to tell", id="fast"),
        pytest.param(spaced(12, 0.0), (0.5,), "note", "pings came before", id="pings-before"),
        pytest.param(spaced(12, 0.0), (1.0,), "bad", "all 12", id="pings-with-them"),
        pytest.param(spaced(12, 0.0), (1.0 - SAME_MOMENT,), "bad", "all 12", id="pings-just-before"),
        pytest.param((0.0, SAME_MOMENT, 2 * SAME_MOMENT), (), "good", "live", id="just-not-the-same-moment"),
        pytest.param(spaced(12, 0.0), (2.0,), "bad", "all 12", id="pings-after"),
        pytest.param(
            (*spaced(6, 0.0, 1.0), *spaced(6, 0.0, 2.0)), (), "note", "in 2 bursts", id="two-bursts"
        ),
        pytest.param((1.0, 1.001, 2.0, 2.001), (), "good", "live: 4 chunks over 1.00 s", id="pairs"),
        pytest.param((1.0, 1.001, 1.002, 2.0), (), "good", "live", id="half-as-many-bursts"),
        pytest.param((1.0, 1.001, 1.002, 1.003, 2.0), (), "note", "up to 4 at once", id="fewer"),
        pytest.param(spaced(201, 0.01, 0.5), (), "good", "live: 201 chunks over 2.00 s", id="hardly-pauses"),
        pytest.param(
            (*spaced(101, 0.01, 0.5), *spaced(100, 0.01, 1.52)),
            (),
            "good",
            "live: 201 chunks over 2.01 s",
            id="hardly-pauses-with-a-hiccup",
        ),
        pytest.param(spaced(10_000, 0.0001, 0.0), (), "unknown", "without a pause", id="flood"),
        pytest.param(spaced(10_000, 0.0001, 3.0), (), "bad", "all 10000", id="much-that-was-buffered"),
        pytest.param((2.0, 2.0, 2.0, 2.02), (), "bad", "all 4 chunks came together, 2.00 s", id="hiccup"),
        pytest.param((2.0, 2.0, 2.02, 2.02, 2.04, 2.04), (), "bad", "all 6", id="hiccups"),
        pytest.param((0.1, 0.1, 0.1, 0.12), (), "good", "live", id="early-chunks-are-no-hiccup"),
    ],
)
def test_delivery(chunks: tuple[float, ...], pings: tuple[float, ...], verdict: str, says: str) -> None:
    found = delivery(Recording(chunks=chunks, pings=pings, ended=chunks[-1] if chunks else 1.0))
    assert found.verdict == verdict
    assert says in found.found
    assert bool(found.advice) == (verdict in ("bad", "unknown") or "bursts" in found.found)


def test_the_numbers_of_a_delivery() -> None:
    found = delivery(Recording(chunks=(1.0, 1.001, 1.75, 3.75), ended=4.0))
    assert found.facts == {
        "chunks": 4,
        "bursts": 3,
        "first_seconds": 1.0,
        "last_seconds": 3.75,
        "longest_gap_seconds": 2.0,
    }


# --- which server ---


def kinds(observations: Observations) -> list[set[Kind]]:
    return [set(verdict.kinds) for verdict in recognise(observations)]


EXPRESS_404 = b"<!DOCTYPE html>\n<pre>Cannot POST /no-such-flow</pre>\n"
FLASK_404 = (
    b"<!doctype html><p>The requested URL was not found on the server. If you entered the URL manually"
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (NOT_FOUND, set[Kind]()),
        (Answer(404, {"x-powered-by": "Express"}), {Kind.EXPRESS, Kind.FIREBASE}),
        (Answer(404, {}, EXPRESS_404), {Kind.EXPRESS, Kind.FIREBASE}),
        (Answer(404, {"x-powered-by": "Next.js"}), {Kind.NEXT}),
        (Answer(404, {}, b"<h2>This page could not be found.</h2>"), {Kind.NEXT}),
        (Answer(404, {}, b"404 page not found\n"), {Kind.GO}),
        (Answer(404, {}, b"404 page not found"), set[Kind]()),
        (Answer(404, {"server": "uvicorn"}), {Kind.FASTAPI, Kind.PLAIN_FASTAPI}),
        (Answer(404, {}, b'{"detail":"Not Found"}'), {Kind.FASTAPI, Kind.PLAIN_FASTAPI}),
        (Answer(404, {"server": "Werkzeug/3.1.9 Python/3.11.7"}), {Kind.FLASK}),
        (Answer(404, {}, FLASK_404), {Kind.FLASK}),
        (Answer(404, {}, b'{"message":"Route POST:/x not found","statusCode":404}'), {Kind.FASTIFY}),
        (Answer(404, {"server": "nginx/1.22.1"}), set[Kind]()),
    ],
)
def test_what_an_unknown_path_tells(answer: Answer, expected: set[Kind]) -> None:
    assert kinds(answering(answer)) == [expected]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (stream(CHUNK, RESULT, kind="text/plain"), {Kind.EXPRESS}),
        (stream(CHUNK, RESULT, kind="text/html; charset=utf-8"), {Kind.FLASK}),
        (stream(CHUNK, RESULT, kind=""), {Kind.FIREBASE}),
        (stream(CHUNK, RESULT, b"END"), {Kind.NEXT}),
        (stream(CHUNK, b'error: {"status":"INTERNAL","message":""}\n\nEND'), {Kind.NEXT}),
        (stream(CHUNK, b'error: {"error":{"message":""}}\n\n'), {Kind.FASTIFY, Kind.FETCH, Kind.NEXT}),
        (stream(CHUNK, b'error: {"error":{"message":""}}'), {Kind.FASTAPI}),
        (stream(CHUNK, b'data: {"error":{"message":""}}\n\n'), {Kind.GO, Kind.FASTAPI, Kind.PLAIN_FASTAPI}),
        (stream(CHUNK, b'data: {"error":{"details":{"stack":""}}}\n\n'), {Kind.FASTAPI}),
        (stream(CHUNK, RESULT, has_id=True), {Kind.FASTIFY, Kind.FETCH, Kind.NEXT, Kind.GO}),
        (stream(CHUNK, RESULT, kind="text/plain", has_id=True), {Kind.EXPRESS}),
        (Run("x", answer=Answer(401, {}, b'error: {"status":"UNAUTHENTICATED"}\n\nEND')), {Kind.NEXT}),
        (
            Run("x", answer=Answer(400, {"content-type": "text/plain", "x-content-type-options": "nosniff"})),
            {Kind.GO},
        ),
        (
            Run("x", answer=Answer(400, {}, b'{"status":"INVALID_ARGUMENT","message":"no"}')),
            {Kind.EXPRESS, Kind.FASTIFY, Kind.FETCH, Kind.NEXT, Kind.FASTAPI, Kind.FLASK},
        ),
        (Run("x", answer=Answer(200, {"content-type": "text/html"}), recording=Recording()), set[Kind]()),
        (Run("x"), set[Kind]()),
    ],
)
def test_what_a_run_tells(run: Run, expected: set[Kind]) -> None:
    assert kinds(seen(run=run)) == [expected]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("express-stream", {Kind.EXPRESS}),
        ("express-stream-failed", {Kind.EXPRESS}),
        ("express-durable-stream", {Kind.EXPRESS}),
        ("fastapi-stream", {Kind.FASTAPI, Kind.PLAIN_FASTAPI}),
        ("fastapi-stream-failed", {Kind.FASTAPI}),
        ("flask-stream", {Kind.FLASK}),
        ("flask-stream-failed", {Kind.FLASK}),
        ("reflection-js-stream", {Kind.JS_REFLECTION}),
        ("reflection-py-stream", {Kind.PYTHON_REFLECTION}),
        ("reflection-py-stream-failed", {Kind.PYTHON_REFLECTION}),
    ],
)
def test_what_recorded_servers_tell(capture: Callable[[str], bytes], name: str, expected: set[Kind]) -> None:
    head, _, body = capture(f"{name}.http").partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    headers = {key.lower(): value for key, _, value in lines}
    protocol: Any = "reflection" if "reflection" in name else "callable"
    recorder = Recorder(headers, protocol)
    for start in range(0, len(body), 7):
        recorder.piece(0.0, body[start : start + 7])
    recording = recorder.finish(0.0)
    run = Run("x", protocol, answer=Answer(200, headers), recording=recording, ending="result")
    assert kinds(seen(run=run)) == [expected]


def test_flows_at_openapi_tell_a_plain_app_where_nothing_speaks_against_it() -> None:
    described = (Source("http://localhost:1/openapi.json", ("menu",)),)
    assert kinds(replace(answering(Answer(404, {"server": "uvicorn"})), sources=described)) == [
        {Kind.PLAIN_FASTAPI}
    ]
    assert kinds(replace(answering(Answer(404, {"server": "Werkzeug/3"})), sources=described)) == [
        {Kind.FLASK}
    ]
    assert kinds(seen(sources=described)) == [set()]  # any server may describe itself


ACTIONS = Source("http://localhost:1/api/actions", ("menu",), reflection=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-powered-by": "Express", "x-genkit-version": "1.42.0"}, {Kind.JS_REFLECTION}),
        ({"server": "uvicorn", "x-genkit-version": "0.12.0"}, {Kind.PYTHON_REFLECTION}),
        ({"x-genkit-version": "go/1.13.1"}, {Kind.GO_REFLECTION}),
        ({}, set(REFLECTIONS)),
    ],
)
def test_the_reflection_api(headers: dict[str, str], expected: set[Kind]) -> None:
    probe = Probe("GET /api/actions", Answer(200, headers))
    assert kinds(seen(probes=(probe,), sources=(ACTIONS,))) == [expected]


def test_one_address_with_both() -> None:
    versioned = Probe("GET /api/actions", Answer(200, {"server": "uvicorn", "x-genkit-version": "0.12.0"}))
    both = seen(probes=(versioned,), sources=(ACTIONS,), run=stream(CHUNK, RESULT, kind="text/html"))
    assert kinds(both) == [{Kind.PYTHON_REFLECTION}, {Kind.FLASK}]
    elsewhere = Probe("POST", Answer(404, {}, FLASK_404))  # the other server's words
    assert kinds(replace(both, nowhere=elsewhere)) == [{Kind.PYTHON_REFLECTION}, {Kind.FLASK}]
    own = Probe("POST", Answer(404, {}, b"404 page not found\n"))
    assert kinds(seen(sources=(ACTIONS,), nowhere=own)) == [{Kind.GO_REFLECTION}]


def test_an_unknown_flow_at_a_reflection_api_is_no_server_of_flows() -> None:
    lost = Run("nope", answer=Answer(404, {}, b"404 page not found\n"), ending="refused")
    own = Probe("POST", Answer(404, {}, b"404 page not found\n"))
    assert kinds(seen(sources=(ACTIONS,), nowhere=own, run=lost)) == [{Kind.GO_REFLECTION}]


@pytest.mark.parametrize("ending", ["result", "failed", "refused"])
def test_a_run_through_the_reflection_api(ending: Any) -> None:
    run = Run("x", "reflection", answer=Answer(200, {}), ending=ending)
    assert kinds(seen(run=run)) == [set[Kind]() if ending == "refused" else set(REFLECTIONS)]


@pytest.mark.parametrize(
    ("health", "nowhere", "told"),
    [
        (Answer(200, {}, b"OK"), NOT_FOUND, True),
        (Answer(200, {}, b'{"status":"OK"}'), NOT_FOUND, True),
        (Answer(200, {}, b"<html>"), NOT_FOUND, False),
        (Answer(200, {}, b"OK"), Answer(200, {}, b"OK"), False),
        (Answer(200, {}), Answer(400, {}), True),
        (NOT_FOUND, NOT_FOUND, False),
    ],
)
def test_a_reflection_api_without_flows(health: Answer, nowhere: Answer, told: bool) -> None:
    found = kinds(seen(health=Probe("GET", health), nowhere=Probe("POST", nowhere)))
    assert (found == [set(REFLECTIONS)]) is told


def test_signs_that_contradict_each_other() -> None:
    probes = (
        Probe("GET", Answer(404, {"server": "uvicorn"})),
        Probe("GET", Answer(404, {"server": "Werkzeug"})),
    )
    found = finding(seen(probes=probes), "server")
    assert found.verdict == "note"
    assert "contradict each other (server: uvicorn; server: Werkzeug)" in found.found
    assert set(found.facts["candidates"]) == {"python-fastapi", "plain-fastapi", "python-flask"}


@pytest.mark.parametrize(
    ("answer", "verdict", "says"),
    [
        (NOT_FOUND, "unknown", "nothing tells"),
        (Answer(404, {"x-powered-by": "Express"}), "note", "one of Genkit JS behind Express, a callable"),
        (Answer(404, {"server": "Werkzeug"}), "good", "like Genkit Python behind Flask (server: Werkzeug)"),
    ],
)
def test_several_candidates_are_listed_and_evidence_is_named(answer: Answer, verdict: str, says: str) -> None:
    found = finding(answering(answer), "server")
    assert found.verdict == verdict
    assert says in found.found
    assert ("--flow" in found.advice) is (verdict != "good")


def test_streams_without_a_label_are_a_sign_too() -> None:
    signs = finding(seen(run=stream(CHUNK, RESULT, kind="")), "server").facts["signs"]
    assert signs == ["streams without a Content-Type"]


def test_every_kind_has_its_words() -> None:
    assert set(TITLES) == set(ADVICE) == set(Kind)


# --- reaching it ---


def test_an_unreached_server_is_all_there_is_to_tell() -> None:
    problem = Problem("could not reach http://localhost:1: [Errno 111]", "check that it runs", unreached=True)
    (found,) = diagnose(seen(probes=(Probe("GET /openapi.json", None, problem),)))
    assert (found.check, found.verdict, found.advice) == ("connection", "bad", "check that it runs")
    assert found.found == "GET /openapi.json: could not reach http://localhost:1: [Errno 111]"


def test_a_server_that_does_not_answer_is_no_matter_of_time_outs() -> None:
    problem = Problem("the call did not end within 5 s", "raise Timeout(total=…)", timed_out=True)
    found = finding(Observations("http://localhost:1", probes=(Probe("GET /", None, problem),)), "connection")
    assert found.verdict == "bad"
    assert "Timeout" not in found.advice
    assert "does not answer" in found.advice


@pytest.mark.parametrize(
    "page",
    [
        b"<center>The plain HTTP request was sent to HTTPS port</center>",
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
    ],
)
def test_a_port_that_wants_tls(page: bytes) -> None:
    found = finding(answering(Answer(400, {}, page)), "tls")
    assert (found.verdict, found.advice) == ("bad", "use https://")
    assert finding(answering(Answer(200, {}, page)), "tls").verdict == "good"


def test_one_request_without_an_answer() -> None:
    silent = Probe("GET /api/actions", None, Problem("the call did not end within 5 s", timed_out=True))
    findings = diagnose(seen(probes=(Probe("GET /openapi.json", NOT_FOUND), silent)))
    assert [each.verdict for each in findings if each.check == "connection"] == ["bad", "good"]


@pytest.mark.parametrize(
    ("answer", "verdict", "says"),
    [
        (
            replace(NOT_FOUND, connecting=0.25, answering=0.5),
            "good",
            "connected in 0.25 s, answers within 0.50 s",
        ),
        (replace(NOT_FOUND, answering=0.5), "good", "answers within 0.50 s"),
        (replace(NOT_FOUND, answering=1.0), "note", "answers within 1.00 s"),
    ],
)
def test_the_connection(answer: Answer, verdict: str, says: str) -> None:
    found = finding(answering(answer), "connection")
    assert (found.verdict, found.found) == (verdict, says)
    assert bool(found.advice) is (verdict == "note")


@pytest.mark.parametrize(
    ("version", "reused", "verdict", "says"),
    [
        ("HTTP/1.1", True, "good", "HTTP/1.1; connections are kept alive"),
        ("HTTP/2", None, "good", "HTTP/2"),
        ("HTTP/1.1", False, "note", "HTTP/1.1; connections are not kept alive"),
        ("HTTP/1.0", False, "note", "it speaks HTTP/1.0"),
    ],
)
def test_http(version: str, reused: bool | None, verdict: str, says: str) -> None:
    observations = replace(answering(replace(NOT_FOUND, version=version)), reused=reused)
    found = finding(observations, "http")
    assert (found.verdict, found.found) == (verdict, says)


@pytest.mark.parametrize(
    ("changes", "tls", "verdict", "says"),
    [
        ({}, None, "good", "none, which is fine on one machine"),
        ({"local": False}, None, "note", "none"),
        ({"local": False, "credential": True}, None, "bad", "none"),
        ({"secure": True, "local": False}, None, "unknown", "https, but nobody told its version"),
        ({"secure": True}, Tls("TLSv1.3"), "good", "TLSv1.3"),
        (
            {"secure": True},
            Tls("TLSv1.3", 14.2),
            "good",
            "TLSv1.3; the certificate is valid for 14 more days",
        ),
        (
            {"secure": True},
            Tls("TLSv1.3", 13.0),
            "note",
            "TLSv1.3; the certificate is valid for 13 more days",
        ),
    ],
)
def test_tls(changes: dict[str, Any], tls: Tls | None, verdict: str, says: str) -> None:
    found = finding(replace(answering(replace(NOT_FOUND, tls=tls)), **changes), "tls")
    assert (found.verdict, found.found) == (verdict, says)
    assert bool(found.advice) is (verdict in ("note", "bad"))


@pytest.mark.parametrize(
    ("headers", "through", "told"),
    [
        ({"server": "uvicorn"}, (), []),
        ({"server": "nginx/1.22.1"}, (), ["server: nginx/1.22.1"]),
        ({"server": "Google Frontend", "via": "1.1 x"}, (), ["via: 1.1 x", "server: Google Frontend"]),
        ({"cf-ray": "8"}, ("HTTP_PROXY",), ["cf-ray: 8", "HTTP_PROXY is set on this machine"]),
    ],
)
def test_what_stands_between(headers: dict[str, str], through: tuple[str, ...], told: list[str]) -> None:
    found = finding(replace(answering(Answer(404, headers)), through=through), "proxy")
    assert found.facts["told"] == told
    assert found.verdict == ("note" if told else "good")


# --- credentials ---

DENIED = Answer(401, {})
REFUSED = Run(
    "menu",
    answer=DENIED,
    ending="refused",
    status="UNAUTHENTICATED",
    problem=Problem("UNAUTHENTICATED (HTTP 401): who are you?", "give credentials"),
)
HIDDEN = Run("menu", ending="failed", status="INTERNAL", problem=Problem("INTERNAL: Internal Error"))


@pytest.mark.parametrize(
    ("changes", "verdict", "says"),
    [
        ({}, "unknown", "nothing asked for a credential"),
        ({"run": stream(CHUNK, RESULT)}, "good", "the flow ran without a credential"),
        ({"run": Run("x", ending="broken", received=1)}, "good", "the flow ran without a credential"),
        ({"run": Run("x", ending="broken")}, "unknown", "nothing asked for a credential"),
        ({"run": HIDDEN}, "unknown", "INTERNAL is all that some servers say"),
        ({"run": replace(HIDDEN, received=1)}, "good", "the flow ran without a credential"),
        ({"run": replace(HIDDEN, status="NOT_FOUND")}, "good", "the flow ran without a credential"),
        (
            {"run": REFUSED},
            "bad",
            "refused without a credential: flow 'menu': UNAUTHENTICATED (HTTP 401): who are",
        ),
        ({"run": REFUSED, "credential": True}, "bad", "the credential is refused: flow 'menu': UNAUTH"),
        ({"run": replace(REFUSED, status="PERMISSION_DENIED")}, "bad", "without a credential: flow"),
        ({"probes": (Probe("GET /x", DENIED),)}, "bad", "refused without a credential: GET /x: HTTP 401"),
        ({"probes": (Probe("GET /x", Answer(403, {})),), "credential": True}, "bad", "is refused: GET /x"),
        ({"probes": (Probe("GET /x", DENIED),), "run": stream(RESULT)}, "good", "ran without a credential"),
        ({"credential": True}, "unknown", "the credential is not refused"),
        ({"credential": True, "run": stream(RESULT)}, "unknown", "the credential is not refused"),
        ({"credential": True, "anonymous": Probe("POST", NOT_FOUND)}, "unknown", "is not refused"),
        ({"credential": True, "anonymous": Probe("POST", DENIED)}, "good", "without it the server refuses"),
    ],
)
def test_credentials(changes: dict[str, Any], verdict: str, says: str) -> None:
    found = finding(seen(**changes), "auth")
    assert found.verdict == verdict
    assert says in found.found
    refused = verdict == "bad"
    assert found.facts == {"credential": changes.get("credential", False), "refused": refused}
    assert ("--auth" in found.advice) is (verdict == "bad" and "without" in says) or changes.get(
        "run"
    ) is HIDDEN


def test_a_refusal_without_credentials_is_no_refusal_of_them() -> None:
    anonymous = Probe("POST /x without credentials", DENIED)
    found = finding(
        seen(credential=True, probes=(Probe("GET", NOT_FOUND), anonymous), anonymous=anonymous), "auth"
    )
    assert found.verdict == "good"


# --- discovery ---


@pytest.mark.parametrize(
    ("sources", "local", "expected"),
    [
        pytest.param(
            (Source("/openapi.json", absent=True), Source("/api/actions", absent=True)),
            True,
            [("note", "no flows are described at /openapi.json, /api/actions")],
            id="none",
        ),
        pytest.param(
            (Source("/openapi.json", ("a", "b")), Source("/api/actions", absent=True)),
            True,
            [("good", "/openapi.json describes 2 flows: a, b")],
            id="openapi",
        ),
        pytest.param((ACTIONS,), True, [("good", f"{ACTIONS.place} describes 1 flow: menu")], id="actions"),
        pytest.param(
            (ACTIONS,), False, [("bad", f"{ACTIONS.place} describes 1 flow: menu")], id="open-actions"
        ),
        pytest.param(
            (Source("x.json", problem="x.json: gone"), Source("/b", ("a",)), Source("/c", problem="closed")),
            True,
            [("good", "/b describes 1 flow: a"), ("note", "x.json: gone"), ("note", "/c: closed")],
            id="some-are-broken",
        ),
        pytest.param((Source("x.json", ()),), True, [("good", "x.json describes 0 flows")], id="empty"),
    ],
)
def test_discovery(sources: tuple[Source, ...], local: bool, expected: list[tuple[str, str]]) -> None:
    findings = [each for each in diagnose(seen(sources=sources, local=local)) if each.check == "discovery"]
    assert [(each.verdict, each.found) for each in findings] == expected


# --- the run ---


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(503, {}), "everything is answered with HTTP 503"),
        (Answer(302, {"location": "/login"}), "a call is sent elsewhere (HTTP 302, to /login)"),
        (Answer(200, {}, b"<html>"), "is answered with a page (HTTP 200)"),
        (Answer(404, {}, b"<html>"), None),
        (Answer(200, {}, b"{}"), None),
    ],
)
def test_what_becomes_of_calls(answer: Answer, says: str | None) -> None:
    found = [each for each in diagnose(answering(answer)) if each.check == "calls"]
    assert [each.verdict for each in found] == ([] if says is None else ["bad"])
    assert all(says in each.found for each in found if says)


def test_one_failure_of_the_server_is_not_all() -> None:
    well = Probe("GET /openapi.json", NOT_FOUND)
    broken = Probe("POST /no-such-flow", Answer(500, {}))
    assert "calls" not in {each.check for each in diagnose(seen(probes=(well, broken), nowhere=broken))}


def test_without_a_run_one_finding_says_what_is_missing() -> None:
    findings = diagnose(seen())
    assert [each.check for each in findings[-2:]] == ["discovery", "run"]
    assert (findings[-1].verdict, findings[-1].facts) == ("unknown", {})


def test_the_checks_of_a_run_and_their_order() -> None:
    checks = [each.check for each in diagnose(seen(run=stream(CHUNK, RESULT)))]
    before = ["connection", "http", "tls", "proxy", "server", "auth", "discovery"]
    assert checks == [*before, "run", "content-type", "delivery", "pings", "resume", "types"]


PROBLEM = Problem("what happened", "what to do")


@pytest.mark.parametrize(
    ("changes", "verdict", "says", "advice"),
    [
        ({"received": 1}, "good", "ended with its result: 1 chunk and 41 bytes in 0.00 s", ""),
        ({"ending": "failed", "status": "ABORTED"}, "bad", "failed, after", "what to do"),
        ({"ending": "failed", "problem": Problem("no")}, "bad", "0.00 s: no", "this is the flow's own"),
        ({"ending": "failed", "status": "INTERNAL"}, "bad", "failed", "the server does not tell why (the in"),
        (
            {"ending": "failed", "status": "INTERNAL", "received": 1},
            "bad",
            "failed",
            "the server does not tell why: ",
        ),
        ({"ending": "failed", "status": "UNAUTHENTICATED"}, "bad", "failed", ""),
        ({"ending": "refused", "status": "NOT_FOUND"}, "bad", "was refused: what happened", "what to do"),
        ({"ending": "broken"}, "bad", "0.00 s: what happened", "what to do"),
        ({"ending": "unlike"}, "bad", "what happened", "what to do"),
        ({"ending": "unreached"}, "bad", "what happened", "what to do"),
        ({"ending": "time"}, "unknown", "had not ended when its time was up", "--timeout"),
        ({"ending": "silence"}, "bad", "not one byte came in 0.00 s", "look whether it runs"),
    ],
)
def test_how_a_run_ended(changes: dict[str, Any], verdict: str, says: str, advice: str) -> None:
    run = replace(stream(CHUNK, RESULT), problem=PROBLEM)
    found = finding(seen(run=replace(run, **changes)), "run")
    assert found.verdict == verdict
    assert found.found.startswith("flow 'menu'")
    assert says in found.found
    assert found.advice.startswith(advice)
    assert bool(found.advice) == bool(advice)


def test_the_numbers_of_a_run() -> None:
    run = stream(CHUNK, RESULT, received=1)
    assert finding(seen(run=run), "run").facts == {
        "flow": "menu",
        "protocol": "callable",
        "ending": "result",
        "status": None,
        "http_status": 200,
        "chunks": 1,
        "bytes": 41,
        "seconds": 0.0,
    }
    failed = finding(seen(run=replace(run, ending="failed", status="ABORTED", answer=None)), "run").facts
    assert (failed["status"], failed["http_status"]) == ("ABORTED", None)


def test_an_unknown_flow_and_its_like() -> None:
    run = Run("mennu", answer=NOT_FOUND, ending="refused", status="NOT_FOUND", problem=PROBLEM)
    described = (Source("/openapi.json", ("menu", "story")),)
    assert finding(seen(run=run, sources=described), "run").advice == "did you mean 'menu'?"
    assert finding(seen(run=run), "run").advice == "what to do"


def test_what_is_no_stream_is_not_judged_as_one() -> None:
    run = Run("menu", answer=NOT_FOUND, ending="refused", status="NOT_FOUND", problem=PROBLEM)
    checks = {each.check for each in diagnose(seen(run=run))}
    assert checks.isdisjoint({"content-type", "delivery", "pings", "resume", "types"})


@pytest.mark.parametrize(
    ("headers", "protocol", "verdict", "says"),
    [
        ({"content-type": "text/event-stream"}, "callable", "good", "text/event-stream"),
        ({"content-type": "text/event-stream; charset=utf-8"}, "callable", "good", "text/event-stream; ch"),
        ({"content-type": "text/plain"}, "callable", "note", "text/plain instead of"),
        ({}, "callable", "note", "no Content-Type instead of"),
        ({"content-type": "text/plain"}, "reflection", "good", "text/plain"),
        ({"content-type": "text/event-stream", "content-encoding": "gzip"}, "callable", "bad", "(gzip)"),
    ],
)
def test_content_types(headers: dict[str, str], protocol: Any, verdict: str, says: str) -> None:
    run = replace(stream(CHUNK, RESULT), answer=Answer(200, headers), protocol=protocol)
    found = finding(seen(run=run), "content-type")
    assert found.verdict == verdict
    assert says in found.found


@pytest.mark.parametrize(
    ("pings", "pieces", "verdict", "says"),
    [
        ((), (1.0, 2.0), "unknown", "no pings; the longest silence was 1.00 s: too short"),
        ((), (1.0, 31.0), "note", "no pings, and the longest silence was 30.00 s"),
        ((0.0, 1.0, 3.0, 6.0, 10.0), (1.0, 10.0), "good", "5 pings, one every 3.00 s"),
        ((1.0,), (1.0, 2.0), "good", "1 ping; the longest silence was 1.00 s"),
        (
            (1.0, 3.0, 5.0, 10.0),
            (1.0, 10.0),
            "good",
            "4 pings, one every 2.00 s; the longest silence was 9.00 s",
        ),
    ],
)
def test_pings(pings: tuple[float, ...], pieces: tuple[float, ...], verdict: str, says: str) -> None:
    recording = replace(
        stream(CHUNK).recording, pings=pings, pieces=tuple((at, 1) for at in pieces), ended=pieces[-1]
    )
    found = finding(seen(run=replace(stream(CHUNK), recording=recording)), "pings")
    assert found.verdict == verdict
    assert found.found.startswith(says)
    assert found.facts["pings"] == len(pings)


@pytest.mark.parametrize(
    ("changes", "verdict", "says"),
    [
        ({}, "note", "no stream id is issued"),
        ({"protocol": "reflection"}, "note", "the reflection API has no streams to resume"),
        ({"has_id": True}, "unknown", "resuming was not tried"),
        ({"has_id": True, "resumed": Resumed(200, 3)}, "good", "gave the same 3 chunks again"),
        ({"has_id": True, "resumed": Resumed(204, 0, "expired", "gone")}, "bad", "does not know it right"),
        ({"has_id": True, "resumed": Resumed(200, 0, "other", "new run")}, "bad", "something else: new run"),
        ({"has_id": True, "resumed": Resumed(500, 0, "failed", "oh")}, "bad", "failed: oh"),
    ],
)
def test_resuming(changes: dict[str, Any], verdict: str, says: str) -> None:
    found = finding(seen(run=replace(stream(CHUNK, RESULT), **changes)), "resume")
    assert found.verdict == verdict
    assert says in found.found
    assert found.facts["id"] is changes.get("has_id", False)


@pytest.mark.parametrize(
    ("changes", "verdict", "says"),
    [
        ({}, "unknown", "not known, so nothing was validated"),
        ({"from_catalog": True, "chunks_typed": True}, "good", "all that came"),
        ({"from_catalog": True}, "good", "all that came"),
        ({"from_catalog": True, "received": 1}, "note", "the output is of its type; the type of the chunks"),
        ({"from_catalog": True, "received": 1, "ending": "failed"}, "note", "no output came; the type of"),
        ({"from_catalog": True, "wrong": 2, "first_wrong": "no int"}, "bad", "2 values not of the described"),
    ],
)
def test_types(changes: dict[str, Any], verdict: str, says: str) -> None:
    found = finding(seen(run=replace(stream(CHUNK, RESULT), **changes)), "types")
    assert found.verdict == verdict
    assert says in found.found


# --- recording ---


def test_what_a_recording_keeps() -> None:
    recorder = Recorder({}, "callable")
    for at, data in (
        (1.0, b": ping\n\nda"),
        (2.0, b'ta: {"message":1}\n\n: p\n\n'),
        (4.0, CHUNK + CHUNK + RESULT),
    ):
        recorder.piece(at, data)
    found = recorder.finish(9.0)
    assert found.chunks == (2.0, 4.0, 4.0)
    assert found.pings == (1.0, 2.0)
    assert found.pieces == ((1.0, 10), (2.0, 24), (4.0, 62))
    assert (found.count, found.events, found.size, found.ended) == (3, 4, 96, 9.0)
    assert found.longest_silence() == 5.0
    assert found.unread == ""


def test_an_undefined_chunk_counts_once_something_follows() -> None:
    recorder = Recorder({}, "callable")
    recorder.piece(1.0, b"data: {}\n\n")
    recorder.piece(2.0, CHUNK)
    recorder.piece(3.0, b"data: {}\n\n")
    assert recorder.finish(4.0).chunks == (1.0, 2.0)


def test_a_recording_of_lines() -> None:
    recorder = Recorder({}, "reflection")
    recorder.piece(1.0, b'1\n{"result":5}\n')
    recorder.piece(2.0, b'{"result":7,"telemetry":{"traceId":"t"}}')
    found = recorder.finish(3.0)
    assert (found.chunks, found.events) == ((1.0, 3.0), 3)


def test_a_compressed_body_is_read_and_its_size_is_that_on_the_wire() -> None:
    packed = zlib.compress(CHUNK * 1000)
    recorder = Recorder({"content-encoding": "deflate"}, "callable")
    recorder.piece(1.0, packed)
    found = recorder.finish(1.0)
    assert (found.count, found.size) == (1000, len(packed))


@pytest.mark.parametrize(
    ("encoding", "data", "says"),
    [
        ("br", b"x", "Content-Encoding is not known"),
        ("gzip", b"no gzip", "compressed body is broken"),
        ("identity", b"data: " + b"x" * 17 * 1024 * 1024, "exceeds the limit"),
    ],
)
def test_a_body_that_cannot_be_decoded(encoding: str, data: bytes, says: str) -> None:
    recorder = Recorder({"content-encoding": encoding}, "callable")
    recorder.piece(1.0, data)
    recorder.piece(2.0, CHUNK)
    found = recorder.finish(3.0)
    assert says in found.unread
    assert (found.count, len(found.pieces)) == (0, 2)


def test_a_flood_is_counted_but_not_kept() -> None:
    recorder = Recorder({}, "callable")
    for _ in range(30):
        recorder.piece(1.0, (CHUNK + b": p\n\n") * 4000)
    found = recorder.finish(2.0)
    assert found.count == 120_000
    assert len(found.chunks) == len(found.pings) == MOST_TIMES
    assert len(recorder.head) == HEAD_BYTES
    assert len(found.ends) == 64


# --- secrets ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a s3cret token", "a *** token"),
        ("Bearer s3cret-longer", "Bearer ***"),
        ("it ends in s3cr…", "it ends in ***…"),
        ("begins with 's3cre'… (999 bytes)", "begins with '***'… (999 bytes)"),
        ("abc stays, so do s3c… and s3cre", "abc stays, so do s3c… and s3cre"),
        ("type text/s3CRET-Longer", "type text/***"),
        ("a title that ends in s3cret-lo", "a title that ends in ***"),
        ("S3CRET-LONG'… (999 bytes)", "***'… (999 bytes)"),
    ],
)
def test_secrets_are_hidden(text: str, expected: str) -> None:
    redactor = Redactor(["s3cret", "abc"]).knows("s3cret-longer")
    assert redactor.text(text) == expected


# --- the room ---


@pytest.mark.parametrize("name", ["evidence", "signatures", "diagnosis"])
def test_judging_reads_no_clock_and_opens_nothing(name: str) -> None:
    tree = ast.parse((PACKAGE / "cli" / "examining" / f"{name}.py").read_text("utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert [module for module in modules if module and is_forbidden(module)] == []
    near = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}
    assert near <= {
        *(
            "jsonvalues",
            "options",
            "text",
            "wire.failures",
            "wire.frames",
            "wire.request",
            "wire.response",
            "wire.sse",
        ),
        *("evidence", "signatures"),
    }
