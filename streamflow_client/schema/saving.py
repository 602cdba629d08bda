"""Flows → an OpenAPI 3.2 document, from which `openapi.py` reads the same flows again.

In: what catalogs tell of flows. Out: the text of a file, the same for the same flows, and what could not be
said in it. Out of place here: writing files (`files.py`), and whose word counts where server and file differ
(`merging.py`).

Genkit's schemas are documents of their own; each becomes a component. Components of OpenAPI documents keep
their names; only those that a flow needs are written. Whatever was written is read again: a schema that
would not mean the same is written as a text, which means the same to us and anything to others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from ..jsonvalues import is_list, is_object
from ..text import shown
from .broken import BrokenSchema
from .document import SIZE_LIMIT, read_json
from .flowspec import FlowSpec
from .graph import is_old
from .model import Schema, Types
from .moving import HOLD_SCHEMAS, Follow, Move, Unmovable, moved, way
from .names import class_name
from .naming import GROUPS
from .openapi import AT, INFERRED, INLINE, NOT_TOLD, TEXT, read_openapi
from .read import read_types
from .refs import Document, step, tokens

__all__ = ["Saved", "TooLarge", "saved"]

Role: TypeAlias = Literal["input", "output", "chunk"]
ROLES: Final[tuple[Role, ...]] = ("input", "output", "chunk")
Part = tuple[str, Role]
"""(flow, role)"""

Json = dict[str, Any]

MAX_NESTING: Final = 150
"""Levels of a schema that is written as such: parsers give up at some 200, and the document has its own."""

_COMPONENTS: Final = "/components/schemas"
_KEY: Final = re.compile(r"[a-zA-Z0-9._-]+")  # OpenAPI 3.2, section 4.7
_DEFAULT_INFO: Final = {"title": "Flows", "version": "1"}
_TOLD_INFO: Final = ("title", "summary", "description", "termsOfService", "contact", "license", "version")


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
) -> Saved:
    """The flows as a document. Those of one catalog, for names are unique.

    Args:
        info: of the document, as OpenAPI has it; what makes no sense in it is left out.
        kept: chunk schemas from elsewhere, by flow. Components of the flows that have the same name as theirs
            are taken for theirs.

    Raises:
        TooLarge: more than 32 MiB, which nobody would read.
    """
    ordered = sorted(flows, key=lambda flow: flow.name)
    warnings = [_left_out(flow) for flow in ordered if flow.name.startswith("/")]
    parts = _Parts([flow for flow in ordered if not flow.name.startswith("/")], kept or {})
    parts.read()
    text = parts.written(info)
    if differing := parts.differing(text):
        parts.as_text.update(differing)
        text = parts.written(info)
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
        again = {flow.name: dict(_schemas(flow)) for flow in found if not isinstance(flow, str)}
        return {
            part: "its classes or types would differ"
            for part, _ in self.told()
            if part not in self.as_text and not self._same(part, again[part[0]][part[1]])
        }

    def _same(self, part: Part, other: Schema | None) -> bool:
        try:
            return other is not None and _types(other, part) == self.types[part]
        except BrokenSchema:
            return False

    def written(self, info: Mapping[str, Any] | None) -> str:
        """Raises: TooLarge."""
        components = _Components([schema.root for _, schema in self.told()])
        places = {part: self._placed(part, schema, components) for part, schema in self.told()}
        for name, schema in self.kept.items():
            places[name, "chunk"] = self._placed((name, "chunk"), schema, components)
        text = _pretty(_document(self.flows, places, components, info))
        if len(text.encode()) > SIZE_LIMIT:
            raise TooLarge(
                f"the document has more than {SIZE_LIMIT // 2**20} MiB, and could not be read again"
            )
        return text

    def _placed(self, part: Part, schema: Schema, components: _Components) -> Json | bool:
        if part not in self.as_text:
            try:
                placed = components.place(schema, _class(part))
                self.dropped[part] = components.dropped
                return placed
            except (Unmovable, BrokenSchema) as reason:
                self.as_text[part] = shown(str(reason))
        return _as_text(schema, self.as_text[part])


def _schemas(flow: FlowSpec) -> tuple[tuple[Role, Schema | None], ...]:
    return ("input", flow.input_schema), ("output", flow.output_schema), ("chunk", flow.chunk_schema)


def _class(part: Part) -> str:
    return class_name(f"{part[0]} {part[1]}")


_PLACE: Final = re.compile(r".*?: (?=`|the names )", re.DOTALL)


def _types(schema: Schema, part: Part) -> Types:
    """Warnings without the places that they speak of. Raises: BrokenSchema."""
    types = read_types(schema, name=_class(part))
    return replace(types, warnings=tuple(_PLACE.sub("", warning, count=1) for warning in types.warnings))


# components


class _Components:
    """The schemas of the document that have names.

    `roots`: the documents that schemas come from, whose components keep their names.
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        self._homes: dict[tuple[int, str], str] = {}  # by document and place
        self._reserved = {key for root in roots for key in _component_keys(root)}
        self._waiting: list[tuple[str, Schema]] = []
        self.written: dict[str, Any] = {}
        self.dropped: list[str] = []

    def place(self, schema: Schema, name: str) -> Json | bool:
        """What is written where a schema belongs; the schema itself may become a component.

        Raises: Unmovable, BrokenSchema: what it refers to may be written nevertheless.
        """
        if _nesting(schema.value) > MAX_NESTING:
            raise Unmovable(f"it is nested more than {MAX_NESTING} levels deep")
        self.dropped = []
        before = len(self.written), len(self._homes)
        try:
            placed = self._placed(schema, Document(schema), name)
            self._write_waiting()
        except (Unmovable, BrokenSchema):
            self._forget(*before)
            raise
        return placed

    def _placed(self, schema: Schema, document: Document, name: str) -> Json | bool:
        """What needs no name is written where it belongs, and so is a reference to what has one."""
        value: Any = schema.value
        if is_object(value) and value.keys() == {"$ref"} and schema.root is not value:
            return self._moved(schema, self._follow(document))
        key = self._own_key(schema, name)
        home = step(_COMPONENTS, key)
        self.written[key] = None  # the place is taken
        made = self._moved(schema, self._follow(document, schema, home), old=is_old(value, schema.root))
        if not is_object(made) or made.keys().isdisjoint({"$ref", *HOLD_SCHEMAS, INFERRED}):
            del self.written[key]
            return made
        self.written[key] = made
        return {"$ref": f"#{home}", INLINE: True}

    def _moved(self, schema: Schema, follow: Follow, *, old: bool = False) -> Json | bool:
        return moved(schema.value, schema.pointer, Move(follow, old, self.dropped))

    def _forget(self, written: int, homes: int) -> None:
        """What was added since there were so many."""
        while len(self.written) > written:
            self.written.popitem()
        while len(self._homes) > homes:
            self._homes.popitem()
        self._waiting.clear()

    def _own_key(self, schema: Schema, name: str) -> str:
        """Once it has a name among components, it keeps it."""
        key = _component(schema.pointer)
        if key is not None and step(_COMPONENTS, key) == schema.pointer and key not in self.written:
            return key
        return self._free(name)

    def _free(self, name: str) -> str:
        """Underscores make a name another, but no other class name."""
        key = re.sub(r"[^a-zA-Z0-9._-]", "_", name) or "_"
        while key in self.written or key in self._reserved:
            key += "_"
        return key

    def _follow(self, document: Document, schema: Schema | None = None, home: str = "") -> Follow:
        def follow(ref: str, place: str) -> str:
            target = document.target(ref, place)
            if schema is not None and (target + "/").startswith(schema.pointer + "/"):
                return home + way(schema.value, target[len(schema.pointer) :])
            return self._shared(document, target)

        return follow

    def _shared(self, document: Document, target: str) -> str:
        """Where the target of a reference is found; it is written, with all that it needs."""
        key = _component(target)
        prefix = step(_COMPONENTS, key) if key is not None else target
        at = id(document.root), prefix
        value = document.at(prefix)
        if at not in self._homes:
            name = key if key is not None else self._free(_name_of(tokens(target)))
            self._homes[at] = name
            if name not in self.written:
                self.written[name] = None
                self._waiting.append((name, Schema(value, document.root, prefix)))
        return step(_COMPONENTS, self._homes[at]) + way(value, target[len(prefix) :])

    def _write_waiting(self) -> None:
        while self._waiting:
            key, schema = self._waiting.pop()
            if _nesting(schema.value) > MAX_NESTING:
                raise Unmovable(f"what it refers to is nested more than {MAX_NESTING} levels deep")
            self.written[key] = self._moved(schema, self._follow(Document(schema)))


