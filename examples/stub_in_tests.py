"""Test your own program against the bundled stub server: real sockets, faults on demand.

    pip install pytest
    pytest examples/stub_in_tests.py

The fixture `flow_stub` comes with the package, no conftest.py is needed. Each test gets a new stub
on a free port. `order` and `read_back` stand for the code you want to test.
"""

from collections.abc import Callable, Generator

import pytest

from streamflow_client import Client, FlowStatusError, FlowTimeoutError, Timeout
from streamflow_client.testing import FlowFailure, StubServer, faults


def order(url: str, dish: str, patience: float = 30) -> str:
    """Program under test: takes the final output only."""
    with Client(url, timeout=Timeout(idle=patience)) as client:
        return client.flow("cook", input=str, output=str)(dish)


def read_back(url: str, dish: str) -> Generator[str]:
    """Program under test: hands on the chunks."""
    with (
        Client(url) as client,
        client.flow("cook", input=str, chunk=str, output=str).stream(dish) as stream,
    ):
        yield from stream


@pytest.fixture
def kitchen(flow_stub: StubServer) -> StubServer:
    """A server with one flow, whose streams can be resumed."""

    @flow_stub.flow(durable=True)
    def cook(dish: str, send: Callable[[str], None]) -> str:
        if dish == "stone":
            raise FlowFailure("INVALID_ARGUMENT", "we do not cook stones")
        for step in ("cut", "boil", "serve"):
            send(step)
        return f"{dish}, cooked"

    return flow_stub


def test_it_takes_the_output(kitchen: StubServer) -> None:
    assert order(kitchen.url, "soup") == "soup, cooked"
    assert kitchen.requests[0].json == {"data": "soup"}


def test_it_hands_on_every_chunk(kitchen: StubServer) -> None:
    assert list(read_back(kitchen.url, "soup")) == ["cut", "boil", "serve"]


def test_a_failure_of_the_flow_reaches_the_caller(kitchen: StubServer) -> None:
    with pytest.raises(FlowStatusError, match="we do not cook stones"):
        order(kitchen.url, "stone")


def test_a_busy_server_is_asked_again(kitchen: StubServer) -> None:
    kitchen.script("cook", faults.status(503, retry_after=0), None)  # refused once, then served
    assert order(kitchen.url, "soup") == "soup, cooked"
    assert kitchen.run_count("cook") == 1
    assert len(kitchen.requests) == 2


def test_a_lost_connection_loses_no_chunk(kitchen: StubServer) -> None:
    kitchen.script("cook", faults.drop(after_chunks=1), None)  # lost once, then resumed
    assert list(read_back(kitchen.url, "soup")) == ["cut", "boil", "serve"]
    assert kitchen.run_count("cook") == 1


def test_a_silent_server_does_not_hang_us(kitchen: StubServer) -> None:
    kitchen.always("cook", faults.delay_headers(60))
    with pytest.raises(FlowTimeoutError) as caught:
        order(kitchen.url, "soup", patience=0.1)
    assert caught.value.clock == "idle"


def test_we_let_go_of_what_we_do_not_read(kitchen: StubServer) -> None:
    kitchen.script("cook", faults.stall(after_chunks=2))
    steps = read_back(kitchen.url, "soup")
    assert next(steps) == "cut"
    steps.close()
    kitchen.wait_until(lambda: kitchen.runs[0].client_left is not None)
