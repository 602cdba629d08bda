"""JSON Pointers (RFC 6901) and references within one document.

In: a document and the text of a `$ref`. Out: the pointer it means, and what stands there.
Out of place here: what a schema means. Nothing is ever fetched: what is not in the document is broken.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from ..jsonvalues import is_list, is_object
from ..text import shown
from .broken import BrokenSchema
from .raw import Schema


def step(pointer: str, *tokens: str | int) -> str:
    """The pointer to what stands below `pointer`."""
    return pointer + "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def tokens(pointer: str) -> list[str]:
    """The steps of a pointer, unescaped: first `~1`, then `~0`, as RFC 6901 §4 demands."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def put(whole: dict[str, Any], pointer: str, value: Any) -> None:
    """Put a value at its place below an object, unless what is there holds it already."""
    path = tokens(pointer)
    place: Any = whole
    for token in path[:-1]:
        place = place.setdefault(token, {}) if is_object(place) else None
    if is_object(place) and path:
        place.setdefault(path[-1], value)


class Document:
    """The document that a schema's local references point into: `root`."""

    def __init__(self, schema: Schema) -> None:
        self.root: Any = schema.root
        self._schema = schema
        self._found: dict[str, Any] = {schema.pointer: schema.value}

    def at(self, pointer: str) -> Any:
        """What stands at `pointer`. Raises LookupError where there is nothing."""
        if pointer not in self._found:
            self._found[pointer] = self._walk(pointer)
        return self._found[pointer]

    def _walk(self, pointer: str) -> Any:
        own = self._schema.pointer
        inside = pointer.startswith(own + "/")
        value = self._schema.value if inside else self.root
        for token in tokens(pointer[len(own) :] if inside else pointer):
            value = _child(value, token)
        return value

    def target(self, ref: str, place: str) -> str:
        """The pointer that the `$ref` at `place` means; BrokenSchema if it is not local or leads nowhere."""
        path = step("#" + place, "$ref")
        fragment = self._fragment(ref)
        if fragment is None:
            raise BrokenSchema(path, f"only references within the document are followed, not '{shown(ref)}'")
        pointer = unquote(fragment)
        if pointer and not pointer.startswith("/"):
            pointer = self._anchor(pointer, path)
        try:
            self.at(pointer)
        except LookupError:
            raise BrokenSchema(path, f"there is nothing at '{shown(ref)}' in the document") from None
        return pointer

    def target_or_none(self, ref: Any) -> str | None:
        """The same of whatever stands under `$ref`, for those whom a broken one does not concern."""
        try:
            return self.target(ref, "") if isinstance(ref, str) else None
        except BrokenSchema:
            return None

    def _fragment(self, ref: str) -> str | None:
        """The part after `#` of a reference into this document, also where it repeats the root's `$id`."""
        base, mark, fragment = ref.partition("#")
        root = self.root
        own = root.get("$id") if is_object(root) else None
        if base and not (isinstance(own, str) and base == own.partition("#")[0]):
            return None
        return fragment if mark or base else None

    def _anchor(self, anchor: str, path: str) -> str:
        """The definition of the root that calls itself `anchor`; others are too rare to search for."""
        root = self.root
        for group in ("$defs", "definitions"):
            found: Any = root.get(group) if is_object(root) else None
            for name, value in found.items() if is_object(found) else ():
                if is_object(value) and anchor in (value.get("$anchor"), str(value.get("$id"))[1:]):
                    return step("", group, name)
        raise BrokenSchema(path, f"no definition has the anchor '{shown(anchor)}'")


def _child(value: Any, token: str) -> Any:
    if is_object(value):
        return value[token]
    if is_list(value) and token.isascii() and token.isdigit() and len(token) < 10:
        return value[int(token)]
    raise LookupError(token)
