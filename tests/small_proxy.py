"""A tiny real proxy in threads: HTTP (CONNECT and absolute-form forwarding, optionally behind TLS), SOCKS5,
or plain TCP, which delays, cuts and resets.

In: who may use it, what to answer instead of serving, what to do to the bytes. Out: a port, and records.
"""

from __future__ import annotations

import base64
import socket
import ssl
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self

Kind = Literal["http", "socks5", "tcp"]
Ending = Literal["cut", "reset"]
NO, DENIED = b"\x05\xff", b"\x01\x01"
RESETS = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


@dataclass(frozen=True)
class Bend:
    """What is done to the bytes of one direction of a TCP connection.

    Attributes:
        after: how many bytes come through; then both sides see the connection end. None: all.
        ending: by FIN or by RST.
        piece: the most bytes that go on at once.
        delay: seconds for which each piece is held back.
    """

    after: int | None = None
    ending: Ending = "cut"
    piece: int = 65536
    delay: float = 0.0


WHOLE = Bend()


class SmallProxy:
    """Listens on 127.0.0.1 while it is a context manager.

    Args:
        auth: the user and password it insists on.
        answer: bytes that it sends back to the first request on a connection, before it closes it.
        deaf: take connections and requests, but never answer.
        server: where "tcp" connects to: a port of this machine.

    Attributes:
        address: host:port
        asked: targets in order: "CONNECT host:port", "POST http://…", "SOCKS host:port".
        heads: the head of each HTTP request, or the credentials of each SOCKS one.
        accepted: how many connections came in.
        bends: for "tcp", what is done to the coming connections, one pair each: to the server, to the client.
        carried: for "tcp", how many bytes came through to the server, by connection, in order of their ends.
    """

    def __init__(
        self,
        kind: Kind = "http",
        *,
        auth: tuple[str, str] | None = None,
        answer: bytes | None = None,
        deaf: bool = False,
        tls: ssl.SSLContext | None = None,
        server: int = 0,
    ) -> None:
        self.bends: deque[tuple[Bend, Bend]] = deque()
        self.carried: list[int] = []
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self.accepted = 0
        self._kind = kind
        self._auth = auth
        self._answer = answer
        self._deaf = deaf
        self._tls = tls
        self._server = server
        self._stopped = False
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._open)

    def wait_until_left(self) -> None:
        """Until no client is connected any more; AssertionError after five seconds."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._open, 5), "a client is still there"

    def end(self, ending: Ending) -> None:
        """End every open connection now."""
        for client in list(self._open):
            _end(client, ending)

    def wait_until_asked(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.asked, 5), "nobody asked"

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._spawn(self._accept)
        return self

    def __exit__(self, *why: object) -> None:
        self._stopped = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in list(self._open):
            _shut(client)
        for thread in self._threads:
            thread.join(5)

    def _spawn(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._stopped:
                client, _ = self._listener.accept()
                self.accepted += 1
                self._open.add(client)
                self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        line = client
        try:
            with suppress(OSError, EOFError):
                if self._tls is not None:
                    line = self._tls.wrap_socket(client.dup(), server_side=True)
                {"http": self._http, "socks5": self._socks, "tcp": self._tcp}[self._kind](line)
        finally:
            if line is not client:
                line.close()
            with self._changed:
                self._open.discard(client)
                self._changed.notify_all()
            client.close()

    def _note(self, what: str, head: bytes) -> None:
        with self._changed:
            self.asked.append(what)
            self.heads.append(head)
            self._changed.notify_all()

    # --- HTTP ---

    def _http(self, client: socket.socket) -> None:
        server: socket.socket | None = None
        pending = b""
        try:
            while True:
                head, pending = _until(client, pending, b"\r\n\r\n")
                method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
                self._note(f"{method} {target}", head)
                if self._deaf:
                    _wait_for_end(client)
                    return
                if self._answer is not None:
                    client.sendall(self._answer)
                    return
                if not self._allows(head):
                    client.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
                    return
                if method == "CONNECT":
                    self._tunnel(client, target)
                    return
                server = self._forward(client, server, target, head, pending)
                pending = b""
        finally:
            if server is not None:
                _shut(server)  # also wakes the thread that reads from it
                server.close()

    def _allows(self, head: bytes) -> bool:
        if self._auth is None:
            return True
        wanted = base64.b64encode(":".join(self._auth).encode())
        return b"proxy-authorization: basic " + wanted.lower() in head.lower()

    def _tunnel(self, client: socket.socket, target: str) -> None:
        host, _, port = target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._pipe_both(client, server)

    def _forward(
        self, client: socket.socket, server: socket.socket | None, target: str, head: bytes, body: bytes
    ) -> socket.socket:
        """One request and its response, over the connection to the server that is kept."""
        host, _, path = target.removeprefix("http://").partition("/")
        if server is None:
            name, _, port = host.rpartition(":")
            server = socket.create_connection((name.strip("[]"), int(port)))
            self._spawn(self._pipe, server, client)
        lines = head.split(b"\r\n")
        lines[0] = lines[0].replace(target.encode(), b"/" + path.encode())
        kept = [line for line in lines if not line.lower().startswith(b"proxy-")]
        length = next(int(x[15:]) for x in kept if x.lower().startswith(b"content-length:"))
        while len(body) < length:
            body += _some(client)
        server.sendall(b"\r\n".join(kept) + body)
        return server

    # --- SOCKS5 (RFC 1928, 1929) ---

    def _socks(self, client: socket.socket) -> None:
        count = _exactly(client, 2)[1]
        methods = _exactly(client, count)
        if self._deaf:
            self._note("SOCKS", b"")
            _wait_for_end(client)
            return
        if self._answer is not None:
            client.sendall(self._answer)
            return
        wanted = 2 if self._auth else 0
        if wanted not in methods:
            client.sendall(NO)
            return
        client.sendall(bytes([5, wanted]))
        given = b""
        if self._auth is not None:
            user = _exactly(client, _exactly(client, 2)[1])
            given = user + b":" + _exactly(client, _exactly(client, 1)[0])
            if given != ":".join(self._auth).encode():
                client.sendall(DENIED)
                return
            client.sendall(b"\x01\x00")
        host, port = _socks_target(client)
        self._note(f"SOCKS {host}:{port}", given)
        with socket.create_connection((host, port)) as server:
            client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            self._pipe_both(client, server)

    # --- TCP ---

    def _tcp(self, client: socket.socket) -> None:
        up, down = self.bends.popleft() if self.bends else (WHOLE, WHOLE)
        with socket.create_connection(("127.0.0.1", self._server)) as server:
            for side in (client, server):  # pieces go on as they come
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self._pipe, args=(server, client, down), daemon=True)
            back.start()
            self.carried.append(self._pipe(client, server, up))
            back.join()  # it may still write

    # --- bytes ---

    def _pipe_both(self, client: socket.socket, server: socket.socket) -> None:
        self._spawn(self._pipe, server, client)
        self._pipe(client, server)

    def _pipe(self, source: socket.socket, target: socket.socket, bend: Bend = WHOLE) -> int:
        """Carry bytes until one side ends, or the bend ends both; returns how many."""
        carried = 0
        ending: Ending = "cut"
        with suppress(OSError):
            while carried != bend.after and (data := source.recv(bend.piece)):
                time.sleep(bend.delay)
                let_through = data if bend.after is None else data[: bend.after - carried]
                target.sendall(let_through)
                carried += len(let_through)
            ending = bend.ending if carried == bend.after else "cut"
        _end(source, ending)
        _end(target, ending)
        return carried


def _end(sock: socket.socket, ending: Ending) -> None:
    """Its reader wakes, in whatever thread; the reset itself goes out when the socket is closed."""
    with suppress(OSError):
        if ending == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
        _shut(sock)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        resets = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(RESETS)) == RESETS
        # A FIN would come before the reset.
        socket.socket.shutdown(sock, socket.SHUT_RD if resets else socket.SHUT_RDWR)


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise EOFError
    return data


def _until(sock: socket.socket, pending: bytes, mark: bytes) -> tuple[bytes, bytes]:
    while mark not in pending:
        pending += _some(sock)
    head, _, rest = pending.partition(mark)
    return head + mark, rest


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def _wait_for_end(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def _socks_target(client: socket.socket) -> tuple[str, int]:
    kind = _exactly(client, 4)[3]
    if kind == 3:
        host = _exactly(client, _exactly(client, 1)[0]).decode()
    else:
        family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
        host = socket.inet_ntop(family, _exactly(client, size))
    return host, int.from_bytes(_exactly(client, 2), "big")
