"""The one place of this room that reads and writes files.

In: a path, and bytes to write. Out: bytes, or a file that is whole. Out of place here: what they mean.
"""

from __future__ import annotations

import os
from contextlib import suppress
from os import PathLike
from pathlib import Path
from tempfile import mkstemp


def read_file(path: str | PathLike[str], limit: int) -> bytes:
    """At most `limit` bytes of a file, and one more where it is larger.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: the path holds a NUL.
    """
    with Path(path).open("rb") as file:
        return file.read(limit + 1)


def write_file(path: str | PathLike[str], data: bytes) -> None:
    """Put a file in its place, whole or not at all; one that was there keeps its permissions.

    What is no regular file, `/dev/stdout` say, is written to.

    Raises:
        OSError: its folder does not exist or cannot be written, or the disk is full; it names the path.
        ValueError: the path holds a NUL.
    """
    try:
        target = Path(path).resolve()  # what a link points to is replaced, not the link
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            _replace(target, data)
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from error


def _replace(target: Path, data: bytes) -> None:
    handle, name = mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(_mode(target))
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _mode(target: Path) -> int:
    """That of the file, or of any new one."""
    if target.exists():
        return target.stat().st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
