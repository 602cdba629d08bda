"""The asynchronous client, for asyncio and trio: `AsyncClient`, its `AsyncFlows`, `AsyncFlow` and
`AsyncDiscoveredFlow`. Its twin `sync.py` has the same methods in the same order.

In: a caller's calls. Out: streams, outputs, catalogs. Out of place here: requests and what comes of them
(`aio_stream.py`), policy, what schemas mean.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import aclosing
from dataclasses import replace
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, Self, cast, overload

from httpx_sse import ServerSentEvent
from typing_extensions import TypeForm, TypeVar

from . import calls
from .aio_stream import AsyncFlowStream, Http
from .calls import KEEP, Auth, Keep, OwnSignature, Settings
from .calls import AsyncHeaderSource as HeaderSource
from .calls import AsyncHttpClient as HttpClient
from .discovery import Discovery, Folder, Source
from .errors import FlowError
from .flowdef import FlowDef
from .options import DEFAULT_MAX_EVENT_BYTES, DEFAULT_MAX_RESPONSE_BYTES, Retry, Timeout
from .schema.catalog import Catalog, FlowSpec
from .session import Session
from .text import shown
from .ticket import Ticket
from .transport.defaults import direct_async_http_client
from .wire.codec import UNSET, Unset
from .wire.request import ProtocolName

if TYPE_CHECKING:  # what knows schemas, and development servers, is imported where it is needed
    from .found import FoundFlow
    from .local import DevServer

InputT = TypeVar("InputT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)
OutputT = TypeVar("OutputT", default=Any)
T = TypeVar("T")
P = ParamSpec("P")


class AsyncClient:
    """Calls flows of one server. Belongs to one event loop. Close it, or use it in an `async with` block.

    Args:
        base_url: where the flows are: "http://localhost:3400", with a path where they have one.
        catalog: where `flows` are described: a `Catalog`, a JSON file, a URL. By default `/openapi.json`,
            then Genkit's `/api/actions`, both below the base URL. A URL on another origin gets neither
            headers nor auth.
        http_client: a caller's own `httpx.AsyncClient` or `httpx2.AsyncClient`, never closed by
            us; its time-outs give way to ours.
        headers: a mapping, or a callable that gives one and is asked anew for every attempt. They go to
            the client's own origin only, and so does `auth`.
        auth: an `httpx.Auth`, a `(user, password)` pair, or a bearer token.
        timeout: a `Timeout`; a number of seconds is its `total`; None switches all clocks off.
        retry: when to try again; None never does, and does not resume streams either.
        strict: chunks and outputs with fields that their types do not know are refused.
        max_event_bytes: upper bound of one event (bytes, decoded).
        max_response_bytes: upper bound of a response that is not streamed (bytes, decoded).
        protocol: "callable", or "reflection" for Genkit's development API.

    Attributes:
        flows: the server's flows by name, discovered on first use, and once:
            `client.flows.menu(theme="pirate")`, `client.flows["my-flow/v2"]`.

    Raises:
        ValueError: an argument makes no sense.
    """

    def __init__(
        self,
        base_url: str,
        *,
        catalog: Source = None,
        http_client: HttpClient | None = None,
        headers: HeaderSource | None = None,
        auth: Auth | None = None,
        timeout: float | Timeout | None = Timeout(),
        retry: Retry | None = Retry(),
        strict: bool = False,
        max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES,
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
        protocol: ProtocolName = "callable",
    ) -> None:
        settings = calls.make_settings(
            base_url,
            protocol=protocol,
            timeout=timeout,
            retry=retry,
            strict=strict,
            max_event_bytes=max_event_bytes,
            max_response_bytes=max_response_bytes,
            headers=headers,
            auth=auth,
        )
        discovery = Discovery(settings.base, protocol, catalog)
        self._set_up(settings, Http(http_client), discovery)

    def _set_up(self, settings: Settings, http: Http, discovery: Discovery) -> None:
        self._settings = settings
        self._http = http
        self._finder = _Finder(http, settings, discovery)
        self.flows: AsyncFlows = AsyncFlows(self._finder)

    @classmethod
    async def local(cls, folder: Folder | None = None, *, app: str | None = None) -> Self:
        """A client of the Genkit development server that runs on this machine for a project's folder.

        It is found by the files that such servers write to `.genkit/runtimes`, and asked whether it is
        there: 5 s at most in all. The client speaks the reflection protocol, goes to loopback addresses
        only, past any proxy, and has no credentials; `with_options` changes the rest.

        Args:
            folder: the nearest folder from here upwards that has runtime files is the project's; by
                default the current one.
            app: which server, where several run: the name or the id of one.

        Raises:
            DiscoveryError: none runs, or several do; the message tells which files said what.
        """
        from .local import settings_for

        server = await _find_local(folder, app)
        settings = settings_for(server)
        client = object.__new__(cls)
        client._set_up(
            settings,
            Http(None, direct_async_http_client),
            Discovery(settings.base, "reflection", server.catalog),
        )
        return client

    @overload
    def flow(self, flow: FlowDef[InputT, ChunkT, OutputT], /) -> AsyncFlow[InputT, ChunkT, OutputT]: ...

    @overload
    def flow(
        self,
        flow: str,
        /,
        *,
        input: TypeForm[InputT] = Any,
        chunk: TypeForm[ChunkT] = Any,
        output: TypeForm[OutputT] = Any,
        path: str | None = None,
    ) -> AsyncFlow[InputT, ChunkT, OutputT]: ...

    def flow(
        self,
        flow: FlowDef[Any, Any, Any] | str,
        /,
        *,
        input: Any = Any,
        chunk: Any = Any,
        output: Any = Any,
        path: str | None = None,
    ) -> AsyncFlow[Any, Any, Any]:
        """A flow to call, from its definition or from a name and types. Nothing is sent.

        Raises:
            ValueError: the name or path leads outside of the base URL.
            TypeError: pydantic cannot use one of the types.
        """
        calls.check_flow(flow)
        if isinstance(flow, str):
            flow = FlowDef(flow, input=input, chunk=chunk, output=output, path=path)
        return AsyncFlow(self._http, self._settings, flow)

    async def discover(self) -> Catalog:
        """Find out now, or anew, which flows the server has.

        Raises:
            DiscoveryError: there is no catalog; the message tells every address tried.
            FlowError: the server could not be asked.
        """
        return await self._finder.catalog(anew=True)

    def with_options(
        self,
        *,
        timeout: float | Timeout | Keep | None = KEEP,
        retry: Retry | Keep | None = KEEP,
        headers: HeaderSource | Keep | None = KEEP,
        strict: bool | Keep = KEEP,
    ) -> Self:
        """A copy with other options that shares the connections; closing either closes both."""
        settings = calls.changed(self._settings, timeout=timeout, retry=retry, headers=headers, strict=strict)
        copy = object.__new__(type(self))
        copy._set_up(settings, self._http, self._finder.discovery)
        return copy

    async def aclose(self) -> None:
        """Close the live streams, and the connections unless they are a caller's own."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncClient({str(self._settings.base)!r})"


