"""What is made of the figures of several rounds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """A median, and from where to where the rounds went."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.least)}-{number(self.most)})"


def figure(values: Sequence[float]) -> Figure:
    """Of at least one round."""
    return Figure(median(values), min(values), max(values))


def number(value: float) -> str:
    """Three digits that count: `1,255,000`, `34`, `2.53`, `0.0120`."""
    if value == 0:
        return "0"
    if abs(value) >= 999.5:
        return f"{float(f'{value:.4g}'):,.0f}"
    return f"{value:#.3g}".removesuffix(".")
