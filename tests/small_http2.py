"""A tiny HTTP/2 server behind TLS, in threads: each request gets a chunk, and most get a result.

In: requests; a path that ends in `/slow` is never finished. Out: a URL, and how many connections came.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

import h2.config
import h2.connection
import h2.events

from streamflow_client import testing

CERTS = Path(testing.__file__).parent / "certs"
CHUNK = b'data: {"message": 1}\n\n'
RESULT = b'data: {"result": 2}\n\n'


class SmallHttp2:
    """Listens on localhost while it is a context manager.

    Attributes:
        connections: how many were made.
    """

    def __init__(self) -> None:
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTS / "server.pem", CERTS / "server.key")
        self._context.set_alpn_protocols(["h2"])

    def client_ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=CERTS / "ca.pem")

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        self._spawn(threading.Thread(target=self._accept, daemon=True))
        return self

    def __exit__(self, *why: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _spawn(self, thread: threading.Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                self.connections += 1
                self._open.append(accepted)
                self._spawn(threading.Thread(target=self._serve, args=(accepted,), daemon=True))

    def _serve(self, accepted: socket.socket) -> None:
        with accepted, suppress(OSError), self._context.wrap_socket(accepted.dup(), server_side=True) as sock:
            protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            protocol.initiate_connection()
            sock.sendall(protocol.data_to_send())
            while data := sock.recv(65536):
                for event in protocol.receive_data(data):
                    self._answer(protocol, event)
                sock.sendall(protocol.data_to_send())

    def _answer(self, protocol: h2.connection.H2Connection, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            path = dict(event.headers)[b":path"]
            protocol.send_headers(
                event.stream_id, [(":status", "200"), ("content-type", "text/event-stream")]
            )
            protocol.send_data(event.stream_id, CHUNK)
            if not path.endswith(b"/slow"):
                protocol.send_data(event.stream_id, RESULT, end_stream=True)
