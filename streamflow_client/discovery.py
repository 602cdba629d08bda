"""Where a client looks for its server's flows, and what it found.

In: where the caller says that the catalog is; what came from there. Out: addresses to fetch, a `Catalog`,
and the definitions of its flows, each made on first use and once. Out of place here: fetching, which the two
drivers do, and the types of a flow (`found.py`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from copy import copy
from keyword import iskeyword
from typing import TYPE_CHECKING, Any
from unicodedata import normalize
from urllib.parse import urlsplit

from .errors import (
    DiscoveryError,
    FlowCancelledError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    NotFoundError,
)
from .locks import ProcessLock
from .schema.catalog import Catalog
from .text import excerpt, one_line, shown, without_secrets
from .wire.request import BaseUrl, ProtocolName, document_url, origin_of

if TYPE_CHECKING:
    from .found import FoundFlow

DISCOVERY_LOG = "streamflow_client.discovery"  # a child: who wants silence about schemas can have it

log: logging.Logger = logging.getLogger(DISCOVERY_LOG)

Folder = str | os.PathLike[str]
Source = Catalog | Folder | None
Search = Generator[str, "bytes | FlowError | None", Catalog]

OPENAPI, ACTIONS = "/openapi.json", "/api/actions"

# These say nothing of whether a document is there.
_NO_ANSWER = (FlowConnectionError, FlowTimeoutError, FlowCancelledError)


class Discovery:
    """The flows of one server, shared by a client and its copies. Thread-safe.

    Args:
        base: where the client calls flows.
        protocol: how it does so.
        source: `catalog=` of the client.

    Raises:
        TypeError: the source is of another type.
        ValueError: it is a URL that makes no sense.
    """

    def __init__(self, base: BaseUrl, protocol: ProtocolName, source: Source) -> None:
        _check_source(source)
        self._base = base
        self._protocol: ProtocolName = protocol
        self._source = source
        self._url = document_url(source) if isinstance(source, str) and _is_url(source) else None
        self._catalog: Catalog | None = None
        self._found: dict[str, FoundFlow] = {}
        self._lock = ProcessLock()
        self._searches = 0
        self._failure: tuple[object, FlowError] | None = None

    @property
    def is_remote(self) -> bool:
        """Whether the catalog has to be fetched."""
        return self._source is None or self._url is not None

    def known(self) -> Catalog | None:
        """The catalog, where nothing has to be fetched for it. Raises: DiscoveryError: a file is none."""
        with self._lock.here():
            if self._catalog is None and not self.is_remote:
                self._learn(self._local())
            return self._catalog

    def needed(self) -> Catalog:
        """The catalog, where nothing may be fetched for it. Raises: DiscoveryError."""
        known = self.known()
        if known is None:
            raise DiscoveryError("the server's flows are not known yet: await client.discover() first")
        return known

    @property
    def at_hand(self) -> Catalog | None:
        """The catalog, where neither a server nor a file has to be asked for it."""
        given = self._source if isinstance(self._source, Catalog) else None
        return given if self._catalog is None else self._catalog

    def names(self) -> list[str]:
        """The flows that can be told without asking a server, as completion wants them: it never fails.

        A catalog's file is read, once: it is local, and the first call would read it too.
        """
        try:
            return list(self.known() or ())
        except DiscoveryError:  # whoever looks up a flow is told
            return []

    def attributes(self) -> list[str]:
        """Those of `names` that can be reached as attributes."""
        return list(filter(_is_attribute, self.names()))

    def __str__(self) -> str:
        if self.at_hand is None:
            return f"{self.base_url}, not discovered yet"
        return f"{self.base_url}: {excerpt(', '.join(map(one_line, self.at_hand)))}"

    @property
    def base_url(self) -> str:
        """Where the client calls flows; without secrets."""
        return str(self._base)

    def search(self, asker: object) -> Search:
        """Yields addresses; is sent what each holds, or the error of trying. Returns the catalog.

        Args:
            asker: who shares a failure has to be the same: others have other clocks and credentials.

        Raises:
            DiscoveryError: there is no catalog; the message tells every address tried.
            FlowError: the server could not be asked.
        """
        self._failure = None
        try:
            catalog = (yield from self._fetched()) if self.is_remote else self._local()
        except FlowError as error:
            if not _is_own(error):
                self._failure = asker, copy(error)  # without its traceback, which holds the caller's frames
            raise
        else:
            self._learn(catalog)
            return catalog
        finally:
            self._searches += 1

    @property
    def searches(self) -> int:
        """How many searches have ended."""
        return self._searches

    def share_failure(self, searches: int, asker: object) -> None:
        """For who waited while its like searched: its failure is theirs too.

        Args:
            searches: how many had ended when the wait began.
            asker: as in `search`.

        Raises:
            FlowError: a copy of how the last search since then failed.
        """
        failure = self._failure
        if self._searches != searches and failure is not None and failure[0] is asker:
            raise copy(failure[1])

    def flow(self, name: str) -> FoundFlow:
        """The definition of a known flow. Raises: UnknownFlowError, DiscoveryError."""
        found = self._found.get(name)
        if found is not None:  # not behind another one whose types are being made
            return found
        from .found import FoundFlow

        with self._lock.here():
            assert self._catalog is not None, "only asked once the catalog is known"
            if name not in self._found:
                self._found[name] = FoundFlow(self._catalog[name])
            return self._found[name]

    def _learn(self, catalog: Catalog) -> None:
        with self._lock.here():
            if catalog == self._catalog:  # the same again keeps its types
                return
            self._catalog, self._found = catalog, {}
        for warning in catalog.warnings:
            log.warning("catalog %s: %s", catalog.source, warning)

    def _local(self) -> Catalog:
        if isinstance(self._source, Catalog):
            return self._source
        assert self._source is not None
        return Catalog.load(self._source, protocol=self._protocol)

    def _fetched(self) -> Search:
        tried: list[FlowError] = []
        told: list[str] = []
        for url, protocol in self._places():
            answer = yield url
            if isinstance(answer, _NO_ANSWER):
                raise answer
            try:
                return _read(answer, url, protocol)
            except FlowError as error:
                tried.append(error)
                told.append(_failure(url, error))
        raise _nothing_found(told) from next((error for error in tried if not _is_absent(error)), None)

    def _places(self) -> list[tuple[str, ProtocolName]]:
        """Addresses to look at, in order, and how the flows of a Genkit actions document there are called."""
        own = str(self._base)
        if self._url is None:
            return [(own + OPENAPI, "callable"), (own + ACTIONS, "reflection")]
        parts = urlsplit(self._url)
        place = origin_of(self._url) + parts.path.rstrip("/")
        mine = self._base.origin + self._base.path
        if parts.path.strip("/") or parts.query:
            return [(self._url, "reflection" if place == mine + ACTIONS else self._protocol)]
        root = self._url.rstrip("/")
        return [
            (root + OPENAPI, "callable"),
            (root + ACTIONS, "reflection" if place == mine else self._protocol),
        ]


def _is_own(error: FlowError) -> bool:
    """Whether it tells of who asked, not of the server: cancelled, or out of one's own time."""
    timed_out = isinstance(error, FlowTimeoutError) and error.clock == "total"
    return timed_out or isinstance(error, FlowCancelledError)


