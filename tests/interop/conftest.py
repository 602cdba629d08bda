"""Prints, after `make interop`, the matrix as it was measured."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The matrix of what every server did, in whichever process it was asked."""
    reports = [
        report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])
    ]
    measured = {
        (name, server): told
        for report in reports
        for key, (name, server, told) in report.user_properties
        if key == "cell"
    }
    if not measured:
        return
    from interop_behaviours import BEHAVIOURS
    from interop_expected import SERVERS, Cell, expected
    from interop_matrix import matrix

    def look(name: str, server: str) -> Cell | None:
        told = measured.get((name, server))
        if told is None:
            return None
        cell = expected(name, server)
        return cell if cell.does == told else Cell(told, f"expected: {cell.does}")

    terminalreporter.write_line(matrix(look))
    cells = len(SERVERS) * len(BEHAVIOURS)
    terminalreporter.write_line(f"cells of the interoperability matrix: {len(measured)} of {cells} measured")
