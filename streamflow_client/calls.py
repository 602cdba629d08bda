"""From what a caller says to a session: everything both clients do before the first byte.

In: the arguments of a client, a flow's definition, an input. Out: `Settings`, and sessions ready to run.
Out of place here: I/O; the two clients call these functions and add nothing of their own.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, get_args

import httpx
from httpx_sse import ServerSentEvent
from pydantic_core import InitErrorDetails, PydanticSerializationError, ValidationError

from .call import Call, Limits, Open
from .errors import DiscoveryError, FlowCancelledError, FlowTimeoutError, InputValidationError
from .flowdef import FlowDef
from .jsonvalues import is_object
from .options import Retry, Timeout, as_timeout
from .session import Session, reasons
from .text import shown
from .ticket import TICKET_PREFIX, Ticket
from .transport.defaults import own_headers
from .wire.codec import UNSET, VERBATIM, Codec, Decoder, Unset
from .wire.request import (
    PROTOCOLS,
    STREAM_ID_HEADER,
    BaseUrl,
    ProtocolName,
    WireProtocol,
    cancel_request,
    document,
    origin_of,
    raw_events,
    same_origin,
)
from .wire.sse import Event

if TYPE_CHECKING:
    from .found import SchemaFlow

CANCEL_SECONDS = 2.0  # how long the server may take to hear that a run was cancelled
MOMENT = 0.001  # seconds: what is left for a call whose time is up
DOCUMENT_IDLE_SECONDS = 30.0  # a document runs nothing: its server has nothing to be silent about

log: logging.Logger = logging.getLogger("streamflow_client")

InputT = TypeVar("InputT")
ChunkT = TypeVar("ChunkT")
OutputT = TypeVar("OutputT")

Headers = Mapping[str, str]
HeaderSource = Headers | Callable[[], Headers]
AsyncHeaderSource = HeaderSource | Callable[[], Awaitable[Headers]]
Auth = httpx.Auth | tuple[str, str] | str


class HttpClient(Protocol):
    """What `Client` needs of a caller's own: httpx's or httpx2's, which is not imported to know it."""

    @property
    def timeout(self) -> Any: ...
    def build_request(self, method: str, url: str, *, content: Any, headers: Any, extensions: Any) -> Any: ...
    def send(self, request: Any, *, stream: bool, auth: Any, follow_redirects: bool) -> Any: ...
    def close(self) -> None: ...


class AsyncHttpClient(Protocol):
    """What `AsyncClient` needs of a caller's own."""

    @property
    def timeout(self) -> Any: ...
    def build_request(self, method: str, url: str, *, content: Any, headers: Any, extensions: Any) -> Any: ...
    def send(self, request: Any, *, stream: bool, auth: Any, follow_redirects: bool) -> Awaitable[Any]: ...
    def aclose(self) -> Awaitable[None]: ...


# RFC 9110, section 5: a name is a token; a value is visible characters, spaces and tabs.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"([\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?)?")  # no space at its ends


class Liveness(NamedTuple):
    """When a stream last showed life, in `time.monotonic()` seconds; None for never."""

    byte: float | None
    comment: float | None
    chunk: float | None


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked arguments of a client, shared by its flows."""

    base: BaseUrl
    protocol: ProtocolName
    timeout: Timeout
    retry: Retry | None
    strict: bool
    limits: Limits
    headers: Any  # HeaderSource | None, or AsyncHeaderSource | None: each client knows its own
    auth: Auth | None

    def __repr__(self) -> str:
        return f"Settings({self.base.origin}{self.base.path})"


class OwnSignature:
    """`__signature__` of a flow: what its types say, once they are known. Its class has Python's own."""

    def __get__(self, flow: Any, owner: type) -> inspect.Signature | None:
        try:
            return None if flow is None else flow.definition.signature()
        except DiscoveryError:
            return None


class Keep:
    """The type of `KEEP`: an option that `with_options` leaves as it is."""

    def __repr__(self) -> str:
        return "KEEP"


KEEP = Keep()