def _component_keys(root: Any) -> Iterator[str]:
    components = root.get("components") if is_object(root) else None
    schemas = components.get("schemas") if is_object(components) else None
    yield from schemas if is_object(schemas) else ()


def _component(pointer: str) -> str | None:
    """The key of the component that a pointer leads to or into."""
    steps = tokens(pointer)
    return (
        steps[2]
        if steps[:2] == ["components", "schemas"] and steps[2:] and _KEY.fullmatch(steps[2])
        else None
    )


def _name_of(steps: list[str]) -> str:
    """What `naming.py` would call what stands at the end of these steps."""
    return "_".join(steps[-1:] if steps[-2:-1] and steps[-2] in GROUPS else steps[-2:])


def _nesting(value: Any) -> int:
    levels, level = 0, [value]
    while level and levels <= MAX_NESTING:
        levels += 1
        inner = [item for item in level if is_object(item) or is_list(item)]
        level = [part for item in inner for part in (item.values() if is_object(item) else item)]
    return levels


# schemas as texts


def _as_text(schema: Schema, why: str) -> Json:
    root = _pruned(schema)
    return {
        "description": f"Any value, as far as OpenAPI can say: {why}",
        TEXT: json.dumps(root, ensure_ascii=False, separators=(",", ":")),
        **({AT: schema.pointer} if schema.pointer else {}),
    }


