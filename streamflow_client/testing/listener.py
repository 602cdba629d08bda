"""The thread, the event loop and the listening socket of one stub.

In: a `Service` and an address. Out: connections, opened, counted and closed.
What is said on a connection belongs to `connection.py` and `service.py`.
"""

import asyncio
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from .connection import Connection
from .service import Service

_BACKLOG = 4096
# asyncio holds a TLS connection open until the other side says goodbye, too: here a FIN shall be
# seen soon.
_TLS_GOODBYE = 0.2
# How long a flow function may go on, in its thread, after it was told that the stub stops.
_GRACE = 1.0


class Listener:
    """Serves from `start` to `stop`, once."""

    def __init__(self, service: Service, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._service = service
        self._tls = tls
        self._socket = _bound(host, port)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._connections: set[Connection] = set()
        self._handshakes: set[asyncio.Task[Any]] = set()
        self._deaf = False
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._serve, name="stub server", daemon=True)

    # --- from any thread ---

    def start(self) -> None:
        self._started: Future[None] = Future()
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        _wait_for(self._threads)

    def set_refusing(self, refusing: bool) -> None:
        """Refuse new connections, or take them again, on the same port."""
        self._do(self._close_port if refusing else self._open_port)

    def set_deaf(self, deaf: bool) -> None:
        """Take new connections but never read from them, or serve them again."""
        self._do(lambda: setattr(self, "_deaf", deaf))

    def _do(self, function: Callable[[], object]) -> None:
        done: Future[object] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(function()))
        done.result()

    # --- on the stub's own thread ---

    def _serve(self) -> None:
        asyncio.run(self._live())

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._all_closed = asyncio.Event()
        self._open_port()
        self._started.set_result(None)
        await self._stopped.wait()
        await self._shut_down()

    def _open_port(self) -> None:
        self._socket.listen(_BACKLOG)
        self._loop.add_reader(self._socket, self._accept)

    def _close_port(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
        # Bound but not listening: connections are refused, and nobody else gets the port meanwhile.
        self._socket = _bound(*self.address)

    def _accept(self) -> None:
        try:
            while True:
                self._take(self._socket.accept()[0])
        except (BlockingIOError, ConnectionAbortedError):
            pass

    def _take(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        # asyncio sets this only for sockets whose protocol number says TCP, which accept() leaves open.
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        counts = self._service.board.connections
        counts.accepted += 1
        counts.open += 1
        connection = Connection(counts.accepted, self._service.answer, counts, self._forget)
        self._connections.add(connection)
        self._service.board.changed()
        connection.deaf = self._deaf
        options: dict[str, Any] = {}
        if self._tls is not None and not self._deaf:
            options = {"ssl": self._tls, "ssl_shutdown_timeout": _TLS_GOODBYE}
        task = self._loop.create_task(
            self._loop.connect_accepted_socket(lambda: connection, accepted, **options)
        )
        self._handshakes.add(task)
        task.add_done_callback(lambda task: self._taken(task, accepted, connection))

    def _taken(self, task: "asyncio.Task[Any]", accepted: socket.socket, connection: Connection) -> None:
        self._handshakes.discard(task)
        # The handshake failed, or the stub stopped in it: the connection will not hear of it.
        if task.cancelled() or task.exception() is not None:
            accepted.close()
            connection.end()

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._service.board.connections.open -= 1
        self._service.board.changed()
        if not self._connections:
            self._all_closed.set()

    async def _shut_down(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
        executions = self._service.cancel_all()
        self._threads = [run.thread for run in executions if run.thread is not None]
        for connection in list(self._connections):
            connection.abort()
        for task in self._handshakes:
            task.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)
        if self._connections:
            self._all_closed.clear()
            await self._all_closed.wait()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _wait_for(threads: list[threading.Thread]) -> None:
    deadline = time.monotonic() + _GRACE
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            message = f"{thread.name!r} goes on after the stub stopped: wait on call.client_gone in it"
            warnings.warn(message, ResourceWarning, stacklevel=4)
