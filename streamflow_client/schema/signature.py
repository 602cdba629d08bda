"""What a caller may write: the parameters of a flow, and the text of a class's help.

In: the model of types. Out: `inspect.Parameter`s, text. Out of place here: one-line texts (`describe.py`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Final

from ..text import excerpt, shown
from .describe import LONG_NAME, annotation, default_text
from .model import MISSING, Definition, Field

__all__ = ["LEFT_OUT", "LeftOut", "documentation", "fields_to_parameters", "paragraphs", "telling"]


_LONG_LINE: Final = 1_000  # characters of a description that `help` shows
_LONG_TEXT: Final = 10_000
_SEPARATORS: Final = re.compile(r"[\s_-]+")


class LeftOut:
    """The type of `LEFT_OUT`: what a parameter is that nobody gave and no default stands for."""

    def __repr__(self) -> str:
        return "…"

    def __reduce__(self) -> str:
        return "LEFT_OUT"


LEFT_OUT: Final = LeftOut()


def fields_to_parameters(fields: Iterable[Field], plain: Mapping[str, Any]) -> list[inspect.Parameter]:
    """One keyword-only parameter a field, of the type that `plain` has for its Python name."""
    return [
        inspect.Parameter(
            field.python_name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=plain[field.python_name],
            default=_default(field),
        )
        for field in fields
    ]


def _default(field: Field) -> Any:
    if field.required:
        return inspect.Parameter.empty
    return LEFT_OUT if field.default is MISSING else deepcopy(field.default)  # a list is anybody's to change


def paragraphs(text: str) -> str:
    """A server's own text as help shows it: bounded, and nothing in it moves a cursor."""
    return "\n".join(shown(line, _LONG_LINE) for line in excerpt(text, _LONG_TEXT).splitlines())


def documentation(name: str, definition: Definition, fields: Iterable[Field]) -> str:
    """The docstring of a class: what the schema says of it, and of each field."""
    text = definition.description or telling(definition.title, name)
    told = paragraphs(text)
    lines = list(map(_field_line, fields))
    listed = "\n".join(["Fields:", *lines]) if lines else ""
    return "\n\n".join(part for part in (told, listed) if part)


def _field_line(field: Field) -> str:
    default = "…" if field.default is MISSING else default_text(field.default)
    value = "" if field.required else f" = {default}"
    wire = f" [{shown(repr(field.name), LONG_NAME)}]" if field.name != field.python_name else ""
    text = field.description or telling(field.title, field.name, field.python_name)
    told = " ".join(excerpt(text, _LONG_TEXT).split())
    name = shown(field.python_name, LONG_NAME)
    line = f"    {name}: {annotation(field.type)}{value}{wire}{': ' if told else ''}{told}"
    return shown(line, _LONG_LINE)


def telling(title: str, *names: str) -> str:
    """A title, unless it only repeats a name, as servers in Python make them: "Max Items" of `max_items`."""
    return "" if _letters(title) in map(_letters, names) else title


def _letters(text: str) -> str:
    return _SEPARATORS.sub("", text).casefold()
