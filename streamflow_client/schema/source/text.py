"""Python expressions as trees → lines as a formatter leaves them: one line where it fits, else a part a line.

In: names, literals, calls, subscripts. Out: text. Out of place here: what the expressions mean.

Text of a server gets into source through `text_literal`, `value` and `docstring` alone, and through names
that `name` has checked.
"""

from __future__ import annotations

import keyword
import math
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from ...jsonvalues import is_list, is_object
from ...text import one_line

__all__ = [
    "LONG_TEXT",
    "WIDTH",
    "Expr",
    "Writer",
    "call",
    "depth",
    "docstring",
    "either",
    "name",
    "starred",
    "subscript",
    "text_literal",
    "told",
    "value",
]

WIDTH: Final = 100  # columns
_LONG_INTEGER: Final = 4_000  # bits: Python reads no longer ones in decimals
_MANY: Final = 50  # members that `|` may join: Python's parser goes one level deeper for each
LONG_TEXT: Final = 10_000  # characters


@dataclass(frozen=True, slots=True)
class Expr:
    """A part of an expression.

    Attributes:
        text: all of it, or what stands before its bracket.
        parts: what stands between its brackets, each with its label if it has one: "default=".
        names: that `text` uses, which have to be imported or defined.
        joined: whether the parts are joined by `|` where they fit on a line.
    """

    text: str
    brackets: str = ""
    parts: tuple[tuple[str, Expr], ...] = ()
    names: tuple[str, ...] = ()
    joined: bool = False


def name(text: str) -> Expr:
    """Raises: ValueError: it is no identifier; names of a model of types are."""
    if not text.isidentifier() or keyword.iskeyword(text):
        raise ValueError(f"{text!r:.200} is no name")
    return Expr(text, names=(text,))


def call(function: str, arguments: Iterable[Expr] = (), named: Mapping[str, Expr] | None = None) -> Expr:
    """A call with arguments by place and by name."""
    parts = [("", argument) for argument in arguments]
    parts += [(f"{label}=", part) for label, part in (named or {}).items()]
    return Expr(function, "()", tuple(parts), name(function).names)


def subscript(generic: str, parts: Iterable[Expr]) -> Expr:
    """`generic[parts]`."""
    return Expr(generic, "[]", tuple(("", part) for part in parts), name(generic).names)


def either(parts: Iterable[Expr]) -> Expr:
    """`A | B`, on one line; where it is too long for one, `Union[A, B]`."""
    found = tuple(("", part) for part in parts)
    return found[0][1] if len(found) == 1 else Expr("Union", "[]", found, ("Union",), joined=True)


def starred(part: Expr) -> Expr:
    """`*part`."""
    return Expr(f"*{part.text}", part.brackets, part.parts, part.names)


def value(found: Any) -> Expr:
    """A JSON value."""
    if isinstance(found, str):
        return Expr(text_literal(found))
    if is_list(found):
        return Expr("", "[]", tuple(("", value(item)) for item in found))
    if is_object(found):
        return Expr("", "{}", tuple((f"{text_literal(key)}: ", value(item)) for key, item in found.items()))
    return Expr(_number(found))


def _number(found: Any) -> str:
    """Raises: TypeError: no JSON value."""
    if found is None or isinstance(found, bool):
        return repr(found)
    if isinstance(found, int):
        return repr(int(found)) if found.bit_length() < _LONG_INTEGER else _hexadecimal(found)
    if isinstance(found, float) and not math.isnan(found):
        return (
            repr(float(found)).replace("e+", "e")
            if math.isfinite(found)
            else "1e999"
            if found > 0
            else "-1e999"
        )
    raise TypeError(f"{found!r:.200} is no JSON value")


def _hexadecimal(found: int) -> str:
    return f"{'-' if found < 0 else ''}0x{abs(found):X}"


