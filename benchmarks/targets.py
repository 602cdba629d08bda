"""What has to hold: ratios of medians within one run, each with its bound. Pure.

In: the figures of all workloads. Out: for each promise its ratio, and whether it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .stats import Figure

Figures = Mapping[str, Mapping[str, Mapping[str, Figure]]]
"""Workload → contestant → measure → figure."""


@dataclass(frozen=True)
class Point:
    """One figure: which workload, whose, and what."""

    workload: str
    contestant: str
    measure: str

    def value(self, figures: Figures) -> float | None:
        """Its median; None where it was not measured."""
        found = figures.get(self.workload, {}).get(self.contestant, {}).get(self.measure)
        return None if found is None else found.median


@dataclass(frozen=True)
class Target:
    """A promise.

    Attributes:
        what: in words.
        top: what is divided …
        bottom: … by what; by nothing, where the bound is one of `top` itself.
        at_most: the bound of the ratio …
        at_least: … whichever it has.
    """

    what: str
    top: Point
    bottom: Point | None = None
    at_most: float | None = None
    at_least: float | None = None

    def ratio(self, figures: Figures) -> float | None:
        """None where it was not measured."""
        top = self.top.value(figures)
        bottom = 1.0 if self.bottom is None else self.bottom.value(figures)
        return None if top is None or not bottom else top / bottom

    def is_met(self, ratio: float) -> bool:
        """Whether the ratio keeps the promise."""
        return (self.at_most is None or ratio <= self.at_most) and (
            self.at_least is None or ratio >= self.at_least
        )


def _cpu(
    what: str, workload: str, ours: str, other: str, at_most: float, measure: str = "tokens, µs"
) -> Target:
    """Ours takes at most so much of what another one takes."""
    top, bottom = Point(workload, ours, measure), Point(workload, other, measure)
    return Target(what, top, bottom, at_most=at_most)


_TODAY = "httpx, httpx-sse, pydantic"

_JS = "bulk tokens, against Genkit's JavaScript client"

TARGETS = (
    Target(
        "decode to typed, small chunks: times faster than httpx-sse + TypeAdapter",
        Point("decode", "httpx-sse-sync", "tokens, ns"),
        Point("decode", "ours-sync", "tokens, ns"),
        at_least=8,
    ),
    _cpu("decode to typed, against the floor", "decode", "ours-sync", "floor-sync", 1.4, "tokens, ns"),
    _cpu("bulk tokens, against httpx + httpx-sse: sync", "bulk", "ours-sync", "httpx-sse-sync", 0.12),
    _cpu("bulk tokens, against httpx + httpx-sse: async", "bulk", "ours-async", "httpx-sse-async", 0.12),
    _cpu(
        "bulk tokens, against a raw socket + one-pass validation: sync",
        "bulk",
        "ours-sync",
        "floor-sync",
        1.4,
    ),
    _cpu(
        "bulk tokens, against a raw socket + one-pass validation: async",
        "bulk",
        "ours-async",
        "floor-async",
        1.4,
    ),
    _cpu("paced, against httpx + httpx-sse: sync", "paced", "ours-sync", "httpx-sse-sync", 0.95, "µs"),
    _cpu("paced, against httpx + httpx-sse: asyncio", "paced", "ours-async", "httpx-sse-async", 0.70, "µs"),
    _cpu(
        "paced, against httpx + httpx-sse: async over aiohttp",
        "paced",
        "ours-aiohttp",
        "httpx-sse-async",
        0.50,
        "µs",
    ),
    _cpu("against openai's Stream: bulk, sync", "bulk", "ours-sync", "openai-sync", 0.03),
    _cpu("against openai's Stream: bulk, async", "bulk", "ours-async", "openai-async", 0.03),
    _cpu("against openai's Stream: paced, sync", "paced", "ours-sync", "openai-sync", 0.45, "µs"),
    _cpu("against openai's Stream: paced, async", "paced", "ours-async", "openai-async", 0.45, "µs"),
    _cpu(f"{_JS}, second stream of its process: sync", "bulk", "ours-sync", "genkit-js-first", 0.6),
    _cpu(f"{_JS}, second stream of its process: async", "bulk", "ours-async", "genkit-js-first", 0.6),
    _cpu(f"{_JS}, after 20 streams: sync", "bulk", "ours-sync", "genkit-js", 0.6),
    _cpu(f"{_JS}, after 20 streams: async", "bulk", "ours-async", "genkit-js", 0.6),
    Target(
        "one event of 64 MiB, against one of 8 MiB: sync",
        Point("huge", "ours-sync", "64 MiB, ms"),
        Point("huge", "ours-sync", "8 MiB, ms"),
        at_most=12,
    ),
    Target(
        "one event of 64 MiB, against one of 8 MiB: async",
        Point("huge", "ours-async", "64 MiB, ms"),
        Point("huge", "ours-async", "8 MiB, ms"),
        at_most=12,
    ),
    _cpu(
        "memory per open stream at 1,000, against bare httpx",
        "many",
        "ours-async",
        "iter-raw-async",
        1.0,
        "KiB @ 1,000",
    ),
    _cpu(
        "CPU to open a stream at 2,000, against bare httpx",
        "many",
        "ours-async",
        "iter-raw-async",
        0.25,
        "to open, µs @ 2,000",
    ),
    _cpu(
        "CPU per chunk with 1,000 paced streams, against httpx + httpx-sse",
        "many",
        "ours-async",
        "httpx-sse-async",
        0.6,
        "µs @ 1,000",
    ),
    _cpu(
        "warm, to the first chunk, against bare httpx: sync", "first", "ours-sync", "iter-raw-sync", 1.1, "µs"
    ),
    _cpu(
        "warm, to the first chunk, against bare httpx: async",
        "first",
        "ours-async",
        "iter-raw-async",
        1.1,
        "µs",
    ),
    _cpu("import, against httpx and pydantic", "start", "ours-sync", _TODAY, 1.15, "import, ms"),
    _cpu(
        "from nothing to the first chunk, against httpx, httpx-sse and pydantic",
        "start",
        "ours-sync",
        _TODAY,
        1.15,
        "to the first chunk, ms",
    ),
    Target("the second client of a process, ms", Point("start", "ours-sync", "second client, ms"), at_most=5),
)