def _pruned(schema: Schema) -> Any:
    """The document with only the schema and what it refers to, each at its place."""
    if not schema.pointer or not is_object(schema.root):
        return schema.value
    document, pieces = Document(schema), {schema.pointer: schema.value}
    waiting: list[Any] = [schema.value]
    while waiting:
        value = waiting.pop()
        if is_list(value):
            waiting += value
        elif is_object(value):
            waiting += value.values()
            target = _target(document, value.get("$ref"))
            if target is not None and target not in pieces:
                pieces[target] = document.at(target)
                waiting.append(pieces[target])
    root: Json = {word: schema.root[word] for word in ("$schema", "$id") if word in schema.root}
    for pointer in sorted(pieces, key=len):  # what holds others comes first
        _put(root, tokens(pointer), pieces[pointer])
    return root


def _target(document: Document, ref: Any) -> str | None:
    try:
        return document.target(ref, "") if isinstance(ref, str) else None
    except BrokenSchema:
        return None


def _put(whole: Json, path: list[str], value: Any) -> None:
    """At its place, unless what is there holds it already."""
    place: Any = whole
    for token in path[:-1]:
        place = place.setdefault(token, {}) if is_object(place) else None
    if is_object(place) and path:
        place.setdefault(path[-1], value)


# the document


def _document(
    flows: Iterable[FlowSpec],
    places: Mapping[Part, Json | bool],
    components: _Components,
    info: Mapping[str, Any] | None,
) -> Json:
    schemas = components.written
    failure, frame = (_free_key(name, schemas) for name in ("Failure", "FailureFrame"))
    failed = {"$ref": f"#{_COMPONENTS}/{failure}"}
    schemas = schemas | {failure: _FAILURE, frame: _envelope("error", failed)}
    ids = _operation_ids(flow.name for flow in flows)
    frame_reference = {"$ref": f"#{_COMPONENTS}/{frame}"}
    return {
        "openapi": "3.2.0",
        "info": _info(info),
        "paths": {
            _path(flow.name): {"post": _operation(flow, ids[flow.name], places, frame_reference)}
            for flow in flows
        },
        "components": {
            "responses": {
                name: _failed(statuses, failed, frame_reference) for name, statuses in _FAILURES.items()
            },
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _info(said: Mapping[str, Any] | None) -> Json:
    said = said or {}
    told = {word: said[word] for word in _TOLD_INFO if _is_info(word, said.get(word))}
    more = {word: value for word, value in said.items() if word.startswith("x-")}
    return {
        word: told.get(word, _DEFAULT_INFO.get(word)) for word in _TOLD_INFO if word in _DEFAULT_INFO | told
    } | more


def _is_info(word: str, value: Any) -> bool:
    if word == "license":
        return is_object(value) and isinstance(value.get("name"), str)
    return is_object(value) if word == "contact" else isinstance(value, str)


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
    return name if name not in taken else _free_key(f"{name}_", taken)


def _pretty(document: Json) -> str:
    """What cannot be seen is escaped: who reviews a file may trust what it shows."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)
    return "".join(f"{line if line.isprintable() else _escaped(line)}\n" for line in text.split("\n"))


def _escaped(line: str) -> str:
    units = (c if c.isprintable() else c.encode("utf-16-be").hex() for c in line)
    return "".join(unit if len(unit) == 1 else re.sub("(.{4})", r"\\u\1", unit) for unit in units)