def text_literal(text: str) -> str:
    """A text in quotation marks. What is not printable is escaped, also what turns the writing around."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return f"{quote}{_escaped(text).replace(quote, chr(92) + quote)}{quote}"


def _escaped(text: str) -> str:
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(char if char.isprintable() and char != "\\" else repr(char)[1:-1] for char in text)


def docstring(text: str, indent: str = "") -> list[str]:
    """The lines of a docstring, none for no text: bounded, wrapped, and nothing in it ends it."""
    lines = _wrapped(text, WIDTH - len(indent) - 3)
    if len(lines) == 1:  # its end stands on the same line, if anything fits there
        lines = _wrapped(text, WIDTH - len(indent) - 6)
    if lines == [""]:
        return []
    first, *rest = lines
    if not rest:
        return [f'{indent}"""{first}"""']
    return [f'{indent}"""{first}', *(f"{indent}{line}".rstrip() for line in rest), f'{indent}"""']


def _wrapped(text: str, width: int) -> list[str]:
    return [line for each in told(text).split("\n") for line in _wrapped_line(each, width)]


def told(text: str) -> str:
    """A description as a docstring holds it: bounded, without space at the ends of lines.

    What is not printable is seen as an escape: `help` prints docstrings as they are, and a class takes none
    with half a character in it.
    """
    cut = text if len(text) <= LONG_TEXT else text[: LONG_TEXT - 1] + "…"
    cut = cut.expandtabs(4).replace("\r\n", "\n").replace("\r", "\n")
    lines = [one_line(line.rstrip()) for line in cut.split("\n")]
    return textwrap.dedent("\n".join(lines)).strip()


def _wrapped_line(line: str, width: int) -> list[str]:
    escaped = "".join(
        r"\x22" if char == '"' and _is_risky(line, at) else _escaped(char) for at, char in enumerate(line)
    )
    margin = escaped[: len(escaped) - len(escaped.lstrip(" "))]
    if columns(escaped) <= width:
        return [escaped]
    return textwrap.wrap(
        escaped.strip(),
        width,
        initial_indent=margin[: width // 2],
        subsequent_indent=margin[: width // 2],
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def columns(text: str) -> int:
    """How wide a text is: letters of Chinese and its like take two columns, accents none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    return 0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")


def _is_risky(line: str, at: int) -> bool:
    """Whether a quotation mark may end a docstring, or begin or end its line."""
    return at == 0 or at == len(line) - 1 or '"' in (line[at - 1], line[at + 1])


def depth(expr: Expr) -> int:
    """Brackets within brackets."""
    return bool(expr.brackets) + max((depth(part) for _, part in expr.parts), default=0)


# --- lines


class Writer:
    """Writes expressions, and knows afterwards which names they use.

    Attributes:
        hidden: names that mean something else where is being written, such as a field called `date` in the
            body of a class. What they hide is written as `_date`.
        as_values: whether types are written as arguments of a call, where pyright does not know
            `Annotated[…] | None`.
        used, aliased: the names that were written as they are, and those that were hidden.
    """

    def __init__(self) -> None:
        self.hidden: Set[str] = frozenset()
        self.as_values = False
        self.used: set[str] = set()
        self.aliased: set[str] = set()

    def flat(self, expr: Expr) -> str:
        """All of it on one line."""
        if expr.joined and len(expr.parts) <= _MANY and not (self.as_values and _has_annotated(expr)):
            return " | ".join(self.flat(part) for _, part in expr.parts)
        inside = ", ".join(f"{label}{self.flat(part)}" for label, part in expr.parts)
        return f"{self._text(expr)}{expr.brackets[:1]}{inside}{expr.brackets[1:]}"

    def _text(self, expr: Expr) -> str:
        text = expr.text
        for name in expr.names:
            if name in self.hidden:
                self.aliased.add(name)
                text = text.replace(name, f"_{name}")
            else:
                self.used.add(name)
        return text

    def lines(self, expr: Expr, before: str, after: str, indent: str, *, broken: bool = False) -> list[str]:
        """An expression between what stands before it, the indent included, and after it."""
        whole = f"{before}{self.flat(expr)}{after}"
        if not expr.parts or (columns(whole) <= WIDTH and not broken):
            return [whole]
        inner = f"{indent}    "
        sole = _is_sole(expr)
        found = [f"{before}{self._text(expr)}{expr.brackets[0]}"]
        for label, part in expr.parts:
            found += self.lines(part, f"{inner}{label}", "" if sole else ",", inner)
        return [*found, f"{indent}{expr.brackets[1]}{after}"]

    def assignment(self, target: str, annotation: Expr | None, given: Expr | None, indent: str) -> list[str]:
        """`target: annotation = given`, one of the two maybe left out."""
        if annotation is None or given is None:
            what = annotation or given
            assert what is not None
            return self.lines(what, f"{indent}{target}{' = ' if annotation is None else ': '}", "", indent)
        head = f"{indent}{target}: {self.flat(annotation)} = "
        if columns(head + self.flat(given)) <= WIDTH:
            return [head + self.flat(given)]
        if given.parts and columns(head + self._text(given)) < WIDTH:
            return self.lines(given, head, "", indent)
        if _is_sole(annotation) and columns(head) < WIDTH:  # nothing in there keeps it on several lines
            inner = f"{indent}    "
            return [f"{head}(", *self.lines(given, inner, "", inner), f"{indent})"]
        *first, last = self.lines(annotation, f"{indent}{target}: ", " = ", indent, broken=True)
        return [*first, *self.lines(given, last, "", indent)]


def _has_annotated(expr: Expr) -> bool:
    return any(part.text == "Annotated" for _, part in expr.parts)


def _is_sole(expr: Expr) -> bool:
    """Whether it is a subscript with one part, after which no comma can be: `[X,]` means a tuple."""
    return expr.brackets == "[]" and bool(expr.text) and len(expr.parts) == 1
