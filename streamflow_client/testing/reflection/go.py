"""The Reflection API of Genkit Go.

In: payloads, endings, declared flows. Out: `GO`.
"""

from collections.abc import Iterable
from typing import Any

from ..dialects import Framing
from ..flows import Flow
from ..outcomes import CANCELLED, Ending, Failure, Result, dump
from ..wire import Headers, Reply
from .table import Reflection, Traced, by_key, identity, nothing

_VERSION: Headers = (("X-Genkit-Version", "go/1.4.0"),)
_TEXT: Headers = (*_VERSION, ("Content-Type", "text/plain; charset=utf-8"))
_JSON: Headers = (*_VERSION, ("Content-Type", "application/json"))


def _head(run: Traced, streaming: bool) -> Headers:
    ids = (("X-Genkit-Trace-Id", run.trace_id), ("X-Genkit-Span-Id", run.span_id))
    return (*_VERSION, *ids, ("Content-Type", "text/plain" if streaming else "application/json"))


def _line(payload: bytes) -> bytes:
    return (payload or b"null") + b"\n"


def _ending(ending: Ending, run: Traced) -> bytes:
    trace_id = run.trace_id.encode()
    if isinstance(ending, Result):
        return b'{"result":%b,"telemetry":{"traceId":"%b"}}' % (ending.payload or b"null", trace_id)
    if ending is CANCELLED:
        # json.Encoder ends in a newline; the other failures are printed around their JSON.
        fields = b'{"details":{"traceId":"%b"},"message":"Action was cancelled","code":1}' % trace_id
        return b'{"error":%b}\n' % fields
    return _error(ending, {"stack": ending.stack, "traceId": run.trace_id})


def _error(failure: Failure, details: dict[str, Any]) -> bytes:
    fields = {"details": details, "message": failure.message, "code": failure.code}
    return b'{"error": %b }' % dump(fields)


def _framing(run: Traced, streaming: bool) -> Framing:
    return Framing(chunk=_line if streaming else nothing, ending=lambda ending: _ending(ending, run))


def _unknown_action(key: str) -> Reply:
    """A failure like any other, so its status is 200."""
    failure = Failure("NOT_FOUND", f'action "{key}" not found')
    return Reply(200, _TEXT, _error(failure, {"stack": "goroutine 1 [running]:"}))


def _not_cancelled(identified: bool) -> Reply:
    if identified:
        return Reply(404, _JSON, dump({"error": "Action not found or already completed"}))
    return Reply(400, _JSON, b'{"message":"traceId is required","code":3}')


def _describe(flow: Flow) -> dict[str, Any]:
    """Only Go tells the type of the chunks."""
    schemas = flow.schemas()
    return {**identity(flow), "description": flow.description, "metadata": schemas, **schemas}


def _actions(flows: Iterable[Flow]) -> Reply:
    return Reply(200, _JSON, dump(by_key(flows, _describe)))


GO = Reflection(
    head=_head,
    framing=_framing,
    unknown_action=_unknown_action,
    cancelled=Reply(200, _JSON, dump({"message": "Action cancelled"})),
    not_cancelled=_not_cancelled,
    actions=_actions,
)
