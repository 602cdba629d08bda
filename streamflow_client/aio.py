"""The asynchronous driver, for asyncio and trio: `AsyncClient`, `AsyncFlow`, `AsyncFlowStream`. Its twin
`sync.py` has the same methods in the same order.

In: a caller's calls. Out: typed chunks and outputs. The session decides everything; this file only opens
requests, reads bodies, waits, and lets go. Out of place here: policy, parsing, what an error means.
"""

from __future__ import annotations

import inspect
import socket
import warnings
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Any, Generic, NoReturn, Self, cast, overload
from weakref import ref

import httpx
from anyio import CancelScope, create_task_group, move_on_after, sleep, wait_readable
from anyio import Lock as AsyncLock
from anyio.lowlevel import current_token
from httpx_sse import ServerSentEvent
from typing_extensions import TypeForm, TypeVar

from . import calls
from .call import Action, Done, Failed, Faulty, Open, Wait
from .calls import KEEP, Auth, Headers, Keep, Liveness, Settings, log
from .calls import AsyncHeaderSource as HeaderSource
from .discovery import Discovery, FoundFlow, Source
from .errors import DiscoveryError, FlowError
from .flowdef import FlowDef
from .options import DEFAULT_MAX_EVENT_BYTES, DEFAULT_MAX_RESPONSE_BYTES, Retry, Timeout
from .schema.catalog import Catalog, FlowSpec
from .session import Session
from .ticket import Ticket
from .transport.defaults import default_async_http_client
from .transport.exchange import Exchange, running
from .transport.failures import report
from .transport.foreign import attach, clocked, time_outs
from .wire.codec import UNSET, Unset
from .wire.request import ProtocolName

