"""The library against real servers: `make interop`.

Each cell of the matrix is one test: a behaviour of `interop_behaviours.py` asked of a server of
`interop_servers.py` by `Client` and by `AsyncClient`; it must end as `interop_expected.py` has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from drivers import DRIVERS, Driver
from interop_behaviours import BEHAVIOURS, WEARING, Lane
from interop_expected import SERVERS, expected
from interop_servers import App, AppError, Running, Server, start

SOME_DRIVERS = DRIVERS[:2]  # the transport is one; what servers do differently it sees the same on trio


class Apps:
    """The running apps of this process, each started once, when first needed."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._running: dict[tuple[App, bool], Running | AppError] = {}
        self._stops: dict[tuple[App, bool], ExitStack] = {}

    def get(self, app: App, *, dev: bool) -> Running:
        """Raises: AppError: it did not start, now or when it was tried first."""
        if (app, dev) not in self._running:
            stack = self._stops[app, dev] = ExitStack()
            try:
                folder = self._folders.mktemp(app.name) / "work"
                self._running[app, dev] = stack.enter_context(start(app, folder, dev=dev))
            except AppError as error:
                self._running[app, dev] = error
        running = self._running[app, dev]
        if isinstance(running, AppError):
            raise running
        return running

    def stop(self, app: App, *, dev: bool) -> None:
        """The next one who asks gets a new one."""
        self._stops.pop((app, dev)).close()
        del self._running[app, dev]

    def close(self) -> None:
        with ExitStack() as every:  # one that cannot be stopped must not keep the others
            for stack in self._stops.values():
                every.callback(stack.close)


@pytest.fixture(scope="session")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    with closing(Apps(tmp_path_factory)) as apps:
        yield apps


CELLS = [pytest.param(server, name, id=f"{server.name}-{name}") for server in SERVERS for name in BEHAVIOURS]


@pytest.mark.interop
@pytest.mark.parametrize(("server", "name"), CELLS)
def test_a_server_does_as_the_matrix_says(
    server: Server, name: str, apps: Apps, record_property: Callable[[str, object], None]
) -> None:
    seen: list[str] = []
    try:
        seen.extend(_asked(apps, server, name, driver) for driver in SOME_DRIVERS)
    finally:
        told = " | ".join(dict.fromkeys(seen)) or "an error"
        record_property("cell", [name, server.name, told])
    assert told == expected(name, server.name).does


def _asked(apps: Apps, server: Server, name: str, driver: Driver) -> str:
    twin = apps.get(server.app, dev=True) if server.describes == "reflection" else None
    running = apps.get(server.app, dev=server.protocol == "reflection")
    try:
        return BEHAVIOURS[name](Lane(server, running, twin, driver))
    finally:
        if server.fragile and name in WEARING:
            apps.stop(server.app, dev=False)
