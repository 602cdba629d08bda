"""Locks that a fork does not spoil.

In: nothing. Out: a lock per process. Out of place here: what is locked, and why.
"""

from __future__ import annotations

import os
from threading import RLock


class ProcessLock:
    """A re-entrant lock that a forked child finds free, whoever held it in its parent."""

    def __init__(self) -> None:
        self._locks: dict[int, RLock] = {}

    def here(self) -> RLock:
        """The lock of this process."""
        return self._locks.setdefault(os.getpid(), RLock())
