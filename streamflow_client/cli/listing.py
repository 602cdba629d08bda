"""`streamflow-client list`: the flows of a server.

In: a `Server`. Out: a line for each flow, or one JSON document. Out of place here: reading catalogs, and
what a flow's types are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from ..errors import DiscoveryError
from ..found import FlowTypes
from ..jsonvalues import is_list, is_object
from ..schema.catalog import Catalog, FlowSpec
from ..schema.raw import Schema
from ..schema.refs import Document, put
from .arguments import Server
from .output import PipedConsole, emit, warnings_told
from .run import open_client
from .terminal import safe_json, safe_text


@dataclass(frozen=True, slots=True)
class Listed:
    """A flow, with its signature or with what is wrong with it."""

    spec: FlowSpec
    signature: str | None
    error: str | None


def list_flows(server: Server, *, as_json: bool) -> None:
    """Print the flows.

    Raises:
        BadArgument: the words make no sense.
        DiscoveryError: there is no catalog.
        FlowError: the server could not be asked.
    """
    with open_client(server) as client, warnings_told(of_catalogs=True):
        catalog = client.discover()
        flows = map(_listed, catalog.values())
        if as_json:
            _print_document(catalog, flows)
        else:
            _print_lines(catalog, flows)


def _listed(spec: FlowSpec) -> Listed:
    try:
        return Listed(spec, FlowTypes.read(spec).signature, None)
    except DiscoveryError as error:
        return Listed(spec, None, error.message)


# --- for people ---


def _print_lines(catalog: Catalog, flows: Iterator[Listed]) -> None:
    console = PipedConsole(highlight=False)
    width = console.width if console.is_terminal else None
    for flow in flows:
        console.print(_line(flow, width), soft_wrap=True)
        description = " ".join(safe_text(flow.spec.description).split())
        if description:
            console.print(_cut(Text(f"    {description}", "dim"), width), soft_wrap=True)
    console.print(Text(_summary(catalog), "dim"), soft_wrap=True)


def _line(flow: Listed, width: int | None) -> Text:
    if flow.signature is None:
        name = safe_text(flow.spec.name)
        return _cut(Text.assemble((name, "bold"), (f": {safe_text(flow.error or '')}", "red")), width)
    name, parenthesis, rest = safe_text(flow.signature).partition("(")
    line = Text.assemble((name, "bold"), parenthesis, rest)
    end = line.plain.rfind(") -> ")  # what the flow gives is worth more than its last parameters
    if width is None or line.cell_len <= width or line.cell_len - end > width // 2:
        return _cut(line, width)
    head, tail = line[:end], line[end:]
    return _cut(head, width - tail.cell_len) + tail


def _cut(text: Text, width: int | None) -> Text:
    """At most one line of the terminal; what is no terminal gets all."""
    if width is not None:
        text.truncate(width, overflow="ellipsis")
    return text


def _summary(catalog: Catalog) -> str:
    count = f"{len(catalog)} flow{'' if len(catalog) == 1 else 's'}"
    reflection = any(spec.protocol == "reflection" for spec in catalog.values())
    how = ", called through the reflection API" if reflection else ""
    return f"{count} from {safe_text(catalog.source)}{how}"


# --- for programs ---


def _print_document(catalog: Catalog, flows: Iterator[Listed]) -> None:
    """A flow a line, each printed before the next is made: schemas may be large."""
    emit('{"flows":[')
    for number, flow in enumerate(flows, 1):
        emit(safe_json(_fields(flow)) + ("," if number < len(catalog) else ""))
    emit(f'],"warnings":{safe_json(catalog.warnings)}}}')


def _fields(flow: Listed) -> dict[str, Any]:
    spec = flow.spec
    return {
        "name": spec.name,
        "signature": flow.signature,
        **({"error": flow.error} if flow.error else {}),
        "description": spec.description,
        "path": spec.path,
        "protocol": spec.protocol,
        "input": self_contained(spec.input_schema),
        "chunk": self_contained(spec.chunk_schema),
        "output": self_contained(spec.output_schema),
        "source": spec.source,
    }


def self_contained(schema: Schema | None) -> Any:
    """The schema as in its document, and with it, at the same pointers, all that its references need.

    A reference that leads nowhere, or to the whole document, stays as it is.
    """
    if schema is None or schema.root is schema.value or not is_object(schema.value):
        return None if schema is None else schema.value
    document = Document(schema)
    pieces: dict[str, Any] = {}
    for pointer in sorted(_needed(document, schema.value), key=len):  # what holds others comes first
        put(pieces, pointer, document.at(pointer))
    return schema.value | {key: piece for key, piece in pieces.items() if key not in schema.value}


def _needed(document: Document, value: Any) -> Iterator[str]:
    """Pointers to what the references in `value` mean, and in turn those in there."""
    seen, waiting = set[str](), [value]
    while waiting:
        value = waiting.pop()
        if is_list(value):
            waiting += value
        elif is_object(value):
            waiting += value.values()
            pointer = document.target_or_none(value.get("$ref"))
            if pointer and pointer not in seen:
                seen.add(pointer)
                yield pointer
                waiting.append(document.at(pointer))
