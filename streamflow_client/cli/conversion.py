"""What a word of the input is, by the flow's types: JSON, or a text as it stands.

In: texts of a shell, the type of a flow's input. Out: JSON values by wire names. Out of place here: whether
they are valid, which the flow's own types decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from ..schema.accepts import accepts
from ..schema.model import Anything, Literals, Map, Record, Text, Type, Types
from ..schema.walk import alternatives


def untyped(texts: Mapping[str, str]) -> dict[str, Any]:
    """Each value as JSON if it can be read as such, else as text."""
    return {key: _json(text, text) for key, text in texts.items()}


def typed(texts: Mapping[str, str], types: Types) -> list[tuple[str, Any]]:
    """Wire names and values. A text stays as it is where its field takes texts and nothing else."""
    objects = [
        type_ for type_ in alternatives(types.root, types.definitions) if isinstance(type_, Record | Map)
    ]
    fields = ((text, *_field(key, objects)) for key, text in texts.items())
    return [(name, _value(text, known, types)) for text, name, known in fields]


def is_text(word: str, types: Types) -> bool:
    """Whether a whole input is a text as it stands: the type takes texts, and the word is no JSON that fits.

    JSON in quotation marks is JSON, whether it fits or not.
    """
    value = _json(word, word)
    if not any(map(_takes_text, alternatives(types.root, types.definitions))):
        return False
    if isinstance(value, str):
        return value == word  # else there were quotation marks around it
    return not accepts(value, types.root, types.definitions)


def as_bytes(word: str) -> bytes:
    """The word as the shell gave it: what is not UTF-8 in it came as surrogates."""
    return word.encode("utf-8", "surrogateescape")


def _field(key: str, objects: list[Record | Map]) -> tuple[str, list[Type]]:
    """A field's name on the wire, and its type in each of the objects that has it."""
    fields = [field for each in objects if isinstance(each, Record) for field in each.fields]
    for name in ("name", "python_name"):
        found = [field for field in fields if getattr(field, name) == key]
        if found:
            return found[0].name, [field.type for field in found]
    return key, [each.values for each in objects if isinstance(each, Map)] or [Anything()]


def _value(text: str, known: list[Type], types: Types) -> Any:
    """JSON where that fits, else the text. Where neither does: what the error can tell most about."""
    members = [member for type_ in known for member in alternatives(type_, types.definitions)]
    if Anything() in members:
        return _json(text, text)
    value = _json(text, text)
    if isinstance(value, str):  # quoted or not: a script that passes "$TEXT" means the text
        return text
    fits = any(accepts(value, type_, types.definitions) for type_ in known)
    return value if fits or not any(map(_takes_text, members)) else text


def _takes_text(type_: Type) -> bool:
    if isinstance(type_, Literals):
        return any(isinstance(value, str) for value in type_.values)
    return isinstance(type_, Text)


def _json(text: str, otherwise: Any) -> Any:
    try:
        return from_json(as_bytes(text), allow_inf_nan=False)
    except ValueError:
        return otherwise
