"""The soak: tens of thousands of streams through both clients, some faulty, some cancelled, each one judged.

    python tests/soak.py --streams 30000 --seconds 600

In: how many streams, for how long, and a seed, from which follows what happens to each (`soak_plan.py`).
Out: a table, and exit status 1 if anything in it is wrong. The streams run in laps (`soak_lanes.py`) against
a server in a process of its own (`soak_server.py`). After each lap all must be quiet: busy connections,
sockets, tasks and sessions are counted, and none may be left; the memory is measured, and may not grow.
"""

# ruff: noqa: T201 - a program prints

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import gc
import logging
import os
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from platform import python_version
from statistics import mean
from typing import Any, NamedTuple

from soak_lanes import AsyncLane, SyncLane, Tally
from soak_plan import plan
from soak_server import Server
from streamflow_client.session import Session

QUIET_SECONDS = 20.0  # within which what goes away by itself has gone; event loops keep threads for ten
MOST_GROWTH = 0.02  # of the memory, from the middle third of the laps to the last


def main() -> int:
    options = argparse.ArgumentParser(
        description="Many streams, each one judged, and what they leave behind."
    )
    options.add_argument("--streams", type=int, default=30_000)
    options.add_argument("--seconds", type=float, default=600, help="after which no stream is begun")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    if not Path("/proc/self/statm").exists():
        print("the soak reads /proc, which only Linux has", file=sys.stderr)
        return 2
    _use_one_heap()
    faulthandler.dump_traceback_later(chosen.seconds + 180, exit=True)  # should a stream hang for ever
    return 0 if soak(chosen.streams, chosen.seconds, chosen.seed) else 1


def soak(streams: int, seconds: float, seed: int) -> bool:
    """Run them and print the table. True if all is well."""
    complaints, tally, server = Complaints(), Tally(), Server(seed, streams)
    sockets, threads = open_sockets(), threading.active_count()
    began = time.monotonic()
    with ExitStack() as stack:
        lanes: list[SyncLane | AsyncLane] = [
            SyncLane(server, tally, stack),
            AsyncLane("asyncio", server, tally, stack),
            AsyncLane("trio", server, tally, stack),
        ]
        leavings = Leavings(server, lanes)
        run_laps(lanes, leavings, streams, seed, seconds)
    took = time.monotonic() - began
    wait_for(lambda: (server.seen().open, open_sockets(), threading.active_count()) == (0, sockets, threads))
    gc.collect()
    seen = server.seen(runs=True)
    lines = [
        Line("wrong streams", tally.wrong["all"]),
        Line("streams that the server ran twice", len(seen.twice)),
        *leavings.lines(),
        Line("sockets left at the end", open_sockets() - sockets),
        Line("threads left at the end", threading.active_count() - threads),
        Line("connections left at the server", seen.open),
        Line("streams dropped unclosed that warned", complaints.unclosed, tally.dropped),
        Line("other warnings, unraisable exceptions, logged errors", complaints.others),
    ]
    server.stop()
    ran = tally.streams["all"]
    print(f"{ran:,} of {streams:,} streams in {took:.0f} s ({ran / took:.0f}/s), seed {seed}, ", end="")
    print(f"Python {python_version()}, {os.cpu_count()} cores\n")
    print_streams(tally)
    return print_lines(lines, leavings.memory)


def run_laps(
    lanes: list[SyncLane | AsyncLane], leavings: Leavings, streams: int, seed: int, seconds: float
) -> None:
    """Lap after lap, each with a look at what is left; short runs have short laps, to have enough of them."""
    until = time.monotonic() + seconds
    size = min(750, max(100, 5 * int(seconds)))
    for first in range(0, streams, size):
        if time.monotonic() > until:
            return
        plans = [plan(seed, number) for number in range(first, min(first + size, streams))]
        working: list[Future[None]] = []
        for lane in lanes:
            working += lane.start(iter([each for each in plans if each.lane == lane.name]), until)
        for worker in working:
            worker.result()
        leavings.measure()
        if sys.stderr.isatty():
            print(f"  {min(first + size, streams):,} streams …", end="\r", file=sys.stderr)


# --- what is left behind ------------------------------------------------------------------------------


