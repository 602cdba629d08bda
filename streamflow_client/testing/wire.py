"""HTTP/1.1 as bytes, without sockets.

In: the bytes of a connection. Out: whole requests; and the other way, heads and body chunks as
bytes. What a request means, and when bytes are sent, belongs elsewhere.
"""

from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

MAX_HEAD_BYTES = 65_536

Headers = tuple[tuple[str, str], ...]


class BadRequest(Exception):
    """The bytes are no HTTP/1.1 request."""


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One request as it was read; header names in lower case. `old`: HTTP/1.0, as nginx asks by default."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    chunked: bool
    old: bool


class RequestReader:
    """Cuts the bytes of one connection into requests."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> RawRequest | None:
        """The next whole request, or None until more bytes come. Raises `BadRequest`."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadRequest("the head is too long")
            return None
        method, target, version, headers = parse_head(bytes(self._buffer[:end]))
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        read = self._chunked_body if chunked else self._measured_body
        found = read(end + 4, headers)
        if found is None:
            return None
        body, stop = found
        del self._buffer[:stop]
        return RawRequest(method, target, headers, body, chunked, old=version == "HTTP/1.0")

    def _measured_body(self, start: int, headers: dict[str, str]) -> tuple[bytes, int] | None:
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise BadRequest("Content-Length is no number")
        stop = start + int(length)
        return (bytes(self._buffer[start:stop]), stop) if len(self._buffer) >= stop else None

    def _chunked_body(self, start: int, headers: dict[str, str]) -> tuple[bytes, int] | None:
        body = bytearray()
        while (line := self._buffer.find(b"\r\n", start)) >= 0:
            size = _chunk_size(self._buffer[start:line])
            start = line + 2 + size + 2
            if len(self._buffer) < start:
                return None
            if size == 0:
                return bytes(body), start
            body += self._buffer[line + 2 : start - 2]
        return None


def _chunk_size(line: bytearray) -> int:
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise BadRequest("a chunk has no size") from None


def parse_head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    """(method, target, version, headers) of a request head without its blank line. Raises `BadRequest`."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest("the first line is no request line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest("a header has no colon")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return words[0], words[1], words[2], headers


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response, known before its first byte is sent."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def response_head(status: int, headers: Headers) -> bytes:
    """The head of a response, dated now, ready to send."""
    fields = (*headers, ("Date", formatdate(usegmt=True)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {status} {_phrase(status)}\r\n{lines}\r\n".encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def body_headers(reply: Reply, missing: int = 0) -> Headers:
    """A reply's headers with its length, overstated by `missing` bytes."""
    # RFC 9110 §8.6: no Content-Length in 204 and 1xx.
    if reply.status == 204:
        return reply.headers
    return (*reply.headers, ("Content-Length", str(len(reply.body) + missing)))


def http_chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; `LAST_CHUNK` ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
