"""The one place of this room that reads files.

In: a path. Out: bytes. Out of place here: what they mean.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path


def read_file(path: str | PathLike[str], limit: int) -> bytes:
    """At most `limit` bytes of a file, and one more where it is larger.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: the path holds a NUL.
    """
    with Path(path).open("rb") as file:
        return file.read(limit + 1)
