"""Asks a server what `doctor` wants to know, and keeps what came back.

In: a `Server`, and maybe a flow with its input. Out: `Observations`. Requests go through the public client,
so that its clocks and limits hold; what goes over the wire is looked at on the way. Without a flow, nothing
that is sent here runs anything on the server; with one, it runs once. What the answers mean does not belong
here.
"""

from __future__ import annotations

import re
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from secrets import token_hex
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from ...calls import input_of
from ...discovery import ACTIONS, OPENAPI
from ...errors import (
    ChunkValidationError,
    DiscoveryError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    FlowValidationError,
    OutputValidationError,
    ReplayDivergedError,
    StreamExpiredError,
    StreamInterruptedError,
)
from ...found import FoundFlow
from ...options import Retry, Timeout
from ...schema.catalog import Catalog
from ...sync import Client, Flow
from ...sync_stream import FlowStream
from ...text import shown, without_secrets
from ...transport.defaults import default_http_client
from ...wire.codec import UNSET, Unset
from ...wire.request import BaseUrl, ProtocolName, origin_of
from ..arguments import BadArgument, Server, read_json
from ..conversion import as_bytes, is_text
from ..interruptions import Interruptions
from .evidence import (
    Answer,
    Ending,
    Observations,
    Probe,
    Problem,
    Recorder,
    Recording,
    Redactor,
    Resumed,
    Resumption,
    Run,
    Source,
    Tls,
)

HEALTH = "/api/__health"
PROBE_SECONDS = 5.0  # for each request that runs nothing
RUN_SECONDS = 120.0  # for the flow, where nothing else is said
MOST_SILENT = 2  # requests without an answer, until no more are sent

_BETWEEN_PARTS = re.compile(r"""[\s;,="']+""")  # as of several cookies
_SHORTEST_PART = 8  # characters: less is a word, and no secret
_SECRET_HEADERS = frozenset({"authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key"})


@dataclass(frozen=True, slots=True)
class FlowCall:
    """The flow to be run, and its input: JSON, or a text for a flow that takes one. None sends none."""

    name: str
    input: str | None = None


