"""The Reflection API of Genkit Python 0.12.

In: payloads, endings, declared flows. Out: `PYTHON`.
"""

import json
from collections.abc import Iterable
from typing import Any, cast

from ..dialects import Framing
from ..dialects.fastapi import SERVER, uvicorn_json
from ..flows import Flow
from ..outcomes import CANCELLED, Ending, Failure, Result, dump
from ..wire import Headers, Reply
from .table import Reflection, Traced, by_key, identity, nothing, schemas_without_chunk

_VERSION: Headers = (("x-genkit-version", "0.12.0"),)


def _head(run: Traced, streaming: bool) -> Headers:
    ids = (("x-genkit-trace-id", run.trace_id), ("x-genkit-span-id", run.span_id))
    kind = "text/plain; charset=utf-8" if streaming else "application/json"
    return (*SERVER, *_VERSION, *ids, ("content-type", kind))


def _line(payload: bytes) -> bytes:
    return (payload or b"null") + b"\n"


def _ending(ending: Ending, run: Traced) -> bytes:
    if ending is CANCELLED:
        return b""  # the task is cancelled, and the body just ends
    if isinstance(ending, Failure):
        return _spaced_json({"error": _error(ending, run)})
    telemetry = {"traceId": run.trace_id, "spanId": run.span_id}
    return _spaced_json({"result": _value(ending), "telemetry": telemetry})


def _value(result: Result) -> Any:
    return json.loads(result.payload or b"null")


def _error(failure: Failure, run: Traced) -> dict[str, Any]:
    """Genkit's own errors lose their trace id, and an exception is told by its `repr`."""
    details: dict[str, Any] = {"stack": "", "traceId": None}
    message, own = failure.message, failure.details
    if not failure.public:
        message = f"Error while running action {run.flow}: {failure.python}"
        details["traceId"] = run.trace_id
    elif failure.python:
        message = f"Invalid input for action '{run.flow}': {failure.python}"
        details["reason"] = "INVALID_INPUT"
    elif isinstance(own, dict):
        details |= cast("dict[str, Any]", own)
    return {"details": details, "message": message, "code": failure.code}


def _spaced_json(value: dict[str, Any]) -> bytes:
    return json.dumps(json.loads(dump(value))).encode()


def _framing(run: Traced, streaming: bool) -> Framing:
    return Framing(chunk=_line if streaming else nothing, ending=lambda ending: _ending(ending, run))


def _unknown_action(key: str) -> Reply:
    return uvicorn_json(404, dump({"error": f"Action not found: {key}"}))


def _not_cancelled(identified: bool) -> Reply:
    if identified:
        return uvicorn_json(404, dump({"message": "Not found"}))
    return uvicorn_json(400, dump({"error": "traceId required"}))


def _describe(flow: Flow) -> dict[str, Any]:
    schemas = schemas_without_chunk(flow)
    return {**identity(flow), "description": flow.description, "metadata": schemas, **schemas}


def _actions(flows: Iterable[Flow]) -> Reply:
    return uvicorn_json(200, dump(by_key(flows, _describe)), _VERSION)


PYTHON = Reflection(
    head=_head,
    framing=_framing,
    unknown_action=_unknown_action,
    cancelled=uvicorn_json(200, dump({"message": "Cancelled"})),
    not_cancelled=_not_cancelled,
    actions=_actions,
)
