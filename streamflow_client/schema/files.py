"""The one place of this room that reads and writes files.

In: a path, and bytes to write. Out: bytes, or a file that is whole. Out of place here: what they mean.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from os import PathLike
from pathlib import Path
from secrets import token_hex


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
        if is_special(path):
            Path(path).write_bytes(data)
        else:
            _replace(_resolved(path), data)  # what a link points to is replaced, not the link
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from error


def is_special(path: str | PathLike[str]) -> bool:
    """Whether a path leads to neither a file nor a folder, but to a pipe, say: nothing written stays there.

    Not asked of what it resolves to: `/dev/stdout` leads to a pipe, which has no path.
    """
    place = Path(path)
    return place.exists() and not place.is_file() and not place.is_dir()


def check_place(path: str | PathLike[str]) -> None:
    """Whether a file can probably be written, for those who do something costly first.

    Raises:
        OSError: there is no such folder, it cannot be written, or the path is one.
        ValueError: the path holds a NUL.
    """
    if is_special(path):
        return
    folder = _resolved(path).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if Path(path).is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _resolved(path: str | PathLike[str]) -> Path:
    try:
        return Path(path).resolve()
    except RuntimeError:  # Python 3.11 and 3.12 say so of links that lead to themselves
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None


def _replace(target: Path, data: bytes) -> None:
    part = target.with_name(f".{target.name[:50]}.{token_hex(4)}.tmp")  # a name has at most 255 bytes
    try:
        with part.open("xb") as file:
            if target.exists():  # before anything is in it that others must not read
                part.chmod(stat.S_IMODE(target.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