class Leavings:
    """What is there when all is quiet and should not be; of each the most that any lap left."""

    _LEFT = ("connections still busy", "sockets without a connection", "tasks left", "sessions in memory")

    def __init__(self, server: Server, lanes: list[SyncLane | AsyncLane]) -> None:
        self.memory: list[int] = []
        self._server = server
        self._lanes = lanes
        self._sockets_before = open_sockets()
        self._most = [0] * len(self._LEFT)

    def measure(self) -> None:
        """After a lap."""
        for lane in self._lanes:
            lane.ping()
        wait_for(lambda: not any(self._counts()))
        self._most = [max(pair) for pair in zip(self._most, self._counts(), strict=True)]
        self.memory.append(memory())

    def lines(self) -> list[Line]:
        return [Line(f"{what} after a lap", most) for what, most in zip(self._LEFT, self._most, strict=True)]

    def _counts(self) -> list[int]:
        gc.collect()
        ours = open_sockets() - self._sockets_before
        seen = self._server.seen()
        tasks = sum(lane.tasks() for lane in self._lanes)
        sessions = sum(isinstance(one, Session) for one in gc.get_objects())
        return [seen.busy, max(0, ours - seen.open), tasks, sessions]


class Complaints(logging.Handler):
    """What Python complains about: warnings, unraisable exceptions, dying threads, errors that event loops
    log. Streams that were dropped unclosed are counted apart."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.unclosed = 0
        self.others = 0
        logging.getLogger().addHandler(self)
        warnings.simplefilter("always")
        warnings.showwarning = self._warned
        sys.unraisablehook = self._raised
        threading.excepthook = self._raised

    def emit(self, record: logging.LogRecord) -> None:
        self._note(self.format(record))

    def _warned(self, message: Warning | str, *_: Any, **__: Any) -> None:
        if isinstance(message, ResourceWarning) and str(message).startswith("unclosed stream of flow"):
            self.unclosed += 1
        else:
            self._note(repr(message))

    def _raised(self, what: Any) -> None:
        self._note("".join(traceback.format_exception(what.exc_type, what.exc_value, what.exc_traceback)))

    def _note(self, text: str) -> None:
        self.others += 1
        print(f"COMPLAINT: {text}", flush=True)


def wait_for(quiet: Any) -> None:
    """Wait for what goes away by itself; what does not will be counted."""
    ends = time.monotonic() + QUIET_SECONDS
    while not quiet() and time.monotonic() < ends:
        time.sleep(0.02)


def open_sockets() -> int:
    """Of this process."""
    found = 0
    for file in Path("/proc/self/fd").iterdir():
        try:
            found += str(file.readlink()).startswith("socket:")
        except OSError:  # the one that reads the directory
            continue
    return found


def _use_one_heap() -> None:
    """glibc gives each thread a heap of its own, which fragments for hours: that is no growth of ours."""
    m_arena_max = -8
    if hasattr(ctypes.CDLL(None), "mallopt"):
        ctypes.CDLL(None).mallopt(m_arena_max, 1)


def memory() -> int:
    """Bytes of this process in RAM, when garbage is collected and free pages of the heap are given back."""
    gc.collect()
    if hasattr(ctypes.CDLL(None), "malloc_trim"):
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(samples: list[int]) -> float | None:
    """From the mean of the middle third to that of the last; None where there are too few samples.

    The first third is warming up: caches fill, pools and heaps reach their size.
    """
    third = len(samples) // 3
    if third < 3:
        return None
    return mean(samples[-third:]) / mean(samples[-2 * third : -third]) - 1


# --- the table ----------------------------------------------------------------------------------------


class Line(NamedTuple):
    """What was counted, and what is right."""

    what: str
    found: int
    right: int = 0


def print_streams(tally: Tally) -> None:
    for group in sorted(tally.streams):
        print(f"  {group:<54}{tally.streams[group]:>8,}{tally.wrong[group]:>8,} wrong")
    for title, counts in (("ended", tally.outcomes), ("cancelled while", tally.phases)):
        for name, count in counts.most_common():
            print(f"  {f'{title}: {name}':<54}{count:>8,}")
    seconds, slowest = tally.slowest_stop
    print(f"  {'slowest cancellation, seconds':<54}{seconds:>8.2f}   {slowest}\n")


def print_lines(lines: list[Line], memory: list[int]) -> bool:
    for line in lines:
        verdict = "" if line.found == line.right else f"   WRONG: not {line.right:,}"
        print(f"  {line.what:<54}{line.found:>8,}{verdict}")
    grown = growth(memory)
    steady = grown is not None and grown <= MOST_GROWTH
    shown = "unknown" if grown is None else f"{100 * grown:+.2f} %"
    wrong = "fewer than nine laps do not tell" if grown is None else f"more than {100 * MOST_GROWTH:.0f} %"
    verdict = "" if steady else f"   WRONG: {wrong}"
    print(f"  {'memory, last third of the laps to the middle third':<54}{shown:>8}{verdict}")
    print("  memory after each lap, MB: " + " ".join(f"{size / 1e6:.1f}" for size in memory))
    return steady and all(line.found == line.right for line in lines)


if __name__ == "__main__":
    sys.exit(main())
