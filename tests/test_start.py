"""What a start costs, told by counting: time would tell of the machine."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import httpx
import pytest

from streamflow_client import AsyncClient, Client
from streamflow_client.call import Open
from streamflow_client.calls import make_settings, own_request
from streamflow_client.options import Retry
from streamflow_client.transport.defaults import default_http_client


@contextmanager
def counted_calls() -> Iterator[Callable[[], int]]:
    """How many functions written in Python were called meanwhile."""
    count = 0

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield lambda: count
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_costs_next_to_nothing(
    kind: type[Client] | type[AsyncClient], scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        raise AssertionError("a TLS context costs some 20 ms, so the first TLS connection makes it")

    first = kind("http://localhost:3400")
    monkeypatch.setattr(ssl, "SSLContext", refuse)
    monkeypatch.setattr(ssl, "create_default_context", refuse)
    with counted_calls() as calls:
        second = kind(f"{scheme}://localhost:3400")
    assert calls() < 1000
    assert repr(first) != repr(second) or scheme == "http"


SETTINGS: dict[str, Any] = {
    "protocol": "callable",
    "timeout": None,
    "retry": Retry(),
    "strict": False,
    "max_event_bytes": 1,
    "max_response_bytes": 1,
    "headers": None,
    "auth": None,
}


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("given", [None, {"X-Own": "1"}, {"Host": "another", "User-Agent": "mine"}])
@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3400/menu",
        "https://b\u00fccher.test/menu?a=b",
        "http://[::1]:80/a%20b",
        "http://h.test",
    ],
)
def test_a_request_of_ours_is_what_httpx_would_make_of_it(
    method: Any, given: dict[str, str] | None, url: str
) -> None:
    body = b'{"data":1}' if method == "POST" else b""
    action = Open(method, url, {"Accept": "application/json", "Accept-Encoding": "identity"}, body)
    ours = own_request(make_settings(url.partition("?")[0], **SETTINGS), action, given)
    with default_http_client() as client:
        theirs = client.build_request(
            method, url, headers=action.headers | (given or {}), content=body or None
        )
    assert (ours.method, ours.url, ours.content) == (theirs.method, theirs.url, theirs.content)
    assert dict(ours.headers) == dict(theirs.headers)
    assert not ours.extensions


def test_clients_of_ours_keep_no_cookies_but_those_they_are_given() -> None:
    def request(client: httpx.Client) -> httpx.Request:
        return client.build_request("GET", "http://localhost/")

    with default_http_client() as client, default_http_client() as another:
        response = httpx.Response(200, headers={"set-cookie": "a=b"}, request=request(client))
        client.cookies.extract_cookies(response)
        assert "cookie" not in request(client).headers
        client.cookies.set("c", "d")
        assert request(client).headers["cookie"] == "c=d"
        client.cookies = {"e": "f"}
        client.cookies.extract_cookies(response)
        assert request(client).headers["cookie"] == "e=f"
        assert "cookie" not in request(another).headers
