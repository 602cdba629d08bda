"""The workloads: what each contestant is asked, in rounds that are interleaved.

In: a workload and contestants. Out: for each contestant the figure of every measure. How they are shown
belongs to `report.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from .contestants import Entry
from .processes import Process, serving, worker
from .stats import Figure, figure

Measures = dict[str, float]
Measure = Callable[[Entry, Process], Measures]


@dataclass(frozen=True)
class Outcome:
    """What a workload showed: contestant → measure → figure, and the server's part."""

    figures: dict[str, dict[str, Figure]]
    server: dict[str, float]


def decode(entry: Entry, process: Process) -> Measures:
    """No network: bodies of 20,000 chunks in pieces of 64 KiB."""
    count, found = 20_000, {}
    for shape in ("tokens", "objects"):
        answer = process.ask("decode", shape=shape, count=count, times=2)
        found[f"{shape} ns"] = answer["cpu"] / checked(answer, count * 2) * 1e9
    return found


def bulk(entry: Entry, process: Process) -> Measures:
    """10,000 chunks at once, each an HTTP chunk of its own."""
    count, found = (2_000 if entry.slow else 10_000), {}
    for shape in ("tokens", "objects"):
        if shape == "objects" and entry.slow:
            continue
        answer = process.ask("count", path=f"genkit/bulk/{shape}/{count}", shape=shape, times=1)
        found[f"{shape} us"] = answer["cpu"] / checked(answer, count) * 1e6
    return found


def paced(entry: Entry, process: Process) -> Measures:
    """One chunk each millisecond."""
    count = 1_000
    answer = process.ask("count", path=f"genkit/paced/tokens/{count}", shape="tokens", times=1)
    return {"us": answer["cpu"] / checked(answer, count) * 1e6}


def first(entry: Entry, process: Process) -> Measures:
    """Warm: the time from the call to its first chunk."""
    answer = process.ask("first", path="genkit/bulk/tokens/1", shape="tokens", times=100)
    return {"us": median(answer["waits"]) * 1e6}


def checked(answer: dict[str, Any], least: int) -> int:
    """How many chunks it was.

    Raises:
        RuntimeError: some are missing.
    """
    if answer["chunks"] < least:
        raise RuntimeError(f"{answer['chunks']} chunks instead of {least}")
    return least


MEASURES: dict[str, Measure] = {"decode": decode, "bulk": bulk, "paced": paced, "first": first}


def run(workload: str, entries: Iterable[Entry], rounds: int, tell: Callable[[str], None]) -> Outcome:
    """All rounds of a workload, and one before them that does not count."""
    measure = MEASURES[workload]
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with serving() as server, ExitStack() as stack:
        workers: list[tuple[Entry, Process]] = []
        for entry in entries:
            process = worker(entry.name, server.url)
            stack.callback(process.end)
            workers.append((entry, process))
        for entry, process in workers:
            measure(entry, process)
        before = server.usage()
        for number in range(rounds):
            tell(f"{workload}: round {number + 1} of {rounds}")
            for entry, process in workers:
                for name, value in measure(entry, process).items():
                    found[entry.name][name].append(value)
        cpu, sent = (now - then for now, then in zip(server.usage(), before, strict=True))
    figures = {
        entry: {name: figure(values) for name, values in kinds.items()} for entry, kinds in found.items()
    }
    return Outcome(figures, {"server us": cpu / sent * 1e6} if sent else {})
