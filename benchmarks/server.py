"""The server of the benchmarks: it answers with bytes that were made before, so that clients are what counts.

In: `POST` requests, whose path says it all; their bodies are read and forgotten. Out: streams in HTTP/1.1
chunks. It prints its port, and ends with its standard input.

    /genkit/bulk/tokens/10000   everything at once, each event a chunk of its own
    /genkit/paced/tokens/1000   one event each millisecond
    /genkit/huge/0/8388608      one event with so many bytes, in chunks of 64 KiB
    /genkit/held/tokens/0       one event, and more when /go says so; no end
    /go/ROUNDS/RATE             every held stream gets ROUNDS events, RATE a second in all
    /usage                      its own CPU seconds, and events sent, so far

Before the first three stands the dialect: genkit, or openai; a client may put its own path behind.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter, process_time, sleep
from typing import cast

from .bodies import END, PIECE, Dialect, Shape, chunked, event, huge, last_event, pieces
from .crowd import allow_many_files

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
PACE = 1000.0  # events a second of a paced stream
PATIENCE = 60.0  # seconds that a client may let its buffers be full


@cache
def whole_body(dialect: Dialect, shape: Shape, count: int) -> bytes:
    """All of a stream."""
    return b"".join([*one_by_one(dialect, shape, count), chunked(last_event(dialect)), END])


@cache
def one_by_one(dialect: Dialect, shape: Shape, count: int) -> list[bytes]:
    """The chunks of a stream, without its end."""
    return [chunked(event(dialect, shape, index)) for index in range(count)]


@cache
def huge_body(size: int) -> bytes:
    """One large event, and the end."""
    return b"".join([*map(chunked, pieces(huge(size), PIECE)), END])


@dataclass(eq=False)
class Stream:
    """A stream that is sent bit by bit."""

    sock: socket.socket
    dialect: Dialect
    shape: Shape
    left: int = 0

    @property
    def next(self) -> bytes:
        return one_by_one(self.dialect, self.shape, 1000)[self.left % 1000]

    @property
    def end(self) -> bytes:
        return chunked(last_event(self.dialect)) + END


class Pacer:
    """Sends to streams in turn, one event at a time, from a thread of its own.

    An event that is late is not made up for by a shorter wait: two would then arrive in one read.
    """

    def __init__(self) -> None:
        self.sent = 0
        self._ring: deque[Stream] = deque()
        self._rate = PACE
        self._ends = True  # whether a stream ends with its last event
        self._work = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def send(self, streams: list[Stream], rate: float, *, ends: bool) -> None:
        self._rate, self._ends = rate, ends
        self._ring.extend(streams)
        self._work.set()

    def _run(self) -> None:
        while self._work.wait():
            due = perf_counter()
            while self._ring:
                due = max(due + 1 / self._rate, perf_counter())
                sleep(max(0.0, due - perf_counter()))
                self._send_next()
            self._work.clear()

    def _send_next(self) -> None:
        stream = self._ring.popleft()
        stream.left -= 1
        try:
            stream.sock.sendall(stream.next)
            self.sent += 1
            if stream.left > 0:
                self._ring.append(stream)
            elif self._ends:
                stream.sock.sendall(stream.end)
        except OSError:
            pass  # its client went away


@dataclass
class Server:
    """Reads requests, and answers what can be answered at once."""

    listener: socket.socket
    pacer: Pacer = field(default_factory=Pacer)
    held: dict[socket.socket, Stream] = field(default_factory=dict)
    sent: int = 0

    def __post_init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.listener, selectors.EVENT_READ)
        self._unread: dict[socket.socket, bytes] = {}

    def serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self.listener:
                    self._accept()
                else:
                    self._read(cast("socket.socket", key.fileobj))

    def _accept(self) -> None:
        sock, _ = self.listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(PATIENCE)
        self._unread[sock] = b""
        self._selector.register(sock, selectors.EVENT_READ)

    def _read(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(PIECE)
            unread = self._unread[sock] + data
            head, blank, body = unread.partition(b"\r\n\r\n")
            self._unread[sock] = unread
            if blank and body_is_whole(head, body):
                self._unread[sock] = b""
                self._answer(sock, head.split(b" ", 2)[1].decode())
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(sock)
            del self._unread[sock]
            self.held.pop(sock, None)
            sock.close()

    def _answer(self, sock: socket.socket, path: str) -> None:
        match path.strip("/").split("/"):
            case ["genkit" | "openai" as dialect, kind, "tokens" | "objects" | "0" as shape, count, *_]:
                self._stream(sock, dialect, kind, cast("Shape", shape), int(count))
            case ["go", rounds, rate]:
                for stream in self.held.values():
                    stream.left = int(rounds)
                self.pacer.send([*self.held.values()], float(rate), ends=False)
                self._reply(sock, {})
            case ["usage"]:
                self._reply(sock, {"cpu": process_time(), "sent": self.sent + self.pacer.sent})
            case _:
                sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _stream(self, sock: socket.socket, dialect: Dialect, kind: str, shape: Shape, count: int) -> None:
        if kind == "bulk":
            sock.sendall(HEAD + whole_body(dialect, shape, count))
            self.sent += count
        elif kind == "huge":
            sock.sendall(HEAD + huge_body(count))
        elif kind == "paced":
            sock.sendall(HEAD)
            self.pacer.send([Stream(sock, dialect, shape, count)], PACE, ends=True)
        elif kind == "held":
            stream = Stream(sock, dialect, shape)
            self.held[sock] = stream
            sock.sendall(HEAD + stream.next)

    def _reply(self, sock: socket.socket, value: object) -> None:
        body = json.dumps(value).encode()
        sock.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )


def body_is_whole(head: bytes, body: bytes) -> bool:
    """Whether a request has come in full."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line[15:])
        if line.startswith(b"transfer-encoding:"):
            return body.endswith(END)
    return True


def main() -> None:
    """Serve until the parent closes our standard input."""
    allow_many_files()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=Server(listener).serve, daemon=True).start()
        sys.stdin.read()


if __name__ == "__main__":
    main()
