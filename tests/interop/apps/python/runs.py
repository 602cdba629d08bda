"""What became of the runs of `slow` and `menu`.

In: the id of a run, as the caller chose it. Out: how often it began, what was sent, how it ended.
Works across threads: Flask has several.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any, Literal


@dataclass
class Run:
    runs: int = 0
    sent: int = 0
    ended: Literal["finished", "stopped"] | None = None


_table: dict[str, Run] = {}
_lock = Lock()


@contextmanager
def noted(run: str | None) -> Iterator[Run]:
    """Note a run until the block ends; without an id nobody will ask."""
    if run is None:
        yield Run()
        return
    with _lock:
        found = _table.setdefault(run, Run())
        found.runs += 1
        found.sent, found.ended = 0, None
    try:
        yield found
    except BaseException:  # a cancellation too
        found.ended = "stopped"
        raise
    found.ended = "finished"


def known(run: str) -> dict[str, Any]:
    return asdict(_table.get(run, Run()))
