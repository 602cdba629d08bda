"""JSON values → a schema that they all fit.

In: values as a server sent them. Out: `Seen`, what was seen of them, which more values only widen; its
schema, and from such a schema what was seen. Out of place here: calling flows, and files.

Kinds, fields and items are told; lengths, bounds, formats and lists of words are not: that the next value
will keep to them is not certain. A field is required that every object had. Objects with many different
keys are maps. A schema is never larger than `MAX_PARTS`: what lies deeper may be anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Final

from ...jsonvalues import is_list, is_object

__all__ = ["NOTHING", "Seen", "both", "schema_of", "seen", "seen_by"]

MAX_FIELDS: Final = 64
"""Different keys of one object; with more of them it is a map."""

MAX_DEPTH: Final = 30
MAX_PARTS: Final = 2_000

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in one place of some values.

    Attributes:
        kinds: JSON Schema's names; with "number" there is no "integer".
        items: of all lists; None where all were empty.
        fields: of all objects, as long as they are few.
        required: which of them every object had.
        values: of all objects, where there were too many fields.
        anything: whether so much was seen that nothing is said.
    """

    kinds: frozenset[str] = frozenset()
    items: Seen | None = None
    fields: Mapping[str, Seen] | None = None
    required: frozenset[str] = frozenset()
    values: Seen | None = None
    anything: bool = False


NOTHING: Final = Seen()
_ANYTHING: Final = Seen(anything=True)
_KINDS: Final = ("object", "array", "string", "integer", "number", "boolean", "null")  # as they are written


def seen(values: Iterable[Any], *, depth: int = MAX_DEPTH) -> Seen:
    """What there is to see in some values."""
    return reduce(both, (_seen(value, depth) for value in values), NOTHING)


def _seen(value: Any, depth: int) -> Seen:
    if depth == 0:
        return _ANYTHING
    if is_list(value):
        items = seen(value, depth=depth - 1)
        return Seen(frozenset({"array"}), items=items if value else None)
    if is_object(value):
        return _seen_object({key: _seen(item, depth - 1) for key, item in value.items()}, frozenset(value))
    return Seen(frozenset({_scalar(value)}))


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "string"


def _seen_object(fields: Mapping[str, Seen], required: frozenset[str]) -> Seen:
    kinds = frozenset({"object"})
    if len(fields) <= MAX_FIELDS:
        return Seen(kinds, fields=fields, required=required)
    return Seen(kinds, values=reduce(both, fields.values()))


def both(a: Seen, b: Seen) -> Seen:
    """What was seen in either place."""
    if a.anything or b.anything:
        return _ANYTHING
    kinds = a.kinds | b.kinds
    return replace(
        _objects(a, b),
        kinds=kinds - {"integer"} if "number" in kinds else kinds,
        items=_either(a.items, b.items),
    )


def _either(a: Seen | None, b: Seen | None) -> Seen | None:
    return a if b is None else b if a is None else both(a, b)


def _objects(a: Seen, b: Seen) -> Seen:
    if "object" not in a.kinds or "object" not in b.kinds:
        return a if "object" in a.kinds else b
    if a.fields is None or b.fields is None:
        parts = (*_values(a), *_values(b))
        return Seen(values=reduce(both, parts) if parts else None)
    names = (*a.fields, *(name for name in b.fields if name not in a.fields))
    fields = {name: both(a.fields.get(name, NOTHING), b.fields.get(name, NOTHING)) for name in names}
    return _seen_object(fields, a.required & b.required)


def _values(seen: Seen) -> tuple[Seen, ...]:
    return tuple((seen.fields or {}).values()) if seen.values is None else (seen.values,)


# to a schema


def schema_of(seen: Seen) -> Json:
    """A schema that all fit; the largest that is small enough."""
    return next(
        made for depth in range(MAX_DEPTH, -1, -1) if (made := _Writing().schema(seen, depth)) is not None
    )


class _Writing:
    """One attempt to stay within `MAX_PARTS`."""

    def __init__(self) -> None:
        self._left = MAX_PARTS

    def schema(self, seen: Seen, depth: int) -> Json | None:
        """None: it would be too large."""
        self._left -= 1
        if self._left < 0:
            return None
        if seen.anything or not seen.kinds or depth == 0:
            return {}
        kinds = [kind for kind in _KINDS if kind in seen.kinds]
        parts = self._parts(seen, depth - 1)
        return None if parts is None else {"type": kinds[0] if len(kinds) == 1 else kinds, **parts}

    def _parts(self, seen: Seen, depth: int) -> Json | None:
        parts: Json = {}
        if seen.fields is not None and seen.fields:
            fields = {name: self.schema(field, depth) for name, field in seen.fields.items()}
            required = [name for name in fields if name in seen.required]
            parts = {"properties": fields, **({"required": required} if required else {})}
            if None in fields.values():
                return None
        for word, part in (("additionalProperties", seen.values), ("items", seen.items)):
            if part is not None:
                parts[word] = self.schema(part, depth)
                if parts[word] is None:
                    return None
        return parts


# from a schema


def seen_by(schema: Any) -> Seen | None:
    """What was seen that has this schema; None for a schema that was not inferred, or changed since."""
    found = _read(schema, MAX_DEPTH)
    return found if found is not None and schema_of(found) == schema else None


def _read(schema: Any, depth: int) -> Seen | None:
    """As far as it looks inferred; writing it again shows whether it is."""
    if not is_object(schema) or depth < 0:
        return None
    if not schema:
        return _ANYTHING
    said, required = schema.get("type"), schema.get("required", [])
    kinds: Any = said if is_list(said) else [said]
    if not all(isinstance(name, str) for name in (*kinds, *(required if is_list(required) else [None]))):
        return None
    fields = _read_fields(schema, depth) if "object" in kinds else None
    rest = {
        word: _read(schema[word], depth - 1) for word in ("items", "additionalProperties") if word in schema
    }
    if None in rest.values() or (fields is not None and None in fields.values()):
        return None
    return Seen(
        frozenset(kinds),
        items=rest.get("items"),
        fields=None if "additionalProperties" in rest else fields,  # type: ignore[arg-type]
        required=frozenset(required),
        values=rest.get("additionalProperties"),
    )


def _read_fields(schema: Json, depth: int) -> dict[str, Seen | None]:
    properties = schema.get("properties")
    return {
        name: _read(field, depth - 1) for name, field in (properties if is_object(properties) else {}).items()
    }
