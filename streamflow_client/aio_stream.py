"""The asynchronous driver, for asyncio and trio: `AsyncFlowStream`, and the HTTP client that it runs on. Its
twin `sync_stream.py` has the same methods in the same order.

In: a session. Out: typed chunks and an output. The session decides everything; this file only opens requests,
reads bodies, waits, and lets go. Out of place here: policy, parsing, what an error means.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import warnings
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Self, cast
from weakref import ref

import httpx
from anyio import CancelScope, move_on_after, sleep, wait_readable
from anyio import Lock as AsyncLock
from anyio.lowlevel import current_token
from typing_extensions import TypeVar

from . import calls
from .call import READ, Done, Failed, Faulty, Open, Wait
from .calls import Headers, Liveness, Settings
from .errors import FlowError
from .session import Session
from .ticket import Ticket
from .transport.defaults import default_async_http_client
from .transport.exchange import Exchange, running
from .transport.failures import report
from .transport.foreign import check_time, time_outs
from .transport.foreign_aio import AsyncWatch, atracer, clocked, event_loop, is_asyncio, watch
from .transport.stopping import sheltered, stoppable
from .wire.codec import UNSET

InputT = TypeVar("InputT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)
OutputT = TypeVar("OutputT", default=Any)
T = TypeVar("T")


class AsyncFlowStream(Generic[ChunkT, OutputT]):
    """One running flow: iterate its chunks, ask for its `result()`, or both.

    Leaving an `async for` loop early leaves the stream open; leaving its `async with` block, `aclose()`,
    exhaustion and any error free the connection.
    """

    def __init__(
        self,
        http: Http,
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
        self._watch: AsyncWatch | None = None  # of a caller's own client, where one will do
        self._told = False

    # --- what is known so far -----------------------------------------------------------------------

    @property
    def received(self) -> int:
        """Chunks that were delivered, or drained by `result()`."""
        with self._exchange.lock:  # else a cancel in another thread may have dropped half of what waits
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
        with self._exchange.lock:  # as above
            return self._session.ticket()

    # --- reading ------------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChunkT:
        try:
            item = self._ready.popleft()
        except IndexError:
            item = await self._pull()
        if type(item) is Faulty:  # not isinstance: 16 ns of 60
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
        self._check_owner()
        session = self._restart(input)
        self.cancel()
        while not self._reader.acquire(blocking=False):  # noqa: ASYNC110 - a thread's lock has no event
            await sleep(0.001)  # whoever reads was woken by that, and lets go in a turn of its own
        try:
            self._session.settle(monotonic())
            with CancelScope(shield=True):
                await self._end()
            self._find = None  # the flow is known by now
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
        with self._exchange.lock:  # as above
            return f"AsyncFlowStream({self._session})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .notebook import stream_html

        with self._exchange.lock:
            return stream_html("AsyncFlowStream", self._session, monotonic())

    # --- driving the session ------------------------------------------------------------------------

    async def _pull(self) -> ChunkT | Faulty:
        """The next chunk, or what stands for one."""
        while True:
            session = await self._advance(calls.has_chunk)
            try:  # by now another task may have restarted the stream, or have cancelled it
                return session.ready.popleft()
            except IndexError:
                pass
            if isinstance(session.outcome, Failed):
                raise session.stamped(session.outcome.error, monotonic()) from None
            if session.outcome is not None:
                raise StopAsyncIteration

    async def _advance(
        self, enough: Callable[[Session[Any, Any]], bool], *, drain: bool = False
    ) -> Session[ChunkT, OutputT]:
        """Take steps until there is enough or the call has ended. One reader at a time."""
        self._check_owner()
        if self._reader.locked():
            await self._check_turn()
        with self._reader:  # nothing was awaited since it was free
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
        return session

    def _check_owner(self) -> None:
        """A call under way belongs where it was made; its outcome is anyone's.

        Raises: RuntimeError.
        """
        if self._session.outcome is None and (self._body is not None or not self._exchange.stopped):
            self._http.check_loop()
            if self._body is not None:
                self._exchange.check_process()

    async def _check_turn(self) -> None:
        """One reader at a time; but whoever closes or restarts the stream is waited for.

        Raises: RuntimeError.
        """
        while self._reader.locked():
            if not self._exchange.stopped:
                raise RuntimeError("the stream is being read already")
            await sleep(0.001)  # a thread's lock has no event

    async def _interrupted(self) -> None:
        """Whatever breaks into a read (a cancelled task, Ctrl-C, a caller's auth) ends the call."""
        self._exchange.cancel("the read was interrupted", tell=True)
        self._session.settle(monotonic())
        with CancelScope(shield=True):
            await sheltered(self._end())

    async def _start_late(
        self,
        session: Session[ChunkT, OutputT],
        find: Callable[[], Awaitable[AsyncFlowStream[ChunkT, OutputT]]],
    ) -> None:
        """The flow is not known yet: find it, unless the call is stopped meanwhile."""
        self._find = None
        session.begin(monotonic())
        try:
            found = await stoppable(self._exchange, find)
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
            action = session.step(monotonic())
        if action is READ:
            await self._read(session)
        elif isinstance(action, Open):
            await self._open(session, action)
        elif isinstance(action, Wait):
            await self._let_go()
            await self._sleep(session, action.seconds)
        if session.notes:
            calls.write_log(session)

    async def _open(self, session: Session[ChunkT, OutputT], action: Open) -> None:
        await self._let_go()
        self._http.live[self._exchange] = ref(self), None
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
        body: AsyncIterator[bytes] = aiter(response.stream)  # type: ignore[arg-type]
        self._response, self._body = response, body
        self._http.live[self._exchange] = ref(self), body
        with self._exchange.lock:
            session.head(response.status_code, response.reason_phrase, response.headers, monotonic())
        if not self._exchange.bound:
            self._watch = watch(self._exchange, response)

    async def _read(self, session: Session[ChunkT, OutputT]) -> None:
        assert self._body is not None
        try:
            # Of a caller's client the response is asked: its hooks may have put something around the body.
            source = self._exchange.source if self._http.owned else None
            data = b"" if source is None else await source()
            if not data:
                data = await self._http.read(self._exchange, self._body, self._watch)
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
            try:
                ours.setblocking(False)
                with move_on_after(seconds):
                    await wait_readable(ours)
            finally:
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
                if self._watch is not None:
                    self._watch.stop()
                    self._watch = None
                self._exchange.detach()
                await self._http.let_go(body, response, fails)

    async def _drain(self, body: AsyncIterator[bytes]) -> bool:
        """What little follows the terminal frame. False: too late or cut off, not to be used again."""
        self._exchange.begin_draining()
        try:
            while await self._http.read(self._exchange, body, self._watch) is not None:
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
        calls.write_log(self._session)
        if self._session.wants_telling and not self._told:
            session = calls.cancel_session(self._settings, self._session)
            with CancelScope(shield=True), suppress(Exception):
                async with aclosing(self._http.apart()) as http:
                    await AsyncFlowStream(http, self._settings, session, lambda _: session).result()
            self._told = True  # not before: a second cancel may have hit the telling

    def _stamped(self, error: FlowError) -> FlowError:
        with self._exchange.lock:
            return self._session.stamped(error, monotonic())


class Http:
    """The HTTP client of an `AsyncClient` and its copies, and the calls that run on it."""

    def __init__(
        self, http_client: Any, make: Callable[[], httpx.AsyncClient] = default_async_http_client
    ) -> None:
        calls.check_client(http_client, closes_by="aclose")
        self.owned: bool = http_client is None
        self._make = make
        self.client: httpx.AsyncClient = make() if self.owned else http_client
        # Streams that run, with their bodies, which belong to them. Held here too, a body is not finalized
        # together with its stream in a cycle: that would close a connection within the garbage collector.
        self.live: dict[Exchange, tuple[ref[AsyncFlowStream[Any, Any]], object]] = {}
        self.graves: deque[tuple[Any, Any, bool]] = deque()
        self.closed: bool = False
        self._searching = AsyncLock()
        self._loop: object = None
        self._running_loop: Callable[[], object] = current_token

    def apart(self) -> Http:
        """Another one for what goes on while this one is closed."""
        return Http(None if self.owned else self.client, self._make)

    async def request(self, settings: Settings, exchange: Exchange, action: Open) -> httpx.Request:
        """The request of one attempt, with the caller's headers as they are now."""
        self.check_loop()
        await self.bury()
        exchange.begin()
        source = settings.headers
        given = await clocked(exchange, _asked(source), idle=False) if callable(source) else source
        if self.owned:
            return calls.own_request(settings, action, given)
        exchange.entrust()
        anew = partial(time_outs, settings.timeout, exchange, self.client)
        timeouts = anew()
        request = self.client.build_request(
            action.method,
            action.url,
            headers=calls.request_headers(settings, action.url, action.headers, given),
            content=action.body,
            extensions={"timeout": timeouts},
        )
        calls.strip_foreign(settings, action.url, request, action.headers)
        request.extensions["trace"] = atracer(exchange, timeouts, anew)
        return request

    async def send(self, settings: Settings, exchange: Exchange, request: httpx.Request) -> httpx.Response:
        """The response, its headers read and its body not."""

        def sending() -> Awaitable[httpx.Response]:
            return self.client.send(
                request,
                stream=True,
                follow_redirects=False,
                **calls.auth_argument(settings, str(request.url), owned=self.owned),
            )

        if self.owned:
            return await sending()
        check_time(exchange)
        opening = stoppable(exchange, sending, lambda response: response.aclose())
        response = await clocked(exchange, opening, idle=False)
        if response is None:
            raise ConnectionError("the call was stopped")
        return response

    async def read(
        self, exchange: Exchange, body: AsyncIterator[bytes], watch: AsyncWatch | None
    ) -> bytes | None:
        """The next bytes of a body; None at its end. What no one watches is `clocked`."""
        reading = anext(body, None)
        return await (reading if exchange.bound or watch else clocked(exchange, reading, idle=True))

    @asynccontextmanager
    async def searching(self, seconds: float | None) -> AsyncGenerator[bool]:
        """One search for flows at a time. Gives False where the wait for others took too long."""
        self.check_loop()
        with move_on_after(seconds) as waiting:
            await self._searching.acquire()
        try:
            yield not waiting.cancelled_caught
        finally:
            if not waiting.cancelled_caught:
                self._searching.release()

    def check_loop(self) -> None:
        """Connections belong to the event loop that made them."""
        if self._loop is None:
            if is_asyncio(event_loop()):  # its own function costs a tenth, and is asked at every read
                self._running_loop = asyncio.get_running_loop
            self._loop = self._running_loop()
            return
        try:
            same = self._loop == self._running_loop()
        except RuntimeError:  # none of asyncio's runs
            same = False
        if not same:
            raise RuntimeError(
                "an AsyncClient belongs to one event loop, and this is another; make one client per loop"
            )

    async def bury(self) -> None:
        """Close what finalizers left behind; they may neither lock nor wait themselves."""
        while self.graves:
            await self.let_go(*self.graves.popleft())

    async def let_go(self, body: Any, response: httpx.Response, fails: bool) -> None:
        """End a response; of a caller's client in shelter, for it may lose the connection otherwise."""
        burying = _bury(body, response, fails)
        await (burying if self.owned else sheltered(burying))

    async def aclose(self) -> None:
        self.closed = self.owned
        with CancelScope(shield=True):
            if self.owned:  # before the streams: none must begin meanwhile
                await self.client.aclose()
            for known, _ in list(self.live.values()):
                stream = known()
                if stream is not None:
                    await stream.aclose()
            await self.bury()


async def _asked(source: Callable[[], Any]) -> Headers | None:
    given = source()
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
