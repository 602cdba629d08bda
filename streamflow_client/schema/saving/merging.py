"""A server's flows, and the file that was pulled before → what the file says next.

In: what the server tells, what the file says, what was learnt from calls. Out: the flows to write, the chunk
schemas that the file keeps, and what people ought to know. Out of place here: calling, reading and writing.

Only chunk schemas are anybody's but the server's, for many servers do not tell them:

    server    file       learnt     the file says next
    tells     anything   -          what the server tells; a warning where the file said something else
    -         declared   -          what was declared
    -         declared   chunks     never asked for, see `why_not_learnt`
    -         inferred   -          what was inferred
    -         inferred   chunks     both together: it only widens
    -         -          chunks     what is inferred
    -         -          -          that nobody tells

What was inferred is marked so in the file. Without the mark, or changed by hand, it counts as declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import DiscoveryError
from ...jsonvalues import is_object
from ...text import shown
from ..broken import BrokenSchema
from ..flowspec import FlowSpec
from ..model import Types
from ..names import class_name
from ..openapi import INFERRED
from ..raw import Schema
from ..read import read_types
from .infer import NOTHING, Seen, both, schema_of, seen_by

__all__ = ["Merged", "merged", "other_operations", "why_not_learnt"]

Flows = Mapping[str, FlowSpec]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")


@dataclass(frozen=True, slots=True)
class Merged:
    """What the file says next.

    Attributes:
        kept: chunk schemas that are not the server's, by flow.
        untold: flows whose chunks nobody tells.
        notes: for people, a line each.
    """

    kept: Mapping[str, Schema]
    untold: tuple[str, ...]
    notes: tuple[str, ...]


def merged(server: Flows, file: Flows, learnt: Mapping[str, Seen]) -> Merged:
    """Raises: DiscoveryError: a chunk schema that the file declares is broken."""
    chunks = {name: _chunk(flow, file.get(name), learnt.get(name, NOTHING)) for name, flow in server.items()}
    return Merged(
        kept={name: chunk for name, chunk in chunks.items() if chunk is not None},
        untold=tuple(
            name for name, chunk in chunks.items() if chunk is None and server[name].chunk_schema is None
        ),
        notes=(*_replaced(server, file), *_gone(server, file)),
    )


def why_not_learnt(flow: FlowSpec, file: Flows) -> str | None:
    """Why a flow's chunk schema is not to be inferred; None: it may be."""
    if flow.chunk_schema is not None:
        return "the server tells its chunk schema"
    in_file = _in_file(file.get(flow.name))
    if in_file is not None and _inferred(in_file) is None:
        return "its chunk schema is declared in the file; remove it there to have it inferred"
    return None


def other_operations(document: Any, flows: Flows) -> list[str]:
    """What an OpenAPI document describes besides flows, as "GET /things"."""
    paths: Any = document.get("paths") if is_object(document) else None
    found = [
        (method, path)
        for path, item in (paths.items() if is_object(paths) else ())
        for method in (item if is_object(item) else ())
        if method in _METHODS
    ]
    posts = [path for method, path in found if method == "post"]
    others = [f"{method.upper()} {path}" for method, path in found if method != "post"]
    return others + [f"POST {path}" for path in posts[len(flows) :]]


def _chunk(flow: FlowSpec, before: FlowSpec | None, learnt: Seen) -> Schema | None:
    """The chunk schema of a flow that is not the server's."""
    if flow.chunk_schema is not None:
        return None
    in_file = _in_file(before)
    if in_file is None:
        return _marked(learnt) if learnt != NOTHING else None
    known = _inferred(in_file)
    if known is None or learnt == NOTHING:
        _check(flow.name, in_file)
        return in_file
    return replace(in_file, value=_marked(both(known, learnt)).value)


def _in_file(before: FlowSpec | None) -> Schema | None:
    return None if before is None else before.chunk_schema


def _inferred(schema: Schema) -> Seen | None:
    """What was seen when it was inferred; None: it was declared."""
    value: Any = schema.value
    if not is_object(value) or value.get(INFERRED) is not True:
        return None
    return seen_by({word: item for word, item in value.items() if word != INFERRED})


def _marked(seen: Seen) -> Schema:
    value = {INFERRED: True, **schema_of(seen)}
    return Schema(value, root=value)


def _check(name: str, schema: Schema) -> None:
    try:
        _types(name, schema)
    except BrokenSchema as error:
        raise DiscoveryError(
            f"the chunk schema that the file declares is broken: {error}; mend it or remove it", flow=name
        ) from None


def _types(name: str, schema: Schema) -> Types:
    """Raises: BrokenSchema."""
    return replace(read_types(schema, name=class_name(f"{name} chunk")), warnings=())


def _replaced(server: Flows, file: Flows) -> Iterator[str]:
    for name, flow in server.items():
        before = _in_file(file.get(name))
        if flow.chunk_schema is not None and before is not None and _differ(name, flow.chunk_schema, before):
            yield f"flow {shown(repr(name), 100)}: the server's chunk schema replaces another one of the file"


def _differ(name: str, told: Schema, before: Schema) -> bool:
    try:
        return _types(name, told) != _types(name, before)
    except BrokenSchema:
        return bool(told.value != before.value)


def _gone(server: Flows, file: Flows) -> Iterator[str]:
    for name in file:
        if name not in server:
            yield f"flow {shown(repr(name), 100)} is gone from the server, and so from the file"
