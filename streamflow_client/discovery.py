"""What a client knows of its server's flows: where to look for them, what was found, which types it means.

In: where the caller says that the catalog is; what came from there. Out: addresses to fetch, a `Catalog`,
and definitions whose types were made from schemas, each on first use and once. Out of place here: fetching,
which the two drivers do, and reading schemas, which is `schema/`.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Generator
from copy import copy
from dataclasses import dataclass
from difflib import get_close_matches
from keyword import iskeyword
from textwrap import indent
from threading import RLock
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, cast
from unicodedata import normalize

from .errors import (
    DiscoveryError,
    FlowCancelledError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    NotFoundError,
    StreamInterruptedError,
)
from .flowdef import FlowDef
from .schema.catalog import Catalog, FlowSpec
from .schema.model import Anything, Map, Record, Ref, Schema, Type, Types, Union
from .schema.names import class_name
from .text import excerpt, one_line, shown, without_secrets
from .wire.codec import Codec
from .wire.request import BaseUrl, ProtocolName, document_url

if TYPE_CHECKING:  # what reads schemas is imported with the first flow: many clients discover none
    from .schema.runtime import Built, Role

DISCOVERY_LOG = "streamflow_client.discovery"  # a child: who wants silence about schemas can have it

log = logging.getLogger(DISCOVERY_LOG)

Source = Catalog | str | os.PathLike[str] | None
Search = Generator[str, "bytes | FlowError | None", Catalog]

FlowT = TypeVar("FlowT")

OPENAPI, ACTIONS = "/openapi.json", "/api/actions"

# These say nothing of whether a document is there.
_NO_ANSWER = (FlowConnectionError, FlowTimeoutError, FlowCancelledError, StreamInterruptedError)


@dataclass(frozen=True, slots=True)
class FlowTypes:
    """What the schemas of a flow say, as plain data; None for a schema that the catalog does not tell."""

    name: str
    input: Types | None
    chunk: Types | None
    output: Types | None

    @classmethod
    def read(cls, spec: FlowSpec) -> FlowTypes:
        """Raises: DiscoveryError: a schema is broken."""
        return cls(
            spec.name,
            input=_read_types(spec, "input", spec.input_schema),
            chunk=_read_types(spec, "chunk", spec.chunk_schema),
            output=_read_types(spec, "output", spec.output_schema),
        )

    @property
    def signature(self) -> str:
        """The flow on one line: `menu(theme: str, dishes: int = 3) -> Menu, streams Item`."""
        from .schema.describe import signature

        return signature(self.name, self.input, self.chunk, self.output)


class FoundFlow(FlowDef[Any, Any, Any]):
    """A flow's definition made from a catalog: its types come from the server's schemas.

    Raises:
        DiscoveryError: a schema is broken.
    """

    __slots__ = ("_chunk", "_classes", "_input", "_output", "spec", "types")

    def __init__(self, spec: FlowSpec) -> None:
        self.spec = spec
        self.types = types = FlowTypes.read(spec)
        self._input = _built(spec, "input", types.input)
        self._chunk = _built(spec, "chunk", types.chunk)
        self._output = _built(spec, "output", types.output)
        # no path: a flow of a catalog lies below the base URL, where its name says
        super().__init__(
            spec.name, input=_form(self._input), chunk=_form(self._chunk), output=_form(self._output)
        )
        self._classes: dict[type, type] = {}

    def codec(self, *, strict: bool) -> Codec[Any, Any, Any]:
        """The flow's codec; strict means to the letter of the schemas."""
        if strict not in self._codecs:
            self._codecs[strict] = Codec(
                self.name, self.input, self.chunk, self.output, strict=strict, from_schemas=True
            )
        return self._codecs[strict]

    @property
    def takes_record(self) -> bool:
        """Whether the input is an object with known fields, so that no fields at all mean their defaults."""
        return _record(self.types.input) is not None

    @property
    def takes_fields(self) -> bool:
        """Whether the input is, or may be, an object."""
        types = self.types.input
        return types is None or _may_be_object(types.root, types, set())

    def unknown_fields(self, names: set[str]) -> list[str]:
        """Those of `names` that the input's schema does not name, though it may tolerate them."""
        record = _record(self.types.input)
        if record is None or not record.extra_said or not isinstance(record.extra, Anything):
            return []  # any name may be one, or validation says which may not
        known = {field.name for field in record.fields} | {field.python_name for field in record.fields}
        return sorted(names - known)

    def close_fields(self, name: str) -> list[str]:
        """Known fields of the input that resemble `name`."""
        record = _record(self.types.input)
        known = [] if record is None else [field.python_name for field in record.fields]
        return get_close_matches(name, known)

    def signature(self) -> inspect.Signature:
        """What a call takes and gives, for people."""
        from .schema.runtime import parameters

        positional = inspect.Parameter.POSITIONAL_ONLY
        if self._input is None:
            takes = [inspect.Parameter("input", positional, default=None, annotation=Any)]
        elif _record(self._input.types) is not None:
            takes = parameters(self._input)
        else:
            takes = [inspect.Parameter("input", positional, annotation=self._input.plain)]
        gives = Any if self._output is None else self._output.plain
        return inspect.Signature(takes, return_annotation=gives)

    def documentation(self) -> str:
        """What `help` tells: the call, the description, and the fields of the types that have some."""
        built = (self._input, self._chunk, self._output)
        models = [each.model for each in built if each is not None and each.model is not None]
        named = {model.__name__: model.__doc__ for model in models}
        parts = [f"{name}:\n{indent(text, '    ')}" for name, text in named.items() if text]
        return "\n\n".join(part for part in (self.types.signature, self.spec.description, *parts) if part)

    def of(self, flow_class: type[FlowT]) -> type[FlowT]:
        """A class of flows for this one alone, so that `help` and `inspect.signature` show its fields."""
        if flow_class not in self._classes:
            self._classes[flow_class] = _described_class(flow_class, self)
        return self._classes[flow_class]


