"""The HTTP clients that the library makes for itself, and for callers who want them otherwise.

In: TLS settings. Out: httpx clients on our transports. A caller who needs a client certificate or another
CA gives one of these as `http_client=`; every clock and `cancel()` then work as with the default.
"""

from __future__ import annotations

import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from .aio import AsyncClockedTransport
from .settings import proxy_mounts
from .sync import ClockedTransport


def _headers() -> dict[str, str]:
    from .. import __version__

    return {"User-Agent": f"streamflow-client/{__version__}"}


def _no_cookies() -> CookieJar:
    """One client serves many callers: what a server sets for one must not go out with another's call."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def direct_http_client() -> httpx.Client:
    """For a server on this machine: as the default one, but past every proxy."""
    return httpx.Client(
        transport=ClockedTransport(),
        headers=_headers(),
        cookies=_no_cookies(),
        timeout=None,
        trust_env=False,
    )


def direct_async_http_client() -> httpx.AsyncClient:
    """The same for `AsyncClient`."""
    return httpx.AsyncClient(
        transport=AsyncClockedTransport(),
        headers=_headers(),
        cookies=_no_cookies(),
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
    return httpx.Client(
        transport=ClockedTransport(ssl_context=verify),
        mounts=proxy_mounts(lambda proxy: ClockedTransport(ssl_context=verify, proxy=proxy)),
        headers=_headers(),
        cookies=_no_cookies(),
        timeout=None,
    )


def default_async_http_client(*, verify: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """The client that `AsyncClient` uses by default; see `default_http_client`."""
    return httpx.AsyncClient(
        transport=AsyncClockedTransport(ssl_context=verify),
        mounts=proxy_mounts(lambda proxy: AsyncClockedTransport(ssl_context=verify, proxy=proxy)),
        headers=_headers(),
        cookies=_no_cookies(),
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
    return httpx.AsyncClient(
        transport=AiohttpClockedTransport(ssl_context=verify),
        mounts=proxy_mounts(lambda proxy: AsyncClockedTransport(ssl_context=verify, proxy=proxy)),
        headers=_headers(),
        cookies=_no_cookies(),
        timeout=None,
    )
