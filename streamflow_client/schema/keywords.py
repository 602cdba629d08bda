"""The keywords of one schema object, without references, unions and enumerations.

In: an object and its place. Out: its `Shape`. Raises BrokenSchema for keywords of a wrong kind.
Out of place here: what stands in the subschemas, which are only named by their places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ..jsonvalues import is_list, is_object
from ..text import shown
from .accepts import text_fits
from .broken import BrokenSchema
from .model import FORMATS, Integer, Number, Text
from .patterns import NoPattern, Patterns
from .refs import step
from .shapes import ANY, KINDS, NEVER, Entries, Items, Places, Shape, both_texts

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Help:
    """What reading the keywords of one place takes of the whole.

    Attributes:
        warn: takes the place of a schema, and what is not checked there.
        names: which keys a `propertyNames` schema allows: a type, a list, or None if neither can say it.
        patterns: those of the whole schema.
    """

    warn: Callable[[str, str], None]
    names: Callable[[Places], Text | tuple[str, ...] | None]
    patterns: Patterns


KEYWORDS: Final[Mapping[str, frozenset[str]]] = {
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "array": frozenset(
        {"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains"}
    ),
    "object": frozenset(
        {"properties", "required", "additionalProperties", "patternProperties", "propertyNames"}
        | {"minProperties", "maxProperties"}
    ),
}
"""The keywords that constrain, by the kind of value that they speak of; `format` is one for some texts."""

UNCHECKED: Final = (
    *("if", "contains", "dependentSchemas", "dependentRequired", "dependencies"),
    *("unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef"),
)

MAY_NAME_FIELDS: Final = ("if", "dependentSchemas", "dependencies", "$dynamicRef", "$recursiveRef")
"""Unchecked keywords below which an object may have fields that are seen nowhere else."""

UNCHECKED_FORMATS: Final = frozenset(
    {"email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6", "uri", "uri-reference", "uri-template"}
    | {"iri", "iri-reference", "json-pointer", "relative-json-pointer", "regex", "duration"}
    | {"int32", "int64", "float", "double"}
)
"""Formats that say which values fit, in JSON Schema or, for numbers, in OpenAPI, and that we do not check.
Other formats limit nothing that anybody would agree on."""

ALL_NAMES: Final = frozenset({"", "^", ".*", "^.*"})
"""Patterns that every name has."""

MAX_COUNT: Final = 2**53  # beyond it JSON numbers are not exact, and no list is so long


def shape_of(schema: Json, place: str, help_: Help) -> Shape | None:
    """The shape of one schema object; None where it constrains nothing."""
    for word in UNCHECKED:
        if _constrains(schema, word):
            help_.warn(place, f"`{word}` is not checked")
    types = _types(schema, place, help_)
    hinted = frozenset(kind for kind, words in KEYWORDS.items() if not words.isdisjoint(schema))
    if _format(schema) and _names_texts_only(schema):
        hinted |= {"string"}
    if types is None and not hinted:
        return None
    kinds = {"number" if kind == "integer" else kind for kind in types or KINDS}
    whole = types is not None and "integer" in types and "number" not in types
    return Shape(
        null="null" in kinds,
        boolean="boolean" in kinds,
        number=_number(schema, place, whole=whole) if "number" in kinds else None,
        string=_text(schema, place, help_) if "string" in kinds else None,
        array=_items(schema, place) if "array" in kinds else None,
        object=_entries(schema, place, help_) if "object" in kinds else None,
        typed=types is not None,
        hinted=hinted,
    )


def _constrains(schema: Json, word: str) -> bool:
    if word == "if":
        return word in schema and ("then" in schema or "else" in schema)
    if word == "contains":  # even anything at all: a list without items does not contain it
        return word in schema
    return schema.get(word, True) not in (True, {})


def _types(schema: Json, place: str, help_: Help) -> frozenset[str] | None:
    """The kinds of `type`; None where it is missing, or names one that nobody knows."""
    if "type" not in schema:
        return None
    said: Any = schema["type"]
    listed: Any = [said] if isinstance(said, str) else said
    if not is_list(listed) or not listed or not all(isinstance(name, str) for name in listed):
        raise _broken(place, "type", "is neither a name nor a list of names")
    known = {*KINDS, "integer"}
    for name in listed:
        if name not in known:
            help_.warn(place, f"`type` names '{shown(name, 40)}', which is not known, and is not checked")
            return None
    return frozenset(listed)


def _format(schema: Json) -> str | None:
    named = schema.get("format")
    return named if isinstance(named, str) and named in FORMATS else None


# numbers and texts


def _number(schema: Json, place: str, *, whole: bool) -> Integer | Number:
    ge, gt = _bounds(schema, place, "minimum", "exclusiveMinimum", max)
    le, lt = _bounds(schema, place, "maximum", "exclusiveMaximum", min)
    multiple = _finite(schema, place, "multipleOf")
    if multiple is not None and multiple <= 0:
        raise _broken(place, "multipleOf", "is not above zero")
    multiples = () if multiple is None else (multiple,)
    return (Integer if whole else Number)(ge=ge, gt=gt, le=le, lt=lt, multiples=multiples)


def _bounds(
    schema: Json, place: str, plain: str, exclusive: str, tighter: Callable[[float, float], float]
) -> tuple[float | None, float | None]:
    """The inclusive and the exclusive bound of one side, of which the tighter one stays."""
    within = _finite(schema, place, plain)
    if isinstance(schema.get(exclusive), bool):  # draft-04: says of the other bound that it is exclusive
        return (None, within) if schema[exclusive] else (within, None)
    beyond = _finite(schema, place, exclusive)
    if within is None or beyond is None:
        return within, beyond
    return (None, beyond) if tighter(within, beyond) == beyond else (within, None)


def _finite(schema: Json, place: str, word: str) -> float | None:
    value = schema.get(word)
    if word not in schema:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _broken(place, word, "is not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise _broken(place, word, "is not a finite number")
    return value


def _count(schema: Json, place: str, word: str) -> int | None:
    value = _finite(schema, place, word)
    if value is None:
        return None
    if value < 0 or value != int(value):
        raise _broken(place, word, "is not a whole number of zero or more")
    return min(int(value), MAX_COUNT)


def _text(schema: Json, place: str, help_: Help) -> Text:
    pattern = schema.get("pattern", "")
    if not isinstance(pattern, str):
        raise _broken(place, "pattern", "is not a text")
    return Text(
        min_length=_count(schema, place, "minLength") or None,
        max_length=_count(schema, place, "maxLength"),
        patterns=_patterns(pattern, place, "pattern", help_),
        format=_format(schema),
    )


def _patterns(pattern: str, place: str, word: str, help_: Help) -> tuple[str, ...]:
    try:
        return (help_.patterns.rust(pattern),) if pattern else ()
    except NoPattern as why:
        help_.warn(place, f"`{word}` is not checked: {why}")
        return ()


# lists


def _items(schema: Json, place: str) -> Items:
    """`items` is a list in draft-07, and one schema for the rest in 2020-12, beside `prefixItems`."""
    items = schema.get("items")
    listed = "items" if is_list(items) else "prefixItems"
    rest = "additionalItems" if is_list(items) else "items"
    first = schema.get(listed, [])
    if not is_list(first):
        raise _broken(place, listed, "is not a list of schemas")
    return Items(
        first=tuple(_places(item, step(place, listed, index)) for index, item in enumerate(first)),
        rest=_places(schema[rest], step(place, rest)) if rest in schema else ANY,
        least=_count(schema, place, "minItems") or 0,
        most=_count(schema, place, "maxItems"),
        unique=_truth(schema, place, "uniqueItems"),
    )


def _truth(schema: Json, place: str, word: str) -> bool:
    value = schema.get(word, False)
    if not isinstance(value, bool):
        raise _broken(place, word, "is neither true nor false")
    return value


def _names_texts_only(schema: Json) -> bool:
    """Whether no `enum` says that there are other values than texts, too."""
    values = schema.get("enum")
    return not is_list(values) or all(isinstance(value, str) for value in values)


# objects


def _entries(schema: Json, place: str, help_: Help) -> Entries:
    fields: dict[str, Places] = {
        name: _places(value, step(place, "properties", name))
        for name, value in _object(schema, place, "properties").items()
    }
    extra, keys, extra_said = _extra(schema, place, help_)
    entries = Entries(
        fields=fields,
        listed="properties" in schema,
        required=_required(schema, place),
        extra=extra,
        extra_said=extra_said or any(_constrains(schema, word) for word in MAY_NAME_FIELDS),
        keys=keys,
        least=_count(schema, place, "minProperties") or 0,
        most=_count(schema, place, "maxProperties"),
    )
    return _named(entries, place, help_) if "propertyNames" in schema else entries


def _named(entries: Entries, place: str, help_: Help) -> Entries:
    """The same where `propertyNames` says what names there may be: a list of them makes fields."""
    allowed = help_.names((step(place, "propertyNames"),))
    if allowed is None:
        help_.warn(place, "`propertyNames` is not checked")
        return entries
    if isinstance(allowed, Text):
        fields = {n: places if text_fits(n, allowed) else NEVER for n, places in entries.fields.items()}
        return replace(entries, fields=fields, keys=both_texts(entries.keys, allowed))
    fields = {name: entries.at(name) for name in allowed}
    fields |= dict.fromkeys((name for name in entries.fields if name not in fields), NEVER)
    return replace(entries, fields=fields, extra=NEVER, extra_said=True, keys=Text())


def _extra(schema: Json, place: str, help_: Help) -> tuple[Places, Text, bool]:
    """What stands under names that are no fields, which names these are, and whether that was said."""
    patterns = _object(schema, place, "patternProperties")
    said = "additionalProperties" in schema
    rest = ANY if not said else _places(schema["additionalProperties"], step(place, "additionalProperties"))
    if not patterns:
        return rest, Text(), said
    pattern, *more = patterns
    values: Places = (step(place, "patternProperties", pattern),)
    if not more and pattern in ALL_NAMES and not schema.get("properties"):
        return values, Text(), True
    if not more and schema.get("additionalProperties") is False and not schema.get("properties"):
        return values, Text(patterns=_patterns(pattern, place, "patternProperties", help_)), True
    help_.warn(place, "`patternProperties` is not checked")
    return ANY, Text(), True


def _places(value: Any, place: str) -> Places:
    """The place of a subschema; `false` is the same everywhere, so that what it forbids is seen at once."""
    return NEVER if value is False else (place,)


def _object(schema: Json, place: str, word: str) -> Mapping[str, Any]:
    value = schema.get(word, {})
    if not is_object(value):
        raise _broken(place, word, "is not an object of schemas")
    return value


def _required(schema: Json, place: str) -> tuple[str, ...]:
    names = schema.get("required", [])
    if not is_list(names) or not all(isinstance(name, str) for name in names):
        raise _broken(place, "required", "is not a list of names")
    return tuple(dict.fromkeys(names))


def _broken(place: str, word: str, what: str) -> BrokenSchema:
    return BrokenSchema(step("#" + place, word), f"`{word}` {what}")
