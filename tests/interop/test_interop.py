"""The library against real servers: `make interop`.

Each cell of the matrix is one test: a behaviour of `interop_behaviours.py` asked of a server of
`interop_servers.py` by `Client` and by `AsyncClient`; it must end as `interop_expected.py` has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from interop_behaviours import BEHAVIOURS, Lane
from interop_expected import SERVERS, expected
from interop_servers import App, AppError, Running, Server, start

from drivers import DRIVERS

Starter = Callable[[App, bool], Running]
SOME_DRIVERS = DRIVERS[:2]  # the transport is one; what servers do differently it sees the same on trio


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Starts an app, in development mode or not; once, and until the tests end."""
    apps: dict[tuple[str, bool], Running | AppError] = {}
    with ExitStack() as stack:

        def get(app: App, dev: bool) -> Running:
            if (app.name, dev) not in apps:
                folder = tmp_path_factory.mktemp(app.name) / "work"
                try:
                    apps[app.name, dev] = stack.enter_context(start(app, folder, dev=dev))
                except AppError as error:
                    apps[app.name, dev] = error  # the next cell need not wait for it again
            running = apps[app.name, dev]
            if isinstance(running, AppError):
                raise running
            return running

        yield get


CELLS = [
    pytest.param(server, name, id=f"{server.name}-{name}", marks=pytest.mark.xdist_group(server.app.name))
    for server in SERVERS
    for name in BEHAVIOURS
]


@pytest.mark.interop
@pytest.mark.parametrize(("server", "name"), CELLS)
def test_a_server_does_as_the_matrix_says(
    server: Server, name: str, running: Starter, record_property: Callable[[str, object], None]
) -> None:
    reflects = server.protocol == "reflection"
    twin = running(server.app, True) if server.describes == "reflection" else None
    app = twin if reflects and twin is not None else running(server.app, False)
    seen = [BEHAVIOURS[name](Lane(server, app, twin, driver)) for driver in SOME_DRIVERS]
    told = seen[0] if len(set(seen)) == 1 else " | ".join(seen)
    record_property("cell", [name, server.name, told])
    assert told == expected(name, server.name).does