class Examination:
    """One look at a server, over one HTTP client. A context manager.

    Attributes:
        redactor: hides what the caller gave, and the id of the stream.
    """

    def __init__(self, server: Server, signals: Interruptions) -> None:
        """Raises: BadArgument."""
        self._server = server
        self._signals = signals
        self._base = _base_url(server.url)
        self.redactor: Redactor = Redactor(_secrets(server, self._base))
        self._wire = _wire()
        self._probes: list[Probe] = []
        self._sources: list[Source] = []
        self._catalogs: list[Catalog] = []
        self._output: Any = UNSET  # of the run, where it was of its type

    def __enter__(self) -> Examination:
        return self

    def __exit__(self, *why: object) -> None:
        self._wire.http.close()

    def observe(self, call: FlowCall | None) -> Observations:
        """Raises: BadArgument. InputValidationError: nothing was run."""
        self._check(call)
        seen = self._look()
        if call is None or not seen.answers:
            return seen
        run = self._run(call)
        return replace(seen, run=run, sources=tuple(self._sources))

    # --- clients ---

    def _check(self, call: FlowCall | None) -> None:
        """Words that make no sense are told before anything is sent. Raises: BadArgument."""
        try:
            client = self._client(timeout=Timeout(total=self._server.timeout), catalog=self._server.catalog)
            if call is not None:
                client.flow(call.name)
        except ValueError as error:
            raise BadArgument(str(error)) from None

    def _client(
        self,
        *,
        catalog: Catalog | str | None = None,
        timeout: Timeout | None = None,
        anonymous: bool = False,
    ) -> Client:
        """One that sends each request once. Raises: ValueError."""
        server = self._server
        return Client(
            str(self._base) if anonymous else server.url,
            catalog=catalog,
            http_client=self._wire.http,
            headers=None if anonymous else server.headers,
            auth=None if anonymous else server.token,
            timeout=timeout or Timeout(total=PROBE_SECONDS),
            retry=None,
            protocol=server.protocol or "callable",
        )

    # --- what runs nothing ---

    def _look(self) -> Observations:
        given = self._server.catalog
        if given is not None:
            self._describe(given)
        for path in (OPENAPI, ACTIONS):
            self._describe(str(self._base) + path)
        health, _ = self._fetch(str(self._base) + HEALTH)
        name = f"no-such-flow-{token_hex(4)}"
        nowhere = self._call_nothing(name, anonymous=False)
        credential = self._gives_credential()
        anonymous = self._call_nothing(name, anonymous=True) if credential else None
        return Observations(
            url=without_secrets(self._server.url),
            secure=self._base.origin.startswith("https:"),
            local=_is_local(self._base),
            credential=credential,
            through=_proxies(self._base),
            probes=tuple(self._probes),
            health=health,
            nowhere=nowhere,
            anonymous=anonymous,
            sources=tuple(self._sources),
            reused=self._wire.reused,
        )

    def _gives_credential(self) -> bool:
        server = self._server
        named = any(name.lower() in _SECRET_HEADERS for name in server.headers)
        return server.token is not None or self._base.userinfo is not None or named

    def _describe(self, place: str) -> None:
        """Look for a catalog at an address or in a file."""
        probe, catalog = self._fetch(place)
        told = without_secrets(place)
        if catalog is not None:
            self._catalogs.append(catalog)
            reflection = any(spec.protocol == "reflection" for spec in catalog.values())
            self._sources.append(Source(told, tuple(catalog), reflection=reflection))
        elif probe is not None:
            problem = probe.problem.told if probe.problem else ""
            self._sources.append(Source(told, problem=problem, absent=not problem))

    def _fetch(self, place: str) -> tuple[Probe | None, Catalog | None]:
        """Nothing is asked any more of a server that does not answer."""
        if self._is_silent():
            return None, None
        self._wire.begin()
        catalog, error = None, None
        try:
            catalog = self._client(catalog=place).discover()
        except FlowError as failure:
            error = (
                failure if not isinstance(failure, DiscoveryError) or _is_file(place) else failure.__cause__
            )
        probe = self._probe(f"GET {_path(place)}", error)
        if self._is_own(place):  # else what is there tells nothing of this server
            self._probes.append(probe)
        return probe, catalog

    def _is_own(self, place: str) -> bool:
        return not _is_file(place) and origin_of(place) == self._base.origin

    def _call_nothing(self, name: str, *, anonymous: bool) -> Probe | None:
        """Call a flow that does not exist."""
        if self._is_silent():
            return None
        self._wire.begin()
        error = None
        try:
            with self._client(anonymous=anonymous).flow(name).stream() as stream:
                stream.result()
        except FlowError as failure:
            error = failure
        path = "/api/runAction" if self._server.protocol == "reflection" else "/" + name
        asked = f"POST {self._base.path}{path}"
        probe = self._probe(f"{asked} without credentials" if anonymous else asked, error)
        self._probes.append(probe)
        return probe

    def _is_silent(self) -> bool:
        silent = [probe for probe in self._probes if probe.answer is None]
        unreached = any(probe.problem is not None and probe.problem.unreached for probe in silent)
        return unreached or len(silent) >= MOST_SILENT

    def _probe(self, asked: str, error: BaseException | None) -> Probe:
        problem = self._problem(error) if isinstance(error, FlowError) else None
        return Probe(asked, self._wire.answer(), problem)

    def _problem(self, error: FlowError) -> Problem:
        timed_out = isinstance(error, FlowTimeoutError)
        connecting = isinstance(error, FlowTimeoutError) and error.clock == "connect"
        return Problem(
            self._shown(_told(error)),
            error.advice,
            unreached=isinstance(error, FlowConnectionError) or connecting,
            timed_out=timed_out,
        )

    def _shown(self, text: str) -> str:
        return shown(self.redactor.text(text), 400)

    # --- the flow ---

    def _run(self, call: FlowCall) -> Run:
        """Raises: BadArgument, InputValidationError: nothing was run."""
        limit = self._server.timeout or RUN_SECONDS
        flow = self._flow(call.name, Timeout(total=limit, idle=None))
        found = flow.definition
        typed = found if isinstance(found, FoundFlow) else None
        stream = flow.stream(_input(call.input, typed))
        protocol = self._protocol(typed)
        seen = Run(
            call.name,
            protocol,
            from_catalog=typed is not None,
            chunks_typed=flow.chunk_type is not Any,
            limit=limit,
        )
        self._wire.begin(protocol)
        seen = replace(seen, **self._read(stream))
        if stream.stream_id is not None:
            self.redactor = self.redactor.knows(stream.stream_id)
        seen = replace(seen, answer=self._wire.answer(), has_id=stream.stream_id is not None)
        if seen.has_id and seen.ending in ("result", "failed", "broken"):
            seen = replace(seen, resumed=self._resume(flow, stream, seen))
        return seen

    def _protocol(self, found: FoundFlow | None) -> ProtocolName:
        if self._server.protocol is not None or found is None:
            return self._server.protocol or "callable"
        return found.spec.protocol

    def _flow(self, name: str, timeout: Timeout) -> Flow[Any, Any, Any]:
        """With its types, where a catalog has them."""
        catalog = next((each for each in self._catalogs if name in each), None)
        client = self._client(catalog=catalog, timeout=timeout)
        if catalog is not None:
            try:
                flow = client.flows[name]
            except DiscoveryError as error:  # a broken schema
                problem = self._shown(error.message)
                self._sources.append(Source(without_secrets(catalog.source), problem=problem))
            else:
                return flow if self._server.protocol is None else client.flow(flow.definition)
        return client.flow(name)

    def _read(self, stream: FlowStream[Any, Any]) -> dict[str, Any]:
        """Read the stream to its end; returns what a `Run` keeps of it."""
        wrong = _Wrong()
        ending, problem, status, began = "result", None, "", True
        try:
            with self._signals.cancelling(stream), stream:
                for _ in _valid(stream, wrong):
                    self._signals.check()
                self._output = stream.result()
        except OutputValidationError as error:
            wrong.add(error)
        except FlowError as error:
            problem = self._problem(error)
            status = error.status if isinstance(error, FlowStatusError) else ""
            ending = _ending(error, self._wire)
            began = error.work_may_have_run or stream.received > 0
        return {
            "recording": self._wire.recording(),
            "ending": ending,
            "problem": problem,
            "status": status,
            "began": began,
            "received": stream.received,
            "wrong": wrong.count,
            "first_wrong": self._shown(wrong.first),
        }

    def _resume(self, flow: Flow[Any, Any, Any], stream: FlowStream[Any, Any], run: Run) -> Resumed | None:
        """Ask for the whole stream again, by the id that the server issued: that runs nothing."""
        ticket = stream.ticket()
        if ticket is None:
            return None
        seconds = run.limit if run.ending == "broken" else PROBE_SECONDS
        once = Retry(attempts=1, verify_replay=True)
        again = flow.with_options(timeout=Timeout(total=seconds), retry=once).resume(ticket)
        self._wire.begin(run.protocol)
        outcome: Resumption = "same"
        told = ""
        try:
            with self._signals.cancelling(again), again:
                output = again.result()
            told = self._difference(run, output)
            outcome = "other" if told else "same"
        except OutputValidationError:
            pass
        except FlowError as error:
            outcome, told = _resumption(error, run), self._shown(_told(error))
        answer = self._wire.answer()
        chunks = self._wire.recording().count
        status = None if answer is None else answer.status
        return Resumed(status, chunks, outcome, "" if outcome == "same" else told)

    def _difference(self, run: Run, output: Any) -> str:
        """How a replay to its result differs from the run; "" where it does not."""
        chunks, before = self._wire.recording().count, run.recording.count
        if run.ending != "result":
            return ""
        if chunks != before:
            return f"{chunks:,} chunks instead of {before:,}"
        return "another result" if self._output is not UNSET and output != self._output else ""


