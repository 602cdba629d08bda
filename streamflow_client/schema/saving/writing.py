"""Flows → an OpenAPI 3.2 document, from which `openapi.py` reads the same flows again.

In: what catalogs tell of flows. Out: the text of a file, the same for the same flows, and what could not be
said in it. Out of place here: how it is laid out (`layout.py`), writing files (`../files.py`), and whose word
counts where server and file differ (`merging.py`).

Whatever was written is read again: a schema that would not mean the same is written as a text, which means
the same to us and anything to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...text import shown
from ..broken import BrokenSchema
from ..document import SIZE_LIMIT, read_json
from ..flowspec import FlowSpec
from ..graph import without_place
from ..model import Types
from ..names import class_name
from ..openapi import read_openapi
from ..raw import Schema
from ..read import read_types
from .components import Components, as_text
from .layout import Part, Role, document, pretty
from .moving import Unmovable

__all__ = ["Saved", "TooLarge", "saved"]


class TooLarge(Exception):
    """The document could not be read again."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The text of a file; what is not in it, or not as it was, a line each."""

    text: str
    warnings: tuple[str, ...]


def saved(
    flows: Iterable[FlowSpec],
    *,
    info: Mapping[str, Any] | None = None,
    kept: Mapping[str, Schema] | None = None,
    around: Mapping[str, Any] | None = None,
) -> Saved:
    """The flows as a document. Those of one catalog, for names are unique.

    Args:
        info: of the document, as OpenAPI has it; what makes no sense in it is left out.
        kept: chunk schemas from elsewhere, by flow. Components of the flows that have the same name as theirs
            are taken for theirs.
        around: a document of which all stays that does not speak of flows, such as `servers` and `security`.

    Raises:
        TooLarge: more than 32 MiB, which nobody would read.
    """
    ordered = sorted(flows, key=lambda flow: flow.name)
    warnings = [_left_out(flow) for flow in ordered if flow.name.startswith("/")]
    parts = _Parts(
        [flow for flow in ordered if not flow.name.startswith("/")], kept or {}, info, around or {}
    )
    parts.read()
    text = parts.written()
    if differing := parts.differing(text):
        parts.as_text.update(differing)
        text = parts.written()
    return Saved(text, (*warnings, *parts.warnings()))


def _left_out(flow: FlowSpec) -> str:
    return f"{shown(repr(flow.name), 100)} is left out: it is called through the reflection API alone"


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is to be written.

    Attributes:
        types: what the schemas mean.
        as_text: which schemas OpenAPI cannot hold, and why.
        dropped: places of keywords that say nothing to anybody.
    """

    flows: list[FlowSpec]
    kept: Mapping[str, Schema]
    info: Mapping[str, Any] | None
    around: Mapping[str, Any]
    types: dict[Part, Types] = field(default_factory=dict[Part, Types])
    as_text: dict[Part, str] = field(default_factory=dict[Part, str])
    dropped: dict[Part, list[str]] = field(default_factory=dict[Part, list[str]])

    def told(self) -> Iterator[tuple[Part, Schema]]:
        for flow in self.flows:
            for role, schema in _schemas(flow):
                if schema is not None:
                    yield (flow.name, role), schema

    def read(self) -> None:
        """What the schemas mean; the broken ones will be texts."""
        for part, schema in self.told():
            try:
                self.types[part] = _types(schema, part)
            except BrokenSchema as broken:
                self.as_text[part] = shown(f"it is broken, {broken}", 300)

    def warnings(self) -> Iterator[str]:
        for (name, role), why in self.as_text.items():
            yield f"flow {shown(repr(name), 100)}: its {role} schema is written as a text: {why}"
        for (name, role), places in self.dropped.items():
            if places and (name, role) not in self.as_text:
                what = f"flow {shown(repr(name), 100)}: its {role} schema"
                yield f"{what} is written without what makes no sense: {shown(', '.join(places))}"

    def differing(self, text: str) -> dict[Part, str]:
        """The schemas that do not mean the same when they are read from the document."""
        found = read_openapi(read_json(text), source="")
        again = {
            (flow.name, role): schema
            for flow in found
            if not isinstance(flow, str)  # it would be skipped, for a reference that is too long
            for role, schema in _schemas(flow)
        }
        return {
            part: "its classes or types would differ"
            for part, _ in self.told()
            if part not in self.as_text and not self._same(part, again.get(part))
        }

    def _same(self, part: Part, other: Schema | None) -> bool:
        try:
            return other is not None and _types(other, part) == self.types[part]
        except BrokenSchema:
            return False

    def written(self) -> str:
        """Raises: TooLarge."""
        components = Components([schema.root for _, schema in self.told()])
        places = {part: self._placed(part, schema, components) for part, schema in self.told()}
        for name, schema in sorted(self.kept.items()):
            places[name, "chunk"] = self._placed((name, "chunk"), schema, components)
        text = pretty(document(self.flows, places, components.written, self.info, self.around))
        if len(text.encode()) > SIZE_LIMIT:
            raise TooLarge(
                f"the document has more than {SIZE_LIMIT // 2**20} MiB, and could not be read again"
            )
        return text

    def _placed(self, part: Part, schema: Schema, components: Components) -> dict[str, Any] | bool:
        if part not in self.as_text:
            try:
                placed = components.place(schema, _class(part))
                self.dropped[part] = components.dropped
                return placed
            except (Unmovable, BrokenSchema) as reason:
                self.as_text[part] = shown(str(reason))
        return as_text(schema, self.as_text[part])


def _schemas(flow: FlowSpec) -> tuple[tuple[Role, Schema | None], ...]:
    return ("input", flow.input_schema), ("output", flow.output_schema), ("chunk", flow.chunk_schema)


def _class(part: Part) -> str:
    return class_name(f"{part[0]} {part[1]}")


def _types(schema: Schema, part: Part) -> Types:
    """Warnings without the places that they speak of. Raises: BrokenSchema."""
    types = read_types(schema, name=_class(part))
    return replace(types, warnings=tuple(map(without_place, types.warnings)))