class AsyncFlows:
    """The flows of a server by name, as attributes or items. Made by `client.flows`.

    The first call of a flow discovers them, once; counting, listing and `in` need `await client.discover()`
    before. Dunder and private names, `repr` and `dir` never discover.
    """

    __slots__ = ("_finder",)

    def __init__(self, finder: _Finder) -> None:
        self._finder = finder

    def __getattr__(self, name: str) -> AsyncDiscoveredFlow:
        if name.startswith("_"):
            raise AttributeError(f"{name!r} is no flow; a flow of that name is reached by flows[{name!r}]")
        return self[name]

    def __getitem__(self, name: str) -> AsyncDiscoveredFlow:
        """A flow by its name.

        Raises:
            UnknownFlowError: there is none of that name, where the flows are known; close matches are told.
            DiscoveryError: a schema of this one is broken.
        """
        return self._finder.flow(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._finder.discovery.needed())

    def __len__(self) -> int:
        return len(self._finder.discovery.needed())

    def __contains__(self, name: object) -> bool:
        return name in self._finder.discovery.needed()

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._finder.discovery.attributes()})

    def _ipython_key_completions_(self) -> list[str]:
        """What IPython and Jupyter offer after `client.flows["`."""
        return self._finder.discovery.names()

    def __repr__(self) -> str:
        return f"AsyncFlows({self._finder.discovery})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .notebook import flows_html

        found = self._finder.discovery
        return flows_html("AsyncFlows", found.base_url, found.at_hand, "await client.discover()")


