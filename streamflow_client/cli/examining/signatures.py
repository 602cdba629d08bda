"""Which kind of server it is, told from evidence: a table of signs, each left by some kinds and by no other.

In: observations. Out: the kinds that every sign allows, and the signs. A sign that is absent proves nothing:
a proxy may have taken it away. How a finding reads belongs to `diagnosis.py`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from ...jsonvalues import is_object
from ...wire.failures import names_status
from .evidence import Answer, Observations, Recording, Run


class Kind(StrEnum):
    """What serves flows, as far as the wire tells them apart; the value is its name in JSON."""

    EXPRESS = "js-express"
    FASTIFY = "js-fastify"
    FETCH = "js-fetch"
    NEXT = "js-next"
    FIREBASE = "js-firebase"
    GO = "go"
    FASTAPI = "python-fastapi"
    FLASK = "python-flask"
    PLAIN_FASTAPI = "plain-fastapi"
    JS_REFLECTION = "js-reflection"
    GO_REFLECTION = "go-reflection"
    PYTHON_REFLECTION = "python-reflection"


TITLES: dict[Kind, str] = {
    Kind.EXPRESS: "Genkit JS behind Express",
    Kind.FASTIFY: "Genkit JS behind Fastify",
    Kind.FETCH: "Genkit JS in a fetch handler",
    Kind.NEXT: "Genkit JS in Next.js",
    Kind.FIREBASE: "a callable function of Firebase (onCallGenkit)",
    Kind.GO: "Genkit Go",
    Kind.FASTAPI: "Genkit Python behind FastAPI",
    Kind.FLASK: "Genkit Python behind Flask",
    Kind.PLAIN_FASTAPI: "a FastAPI app without Genkit",
    Kind.JS_REFLECTION: "the reflection API of Genkit JS",
    Kind.GO_REFLECTION: "the reflection API of Genkit Go",
    Kind.PYTHON_REFLECTION: "the reflection API of Genkit Python",
}

_FIELD = "a failure inside a stream is a field named error, which other SSE clients drop"
_LOST = "a flow's own status is lost: its failures come as INTERNAL, those of plain calls with HTTP 500"
_DEVELOPMENT = "for development only; it is called with protocol=reflection"

# What is worth knowing of each, for whoever calls it.
ADVICE: dict[Kind, str] = {
    Kind.EXPRESS: f"{_FIELD}; a flow runs on when its client leaves",
    Kind.FASTIFY: _FIELD,
    Kind.FETCH: _FIELD,
    Kind.NEXT: f"{_FIELD}; a flow is stopped when its client leaves, durable or not",
    Kind.FIREBASE: "onCallGenkit loses chunks of 0, false, null and empty text; each function has a URL of"
    " its own: FlowDef(path=…) takes it",
    Kind.GO: "a flow is cancelled when its client leaves, unless its streams are durable; a plain call's"
    " failure is plain text, so its status is that of HTTP",
    Kind.FASTAPI: _LOST,
    Kind.FLASK: f"{_LOST}; streams are labelled text/html, which other SSE clients refuse",
    Kind.PLAIN_FASTAPI: "",
    Kind.JS_REFLECTION: _DEVELOPMENT,
    Kind.GO_REFLECTION: _DEVELOPMENT,
    Kind.PYTHON_REFLECTION: _DEVELOPMENT,
}

REFLECTIONS = frozenset({Kind.JS_REFLECTION, Kind.GO_REFLECTION, Kind.PYTHON_REFLECTION})
_ALL = frozenset(Kind)
_FLOWS = _ALL - REFLECTIONS
_JS = frozenset({Kind.EXPRESS, Kind.FASTIFY, Kind.FETCH, Kind.NEXT})
_ASGI = frozenset({Kind.FASTAPI, Kind.PLAIN_FASTAPI, Kind.PYTHON_REFLECTION})
_PYTHON = frozenset({Kind.FASTAPI, Kind.FLASK})
_POWERED = frozenset({Kind.EXPRESS, Kind.FIREBASE, Kind.JS_REFLECTION})


@dataclass(frozen=True, slots=True)
class Sign:
    """What was seen, and the kinds of server that do so; a weak one gives way to all others."""

    seen: str
    kinds: frozenset[Kind]
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kinds that every sign allows; where the signs contradict each other, those that any allows."""

    kinds: tuple[Kind, ...]
    signs: tuple[Sign, ...]
    contradictory: bool = False


