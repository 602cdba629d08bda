"""How foreign text may appear in errors, logs and terminals: short, on one line, nothing that moves it.

In: text or bytes of a server. Out: text that is safe to show. Pure.
"""

from __future__ import annotations

import re
from reprlib import Repr
from typing import Any

SHOWN = 200  # characters or bytes of foreign text in one message

_BRIEF = Repr()  # of each list and object the first six, four levels deep
_BRIEF.maxdict, _BRIEF.maxlist, _BRIEF.maxlevel, _BRIEF.maxstring = 6, 6, 4, 60


def excerpt(text: str, limit: int = SHOWN) -> str:
    """The beginning of `text`, at most `limit` characters, cut visibly."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str) -> str:
    """`text` with every character that could move a cursor or start a new line escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(text: str, limit: int = SHOWN) -> str:
    """The beginning of `text` on one line; the rest is not even looked at, however long."""
    return excerpt(one_line(text[: limit + 1]), limit)


def brief(value: Any, limit: int = SHOWN) -> str:
    """A JSON value as Python, shortened; the rest is not even looked at, however large."""
    try:
        return shown(_BRIEF.repr(value), limit)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "…"


_SECRETS = re.compile(r"(?<=//)[^/?#]*@|[?#].*", re.DOTALL)


def without_secrets(url: str) -> str:
    """A URL without user info, query and fragment, which may hold tokens."""
    return _SECRETS.sub("", url)


def shown_bytes(data: bytes, limit: int = SHOWN) -> str:
    """The first bytes of `data`, escaped, as they appear in an error."""
    head = data[:limit].decode("utf-8", errors="backslashreplace")
    more = f"… ({len(data)} bytes)" if len(data) > limit else ""
    return f"'{one_line(head)}'{more}"
