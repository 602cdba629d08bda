"""A schema as a document has it, before anybody reads it.

In: JSON values. Out: `Schema`. Out of place here: what schemas mean (`model.py`). Catalogs need no more than
this, so that a client is made without the whole model of types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..text import brief, shown


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON Schema as found in a document.

    Attributes:
        value: the schema itself: an object or a boolean, if it is not broken.
        root: the document that local references (`#/…`) point into.
        pointer: where `value` stands in `root`, a JSON Pointer (RFC 6901); "" for the root itself.
    """

    value: Any
    root: Any = field(repr=False)
    pointer: str = ""

    def __repr__(self) -> str:
        return f"Schema({brief(self.value)}, pointer={shown(repr(self.pointer), 100)})"
