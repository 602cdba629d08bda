"""The Reflection API of Genkit JS 1.42.

In: payloads, endings, declared flows. Out: `JAVASCRIPT`.
"""

from collections.abc import Iterable
from typing import Any

from ..dialects import Framing
from ..dialects.express import POWERED, etag, express_json
from ..flows import Flow
from ..outcomes import Ending, Failure, Result, dump
from ..wire import Headers, Reply
from .table import Reflection, Traced, by_key, identity, nothing, schemas_without_chunk

_SERVER: Headers = (*POWERED, ("X-Genkit-Version", "1.42.0"))


def _head(run: Traced, streaming: bool) -> Headers:
    ids = (("X-Genkit-Trace-Id", run.trace_id), ("X-Genkit-Span-Id", run.span_id))
    return (*_SERVER, *ids, ("Content-Type", "text/plain" if streaming else "application/json"))


def _line(payload: bytes) -> bytes:
    # What JSON.stringify makes of undefined.
    return (payload or b"undefined") + b"\n"


def _ending(ending: Ending, run: Traced) -> bytes:
    if isinstance(ending, Result):
        result = b'"result":%b,' % ending.payload if ending.payload else b""
        return b'{%b"telemetry":{"traceId":"%b"}}' % (result, run.trace_id.encode())
    details = {"stack": ending.stack, "traceId": run.trace_id}
    return dump({"error": {"code": ending.code, "message": _message(ending), "details": details}})


def _message(failure: Failure) -> str:
    return f"{failure.status}: {failure.message}" if failure.public else failure.message


def _framing(run: Traced, streaming: bool) -> Framing:
    return Framing(chunk=_line if streaming else nothing, ending=lambda ending: _ending(ending, run))


def _unknown_action(key: str) -> Reply:
    body = f"action {key} not found".encode()
    return Reply(404, (*_SERVER, ("Content-Type", "text/html; charset=utf-8"), etag(body)), body)


def _not_cancelled(identified: bool) -> Reply:
    if identified:
        return _json(404, {"message": "Action not found or already completed"})
    return _json(400, {"error": "traceId is required"})


def _describe(flow: Flow) -> dict[str, Any]:
    """What is not told is left out. The schemas are of draft 2020-12 here, and of draft-07 there."""
    described = {"description": flow.description} if flow.description else {}
    return {**identity(flow), **described, **schemas_without_chunk(flow)}


def _actions(flows: Iterable[Flow]) -> Reply:
    return _json(200, by_key(flows, _describe))


def _json(status: int, value: dict[str, Any]) -> Reply:
    return express_json(status, dump(value), _SERVER)


JAVASCRIPT = Reflection(
    head=_head,
    framing=_framing,
    unknown_action=_unknown_action,
    cancelled=_json(200, {"message": "Action cancelled"}),
    not_cancelled=_not_cancelled,
    actions=_actions,
)
