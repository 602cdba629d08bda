"""What the arguments of `run` and `list` mean.

In: words of a shell, and standard input. Out: JSON values, words, pairs, headers, tickets, a `Server`, a
`RunCall`.
Nothing is sent or printed here, and no word is repeated in a message where it may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from pydantic_core import from_json

from ..calls import check_headers
from ..ticket import TICKET_PREFIX, Ticket
from ..wire.codec import UNSET, Unset
from ..wire.request import STREAM_ID_HEADER, ProtocolName


class BadArgument(Exception):
    """The words make no sense; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a command finds its server, and how it speaks to it.

    Attributes:
        timeout: seconds for the whole command.
        protocol: None leaves it to the catalog.
        catalog: a file or URL; None leaves it to the server.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    token: str | None = field(default=None, repr=False)
    timeout: float | None = None
    protocol: ProtocolName | None = None
    catalog: str | None = None


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object, given field by field; the flow's types will tell what the texts are."""

    texts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Word:
    """A whole input; the flow's types will tell whether it is JSON or a text as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class RunCall:
    """One call of a flow, as the command line asks for it.

    Attributes:
        resume: where to take up a stream instead of running the flow; a text is the stream's id.
    """

    flow: str
    input: Any | Pairs | Word | Unset = UNSET
    unary: bool = False
    resume: Ticket | str | None = field(default=None, repr=False)


def read_call(
    flow: str, words: Sequence[str], stdin: TextIO | None, *, unary: bool, resume: str | None
) -> RunCall:
    """Raises: BadArgument."""
    if resume is None:
        return RunCall(flow, read_input(words, stdin), unary)
    if words:
        raise BadArgument("--resume takes up a run, which has its input; give none")
    if unary:
        raise BadArgument("--resume takes up a stream, so --unary makes no sense with it")
    return RunCall(flow, resume=read_ticket(resume))


def read_ticket(text: str) -> Ticket | str:
    """A ticket as it was printed, or the bare id of a stream.

    Raises:
        BadArgument: it is neither; it is not repeated, for it may be a secret.
    """
    text = text.strip()
    if not text or not _can_be_sent({STREAM_ID_HEADER: text}):
        raise BadArgument("--resume takes a ticket, as it was printed, or the id of a stream")
    if not text.startswith(TICKET_PREFIX):
        return text
    try:
        return Ticket.parse(text)
    except ValueError:
        raise BadArgument("the ticket is damaged; give the whole of it, as it was printed") from None


def read_input(words: Sequence[str], stdin: TextIO | None) -> Any | Pairs | Word | Unset:
    """The input: `key=value` pairs, one word, "-" for JSON on `stdin`, or none at all.

    Raises:
        BadArgument: the words are none of these.
    """
    match words:
        case []:
            return UNSET
        case ["-"]:
            return read_json(_all_of(stdin), "standard input")
        case [word] if not _is_pair(word):
            return Word(word)
        case _:
            return _pairs(words)


def _all_of(stdin: TextIO | None) -> bytes:
    """Raises: BadArgument: it cannot be read, or is None, as Python has it where the shell closed it."""
    if stdin is None:
        raise BadArgument("there is no standard input to read, it is closed")
    try:
        return stdin.buffer.read()
    except OSError as error:
        raise BadArgument(f"standard input cannot be read: {error.strerror or error}") from None


def read_json(text: bytes, what: str) -> Any:
    """Raises: BadArgument: `what` is not JSON."""
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        hint = "give JSON or key=value pairs; a text as JSON has quotation marks, '\"text\"'"
        raise BadArgument(f"{what} is not JSON ({error}): {hint}") from None


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


def _pairs(words: Iterable[str]) -> Pairs:
    texts: dict[str, str] = {}
    for word in words:
        if not _is_pair(word):
            raise BadArgument(f"{word!r} is not key=value; give pairs, or one JSON value")
        key, _, value = word.partition("=")
        if key in texts:
            raise BadArgument(f"{key!r} is given twice")
        texts[key] = value
    return Pairs(texts)
