"""What every test may use."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

CAPTURES = Path(__file__).parent / "captures"

# A property holds or fails whatever the speed of the machine. All else is Hypothesis's default:
# where `CI` is set, it tries the same examples every time.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops, named, so that none is left out for not being installed."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def capture() -> Callable[[str], bytes]:
    """Read a file recorded from a real server: `capture("express-stream.http")`."""

    def read(name: str) -> bytes:
        return (CAPTURES / name).read_bytes()

    return read


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many cells of the fault matrix ended as promised, in whichever process they ran."""
    cells = {
        outcome: sum("::test_a_call_ends_as_promised[" in report.nodeid for report in reports)
        for outcome, reports in terminalreporter.stats.items()
        if outcome in {"passed", "failed"}
    }
    if any(cells.values()):
        told = ", ".join(f"{count} {outcome}" for outcome, count in cells.items() if count)
        terminalreporter.write_line(f"cells of the fault matrix: {told}")