def recognise(seen: Observations) -> list[Verdict]:
    """One for the reflection API, if it is there, and one for the server of flows, unless only that is.

    One address may well have both: flows are called there, or are described to be.
    """
    verdicts: list[Verdict] = []
    called = _called(seen) or any(source.flows and not source.reflection for source in seen.sources)
    if _reflects(seen):
        verdicts.append(_verdict(list(_signs(seen, REFLECTIONS)), REFLECTIONS))
    if called or not verdicts:
        verdicts.append(_verdict(list(_signs(seen, _FLOWS)), _FLOWS))
    return verdicts


def _called(seen: Observations) -> bool:
    """Whether a server of flows was called at this address, and not just an unknown path of another."""
    run = seen.run
    unknown = run is not None and run.ending == "refused" and run.answer and run.answer.status == 404
    return run is not None and run.protocol == "callable" and not unknown


def _reflects(seen: Observations) -> bool:
    """Whether the reflection API is at this address."""
    run = seen.run
    ran = run is not None and run.protocol == "reflection" and run.ending in _RAN
    return ran or any(_of_catalogs(seen, reflecting=True))


_RAN = ("result", "failed")


def _verdict(signs: list[Sign], among: frozenset[Kind]) -> Verdict:
    strong = [sign for sign in signs if not sign.weak]
    every = among.intersection(*(sign.kinds for sign in strong))
    for sign in signs:
        if sign.weak and every & sign.kinds and strong:
            every &= sign.kinds
            strong.append(sign)
    if not strong:
        return Verdict((), ())
    if every:
        return Verdict(_sorted(every), tuple(strong))
    any_of = {kind for sign in strong for kind in sign.kinds & among}
    return Verdict(_sorted(any_of), tuple(strong), contradictory=True)


