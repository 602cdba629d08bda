"""How `make interop` shares the real servers out."""

from interop_behaviours import BEHAVIOURS
from interop_expected import SERVERS
from interop_schedule import app_of


def test_all_cells_of_an_app_run_on_one_worker() -> None:
    for server in SERVERS:
        for behaviour in BEHAVIOURS:
            assert app_of(f"test_interop.py::test_it[{server.name}-{behaviour}]") == server.app.name
    assert app_of("test_else.py::test_it") == ""
