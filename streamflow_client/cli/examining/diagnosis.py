"""What the observations of a server mean for whoever streams from it, and what to do about it.

In: `Observations`. Out: findings, in the order in which they are worth reading. Each says what was seen and
no more; where that does not suffice, the verdict is "unknown". Asking, printing and escaping do not belong
here. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, Literal

from ...text import excerpt
from ...wire.response import is_html
from .evidence import Answer, Observations, Recording, Resumed, Run, Source
from .signatures import ADVICE, TITLES, Verdict, recognise

Judgement = Literal["good", "note", "bad", "unknown"]

SAME_MOMENT = 0.015  # seconds: what comes closer together came together
FEWEST_CHUNKS = 3  # that tell anything about how they are delivered
TOO_FAST = 0.2  # seconds: a flow that ends sooner need not have sent its chunks one by one
PACE = 0.002  # seconds from chunk to chunk: what is read from one buffer comes faster
SLOW_ANSWER = 1.0  # seconds, of what runs nothing
LONG_SILENCE = 30.0  # seconds; what stands between often gives up after 60, some after 30
FEW_DAYS = 14


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at, one of a few words that stay.
        advice: what to do about it; "" where nothing is to be done.
        facts: the same in numbers and names, for programs.
    """

    check: str
    verdict: Judgement
    found: str
    advice: str = ""
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


def diagnose(seen: Observations) -> list[Finding]:
    """Every finding."""
    checks = (*_CHECKS, *(_RUN_CHECKS if seen.run else (_no_run,))) if seen.answers else (_connection,)
    return [finding for check in checks for finding in check(seen)]


Check = Callable[[Observations], Iterator[Finding]]


# --- reaching it ----------------------------------------------------------------------------------------


_HANGS = (
    "something takes connections there, and does not answer: look whether it hangs, and whether the port and"
    " http:// or https:// are right"
)


def _connection(seen: Observations) -> Iterator[Finding]:
    for probe in seen.probes:
        if probe.answer is None and probe.problem is not None:
            yield Finding(
                "connection",
                "bad",
                f"{probe.asked}: {probe.problem.told}",
                _HANGS if probe.problem.timed_out and not probe.problem.unreached else probe.problem.advice,
                {"asked": probe.asked, "unreached": probe.problem.unreached},
            )
    answers = [probe.answer for probe in seen.probes if probe.answer]
    if not answers:
        return
    connecting = next((each.connecting for each in answers if each.connecting is not None), None)
    answering = min(each.answering for each in answers)
    told = f"answers within {_seconds(answering)}"
    if connecting is not None:
        told = f"connected in {_seconds(connecting)}, {told}"
    slow = answering >= SLOW_ANSWER
    advice = (
        "requests that run nothing are answered slowly: look at the server's load, or at what stands between"
    )
    facts = {"connect_seconds": connecting, "answer_seconds": answering}
    yield Finding("connection", "note" if slow else "good", told, advice if slow else "", facts)


def _http(seen: Observations) -> Iterator[Finding]:
    answers = seen.answers
    version = answers[0].version
    facts = {"version": version, "reused": seen.reused}
    if version == "HTTP/1.0":
        advice = "a body that is cut short looks like a clean end: let whatever answers speak HTTP/1.1"
        yield Finding("http", "note", "it speaks HTTP/1.0", advice, facts)
    elif seen.reused is False:
        advice = "every call pays for a new connection: switch keep-alive on in the server or in the proxy"
        yield Finding("http", "note", f"{version}; connections are not kept alive", advice, facts)
    else:
        kept = "; connections are kept alive" if seen.reused else ""
        yield Finding("http", "good", version + kept, "", facts)


# What nginx, Go and Apache answer to one who speaks without TLS to a port that wants it.
_WANTS_TLS = re.compile(rb"sent to HTTPS port|HTTP request to an HTTPS server|to an SSL-enabled server port")