class AsyncFlow(Generic[InputT, ChunkT, OutputT]):
    """One flow of a server. Made by `client.flow(…)`; call it, or stream it."""

    __signature__: ClassVar[OwnSignature] = OwnSignature()

    def __init__(self, http: Http, settings: Settings, definition: FlowDef[InputT, ChunkT, OutputT]) -> None:
        self._http = http
        self._settings = settings
        self._definition = definition
        calls.new_session(settings, definition, None, streaming=False)  # bad names and types: now

    @property
    def definition(self) -> FlowDef[InputT, ChunkT, OutputT]:
        """The flow's name and types."""
        return self._definition

    @property
    def input_type(self) -> Any:
        """The type of the input: whatever pydantic can validate."""
        return self._definition.input

    @property
    def chunk_type(self) -> Any:
        """The type of each chunk."""
        return self._definition.chunk

    @property
    def output_type(self) -> Any:
        """The type of the output."""
        return self._definition.output

    async def __call__(self, input: InputT | Unset = UNSET, /) -> OutputT:
        """Run the flow and return its output, validated. One plain JSON request.

        Raises:
            FlowError: one of its subclasses; see `streamflow_client.errors`.
        """
        return await self._unary(input).result()

    def stream(self, input: InputT | Unset = UNSET, /) -> AsyncFlowStream[ChunkT, OutputT]:
        """Run the flow and stream its chunks. The request is sent on entering or on the first read.

        Raises:
            InputValidationError: at once, and nothing is sent.
        """
        return self._stream(self._session(input, streaming=True))

    def stream_events(self, input: InputT | Unset = UNSET, /) -> AsyncFlowStream[ServerSentEvent, None]:
        """Run the flow and stream its raw server-sent events, never resumed.

        Raises:
            InputValidationError: at once, and nothing is sent.
            ValueError: the protocol is "reflection", which has no events.
        """
        session = self._event_session(input)
        return AsyncFlowStream(self._http, self._settings, session, self._event_session)

    def resume(self, ticket: Ticket | str, /) -> AsyncFlowStream[ChunkT, OutputT]:
        """Take up a durable stream after the chunks of a ticket, or from the first by its id.

        Raises:
            ValueError: the ticket is for another server or flow.
        """
        return self._stream(self._resumed(ticket))

    def with_options(
        self,
        *,
        timeout: float | Timeout | Keep | None = KEEP,
        retry: Retry | Keep | None = KEEP,
        headers: HeaderSource | Keep | None = KEEP,
        strict: bool | Keep = KEEP,
    ) -> Self:
        """A copy with other options that shares the connections."""
        settings = calls.changed(self._settings, timeout=timeout, retry=retry, headers=headers, strict=strict)
        return type(self)(self._http, settings, self._definition)

    def __repr__(self) -> str:
        return f"AsyncFlow({shown(repr(self._definition.name), 100)} at {self._settings.base})"

    def _unary(self, input: InputT | Unset) -> AsyncFlowStream[ChunkT, OutputT]:
        return self._stream(self._session(input, streaming=False))

    def _session(self, input: InputT | Unset, *, streaming: bool) -> Session[ChunkT, OutputT]:
        data = calls.encode_input(self._definition, self._settings, input)
        return calls.new_session(self._settings, self._definition, data, streaming=streaming)

    def _event_session(self, input: InputT | Unset) -> Session[ServerSentEvent, None]:
        data = calls.encode_input(self._definition, self._settings, input)
        return calls.new_event_session(self._settings, self._definition, data)

    def _resumed(self, ticket: Ticket | str) -> Session[ChunkT, OutputT]:
        where = calls.ticket_for(self._settings, self._definition, ticket)
        return calls.new_session(self._settings, self._definition, None, streaming=True, resume=where)

    def _stream(self, session: Session[ChunkT, OutputT]) -> AsyncFlowStream[ChunkT, OutputT]:
        return AsyncFlowStream(
            self._http,
            self._settings,
            session,
            lambda value: self._session(value, streaming=True),
        )


