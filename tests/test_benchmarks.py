"""The benchmarks' own pure pieces: figures, promises, page, picture; and the floor, which must not cheat."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bodies import END, chunked, event, events, huge, last_event, pieces
from benchmarks.contestants import ENTRIES, chosen
from benchmarks.contestants.floor import Reader
from benchmarks.picture import PANELS, picture
from benchmarks.report import SECTIONS, page, promises, table
from benchmarks.rounds import WORKLOADS
from benchmarks.server import body_is_whole
from benchmarks.start import PROGRAMS
from benchmarks.stats import Figure, figure, number
from benchmarks.targets import TARGETS, Figures, Point, Target
from pure_calls import cut_at, repeatable

# --- figures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.012, "0.0120"),
        (0.9996, "1.00"),
        (2.5, "2.50"),
        (33.96, "34.0"),
        (340, "340"),
        (999.6, "1,000"),
        (1034.4, "1,034"),
        (1_255_432, "1,255,000"),
    ],
)
def test_three_digits_count(value: float, text: str) -> None:
    assert number(value) == text


def test_a_figure_is_the_median_and_its_spread() -> None:
    assert figure([3, 1, 9]) == Figure(3, 1, 9)
    assert str(figure([2.5, 1.5])) == "2.00 (1.50-2.50)"


# --- promises ----------------------------------------------------------------------------------------


def flat(value: float) -> Figure:
    return Figure(value, value, value)


OURS, OTHER = Point("bulk", "ours-sync", "tokens, µs"), Point("bulk", "floor-sync", "tokens, µs")
FIGURES: Figures = {"bulk": {"ours-sync": {"tokens, µs": flat(3)}, "floor-sync": {"tokens, µs": flat(2)}}}


@pytest.mark.parametrize(
    ("target", "ratio", "is_met"),
    [
        (Target("x", OURS, OTHER, at_most=1.5), 1.5, True),
        (Target("x", OURS, OTHER, at_most=1.4), 1.5, False),
        (Target("x", OURS, OTHER, at_least=1.5), 1.5, True),
        (Target("x", OURS, OTHER, at_least=1.6), 1.5, False),
        (Target("x", OURS, at_most=5), 3, True),
    ],
)
def test_a_promise_is_a_ratio_of_medians(target: Target, ratio: float, is_met: bool) -> None:
    assert target.ratio(FIGURES) == ratio
    assert target.is_met(ratio) is is_met


def test_a_promise_that_was_not_measured_is_no_promise_kept() -> None:
    target = Target("x", OURS, Point("bulk", "openai-sync", "tokens, µs"), at_most=1)
    assert target.ratio(FIGURES) is None


def takes_part(workload: str, contestant: str) -> bool:
    if workload == "start":
        return contestant in PROGRAMS
    return workload in ENTRIES[contestant].does


def test_promises_and_panels_are_of_those_who_take_part() -> None:
    points = [point for target in TARGETS for point in (target.top, target.bottom) if point is not None]
    assert all(takes_part(point.workload, point.contestant) for point in points)
    assert all(takes_part(panel.workload, bar.contestant) for panel in PANELS for bar in panel.bars)
    assert set(SECTIONS) == set(WORKLOADS)


def test_some_are_chosen_by_name_or_by_how_their_names_begin() -> None:
    assert [entry.name for entry in chosen("floor,ours-sync", "bulk")] == [
        "floor-sync",
        "floor-async",
        "ours-sync",
    ]
    assert [entry.name for entry in chosen("floor", "many")] == ["floor-async"]
    with pytest.raises(ValueError, match="no contestant 'flor'; there are floor-sync"):
        chosen("flor", "bulk")


# --- page and picture --------------------------------------------------------------------------------


def everything() -> dict[str, dict[str, dict[str, Figure]]]:
    """A figure for every promise and bar."""
    found: dict[str, dict[str, dict[str, Figure]]] = {}
    points = [point for target in TARGETS for point in (target.top, target.bottom) if point is not None]
    points += [Point(panel.workload, bar.contestant, panel.measure) for panel in PANELS for bar in panel.bars]
    for point in points:
        found.setdefault(point.workload, {}).setdefault(point.contestant, {})[point.measure] = flat(50)
    return found


def test_the_page_has_every_promise_and_says_which_are_missed() -> None:
    text = page(everything(), {"bulk": 0.04}, {"Python": "3.11"}, {"httpx": "0.28.1"})
    assert all(f"| {target.what} |" in text for target in TARGETS)
    assert "| at most 0.12 | 1.00 | **missed** |" in text
    assert "| at most 1.4 | 1.00 | met |" in text
    assert "not measured" not in text
    assert "not measured" in page(FIGURES, {}, {}, {})


def test_a_terminal_gets_the_promises_that_were_measured() -> None:
    assert "not measured" not in promises(FIGURES, whole=False)
    assert "raw socket" in promises(FIGURES, whole=False)
    assert table("bulk", FIGURES["bulk"]).splitlines()[2].split()[-2:] == ["3.00", "(3.00-3.00)"]


SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_has_a_bar_for_every_figure_and_says_where_one_is_cut() -> None:
    figures = everything()
    bars = [bar for panel in PANELS for bar in panel.bars]
    root = ET.fromstring(picture(figures))
    assert len(root.findall(f"{SVG}rect")) == len(bars)
    cut = [panel for panel in PANELS if panel.limit is not None and panel.limit < 50]
    assert picture(figures).count("→") == sum(len(panel.bars) for panel in cut)
    right = max(float(bar.attrib["x"]) + float(bar.attrib["width"]) for bar in root.findall(f"{SVG}rect"))
    assert right < float(root.attrib["width"])


def test_a_panel_without_figures_is_left_out() -> None:
    root = ET.fromstring(picture(FIGURES))
    assert len(root.findall(f"{SVG}rect")) == 2


# --- bytes -------------------------------------------------------------------------------------------


def answer(parts: list[bytes]) -> bytes:
    return b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n" + b"".join(map(chunked, parts)) + END


@repeatable
@given(st.lists(st.integers(0, 2000)))
def test_the_floor_reads_the_same_however_its_reads_are_cut(points: list[int]) -> None:
    reader, found = Reader("tokens"), []
    for piece in cut_at(answer(events("tokens", 20)), points):
        assert not reader.ended
        found += reader.feed(piece)
    assert reader.ended
    assert found == [{"message": f"tok {index}"} for index in range(20)]


def test_the_floor_reads_an_event_of_many_chunks() -> None:
    reader, found = Reader("tokens"), []
    for piece in pieces([answer([*pieces(huge(1000), 64)])], 50):
        found += reader.feed(piece)
    assert found == [{"message": "x" * 1000}]


def test_events_are_what_the_servers_write() -> None:
    assert event("genkit", "tokens", 7) == b'data: {"message":"tok 7"}\n\n'
    assert b'"delta":{"content":"tok 7"}' in event("openai", "tokens", 7)
    assert last_event("openai") == b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("head", "body", "whole"),
    [
        (b"GET /usage HTTP/1.1\r\nHost: h", b"", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 2", b"1", False),
        (b"POST / HTTP/1.1\r\ncontent-length: 2", b"12", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", b"1\r\nx\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", b"1\r\nx\r\n0\r\n\r\n", True),
    ],
)
def test_the_server_answers_whole_requests(head: bytes, body: bytes, whole: bool) -> None:
    assert body_is_whole(head, body) is whole