def _tls(seen: Observations) -> Iterator[Finding]:
    tls = next((answer.tls for answer in seen.answers if answer.tls), None)
    wants = any(answer.status == 400 and _WANTS_TLS.search(answer.body) for answer in seen.answers)
    if tls is None and not seen.secure and wants:
        yield Finding("tls", "bad", "none, but the port wants it", "use https://", {"version": None})
        return
    if tls is None:
        if seen.secure:  # through a caller's proxy, say: nobody told
            yield Finding("tls", "unknown", "https, but nobody told its version")
        elif seen.local:
            yield Finding("tls", "good", "none, which is fine on one machine", "", {"version": None})
        else:
            advice = "credentials and data can be read on the way: use https://"
            verdict: Judgement = "bad" if seen.credential else "note"
            yield Finding("tls", verdict, "none", advice, {"version": None})
        return
    facts = {"version": tls.version, "days_left": tls.days}
    if tls.days is None:
        yield Finding("tls", "good", tls.version, "", facts)
        return
    told = f"{tls.version}; the certificate is valid for {tls.days:.0f} more days"
    few = tls.days < FEW_DAYS
    yield Finding("tls", "note" if few else "good", told, "renew the certificate" if few else "", facts)


# Headers that something between adds, and how such a Server header begins.
_BETWEEN = (
    *("via", "x-cache", "cf-ray", "x-amz-cf-id", "x-amzn-trace-id", "x-envoy-upstream-service-time"),
    *("x-served-by", "x-varnish", "x-vercel-id", "fly-request-id", "x-azure-ref"),
)
_PROXIES = (
    *("nginx", "openresty", "cloudflare", "envoy", "istio-envoy", "haproxy", "caddy", "apache", "varnish"),
    *("awselb", "cloudfront", "google frontend", "traefik", "microsoft-azure"),
)


def _proxy(seen: Observations) -> Iterator[Finding]:
    told = _proxy_headers(seen.answers)
    for name in seen.through:
        told.append(f"{name} is set on this machine")
    if told:
        advice = "if streams arrive late or break off in silence, look there first: buffering, time-outs"
        yield Finding("proxy", "note", "; ".join(told), advice, {"told": told})
    else:
        yield Finding("proxy", "good", "no header tells of one; but one need not tell", "", {"told": []})


def _proxy_headers(answers: Sequence[Answer]) -> list[str]:
    told: dict[str, None] = {}
    for answer in answers:
        for name in _BETWEEN:
            if name in answer.headers:
                told[f"{name}: {answer.headers[name]}"] = None
        server = answer.headers.get("server", "")
        if server.lower().startswith(_PROXIES):
            told[f"server: {server}"] = None
    return list(told)


def _calls(seen: Observations) -> Iterator[Finding]:
    """What becomes of calls here at all: told by one of a flow that does not exist."""
    answer = seen.nowhere.answer if seen.nowhere else None
    if answer is None:
        return
    facts = {"http_status": answer.status}
    if all(each.status >= 500 for each in seen.answers):
        advice = "look whether the server runs, and at what stands before it"
        yield Finding("calls", "bad", f"everything is answered with HTTP {answer.status}", advice, facts)
    elif 300 <= answer.status < 400:
        place = answer.headers.get("location", "elsewhere")
        found = f"a call is sent elsewhere (HTTP {answer.status}, to {place})"
        yield Finding("calls", "bad", found, "redirects are never followed: give the address itself", facts)
    elif answer.status < 300 and is_html(answer.body):
        found = f"a call of a flow that does not exist is answered with a page (HTTP {answer.status})"
        advice = "look whether the address is that of the flows, and not of a website or a login"
        yield Finding("calls", "bad", found, advice, facts)


# --- what it is -----------------------------------------------------------------------------------------


def _server(seen: Observations) -> Iterator[Finding]:
    for verdict in recognise(seen):
        yield _recognised(verdict, "" if seen.run else "a run of a flow tells more: --flow NAME --input JSON")


def _recognised(verdict: Verdict, more: str) -> Finding:
    signs = [sign.seen for sign in verdict.signs]
    told = f" ({'; '.join(signs)})" if signs else ""
    facts = {"candidates": [kind.value for kind in verdict.kinds], "signs": signs}
    titles = [TITLES[kind] for kind in verdict.kinds]
    if not titles:
        return Finding("server", "unknown", "nothing tells which kind of server it is", more, facts)
    if verdict.contradictory:
        advice = "more than one server may answer at this address"
        return Finding("server", "note", f"the signs contradict each other{told}", advice, facts)
    if len(titles) == 1:
        return Finding("server", "good", f"speaks like {titles[0]}{told}", ADVICE[verdict.kinds[0]], facts)
    return Finding("server", "note", f"speaks like one of {', '.join(titles)}{told}", more, facts)