class _Wrong:
    """Values that are not of their types: how many, and what the first one said."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def add(self, error: FlowError) -> None:
        self.first = self.first or error.message
        self.count += 1


def _valid(stream: FlowStream[Any, Any], wrong: _Wrong) -> Iterator[None]:
    """Once for each chunk; those that are not of their type are put aside."""
    while True:
        try:
            next(stream)
        except StopIteration:
            return
        except ChunkValidationError as error:
            wrong.add(error)
        yield


def _ending(error: FlowError, wire: _Wire) -> Ending:
    match error:
        case FlowStatusError():
            return "failed" if (wire.status or 0) < 400 else "refused"
        case FlowTimeoutError(clock="connect") | FlowConnectionError():
            return "unreached"
        case FlowTimeoutError():
            return "time" if wire.heard else "silence"
        case StreamInterruptedError():
            return "broken"
        case FlowValidationError():
            return "result"
        case _:
            return "unlike"


def _resumption(error: FlowError, run: Run) -> Resumption:
    match error:
        case StreamExpiredError():
            return "expired"
        case ReplayDivergedError():
            return "other"
        case FlowStatusError(status=status) if run.ending == "failed" and status == run.status:
            return "same"
        case _:
            return "failed"


def _told(error: FlowError) -> str:
    """What happened, without what the command says itself."""
    if not isinstance(error, FlowStatusError):
        return error.message
    where = f" (HTTP {error.http_status})" if error.http_status and error.http_status >= 400 else ""
    return f"{error.status}{where}: {error.message}"


def _input(text: str | None, found: FoundFlow | None) -> Any | Unset:
    """Raises: BadArgument."""
    if text is None:
        return UNSET if found is None else input_of(found, UNSET, {})
    types = None if found is None else found.types.input
    if types is not None and is_text(text, types):
        return text
    return read_json(as_bytes(text), "the input")


# --- the wire -------------------------------------------------------------------------------------------


class _Wire:
    """The library's own HTTP client, and what went over it since `begin`.

    Attributes:
        reused: whether a later request went over a connection that was kept alive; None where none could
            have been: a body that was not read to its end took its connection with it.
    """

    def __init__(self) -> None:
        self.http = default_http_client()
        self.http.event_hooks = {"request": [self._asks], "response": [self._answers]}
        self.reused: bool | None = None
        self._served: dict[str, bool] = {}  # by origin: whether the last body was read to its end
        self.begin()

    def begin(self, protocol: ProtocolName = "callable") -> None:
        """What comes from now on is another exchange."""
        self._protocol: ProtocolName = protocol
        self._asked = monotonic()
        self._dialled: float | None = None
        self._connected: float | None = None
        self._answered = 0.0
        self._response: httpx.Response | None = None
        self._tls: Tls | None = None
        self._recorder: Recorder | None = None

    @property
    def status(self) -> int | None:
        return None if self._response is None else self._response.status_code

    @property
    def heard(self) -> bool:
        """Whether any byte of a body came."""
        return self._recorder is not None and self._recorder.size > 0

    def answer(self) -> Answer | None:
        """The newest response."""
        response, recorder = self._response, self._recorder
        if response is None or recorder is None:
            return None
        return Answer(
            response.status_code,
            {name.lower(): value for name, value in response.headers.items()},
            bytes(recorder.head),
            response.http_version,
            None if self._dialled is None or self._connected is None else self._connected - self._dialled,
            self._answered,
            self._tls,
        )

    def recording(self) -> Recording:
        """The body of the newest response, as far as it came."""
        recorder = self._recorder or Recorder({}, self._protocol)
        return recorder.finish(monotonic() - self._asked)

    def _asks(self, request: httpx.Request) -> None:
        before = request.extensions.get("trace")

        def trace(event: str, info: Any) -> None:
            self._happened(event)
            if before is not None:
                before(event, info)

        request.extensions = {**request.extensions, "trace": trace}
        self._asked = monotonic()

    def _happened(self, event: str) -> None:
        now = monotonic()
        match event:
            case "connection.connect_tcp.started":
                self._dialled = now
            case "connection.connect_tcp.complete" | "connection.start_tls.complete":
                self._connected = now
            case "http11.send_request_headers.started" | "http2.send_request_headers.started":
                self._asked = now
            case _:
                pass

    def _answers(self, response: httpx.Response) -> None:
        self._answered = monotonic() - self._asked
        self._response = response
        self._tls = _tls(response)
        origin = f"{response.url.scheme}://{response.url.netloc!r}"
        if self._dialled is None:
            self.reused = True
        elif self._served.get(origin):
            self.reused = bool(self.reused)
        self._served[origin] = False
        recorder = self._recorder = Recorder(response.headers, self._protocol)
        asked = self._asked
        assert isinstance(response.stream, httpx.SyncByteStream)

        def tell(data: bytes) -> None:
            recorder.piece(monotonic() - asked, data)

        def ended() -> None:
            self._served[origin] = True

        response.stream = _Overheard(response.stream, tell, ended)


def _wire() -> _Wire:
    """Raises: BadArgument: the variables that name a proxy, or certificates, make no sense."""
    try:
        return _Wire()
    except (ValueError, OSError) as error:
        raise BadArgument(str(error)) from None


class _Overheard(httpx.SyncByteStream):
    """A body whose pieces are told as they come, and its end."""

    def __init__(
        self, stream: httpx.SyncByteStream, tell: Callable[[bytes], None], ended: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._tell = tell
        self._ended = ended

    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            self._tell(data)
            yield data
        self._ended()

    def close(self) -> None:
        self._stream.close()


def _tls(response: httpx.Response) -> Tls | None:
    network = response.extensions.get("network_stream")
    secured = None if network is None else network.get_extra_info("ssl_object")
    if secured is None:
        return None
    days = None
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        ends = ssl.cert_time_to_seconds(secured.getpeercert()["notAfter"])
        days = (ends - time.time()) / 86400
    return Tls(secured.version() or "TLS", days)


# --- the caller's words ---------------------------------------------------------------------------------


def _base_url(url: str) -> BaseUrl:
    """Raises: BadArgument."""
    try:
        return BaseUrl.parse(url)
    except ValueError as error:
        raise BadArgument(str(error)) from None


def _secrets(server: Server, base: BaseUrl) -> Iterator[str]:
    """What the caller gave, as it stands, as it is sent, and in its parts."""
    yield from filter(None, [server.token, *server.headers.values(), *(base.userinfo or ())])
    if base.userinfo is not None:
        yield b64encode(":".join(base.userinfo).encode()).decode()
    for value in server.headers.values():
        yield value.partition(" ")[2]  # what follows "Bearer"
        yield from (part for part in _BETWEEN_PARTS.split(value) if len(part) >= _SHORTEST_PART)


def _is_file(place: str) -> bool:
    return not place.lower().startswith(("http://", "https://"))


def _path(place: str) -> str:
    return urlsplit(without_secrets(place)).path or "/"


def _is_local(base: BaseUrl) -> bool:
    host = urlsplit(base.origin).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _proxies(base: BaseUrl) -> tuple[str, ...]:
    """Variables that send requests to this server through a proxy."""
    host, scheme = urlsplit(base.origin).hostname or "", urlsplit(base.origin).scheme
    if proxy_bypass(host):
        return ()
    found = getproxies()
    return tuple(f"{name.upper()}_PROXY" for name in (scheme, "all") if found.get(name))
