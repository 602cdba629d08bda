"""Bytes → the JSON value that they are, or what they are instead.

In: a catalog's bytes or text. Out: plain values, at most some 200 levels deep. Out of place here: what
the value means.
"""

from __future__ import annotations

import codecs
import re
from typing import Any

from pydantic_core import from_json

from ..text import shown

SIZE_LIMIT = 32 * 1024 * 1024  # bytes, as `max_response_bytes`


class NotJson(Exception):
    """What was found instead of JSON."""


def read_json(data: bytes | str) -> Any:
    """The value of a JSON document. A byte order mark is passed over.

    A lone surrogate is no text: it becomes U+FFFD, lest it spoil all that stands beside it.

    Raises: NotJson: it is none, too large, or nested too deeply.
    """
    if len(data) > SIZE_LIMIT:
        raise NotJson(f"more than {SIZE_LIMIT // 2**20} MiB")
    text = as_utf8(data)
    try:
        return from_json(text)
    except ValueError as error:
        return _without_surrogates(text, str(error))


_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",  # what `curl … > flows.json` writes in Windows PowerShell
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def as_utf8(data: bytes | str) -> bytes:
    """The text of a document, whatever its encoding, without its mark."""
    if isinstance(data, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", data.removeprefix("\ufeff")).encode()
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace").encode()
    return data


_HIGH, _LOW = rb"u[dD][89abAB][0-9a-fA-F]{2}", rb"u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rb"\\(?:(%b\\%b)|(%b|%b)|.)" % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL)


def _without_surrogates(text: bytes, complaint: str) -> Any:
    """A second try, as long as the first, so that positions in messages stay true."""
    tame = _ESCAPE.sub(lambda found: rb"\ufffd" if found[2] else found[0], text)
    try:
        if tame != text:
            return from_json(tame)
    except ValueError as error:
        complaint = str(error)
    raise NotJson(_found_instead(text, complaint))


def _found_instead(text: bytes, complaint: str) -> str:
    head = text[:1000].decode(errors="replace").strip()
    if not head:
        return "nothing: it is empty"
    if head.startswith("<"):
        return _page(head)
    if re.match(r"(---|%YAML|openapi *:|swagger *:|[\w-]+: )", head):
        return "YAML, it seems: convert it to JSON"
    if "recursion" in complaint:
        return f"JSON nested too deeply ({complaint})"
    if complaint.startswith("EOF"):
        return f"JSON that was cut short ({complaint})"
    return f"no JSON ({complaint})"


def _page(head: str) -> str:
    title = re.search(r"<title[^>]*>([^<]*)", head, re.IGNORECASE)
    titled = f" titled {shown(repr(title[1].strip()), 80)}" if title else ""
    kind = "an HTML page" if re.match(r"<(!doctype )?html", head, re.IGNORECASE) else "HTML or XML"
    return f"{kind}{titled}"


def kind(value: object) -> str:
    """What a JSON value is, for messages."""
    return _KINDS.get(type(value), "null")


_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}