def _is_attribute(name: str) -> bool:
    """Python reads identifiers as NFKC, so a name in another form is no attribute."""
    plain = name.isidentifier() and name == normalize("NFKC", name)
    return plain and not iskeyword(name) and not name.startswith("_")


def _check_source(source: Any) -> None:
    if source is not None and not isinstance(source, (Catalog, str, os.PathLike)):
        raise TypeError(f"catalog is a Catalog, a path, a URL, or None; got {type(source).__name__}")
    if isinstance(source, str) and not _is_url(source) and (not source or "://" in source):
        raise ValueError("catalog is a path or an http(s) URL, and neither empty nor another kind of URL")


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _read(answer: bytes | FlowError | None, url: str, protocol: ProtocolName) -> Catalog:
    """Raises: FlowError."""
    if isinstance(answer, FlowError):
        raise answer
    catalog = Catalog.parse(answer or b"", source=url, protocol=protocol)
    if not len(catalog):
        raise NotFoundError(f"{without_secrets(url)} describes no flows", status="NOT_FOUND")
    return catalog


def _is_absent(error: FlowError) -> bool:
    """Whether there is just no such document; else the server may have flows, but does not tell."""
    return isinstance(error, NotFoundError) or getattr(error, "http_status", None) in (404, 405, 501)


def _failure(url: str, error: FlowError) -> str:
    place = without_secrets(url)
    if isinstance(error, FlowStatusError) and error.http_status is not None:
        status, message = f"HTTP {error.http_status}", shown(error.message, 100)
        advice = ", so give `auth` or `headers`" if error.http_status in (401, 403) else ""
        return f"{place}: {message if message.startswith(status) else f'{status} {message}'}{advice}"
    message = shown(error.message)
    return message if message.startswith(place) else f"{place}: {message}"


def _nothing_found(told: list[str]) -> DiscoveryError:
    return DiscoveryError(
        f"found no flows ({'; '.join(told)}): declare the flow with its types, client.flow(FlowDef(…)), "
        "or say where a catalog is, catalog=… with a file or URL"
    )
