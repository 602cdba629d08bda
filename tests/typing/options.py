"""What a type checker knows of options, errors and tickets. Checked, never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Mapping
from typing import Any, assert_type

import httpx

from streamflow_client import (
    AsyncClient,
    Attempt,
    ChunkValidationError,
    Client,
    Clock,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    FlowValidationError,
    Retry,
    Ticket,
    Timeline,
    Timeout,
    default_async_http_client,
    default_http_client,
)


def token() -> dict[str, str]:
    return {}


async def fresh_token() -> Mapping[str, str]:
    return {}


def clients() -> None:
    assert_type(Client("x", timeout=2, retry=None, headers=token, auth="token"), Client)
    assert_type(Client("x", timeout=Timeout(total=5), retry=Retry(attempts=2), auth=("u", "p")), Client)
    assert_type(Client("x", headers={"a": "b"}, auth=httpx.BasicAuth("u", "p"), strict=True), Client)
    assert_type(Client("x", http_client=default_http_client(), protocol="reflection"), Client)
    assert_type(Client("x").with_options(timeout=None, headers=token), Client)
    assert_type(AsyncClient("x", headers=fresh_token), AsyncClient)
    assert_type(AsyncClient("x", headers=token, http_client=default_async_http_client()), AsyncClient)
    assert_type(AsyncClient("x").with_options(retry=None, strict=False), AsyncClient)
    with Client("x", max_event_bytes=1, max_response_bytes=1) as client:
        assert_type(client, Client)
    Client("x", headers=fresh_token)  # type: ignore[arg-type]


class MyClient(Client):
    """A subclass stays itself."""


def subclasses() -> None:
    assert_type(MyClient("x").with_options(), MyClient)
    with MyClient("x") as client:
        assert_type(client, MyClient)


async def contexts() -> None:
    async with AsyncClient("x") as client:
        assert_type(client, AsyncClient)


def errors(error: FlowError) -> None:
    assert_type(error.message, str)
    assert_type(error.flow, str | None)
    assert_type(error.received, int)
    assert_type(error.ticket, Ticket | None)
    assert_type(error.work_may_have_run, bool)
    assert_type(error.timeline, Timeline | None)
    if error.timeline:
        assert_type(error.timeline.attempts, tuple[Attempt, ...])
    if isinstance(error, FlowTimeoutError):
        assert_type(error.clock, Clock)
    if isinstance(error, FlowStatusError):
        assert_type(error.status, str)
        assert_type(error.details, Any)
        assert_type(error.http_status, int | None)
        assert_type(error.trace_id, str | None)
    if isinstance(error, ChunkValidationError):
        assert_type(error.raw, bytes)
    if isinstance(error, FlowValidationError):
        assert_type(error.validation_error, Exception)


def tickets(ticket: Ticket) -> None:
    assert_type(Ticket.parse("text"), Ticket)
    assert_type(str(ticket), str)
    assert_type(ticket.received, int)
