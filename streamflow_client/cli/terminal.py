"""Text of a server, made safe for a terminal.

In: any text, any JSON value. Out: text in which nothing moves a cursor, changes a colour, turns the
direction of writing around or hides: such characters are shown as escapes. Writing it does not belong here.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from pydantic_core import to_json, to_jsonable_python

from ..text import one_line

_HARMLESS = frozenset("\n\t\u200c\u200d")  # the last two join the parts of emoji and of Indic scripts


def safe_text(text: str) -> str:
    """`text` with control characters shown as escapes; lines and tabs stay."""
    return text if text.isprintable() else "".join(map(_shown, text))


def safe_line(text: str) -> str:
    """`text` on one line, in which GitHub's runner finds no command either.

    It takes `##[add-mask]…` for one anywhere in a line of a log, and `::add-mask::…` at a line's beginning,
    which has to be ours.
    """
    return one_line(text).replace("##[", r"#\x23[")


def safe_json(value: Any, indent: int | None = None) -> str:
    """`value` as JSON on one line, or indented; what is escaped in it is escaped as JSON does."""
    text = to_json(value, indent=indent, inf_nan_mode="null").decode()
    return text if text.isprintable() else "".join(map(_shown_in_json, text))


def readable(value: Any, indent: int | None = None) -> str:
    """A value for people: what is a text on the wire as it is, all else as JSON."""
    plain = to_jsonable_python(value, inf_nan_mode="null")
    return safe_text(plain) if isinstance(plain, str) else safe_json(plain, indent)


def _is_safe(character: str) -> bool:
    return (
        character.isprintable()
        or character in _HARMLESS
        or unicodedata.category(character) == "Zs"  # spaces of every width
    )


def _shown(character: str) -> str:
    return character if _is_safe(character) else character.encode("unicode_escape").decode()


def _shown_in_json(character: str) -> str:
    if _is_safe(character):
        return character
    units = character.encode("utf-16-be").hex()
    return "".join(rf"\u{units[start : start + 4]}" for start in range(0, len(units), 4))
