"""What is said of a schema that cannot be read.

In: where and what. Out: one exception. Out of place here: deciding what is broken.
"""

from __future__ import annotations

from ..text import shown


class BrokenSchema(Exception):
    """A schema that cannot be read: broken, not local, or beyond a limit.

    Attributes:
        path: the place, as a JSON Pointer in a fragment: "#/properties/a"; escaped and shortened for logs.
        what: what is wrong there, and what was expected.
    """

    def __init__(self, path: str, what: str) -> None:
        self.path: str = shown(path)
        super().__init__(self.path, what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"
