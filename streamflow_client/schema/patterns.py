"""Patterns: ECMA 262 syntax, as JSON Schema has it, to the syntax of Rust's `regex`.

In: a foreign pattern. Out: one for pydantic's Rust engine, known to compile, or the reason why there is
none. Out of place here: Python's `re` on a foreign pattern, which some patterns make run for years.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

MAX_LENGTH: Final = 5_000
"""Characters of one pattern. The longest of real schemas (mail addresses, URLs) have some hundreds."""

MAX_REPEATS: Final = 2_000
"""What the counts of repetitions may come to, nested ones multiplied: Rust unrolls them, and spends up to
10 MB on one pattern."""


MAX_COST: Final = 500_000
"""What all patterns of one schema may cost, in characters times repetitions: half a second at the worst."""

PROPERTY_COST: Final = 50  # `\p{L}` is hundreds of ranges


class NoPattern(ValueError):
    """A pattern that cannot be had in Rust; the message says why: "it has a look-around"."""


class Patterns:
    """The patterns of one schema, each translated once, until their cost is spent."""

    def __init__(self) -> None:
        self._left = MAX_COST
        self._known: dict[str, str] = {}

    def rust(self, pattern: str) -> str:
        """The same pattern for Rust's engine. Raises NoPattern."""
        if pattern not in self._known:
            self._known[pattern] = self._translated(pattern)
        return self._known[pattern]

    def _translated(self, pattern: str) -> str:
        if len(pattern) > MAX_LENGTH:
            raise NoPattern("it is too long")
        self._spend(len(pattern))
        translation = _Translation(pattern)
        self._spend(translation.cost)
        if _validator(translation.result) is None:
            raise NoPattern("it is not valid, or too large")
        return translation.result

    def _spend(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise NoPattern("all patterns together are too large")


def finds(pattern: str, text: str) -> bool:
    """Whether a pattern of `Patterns` is found anywhere in the text."""
    validator = _validator(pattern)
    assert validator is not None, "it came from Patterns"
    try:
        validator.validate_python(text)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=256)
def _validator(pattern: str) -> SchemaValidator | None:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return None


# ECMA 262: `\d` and `\w` are ASCII, `\s` is WhiteSpace and LineTerminator, `.` stops at line terminators.
_SPACES = r"\t\n\x0B\x0C\r \u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uFEFF"
_CLASSES: Final = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[0-9A-Za-z_]",
    "W": "[^0-9A-Za-z_]",
    "s": f"[{_SPACES}]",
    "S": f"[^{_SPACES}]",
}
_CONTROLS: Final = {"t": r"\t", "n": r"\n", "r": r"\r", "f": r"\x0C", "v": r"\x0B"}
_META: Final = frozenset(r"\.+*?()|[]{}^$#&-~")
_ANY: Final = r"[^\n\r\u2028\u2029]"

_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}")
_LOW_SURROGATE = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_PROPERTY = re.compile(r"[pP]\{[A-Za-z0-9_=]+\}")
_CONTROL = re.compile(r"c([A-Za-z])")
_COUNT = re.compile(r"\{(\d{1,9})(,(\d{1,9})?)?\}", re.ASCII)
_GROUP = re.compile(r"\(\?(?::|<[A-Za-z_][A-Za-z0-9_]*>|i\)|i:)")


