"""What a caller can do about an error, in a few words; "" where its message says it all.

In: an error that knows how far its call had come, or a refusal's HTTP status. Out: text in lower case without
a full stop, for the end of the one line that `str(error)` is. No policy: nothing is decided here. Pure.
"""

from __future__ import annotations

from .errors import (
    Clock,
    FlowConnectionError,
    FlowError,
    FlowTimeoutError,
    ProtocolError,
    ReplayDivergedError,
    StreamExpiredError,
    StreamInterruptedError,
)
from .timeline import Timeline

BEGINS = "; it begins with "  # what follows in a message are the server's words, not ours
SILENCE = 5.0  # seconds without a byte after which a lost connection looks like someone's idle limit

# What the resolver, OpenSSL and httpcore's proxies say, and what it means to people. The first hit counts.
_UNREACHED = (
    ("address mismatch", "use a host that the certificate names, as the message tells"),
    ("Hostname mismatch", "use a host that the certificate names, as the message tells"),
    ("certificate has expired", "the server needs a new certificate, or this machine the right time"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "trust the server's CA (http_client=default_http_client(verify=context), or SSL_CERT_FILE)",
    ),
    ("SSL", "check that the server speaks TLS at that port; http:// in the base URL is without"),
    ("Errno -", "check the name of the host in the base URL"),  # getaddrinfo's own numbers
    ("nodename nor servname", "check the name of the host in the base URL"),
    ("refuses the request", "look at the headers that your http_client adds"),  # see transport/failures.py
    ("roxy", "check the proxy and the variables HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY"),
)
# What our own messages say.
_UNLIKE = (
    ("the server redirects", ""),
    ("max_event_bytes", "raise max_event_bytes=… of the client if the flow may send that much at once"),
    ("max_response_bytes", "raise max_response_bytes=… of the client if the flow may answer that much"),
    ("HTML", "check the base URL: a login page, a proxy or another site may have answered"),
    ("does not speak HTTP", "check the port in the base URL, and whether it wants https://"),
)
_SILENT: dict[Clock, str] = {
    "pool": "",  # its message says it
    "connect": "check the host, the port and what stands between; or raise Timeout(connect=…)",
    "idle": "raise Timeout(idle=…), or let the server send pings (comments) while it works",
    "progress": "the server is alive: raise Timeout(progress=…) if a chunk may take that long",
    "total": "raise Timeout(total=…) if the call may take that long",
}
_REFUSED = {
    401: "give credentials by auth=… or headers=…",
    403: "give credentials that may call the flow, by auth=… or headers=…",
    404: "compare the base URL and the flow's name or path with the routes of the server",
    405: "compare the base URL with the routes of the server: flows are called by POST",
    413: "the input is too large for the server, or for a proxy in front of it",
    429: "call less often",
}
_DOWN = "the server, or what a proxy in front of it leads to, is down or overloaded: look at their logs"
_CRASHED = "look at the logs of the server"
_RESUME = "go on with flow.resume(error.ticket)"
_AGAIN = "the flow may have run: call again only if it may run twice, as Retry(replay=True) does"


def on_refusal(http_status: int, *, may_have_run: bool) -> str:
    """What to do about an HTTP error that does not look like the flow's own; Go's plain text may be."""
    if http_status >= 500:
        return _DOWN if http_status in (502, 503, 504) else _CRASHED
    return "" if http_status == 404 and may_have_run else _REFUSED.get(http_status, "")


def on_too_long_a_wait(seconds: float) -> str:
    """Why a call was not tried again although its server told when."""
    limit = "Timeout(total=…) allows, and no longer than an hour without it"
    return f"the server asks to wait for {seconds:g} s, and a call waits no longer than {limit}"


def advice(error: FlowError, timeline: Timeline) -> str:
    """What to do about an error of the connection or of the clocks; it is to be stamped already."""
    if isinstance(error, FlowConnectionError):
        return _matching(_UNREACHED, error.message.partition(": ")[2], _IS_IT_UP)  # without the host
    if isinstance(error, ProtocolError):
        return _matching(_UNLIKE, error.message.partition(BEGINS)[0], "" if timeline.chunks else _IS_IT_FLOWS)
    if isinstance(error, FlowTimeoutError):
        return _joined(_SILENT[error.clock], _go_on(error))
    if isinstance(error, ReplayDivergedError):
        return "start the flow anew, and do not use the chunks of this stream: they may be of two runs"
    if isinstance(error, StreamInterruptedError) and not isinstance(error, StreamExpiredError):
        return _joined(_cause(timeline), _go_on(error))
    return ""


_IS_IT_UP = "check that the server runs, and that the base URL has its host and port"
_IS_IT_FLOWS = "check that the base URL and protocol=… are those of a server of flows"


def _matching(table: tuple[tuple[str, str], ...], message: str, default: str = "") -> str:
    return next((text for sign, text in table if sign in message), default)


def _cause(timeline: Timeline) -> str:
    newest = timeline.attempts[-1] if timeline.attempts else None
    silent = timeline.last_byte_age
    if newest is not None and newest.http_status is None:  # what came before belongs to other attempts
        silent = timeline.elapsed - newest.started
    if silent is not None and silent >= SILENCE:
        return "something on the way may end silent connections: let the server send pings (comments)"
    if newest is not None and newest.reused and newest.http_status is None:
        return "the server closed a kept-alive connection in that very moment"
    return "the server, or a proxy in front of it, went away: look at their logs"


def _go_on(error: FlowError) -> str:
    if error.ticket is not None:
        return _RESUME
    return _AGAIN if error.work_may_have_run else ""


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))