def _auth(seen: Observations) -> Iterator[Finding]:
    refused = _refusal(seen)
    facts = {"credential": seen.credential, "refused": refused is not None}
    if refused is not None and seen.credential:
        advice = "check that the credential is whole, of this server, not expired, and may call this flow"
        yield Finding("auth", "bad", f"the credential is refused: {refused}", advice, facts)
    elif refused is not None:
        advice = "give a token: --auth TOKEN, better STREAMFLOW_TOKEN, or --header 'NAME: VALUE'"
        yield Finding("auth", "bad", f"refused without a credential: {refused}", advice, facts)
    elif not seen.credential:
        yield _without_credential(seen.run, facts)
    elif _is_refused(seen.anonymous.answer if seen.anonymous else None):
        yield Finding("auth", "good", "the credential is taken, and without it the server refuses", "", facts)
    else:
        found = (
            "the credential is not refused; whether it is asked for at all only a run without it would tell"
        )
        yield Finding("auth", "unknown", found, "", facts)


def _without_credential(run: Run | None, facts: dict[str, Any]) -> Finding:
    if run is not None and run.status in _HIDING and not run.received:
        found = f"not known: {run.status} is all that some servers say of a call without a credential, too"
        return Finding("auth", "unknown", found, "if the flow wants one: --auth TOKEN, or --header", facts)
    if run is not None and (run.received or run.ending in ("result", "failed")):
        return Finding("auth", "good", "the flow ran without a credential", "", facts)
    found = "nothing asked for a credential; a flow may ask when it is called"
    return Finding("auth", "unknown", found, "", facts)


def _is_refused(answer: Answer | None) -> bool:
    return answer is not None and answer.status in (401, 403)


_DENIED = ("UNAUTHENTICATED", "PERMISSION_DENIED")
_HIDING = ("INTERNAL", "UNKNOWN")  # what servers say that tell nothing


def _refusal(seen: Observations) -> str | None:
    run = seen.run
    if run is not None and run.status in _DENIED and run.problem is not None:
        return f"flow {run.flow!r}: {run.problem.told}"
    if run is not None and run.ending in ("result", "failed"):
        return None  # some documents may be closed; the flow is not
    for probe in seen.probes:
        if probe is not seen.anonymous and probe.answer and _is_refused(probe.answer):
            return f"{probe.asked}: HTTP {probe.answer.status}"
    return None


# --- discovery ------------------------------------------------------------------------------------------


def _discovery(seen: Observations) -> Iterator[Finding]:
    described = [source for source in seen.sources if source.flows is not None]
    for source in described:
        yield _described(source, seen)
    for source in seen.sources:
        if source.flows is None and not source.absent:
            told = source.problem if source.place in source.problem else f"{source.place}: {source.problem}"
            yield Finding("discovery", "note", told, "", {"place": source.place, "flows": None})
    if not described:
        places = ", ".join(source.place for source in seen.sources)
        advice = (
            "declare flows with their types, client.flow(FlowDef(…)), or name a catalog: --catalog FILE|URL,"
            " such as /api/actions of the same app in Genkit's development mode"
        )
        found = f"no flows are described at {places}"
        yield Finding("discovery", "note", found, advice, {"place": None, "flows": None})


def _described(source: Source, seen: Observations) -> Finding:
    flows = source.flows or ()
    count = f"{len(flows)} flow{'' if len(flows) == 1 else 's'}"
    names = excerpt(", ".join(flows))
    found = f"{source.place} describes {count}{': ' if names else ''}{names}"
    facts = {"place": source.place, "flows": len(flows)}
    if source.reflection and not seen.local:
        advice = "whoever reaches the reflection API can run every action: keep it on the developer's machine"
        return Finding("discovery", "bad", found, advice, facts)
    if source.reflection:
        advice = "what is found only here is called through the reflection API, which is for development"
        return Finding("discovery", "good", found, advice, facts)
    return Finding("discovery", "good", found, "", facts)


# --- a run ----------------------------------------------------------------------------------------------


def _no_run(seen: Observations) -> Iterator[Finding]:
    found = "no flow was run, so not looked at: content type, delivery, pings, resuming, types"
    yield Finding("run", "unknown", found, "--flow NAME --input JSON runs it, once")


def _run_of(seen: Observations) -> Run:
    assert seen.run is not None, "these checks are made of a run only"
    return seen.run


