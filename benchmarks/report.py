"""Figures as text: tables for a terminal, and the page of results. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .contestants import ENTRIES
from .stats import Figure, number
from .targets import TARGETS, Figures, Target

Rows = Mapping[str, Mapping[str, Figure]]


@dataclass(frozen=True)
class Section:
    """What a workload is called, and what was measured."""

    title: str
    about: str


SECTIONS = {
    "decode": Section("Decode", "Bodies in memory, 64 KiB at a time. CPU per chunk."),
    "bulk": Section(
        "Bulk",
        "10,000 chunks sent at once (to openai 2,000), each an HTTP chunk of its own. CPU per chunk; beside "
        "it the wall time.",
    ),
    "paced": Section("Paced", "One chunk each millisecond. CPU per chunk; beside it the wall time."),
    "first": Section(
        "Warm, to the first chunk",
        "Wall time from the call to its first chunk over an open connection; CPU of the whole call: one "
        "chunk and a result.",
    ),
    "huge": Section(
        "One large event",
        "In HTTP chunks of 64 KiB. CPU. The few lines around urllib3 are quadratic: 64 MiB would take a "
        "minute. sseclient-py reads 128 bytes at a time from requests, and takes minutes for 8 MiB.",
    ),
    "many": Section(
        "Many streams in one asynchronous client",
        "2,000 chunks a second in all. CPU of the client per chunk, CPU to open one more stream when so many "
        "are open, memory of the client per open stream.",
    ),
    "websocket": Section(
        "WebSocket beside server-sent events",
        "1,000 streams, 2,000 chunks a second in all, aiohttp's server for both. CPU per chunk and memory "
        "per open stream, of the client and of the server.",
    ),
    "start": Section(
        "Start",
        "CPU of a fresh process: the bare import; a client; a stream of one chunk over plain HTTP; one more "
        "client; imports with the names that are used, which some libraries load only then; the sum of all "
        "steps to the first chunk.",
    ),
}

HOW = (
    "Written by `make bench`. What is measured, and how, stands in [`__init__.py`](__init__.py) and "
    "[`rounds.py`](rounds.py). Medians of interleaved rounds, with the least and the most of them in "
    "brackets; less is better."
)


def label(name: str) -> str:
    """What readers call it."""
    return ENTRIES[name].label if name in ENTRIES else name


# --- for a terminal -----------------------------------------------------------------------------------


def table(title: str, rows: Rows) -> str:
    """A workload's figures."""
    return "\n".join(
        _table(f"{title} {kind}".strip(), columns, rows) for kind, columns in kinds_of(rows).items()
    )


def _table(title: str, columns: list[str], rows: Rows) -> str:
    width = max(map(len, [title, *map(label, rows)]))
    lines = [f"\n{title:{width}}" + "".join(f"{name:>24}" for name in columns)]
    for name, measures in rows.items():
        cells = "".join(f"{_cell(measures, column):>24}" for column in columns)
        lines.append(f"{label(name):{width}}{cells}")
    return "\n".join(lines)


def _cell(measures: Mapping[str, Figure], column: str) -> str:
    return str(measures[column]) if column in measures else ""


def kinds_of(rows: Rows) -> dict[str, list[str]]:
    """Measures by kind: those at several numbers of streams fill a table for each kind."""
    found: dict[str, list[str]] = {}
    for measure in dict.fromkeys(name for measures in rows.values() for name in measures):
        kind = measure.partition(" @ ")[0] if " @ " in measure else ""
        found.setdefault(kind, []).append(measure)
    return found


# --- the page -----------------------------------------------------------------------------------------


def page(
    figures: Figures, server: Mapping[str, float], facts: Mapping[str, str], versions: Mapping[str, str]
) -> str:
    """All of it, as Markdown."""
    parts = [
        "# Results",
        HOW,
        _list(facts),
        ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        "![CPU and memory of streams](results.svg)",
        "## What has to hold",
        "Ratios of medians of this run.",
        promises(figures, whole=True),
    ]
    for workload, rows in figures.items():
        section = SECTIONS[workload]
        parts += [f"## {section.title}", section.about]
        parts += [_markdown(kind, columns, rows) for kind, columns in kinds_of(rows).items()]
    parts += ["## The server", _server(figures, server)]
    return "\n\n".join(parts) + "\n"


def _list(words: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in words.items())


def promises(figures: Figures, *, whole: bool) -> str:
    """Each promise, its ratio, and whether it is kept; where not all was measured, some only."""
    lines = ["| | Bound | Measured | |", "|---|---|---|---|"]
    for target in TARGETS:
        ratio = target.ratio(figures)
        if ratio is not None:
            lines.append(
                f"| {target.what} | {_bound(target)} | {number(ratio)} | {_verdict(target, ratio)} |"
            )
        elif whole:
            lines.append(f"| {target.what} | {_bound(target)} | - | not measured |")
    return "\n".join(lines)


def _bound(target: Target) -> str:
    return f"at most {target.at_most:g}" if target.at_most is not None else f"at least {target.at_least:g}"


def _verdict(target: Target, ratio: float) -> str:
    return "met" if target.is_met(ratio) else "**missed**"


def _markdown(kind: str, columns: list[str], rows: Rows) -> str:
    heads = " | ".join(column.removeprefix(f"{kind} ") for column in columns)
    lines = [f"| {kind or ' '} | {heads} |", "|---|" + "---|" * len(columns)]
    for name, measures in rows.items():
        cells = " | ".join(_cell(measures, column) or "-" for column in columns)
        lines.append(f"| {label(name)} | {cells} |")
    return "\n".join(lines)


def _server(figures: Figures, server: Mapping[str, float]) -> str:
    """Why it is not what was measured."""
    sink = figures.get("bulk", {}).get("sink", {}).get("tokens, wall µs")
    costs = ", ".join(f"{number(cost)} µs of CPU per chunk ({name})" for name, cost in server.items())
    rate = f" A socket that only reads gets a chunk each {number(sink.median)} µs in bulk." if sink else ""
    return (
        f"It is a process of its own, and sends bytes that were made before: {costs}.{rate} CPU is counted "
        "in the client's process alone. That paced chunks come each millisecond shows in their wall time."
    )
