"""How a document of flows is laid out: OpenAPI 3.2, one POST a flow.

In: flows, and what is written for each of their schemas. Out: the document as a JSON value, and its text.
Out of place here: the schemas themselves (`components.py`).

An event of a stream is an object whose `data` is a text that holds JSON, as OpenAPI 3.2 has it of
server-sent events: a chunk, the output, or a failure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from ...jsonvalues import is_object
from ..flowspec import FlowSpec
from ..names import class_name
from ..openapi import NOT_TOLD
from .components import COMPONENTS
from .moving import is_plain

__all__ = ["Part", "Role", "document", "pretty"]

Role: TypeAlias = Literal["input", "output", "chunk"]
Part: TypeAlias = tuple[str, Role]
"""(flow, role)"""

Json = dict[str, Any]

_OURS: Final = frozenset({"openapi", "info", "paths", "components"})
_OUR_COMPONENTS: Final = frozenset({"responses", "schemas"})
_DEFAULT_INFO: Final = {"title": "Flows", "version": "1"}
_TOLD_INFO: Final = ("title", "summary", "description", "termsOfService", "contact", "license", "version")


def document(
    flows: list[FlowSpec],
    places: Mapping[Part, Json | bool],
    schemas: Mapping[str, Any],
    info: Mapping[str, Any] | None,
    around: Mapping[str, Any],
) -> Json:
    """The whole document, of what is written for the schemas that are told, and of the components."""
    failure, frame = (_free_key(name, schemas) for name in ("Failure", "FailureFrame"))
    failed, failed_frame = ({"$ref": f"#{COMPONENTS}/{key}"} for key in (failure, frame))
    schemas = {**schemas, failure: _FAILURE, frame: _envelope("error", failed)}
    ids = _operation_ids(flow.name for flow in flows)
    return {
        "openapi": "3.2.0",
        "info": _info(info),
        **_others(around, _OURS),
        "paths": {
            _path(flow.name): {"post": _operation(flow, ids[flow.name], places, failed_frame)}
            for flow in flows
        },
        "components": {
            **_others(around.get("components"), _OUR_COMPONENTS),
            "responses": {
                name: _failed(statuses, failed, failed_frame) for name, statuses in _FAILURES.items()
            },
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _others(parts: Any, ours: frozenset[str]) -> Json:
    """What somebody else wrote, as it is."""
    said = parts.items() if is_object(parts) else ()
    return {word: value for word, value in said if word not in ours and is_plain(value)}


def _info(said: Mapping[str, Any] | None) -> Json:
    said = said or {}
    told = {word: said[word] for word in _TOLD_INFO if _is_info(word, said.get(word))}
    more = {word: value for word, value in said.items() if word.startswith("x-") and is_plain(value)}
    full = {**_DEFAULT_INFO, **told}
    return {word: full[word] for word in _TOLD_INFO if word in full} | more


def _is_info(word: str, value: Any) -> bool:
    if word in ("contact", "license"):
        texts = is_object(value) and all(isinstance(part, str) for part in value.values())
        return texts and (word == "contact" or "name" in value)
    return isinstance(value, str)


def _operation(flow: FlowSpec, id_: str, places: Mapping[Part, Json | bool], failed: Json) -> Json:
    data, chunk, output = (places.get((flow.name, role), _NOT_TOLD) for role in ("input", "chunk", "output"))
    result = _envelope("result", output)
    if output is _NOT_TOLD:  # JavaScript leaves out what is undefined
        del result["required"]
    body = _envelope("data", data) | {"additionalProperties": False}  # some servers refuse more
    frames = {"anyOf": [_envelope("message", chunk), result, failed]}
    payload = {"type": "string", "contentMediaType": "application/json", "contentSchema": frames}
    content = {
        "application/json": {"schema": result},
        "text/event-stream": {"itemSchema": _envelope("data", payload)},
    }
    return {
        "operationId": id_,
        **({"description": flow.description} if flow.description else {}),
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {
                "description": "The output; or, as a stream, chunks and then the output.",
                "content": content,
            },
            **{status: {"$ref": f"#/components/responses/{name}"} for status, name in _RESPONSES.items()},
            "default": {"description": "Any other failure."},
        },
    }


def _envelope(key: str, schema: Any) -> Json:
    return {"type": "object", "properties": {key: schema}, "required": [key]}


_NOT_TOLD: Final[Json] = {NOT_TOLD: True}
_FAILURE: Final[Json] = {
    "type": "object",
    "properties": {
        "status": {"description": "A canonical code of gRPC, if the server tells one.", "type": "string"},
        "message": {"type": "string"},
        "details": {},
    },
    "required": ["message"],
}

# https://cloud.google.com/apis/design/errors, and how Genkit answers: by HTTP status
_STATUSES: Final[Mapping[str, tuple[str, ...]]] = {
    "400": ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"),
    "401": ("UNAUTHENTICATED",),
    "403": ("PERMISSION_DENIED",),
    "404": ("NOT_FOUND",),
    "409": ("ALREADY_EXISTS", "ABORTED"),
    "429": ("RESOURCE_EXHAUSTED",),
    "499": ("CANCELLED",),
    "500": ("INTERNAL", "UNKNOWN", "DATA_LOSS"),
    "501": ("UNIMPLEMENTED",),
    "503": ("UNAVAILABLE",),
    "504": ("DEADLINE_EXCEEDED",),
}
_RESPONSES: Final = {status: class_name(names[0].lower()) for status, names in _STATUSES.items()}
_FAILURES: Final = {_RESPONSES[status]: names for status, names in sorted(_STATUSES.items())}


def _failed(statuses: tuple[str, ...], failure: Json, frame: Json) -> Json:
    return {
        "description": f"{', '.join(statuses)}.",
        "content": {
            "application/json": {"schema": {"anyOf": [failure, frame]}},
            "text/*": {"schema": {"type": "string"}},  # Go's, and what Flask and proxies send
        },
    }


def _path(name: str) -> str:
    """Percent-encoded, as a URL's path is; braces would make a template of it."""
    return "/" + quote(name, safe="/:!$&'()*+,;=@-._~")


def _operation_ids(names: Iterable[str]) -> dict[str, str]:
    """What other tools make function names of."""
    ids, taken = dict[str, str](), set[str]()
    for name in names:
        id_ = re.sub(r"[^a-zA-Z0-9_-]", "_", name)
        while id_ in taken:
            id_ += "_"
        taken.add(id_)
        ids[name] = id_
    return ids


def _free_key(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name


def pretty(document: Json) -> str:
    """What cannot be seen is escaped: who reviews a file may trust what it shows."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)
    return "".join(f"{line if line.isprintable() else _escaped(line)}\n" for line in text.split("\n"))


def _escaped(line: str) -> str:
    units = (c if c.isprintable() else c.encode("utf-16-be").hex() for c in line)
    return "".join(unit if len(unit) == 1 else re.sub("(.{4})", r"\\u\1", unit) for unit in units)
