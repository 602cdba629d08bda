"""The HTTP clients that the library makes for itself, and for callers who want them otherwise.

In: TLS settings. Out: httpx clients on our transports. A caller who needs a client certificate or another
CA gives one of these as `http_client=`; every clock and `cancel()` then work as with the default.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any

import httpx

# httpcore comes with the first client, as it does with httpx's own: hence the imports in the functions.


@lru_cache(maxsize=1)
def own_headers() -> dict[str, str]:
    """What every request of ours says of itself; the call's own headers come on top. Not to be changed."""
    from .. import __version__

    return {"connection": "keep-alive", "user-agent": f"streamflow-client/{__version__}"}


class _GivenCookies(httpx.Cookies):
    """One client serves many callers: what a server sets for one must not go out with another's call."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """None are looked for: that cost as much as all else that httpx does with the head of a response."""


class _Cookieless:
    """An httpx client that keeps nothing but what it is given."""

    def __init__(self, **options: Any) -> None:
        self._given_cookies = _GivenCookies()
        super().__init__(**options)

    @property
    def cookies(self) -> httpx.Cookies:
        return self._given_cookies

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        self._given_cookies = _GivenCookies(cookies)


class _Client(_Cookieless, httpx.Client):
    pass


class _AsyncClient(_Cookieless, httpx.AsyncClient):
    pass


def direct_http_client() -> httpx.Client:
    """For a server on this machine: as the default one, but past every proxy."""
    from .sync import ClockedTransport

    return _Client(
        transport=ClockedTransport(),
        headers=own_headers(),
        timeout=None,
        trust_env=False,
    )


def direct_async_http_client() -> httpx.AsyncClient:
    """The same for `AsyncClient`."""
    from .aio import AsyncClockedTransport

    return _AsyncClient(
        transport=AsyncClockedTransport(),
        headers=own_headers(),
        timeout=None,
        trust_env=False,
    )


def default_http_client(*, verify: ssl.SSLContext | None = None) -> httpx.Client:
    """The client that `Client` uses by default. Close it yourself if you made it.

    It keeps no cookies, and sends none but those of a `Cookie` header.

    Args:
        verify: what to trust, and client certificates: an `ssl.SSLContext`. None trusts what httpx does,
            SSL_CERT_FILE and SSL_CERT_DIR included.
    """
    from .settings import proxy_mounts
    from .sync import ClockedTransport

    return _Client(
        transport=ClockedTransport(ssl_context=verify),
        mounts=proxy_mounts(lambda proxy: ClockedTransport(ssl_context=verify, proxy=proxy)),
        headers=own_headers(),
        timeout=None,
    )


def default_async_http_client(*, verify: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """The client that `AsyncClient` uses by default; see `default_http_client`."""
    from .aio import AsyncClockedTransport
    from .settings import proxy_mounts

    return _AsyncClient(
        transport=AsyncClockedTransport(ssl_context=verify),
        mounts=proxy_mounts(lambda proxy: AsyncClockedTransport(ssl_context=verify, proxy=proxy)),
        headers=own_headers(),
        timeout=None,
    )


def aiohttp_http_client(*, verify: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """A client for `AsyncClient` on asyncio that parses with aiohttp, in C: less CPU for each chunk.

    Set up as `default_async_http_client` is; clocks and `cancel()` work as with it. Where the environment
    names a proxy, that one's transport carries what goes through it. Close it yourself:

        async with aiohttp_http_client() as http, AsyncClient(url, http_client=http) as client: ...

    Raises:
        ImportError: the extra is not installed.
    """
    try:
        from .over_aiohttp import AiohttpClockedTransport
    except ImportError as error:
        raise ImportError("this needs aiohttp: pip install 'streamflow-client[aiohttp]'") from error
    from .aio import AsyncClockedTransport
    from .settings import proxy_mounts

    return _AsyncClient(
        transport=AiohttpClockedTransport(ssl_context=verify),
        mounts=proxy_mounts(lambda proxy: AsyncClockedTransport(ssl_context=verify, proxy=proxy)),
        headers=own_headers(),
        timeout=None,
    )
