"""What the arguments of `run` mean.

In: words of a shell, and standard input. Out: JSON values, headers, a `RunCall`. Nothing is sent or
printed here, and no word is repeated in a message where it may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from pydantic_core import from_json

from ..calls import check_headers
from ..wire.codec import UNSET, Unset
from ..wire.request import ProtocolName


class BadArgument(Exception):
    """The words make no sense; the message says which and why."""


@dataclass(frozen=True, slots=True)
class RunCall:
    """One call of a flow, as the command line asks for it."""

    url: str
    flow: str
    input: Any | Unset = UNSET
    headers: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    token: str | None = field(default=None, repr=False)
    protocol: ProtocolName = "callable"
    timeout: float | None = None
    unary: bool = False


def read_input(words: Sequence[str], stdin: TextIO) -> Any | Unset:
    """The input: `key=value` pairs, one JSON value, "-" for JSON on `stdin`, or none at all.

    Raises:
        BadArgument: the words are none of these.
    """
    match words:
        case []:
            return UNSET
        case ["-"]:
            return _json(stdin.buffer.read(), "standard input")
        case [word] if not _is_pair(word):
            return _json(_bytes(word), "the input")
        case _:
            return _object(words)


def read_headers(lines: Iterable[str]) -> dict[str, str]:
    """Headers, each written as `Name: value`.

    Raises:
        BadArgument: a line is not.
    """
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        value = value.strip()
        if not colon or not _can_be_sent({name: value}):
            raise BadArgument("a header is written as 'Name: value', in ASCII")
        headers[name] = value
    return headers


def read_token(text: str | None) -> str | None:
    """A bearer token; an empty one, as an unset variable leaves it, is none.

    Raises:
        BadArgument: it cannot stand in a header.
    """
    if text and not _can_be_sent({"Authorization": text}):
        raise BadArgument("the token holds a line break, space at an end, or a character that is not ASCII")
    return text or None


def _can_be_sent(headers: dict[str, str]) -> bool:
    try:
        check_headers(headers)
    except ValueError:
        return False
    return True


def _is_pair(word: str) -> bool:
    """JSON that holds a "=" begins with a bracket or a quotation mark."""
    return "=" in word[1:] and word[0] not in '{["'


def _object(words: Iterable[str]) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for word in words:
        if not _is_pair(word):
            raise BadArgument(f"{word!r} is not key=value; give pairs, or one JSON value")
        key, _, value = word.partition("=")
        if key in pairs:
            raise BadArgument(f"{key!r} is given twice")
        pairs[key] = _json_or_text(value)
    return pairs


def _json_or_text(value: str) -> Any:
    try:
        return from_json(_bytes(value), allow_inf_nan=False)
    except ValueError:
        return value


def _bytes(word: str) -> bytes:
    """The word as the shell gave it: what is not UTF-8 in it came as surrogates."""
    return word.encode("utf-8", "surrogateescape")


def _json(text: bytes, what: str) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        hint = "give JSON or key=value pairs; a text as JSON has quotation marks, '\"text\"'"
        raise BadArgument(f"{what} is not JSON ({error}): {hint}") from None
