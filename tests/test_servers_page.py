"""`docs/servers.md` holds the matrix that `make interop` proves, and no cell of it is empty."""

from interop_behaviours import BEHAVIOURS
from interop_expected import EXPECTED, SERVERS, expected
from interop_matrix import PAGE, page_with_matrix


def test_the_page_holds_the_matrix() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with_matrix(page), "run: python tests/interop/interop_matrix.py"


def test_every_cell_speaks_of_a_behaviour_and_a_server_that_exist() -> None:
    names = {server.name for server in SERVERS}
    assert EXPECTED.keys() <= BEHAVIOURS.keys()
    assert {name for row in EXPECTED.values() for name in row} <= names
    assert len(names) == len(SERVERS)


AS_WISHED = {
    *("yes", "input, chunk, output", "from the schema", "status, message, details", "NOT_FOUND"),
    *("INVALID_ARGUMENT", "INTERNAL, its text hidden", "UNAUTHENTICATED, PERMISSION_DENIED, yes"),
    *("stopped", "resumed, one run", "StreamExpiredError"),
}


def test_what_a_server_lacks_says_why() -> None:
    for behaviour in BEHAVIOURS.keys() - {"content_type"}:
        for server in SERVERS:
            cell = expected(behaviour, server.name)
            wished = cell.does in AS_WISHED or (behaviour, cell.does) == (
                "leaving_durable",
                "runs on to its end",
            )
            assert wished or cell.why, (behaviour, server.name)
