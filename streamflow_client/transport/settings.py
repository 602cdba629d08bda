"""What both transports share: TLS contexts, proxies, and the errors they raise.

In: the environment and httpx's public pieces. Out: values for `sync.py` and `aio.py` beside this file.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any, TypeVar, cast
from urllib.request import getproxies

import httpcore
import httpx

from .idle import Origin

MOST_IDLE = 100
IDLE_SECONDS = 2.0  # how long a connection is kept; Node's servers close after 5, and so never meet it
REUSE_SECONDS = IDLE_SECONDS - 0.1  # a server that counts the same 2 seconds is not raced with

READ_SIZE = 64 * 1024  # bytes, as httpcore asks for

T = TypeVar("T")

# --- TLS ---------------------------------------------------------------------------------------------

_building = threading.Lock()


def shared_ssl_context() -> ssl.SSLContext:
    """One context per process and certificate setting, built when first needed (up to a second)."""
    with _building:  # or each of several first calls would build its own
        return _ssl_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=4)
def _ssl_context(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def is_secure(origin: Origin) -> bool:
    """Whether the connection itself speaks TLS."""
    return origin[0] == b"https"


# --- proxies -----------------------------------------------------------------------------------------

# How a SOCKS message begins (RFC 1928, RFC 1929): with a version, which no HTTP request does.
SOCKS_VERSIONS = (b"\x05", b"\x01")


def proxy_mounts(make: Callable[[httpx.Proxy], T]) -> dict[str, T | None]:
    """Transports per URL pattern, as httpx reads HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.

    httpx ignores these variables once a transport is given
    (https://www.python-httpx.org/environment_variables/), so they are read here.

    Raises:
        ValueError: a variable holds no proxy's URL.
        ImportError: a SOCKS proxy is named, and what httpx needs for it is not installed.
    """
    found = getproxies()
    bypassed = [host.strip() for host in found.get("no", "").split(",") if host.strip()]
    if "*" in bypassed:
        return {}
    mounts: dict[str, T | None] = {
        f"{scheme}://": make(_proxy(url)) for scheme in ("http", "https", "all") if (url := found.get(scheme))
    }
    return mounts | dict.fromkeys(map(_bypass_pattern, bypassed)) if mounts else {}


def _proxy(url: str) -> httpx.Proxy:
    proxy = httpx.Proxy(url if "://" in url else f"http://{url}")
    if is_socks(proxy) and find_spec("socksio") is None:
        raise ImportError("a SOCKS proxy needs the package socksio: pip install 'httpx[socks]'")
    return proxy


def _bypass_pattern(host: str) -> str:
    """`example.com` bypasses its subdomains too, an address or `localhost` only itself."""
    if "://" in host:
        return host
    try:
        address = ip_address(host.partition("/")[0])
    except ValueError:
        return f"all://{host}" if host.lower() == "localhost" else f"all://*{host}"
    return f"all://[{host}]" if address.version == 6 else f"all://{host}"


def is_socks(proxy: httpx.Proxy | None) -> bool:
    """Whether there is a proxy, and it speaks SOCKS5 instead of HTTP."""
    return proxy is not None and proxy.url.scheme.startswith("socks5")


def tls_layers(origin: Origin, proxy: httpx.Proxy | None) -> int:
    """How many handshakes come before a request can be written: the proxy's, the server's."""
    return int(proxy is not None and proxy.url.scheme == "https") + int(is_secure(origin))


def proxy_options(proxy: httpx.Proxy, ssl_context: ssl.SSLContext | None) -> dict[str, Any]:
    """Keyword arguments of httpcore's proxy pools, for a pool of one connection."""
    url = proxy.url
    options: dict[str, Any] = {
        "proxy_url": httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        ),
        "proxy_auth": proxy.raw_auth,
        "ssl_context": ssl_context,
        "max_connections": 1,
    }
    if not is_socks(proxy):
        options["proxy_headers"] = proxy.headers.raw
    if url.scheme == "https":  # as httpx: `verify` is about the server; else httpcore builds one each time
        options["proxy_ssl_context"] = proxy.ssl_context or shared_ssl_context()
    return options


def has_idle(connection: Any) -> bool:
    """Whether a connection, or the one in a proxy's pool, has ended its exchange and can take another."""
    connections = getattr(connection, "connections", [connection])
    return any(each.is_idle() and not each.is_closed() for each in connections)


# --- requests and errors -----------------------------------------------------------------------------


class ServerLeft(Exception):
    """The server closed a connection that waited for reuse. Nothing was written."""


def origin_of(url: httpx.URL) -> Origin:
    """The port is always told, since httpcore wants it."""
    return url.raw_scheme, url.raw_host, url.port or (443 if url.scheme == "https" else 80)


def read_timeout(request: httpx.Request) -> float | None:
    """Seconds that httpx allows for one read, where no call's clocks decide."""
    timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
    return timeouts.get("read")


class _Content:
    """A request's body for httpcore, sync or async, in one piece.

    httpx's own body is an async generator, which a cancelled request would leave suspended for the event
    loop to finalize, with a warning on trio.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._content])

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces([self._content])


class _Pieces(AsyncIterator[bytes]):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()


def _content(request: httpx.Request) -> Any:
    try:
        return _Content(request.content)
    except httpx.RequestNotRead:  # a request of a caller's auth, streamed
        return request.stream


def core_request(request: httpx.Request) -> httpcore.Request:
    """httpx's request as httpcore's."""
    url = request.url
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=_content(request),
        extensions=request.extensions,
    )


def raise_as_httpx(error: BaseException, proxy: httpx.Proxy | None = None) -> None:
    """Raise httpcore's error as the httpx error of the same name. Other errors are left to the caller."""
    library = type(error).__module__.partition(".")[0]
    if library == "httpcore":
        cls: type[Exception] = getattr(httpx, type(error).__name__, httpx.TransportError)
        text = _reason(error)
    elif is_socks(proxy) and (library == "socksio" or isinstance(error, AssertionError)):
        # httpcore asserts what a SOCKS proxy answers, and lets socksio's errors through
        cls, text = httpx.ProxyError, "the proxy does not speak SOCKS5"
    else:
        return
    if proxy is not None and cls in (httpx.ConnectError, httpx.ProxyError):
        text += f" (through the proxy {proxy.url.scheme}://{proxy.url.netloc.decode('ascii')})"
    raise cls(text) from error


def _reason(error: BaseException) -> str:
    """Why a connection failed: anyio hides it in a cause, asyncio and trio behind an address."""
    cause = error
    if isinstance(error, httpcore.NetworkError):
        if error.args and isinstance(error.args[0], BaseException):
            cause = error.args[0]
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, BaseExceptionGroup):
            cause = cast("BaseExceptionGroup[BaseException]", cause).exceptions[-1]
        if isinstance(cause, ConnectionError) and cause.errno is not None:
            return f"[Errno {cause.errno}] {os.strerror(cause.errno)}"
    return str(cause) or str(error)
