"""The developers' Reflection API: its frames, heads and description of flows.

In: payloads, endings, declared flows. Out: bytes and replies.
Routing and running belong to `service.py` and `running.py`.
"""

import secrets
from collections.abc import Iterable
from typing import Any

from .dialects import Framing, etag
from .flows import Flow
from .outcomes import Ending, Result, dump
from .wire import Headers, Reply

KEY_PREFIX = "/flow/"
_SERVER: Headers = (("X-Powered-By", "Express"), ("X-Genkit-Version", "1.42.0"))


def framing(trace_id: str, *, streaming: bool) -> Framing:
    """A chunk a line, the ending without a newline. A plain call gets the ending only."""
    return Framing(chunk=_line if streaming else lambda _: b"", ending=lambda end: _ending(end, trace_id))


def _line(payload: bytes) -> bytes:
    # What JSON.stringify makes of undefined.
    return (payload or b"undefined") + b"\n"


def _ending(ending: Ending, trace_id: str) -> bytes:
    if isinstance(ending, Result):
        result = b'"result":%b,' % ending.payload if ending.payload else b""
        return b'{%b"telemetry":{"traceId":"%b"}}' % (result, trace_id.encode())
    message = f"{ending.status}: {ending.message}" if ending.public else ending.message
    details = {"stack": ending.stack, "traceId": trace_id}
    return dump({"error": {"code": ending.code, "message": message, "details": details}})


def run_headers(trace_id: str, *, streaming: bool) -> Headers:
    """The headers of a run, sent at once: the trace id in them is what cancels it."""
    kind = "text/plain" if streaming else "application/json"
    ids = (("X-Genkit-Trace-Id", trace_id), ("X-Genkit-Span-Id", secrets.token_hex(8)))
    return (*_SERVER, *ids, ("Content-Type", kind))


def unknown_action(key: str) -> Reply:
    """The 404 for a key that names no flow."""
    body = f"action {key} not found".encode()
    return Reply(404, (*_SERVER, ("Content-Type", "text/html; charset=utf-8"), etag(body)), body)


def cancelled(trace_id: str | None) -> Reply:
    """The answer to a cancel; None where no such run is in course."""
    if trace_id is None:
        return _json(404, {"message": "Action not found or already completed"})
    return _json(200, {"message": "Action cancelled", "traceId": trace_id})


def actions(flows: Iterable[Flow], *, with_chunks: bool) -> Reply:
    """Every flow by its key."""
    described = (_describe(flow, with_chunks=with_chunks) for flow in flows)
    return _json(200, {action["key"]: action for action in described})


def _describe(flow: Flow, *, with_chunks: bool) -> dict[str, Any]:
    schemas = flow.schemas()
    if not with_chunks:
        schemas.pop("streamSchema", None)
    return {
        "key": KEY_PREFIX + flow.name,
        "name": flow.name,
        "description": flow.description,
        "metadata": schemas,
        **schemas,
    }


def _json(status: int, value: dict[str, Any]) -> Reply:
    body = dump(value)
    kind = ("Content-Type", "application/json; charset=utf-8")
    return Reply(status, (*_SERVER, kind, etag(body)), body)