class _Translation:
    """One walk over a pattern, from left to right."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._repeats = [1]  # what each open group repeats so far, the whole pattern first
        self._last = 1  # … and what the atom before this place does
        parts: list[str] = []
        while self._at < len(pattern):
            parts.append(self._next())
        self.result = "".join(parts)
        properties = pattern.count("\\p") + pattern.count("\\P")
        self.cost = len(pattern) * self._repeats[0] * (PROPERTY_COST if properties else 1)

    def _next(self) -> str:
        char = self._text[self._at]
        if char in "()":
            return self._open() if char == "(" else self._close()
        if char == "{" and (count := _COUNT.match(self._text, self._at)):
            return self._count(count)
        if char in "^$|*+?":
            self._at += 1
            return char
        self._last = 1
        if char in "[\\":
            return self._class() if char == "[" else self._escape(in_class=False)
        self._at += 1
        return _ANY if char == "." else _literal(char)

    def _open(self) -> str:
        self._repeats.append(1)
        if not self._text.startswith("(?", self._at):
            self._at += 1
            return "("
        group = _GROUP.match(self._text, self._at)
        if group is None:
            raise NoPattern("it has a look-around or another group that is not supported")
        if group[0].endswith(")"):
            self._repeats.pop()
        self._at = group.end()
        return group[0].replace("(?<", "(?P<")

    def _close(self) -> str:
        if len(self._repeats) == 1:
            raise NoPattern("it closes a group that is not open")
        self._last = self._repeats.pop()
        self._grow(self._last)
        self._at += 1
        return ")"

    def _count(self, count: re.Match[str]) -> str:
        """Rust unrolls `a{2,9}` to nine copies."""
        times = int(count[3] or count[1])
        self._grow(self._last * times)
        self._last *= max(times, 1)
        self._at = count.end()
        return count[0]

    def _grow(self, repeats: int) -> None:
        self._repeats[-1] = max(self._repeats[-1], repeats)
        if self._repeats[-1] > MAX_REPEATS:
            raise NoPattern("it repeats too often")

    def _escape(self, *, in_class: bool) -> str:
        """What follows a backslash; in a class, one character or a class of its own in brackets."""
        self._at += 1
        char = self._text[self._at : self._at + 1]
        if number := _HEX.match(self._text, self._at):
            return self._code_point(number)
        if control := _CONTROL.match(self._text, self._at):
            self._at = control.end()
            return f"\\x{ord(control[1]) % 32:02X}"
        if char in ("p", "P"):
            return self._property()
        self._at += 1
        if char in ("b", "B") and not in_class:
            return f"(?-u:\\{char})"
        return _CLASSES.get(char) or _CONTROLS.get(char) or self._rare(char)

    def _rare(self, char: str) -> str:
        if char == "b":
            return r"\x08"
        if char == "0" and not self._text[self._at : self._at + 1].isdigit():
            return r"\x00"
        if char.isdigit() or char == "k":
            raise NoPattern("it has a back-reference")
        if not char or (char.isalpha() and char.isascii()):
            raise NoPattern("it has an escape that ECMA 262 does not know")
        return _literal(char)

    def _property(self) -> str:
        name = _PROPERTY.match(self._text, self._at)
        if name is None:
            raise NoPattern("it has a property of characters that is not supported")
        self._at = name.end()
        return f"\\{name[0]}"

    def _code_point(self, number: re.Match[str]) -> str:
        code = int(number[1] or number[2] or number[3], 16)
        self._at = number.end()
        low = _LOW_SURROGATE.match(self._text, self._at)
        if 0xD800 <= code < 0xDC00 and low:
            self._at = low.end()
            code = 0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            raise NoPattern("it has a lone surrogate")
        return f"\\x{{{code:X}}}"

    def _class(self) -> str:
        """A class in brackets. ECMA knows neither classes within it nor `&&`, `--` and `~~`."""
        self._at += 1
        negated = self._text.startswith("^", self._at)
        self._at += negated
        items: list[str] = []
        while not self._text.startswith("]", self._at):
            if self._at >= len(self._text):
                raise NoPattern("it opens a class that it does not close")
            items.append(self._class_item(items))
        self._at += 1
        if not items:  # ECMA: `[]` is found nowhere, `[^]` everywhere
            return r"[\x{0}-\x{10FFFF}]" if negated else r"[^\x{0}-\x{10FFFF}]"
        return f"[{'^' if negated else ''}{''.join(items)}]"

    def _class_item(self, before: list[str]) -> str:
        char = self._text[self._at]
        if char == "\\":
            return self._escape(in_class=True)
        self._at += 1
        if char == "-" and self._is_range(before):
            return "-"
        return _literal(char)

    def _is_range(self, before: list[str]) -> bool:
        """A hyphen between two single characters; beside `\\d` and the like it means itself."""
        if not before or _is_set(before[-1]) or before[-1] == "-" or (len(before) > 1 and before[-2] == "-"):
            return False
        after = self._text[self._at : self._at + 2]
        return bool(after) and after[0] != "]" and not (after[0] == "\\" and after[1:] in tuple("dDwWsSpP"))


def _is_set(item: str) -> bool:
    return item.startswith(("[", "\\p", "\\P"))


def _literal(char: str) -> str:
    if "\ud800" <= char <= "\udfff":
        raise NoPattern("it has a lone surrogate")
    return f"\\{char}" if char in _META else char
