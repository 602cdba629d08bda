"""The matrix of servers and behaviours as Markdown, for `docs/servers.md` and for the end of `make interop`.

In: what each cell says. Out: text. Run as a program, it writes the expected matrix into `docs/servers.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

from interop_behaviours import BEHAVIOURS, title_of
from interop_expected import SERVERS, Cell, expected

PAGE = Path(__file__).resolve().parents[2] / "docs" / "servers.md"
BEGIN = "<!-- the matrix: written by tests/interop/interop_matrix.py -->"
END = "<!-- end of the matrix -->"

Look = Callable[[str, str], Cell | None]


def matrix(look: Look) -> str:
    """A table for each family of servers; under it, why its cells are not what one would wish for."""
    return "\n".join(
        line
        for family, servers in groupby(SERVERS, key=lambda server: server.family)
        for line in _table(family, [server.name for server in servers], look)
    )


def measured_matrix(cells: Iterable[tuple[str, str, str]]) -> str:
    """The matrix of a run, from behaviours, servers and what these did; and how many cells it has."""
    measured = {(behaviour, server): told for behaviour, server, told in cells}

    def look(behaviour: str, server: str) -> Cell | None:
        told = measured.get((behaviour, server))
        if told is None:
            return None
        cell = expected(behaviour, server)
        return cell if cell.does == told else Cell(f"**{told}**", f"Expected: {cell.does}")

    count = f"{len(measured)} of {len(SERVERS) * len(BEHAVIOURS)}"
    return f"{matrix(look)}\ncells of the interoperability matrix: {count} measured"


def _table(family: str, servers: list[str], look: Look) -> Iterator[str]:
    notes: list[str] = []
    yield f"### {family}\n"
    yield _row(["", *servers])
    yield _row(["---"] * (len(servers) + 1))
    for name in BEHAVIOURS:
        yield _row([title_of(name), *(_told(look(name, server), notes) for server in servers)])
    yield ""
    for number, note in enumerate(notes, 1):
        yield f"{number}. {note}"
    if notes:
        yield ""


def _told(cell: Cell | None, notes: list[str]) -> str:
    if cell is None:
        return "NOT RUN"
    if not cell.why:
        return cell.does
    if cell.why not in notes:
        notes.append(cell.why)
    return f"{cell.does} ({notes.index(cell.why) + 1})"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def page_with_matrix(page: str) -> str:
    """The page, its matrix written anew."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{matrix(expected)}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page_with_matrix(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
