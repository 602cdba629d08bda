"""The synchronous driver: `FlowStream`, and the HTTP client that it runs on. Its twin `aio_stream.py` has the
same methods in the same order.

In: a session. Out: typed chunks and an output. The session decides everything; this file only opens requests,
reads bodies, waits, and lets go. Out of place here: policy, parsing, what an error means.
"""

from __future__ import annotations

import socket
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from threading import TIMEOUT_MAX, Lock, get_ident
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Self
from weakref import ref

import httpx
from typing_extensions import TypeVar

from . import calls
from .call import READ, Done, Failed, Faulty, Open, Wait
from .calls import HeaderSource, Liveness, Settings
from .errors import FlowError
from .locks import ProcessLock
from .session import Session
from .ticket import Ticket
from .transport.defaults import default_http_client
from .transport.exchange import Exchange, running
from .transport.failures import report
from .transport.foreign import Watch, check_time, time_outs, tracer
from .wire.codec import UNSET

InputT = TypeVar("InputT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)
OutputT = TypeVar("OutputT", default=Any)


class FlowStream(Generic[ChunkT, OutputT]):
    """One running flow: iterate its chunks, ask for its `result()`, or both.

    Leaving a `for` loop early leaves the stream open; leaving its `with` block, `close()`, exhaustion and
    any error free the connection.
    """

    def __init__(
        self,
        http: Http,
        settings: Settings,
        session: Session[ChunkT, OutputT],
        restart: Callable[[Any], Session[ChunkT, OutputT]],
    ) -> None:
        self._http = http
        self._settings = settings
        self._restart = restart
        self._reader = Lock()
        self._reads_in: int | None = None  # which thread
        self._run(session)

    def _run(self, session: Session[ChunkT, OutputT]) -> None:
        self._session = session
        self._ready = session.ready
        self._exchange = Exchange(session)
        self._response: httpx.Response | None = None
        self._body: Iterator[bytes] | None = None
        self._watch: Watch | None = None
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

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ChunkT:
        try:
            item = self._ready.popleft()
        except IndexError:
            item = self._pull()
        if type(item) is Faulty:  # not isinstance: 16 ns of 60
            raise self._stamped(item.error) from None
        return item

    def result(self) -> OutputT:
        """The final output. Chunks not read yet are drained: counted, not validated, not kept.

        Raises:
            FlowError: how the call ended, if not with an output of its type.
        """
        session = self._advance(calls.never, drain=True)
        outcome = session.outcome
        if isinstance(outcome, Done):
            return outcome.output
        assert outcome is not None, "a call that was waited for has ended"
        raise session.stamped(outcome.error, monotonic()) from None

    def restart(self, input: Any = UNSET, /) -> None:
        """Cancel the running call and start the flow anew; nothing of the old answer is delivered.

        Raises:
            InputValidationError: nothing was cancelled, nothing is sent.
            RuntimeError: it was called within a read, as by a signal handler; nothing was cancelled.
        """
        if self._reads_in == get_ident():  # it would wait for itself
            raise RuntimeError("a stream cannot be restarted from within a read of it")
        self._check_owner()
        session = self._restart(input)
        self.cancel()
        with self._reader:  # whoever reads was woken by that, and lets go
            self._session.settle(monotonic())
            self._end()
            self._run(session)

    # --- stopping -----------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop the call, from any thread. Its reader raises FlowCancelledError at once; the server is
        told where the protocol can. Does nothing after the terminal frame."""
        self._exchange.cancel("the stream was cancelled", tell=True)

    def close(self) -> None:
        """Let go of the call and free its connection. A blocked reader raises FlowCancelledError."""
        self._exchange.cancel("the stream was closed")
        if not self._reader.locked():  # else whoever reads was woken by that, and lets go
            with self._reader:  # not by `acquire`, as in `_advance`
                self._session.settle(monotonic())
                self._end()

    def __enter__(self) -> Self:
        session = self._advance(calls.has_response)
        if isinstance(session.outcome, Failed):
            raise self._stamped(session.outcome.error) from None
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_body", None) is not None:
            forgotten = not self._exchange.stopped
            self._exchange.discard()
            self._http.live.pop(self._exchange, None)
            self._http.graves.append((self._body, self._response))
            if self._watch is not None:
                self._watch.forget()
            if forgotten:
                warnings.warn(
                    f"unclosed stream of flow {self._session.call.flow!r}",
                    ResourceWarning,
                    stacklevel=1,
                    source=self,
                )

    def __repr__(self) -> str:
        with self._exchange.lock:  # as above
            return f"FlowStream({self._session})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .notebook import stream_html

        with self._exchange.lock:
            return stream_html("FlowStream", self._session, monotonic())

    # --- driving the session ------------------------------------------------------------------------

    def _pull(self) -> ChunkT | Faulty:
        """The next chunk, or what stands for one."""
        while True:
            session = self._advance(calls.has_chunk)
            try:  # by now another thread may have restarted the stream, or have cancelled it
                return session.ready.popleft()
            except IndexError:
                pass
            if isinstance(session.outcome, Failed):
                raise session.stamped(session.outcome.error, monotonic()) from None
            if session.outcome is not None:
                raise StopIteration

    def _advance(
        self, enough: Callable[[Session[Any, Any]], bool], *, drain: bool = False
    ) -> Session[ChunkT, OutputT]:
        """Take steps until there is enough or the call has ended. One reader at a time."""
        self._check_owner()
        self._check_turn()
        with self._reader:  # not by `acquire`: Ctrl-C could come between that and the `try` that releases
            session = self._session
            try:
                self._reads_in = get_ident()
                self._exchange.waits(drain=drain)
                while session.outcome is None and not enough(session):
                    self._step(session)
                if session.outcome is not None:
                    self._end()
            except BaseException:
                self._interrupted()
                raise
            finally:
                self._reads_in = None
                self._exchange.rests()
        return session

    def _check_owner(self) -> None:
        """A call under way belongs where it was made; its outcome is anyone's.

        Raises: RuntimeError.
        """
        if self._body is not None and self._session.outcome is None:
            self._exchange.check_process()

    def _check_turn(self) -> None:
        """One reader at a time; but whoever closes or restarts the stream is waited for.

        Raises: RuntimeError.
        """
        if self._reader.locked() and not self._exchange.stopped:
            raise RuntimeError("the stream is being read already")

    def _interrupted(self) -> None:
        """Whatever breaks into a read (a cancelled task, Ctrl-C, a caller's auth) ends the call."""
        self._exchange.cancel("the read was interrupted", tell=True)
        self._session.settle(monotonic())
        self._end()

    def _step(self, session: Session[ChunkT, OutputT]) -> None:
        """Take the one action that the session wants next."""
        with self._exchange.lock:
            action = session.step(monotonic())
        if action is READ:
            self._read(session)
        elif isinstance(action, Open):
            self._open(session, action)
        elif isinstance(action, Wait):
            self._let_go()
            self._sleep(session, action.seconds)
        if session.notes:
            calls.write_log(session)

    def _open(self, session: Session[ChunkT, OutputT], action: Open) -> None:
        self._let_go()
        self._http.live[self._exchange] = ref(self), None
        request = self._http.request(self._settings, self._exchange, action)
        token = running.set(self._exchange)
        try:
            response = self._http.send(self._settings, self._exchange, request)
        except Exception as error:  # noqa: BLE001 - `report` raises again what is not the network's
            report(error, self._exchange)
            return
        finally:
            running.reset(token)
        body: Iterator[bytes] = iter(response.stream)  # type: ignore[arg-type]
        self._response, self._body = response, body
        self._http.live[self._exchange] = ref(self), body
        with self._exchange.lock:
            session.head(response.status_code, response.reason_phrase, response.headers, monotonic())
        if not self._exchange.bound:  # not before: `idle` would not know that the headers have come
            self._watch = Watch(self._exchange, response)

    def _read(self, session: Session[ChunkT, OutputT]) -> None:
        assert self._body is not None
        try:
            # Of a caller's client the response is asked: its hooks may have put something around the body.
            source = self._exchange.source if self._http.owned else None
            data = b"" if source is None else source()
            if not data:
                data = next(self._body, None)
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

    def _sleep(self, session: Session[ChunkT, OutputT], seconds: float) -> None:
        """Wait on a socket that nobody writes to, but that cancelling shuts down."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._exchange.attach(ours)
            try:
                ours.settimeout(seconds)
                with suppress(OSError):
                    ours.recv(1)
            finally:
                self._exchange.detach()
        with self._exchange.lock:
            session.woke(monotonic())

    def _let_go(self) -> None:
        """Free the connection: for reuse after a clean end, else for good."""
        body, response = self._body, self._response
        if body is not None and response is not None:
            if not self._session.clean or not self._exchange.reachable or not self._drain(body):
                self._exchange.sever()
            if self._watch is not None:
                self._watch.stop()
            self._exchange.detach()
            with suppress(Exception):
                _close(response)
        self._body = None  # not before: where Ctrl-C strikes, all this is done again

    def _drain(self, body: Iterator[bytes]) -> bool:
        """What little follows the terminal frame. False: too late or cut off, not to be used again."""
        self._exchange.begin_draining()
        try:
            for _ in body:
                pass
        except Exception:  # noqa: BLE001 - whatever it was, the connection is not used again
            return False
        finally:
            self._exchange.end_draining()
        return True

    def _end(self) -> None:
        """The call is over: free its connection, and tell the server if its run should stop too."""
        self._let_go()
        self._http.live.pop(self._exchange, None)
        calls.write_log(self._session)
        if self._session.wants_telling and not self._told:
            self._told = True
            session = calls.cancel_session(self._settings, self._session)
            with suppress(Exception), closing(self._http.apart()) as http:
                FlowStream(http, self._settings, session, lambda _: session).result()

    def _stamped(self, error: FlowError) -> FlowError:
        with self._exchange.lock:
            return self._session.stamped(error, monotonic())


class Http:
    """The HTTP client of a `Client` and its copies, and the calls that run on it."""

    def __init__(self, http_client: Any, make: Callable[[], httpx.Client] = default_http_client) -> None:
        calls.check_client(http_client, closes_by="close")
        self.owned: bool = http_client is None
        self._make = make
        self.client: httpx.Client = make() if self.owned else http_client
        # Streams that run, with their bodies, which belong to them. Held here too, a body is not finalized
        # together with its stream in a cycle: that would close a connection within the garbage collector.
        self.live: dict[Exchange, tuple[ref[FlowStream[Any, Any]], object]] = {}
        self.graves: deque[tuple[Any, Any]] = deque()
        self.closed: bool = False
        self._searching = ProcessLock()

    def apart(self) -> Http:
        """Another one for what goes on while this one is closed."""
        return Http(None if self.owned else self.client, self._make)

    def request(self, settings: Settings, exchange: Exchange, action: Open) -> httpx.Request:
        """The request of one attempt, with the caller's headers as they are now."""
        self.bury()
        exchange.begin()
        source: HeaderSource | None = settings.headers
        given = source() if callable(source) else source
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
        request.extensions["trace"] = tracer(exchange, timeouts, anew)
        return request

    def send(self, settings: Settings, exchange: Exchange, request: httpx.Request) -> httpx.Response:
        """The response, its headers read and its body not."""
        if not self.owned:
            check_time(exchange)
        return self.client.send(
            request,
            stream=True,
            follow_redirects=False,
            **calls.auth_argument(settings, str(request.url), owned=self.owned),
        )

    @contextmanager
    def searching(self, seconds: float | None) -> Generator[bool]:
        """One search for flows at a time. Gives False where the wait for others took too long."""
        lock = self._searching.here()
        in_time = lock.acquire(timeout=-1 if seconds is None else min(seconds, TIMEOUT_MAX))
        try:
            yield in_time
        finally:
            if in_time:
                lock.release()

    def bury(self) -> None:
        """Close what finalizers left behind; they may neither lock nor wait themselves."""
        with suppress(IndexError):  # another thread may bury too
            while True:
                body, response = self.graves.popleft()
                with suppress(Exception):
                    body.close()
                    _close(response)

    def close(self) -> None:
        self.closed = self.owned
        if self.owned:  # before the streams: none must begin meanwhile
            self.client.close()
        for known, _ in list(self.live.values()):
            stream = known()
            if stream is not None:
                stream.close()
        self.bury()


def _close(response: Any) -> None:
    """Also one that Ctrl-C left closed in name only: httpx does not look a second time."""
    (response.stream if response.is_closed else response).close()
