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
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Self, cast, overload
from weakref import ref

import httpx
from anyio import CancelScope, move_on_after, sleep, wait_readable
from anyio.lowlevel import current_token
from httpx_sse import ServerSentEvent
from typing_extensions import TypeForm, TypeVar

from . import calls
from .call import Action, Done, Failed, Faulty, Open, Wait
from .calls import KEEP, Auth, Headers, Keep, Liveness, Settings, log
from .calls import AsyncHeaderSource as HeaderSource
from .errors import FlowError
from .flowdef import FlowDef
from .options import DEFAULT_MAX_EVENT_BYTES, DEFAULT_MAX_RESPONSE_BYTES, Retry, Timeout
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


class AsyncClient:
    """Calls flows of one server. Belongs to one event loop. Close it, or use it in an `async with` block.

    Args:
        base_url: where the flows are: "http://localhost:3400", with a path where they have one.
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
        self._http = _Http(http_client)

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
        where = calls.ticket_for(self._settings, self._definition, ticket)
        session = calls.new_session(self._settings, self._definition, None, streaming=True, resume=where)
        return self._stream(session)

    def with_options(
        self,
        *,
        timeout: float | Timeout | Keep | None = KEEP,
        retry: Retry | Keep | None = KEEP,
        headers: HeaderSource | Keep | None = KEEP,
        strict: bool | Keep = KEEP,
    ) -> AsyncFlow[InputT, ChunkT, OutputT]:
        """A copy with other options that shares the connections."""
        settings = calls.changed(self._settings, timeout=timeout, retry=retry, headers=headers, strict=strict)
        return AsyncFlow(self._http, settings, self._definition)

    def __repr__(self) -> str:
        return f"AsyncFlow({self._definition.name!r} at {self._settings.base})"

    def _session(self, input: InputT | Unset, *, streaming: bool) -> Session[ChunkT, OutputT]:
        data = calls.encode_input(self._definition, self._settings, input)
        return calls.new_session(self._settings, self._definition, data, streaming=streaming)

    def _event_session(self, input: InputT | Unset) -> Session[ServerSentEvent, None]:
        data = calls.encode_input(self._definition, self._settings, input)
        return calls.new_event_session(self._settings, self._definition, data)

    def _stream(self, session: Session[ChunkT, OutputT]) -> AsyncFlowStream[ChunkT, OutputT]:
        return AsyncFlowStream(
            self._http,
            self._settings,
            session,
            lambda value: self._session(value, streaming=True),
        )


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
    ) -> None:
        self._http = http
        self._settings = settings
        self._restart = restart
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
            log.warning("flow %r: %s", session.call.flow, session.notes.popleft())

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


class _Http:
    """The HTTP client of an `AsyncClient` and its copies, and the calls that run on it."""

    def __init__(self, http_client: Any) -> None:
        calls.check_client(http_client, closes_by="aclose")
        self.owned = http_client is None
        self.client: httpx.AsyncClient = default_async_http_client() if self.owned else http_client
        self.live: dict[Exchange, ref[AsyncFlowStream[Any, Any]]] = {}
        self.graves: deque[tuple[Any, Any, bool]] = deque()
        self._loop: object = None

    async def request(self, settings: Settings, exchange: Exchange, action: Open) -> httpx.Request:
        """The request of one attempt, with the caller's headers as they are now."""
        self._check_loop()
        await self.bury()
        exchange.begin(owned=self.owned)
        given = await clocked(exchange, _given_headers(settings), idle=False)
        return self.client.build_request(
            "POST",
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