class ProcessLock:
    """A re-entrant lock that a forked child finds free, whoever held it in its parent."""

    def __init__(self) -> None:
        self._locks: dict[int, RLock] = {}

    def here(self) -> RLock:
        """The lock of this process."""
        return self._locks.setdefault(os.getpid(), RLock())


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
        self._failure: FlowError | None = None

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

    def attributes(self) -> list[str]:
        """The flows that are known by now and can be reached as attributes."""
        names = () if self._catalog is None else self._catalog
        return [name for name in names if _is_attribute(name)]

    def __str__(self) -> str:
        if self._catalog is None:
            return f"{self._base}, not discovered yet"
        return f"{self._base}: {excerpt(', '.join(map(one_line, self._catalog)))}"

    def search(self) -> Search:
        """Yields addresses; is sent what each holds, or the error of trying. Returns the catalog.

        Raises:
            DiscoveryError: there is no catalog; the message tells every address tried.
            FlowError: the server could not be asked.
        """
        try:
            catalog = (yield from self._fetched()) if self.is_remote else self._local()
        except FlowError as error:
            self._failure = None if isinstance(error, FlowCancelledError) else error
            raise
        else:
            self._failure = None
            self._learn(catalog)
            return catalog
        finally:
            self._searches += 1

    @property
    def searches(self) -> int:
        """How many searches have ended."""
        return self._searches

    def share_failure(self, searches: int) -> None:
        """For who waited while another one searched: its failure is theirs too.

        Args:
            searches: how many had ended when the wait began.

        Raises:
            FlowError: a copy of how the last search since then failed.
        """
        if self._searches != searches and self._failure is not None:
            raise copy(self._failure)

    def flow(self, name: str) -> FoundFlow:
        """The definition of a known flow. Raises: UnknownFlowError, DiscoveryError."""
        with self._lock.here():
            assert self._catalog is not None, "only asked once the catalog is known"
            if name not in self._found:
                self._found[name] = FoundFlow(self._catalog[name])
            return self._found[name]

    def _learn(self, catalog: Catalog) -> None:
        with self._lock.here():
            if catalog != self._catalog:  # the same again keeps its types
                self._catalog, self._found = catalog, {}
        for warning in catalog.warnings:
            log.warning("catalog %s: %s", catalog.source, warning)

    def _local(self) -> Catalog:
        if isinstance(self._source, Catalog):
            return self._source
        assert self._source is not None
        return Catalog.load(self._source)

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
        root = self._url.rstrip("/")
        if root.count("/") > 2:  # beyond those of "http://"
            return [(self._url, "reflection" if root == own + ACTIONS else self._protocol)]
        return [
            (root + OPENAPI, "callable"),
            (root + ACTIONS, "reflection" if root == own else self._protocol),
        ]


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


def _read_types(spec: FlowSpec, role: Role, schema: Schema | None) -> Types | None:
    """Raises: DiscoveryError."""
    from .schema.read import BrokenSchema, read_types

    if schema is None:
        return None
    try:
        types = read_types(schema, name=_class_name(spec, role))
    except BrokenSchema as error:
        raise DiscoveryError(
            f"its {role} schema (in {spec.source}) is broken: {error}; "
            "declare its types instead: client.flow(FlowDef(…))",
            flow=spec.name,
        ) from None
    for warning in types.warnings:
        log.warning("flow %r: %s schema: %s", spec.name, role, warning)
    return types


def _built(spec: FlowSpec, role: Role, types: Types | None) -> Built | None:
    from .schema.runtime import build

    return None if types is None else build(types, role=role, name=_class_name(spec, role))


def _form(built: Built | None) -> Any:
    return Any if built is None else built.form


def _class_name(spec: FlowSpec, role: Role) -> str:
    return class_name(f"{spec.name} {role}")


def _record(types: Types | None) -> Record | None:
    """What the root is, if it is an object with known fields."""
    from .schema.describe import resolved

    root = None if types is None else resolved(types.root, types)
    return root if isinstance(root, Record) else None


def _may_be_object(root: Type, types: Types, seen: set[str]) -> bool:
    if isinstance(root, Ref):
        again = root.name in seen
        seen.add(root.name)
        return not again and _may_be_object(types.definitions[root.name].type, types, seen)
    if isinstance(root, Union):
        return any(_may_be_object(member, types, seen) for member in root.members)
    return isinstance(root, (Anything, Map, Record))


def _described_class(flow_class: type[FlowT], found: FoundFlow) -> type[FlowT]:
    members: dict[str, Any] = {"__doc__": found.documentation(), "__module__": flow_class.__module__}
    for name in ("__call__", "stream"):
        members[name] = _with_signature(getattr(flow_class, name), found.signature())
    return cast("type[FlowT]", type(class_name(found.name), (flow_class,), members))


def _with_signature(function: FunctionType, signature: inspect.Signature) -> FunctionType:
    """The same function, shown with other parameters."""
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__doc__ = function.__doc__
    name = "self" if "self" not in signature.parameters else "_self"
    myself = inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY)
    if function.__name__ != "__call__":
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    shown_as = signature.replace(parameters=[myself, *signature.parameters.values()])
    copy.__signature__ = shown_as  # type: ignore[attr-defined]  # `inspect` looks for it
    return copy