def make_settings(
    base_url: str,
    *,
    protocol: ProtocolName,
    timeout: float | Timeout | None,
    retry: Retry | None,
    strict: bool,
    max_event_bytes: int,
    max_response_bytes: int,
    headers: Any,
    auth: Auth | None,
) -> Settings:
    """Raises: ValueError: an argument makes no sense; secrets are not repeated in it."""
    _check_type("retry", retry, (Retry, type(None)))
    if auth is not None and not isinstance(auth, (str, tuple)) and not hasattr(auth, "auth_flow"):
        raise TypeError("auth is a bearer token, a (user, password) pair, or an httpx.Auth")
    base = BaseUrl.parse(str(base_url))
    try:
        _ = httpx.URL(base.root).host
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ValueError(f"{base.root!r} names no host: {error}") from None
    if protocol not in get_args(ProtocolName):
        raise ValueError(f"protocol is one of {get_args(ProtocolName)}, got {protocol!r}")
    for name, value in (
        ("max_event_bytes", max_event_bytes),
        ("max_response_bytes", max_response_bytes),
    ):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, got {value!r}")
    check_headers(headers)
    if isinstance(auth, str):
        if not auth:
            raise ValueError("auth is an empty text; a bearer token was expected, or None")
        check_headers({"authorization": auth})
    return Settings(
        base=base,
        protocol=protocol,
        timeout=as_timeout(timeout),
        retry=retry,
        strict=strict,
        limits=Limits(max_event_bytes, max_response_bytes),
        headers=headers,
        auth=auth if auth is not None else base.userinfo,
    )


def changed(
    settings: Settings,
    *,
    timeout: float | Timeout | Keep | None,
    retry: Retry | Keep | None,
    headers: Any,
    strict: bool | Keep,
) -> Settings:
    """Settings with some options replaced, for `with_options`."""
    _check_type("retry", retry, (Retry, Keep, type(None)))
    new = replace(
        settings,
        timeout=settings.timeout if isinstance(timeout, Keep) else as_timeout(timeout),
        retry=settings.retry if isinstance(retry, Keep) else retry,
        headers=settings.headers if isinstance(headers, Keep) else headers,
        strict=settings.strict if isinstance(strict, Keep) else strict,
    )
    check_headers(new.headers)
    return new


def check_client(http_client: Any, *, closes_by: str) -> None:
    """Raises: TypeError: not a client of httpx's or httpx2's kind, or one for the other kind of caller."""
    if http_client is None:
        return
    if isinstance(http_client, type) or not callable(getattr(http_client, closes_by, None)):
        kind = "an httpx.Client" if closes_by == "close" else "an httpx.AsyncClient"
        raise TypeError(f"http_client is {kind} (or httpx2's) or None, got {type(http_client).__name__}")


def check_flow(flow: Any) -> None:
    """Raises: TypeError: neither a definition nor a name."""
    _check_type("flow", flow, (FlowDef, str))


def _check_type(name: str, value: Any, kinds: tuple[type, ...]) -> None:
    if isinstance(value, bool) or not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__.replace("NoneType", "None") for kind in kinds if kind is not Keep)
        raise TypeError(f"{name} is {wanted}, got {value!r:.50}")


def check_headers(headers: Any) -> None:
    """Raises: ValueError: a name is none, or a value would break out of its line; values are not told."""
    if callable(headers) or headers is None:
        return  # a callable's are checked when it is asked
    if not hasattr(headers, "items"):
        raise TypeError(f"headers is a mapping, or a callable that gives one; got {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no header name")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            what = "is not one line of printable ASCII text without space at its ends"
            raise ValueError(f"header {name!r}: its value {what}")


def strip_foreign(settings: Settings, url: str, request: Any, own: dict[str, str]) -> None:
    """Take from a request to another origin what a caller's own client puts into each: it may be secret.

    Args:
        url: where it goes, without the client's own parameters.
        request: as the HTTP library, httpx or httpx2, built it.
        own: the headers that this library sends.
    """
    if same_origin(settings.base, url):
        return
    request.url = type(request.url)(url)
    kept = {name.lower() for name in own} | _OF_HTTP
    for name in {name.lower() for name in request.headers} - kept:
        del request.headers[name]


_OF_HTTP = frozenset({"host", "content-length", "connection", "user-agent"})

