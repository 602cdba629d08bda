"""Where a call, its caller and its socket meet.

In: a session and a clock. Out: an `Exchange` that the drivers lock while they report events, that the
network streams ask how long they may still wait, and through which any thread can stop the call at once:
by shutting its socket down, which wakes whoever reads from it. Out of place here: HTTP and policy.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from ..session import Session

DRAIN_SECONDS = 0.1  # what may follow the terminal frame is waited for no longer

running: ContextVar[Exchange | None] = ContextVar("streamflow_exchange", default=None)

# The sockets of running calls. Of a cycle that holds a stream and its connection the garbage collector may
# finalize the socket first, and warn of it before the stream can close it. What is held here is garbage only
# once the stream's finalizer has run.
_held: WeakKeyDictionary[Exchange, Any] = WeakKeyDictionary()


class Exchange:
    """One call on the wire. All its methods may be called from any thread.

    Attributes:
        lock: held while the session changes; re-entrant, since signal handlers and finalizers cancel too.
        bound: whether our own transport carries the call; else a caller's own client does.
        saw_eof: the peer closed the connection.
        timed_out: a clock ran out while a caller's own client was reading.
        source: reads a chunked body on our transport, past httpx; empty where the response is to be asked.
        on_hurry: called when there is suddenly less time than before; must not block.
    """

    def __init__(self, session: Session[Any, Any]) -> None:
        self.session = session
        self.lock: threading.RLock = threading.RLock()
        self.bound: bool = False
        self.saw_eof: bool = False
        self.timed_out: bool = False
        self.source: Callable[[], Any] | None = None  # awaited on the asynchronous side
        self.on_hurry: Callable[[], object] | None = None
        self._process = os.getpid()
        self._socket: socket.socket | None = None
        self._stopped = False
        self._severed = False
        self._grace: float | None = None

    # --- for the network streams --------------------------------------------------------------------

    def seconds_left(self, *, idle: bool = True) -> float | None:
        """Until the first clock runs out, `idle` among them or not; None without any. At zero: now."""
        deadline = self.session.deadline(idle=idle) if self._grace is None else self._grace
        return None if deadline is None else deadline - monotonic()

    def begin(self) -> None:
        """An attempt begins: the caller makes up its headers, and nothing is sent yet."""
        self.bound = self.saw_eof = self.timed_out = self._severed = False
        self.source = None
        with self.lock:
            self.session.preparing()

    def entrust(self) -> None:
        """A caller's own client has taken the request. It need not tell when it has connected."""
        with self.lock:
            self.session.bound(monotonic())
            self.session.connected(monotonic(), reused=None)

    def bind(self) -> None:
        """Our transport has taken the request; it will tell what happens to it."""
        self.bound = True
        self.session.bound(monotonic())
        self.hurry()

    def sending(self, *, reused: bool) -> None:
        """The request is about to be written; not where the call was stopped, as `seconds_left` will say."""
        with self.lock:
            if not self._stopped and not self.session.was_sent:
                self.session.connected(monotonic(), reused=reused)
        self.hurry()

    def waits(self, *, drain: bool) -> None:
        """The caller begins to wait for what comes next; to `drain`, for the output only."""
        self.session.waits(monotonic())
        if drain:
            with self.lock:
                self.session.drain()
        self.hurry()

    def rests(self) -> None:
        """The caller has what it waited for."""
        self.session.rests()

    def hurry(self) -> None:
        """There may be less time than before: whoever watches the clocks looks again."""
        watcher = self.on_hurry
        if watcher is not None:
            watcher()

    def received(self, data: bytes) -> None:
        """Bytes, or their end, came in."""
        if data:
            self.session.alive(monotonic())
        else:
            self.saw_eof = True

    # --- stopping -----------------------------------------------------------------------------------

    @property
    def stopped(self) -> bool:
        """Whether the call was cancelled or closed, or this attempt given up."""
        return self._stopped or self._severed

    def attach(self, sock: Any) -> None:
        """From now on stopping the call shuts this socket down; at once if it was stopped already."""
        with self.lock:
            self._socket = _held[self] = sock
            if self._stopped:
                self._shut_down()

    def detach(self, sock: Any = None) -> None:
        """The socket, this one or whichever it is, is no longer the call's: it may soon serve another."""
        with self.lock:
            if sock is None or sock is self._socket:
                self._socket = self.source = None
                _held.pop(self, None)

    def check_process(self) -> None:
        """A forked child must not read on: every byte that it takes is lost to its parent.

        Raises:
            RuntimeError: this is not the process that made the call.
        """
        if not self._is_ours:
            raise RuntimeError(
                "the stream was opened before a fork and is its parent's; resume its ticket in the child"
            )

    def cancel(self, why: str, *, tell: bool = False) -> None:
        """Stop the call and wake its reader; nothing if it had ended before."""
        with self.lock:
            if self.session.cancel(why, tell=tell):
                self._stopped = True
                self._shut_down()

    def expire(self) -> None:
        """A clock ran out that the HTTP client does not know: wake the reader."""
        with self.lock:
            self.timed_out = True
            self._shut_down()

    def sever(self) -> bool:
        """The attempt did not end cleanly. True if every further read of its body fails at once."""
        with self.lock:
            self._severed = True
            self._shut_down()
            return self.reachable

    def discard(self) -> None:
        """As `sever`, for finalizers of blocking calls; closes the socket, whose owner may be garbage too."""
        with self.lock:
            sock = self._socket
            self.sever()
            self.detach()
            if sock is not None and self._is_ours:
                sock.close()

    @property
    def reachable(self) -> bool:
        """Whether a read can be made to end in time: our transport does it, or the socket is known."""
        return self.bound or self._socket is not None

    def begin_draining(self) -> None:
        """What follows the terminal frame gets a short time of its own."""
        self._grace = monotonic() + DRAIN_SECONDS
        self.hurry()

    def end_draining(self) -> None:
        self._grace = None

    def _shut_down(self) -> None:
        """Not in a forked child: the connection is its parent's, and shutting it down would end it there."""
        if self._socket is not None and self._is_ours:
            shut_down(self._socket)

    @property
    def _is_ours(self) -> bool:
        """False in a forked child."""
        return self._process == os.getpid()


def shut_down(sock: Any) -> None:
    """Wake whoever waits on a socket. Never raises.

    `SSLSocket.shutdown` drops TLS under the reader, who would then take cipher text for plain; the base
    class's method does not. asyncio hands out a `TransportSocket`, which has a method of its own.
    """
    try:
        if isinstance(sock, socket.socket):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        else:
            sock.shutdown(socket.SHUT_RDWR)
    except (OSError, ValueError, TypeError):
        pass  # not connected, or closed already; uvloop's cannot be shut down


def seconds_left(exchange: Exchange | None, timeout: float | None, expired: type[Exception]) -> float | None:
    """How long to wait: what the exchange's clocks say, or httpx's time-out where there is none.

    Raises:
        expired: not at all, or the exchange was stopped.
    """
    if exchange is None:
        return timeout
    if exchange.stopped:
        from httpcore import ReadError  # whoever asks has it; a client that is only made has not

        raise ReadError("stopped")
    seconds = exchange.seconds_left()
    if seconds is not None and seconds <= 0:
        raise expired("a clock ran out")
    return seconds
