"""Where in a catalog file a difference is: the line that an annotation points at.

In: the text of a file, flows as the file describes them, differences. Out: line numbers. Out of place here:
showing them.

The line is that of the place itself, or else of the nearest thing around it that the file has: what is new on
the server has no line, but the object that it is new in has one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

from ..jsonvalues import is_list, is_object
from ..schema.broken import BrokenSchema
from ..schema.comparing.rules import Difference
from ..schema.flowspec import FlowSpec
from ..schema.raw import Schema
from ..schema.refs import Document, step, tokens

__all__ = ["lines_of"]

MAX_SEARCHED: Final = 8 * 1024 * 1024
"""Characters; in a larger file no lines are looked for."""

_HOPS: Final = 100  # references that lead to references
_WORDS: Final[Mapping[str, str]] = {"input": "inputSchema", "chunk": "streamSchema", "output": "outputSchema"}


def lines_of(text: str, flows: Mapping[str, FlowSpec], differences: list[Difference]) -> list[int | None]:
    """The line of each difference; None where the file has nothing of it."""
    if len(text) > MAX_SEARCHED:
        return [None] * len(differences)
    places = [list(_places(flows, difference)) for difference in differences]
    found = _lines(text, {place for several in places for place in several})
    return [next((found[place] for place in several if place in found), None) for several in places]


def _places(flows: Mapping[str, FlowSpec], difference: Difference) -> Iterator[str]:
    """Pointers into the file, the nearest first."""
    spec = flows.get(difference.flow)
    if spec is None:
        return
    schema = _schema(spec, difference)
    if schema is not None:
        inside = list(_way(schema, tokens(difference.path)))
        for prefix in _prefixes(schema, difference):
            yield from (prefix + pointer for pointer in reversed(inside))
    for path in (quote(spec.name), spec.name):
        yield step("/paths", f"/{path}")
    for prefix in ("", "/actions"):
        yield step(prefix, f"/flow/{spec.name}")


def _schema(spec: FlowSpec, difference: Difference) -> Schema | None:
    schemas = {"input": spec.input_schema, "chunk": spec.chunk_schema, "output": spec.output_schema}
    return schemas.get(difference.part)


def _prefixes(schema: Schema, difference: Difference) -> list[str]:
    """Where the schema's document is in the file: Genkit's schemas are documents of their own."""
    if is_object(schema.root) and "openapi" in schema.root:
        return [""]
    name, word = f"/flow/{difference.flow}", _WORDS[difference.part]
    ways = [
        (name, word),
        (name, "metadata", word),
        ("actions", name, word),
        ("actions", name, "metadata", word),
    ]
    return [step("", *way) for way in ways]


def _way(schema: Schema, path: list[str]) -> Iterator[str]:
    """The pointers on the way down, as far as the schema goes."""
    document = Document(schema)
    at = schema.pointer
    waiting = path
    while True:
        at = _followed(document, at)
        yield at
        found = _next(document, at, waiting)
        if found is None:
            return
        at, waiting = found


def _followed(document: Document, at: str) -> str:
    for _ in range(_HOPS):
        value = document.at(at)
        ref = value.get("$ref") if is_object(value) else None
        if not isinstance(ref, str):
            break
        try:
            at = document.target(ref, at)
        except BrokenSchema:
            break
    return at


def _next(document: Document, at: str, path: list[str]) -> tuple[str, list[str]] | None:
    """The next place that the schema has, also in a branch of a union, and the rest of the way."""
    for words, rest in _steps(path):
        for branch in _branches(document, at):
            below = step(branch, *words)
            if _is_there(document, below):
                return below, rest
    return None


def _steps(path: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    match path:
        case ["properties", name, *rest]:
            yield ["properties", name], rest
        case ["items", index, *rest] if index.isdigit():
            yield ["prefixItems", index], rest
            yield ["items", index], rest
        case [word, *rest]:
            yield [word], rest
        case _:
            return


def _branches(document: Document, at: str) -> Iterator[str]:
    yield at
    value = document.at(at)
    for word in ("allOf", "anyOf", "oneOf"):
        listed = value.get(word) if is_object(value) else None
        for index in range(len(listed) if is_list(listed) else 0):
            yield _followed(document, step(at, word, index))


def _is_there(document: Document, pointer: str) -> bool:
    try:
        document.at(pointer)
    except LookupError:
        return False
    return True


_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[][{},\n]|[^][{},:"\s]+', re.DOTALL)


def _lines(text: str, wanted: set[str]) -> dict[str, int]:
    """The line on which each of these pointers into a JSON text begins; the text is known to be JSON."""
    found: dict[str, int] = {}
    line, key_next = 1, False
    open_: list[int | None] = []  # of each list the index, of each object None
    way: list[str] = [""]  # the pointer of each that is open, and of what comes next
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark == "\n":
            line += 1
        elif mark in "}]":
            open_.pop()
            way.pop()
            key_next = False
        elif mark == ",":
            key_next = open_[-1] is None
            way[-1] = way[-2] if key_next else step(way[-2], _count_up(open_))
        else:
            if key_next:
                way[-1] = step(way[-2], json.loads(mark, strict=False))
            if way[-1] in wanted:
                found.setdefault(way[-1], line)
            key_next = mark == "{"
            if mark in "{[":
                open_.append(None if key_next else 0)
                way.append(way[-1] if key_next else step(way[-1], 0))
    return found


def _count_up(open_: list[int | None]) -> int:
    count = (open_[-1] or 0) + 1
    open_[-1] = count
    return count