# A program calls few addresses, often. No user and no password are in one, nor may one be in a key here.
_origin = lru_cache(maxsize=1024)(origin_of)
_parsed = lru_cache(maxsize=1024)(httpx.URL)


def own_request(settings: Settings, action: Open, given: Headers | None) -> httpx.Request:
    """The request of one attempt for a client that we made.

    It is what that one's `build_request` would give, which took a quarter of all that is done until a request
    goes out: it parses the URL anew and merges headers, cookies, parameters and time-outs that we know.
    """
    url = _parsed(action.url)
    headers = {"host": url.netloc.decode("ascii")} | own_headers()
    if action.body:
        headers["content-length"] = str(len(action.body))
    headers |= request_headers(settings, action.url, action.headers, given)
    request = httpx.Request(action.method, url, headers=headers, stream=httpx.ByteStream(action.body))
    request.read()  # at hand: a transport need not iterate over it
    return request


def request_headers(
    settings: Settings, url: str, own: dict[str, str], given: Headers | None
) -> dict[str, str]:
    """The headers of one attempt; the caller's go only to the client's own origin."""
    if given is not None and inspect.isawaitable(given):
        raise TypeError("an async headers function needs an AsyncClient")
    merged: dict[str, str] = {}
    if _origin(url) == settings.base.origin:
        check_headers(given)
        merged |= {name.lower(): value for name, value in (given or {}).items()}
        if isinstance(settings.auth, str):
            merged["authorization"] = f"Bearer {settings.auth}"
    return merged | {name.lower(): value for name, value in own.items()}


def auth_argument(settings: Settings, url: str, *, owned: bool) -> dict[str, Any]:
    """How `auth` is handed to httpx: not at all where a caller's own client has its own."""
    if _origin(url) != settings.base.origin:
        return {"auth": None}
    if settings.auth is None or isinstance(settings.auth, str):
        return {"auth": None} if owned else {}
    return {"auth": settings.auth}


def encode_input(
    definition: FlowDef[InputT, Any, Any], settings: Settings, value: InputT | Unset
) -> bytes | None:
    """The JSON of an input. Raises: InputValidationError: nothing was sent."""
    codec = definition.codec(strict=settings.strict)
    try:
        return codec.encode(value)
    except PydanticSerializationError as error:
        what = f"the input cannot be written as JSON: {error}"
        raise InputValidationError(what, validation_error=error, flow=definition.name) from None
    except Exception as error:  # noqa: BLE001 - a validator of the caller's may raise anything
        told = codec.told(error, "input")
        what = f"the input is not of the flow's input type: {reasons(told)}{_hint(definition, told, value)}"
        raise InputValidationError(what, validation_error=told, flow=definition.name) from None


def input_of(found: SchemaFlow[Any, Any, Any], value: Any | Unset, fields: dict[str, Any]) -> Any | Unset:
    """The input of a discovered or generated flow: one value, or an object's fields by keywords, maybe none.

    Raises:
        TypeError: both were given, or the input is no object.
        InputValidationError: a field does not exist.
    """
    if not fields:
        return {} if isinstance(value, Unset) and found.takes_record else value
    if not isinstance(value, Unset):
        raise TypeError(f"flow {found.name!r}: give one input or its fields by keywords, not both")
    if not found.takes_fields:
        what = "the input is no object, so it has no keywords; give one value"
        raise TypeError(f"{found.types.signature}: {what}")
    unknown = found.unknown_fields(set(fields))
    if unknown:
        error = ValidationError.from_exception_data(
            found.name,
            [InitErrorDetails(type="extra_forbidden", loc=(name,), input=fields[name]) for name in unknown],
        )
        hint = _hint(found, error, fields) or "; one mapping may hold fields that the schema does not name"
        what = f"the input is not of the flow's input type: {reasons(error)}{hint}"
        raise InputValidationError(what, validation_error=error, flow=found.name)
    return fields


def called_with(found: SchemaFlow[Any, Any, Any], args: tuple[Any, ...], fields: dict[str, Any]) -> Any:
    """The same, where the value is the only argument by place, if it is there.

    Raises: TypeError: there are several.
    """
    if len(args) > 1:
        raise TypeError(f"flow {found.name!r} takes one input, got {len(args)}")
    return input_of(found, args[0] if args else UNSET, fields)


