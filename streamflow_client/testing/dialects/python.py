"""What Genkit Python says alike behind FastAPI and behind Flask.

In: payloads and failures. Out: JSON as `json.dumps` writes it, failures, frames.
"""

import json
from typing import Any

from ..outcomes import Ending, Failure, Result
from .table import EVENT_STREAM, Framing, sse_chunk, sse_result


def ascii_json(payload: bytes, *, sort_keys: bool = False) -> bytes:
    """JSON as `json.dumps` writes it with compact separators; Python has no `undefined`."""
    value: object = json.loads(payload or b"null")
    return json.dumps(value, separators=(",", ":"), sort_keys=sort_keys).encode()


def failure_json(failure: Failure) -> bytes:
    """A failure in Genkit Python's words.

    The handlers show the *cause* of Genkit's own error: a flow's exception has one, and so has input that
    is not valid; an error that the flow raised as Genkit's own has none, and its status is lost.
    """
    fields: dict[str, Any] = {"details": {"stack": ""}, "message": "", "status": "INTERNAL"}
    if not failure.public:
        fields["message"] = failure.message
    elif failure.python:
        fields["message"] = failure.python
    else:
        fields |= {"details": {"stack": None}, "message": "None"}
    return json.dumps(fields, separators=(",", ":")).encode()


def _chunk(payload: bytes) -> bytes:
    return sse_chunk(ascii_json(payload))


def _ending(ending: Ending) -> bytes:
    if isinstance(ending, Result):
        return sse_result(ascii_json(ending.payload))
    return b'data: {"error":%b}\n\n' % failure_json(ending)


def _old_ending(ending: Ending) -> bytes:
    if isinstance(ending, Result):
        return _ending(ending)
    return b'error: {"error":%b}' % failure_json(ending)


FRAMING = Framing(chunk=_chunk, ending=_ending)
OLD_FRAMING = Framing(chunk=_chunk, ending=_old_ending)
"""Up to release 0.6: a failure in a field named `error`, with nothing behind it, not even a newline."""


def loosely(accept: str, query: str) -> bool:
    """Among other types, too, and by the query."""
    return EVENT_STREAM in accept or "stream=true" in query.split("&")
