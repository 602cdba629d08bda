"""What a call looks like on the wire: URLs, headers and bodies, per protocol.

In: a base URL, a flow's name or path, the JSON of its input. Out: plain values. Out of place here: I/O,
credentials (the drivers add them, for the client's own origin only).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic_core import to_json

from .frames import (
    CallableFrames,
    Failure,
    FrameReader,
    RawEvents,
    ReflectionFrames,
    Result,
    callable_answer,
    reflection_answer,
)
from .sse import Event

ProtocolName = Literal["callable", "reflection"]  # what a client may speak

STREAM_ID_HEADER = "x-genkit-stream-id"
TRACE_ID_HEADER = "x-genkit-trace-id"

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Where a server is: `origin` is scheme://host:port, `path` has no slash at its end."""

    origin: str
    path: str
    userinfo: tuple[str, str] | None

    @classmethod
    def parse(cls, url: str) -> BaseUrl:
        """Raises: ValueError: not an absolute http(s) URL, or one with a query or fragment."""
        parts = urlsplit(url)
        shown = repr(url.replace(parts.netloc.rpartition("@")[0] + "@", "") if "@" in url else url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"expected a URL such as 'http://localhost:3400', got {shown}")
        if parts.query or parts.fragment:
            raise ValueError(f"a base URL has no query and no fragment, got {shown}")
        userinfo = (parts.username or "", parts.password or "") if parts.username else None
        return cls(
            _origin(parts.scheme, parts.hostname, parts.port), parts.path.rstrip("/"), userinfo
        )

    def __str__(self) -> str:
        return self.origin + self.path


def _origin(scheme: str, host: str, port: int | None) -> str:
    """Lower-case and with the port always told, so that equal origins are equal strings."""
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{port or _DEFAULT_PORTS[scheme]}"


def flow_url(base: BaseUrl, name: str, path: str | None) -> str:
    """The URL of a flow: under the base, at `path` on its origin, or wherever an absolute `path` says.

    Raises:
        ValueError: the name or path leads outside, or is none.
    """
    if path is None:
        return f"{base}/{_encoded(name)}"
    if path.startswith("/") and not path.startswith("//"):
        return f"{base.origin}/{_encoded(path[1:])}"
    if path.startswith(("http://", "https://")):
        target = BaseUrl.parse(path)
        return str(target)
    raise ValueError(f"a flow's path is '/…' on the origin or an absolute URL, got {path!r}")


def same_origin(base: BaseUrl, url: str) -> bool:
    """Whether credentials of the client may go to `url`."""
    return BaseUrl.parse(url).origin == base.origin


def _encoded(name: str) -> str:
    """Percent-encode per segment; nothing in a name may climb, query or escape its place."""
    segments = name.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise ValueError(f"a flow's name has no empty, '.' or '..' segments, got {name!r}")
    return "/".join(quote(segment, safe=":!$&'()*+,;=@-._~") for segment in segments)


@dataclass(frozen=True, slots=True)
class WireProtocol:
    """What differs between the callable and the reflection protocol."""

    name: Literal["callable", "reflection", "events"]
    url: Callable[[BaseUrl, str, str | None, bool], str]
    body: Callable[[str, bytes | None], bytes]
    frames: Callable[[int], FrameReader]
    answer: Callable[[bytes], Result | Failure]
    resumable: bool


def _callable_url(base: BaseUrl, name: str, path: str | None, streaming: bool) -> str:
    return flow_url(base, name, path)


def _callable_body(name: str, data: bytes | None) -> bytes:
    return b"{}" if data is None else b'{"data":%b}' % data


def _reflection_url(base: BaseUrl, name: str, path: str | None, streaming: bool) -> str:
    return f"{base}/api/runAction" + ("?stream=true" if streaming else "")


def _reflection_body(name: str, data: bytes | None) -> bytes:
    key = to_json(f"/flow/{name}")
    return b'{"key":%b}' % key if data is None else b'{"key":%b,"input":%b}' % (key, data)


PROTOCOLS: dict[ProtocolName, WireProtocol] = {
    "callable": WireProtocol(
        "callable", _callable_url, _callable_body, CallableFrames, callable_answer, resumable=True
    ),
    "reflection": WireProtocol(
        "reflection",
        _reflection_url,
        _reflection_body,
        ReflectionFrames,
        reflection_answer,
        resumable=False,
    ),
}


def raw_events(wrap: Callable[[Event], Any]) -> WireProtocol:
    """The callable protocol, its events handed out one by one as `wrap(event)`, never resumed."""
    return replace(
        PROTOCOLS["callable"],
        name="events",
        frames=lambda max_event_bytes: RawEvents(max_event_bytes, wrap),
        resumable=False,
    )


def cancel_request(base: BaseUrl, trace_id: str) -> tuple[str, bytes]:
    """URL and body that stop a run through the reflection API (`POST /api/cancelAction`)."""
    return f"{base}/api/cancelAction", to_json({"traceId": trace_id})