def _run(seen: Observations) -> Iterator[Finding]:
    run = _run_of(seen)
    recording = run.recording
    sizes = f"{_plural(run.received, 'chunk')} and {_plural(recording.size, 'byte')}"
    got = f"{sizes} in {_seconds(recording.ended)}"
    facts = {
        "flow": run.flow,
        "protocol": run.protocol,
        "ending": run.ending,
        "status": run.status or None,
        "http_status": run.answer and run.answer.status,
        "chunks": run.received,
        "bytes": recording.size,
        "seconds": recording.ended,
    }
    told = run.problem.told if run.problem else ""
    advice = _run_advice(seen, run)
    match run.ending:
        case "result":
            yield Finding("run", "good", f"flow {run.flow!r} ended with its result: {got}", "", facts)
        case "failed":
            yield Finding("run", "bad", f"flow {run.flow!r} failed, after {got}: {told}", advice, facts)
        case "refused":
            yield Finding("run", "bad", f"flow {run.flow!r} was refused: {told}", advice, facts)
        case "time":
            found = f"flow {run.flow!r} had not ended when its time was up: {got}"
            yield Finding("run", "unknown", found, "--timeout SECONDS gives it longer", facts)
        case "silence":
            found = f"flow {run.flow!r} was given up, for not one byte came in {_seconds(recording.ended)}"
            advice = "look whether it runs; if it only takes long, --timeout SECONDS gives it longer"
            yield Finding("run", "bad", found, advice, facts)
        case _:
            yield Finding("run", "bad", f"flow {run.flow!r}, after {got}: {told}", advice, facts)


def _run_advice(seen: Observations, run: Run) -> str:
    if run.status in _DENIED:
        return ""  # the finding about credentials tells
    if run.status in _HIDING:
        causes = "" if run.received else " (the input, a credential, the flow itself)"
        return f"the server does not tell why{causes}: look at its log"
    advice = _elsewhere(seen, run) or (run.problem.advice if run.problem else "")
    own = "this is the flow's own failure: look at the input, and at the server's log"
    return advice or (own if run.ending == "failed" else "")


def _elsewhere(seen: Observations, run: Run) -> str:
    """Where the flow's name was not known, one that is like it."""
    if run.answer is None or run.answer.status != 404:
        return ""
    names = [name for source in seen.sources for name in source.flows or ()]
    close = get_close_matches(run.flow, names, n=3)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else ""


def _is_stream(run: Run) -> bool:
    return run.answer is not None and run.answer.status == 200 and bool(run.recording.events)


def _content_type(seen: Observations) -> Iterator[Finding]:
    run = _run_of(seen)
    if run.answer is None or not _is_stream(run):
        return
    kind, told = run.answer.media_type, run.answer.headers.get("content-type") or "no Content-Type"
    encoding = run.answer.headers.get("content-encoding", "identity")
    facts = {"content_type": run.answer.headers.get("content-type"), "content_encoding": encoding}
    if encoding != "identity":
        found = f"{told}, compressed ({encoding}) though identity was asked for"
        advice = "a compressor holds chunks back: switch it off for streams"
        yield Finding("content-type", "bad", found, advice, facts)
    elif run.protocol == "reflection" or kind == "text/event-stream":
        yield Finding("content-type", "good", told, "", facts)
    else:
        advice = "this client reads it all the same; browsers' EventSource and other SSE clients would not"
        yield Finding("content-type", "note", f"{told} instead of text/event-stream", advice, facts)


def _delivery(seen: Observations) -> Iterator[Finding]:
    run = _run_of(seen)
    if _is_stream(run):
        yield delivery(run.recording)
    elif run.ending == "result":
        advice = "look whether the header Accept: text/event-stream reaches the server"
        facts = {"chunks": 0, "bursts": 0, "first_seconds": None, "last_seconds": None}
        yield Finding("delivery", "note", "the answer was one JSON body, no stream", advice, facts)


_BUFFERED = (
    "if the flow sends them as it works, something holds them back: nginx wants proxy_buffering off and"
    " proxy_http_version 1.1, haproxy option http-no-delay; switch compression off; compare with the server's"
    " own address"
)


