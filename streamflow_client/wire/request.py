"""What a call looks like on the wire: URLs, headers and bodies, per protocol.

In: a base URL, a flow's name or path, the JSON of its input. Out: plain values. Out of place here:
I/O, credentials (the drivers add them, for the client's own origin only).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pydantic_core import to_json

from ..text import shown
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
    """Where a server is.

    Attributes:
        origin: scheme://host:port, the port always told, so that equal origins are equal strings.
        root: the same as requests write it, without a default port.
        path: without a slash at its end.
        userinfo: name and password, decoded; a secret.
    """

    origin: str
    root: str
    path: str
    userinfo: tuple[str, str] | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> BaseUrl:
        """Raises: ValueError: not an absolute http(s) URL, or one with a query or fragment."""
        parts, port = _split(url)
        if "?" in url or "#" in url:
            raise ValueError(f"a base URL has no query and no fragment, got {_redacted(url)}")
        userinfo = (unquote(parts.username or ""), unquote(parts.password or ""))
        return cls(
            origin=_place(parts, port or _DEFAULT_PORTS[parts.scheme]),
            root=_place(parts, None if port == _DEFAULT_PORTS[parts.scheme] else port),
            path=parts.path.rstrip("/"),
            userinfo=userinfo if any(userinfo) else None,
        )

    def __str__(self) -> str:
        return self.root + self.path


_UNSAFE = re.compile(r"[\s\\\x00-\x1f\x7f]")  # urlsplit and others disagree on what these mean


def _split(url: str) -> tuple[SplitResult, int | None]:
    """Raises: ValueError: without a word of the URL's user and password."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:  # its text may hold the whole authority
        raise _bad_url(url) from None
    if parts.scheme not in _DEFAULT_PORTS or not host or port == 0 or _UNSAFE.search(url):
        raise _bad_url(url)
    return parts, port


def _bad_url(url: str) -> ValueError:
    return ValueError(f"expected a URL such as 'http://localhost:3400', got {_redacted(url)}")


def _redacted(url: str) -> str:
    """All that may be a password or a token is gone, also a password with slashes in it."""
    hidden = re.sub(r"^([^:/]*:?/*)?.*@", r"\1***@", url, flags=re.DOTALL)
    return shown(repr(re.sub(r"([?#]).+", r"\1***", hidden, flags=re.DOTALL)))


def _place(parts: SplitResult, port: int | None) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")


def flow_url(base: BaseUrl, name: str, path: str | None) -> str:
    """The URL of a flow: under the base, at `path` on its origin, or wherever an absolute one says.

    Names and paths on the origin are plain text, so they are percent-encoded; an absolute URL goes
    out as it is.

    Raises:
        ValueError: the name or path leads outside, or is none.
    """
    if path is None:
        return f"{base}/{_encoded(name)}"
    if path.startswith("/") and not path.startswith("//"):
        inside = path[1:].removesuffix("/")
        end = "/" if path.endswith("/") and inside else ""
        return f"{base.root}/{_encoded(inside) if inside else ''}{end}"
    if path.lower().startswith(("http://", "https://")):
        target = BaseUrl.parse(path)
        if target.userinfo is not None:
            raise ValueError("a flow's path holds no user and password: they belong in `auth`")
        return target.root + urlsplit(path).path
    raise ValueError(f"a flow's path is '/…' on the origin or an absolute URL, got {_redacted(path)}")


def origin_of(url: str) -> str:
    """scheme://host:port of a URL, the port always told."""
    parts, port = _split(url)
    return _place(parts, port or _DEFAULT_PORTS[parts.scheme])


def document_url(url: str) -> str:
    """The address of a catalog; its query is kept. Raises: ValueError: no absolute http(s) URL."""
    parts, _ = _split(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("a catalog's URL holds no user and password: fetch it yourself and pass the file")
    return url.partition("#")[0]


def same_origin(base: BaseUrl, url: str) -> bool:
    """Whether credentials of the client may go to `url`."""
    return origin_of(url) == base.origin


def _encoded(name: str) -> str:
    """Percent-encode per segment; nothing in a name may climb, query or escape its place."""
    segments = name.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise ValueError(f"a flow's name has no empty, '.' or '..' segments, got {shown(repr(name))}")
    try:
        return "/".join(quote(segment, safe=":!$&'()*+,;=@-._~") for segment in segments)
    except UnicodeEncodeError:
        raise ValueError(f"a flow's name is text, got {shown(repr(name))}") from None


@dataclass(frozen=True, slots=True)
class WireProtocol:
    """What differs between the callable and the reflection protocol, and a document that is just read."""

    name: Literal["callable", "reflection", "events", "document"]
    url: Callable[[BaseUrl, str, str | None, bool], str]
    body: Callable[[str, bytes | None], bytes]
    frames: Callable[[int], FrameReader]
    answer: Callable[[bytes], Result | Failure]
    resumable: bool
    method: Literal["GET", "POST"] = "POST"  # RFC 9110, 9.2.1: a GET is safe, so it runs nothing


def _callable_url(base: BaseUrl, name: str, path: str | None, streaming: bool) -> str:
    return flow_url(base, name, path)


def _callable_body(name: str, data: bytes | None) -> bytes:
    return b"{}" if data is None else b'{"data":%b}' % data


_OTHER_ACTION = re.compile(r"/[^/]+/")  # "/model/…", "/prompt/…": a catalog may list them too


def _action_key(name: str) -> str:
    """What Genkit calls a flow among all its actions. Raises: ValueError."""
    is_key = _OTHER_ACTION.match(name) is not None
    _encoded(name.removeprefix("/") if is_key else name)
    return name if is_key else f"/flow/{name}"


def _reflection_url(base: BaseUrl, name: str, path: str | None, streaming: bool) -> str:
    _action_key(name)  # the same names as everywhere
    return f"{base}/api/runAction" + ("?stream=true" if streaming else "")


def _reflection_body(name: str, data: bytes | None) -> bytes:
    key = to_json(_action_key(name))
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

    def frames(max_event_bytes: int) -> FrameReader:
        return RawEvents(max_event_bytes, wrap)

    return replace(PROTOCOLS["callable"], name="events", frames=frames, resumable=False)


def document(url: str) -> WireProtocol:
    """What is at `url`, its body handed out as it is."""
    return WireProtocol(
        "document",
        url=lambda base, name, path, streaming: url,
        body=lambda name, data: b"",
        frames=CallableFrames,
        answer=Result,
        resumable=False,
        method="GET",
    )


def cancel_request(base: BaseUrl, trace_id: str) -> tuple[str, bytes]:
    """URL and body that stop a run through the reflection API (`POST /api/cancelAction`)."""
    return f"{base}/api/cancelAction", to_json({"traceId": trace_id})
