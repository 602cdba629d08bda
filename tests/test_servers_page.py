"""`docs/servers.md` holds the matrix that `make interop` proves, and no cell of it is empty."""

from interop_behaviours import BEHAVIOURS
from interop_expected import EXPECTED, SERVERS, WISHED, expected
from interop_matrix import PAGE, page_with_matrix


def test_the_page_holds_the_matrix() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with_matrix(page), "run: python tests/interop/interop_matrix.py"


def test_every_cell_speaks_of_a_behaviour_and_a_server_that_exist() -> None:
    names = {server.name for server in SERVERS}
    assert EXPECTED.keys() <= BEHAVIOURS.keys()
    assert {name for row in EXPECTED.values() for name in row} <= names
    assert len(names) == len(SERVERS)


def test_what_a_server_lacks_says_why() -> None:
    assert WISHED.keys() <= BEHAVIOURS.keys()
    for behaviour in BEHAVIOURS.keys() - {"content_type"}:
        for server in SERVERS:
            cell = expected(behaviour, server.name)
            assert cell.does == WISHED.get(behaviour, "yes") or cell.why, (behaviour, server.name)
