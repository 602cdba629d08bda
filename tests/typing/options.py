"""What a type checker knows of clients, their options and time lines. Checked, never run."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, assert_type

import httpx
import httpx2

from streamflow_client import (
    AsyncClient,
    Attempt,
    Catalog,
    Client,
    FlowDef,
    Retry,
    Timeline,
    Timeout,
    aiohttp_http_client,
    default_async_http_client,
    default_http_client,
)


def token() -> dict[str, str]:
    return {}


async def fresh_token() -> Mapping[str, str]:
    return {}


def clients(catalog: Catalog) -> None:
    assert_type(Client("x"), Client)
    assert_type(Client("x", timeout=2, retry=None, headers=token, auth="token"), Client)
    assert_type(Client("x", timeout=Timeout(total=5), retry=Retry(attempts=2), auth=("u", "p")), Client)
    assert_type(Client("x", timeout=None, headers={"a": "b"}, auth=httpx.BasicAuth("u", "p")), Client)
    assert_type(Client("x", strict=True, max_event_bytes=1, max_response_bytes=1), Client)
    assert_type(Client("x", protocol="reflection"), Client)
    assert_type(Client("x", protocol="callable"), Client)
    assert_type(Client("x", catalog=catalog), Client)
    assert_type(Client("x", catalog="flows.json"), Client)
    assert_type(Client("x", catalog=Path("flows.json")), Client)
    assert_type(Client("x", catalog=None), Client)
    assert_type(Client.local(), Client)
    assert_type(Client.local(Path("app"), app="menu"), Client)


def a_client(client: Client) -> None:
    with client as entered:
        assert_type(entered, Client)
    assert_type(client.with_options(timeout=None, retry=None, headers=token, strict=True), Client)
    assert_type(client.with_options(timeout=Timeout(), retry=Retry(), headers=None), Client)
    assert_type(client.with_options(), Client)
    assert_type(client.close(), None)


def http_clients(context: ssl.SSLContext) -> None:
    assert_type(default_http_client(), httpx.Client)
    assert_type(default_http_client(verify=context), httpx.Client)
    assert_type(Client("x", http_client=default_http_client()), Client)
    assert_type(Client("x", http_client=httpx.Client()), Client)
    assert_type(Client("x", http_client=httpx2.Client()), Client)
    assert_type(Client("x", http_client=None), Client)


async def async_clients(catalog: Catalog) -> None:
    assert_type(AsyncClient("x"), AsyncClient)
    assert_type(AsyncClient("x", timeout=2, retry=None, headers=fresh_token, auth="token"), AsyncClient)
    assert_type(
        AsyncClient("x", timeout=Timeout(), retry=Retry(), headers=token, auth=("u", "p")), AsyncClient
    )
    assert_type(AsyncClient("x", timeout=None, headers={}, auth=httpx.BasicAuth("u", "p")), AsyncClient)
    assert_type(AsyncClient("x", strict=True, max_event_bytes=1, max_response_bytes=1), AsyncClient)
    assert_type(AsyncClient("x", protocol="reflection"), AsyncClient)
    assert_type(AsyncClient("x", catalog=catalog), AsyncClient)
    assert_type(AsyncClient("x", catalog=Path("flows.json")), AsyncClient)
    assert_type(await AsyncClient.local(), AsyncClient)
    assert_type(await AsyncClient.local("app", app="menu"), AsyncClient)


async def an_async_client(client: AsyncClient) -> None:
    async with client as entered:
        assert_type(entered, AsyncClient)
    assert_type(client.with_options(timeout=None, retry=None, headers=fresh_token, strict=True), AsyncClient)
    assert_type(client.with_options(timeout=Timeout(), retry=Retry(), headers=token), AsyncClient)
    assert_type(client.with_options(), AsyncClient)
    assert_type(await client.aclose(), None)


def async_http_clients(context: ssl.SSLContext) -> None:
    assert_type(default_async_http_client(), httpx.AsyncClient)
    assert_type(default_async_http_client(verify=context), httpx.AsyncClient)
    assert_type(AsyncClient("x", http_client=default_async_http_client()), AsyncClient)
    assert_type(aiohttp_http_client(), httpx.AsyncClient)
    assert_type(AsyncClient("x", http_client=aiohttp_http_client(verify=context)), AsyncClient)
    assert_type(AsyncClient("x", http_client=httpx.AsyncClient()), AsyncClient)
    assert_type(AsyncClient("x", http_client=httpx2.AsyncClient()), AsyncClient)
    assert_type(AsyncClient("x", http_client=None), AsyncClient)


class MyClient(Client):
    """A subclass stays itself."""


class MyAsyncClient(AsyncClient):
    """A subclass stays itself."""


async def subclasses(client: MyClient, other: MyAsyncClient) -> None:
    assert_type(client.with_options(), MyClient)
    assert_type(MyClient.local(), MyClient)
    with client as entered:
        assert_type(entered, MyClient)
    assert_type(other.with_options(), MyAsyncClient)
    assert_type(await MyAsyncClient.local(), MyAsyncClient)
    async with other as async_entered:
        assert_type(async_entered, MyAsyncClient)


def clocks(timeout: Timeout) -> None:
    assert_type(Timeout(), Timeout)
    assert_type(Timeout(connect=1, idle=None, progress=2.5, total=None), Timeout)
    assert_type(timeout.connect, float | None)
    assert_type(timeout.idle, float | None)
    assert_type(timeout.progress, float | None)
    assert_type(timeout.total, float | None)


def retries(retry: Retry) -> None:
    assert_type(Retry(), Retry)
    assert_type(Retry(attempts=2, wait_initial=1, wait_max=2, replay=True, verify_replay=True), Retry)
    assert_type(retry.attempts, int)
    assert_type(retry.wait_initial, float)
    assert_type(retry.wait_max, float)
    assert_type(retry.replay, bool)
    assert_type(retry.verify_replay, bool)


def time_lines(timeline: Timeline, attempt: Attempt) -> None:
    assert_type(timeline.attempts, tuple[Attempt, ...])
    assert_type(
        timeline.phase,
        Literal["connecting", "waiting for headers", "reading the body", "waiting to retry", "answered"],
    )
    assert_type(timeline.elapsed, float)
    assert_type(timeline.bytes, int)
    assert_type(timeline.chunks, int)
    assert_type(timeline.last_byte_age, float | None)
    assert_type(timeline.last_chunk_age, float | None)
    assert_type(attempt.number, int)
    assert_type(attempt.started, float)
    assert_type(attempt.http_status, int | None)
    assert_type(attempt.bytes, int)
    assert_type(attempt.reused, bool | None)
    assert_type(attempt.ended, str)


def either(client: Client | AsyncClient, definition: FlowDef[int, str, float]) -> None:
    assert_type(client.flow(definition).definition, FlowDef[int, str, float])
    assert_type(client.flow(definition).output_type, Any)