def _hint(definition: FlowDef[Any, Any, Any], error: Exception, given: Any) -> str:
    """Which fields of the input may have been meant by those given that it does not have."""
    from difflib import get_close_matches

    if not is_object(given) or not isinstance(error, ValidationError):
        return ""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    told = {item["type"] for item in found if len(item["loc"]) == 1}
    known = definition.input_fields() if told & {"extra_forbidden", "missing"} else []
    odd = [name for name in map(str, given) if name not in known]
    left = [name for name in known if name not in given]
    meant = {name: close for name in odd[:_MANY] if (close := get_close_matches(name[:100], left))}
    if not meant:
        return ""
    which = "" if "extra_forbidden" in told else f"{' and '.join(map(_name, meant))} is no field of it: "
    close = [each for names in meant.values() for each in names]
    return f"; {which}did you mean {' or '.join(map(_name, close[:3]))}?"


def _name(name: str) -> str:
    return shown(repr(name), 100)


_MANY = 20  # names of an input are compared with the fields that a flow has


def new_session(
    settings: Settings,
    definition: FlowDef[Any, ChunkT, OutputT],
    data: bytes | None,
    *,
    streaming: bool,
    resume: Ticket | None = None,
) -> Session[ChunkT, OutputT]:
    """A session for one call of a flow with an encoded input."""
    call = _call(settings, definition, data, PROTOCOLS[settings.protocol], streaming, resume)
    return _session(settings, call, definition.codec(strict=settings.strict))


def new_event_session(
    settings: Settings, definition: FlowDef[Any, Any, Any], data: bytes | None
) -> Session[ServerSentEvent, None]:
    """A session that hands out raw events."""
    if settings.protocol != "callable":
        raise ValueError(f"the {settings.protocol} protocol has no server-sent events")
    codec: Codec[Any, ServerSentEvent, None] = Codec(definition.name, Any, Any, None, strict=False)
    return _session(settings, _call(settings, definition, data, raw_events(_as_event), True, None), codec)


def document_session(settings: Settings, url: str, ends: float | None) -> Session[bytes, bytes]:
    """A session that reads what is at `url`, as it is; given up after 30 s of silence, or when it `ends`."""
    idle = settings.timeout.idle and min(settings.timeout.idle, DOCUMENT_IDLE_SECONDS)
    total = None if ends is None else max(ends - monotonic(), MOMENT)
    hasty = replace(settings, timeout=replace(settings.timeout, idle=idle, total=total))
    return _session(hasty, _nothing_yet("", url, streaming=False), VERBATIM)


def searched_too_long(settings: Settings) -> FlowTimeoutError:
    """For who waited for another one's search for as long as the whole call may take."""
    what = f"the server's flows were not found out within {settings.timeout.total:g} s"
    return FlowTimeoutError(what, clock="total")


def check_open(closed: bool) -> None:
    """Raises: FlowCancelledError: the client was closed, maybe while one waited."""
    if closed:
        raise FlowCancelledError("the client is closed")


def late_session(settings: Settings, name: str) -> Session[Any, Any]:
    """A session for a flow that is not known yet: it has to become another before its first step."""
    return _session(settings, _nothing_yet(name, str(settings.base), streaming=True), VERBATIM)


def _nothing_yet(name: str, url: str, *, streaming: bool) -> Call:
    return Call(name, origin_of(url), url, document(url), b"", streaming)


def cancel_session(settings: Settings, cancelled: Session[Any, Any]) -> Session[None, Any]:
    """A session that tells the server to stop the run of a cancelled one."""
    url, body = cancel_request(settings.base, cancelled.trace_id or "")
    call = replace(cancelled.call, url=url, body=body, streaming=False)
    return Session(
        call,
        Codec(call.flow, Any, Any, Any, strict=False),
        timeout=Timeout(total=CANCEL_SECONDS),
        retry=None,
        limits=settings.limits,
        delay=_delays(None),
        key="",
    )