def _sorted(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    return tuple(sorted(kinds, key=list(Kind).index))


def _signs(seen: Observations, among: frozenset[Kind]) -> Iterator[Sign]:
    """Those that tell something of kinds among these."""
    for sign in _all_signs(seen, among):
        if sign.kinds & among:
            yield sign


def _all_signs(seen: Observations, among: frozenset[Kind]) -> Iterator[Sign]:
    reflecting = among is REFLECTIONS
    yield from _of_headers([each for each in seen.answers if reflecting == (VERSION in each.headers)])
    yield from _of_catalogs(seen, reflecting=reflecting)
    if seen.nowhere and seen.nowhere.answer and not (reflecting and _called(seen)):
        yield from _matching(_NOWHERE, seen.nowhere.answer)
    if seen.run is not None:
        yield from _of_run(seen.run)


# --- headers --------------------------------------------------------------------------------------------

VERSION = "x-genkit-version"  # only the reflection API tells it

_HEADERS: tuple[tuple[str, re.Pattern[str], frozenset[Kind]], ...] = (
    ("x-powered-by", re.compile("Express$"), _POWERED),
    ("x-powered-by", re.compile(r"Next\.js"), frozenset({Kind.NEXT})),
    ("server", re.compile("uvicorn|hypercorn"), _ASGI),
    ("server", re.compile("Werkzeug"), frozenset({Kind.FLASK})),
    (VERSION, re.compile("go/"), frozenset({Kind.GO_REFLECTION})),
    (VERSION, re.compile(r"\d"), frozenset({Kind.JS_REFLECTION, Kind.PYTHON_REFLECTION})),
)


def _of_headers(answers: Iterable[Answer]) -> Iterator[Sign]:
    told: set[tuple[str, str]] = set()
    for answer in answers:
        for name, pattern, kinds in _HEADERS:
            value = answer.headers.get(name, "")
            if pattern.match(value) and (name, value) not in told:
                told.add((name, value))
                yield Sign(f"{name}: {value}", kinds)


# --- documents, and a flow that does not exist ---------------------------------------------------------


def _of_catalogs(seen: Observations, *, reflecting: bool) -> Iterator[Sign]:
    described = [source for source in seen.sources if source.flows is not None]
    if reflecting and any(source.reflection for source in described):
        yield Sign("flows described at /api/actions", REFLECTIONS)
    elif reflecting and _is_well(seen):
        yield Sign("an answer at /api/__health", REFLECTIONS)
    if not reflecting and any(source.place.endswith("/openapi.json") for source in described):
        yield Sign("flows described at /openapi.json", frozenset({Kind.PLAIN_FASTAPI}), weak=True)


def _is_well(seen: Observations) -> bool:
    """A server that says so, and does not say the like to anything."""
    health = seen.health.answer if seen.health else None
    nowhere = seen.nowhere.answer if seen.nowhere else None
    return (
        health is not None
        and health.status == 200
        and health.body in (b"OK", b'{"status":"OK"}', b"")
        and (nowhere is None or nowhere.status >= 400)
    )


def _text(answer: Answer) -> str:
    return answer.body.decode("utf-8", "replace")


def _is_fastapi_404(answer: Answer) -> bool:
    return answer.status == 404 and answer.json() == {"detail": "Not Found"}


def _is_fastify_404(answer: Answer) -> bool:
    value = answer.json()
    return is_object(value) and value.get("statusCode") == 404 and str(value.get("message"))[:6] == "Route "


_NOWHERE: tuple[tuple[str, Callable[[Answer], bool], frozenset[Kind]], ...] = (
    (
        "Express's page for an unknown path (Cannot POST …)",
        lambda answer: "<pre>Cannot POST /" in _text(answer),
        _POWERED,
    ),
    (
        "Go's text for an unknown path (404 page not found)",
        lambda answer: _text(answer) == "404 page not found\n",
        frozenset({Kind.GO, Kind.GO_REFLECTION}),
    ),
    (
        'FastAPI\'s JSON for an unknown path ({"detail":"Not Found"})',
        _is_fastapi_404,
        _ASGI,
    ),
    (
        "Flask's page for an unknown path",
        lambda answer: "The requested URL was not found on the server. If you entered" in _text(answer),
        frozenset({Kind.FLASK}),
    ),
    (
        "Fastify's JSON for an unknown path (Route POST:… not found)",
        _is_fastify_404,
        frozenset({Kind.FASTIFY}),
    ),
    (
        "Next.js's page for an unknown path",
        lambda answer: "This page could not be found" in _text(answer),
        frozenset({Kind.NEXT}),
    ),
)


def _matching(
    table: Iterable[tuple[str, Callable[[Answer], bool], frozenset[Kind]]], answer: Answer
) -> Iterator[Sign]:
    for what, matches, kinds in table:
        if matches(answer):
            yield Sign(what, kinds)


# --- the run --------------------------------------------------------------------------------------------


def _of_run(run: Run) -> Iterator[Sign]:
    answer = run.answer
    if answer is None:
        return
    if run.protocol == "reflection":
        if run.recording.count or run.ending in _RAN:
            yield Sign("streams as lines of JSON", REFLECTIONS)
        return
    if answer.status >= 400:
        yield from _matching(_REFUSALS, answer)
    elif run.recording.events and answer.status == 200:
        yield _of_content_type(answer)
        yield from _of_events(run.recording)
    if run.has_id:
        yield Sign("a stream id is issued", _JS | {Kind.GO})


_REFUSALS: tuple[tuple[str, Callable[[Answer], bool], frozenset[Kind]], ...] = (
    (
        "a refusal as plain text with X-Content-Type-Options: nosniff, as Go's net/http writes it",
        lambda answer: answer.media_type == "text/plain" and "x-content-type-options" in answer.headers,
        frozenset({Kind.GO}),
    ),
    (
        "a refusal as a frame, error: {status, message}",
        lambda answer: answer.body.startswith(b"error:"),
        frozenset({Kind.NEXT}),
    ),
    (
        "a refusal as {status, message}",
        lambda answer: names_status(answer.json()),
        _JS | {Kind.FASTAPI, Kind.FLASK},
    ),
)

_CONTENT_TYPES: dict[str, frozenset[Kind]] = {
    "": frozenset({Kind.FIREBASE}),
    "text/plain": frozenset({Kind.EXPRESS}),
    "text/html": frozenset({Kind.FLASK}),
    "text/event-stream": frozenset(
        {Kind.FASTIFY, Kind.FETCH, Kind.NEXT, Kind.GO, Kind.FASTAPI, Kind.PLAIN_FASTAPI}
    ),
}


def _of_content_type(answer: Answer) -> Sign:
    told = f"streams as {answer.media_type}" if answer.media_type else "streams without a Content-Type"
    return Sign(told, _CONTENT_TYPES.get(answer.media_type, _ALL))


def _of_events(recording: Recording) -> Iterator[Sign]:
    if recording.ends.endswith(b"END"):
        yield Sign("streams end in a bare END", frozenset({Kind.NEXT}))
    if "bare error" in recording.failures:
        yield Sign("error: {status, message}, not wrapped", frozenset({Kind.NEXT}))
    if "open" in recording.failures:
        yield Sign(
            "error: without a closing blank line, as older Genkit Python writes it", frozenset({Kind.FASTAPI})
        )
    elif "error" in recording.failures:
        yield Sign("error: instead of data: for a failure", _JS)
    if "stack" in recording.failures:
        yield Sign("failures with details.stack, as Genkit Python writes them", _PYTHON)
    if "data" in recording.failures:
        kinds = frozenset({Kind.GO, Kind.FASTAPI, Kind.PLAIN_FASTAPI, Kind.FLASK, Kind.FIREBASE})
        yield Sign('data: {"error": …} for a failure', kinds)
