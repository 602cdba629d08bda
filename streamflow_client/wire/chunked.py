"""Chunked bodies of HTTP/1.1 responses, taken out before h11: bytes in; out a body's bytes, and h11's share.

In go the requests that a connection sends and the bytes of each read. Out come the bytes of chunked bodies,
all of a read at once; and, for h11, everything else: heads, bodies of other kinds, the last chunk and its
trailers. Servers send every token as an HTTP chunk of its own, and one chunk costs h11, and those who ask it,
more than all of our decoding of it. To h11 such a body looks empty, so it goes on as after any other.

Nothing is lost by giving up: whatever of a body was taken out, h11 stands before a chunk. From whatever is
unusual or wrong, all bytes of the connection are its share, and h11 judges them. Out of place here: I/O, and
errors of our own.

The grammar is https://www.rfc-editor.org/rfc/rfc9112, sections 2, 4, 6 and 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import eq
from typing import Final

_CRLF: Final = b"\r\n"
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*")  # h11 allows the spaces that some servers pad with
_LAST: Final = re.compile(rb"0{1,8}[ \t]*")
_SIZE_LINE: Final = 16  # bytes at most, with the line end

_STATUS: Final = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9][0-9])[ \r]")
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r\n", re.IGNORECASE)
_UNUSUAL_LINE: Final = re.compile(rb"(?<!\r)\n|\n[ \t]")  # a bare LF, or one line on two (obs-fold)
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_LONGEST_HEAD: Final = 64 * 1024  # bytes; httpcore lets h11 refuse more than 100 KiB


class _Sizes(dict[bytes, int]):
    """Sizes by their lines, of which servers repeat a few; 0 for the last chunk's, and for no plain size."""

    def __missing__(self, line: bytes) -> int:
        plain = _SIZE.fullmatch(line)
        size = int(plain[1], 16) if plain else 0
        if size and len(self) < 1024:
            self[line] = size
        return size


_sizes: Final = _Sizes()  # for all threads: what two of them set at once is the same

# Takes bytes; gives those that are h11's, and those that the next step is to look at.
_Step = Callable[["BodyTap", bytes], tuple[bytes, bytes]]