def delivery(recording: Recording) -> Finding:
    """Whether chunks come as they are made, told by when they came.

    They come in bursts: what is closer together than `SAME_MOMENT`. One burst after a while is the sign of
    something that collects them, or of a flow that makes them all at its end: for whoever reads them that is
    the same, unless a ping got through before. Several bursts at once, after a long wait, are one that this
    machine was too busy to read at once. A burst that lasts is none, but a flow that hardly pauses.
    """
    chunks = recording.chunks
    bursts = _bursts(chunks)
    gaps = [after[0] - before[-1] for before, after in pairwise(bursts)]
    facts = {
        "chunks": len(chunks),
        "bursts": len(bursts),
        "first_seconds": chunks[0] if chunks else None,
        "last_seconds": chunks[-1] if chunks else None,
        "longest_gap_seconds": max(gaps, default=None),
    }
    if len(chunks) < FEWEST_CHUNKS:
        found = f"{_plural(len(chunks), 'chunk')}: too few to tell whether they arrive live or buffered"
        advice = f"run a flow, or give an input, that sends {FEWEST_CHUNKS} chunks or more with pauses"
        return Finding("delivery", "unknown", found, advice, facts)
    if _lasts(bursts):
        verdict, found, advice = _steady(bursts)
    elif len(bursts) == 1 or _at_once(bursts):
        verdict, found, advice = _one_burst(recording, bursts)
    else:
        verdict, found, advice = _many_bursts(recording, bursts)
    return Finding("delivery", verdict, found, advice, facts)


def _lasts(bursts: list[list[float]]) -> bool:
    """Whether chunks kept coming for long, with pauses that are too short to be told from one another."""
    first, last = bursts[0][0], bursts[-1][-1]
    moving = sum(burst[-1] - burst[0] for burst in bursts)
    if last - first < TOO_FAST or moving * 2 < last - first:
        return False
    return _pace(bursts) >= PACE or last - first >= first / 2  # else it took long to read what was buffered


def _pace(bursts: list[list[float]]) -> float:
    """Seconds from chunk to chunk."""
    return (bursts[-1][-1] - bursts[0][0]) / (sum(map(len, bursts)) - 1)


def _steady(bursts: list[list[float]]) -> tuple[Judgement, str, str]:
    count, first, last = sum(map(len, bursts)), bursts[0][0], bursts[-1][-1]
    span = f"{count} chunks over {_seconds(last - first)}"
    if _pace(bursts) >= PACE:
        return "good", f"live: {span}, the first after {_seconds(first)}", ""
    advice = "run a flow, or give an input, that pauses between its chunks"
    return "unknown", f"{span}, without a pause: too fast to tell live from buffered", advice


def _at_once(bursts: list[list[float]]) -> bool:
    """Whether chunks that came together after a long wait were read in several goes."""
    span = bursts[-1][-1] - bursts[0][0]
    return len(bursts) < sum(map(len, bursts)) and span < min(TOO_FAST, bursts[0][0] / 10)


def _one_burst(recording: Recording, bursts: list[list[float]]) -> tuple[Judgement, str, str]:
    first = bursts[0][0]
    when = f"all {sum(map(len, bursts))} chunks came together, {_seconds(first)} after the request"
    if any(ping < first - SAME_MOMENT for ping in recording.pings):
        found = f"{when}, but pings came before: nothing on the way holds bytes back, the flow sends them so"
        return "note", found, ""
    if first < TOO_FAST:
        advice = "run a flow, or give an input, that takes longer, with pauses between its chunks"
        return "unknown", f"{when}: too fast to tell live from buffered", advice
    return "bad", f"{when}: buffered, or all made at the flow's end", _BUFFERED


def _many_bursts(recording: Recording, bursts: list[list[float]]) -> tuple[Judgement, str, str]:
    count, first, last = sum(map(len, bursts)), bursts[0][0], bursts[-1][-1]
    span = f"{count} chunks over {_seconds(last - first)}"
    if len(bursts) * 2 >= count:
        return "good", f"live: {span}, the first after {_seconds(first)}", ""
    largest = max(map(len, bursts))
    return "note", f"in {len(bursts)} bursts: {span}, up to {largest} at once", _BUFFERED


def _bursts(times: Sequence[float]) -> list[list[float]]:
    bursts: list[list[float]] = []
    for at in times:
        if bursts and at - bursts[-1][-1] < SAME_MOMENT:
            bursts[-1].append(at)
        else:
            bursts.append([at])
    return bursts


