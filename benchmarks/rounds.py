"""The workloads: what each contestant is asked, in rounds that are interleaved.

In: a workload and contestants. Out: for each contestant the figure of every measure. How they are shown
belongs to `report.py`.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from .contestants import Entry
from .crowd import resident_bytes
from .processes import Process, Server, running, serving, working
from .start import PROGRAMS
from .stats import Figure, figure

Measures = dict[str, float]
Measure = Callable[[Entry, Process], Measures]


@dataclass(frozen=True)
class Outcome:
    """What a workload showed: contestant → measure → figure, and the server's CPU per chunk, µs."""

    figures: dict[str, dict[str, Figure]]
    server: float | None = None


def decode(entry: Entry, process: Process) -> Measures:
    """No network: bodies of 20,000 chunks in pieces of 64 KiB."""
    count, found = 20_000, {}
    for shape in ("tokens", "objects"):
        answer = process.ask("decode", shape=shape, count=count, times=2)
        found[f"{shape}, ns"] = answer["cpu"] / checked(answer, count * 2) * 1e9
    return found


def bulk(entry: Entry, process: Process) -> Measures:
    """10,000 chunks at once, each an HTTP chunk of its own."""
    count, found = (2_000 if entry.slow else 10_000), {}
    for shape in ("tokens", "objects"):
        if shape == "objects" and entry.slow:
            continue
        answer = process.ask("count", path=f"genkit/bulk/{shape}/{count}", shape=shape, times=1)
        found[f"{shape}, µs"] = answer["cpu"] / checked(answer, count) * 1e6
        found[f"{shape}, wall µs"] = answer["wall"] / count * 1e6
    return found


def paced(entry: Entry, process: Process) -> Measures:
    """One chunk each millisecond."""
    count = 200
    answer = process.ask("count", path=f"genkit/paced/tokens/{count}", shape="tokens", times=1)
    return {"µs": answer["cpu"] / checked(answer, count) * 1e6, "wall µs": answer["wall"] / count * 1e6}


def first(entry: Entry, process: Process) -> Measures:
    """Warm: the time from the call to its first chunk, and the CPU of the whole call."""
    answer = process.ask("first", path="genkit/bulk/tokens/1", shape="tokens", times=100)
    return {"µs": median(answer["waits"]) * 1e6, "CPU, µs": answer["cpu"] / len(answer["waits"]) * 1e6}


def huge(entry: Entry, process: Process) -> Measures:
    """One event of 8 MiB, and one of 64, in HTTP chunks of 64 KiB."""
    found = {}
    for size in (8, 64):
        if size == 8 or not entry.quadratic:
            answer = process.ask("count", path=f"genkit/huge/0/{size << 20}", shape="tokens", times=1)
            found[f"{size} MiB, ms"] = answer["cpu"] / checked(answer, 1) * 1e3
    return found


def many(entry: Entry) -> Measures:
    """1 to 2,000 streams in one client, and chunks for all of them in turn."""
    with serving() as server, working(entry, server.url) as process:
        return {
            f"{name} @ {count:,}": value
            for count, found in crowd(server, process, (1, 100, 1_000, 2_000)).items()
            for name, value in found.items()
            if not name.startswith("server")
        }


def websocket(entry: Entry) -> Measures:
    """1,000 streams in one client, against a server that speaks WebSocket too."""
    with serving("aiohttp_server") as server, working(entry, server.url) as process:
        return crowd(server, process, (10, 1_000))[1_000]


RATE = 2_000  # chunks a second, in all
FLOW = 1.0  # seconds that they flow