class BodyTap:
    """The client's end of one connection; the module's docstring says what it does.

    Attributes:
        is_open: a chunked body is under way, and h11 sees nothing of it.
        is_between: every response has ended, as far as can be told, and nothing came behind it: h11 would
            keep that, and take it for the next response.
    """

    __slots__ = (
        *("_body", "_left", "_line", "_lines", "_method", "_step"),
        *("is_between", "is_open"),
    )

    def __init__(self) -> None:
        self.is_open: bool = False
        self.is_between: bool = True
        self._body: list[bytes] = []  # what was taken out and nobody asked for yet
        self._step: _Step = BodyTap._pass  # not bound: no cycle
        self._method = b""
        self._lines = bytearray()  # of a head or of trailers whose end has not come
        self._line = b""  # a size line whose end has not come
        self._left = 0  # bytes still to come of a body, or of a chunk and its line end

    def sends(self, data: bytes) -> None:
        """A request is written, in pieces; the first begins with the method."""
        if self.is_between:
            self.is_between = False
            self._method = data.partition(b" ")[0]
            self._step = BodyTap._head

    def receive(self, data: bytes) -> bytes:
        """h11's share of what one read has brought; empty bytes are the end of the connection."""
        if not data:
            return self._end_of_connection()
        share, rest = self._step(self, data)
        while rest:
            more, rest = self._step(self, rest)
            share += more
        return share

    def take(self) -> bytes:
        """What was taken out of a body since the last time."""
        body = self._body
        if not body:
            return b""
        self._body = []
        return body[0] if len(body) == 1 else b"".join(body)

    # --- heads and trailers -----------------------------------------------------------------------------

    def _head(self, data: bytes) -> tuple[bytes, bytes]:
        return self._pass_lines(data, self._follow)

    def _trailers(self, data: bytes) -> tuple[bytes, bytes]:
        return self._pass_lines(data, self._finish)

    def _pass_lines(self, data: bytes, then: Callable[[bytes], None]) -> tuple[bytes, bytes]:
        """Up to and with the first blank line; `then` is told all of it."""
        before = len(self._lines)
        self._lines += data
        end = _end_of_lines(self._lines, before)
        if end:
            lines = bytes(self._lines[:end])
            self._lines.clear()
            then(lines)
            return data[: end - before], data[end - before :]
        if len(self._lines) > _LONGEST_HEAD:
            self._give_up()
        return data, b""

    def _follow(self, head: bytes) -> None:
        """What comes after a head, where h11 accepts it; RFC 9112, section 6.3."""
        status = _STATUS.match(head)
        if status is None or _UNUSUAL_LINE.search(head):
            self._give_up()
            return
        code = int(status[1])
        if code == 101 or (self._method == b"CONNECT" and 200 <= code < 300):
            self._give_up()  # the connection speaks something else now
        elif code < 200:
            pass  # another head follows
        elif self._method == b"HEAD" or code in (204, 304):
            self._finish()
        else:
            self._follow_fields(head)

    def _follow_fields(self, head: bytes) -> None:
        """Any other coding h11 refuses, and two lengths that differ."""
        if _CHUNKED.search(head):
            self.is_open = True
            self._step = BodyTap._chunks
        elif (length := _LENGTH.search(head)) is None:
            self._give_up()  # the connection ends with the body
        elif left := int(length[1]):
            self._left = left
            self._step = BodyTap._sized
        else:
            self._finish()

    # --- bodies -----------------------------------------------------------------------------------------

    def _sized(self, data: bytes) -> tuple[bytes, bytes]:
        left = self._left
        self._left -= len(data)
        if self._left <= 0:
            self._finish()
        return data[:left], data[left:]

    def _chunks(self, data: bytes) -> tuple[bytes, bytes]:
        """Where a size line begins: take out the chunks that lie whole in `data`."""
        end = _find(data, self._body, 0, until=1)  # often there is no other
        if 0 < end * 8 < len(data):
            end = _find_alike(data, self._body, end)
        end = _find(data, self._body, end, until=len(data))
        if end < len(data):
            self._step = BodyTap._size_line
        return b"", data[end:]

    def _size_line(self, data: bytes) -> tuple[bytes, bytes]:
        """Of a chunk that is not here as a whole, or the last one."""
        before, self._line = self._line, b""
        line = before + data[:_SIZE_LINE]
        eol = line.find(_CRLF, 0, _SIZE_LINE)
        if eol < 0 and len(line) < _SIZE_LINE:
            self._line = line
            return b"", b""
        if eol > 0 and _LAST.fullmatch(line, 0, eol):
            self._leave_to_h11(BodyTap._trailers)
            return line[: eol + 2], data[eol + 2 - len(before) :]
        if eol < 0 or not (size := _sizes[line[:eol]]):
            self._give_up()
            return before + data, b""
        self._left = size + 2
        self._step = BodyTap._chunk
        return b"", data[eol + 2 - len(before) :]

    def _chunk(self, data: bytes) -> tuple[bytes, bytes]:
        """The rest of a chunk."""
        left = self._left
        body = data[: max(left - 2, 0)]
        if body:
            self._body.append(body)
        if not _CRLF.startswith(data[len(body) : left], 2 - min(left, 2)):
            self._give_up()
            return _CRLF + data[len(body) :], b""  # h11 stands before a chunk, and an empty line begins none
        self._left -= len(data)
        if self._left <= 0:
            self._step = BodyTap._chunks
        return b"", data[left:]

    # --- ends -------------------------------------------------------------------------------------------

    def _finish(self, trailers: bytes = b"") -> None:
        """The response is complete."""
        self.is_between = True
        self._step = BodyTap._unasked

    def _unasked(self, data: bytes) -> tuple[bytes, bytes]:
        if data:
            self._give_up()
        return data, b""

    def _end_of_connection(self) -> bytes:
        """What h11 is to know before: it tells what is missing."""
        line, self._line = self._line, b""
        self._give_up()
        return line

    def _give_up(self) -> None:
        self.is_between = False
        self._leave_to_h11(BodyTap._pass)

    def _leave_to_h11(self, step: _Step) -> None:
        self.is_open = False
        self._step = step

    def _pass(self, data: bytes) -> tuple[bytes, bytes]:
        return data, b""


def _end_of_lines(lines: bytearray, known: int) -> int:
    """Where the first blank line ends; 0 if it is not among the lines, as in the `known` bytes before."""
    if lines.startswith((b"\n", b"\r\n")):  # no line at all
        return lines.index(b"\n") + 1
    blank = _BLANK_LINE.search(lines, max(known - 2, 0))
    return blank.end() if blank else 0


def _find(data: bytes, found: list[bytes], end: int, *, until: int) -> int:
    """Find the whole chunks from `end` on that begin before `until`; where they end."""
    while end < until and (eol := data.find(_CRLF, end, end + _SIZE_LINE)) > 0:
        size = _sizes[data[end:eol]]
        stop = eol + 2 + size
        if not size or data[stop : stop + 2] != _CRLF:
            break
        found.append(data[eol + 2 : stop])
        end = stop + 2
    return end


def _find_alike(data: bytes, found: list[bytes], end: int) -> int:
    """As `_find`, at a third of its cost, up to a chunk of a size unknown as yet or with a CRLF inside."""
    lines = data[end:].split(_CRLF)
    bodies = lines[1:-1:2]  # the last line has no end
    fits = [*map(eq, map(_sizes.get, lines[::2]), map(len, bodies)), False]
    count = fits.index(False)
    found += bodies[:count]
    return end + sum(map(len, lines[: 2 * count])) + 2 * len(_CRLF) * count