def _pings(seen: Observations) -> Iterator[Finding]:
    run = _run_of(seen)
    if not _is_stream(run) or run.protocol == "reflection":
        return
    recording = run.recording
    pings, silent = recording.pings, recording.longest_silence()
    gaps = [after - before for before, after in pairwise(pings)]
    every = sorted(gaps)[len(gaps) // 2] if gaps else None
    facts = {"pings": len(pings), "every_seconds": every, "longest_silence_seconds": silent}
    longest = f"the longest silence was {_seconds(silent)}"
    if pings:
        rate = f", one every {_seconds(every)}" if every is not None else ""
        advice = f"Timeout(idle=…) may be short, but above {_seconds(every)}" if every is not None else ""
        found = f"{_plural(len(pings), 'ping')}{rate}; {longest}"
        yield Finding("pings", "good", found, advice, facts)
    elif silent >= LONG_SILENCE:
        advice = (
            "proxies end silent connections, many after 60 s: let the server send comments while it works"
        )
        yield Finding("pings", "note", f"no pings, and {longest}", advice, facts)
    else:
        found = f"no pings; {longest}: too short to expect one"
        yield Finding("pings", "unknown", found, "", facts)


def _resuming(seen: Observations) -> Iterator[Finding]:
    run = _run_of(seen)
    if not _is_stream(run):
        return
    if run.protocol == "reflection":
        yield Finding("resume", "note", "the reflection API has no streams to resume", "", {"id": False})
    elif not run.has_id:
        found = "no stream id is issued: a stream that breaks is lost"
        advice = "where a run is dear, give the server a stream manager (Genkit JS and Go have them)"
        yield Finding("resume", "note", found, advice, {"id": False})
    elif run.resumed is None:
        yield Finding("resume", "unknown", "a stream id is issued; resuming was not tried", "", {"id": True})
    else:
        yield _resumed(run, run.resumed)


def _resumed(run: Run, resumed: Resumed) -> Finding:
    facts = {"id": True, "http_status": resumed.status, "chunks": resumed.chunks, "outcome": resumed.outcome}
    match resumed.outcome:
        case "same":
            again = _plural(resumed.chunks, "chunk")
            found = f"a stream id is issued, and resuming by it gave the same {again} again"
            return Finding("resume", "good", found, "", facts)
        case "expired":
            found = (
                f"a stream id is issued, but the server does not know it right after the end: {resumed.told}"
            )
            advice = (
                "let the stream manager keep streams longer, or in a store that all server processes share"
            )
        case "other":
            found = f"a stream id is issued, but resuming by it gave something else: {resumed.told}"
            advice = (
                "look whether the header X-Genkit-Stream-Id reaches the server, for without it the flow runs"
                " again; and whether all server processes share a store"
            )
        case _:
            found = f"a stream id is issued, but resuming by it failed: {resumed.told}"
            advice = "look at the server's log, and at what stands between"
    return Finding("resume", "bad", found, advice, facts)


def _types(seen: Observations) -> Iterator[Finding]:
    run = _run_of(seen)
    if run.ending in ("refused", "unreached"):
        return
    facts = {"known": run.from_catalog, "chunks_known": run.chunks_typed, "wrong": run.wrong}
    if not run.from_catalog:
        found = "the flow's types are not known, so nothing was validated"
        advice = "name a catalog, --catalog FILE|URL, or declare the flow with its types"
        yield Finding("types", "unknown", found, advice, facts)
    elif run.wrong:
        found = f"{_plural(run.wrong, 'value')} not of the described type; the first: {run.first_wrong}"
        advice = "mend the schema or what the flow sends: clients that validate will refuse it"
        yield Finding("types", "bad", found, advice, facts)
    elif run.chunks_typed or not run.received:
        yield Finding("types", "good", "all that came is of the types that are described", "", facts)
    else:
        output = "the output is of its type" if run.ending == "result" else "no output came"
        found = f"{output}; the type of the chunks is not described"
        advice = "Genkit JS and Python do not tell it: declare the flow with its chunk type"
        yield Finding("types", "note", found, advice, facts)


_CHECKS: tuple[Check, ...] = (_connection, _http, _tls, _proxy, _calls, _server, _auth, _discovery)
_RUN_CHECKS: tuple[Check, ...] = (_run, _content_type, _delivery, _pings, _resuming, _types)


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
