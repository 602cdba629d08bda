"""Which worker a cell of the matrix runs on.

In: the cells as pytest names them. Out: a schedule by which each app runs on one worker only: two would start
all of them twice. Not here: how apps are started.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # it has no py.typed

from interop_expected import SERVERS

_APPS = {server.name: server.app.name for server in SERVERS}


def app_of(cell: str) -> str:
    """`…[go-reflection-output_only]` belongs to the app `go`; what is no cell, to none."""
    return _APPS.get(cell.rpartition("[")[2].rpartition("-")[0], "")


class ByApp(LoadScopeScheduling):  # type: ignore[misc] # therefore Any
    """xdist's own marks for this, `--dist loadgroup`, group nothing with pytest 9.2 (xdist 3.8.0)."""

    def _split_scope(self, nodeid: str) -> str:
        return app_of(nodeid)
