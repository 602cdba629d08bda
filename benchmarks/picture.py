"""Figures as a picture: bars in panels, as SVG that is readable on light and on dark ground. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Literal

from .stats import number
from .targets import Figures, Point

WIDTH, PANEL, NAMES, BAR, GAP, HEAD, MARGIN = 880, 424, 190, 15, 6, 48, 16
VALUES = 52  # room for a value behind the longest bar

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 13px }
.unit { fill: #57606a; font-size: 11px }
.ours { fill: #2563eb }
.other { fill: #b6bec8 }
.floor { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .unit { fill: #9aa4af }
  .ours { fill: #6ea8fe }
  .other { fill: #5b6570 }
}
"""

Kind = Literal["ours", "other", "floor"]


@dataclass(frozen=True)
class Bar:
    """A row of a panel."""

    name: str
    contestant: str

    @property
    def kind(self) -> Kind:
        if self.contestant.startswith("ours"):
            return "ours"
        return "floor" if self.contestant.startswith("floor") else "other"


@dataclass(frozen=True)
class Panel:
    """A title, the measure, and whose bars. Longer ones than `limit` are cut, and say so by an arrow."""

    title: str
    unit: str
    workload: str
    measure: str
    bars: tuple[Bar, ...]
    limit: float | None = None

    def values(self, figures: Figures) -> list[tuple[Bar, float]]:
        found = [
            (bar, Point(self.workload, bar.contestant, self.measure).value(figures)) for bar in self.bars
        ]
        return [(bar, value) for bar, value in found if value is not None]


_SYNC = (
    Bar("raw socket", "floor-sync"),
    Bar("streamflow_client", "ours-sync"),
    Bar("httpx + httpx-sse", "httpx-sse-sync"),
    Bar("httpx2 EventSource", "httpx2-sync"),
    Bar("requests + sseclient", "requests"),
    Bar("urllib3", "urllib3"),
    Bar("Genkit, JavaScript", "genkit-js"),
    Bar("openai", "openai-sync"),
)
_ASYNC = (
    Bar("raw asyncio", "floor-async"),
    Bar("streamflow_client", "ours-async"),
    Bar("streamflow_client, aiohttp", "ours-aiohttp"),
    Bar("httpx + httpx-sse", "httpx-sse-async"),
    Bar("httpx2 EventSource", "httpx2-async"),
    Bar("httpx over aiohttp", "httpx-aiohttp"),
    Bar("openai", "openai-async"),
)
_MANY = _ASYNC[:-1]

PANELS = (
    Panel("Many chunks at once, sync", "µs of CPU per chunk", "bulk", "tokens, µs", _SYNC, limit=20),
    Panel("Many chunks at once, async", "µs of CPU per chunk", "bulk", "tokens, µs", _ASYNC, limit=20),
    Panel("A chunk each millisecond, sync", "µs of CPU per chunk", "paced", "µs", _SYNC),
    Panel("A chunk each millisecond, async", "µs of CPU per chunk", "paced", "µs", _ASYNC),
    Panel("Memory of an open stream, 1,000 open", "KiB", "many", "KiB @ 1,000", _MANY),
    Panel("Opening one more stream, 2,000 open", "µs of CPU", "many", "to open, µs @ 2,000", _MANY),
)


def picture(figures: Figures) -> str:
    """The picture; panels of which nothing was measured are left out."""
    panels = [panel for panel in PANELS if panel.values(figures)]
    parts, top = [], MARGIN
    for left in range(0, len(panels), 2):
        pair = panels[left : left + 2]
        parts += [_panel(panel, figures, MARGIN + side * PANEL, top) for side, panel in enumerate(pair)]
        top += max(_height(panel, figures) for panel in pair)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
        f'role="img" aria-label="What streams cost in CPU and memory, by client">\n<style>{STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _height(panel: Panel, figures: Figures) -> int:
    return HEAD + len(panel.values(figures)) * (BAR + GAP) + MARGIN


def _panel(panel: Panel, figures: Figures, left: int, top: int) -> str:
    values = panel.values(figures)
    most = max(value for _, value in values)
    scale = (PANEL - NAMES - VALUES - MARGIN) / min(most, panel.limit or most)
    lines = [
        f'<text class="title" x="{left}" y="{top + 14}">{escape(panel.title)}</text>',
        f'<text class="unit" x="{left}" y="{top + 30}">{escape(panel.unit)}</text>',
    ]
    for row, (bar, value) in enumerate(values):
        is_cut = panel.limit is not None and value > panel.limit
        length = max(1.0, min(value, panel.limit or value) * scale)
        lines += _bar(bar, value, length, left, top + HEAD + row * (BAR + GAP), arrow=is_cut)
    return "\n".join(lines)


def _bar(bar: Bar, value: float, length: float, left: int, top: int, *, arrow: bool) -> list[str]:
    start, base = left + NAMES, top + BAR - 3
    text = f"{number(value)} →" if arrow else number(value)
    return [
        f'<text x="{start - 8}" y="{base}" text-anchor="end">{escape(bar.name)}</text>',
        f'<rect class="{bar.kind}" x="{start}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>',
        f'<text x="{start + length + 6:.1f}" y="{base}">{text}</text>',
    ]
