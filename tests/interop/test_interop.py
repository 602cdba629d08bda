"""The library against real servers: `make interop`.

Each cell of the matrix is one test: a behaviour of `interop_behaviours.py` asked of a server of
`interop_servers.py` by `Client` and by `AsyncClient`; it must end as `interop_expected.py` has it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers import DRIVERS, Driver
from interop_behaviours import BEHAVIOURS, WEARING, Lane
from interop_expected import SERVERS, expected
from interop_servers import Apps, Server

SOME_DRIVERS = DRIVERS[:2]  # the transport is one; what servers do differently it sees the same on trio


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