def crowd(server: Server, process: Process, counts: tuple[int, ...]) -> dict[int, Measures]:
    """What so many streams cost; the first number warms up, and memory is counted from there on."""
    found: dict[int, Measures] = {}
    base, server_base = 0, 0
    for count in counts:
        opened = process.ask("open", count=count, last=min(100, count))
        before = server.usage()[0]
        flow = process.ask("flow", rounds=max(1, int(RATE * FLOW) // count), rate=RATE)
        server_cpu, server_bytes = server.usage()[0] - before, resident_bytes(server.process.pid)
        found[count] = {
            "µs": flow["cpu"] / flow["chunks"] * 1e6,
            "server, µs": server_cpu / flow["chunks"] * 1e6,
        }
        if base:
            found[count]["to open, µs"] = opened["cpu"] / opened["opened"] * 1e6
            more = count - counts[0]
            found[count]["KiB"] = (flow["bytes"] - base) / more / 1024
            found[count]["server, KiB"] = (server_bytes - server_base) / more / 1024
        else:
            base, server_base = flow["bytes"], server_bytes
    process.ask("leave")
    return found


def checked(answer: dict[str, Any], least: int) -> int:
    """How many chunks it was.

    Raises:
        RuntimeError: some are missing.
    """
    if answer["chunks"] < least:
        raise RuntimeError(f"{answer['chunks']} chunks instead of {least}")
    return least


MEASURES: dict[str, Measure] = {"decode": decode, "bulk": bulk, "paced": paced, "first": first, "huge": huge}
APART: dict[str, Callable[[Entry], Measures]] = {"many": many, "websocket": websocket}
WORKLOADS = [*MEASURES, *APART, "start"]


def run(workload: str, entries: Iterable[Entry], rounds: int, tell: Callable[[str], None]) -> Outcome:
    """All rounds of a workload."""
    if workload == "start":
        with serving() as server:
            return Outcome(
                gathered(rounds, tell, {name: partial(start, name, server.url) for name in PROGRAMS})
            )
    if workload in APART:
        measure = APART[workload]
        return Outcome(gathered(rounds, tell, {entry.name: partial(measure, entry) for entry in entries}))
    return together(MEASURES[workload], entries, rounds, tell)


def together(measure: Measure, entries: Iterable[Entry], rounds: int, tell: Callable[[str], None]) -> Outcome:
    """Rounds of processes that live all the time, and are warm before."""
    with serving() as server, ExitStack() as stack:
        works = {entry.name: work_of(measure, entry, server.url, stack) for entry in entries}
        before = server.usage()
        figures = gathered(rounds, tell, works)
        cpu, sent = (now - then for now, then in zip(server.usage(), before, strict=True))
    return Outcome(figures, cpu / sent * 1e6 if sent else None)


def work_of(measure: Measure, entry: Entry, url: str, stack: ExitStack) -> Callable[[], Measures]:
    """What a round of one contestant is; whoever works in a process that stays is warm."""
    if entry.anew:
        return partial(in_new_process, measure, entry, url)
    process = stack.enter_context(working(entry, url))
    warm_up(measure, entry, process)
    return partial(measure, entry, process)


def in_new_process(measure: Measure, entry: Entry, url: str) -> Measures:
    """A round in a process that has seen no more than one before."""
    with working(entry, url) as process:
        warm_up(measure, entry, process)
        return measure(entry, process)


def warm_up(measure: Measure, entry: Entry, process: Process) -> None:
    """Rounds that do not count."""
    for _ in range(entry.warm_up - 1):
        bulk(entry, process)
    measure(entry, process)


def gathered(
    rounds: int, tell: Callable[[str], None], works: Mapping[str, Callable[[], Measures]]
) -> dict[str, dict[str, Figure]]:
    """The figures of interleaved rounds."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(rounds):
        for name, work in works.items():
            tell(f"round {number + 1} of {rounds}: {name}")
            for measure, value in work().items():
                found[name][measure].append(value)
    return {
        name: {measure: figure(values) for measure, values in measures.items()}
        for name, measures in found.items()
    }


def start(program: str, url: str) -> Measures:
    """From nothing to the first chunk, and one more client."""
    with running(sys.executable, "-m", "benchmarks.start", program, url) as process:
        measures: Measures = json.loads(process.line())
    return measures