def _as_event(event: Event) -> ServerSentEvent:
    data = event.data if event.error is None else event.error
    return ServerSentEvent(
        event=event.event or ("message" if event.error is None else "error"),
        data=data.decode("utf-8", "replace"),
        id=event.id,
        retry=event.retry,
    )


def _call(
    settings: Settings,
    definition: FlowDef[Any, Any, Any],
    data: bytes | None,
    protocol: WireProtocol,
    streaming: bool,
    resume: Ticket | None,
) -> Call:
    base = settings.base
    url, origin = _place(
        settings.protocol, base.origin, base.root, base.path, definition.name, definition.path, streaming
    )
    return Call(
        flow=definition.name,
        origin=origin,
        url=url,
        protocol=protocol,
        body=protocol.body(definition.name, data),
        streaming=streaming,
        resume=resume,
    )


@lru_cache(maxsize=1024)
def _place(
    protocol: ProtocolName,
    origin: str,
    root: str,
    base_path: str,
    name: str,
    path: str | None,
    streaming: bool,
) -> tuple[str, str]:
    """The URL and the origin of a flow; asked without the secrets of a base URL."""
    base = BaseUrl(origin, root, base_path, None)
    url = PROTOCOLS[protocol].url(base, name, path, streaming)
    return url, origin_of(url)


def _session(settings: Settings, call: Call, codec: Decoder[ChunkT, OutputT]) -> Session[ChunkT, OutputT]:
    return Session(
        call,
        codec,
        timeout=settings.timeout,
        retry=settings.retry,
        limits=settings.limits,
        delay=_delays(settings.retry),
        key=_key() if settings.retry and settings.retry.replay else "",
    )


def _key() -> str:
    from uuid import uuid4

    return uuid4().hex


def write_log(session: Session[Any, Any]) -> None:
    """What the session has for the log: a line per attempt, and what the caller may not see otherwise."""
    while session.notes:
        note = session.notes.pop(0)
        level = logging.WARNING if note.warns else logging.DEBUG
        if log.isEnabledFor(level):
            log.log(level, "%s: %s", session.subject, note.text)


# What a driver can wait for, besides the end of the call.


def never(session: Session[Any, Any]) -> bool:
    """Only its end is enough."""
    return False


def has_response(session: Session[Any, Any]) -> bool:
    """A response that is no error has begun."""
    return session.is_answering


def has_chunk(session: Session[Any, Any]) -> bool:
    """A chunk, or what stands for one, can be taken."""
    return bool(session.ready)


def ticket_for(settings: Settings, definition: FlowDef[Any, Any, Any], where: Ticket | str) -> Ticket:
    """The place to resume at; a bare stream id means from the first chunk.

    Raises:
        ValueError: the ticket is for another server or flow, the id is none, or the protocol cannot resume.
        TypeError: it is neither a ticket nor text.
    """
    if not isinstance(where, Ticket | str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"resume() takes a Ticket or a text, not {type(where).__name__}")
    if settings.protocol != "callable":
        raise ValueError(f"the {settings.protocol} protocol cannot resume streams")
    origin = origin_of(PROTOCOLS["callable"].url(settings.base, definition.name, definition.path, True))
    if isinstance(where, str) and not where.startswith(TICKET_PREFIX):
        where = Ticket(origin, definition.name, where, received=0, digest=0)
    elif isinstance(where, str):
        where = Ticket.parse(where)
    if not where.stream_id:
        raise ValueError("an empty stream id would start the flow anew")
    check_headers({STREAM_ID_HEADER: where.stream_id})
    if where.origin != origin or where.flow != definition.name:
        raise ValueError(
            f"the ticket is for flow {where.flow!r} on {where.origin}, "
            f"not for {definition.name!r} on {origin}"
        )
    return where


def _delays(retry: Retry | None) -> Callable[[int], float]:
    """Jittered exponential waits, as tenacity computes them."""

    def delay(attempt: int) -> float:
        if retry is None:
            return 0.0
        from tenacity import RetryCallState, wait_random_exponential

        state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # only its number is read
        state.attempt_number = attempt
        return wait_random_exponential(multiplier=retry.wait_initial, max=retry.wait_max)(state)

    return delay
