"""Documents → catalogs: which flows there are, and what is told of them.

In: an OpenAPI document or Genkit's list of actions, as bytes or as a file. Out: a `Catalog`. Out of place
here: asking servers, reading schemas.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import DiscoveryError, UnknownFlowError
from ..jsonvalues import is_object
from ..text import shown, without_secrets
from ..wire.request import ProtocolName
from .actions import actions_of, read_actions
from .document import SIZE_LIMIT, NotJson, kind, read_json
from .flowspec import Broken, FlowSpec
from .openapi import read_openapi

if TYPE_CHECKING:
    from os import PathLike

    from .comparing.rules import Difference

__all__ = ["Catalog", "FlowSpec"]

log: logging.Logger = logging.getLogger("streamflow_client.discovery")

T = TypeVar("T")

_FEW = 10  # flows that an error lists one and all
_EXPECTED = "expected an OpenAPI 3 document or the answer of Genkit's /api/actions, as JSON"


@dataclass(frozen=True, slots=True)
class _Origin:
    """All that a catalog is made of."""

    document: Any
    source: str
    protocol: ProtocolName
    all_actions: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Catalog(Mapping[str, FlowSpec]):
    """The flows of one server, by name, in the order of its document. Immutable; it pickles.

    Attributes:
        flows: the same as a plain mapping.
        source: URL or file name of the document, without user, password and query.
        warnings: what was skipped or ignored, and why; one line each.
    """

    flows: Mapping[str, FlowSpec]
    source: str
    warnings: tuple[str, ...]
    _origin: _Origin

    @classmethod
    def parse(
        cls,
        data: bytes | str,
        *,
        source: str,
        protocol: ProtocolName = "callable",
        all_actions: bool = False,
    ) -> Catalog:
        """Read a document; what it is, its content tells.

        Args:
            source: its URL or file name, for messages.
            protocol: how the flows of a list of actions are called.
            all_actions: whether a list of actions gives everything that can be run, models and prompts
                too, by their whole keys, such as "/model/echo".

        Raises:
            DiscoveryError: neither an OpenAPI document nor a list of actions.
            TypeError: neither bytes nor text.
        """
        _check_data(data)
        source = without_secrets(source) if "://" in source else source
        try:
            return _catalog(_Origin(read_json(data), source, protocol, all_actions))
        except (NotJson, Broken) as found:
            raise DiscoveryError(f"{shown(source)}: found {found}; {_EXPECTED}") from None

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        protocol: ProtocolName = "callable",
        all_actions: bool = False,
    ) -> Catalog:
        """Read a JSON file, such as a saved `/openapi.json`; the arguments are those of `parse`.

        Raises:
            DiscoveryError: no such file, larger than 32 MiB, or not what `parse` takes.
        """
        from .files import read_file  # not before a file is read: this room is pure

        source = str(path)
        try:
            data = read_file(path, SIZE_LIMIT)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            message = f"{shown(source)}: {reason}; a catalog is the path of a JSON file"
            raise DiscoveryError(message) from error
        return cls.parse(data, source=source, protocol=protocol, all_actions=all_actions)

    def save(self, path: str | PathLike[str]) -> None:
        """Write an OpenAPI 3.2 document that `load` reads the same flows from: one POST a flow, sorted.

        The same flows give the same bytes. Flows that were found by reflection are written as they are called
        in production, at `/{name}`. What cannot be written is logged as a warning. The file is replaced as a
        whole, and anything else that stood there is gone: `streamflow-client pull` keeps what was declared.

        Raises:
            DiscoveryError: the document is larger than 32 MiB.
            OSError: the file cannot be written.
        """
        from .files import write_file
        from .saving.writing import TooLarge, saved

        try:
            document = saved(self.values(), info=self.info)
        except TooLarge as error:
            raise DiscoveryError(f"{shown(str(path))} is not written: {error}") from None
        for warning in document.warnings:
            log.warning("catalog %s: %s", self.source, warning)
        write_file(path, document.text.encode())

    @property
    def info(self) -> Mapping[str, Any] | None:
        """What an OpenAPI document says of itself: `title`, `version` and the like; None for other kinds."""
        document = self._origin.document
        info = document.get("info") if is_object(document) and "openapi" in document else None
        return MappingProxyType(info) if is_object(info) else None

    def differences(self, server: Catalog) -> tuple[Difference, ...]:
        """What differs between this catalog, which programs were built on, and what a server describes now.

        Empty where nothing does. A difference is `"breaking"` where the server may refuse what such programs
        send, or may send what they do not expect; docs/contract.md has all rules.

        Args:
            server: as `client.discover()` gives it.
        """
        from .comparing.catalogs import differences  # what reads schemas is imported with the first use

        return differences(self, server)

    def __getitem__(self, name: str) -> FlowSpec:
        """Raises: UnknownFlowError: no flow of that name."""
        try:
            return self.flows[name]
        except KeyError:
            raise UnknownFlowError(self._unknown(name)) from None

    def get(self, name: str, default: T | None = None) -> FlowSpec | T | None:  # type: ignore[override]
        """The flow of that name, or `default`."""
        return self.flows.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self.flows

    def __iter__(self) -> Iterator[str]:
        return iter(self.flows)

    def __len__(self) -> int:
        return len(self.flows)

    def __eq__(self, other: object) -> bool:
        return self._origin == other._origin if isinstance(other, Catalog) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        count = f"{len(self)} flow{'' if len(self) == 1 else 's'}"
        names = shown(", ".join(islice(self, 20)), 100)
        return f"Catalog({shown(repr(self.source))}, {count}{names and ': '}{names})"

    def _ipython_key_completions_(self) -> list[str]:
        """What IPython and Jupyter offer after `catalog["`."""
        return list(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from ..notebook import catalog_html

        return catalog_html(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _catalog, (self._origin,)

    def _unknown(self, name: str) -> str:
        unknown = f"no flow {shown(repr(name), 100)} in {shown(self.source, 100)}"
        if not self.flows:
            return f"{unknown}, which has none"
        close = _close(name, self)
        meant = f"; did you mean {shown(' or '.join(map(repr, close)))}?" if close else ""
        if len(self) <= _FEW:
            return f"{unknown}, which has {shown(', '.join(self))}{meant}"
        return f"{unknown} among {len(self)}{meant or '; and none like it'}"


def _check_data(data: Any) -> None:
    if not isinstance(data, bytes | str):
        raise TypeError(f"a catalog is read from bytes or text, got {type(data).__name__}")


def _close(name: str, names: Iterable[str]) -> list[str]:
    """At most three names like this one. Only the 50 that share most pairs of letters are compared."""
    from difflib import get_close_matches
    from heapq import nlargest

    wanted = _pairs(name)
    likely = nlargest(50, names, key=lambda other: len(wanted & _pairs(other)))
    return get_close_matches(name[:100], [other[:100] for other in likely], n=3)


def _pairs(name: str) -> set[str]:
    return set(map("".join, pairwise(name[:100])))


def _catalog(origin: _Origin) -> Catalog:
    """Raises: Broken: the document is no catalog; its text says what was found."""
    flows, warnings = dict[str, FlowSpec](), list[str]()
    for found in _read(origin):
        if isinstance(found, str):
            warnings.append(found)
        elif found.name in flows:
            warnings.append(f"a second flow {shown(repr(found.name), 100)} is skipped: names are unique")
        else:
            flows[found.name] = found
    return Catalog(MappingProxyType(flows), origin.source, tuple(warnings), origin)


def _read(origin: _Origin) -> Iterator[FlowSpec | str]:
    document = origin.document
    if is_object(document) and "openapi" in document and "paths" in document:
        return read_openapi(document, source=origin.source)
    actions = actions_of(document)
    if actions is None:
        raise Broken(_other(document))
    return read_actions(
        actions, source=origin.source, protocol=origin.protocol, all_actions=origin.all_actions
    )


def _other(document: Any) -> str:
    if not is_object(document):
        return f"JSON that is {kind(document)}"
    if "swagger" in document:
        return f"a Swagger {shown(str(document['swagger']), 20)} document: convert it to OpenAPI 3"
    if "openapi" in document:
        return "an OpenAPI document without 'paths'"
    return f"an object with the keys {shown(', '.join(map(repr, islice(document, 10))))}"
