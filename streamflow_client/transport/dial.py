"""Making a connection, synchronously, in a way that can be given up.

In: where to, and the exchange that it is for. Out: httpcore's stream over a connected socket. Neither the
resolution of a name nor `connect()` can be interrupted, so a thread does both while its caller waits on a
socket of which stopping knows. Out of place here: TLS, and everything that is sent.
"""

from __future__ import annotations

import _thread
import socket
from collections import deque
from contextlib import suppress

import httpcore

from .exchange import Exchange, seconds_left

_BACKEND = httpcore.SyncBackend()


class Dial:
    """One way to a server, which its waiter may give up: the call was stopped, or a clock ran out."""

    def __init__(self, exchange: Exchange, host: str, port: int, timeout: float | None) -> None:
        self._exchange = exchange
        self._address = (host, port, timeout)
        self._given_up = False
        self._streams: deque[httpcore.NetworkStream] = deque()  # one at most; whoever pops it owns it
        self._error: Exception | None = None

    def wait(self) -> httpcore.NetworkStream:
        """The connection. Stopping the call shuts a socket down that nobody writes to before the end."""
        try:
            self._await_end()
            if self._error is not None:
                raise self._error
            self._given_up = not self._streams
            with suppress(IndexError):
                return self._streams.pop()
        except BaseException:  # Ctrl-C
            self._give_up()
            raise
        seconds_left(self._exchange, None, httpcore.ConnectTimeout)
        raise httpcore.ConnectTimeout("a clock ran out")

    def _await_end(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                self._exchange.attach(ours)
                ours.settimeout(seconds_left(self._exchange, None, httpcore.ConnectTimeout))
                self._start(theirs)
                with suppress(OSError):
                    ours.recv(1)
            finally:
                self._exchange.detach(ours)

    def _start(self, theirs: socket.socket) -> None:
        """Without `threading`: its start waits under a lock, which Ctrl-C leaves locked or unlocks twice."""
        try:
            _thread.start_new_thread(self._run, (theirs,))
        except RuntimeError:  # no more threads, or the interpreter exits: then it cannot be given up
            self._run(theirs)

    def _run(self, theirs: socket.socket) -> None:
        try:
            self._streams.append(reach(self._exchange, *self._address))
        except Exception as error:  # noqa: BLE001 - raised again by who waits
            self._error = error
        with suppress(OSError):
            theirs.shutdown(socket.SHUT_RDWR)  # closing wakes nobody while a forked child has it, too
        theirs.close()
        if self._given_up:
            self._give_up()

    def _give_up(self) -> None:
        self._given_up = True
        with suppress(IndexError):
            self._streams.pop().close()


def reach(exchange: Exchange | None, host: str, port: int, timeout: float | None) -> httpcore.NetworkStream:
    """Each address of the name in turn, with an equal share of the time that is left."""
    addresses = _resolve(host, port)
    for waiting in range(len(addresses), 1, -1):
        try:
            return _dial(exchange, addresses[-waiting], port, timeout, waiting)
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            continue
    return _dial(exchange, addresses[-1], port, timeout, 1)


def _dial(
    exchange: Exchange | None, address: str, port: int, timeout: float | None, share: int
) -> httpcore.NetworkStream:
    seconds = seconds_left(exchange, timeout, httpcore.ConnectTimeout)
    return _BACKEND.connect_tcp(address, port, None if seconds is None else seconds / share)


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label is empty or too long
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
