"""A document is read by the session that calls flows: a GET that runs nothing, so it may be repeated."""

from __future__ import annotations

from typing import Any

import pytest

from streamflow_client import FlowDef, Retry, Timeout, calls
from streamflow_client.call import Break, Done, Failed, Open, Read, Wait
from streamflow_client.errors import FlowTimeoutError, NotFoundError, ProtocolError, UnknownFlowError
from streamflow_client.session import Session

URL = "http://server:3400/openapi.json"


def settings(**options: Any) -> calls.Settings:
    given = {"timeout": Timeout(), "retry": Retry(), "headers": None, "auth": None, **options}
    return calls.make_settings(
        "http://server:3400",
        protocol="callable",
        strict=False,
        max_event_bytes=1000,
        max_response_bytes=1000,
        **given,
    )


def opened(**options: Any) -> tuple[Session[bytes, bytes], Open]:
    session = calls.document_session(settings(**options), URL, None)
    action = session.step(0.0)
    assert isinstance(action, Open)
    session.connected(0.0, reused=False)
    return session, action


def answered(status: int, body: bytes, headers: dict[str, str], **options: Any) -> Session[bytes, bytes]:
    session, _ = opened(**options)
    session.head(status, "", headers, 0.0)
    if session.outcome is None:
        session.data(body, 0.0)
        session.eof(0.0)
    return session


def error(session: Session[Any, Any]) -> Exception:
    assert isinstance(session.outcome, Failed)
    return session.stamped(session.outcome.error, 0.0)


def test_it_is_asked_for_by_a_plain_get() -> None:
    _, action = opened(retry=Retry(replay=True))
    assert (action.method, action.url, action.body) == ("GET", URL, b"")
    assert action.headers == {"Accept": "application/json", "Accept-Encoding": "identity"}


@pytest.mark.parametrize("body", [b'{"a": 1}', b"", b"not JSON", b"\xff"])
def test_its_bytes_are_handed_out_as_they_came(body: bytes) -> None:
    assert answered(200, body, {}).outcome == Done(body)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_failure_of_the_server_is_tried_again(status: int) -> None:
    session = answered(status, b"", {})
    assert session.outcome is None
    assert isinstance(session.step(0.0), Wait)
    session.woke(100.0)
    assert isinstance(session.step(100.0), Open)


@pytest.mark.parametrize("status", [500, 503, 404])
def test_without_retries_it_fails_at_once_and_nothing_ran(status: int) -> None:
    failure: Any = error(answered(status, b"", {}, retry=None))
    assert failure.http_status == status
    assert not failure.work_may_have_run
    assert failure.flow is None


def test_what_is_not_there_is_not_asked_for_again() -> None:
    assert isinstance(error(answered(404, b"", {})), NotFoundError)


def test_a_lost_connection_is_tried_again_as_often_as_the_caller_said() -> None:
    session, _ = opened(retry=Retry(attempts=3))
    for _ in range(2):
        session.broke(Break.LOST, "reset", 0.0)
        assert session.outcome is None
        assert isinstance(session.step(0.0), Wait)
        session.woke(100.0)
        assert isinstance(session.step(100.0), Open)
        session.connected(100.0, reused=False)
    session.broke(Break.LOST, "reset", 0.0)
    assert isinstance(session.outcome, Failed)


@pytest.mark.parametrize(("idle", "patience"), [(300, 30), (5, 5), (None, None)])
def test_silence_is_borne_for_half_a_minute(idle: float | None, patience: float | None) -> None:
    session, _ = opened(timeout=Timeout(idle=idle))
    session.waits(0.0)
    assert session.deadline() == patience
    if patience:
        session.expired(patience)
        assert isinstance(error(session), FlowTimeoutError)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b"x" * 1001, {}),
        (200, b"<!doctype html><p>", {}),
        (302, b"", {"location": "http://elsewhere/"}),
        (204, b"", {}),
    ],
)
def test_what_is_no_document_is_a_clear_error(status: int, body: bytes, headers: dict[str, str]) -> None:
    assert isinstance(error(answered(status, body, headers)), ProtocolError)


def test_a_late_session_becomes_the_call_of_its_flow() -> None:
    late = calls.late_session(settings(), "menu")
    assert (late.call.flow, late.stream_id, late.received) == ("menu", None, 0)
    found = calls.new_session(settings(), FlowDef("menu", chunk=int), b"1", streaming=True)
    late.become(found)
    action = late.step(0.0)
    assert isinstance(action, Open)
    assert (action.method, action.url, action.body) == ("POST", "http://server:3400/menu", b'{"data":1}')
    late.head(200, "", {}, 0.0)
    late.data(b'data: {"message": 5}\n\n', 0.0)
    assert list(late.ready) == [5]


def test_a_late_session_may_be_refused_or_cancelled() -> None:
    late = calls.late_session(settings(), "menu")
    late.refuse(UnknownFlowError("no such flow"))
    assert isinstance(error(late), UnknownFlowError)
    late.refuse(ValueError("too late"))  # type: ignore[arg-type]
    assert isinstance(error(late), UnknownFlowError)


def test_reading_is_what_a_document_goes_on_with() -> None:
    session, _ = opened()
    session.head(200, "", {}, 0.0)
    assert isinstance(session.step(0.0), Read)