class AsyncGeneratedFlow(AsyncFlow[InputT, ChunkT, OutputT], Generic[P, InputT, ChunkT, OutputT]):
    """A flow of a generated module. The fields of its input may also be given by keywords."""

    _definition: Any  # a SchemaFlow[InputT, ChunkT, OutputT]; a name that frameworks could not resolve

    @classmethod
    def of(cls, flow: AsyncFlow[InputT, ChunkT, OutputT], /) -> Self:
        """The same flow, called with keywords too; its definition has to be of a generated module."""
        from .found import SchemaFlow

        assert isinstance(flow._definition, SchemaFlow)  # noqa: SLF001 - its own kind
        return cls(flow._http, flow._settings, flow._definition)  # noqa: SLF001

    # Without an input, a field that has to be there is missing: type checkers are told so here.

    @overload  # type: ignore[override]
    async def __call__(self, input: InputT, /) -> OutputT: ...

    @overload
    async def __call__(self, /, *args: P.args, **fields: P.kwargs) -> OutputT: ...

    async def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, /, *args: Any, **fields: Any
    ) -> OutputT:
        """Run the flow and return its output, validated. One plain JSON request.

        Raises:
            FlowError: one of its subclasses; see `streamflow_client.errors`.
        """
        return await super().__call__(calls.called_with(self._definition, args, fields))

    @overload  # type: ignore[override]
    def stream(self, input: InputT, /) -> AsyncFlowStream[ChunkT, OutputT]: ...

    @overload
    def stream(self, /, *args: P.args, **fields: P.kwargs) -> AsyncFlowStream[ChunkT, OutputT]: ...

    def stream(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, /, *args: Any, **fields: Any
    ) -> AsyncFlowStream[ChunkT, OutputT]:
        """Run the flow and stream its chunks. The request is sent on entering or on the first read.

        Raises:
            InputValidationError: at once, and nothing is sent.
        """
        return super().stream(calls.called_with(self._definition, args, fields))

    @overload  # type: ignore[override]
    def stream_events(self, input: InputT, /) -> AsyncFlowStream[ServerSentEvent, None]: ...

    @overload
    def stream_events(
        self, /, *args: P.args, **fields: P.kwargs
    ) -> AsyncFlowStream[ServerSentEvent, None]: ...

    def stream_events(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, /, *args: Any, **fields: Any
    ) -> AsyncFlowStream[ServerSentEvent, None]:
        """Run the flow and stream its raw server-sent events, never resumed.

        Raises:
            InputValidationError: at once, and nothing is sent.
            ValueError: the protocol is "reflection", which has no events.
        """
        return super().stream_events(calls.called_with(self._definition, args, fields))


class AsyncDiscoveredFlow(AsyncFlow[Any, Any, Any]):
    """A flow whose types were made from the server's schemas. Made by `client.flows`.

    The fields of its input may also be given by keywords: `flow(theme="pirate")`.
    """

    _definition: Any  # a FoundFlow, as `found`

    def __init__(self, http: Http, settings: Settings, found: Any) -> None:
        super().__init__(http, replace(settings, protocol=found.spec.protocol), found)

    @property
    def spec(self) -> FlowSpec:
        """What the catalog says of the flow."""
        spec: FlowSpec = self._definition.spec
        return spec

    async def __call__(self, input: Any | Unset = UNSET, /, **fields: Any) -> Any:
        """Run the flow and return its output, validated. One plain JSON request.

        Raises:
            FlowError: one of its subclasses; see `streamflow_client.errors`.
        """
        return await super().__call__(calls.input_of(self._definition, input, fields))

    def stream(self, input: Any | Unset = UNSET, /, **fields: Any) -> AsyncFlowStream[Any, Any]:
        """Run the flow and stream its chunks. The request is sent on entering or on the first read.

        Raises:
            InputValidationError: at once, and nothing is sent.
        """
        return super().stream(calls.input_of(self._definition, input, fields))

    def stream_events(
        self, input: Any | Unset = UNSET, /, **fields: Any
    ) -> AsyncFlowStream[ServerSentEvent, None]:
        """Run the flow and stream its raw server-sent events, never resumed.

        Raises:
            InputValidationError: at once, and nothing is sent.
            ValueError: the protocol is "reflection", which has no events.
        """
        return super().stream_events(calls.input_of(self._definition, input, fields))

    def __repr__(self) -> str:
        return f"<Flow {self._definition.types.signature}>"


