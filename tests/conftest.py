"""What every test may use."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from streamflow_client.transport import settings as settings_of_transport

if TYPE_CHECKING:
    from interop_servers import Apps

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it for what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("interop_behaviours")  # else its failures say no more than "AssertionError"

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


@pytest.fixture(scope="session")
def apps(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Apps]":
    """The apps of the tests against real servers, each started once a worker."""
    from interop_servers import Apps

    with closing(Apps(tmp_path_factory.mktemp)) as apps:
        yield apps


@pytest.fixture
def no_ssl_context() -> Iterator[None]:
    """The process begins without a context for TLS, and forgets what this test trusts."""
    settings_of_transport._ssl_context.cache_clear()
    yield
    settings_of_transport._ssl_context.cache_clear()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadscope` is by apps here: `make interop`."""
    if config.getvalue("dist") != "loadscope":
        return None
    from interop_schedule import ByApp

    return ByApp(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the two matrices came to, in whichever process their cells ran."""
    write = terminalreporter.write_line
    reports = [
        report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])
    ]
    faults = Counter(
        report.outcome for report in reports if "::test_a_call_ends_as_promised[" in report.nodeid
    )
    if faults:
        write(f"cells of the fault matrix: {', '.join(f'{count} {word}' for word, count in faults.items())}")
    measured = [value for report in reports for key, value in report.user_properties if key == "cell"]
    if measured:
        from interop_matrix import measured_matrix

        write(measured_matrix(measured))
