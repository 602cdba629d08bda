"""How the tests of the stub talk to it: by plain sockets, so that every byte counts."""

import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from streamflow_client.testing import UNDEFINED, Call, FlowFailure, StubServer

STREAM = "text/event-stream"


@dataclass(frozen=True)
class Response:
    """A response as it came, up to the end of its body or of the connection."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool
    chunks: list[bytes]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """One client connection."""

    def __init__(self, stub: StubServer) -> None:
        self.socket = socket.create_connection(("127.0.0.1", stub.port), timeout=5)
        if stub.url.startswith("https"):
            self.socket = stub.client_ssl_context().wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        fields = {"host": "stub", "content-length": str(len(body)), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)

    def post(self, path: str, value: object = ..., **headers: str) -> None:
        body = {} if value is ... else {"data": value}
        self.send("POST", path, json.dumps(body).encode(), **headers)

    def more(self) -> bytes:
        """The next bytes; empty at the end of the connection."""
        data = self.socket.recv(65536)
        self.buffer += data
        return data

    def until(self, mark: bytes) -> bytes:
        """All bytes up to and with `mark`; EOFError if the connection ends before."""
        while mark not in self.buffer:
            if not self.more():
                raise EOFError(self.buffer)
        found, _, self.buffer = self.buffer.partition(mark)
        return found + mark

    def rest(self) -> bytes:
        """All bytes up to the end of the connection."""
        while self.more():
            pass
        return self.buffer

    def response(self) -> Response:
        head = self.until(b"\r\n\r\n").decode().splitlines()
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        chunked = headers.get("transfer-encoding") == "chunked"
        body, complete = self._chunks() if chunked else self._measured(headers)
        status = int(head[0].split()[1])
        return Response(status, headers, b"".join(body), complete, body)

    def _measured(self, headers: dict[str, str]) -> tuple[list[bytes], bool]:
        length = int(headers.get("content-length", 0))
        while len(self.buffer) < length and self.more():
            pass
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return [body], len(body) == length

    def _chunks(self) -> tuple[list[bytes], bool]:
        chunks: list[bytes] = []
        with suppress(EOFError):
            while chunk := self.chunk():
                chunks.append(chunk)
            return chunks, True
        return chunks, False

    def chunk(self) -> bytes:
        """The next HTTP chunk; empty for the last one; EOFError at the end of the connection."""
        size = int(self.until(b"\r\n"), 16)
        while len(self.buffer) < size + 2:
            if not self.more():
                raise EOFError(self.buffer)
        chunk, self.buffer = self.buffer[:size], self.buffer[size + 2 :]
        return chunk

    def head(self) -> bytes:
        return self.until(b"\r\n\r\n")

    def closed(self) -> bool:
        """True once the other side has ended the connection cleanly. Blocks."""
        return self.socket.recv(1) == b""


def ask(stub: StubServer, path: str, value: object = ..., **headers: str) -> Response:
    """One POST on a connection of its own."""
    with Caller(stub) as caller:
        caller.post(path, value, **headers)
        return caller.response()


def stream(stub: StubServer, path: str, value: object = ..., **headers: str) -> Response:
    """One streaming POST on a connection of its own."""
    return ask(stub, path, value, accept=STREAM, **headers)


def send(stub: StubServer, method: str, path: str, body: bytes = b"", **headers: str) -> Response:
    """Any request on a connection of its own."""
    with Caller(stub) as caller:
        caller.send(method, path, body, **headers)
        return caller.response()


def events(response: Response) -> list[Any]:
    """The values of a stream's `data:` events; other bytes are an error."""
    lines = response.body.decode().split("\n\n")
    assert lines.pop() == ""
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def declare_flows(stub: StubServer) -> StubServer:
    """The flows that most tests use."""

    @stub.flow
    def count(request: int, send: Callable[[int], None]) -> str:
        for number in range(request):
            send(number)
        return "done"

    @stub.flow(durable=True, description="Counts, and remembers.")
    def steady(request: int, send: Callable[[int], None]) -> str:
        return count(request, send)

    @stub.flow
    async def story(request: str, send: Callable[[str], Awaitable[None]]) -> str:
        for word in request.split():
            await send(word)
        return request

    @stub.flow
    def boom(request: int, send: Callable[[int], None]) -> str:
        for number in range(request):
            send(number)
        raise FlowFailure("FAILED_PRECONDITION", "kaboom", {"why": "test"})

    _declare_odd_flows(stub)
    return stub


def _declare_odd_flows(stub: StubServer) -> None:
    @stub.flow
    def crash(request: Any = None) -> str:
        raise RuntimeError("a secret")

    @stub.flow
    def void(request: Any, send: Callable[[Any], None]) -> Any:
        for chunk in (1, UNDEFINED, None):
            send(chunk)
        return UNDEFINED

    @stub.flow
    def patient(send: Callable[[int], None], call: Call) -> str:
        send(0)
        call.client_gone.wait()
        send(1)
        return "went on"

    @stub.flow
    async def waiting(send: Callable[[int], Awaitable[None]], call: Call) -> str:
        await send(0)
        await call.wait_gone()
        await send(1)
        return "went on"
