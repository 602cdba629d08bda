"""The schemas of a document that is being written: where each stands, and which of them have names.

In: schemas, each in the document that it comes from. Out: what is written where one belongs, and the
components of the new document. Out of place here: how a schema is rewritten (`moving.py`), and what else a
document says.

A schema with parts becomes a component under the name of its class: what refers into itself has one place to
refer to. Components of OpenAPI documents keep their names, with all that they refer to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ...jsonvalues import is_list, is_object
from ..broken import BrokenSchema
from ..graph import is_old
from ..naming import GROUPS
from ..openapi import AT, INFERRED, INLINE, TEXT
from ..raw import Schema
from ..refs import Document, put, step, tokens
from .moving import HOLD_SCHEMAS, Follow, Move, Unmovable, moved, way

__all__ = ["COMPONENTS", "Components", "as_text"]

MAX_NESTING: Final = 150
"""Levels of a schema that is written as such: parsers give up at some 200, and the document has its own."""

COMPONENTS: Final = "/components/schemas"
_KEY: Final = re.compile(r"[a-zA-Z0-9._-]+")  # OpenAPI 3.2, section 4.7

Json = dict[str, Any]
Home = tuple[int, str]
"""(a document's id, a place in it)"""


class Components:
    """The schemas of the document that have names.

    `roots`: the documents that schemas come from, whose components keep their names.
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        self._names: dict[Home, str] = {}
        self._owners: dict[str, Home] = {}  # whose content is written under a name
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
        before = len(self.written), len(self._names), len(self._owners)
        try:
            placed = self._placed(schema, Document(schema), name)
            self._write_waiting()
        except (Unmovable, BrokenSchema):
            self._forget(before)
            raise
        return placed

    def _placed(self, schema: Schema, document: Document, name: str) -> Json | bool:
        """What needs no name is written where it belongs, and so is a reference to what has one."""
        value: Any = schema.value
        if is_object(value) and value.keys() == {"$ref"} and schema.root is not value:
            return self._moved(schema, self._follow(document))
        own = self._own(schema)
        if own is not None and self._owners.get(own) == _home(schema):
            return _inline(own)
        key = self._free(name) if own is None or own in self.written else own
        self.written[key], self._owners[key] = None, _home(schema)  # the place is taken
        follow = self._follow(document, schema, step(COMPONENTS, key))
        made = self._moved(schema, follow, old=is_old(value, schema.root))
        if not is_object(made) or made.keys().isdisjoint({"$ref", *HOLD_SCHEMAS, INFERRED}):
            del self.written[key], self._owners[key]
            return made
        self.written[key] = made
        return _inline(key)

    def _moved(self, schema: Schema, follow: Follow, *, old: bool = False) -> Json | bool:
        return moved(schema.value, schema.pointer, Move(follow, old, self.dropped))

    def _forget(self, counts: tuple[int, int, int]) -> None:
        """What was added since there were so many."""
        added: tuple[dict[Any, Any], ...] = (self.written, self._names, self._owners)
        for items, count in zip(added, counts, strict=True):
            while len(items) > count:
                items.popitem()
        self._waiting.clear()

    def _own(self, schema: Schema) -> str | None:
        """The name of what is a component already: it keeps it, if it can."""
        key = _component(schema.pointer)
        return key if key is not None and step(COMPONENTS, key) == schema.pointer else None

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
        prefix = step(COMPONENTS, key) if key is not None else target
        schema = Schema(document.at(prefix), document.root, prefix)
        home = _home(schema)
        if home not in self._names:
            name = self._names[home] = key if key is not None else self._free(_name_of(tokens(target)))
            if name not in self.written:
                self.written[name], self._owners[name] = None, home
                self._waiting.append((name, schema))
        return step(COMPONENTS, self._names[home]) + way(schema.value, target[len(prefix) :])

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
    is_one = steps[:2] == ["components", "schemas"] and steps[2:] and _KEY.fullmatch(steps[2])
    return steps[2] if is_one else None


def _home(schema: Schema) -> Home:
    return id(schema.root), schema.pointer


def _inline(key: str) -> Json:
    return {"$ref": f"#{step(COMPONENTS, key)}", INLINE: True}


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


def as_text(schema: Schema, why: str) -> Json:
    """A schema that OpenAPI cannot hold; `why` is for people."""
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
            target = document.target_or_none(value.get("$ref"))
            if target is not None and target not in pieces:
                pieces[target] = document.at(target)
                waiting.append(pieces[target])
    root: Json = {word: schema.root[word] for word in ("$schema", "$id") if word in schema.root}
    for pointer in sorted(pieces, key=len):  # what holds others comes first
        put(root, pointer, pieces[pointer])
    return root
