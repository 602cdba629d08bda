"""Callers test their code with respx: with our default transport, or with a client of their own."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import respx

from drivers import DRIVERS, Driver
from streamflow_client import (
    FlowConnectionError,
    FlowError,
    FlowTimeoutError,
    InvalidArgumentError,
    Retry,
    StreamInterruptedError,
    Timeout,
)

URL = "http://flows.test:3400"
STREAM = b'data: {"message": "a"}\n\ndata: {"message": "b"}\n\ndata: {"result": "ab"}\n\n'


@pytest.fixture(params=["default", "own"])
def options(request: pytest.FixtureRequest, driver: Driver) -> dict[str, Any]:
    """A client of the library, or a caller's."""
    if request.param == "default":
        return {}
    return {"http_client": httpx.Client() if driver.name == "sync" else httpx.AsyncClient()}


pytestmark = pytest.mark.parametrize("driver", DRIVERS, ids=repr)


@respx.mock
def test_a_mocked_route_answers(driver: Driver, options: dict[str, Any]) -> None:
    route = respx.post(f"{URL}/join").respond(json={"result": "ab"})
    with driver.client(None, url=URL, **options) as client:
        assert client.flow("join")(["a", "b"]) == "ab"
        assert client.flow("join")(["a", "b"]) == "ab"
    assert [json.loads(call.request.content) for call in route.calls] == [{"data": ["a", "b"]}] * 2


@respx.mock
def test_a_mocked_stream_is_read_chunk_by_chunk(driver: Driver, options: dict[str, Any]) -> None:
    respx.post(f"{URL}/join").respond(content=STREAM, content_type="text/event-stream")
    with driver.client(None, url=URL, **options) as client, client.flow("join").stream(["a", "b"]) as stream:
        assert list(stream) == ["a", "b"]
        assert stream.result() == "ab"


@respx.mock
def test_a_mocked_failure_is_the_flows(driver: Driver, options: dict[str, Any]) -> None:
    failure = {"status": "INVALID_ARGUMENT", "message": "no"}
    respx.post(f"{URL}/join").respond(400, json=failure)
    with driver.client(None, url=URL, **options) as client, pytest.raises(InvalidArgumentError, match="no"):
        client.flow("join")(1)


@respx.mock
def test_an_error_of_the_mocks_own_goes_through(driver: Driver, options: dict[str, Any]) -> None:
    class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield STREAM[:30]
            raise KeyError("mine")

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self:
                yield piece

    respx.post(f"{URL}/join").respond(stream=Broken())
    with driver.client(None, url=URL, **options) as client, pytest.raises(KeyError, match="mine"):
        client.flow("join").stream(1).result()


@respx.mock
def test_a_mocked_stream_that_breaks_off_may_have_run(driver: Driver, options: dict[str, Any]) -> None:
    respx.post(f"{URL}/join").respond(content=STREAM[:30], content_type="text/event-stream")
    with driver.client(None, url=URL, **options) as client, pytest.raises(StreamInterruptedError) as caught:
        client.flow("join").stream(1).result()
    assert caught.value.work_may_have_run


@respx.mock
@pytest.mark.parametrize(
    ("error", "kind", "attempts"),
    [
        (httpx.ConnectError("refused"), FlowConnectionError, 4),
        (httpx.ReadError("reset"), StreamInterruptedError, 1),
        (httpx.RemoteProtocolError("Server disconnected"), StreamInterruptedError, 1),
        (httpx.ReadTimeout("late"), FlowTimeoutError, 1),
    ],
    ids=repr,
)
def test_a_mocked_error_is_told_and_tried_again_as_a_real_one(
    driver: Driver, options: dict[str, Any], error: Exception, kind: type[FlowError], attempts: int
) -> None:
    route = respx.post(f"{URL}/join").mock(side_effect=error)
    options |= {"timeout": Timeout(total=30), "retry": Retry(wait_initial=0.001)}
    with driver.client(None, url=URL, **options) as client, pytest.raises(kind) as caught:
        client.flow("join")(1)
    assert route.call_count == attempts
    if isinstance(caught.value, FlowTimeoutError):
        assert caught.value.clock == "total"  # the one that would have run out first