class _LateFlow(AsyncDiscoveredFlow):
    """A flow looked up before the server's flows are known: its first call or read finds them out."""

    def __init__(self, finder: _Finder, name: str) -> None:
        self._finder = finder
        self._http = finder.http
        self._settings = finder.settings
        self._name = name

    @property
    def _definition(self) -> FoundFlow:  # type: ignore[override]  # later than in the class above
        self._finder.discovery.needed()
        return self._finder.discovery.flow(self._name)

    async def __call__(self, input: Any | Unset = UNSET, /, **fields: Any) -> Any:
        return await self._later(
            lambda flow: flow._unary(calls.input_of(flow._definition, input, fields))  # noqa: SLF001
        ).result()

    def stream(self, input: Any | Unset = UNSET, /, **fields: Any) -> AsyncFlowStream[Any, Any]:
        return self._later(lambda flow: flow.stream(input, **fields))

    def stream_events(
        self, input: Any | Unset = UNSET, /, **fields: Any
    ) -> AsyncFlowStream[ServerSentEvent, None]:
        return self._later(
            lambda flow: flow.stream_events(input, **fields),
            lambda flow, value: flow._event_session(value),  # noqa: SLF001 - its own kind
        )

    def resume(self, ticket: Ticket | str, /) -> AsyncFlowStream[Any, Any]:
        return self._later(lambda flow: flow.resume(ticket))

    def with_options(
        self,
        *,
        timeout: float | Timeout | Keep | None = KEEP,
        retry: Retry | Keep | None = KEEP,
        headers: HeaderSource | Keep | None = KEEP,
        strict: bool | Keep = KEEP,
    ) -> Self:
        settings = calls.changed(self._settings, timeout=timeout, retry=retry, headers=headers, strict=strict)
        return type(self)(_Finder(self._http, settings, self._finder.discovery), self._name)

    def __repr__(self) -> str:
        return f"<Flow {shown(self._name, 100)}, looked up by its first call>"

    def _known(self) -> AsyncDiscoveredFlow:
        found = self._definition
        return found.of(AsyncDiscoveredFlow)(self._http, self._settings, found)

    def _later(
        self,
        start: Callable[[AsyncDiscoveredFlow], AsyncFlowStream[ChunkT, OutputT]],
        again: Callable[[AsyncDiscoveredFlow, Any], Session[ChunkT, OutputT]] = (
            lambda flow, value: flow._session(value, streaming=True)  # noqa: SLF001
        ),
    ) -> AsyncFlowStream[ChunkT, OutputT]:
        """A stream that is started once its flow is known; at once, if it is by now."""
        if self._finder.discovery.known() is not None:
            return start(self._known())

        async def find() -> AsyncFlowStream[ChunkT, OutputT]:
            await self._finder.catalog(anew=False)
            return start(self._known())

        def restarted(value: Any) -> Session[ChunkT, OutputT]:
            return again(self._known(), value)

        session = calls.late_session(self._settings, self._name)
        return AsyncFlowStream(self._http, self._settings, session, restarted, find)


class _Finder:
    """Finds out what flows the server has, with the requests and options of one client."""

    def __init__(self, http: Http, settings: Settings, discovery: Discovery) -> None:
        self.http = http
        self.settings = settings
        self.discovery = discovery

    async def catalog(self, *, anew: bool) -> Catalog:
        """What is known, or is found out now: by one caller, while others wait for how that ends."""
        known = None if anew else self.discovery.known()
        if known is not None:
            return known
        total, searches = self.settings.timeout.total, self.discovery.searches
        ends = None if total is None else monotonic() + total
        async with self.http.searching(total) as in_time:
            if not in_time:
                raise calls.searched_too_long(self.settings)
            known = None if anew else self.discovery.known()
            if known is not None:
                return known
            calls.check_open(self.http.closed)
            self.discovery.share_failure(searches, self.settings)
            return await self._search(ends)

    def flow(self, name: str) -> AsyncDiscoveredFlow:
        """A flow by its name; of one that is not known yet, its first call finds out."""
        if self.discovery.known() is None:
            return _LateFlow(self, name)
        found = self.discovery.flow(name)
        return found.of(AsyncDiscoveredFlow)(self.http, self.settings, found)

    async def _search(self, ends: float | None) -> Catalog:
        return await _follow(self.discovery.search(self.settings), self.http, self.settings, ends)


async def _follow(
    search: Generator[str, bytes | FlowError | None, T], http: Http, settings: Settings, ends: float | None
) -> T:
    """Where a search leads that says where to look next."""
    answer: bytes | FlowError | None = None
    while True:
        try:
            url = search.send(answer)
        except StopIteration as end:
            return cast("T", end.value)
        answer = await _read(url, http, settings, ends)


async def _read(url: str, http: Http, settings: Settings, ends: float | None) -> bytes | FlowError:
    session = calls.document_session(settings, url, ends)
    try:
        return await AsyncFlowStream(http, settings, session, lambda _: session).result()
    except FlowError as error:
        return error


async def _find_local(folder: Folder | None, app: str | None) -> DevServer:
    """Raises: DiscoveryError."""
    from .local import SEARCH_SECONDS, find_server, settings_for_asking

    async with aclosing(Http(None, direct_async_http_client)) as http:
        ends = monotonic() + SEARCH_SECONDS
        return await _follow(find_server(folder, app), http, settings_for_asking(), ends)
