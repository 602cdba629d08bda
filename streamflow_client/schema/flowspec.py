"""What a catalog tells of one flow, and which names it may have.

In: names and parts of a document. Out: `FlowSpec`, or `Broken` with the reason. Out of place here: how
documents are laid out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..text import brief, shown
from ..wire.request import ProtocolName
from .document import kind
from .raw import Schema

NAME_LIMIT = 1000  # characters; longer ones fit no URL


class Broken(Exception):
    """Why a part of a document is no flow though it means to be one."""


@dataclass(frozen=True, slots=True)
class FlowSpec:
    """A flow as a catalog describes it.

    Attributes:
        name: what `client.flows[name]` takes.
        path: where it lies below the client's base URL, such as "/menu", not percent-encoded; None:
            the name tells.
        protocol: how it is called.
        description: the server's own words, maybe empty.
        input_schema, chunk_schema, output_schema: None where the document does not tell.
        source: URL or file name of the document, without user, password and query.
    """

    name: str
    path: str | None
    protocol: ProtocolName
    description: str
    input_schema: Schema | None
    chunk_schema: Schema | None
    output_schema: Schema | None
    source: str

    def __repr__(self) -> str:
        schemas = {"input": self.input_schema, "chunk": self.chunk_schema, "output": self.output_schema}
        told = [f"{role}={brief(schema and schema.value, 100)}" for role, schema in schemas.items()]
        return (
            f"FlowSpec({shown(repr(self.name), 100)}, {', '.join(told)}, source={shown(repr(self.source))})"
        )


# Control characters; what ends or climbs a path; what stands where there was no text.
_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f\\?#\ud800-\udfff\ufffd]")


def checked_name(name: str) -> str:
    """The name itself: segments between single slashes.

    Raises: Broken: it would leave its place in a URL, or is no text.
    """
    if len(name) > NAME_LIMIT:
        raise Broken(f"its name has {len(name)} characters, more than {NAME_LIMIT}")
    if any(segment in ("", ".", "..") for segment in name.split("/")):
        raise Broken("its name has an empty, '.' or '..' segment")
    if _REFUSED.search(name):
        raise Broken(r"its name has a control character, '\', '?', '#' or what is no text")
    return name


def checked_schema(schema: Schema | None) -> Schema | None:
    """The schema itself; only what it is gets checked, not what it says.

    Raises: Broken: neither an object nor a boolean.
    """
    if schema is not None and not isinstance(schema.value, dict | bool):
        raise Broken(f"a schema is {kind(schema.value)}, not an object")
    return schema
