"""Figures as text. Pure."""

from __future__ import annotations

from .contestants import ENTRIES
from .rounds import Outcome


def label(name: str) -> str:
    """What readers call it."""
    return ENTRIES[name].label if name in ENTRIES else name


def table(workload: str, outcome: Outcome) -> str:
    """A workload's figures, for a terminal."""
    measures = list(dict.fromkeys(name for kinds in outcome.figures.values() for name in kinds))
    lines = [f"\n{workload:48}" + "".join(f"{name:>24}" for name in measures)]
    for entry, kinds in outcome.figures.items():
        cells = "".join(f"{kinds[name]!s:>24}" if name in kinds else " " * 24 for name in measures)
        lines.append(f"{label(entry):48}{cells}")
    lines += [f"{name:48}{value:>24.3g}" for name, value in outcome.server.items()]
    return "\n".join(lines)