InputT = TypeVar("InputT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)
OutputT = TypeVar("OutputT", default=Any)
T = TypeVar("T")


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

    Raises:
        ValueError: an argument makes no sense.
    """

    def __init__(
        self,
        base_url: str,
        *,
        catalog: Source = None,
        http_client: Any = None,
        headers: HeaderSource | None = None,
        auth: Auth | None = None,
        timeout: float | Timeout | None = Timeout(),
        retry: Retry | None = Retry(),
        strict: bool = False,
        max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES,
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
        protocol: ProtocolName = "callable",
    ) -> None:
        self._settings = calls.make_settings(
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
        discovery = Discovery(self._settings.base, protocol, catalog)
        self._http = _Http(http_client)
        self._finder = _Finder(self._http, self._settings, discovery)

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

    @property
    def flows(self) -> AsyncFlows:
        """The server's flows by name: `client.flows.menu(theme="pirate")`, `client.flows["my-flow/v2"]`.

        They are discovered on first use, and once.
        """
        return AsyncFlows(self._finder)

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
        copy = object.__new__(type(self))
        copy._settings = calls.changed(
            self._settings, timeout=timeout, retry=retry, headers=headers, strict=strict
        )
        copy._http = self._http
        copy._finder = _Finder(self._http, copy._settings, self._finder.discovery)
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

    def __repr__(self) -> str:
        return f"AsyncFlows({self._finder.discovery})"


class AsyncFlow(Generic[InputT, ChunkT, OutputT]):
    """One flow of a server. Made by `client.flow(…)`; call it, or stream it."""

    def __init__(self, http: _Http, settings: Settings, definition: FlowDef[InputT, ChunkT, OutputT]) -> None:
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
        return await self._stream(self._session(input, streaming=False)).result()

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
        return f"AsyncFlow({self._definition.name!r} at {self._settings.base})"

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


class AsyncDiscoveredFlow(AsyncFlow[Any, Any, Any]):
    """A flow whose types were made from the server's schemas. Made by `client.flows`.

    The fields of its input may also be given by keywords: `flow(theme="pirate")`.
    """

    _definition: FoundFlow

    def __init__(self, http: _Http, settings: Settings, found: FoundFlow) -> None:
        super().__init__(http, replace(settings, protocol=found.spec.protocol), found)

    @property
    def spec(self) -> FlowSpec:
        """What the catalog says of the flow."""
        return self._definition.spec

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

    def __init__(self, finder: _Finder, settings: Settings, name: str) -> None:
        self._finder = finder
        self._settings = settings
        self._name = name

    @property
    def _definition(self) -> FoundFlow:  # type: ignore[override]  # later than in the class above
        self._finder.discovery.needed()
        return self._finder.discovery.flow(self._name)

    async def __call__(self, input: Any | Unset = UNSET, /, **fields: Any) -> Any:
        await self._finder.catalog(anew=False)
        return await self._known()(input, **fields)

    def stream(self, input: Any | Unset = UNSET, /, **fields: Any) -> AsyncFlowStream[Any, Any]:
        return self._later(lambda flow: flow.stream(input, **fields))

    def stream_events(
        self, input: Any | Unset = UNSET, /, **fields: Any
    ) -> AsyncFlowStream[ServerSentEvent, None]:
        return self._later(lambda flow: flow.stream_events(input, **fields))

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
        return type(self)(self._finder, settings, self._name)

    def __repr__(self) -> str:
        return f"<Flow {self._name}, looked up by its first call>"

    def _known(self) -> AsyncDiscoveredFlow:
        found = self._definition
        return found.of(AsyncDiscoveredFlow)(self._finder.http, self._settings, found)

    def _later(
        self, start: Callable[[AsyncDiscoveredFlow], AsyncFlowStream[ChunkT, OutputT]]
    ) -> AsyncFlowStream[ChunkT, OutputT]:
        """A stream that is started once its flow is known; at once, if it is by now."""
        if self._finder.discovery.known() is not None:
            return start(self._known())

        async def find() -> AsyncFlowStream[ChunkT, OutputT]:
            await self._finder.catalog(anew=False)
            return start(self._known())

        def too_early(_: Any) -> NoReturn:
            raise DiscoveryError(f"flow {self._name!r} is not known yet: it cannot be restarted")

        session = calls.late_session(self._settings, self._name)
        return AsyncFlowStream(self._finder.http, self._settings, session, too_early, find)


class AsyncFlowStream(Generic[ChunkT, OutputT]):
    """One running flow: iterate its chunks, ask for its `result()`, or both.

    Leaving an `async for` loop early leaves the stream open; leaving its `async with` block, `aclose()`,
    exhaustion and any error free the connection.
    """

    def __init__(
        self,
        http: _Http,
        settings: Settings,
        session: Session[ChunkT, OutputT],
        restart: Callable[[Any], Session[ChunkT, OutputT]],
        find: Callable[[], Awaitable[AsyncFlowStream[ChunkT, OutputT]]] | None = None,
    ) -> None:
        self._http = http
        self._settings = settings
        self._restart = restart
        self._find = find
        self._reader = Lock()
        self._run(session)

    def _run(self, session: Session[ChunkT, OutputT]) -> None:
        self._session = session
        self._ready = session.ready
        self._exchange = Exchange(session)
        self._response: httpx.Response | None = None
        self._body: AsyncIterator[bytes] | None = None
        self._told = False

    # --- what is known so far -----------------------------------------------------------------------

    @property
    def received(self) -> int:
        """Chunks that were delivered, or drained by `result()`."""
        return self._session.received

    @property
    def stream_id(self) -> str | None:
        """The id of a durable stream, a secret; None where the server issued none."""
        return self._session.stream_id

    @property
    def trace_id(self) -> str | None:
        """The server's trace id, where it told one."""
        return self._session.trace_id

    @property
    def response(self) -> httpx.Response | None:
        """Status and headers of the newest response; its body is ours to read. None before the first."""
        return self._response

    @property
    def liveness(self) -> Liveness:
        """When the last byte, comment and chunk came."""
        return Liveness(*self._session.liveness)

    def ticket(self) -> Ticket | None:
        """Where `flow.resume` can go on, in any process; None where the server issued no id."""
        return self._session.ticket()

    # --- reading ------------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChunkT:
        try:
            item = self._ready.popleft()
        except IndexError:
            item = await self._pull()
        if isinstance(item, Faulty):
            raise self._stamped(item.error) from None
        return item

    async def result(self) -> OutputT:
        """The final output. Chunks not read yet are drained: counted, not validated, not kept.

        Raises:
            FlowError: how the call ended, if not with an output of its type.
        """
        session = await self._advance(calls.never, drain=True)
        outcome = session.outcome
        if isinstance(outcome, Done):
            return outcome.output
        assert outcome is not None, "a call that was waited for has ended"
        raise session.stamped(outcome.error, monotonic()) from None

    async def restart(self, input: Any = UNSET, /) -> None:
        """Cancel the running call and start the flow anew; nothing of the old answer is delivered.

        Raises:
            InputValidationError: nothing was cancelled, nothing is sent.
        """
        session = self._restart(input)
        self.cancel()
        while not self._reader.acquire(blocking=False):  # noqa: ASYNC110 - a thread's lock has no event
            await sleep(0.001)  # whoever reads was woken by that, and lets go in a turn of its own
        try:
            self._session.settle(monotonic())
            with CancelScope(shield=True):
                await self._end()
            self._run(session)
        finally:
            self._reader.release()

    # --- stopping -----------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop the call, from any thread. Its reader raises FlowCancelledError at once; the server is
        told where the protocol can. Does nothing after the terminal frame."""
        self._exchange.cancel("the stream was cancelled", tell=True)

    async def aclose(self) -> None:
        """Let go of the call and free its connection. A blocked reader raises FlowCancelledError."""
        self._exchange.cancel("the stream was closed")
        if self._reader.acquire(blocking=False):
            try:
                self._session.settle(monotonic())
                with CancelScope(shield=True):
                    await self._end()
            finally:
                self._reader.release()

    async def __aenter__(self) -> Self:
        session = await self._advance(calls.has_response)
        if isinstance(session.outcome, Failed):
            raise self._stamped(session.outcome.error) from None
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if getattr(self, "_body", None) is not None:
            forgotten = not self._exchange.stopped
            fails = self._exchange.sever()
            self._http.live.pop(self._exchange, None)
            self._http.graves.append((self._body, self._response, fails))
            if forgotten:
                warnings.warn(
                    f"unclosed stream of flow {self._session.call.flow!r}",
                    ResourceWarning,
                    stacklevel=1,
                    source=self,
                )

    def __repr__(self) -> str:
        state = "ended" if self._session.outcome is not None else f"{self.received} chunks received"
        return f"AsyncFlowStream({self._session.call.flow!r}, {state})"

    # --- driving the session ------------------------------------------------------------------------

    async def _pull(self) -> ChunkT | Faulty:
        """The next chunk, or what stands for one."""
        while True:
            session = await self._advance(
                calls.has_chunk
            )  # by now another task may have restarted the stream
            with suppress(IndexError):  # or have cancelled it
                return session.ready.popleft()
            if isinstance(session.outcome, Failed):
                raise session.stamped(session.outcome.error, monotonic()) from None
            if session.outcome is not None:
                raise StopAsyncIteration

    async def _advance(
        self, enough: Callable[[Session[Any, Any]], bool], *, drain: bool = False
    ) -> Session[ChunkT, OutputT]:
        """Take steps until there is enough or the call has ended. One reader at a time."""
        await self._take_turn()
        session = self._session
        try:
            if self._find is not None:
                await self._start_late(session, self._find)
            self._exchange.waits(drain=drain)
            while session.outcome is None and not enough(session):
                await self._step(session)
            if session.outcome is not None:
                await self._end()
        except BaseException:
            await self._interrupted()
            raise
        finally:
            self._exchange.rests()
            self._reader.release()
        return session

    async def _take_turn(self) -> None:
        """One reader at a time; but whoever closes or restarts the stream is waited for.

        Raises: RuntimeError.
        """
        while not self._reader.acquire(blocking=False):
            if not self._exchange.stopped:
                raise RuntimeError("the stream is being read already")
            await sleep(0.001)

    async def _interrupted(self) -> None:
        """Whatever breaks into a read (a cancelled task, Ctrl-C, a caller's auth) ends the call."""
        self._exchange.cancel("the read was interrupted", tell=True)
        self._session.settle(monotonic())
        with CancelScope(shield=True):
            await self._end()

    async def _start_late(
        self,
        session: Session[ChunkT, OutputT],
        find: Callable[[], Awaitable[AsyncFlowStream[ChunkT, OutputT]]],
    ) -> None:
        """The flow is not known yet: find it, unless the call is stopped meanwhile."""
        self._find = None
        try:
            found = await _stoppable(self._exchange, find())
        except FlowError as error:
            session.refuse(error)
            return
        if found is not None:
            self._restart = found._restart  # noqa: SLF001 - made for this one
            with self._exchange.lock:
                session.become(found._session)  # noqa: SLF001

    async def _step(self, session: Session[ChunkT, OutputT]) -> None:
        """Take the one action that the session wants next."""
        with self._exchange.lock:
            action: Action | None = None if session.settle(monotonic()) else session.step(monotonic())
        if isinstance(action, Open):
            await self._open(session, action)
        elif isinstance(action, Wait):
            await self._let_go()
            await self._sleep(session, action.seconds)
        elif action is not None:
            await self._read(session)
        while session.notes:
            log.warning("%s: %s", session.subject, session.notes.popleft())

    async def _open(self, session: Session[ChunkT, OutputT], action: Open) -> None:
        await self._let_go()
        self._http.live[self._exchange] = ref(self)
        try:
            request = await self._http.request(self._settings, self._exchange, action)
        except TimeoutError as error:
            if not self._exchange.timed_out:
                raise
            report(error, self._exchange)  # a clock ran out while the caller made up the headers
            return
        token = running.set(self._exchange)
        try:
            response = await self._http.send(self._settings, self._exchange, request)
        except Exception as error:  # noqa: BLE001 - `report` raises again what is not the network's
            report(error, self._exchange)
            return
        finally:
            running.reset(token)
        self._response, self._body = response, aiter(response.stream)  # type: ignore[arg-type]
        if not self._exchange.bound:
            attach(self._exchange, response)
        with self._exchange.lock:
            session.head(response.status_code, response.reason_phrase, response.headers, monotonic())

    async def _read(self, session: Session[ChunkT, OutputT]) -> None:
        assert self._body is not None
        try:
            data = await self._http.read(self._exchange, self._body)
        except Exception as error:  # noqa: BLE001 - `report` raises again what is not the network's
            report(error, self._exchange)
            return
        with self._exchange.lock:
            if data is not None:
                session.data(data, monotonic())
            elif self._exchange.timed_out:
                session.expired(monotonic())
            else:
                session.eof(monotonic())

    async def _sleep(self, session: Session[ChunkT, OutputT], seconds: float) -> None:
        """Wait on a socket that nobody writes to, but that cancelling shuts down."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._exchange.attach(ours)
            ours.setblocking(False)
            with move_on_after(seconds):
                await wait_readable(ours)
            self._exchange.detach()
        with self._exchange.lock:
            session.woke(monotonic())

    async def _let_go(self) -> None:
        """Free the connection: for reuse after a clean end, else for good."""
        body, self._body = self._body, None
        response = self._response
        if body is not None and response is not None:
            fails = True
            try:
                if not self._session.clean or not await self._drain(body):
                    fails = self._exchange.sever()
            except BaseException:
                fails = self._exchange.sever()
                raise
            finally:
                self._exchange.detach()
                await _bury(body, response, fails)

    async def _drain(self, body: AsyncIterator[bytes]) -> bool:
        """What little follows the terminal frame. False: too late or cut off, not to be used again."""
        self._exchange.begin_draining()
        try:
            while await self._http.read(self._exchange, body) is not None:
                pass
        except Exception:  # noqa: BLE001 - whatever it was, the connection is not used again
            return False
        finally:
            self._exchange.end_draining()
        return True

    async def _end(self) -> None:
        """The call is over: free its connection, and tell the server if its run should stop too."""
        await self._let_go()
        self._http.live.pop(self._exchange, None)
        if self._session.wants_telling and not self._told:
            session = calls.cancel_session(self._settings, self._session)
            with CancelScope(shield=True), suppress(Exception):
                await AsyncFlowStream(self._http, self._settings, session, lambda _: session).result()
            self._told = True  # not before: a second cancel may have hit the telling

    def _stamped(self, error: FlowError) -> FlowError:
        return self._session.stamped(error, monotonic())


class _Finder:
    """Finds out what flows the server has, with the requests and options of one client."""

    def __init__(self, http: _Http, settings: Settings, discovery: Discovery) -> None:
        self.http = http
        self.settings = settings
        self.discovery = discovery

    async def catalog(self, *, anew: bool) -> Catalog:
        """What is known, or is found out now: by one caller, while others wait for it."""
        async with self.http.searching:
            known = None if anew else self.discovery.known()
            return await self._search() if known is None else known

    def flow(self, name: str) -> AsyncDiscoveredFlow:
        """A flow by its name; of one that is not known yet, its first call finds out."""
        if self.discovery.known() is None:
            return _LateFlow(self, self.settings, name)
        found = self.discovery.flow(name)
        return found.of(AsyncDiscoveredFlow)(self.http, self.settings, found)

    async def _search(self) -> Catalog:
        search = self.discovery.search()
        answer: bytes | FlowError | None = None
        while True:
            try:
                url = search.send(answer)
            except StopIteration as end:
                return cast("Catalog", end.value)
            answer = await self._read(url)

    async def _read(self, url: str) -> bytes | FlowError:
        session = calls.document_session(self.settings, url)
        try:
            return await AsyncFlowStream(self.http, self.settings, session, lambda _: session).result()
        except FlowError as error:
            return error


class _Http:
    """The HTTP client of an `AsyncClient` and its copies, and the calls that run on it."""

    def __init__(self, http_client: Any) -> None:
        calls.check_client(http_client, closes_by="aclose")
        self.owned = http_client is None
        self.client: httpx.AsyncClient = default_async_http_client() if self.owned else http_client
        self.live: dict[Exchange, ref[AsyncFlowStream[Any, Any]]] = {}
        self.graves: deque[tuple[Any, Any, bool]] = deque()
        self.searching = AsyncLock()
        self._loop: object = None

    async def request(self, settings: Settings, exchange: Exchange, action: Open) -> httpx.Request:
        """The request of one attempt, with the caller's headers as they are now."""
        self._check_loop()
        await self.bury()
        exchange.begin(owned=self.owned)
        given = await clocked(exchange, _given_headers(settings), idle=False)
        return self.client.build_request(
            action.method,
            action.url,
            headers=calls.request_headers(settings, action.url, action.headers, given),
            content=action.body,
            extensions={"timeout": time_outs(settings.timeout, exchange)},
        )

    async def send(self, settings: Settings, exchange: Exchange, request: httpx.Request) -> httpx.Response:
        """The response, its headers read and its body not."""
        sending = self.client.send(
            request,
            stream=True,
            follow_redirects=False,
            **calls.auth_argument(settings, str(request.url), owned=self.owned),
        )
        return await (sending if self.owned else clocked(exchange, sending, idle=False))

    async def read(self, exchange: Exchange, body: AsyncIterator[bytes]) -> bytes | None:
        """The next bytes of a body; None at its end."""
        reading = anext(body, None)
        return await (reading if exchange.bound else clocked(exchange, reading, idle=True))

    def _check_loop(self) -> None:
        """Connections belong to the event loop that made them."""
        loop = current_token()
        if self._loop is None:
            self._loop = loop
        elif self._loop != loop:
            raise RuntimeError(
                "an AsyncClient belongs to one event loop, and this is another; make one client per loop"
            )

    async def bury(self) -> None:
        """Close what finalizers left behind; they may neither lock nor wait themselves."""
        while self.graves:
            await _bury(*self.graves.popleft())

    async def aclose(self) -> None:
        with CancelScope(shield=True):
            for known in list(self.live.values()):
                stream = known()
                if stream is not None:
                    await stream.aclose()
            await self.bury()
            if self.owned:
                await self.client.aclose()


async def _given_headers(settings: Settings) -> Headers | None:
    given = settings.headers() if callable(settings.headers) else settings.headers
    if inspect.isawaitable(given):
        given = await given
    return cast("Headers | None", given)


async def _stoppable(exchange: Exchange, awaitable: Awaitable[T]) -> T | None:
    """Await something that is not the call's own request; None where the call is stopped before it ends.

    As in `_sleep`, stopping shuts a socket down that nobody writes to.
    """
    ours, theirs = socket.socketpair()
    outcome: list[T] = []
    failure: list[Exception] = []

    async def work() -> None:
        try:
            outcome.append(await awaitable)
        except Exception as error:  # noqa: BLE001 - raised below, where it is in no group
            failure.append(error)
        group.cancel_scope.cancel()

    with ours, theirs:
        ours.setblocking(False)
        exchange.attach(ours)
        try:
            async with create_task_group() as group:
                group.start_soon(work)
                await wait_readable(ours)
                group.cancel_scope.cancel()
        finally:
            exchange.detach()
    if failure:
        raise failure[0]
    return outcome[0] if outcome else None


async def _bury(body: Any, response: httpx.Response, fails: bool) -> None:
    """End a body and its response, whatever state they are in, also in a cancelled task.

    A body that ends or `fails` at the next read is read to there: httpx and httpcore nest generators, and
    those left suspended would be finalized by the event loop, later and with a warning.
    """
    with CancelScope(shield=True), suppress(Exception):
        try:
            if fails:
                async for _ in body:
                    pass
            else:
                await body.aclose()
        finally:
            await response.aclose()
