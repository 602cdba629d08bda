"""Responses without frames: what an HTTP error says, when to come back, and encodings."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pure_calls import cut_at, hear, repeatable
from streamflow_client.errors import ProtocolError
from streamflow_client.wire.failures import GRPC_CODES, Failure
from streamflow_client.wire.frames import Malformed
from streamflow_client.wire.response import Inflate, body_decoder, is_html, refusal_of, retry_after

PAGE = b"<!DOCTYPE html>\n<html><head><title>%b</title></head><pre>Error: no\n at f (app.js:1)</pre>"
FLOW, NEVER, MAYBE = (True, True), (False, False), (False, True)  # from_flow, may_have_run


@pytest.mark.parametrize(
    ("status", "reason", "body", "failure", "facts"),
    [
        # a flow's own words
        (400, "", b'{"status":"NOT_FOUND","message":"m"}', ("NOT_FOUND", "m"), FLOW),
        (500, "", b'{"error":{"status":"INTERNAL","message":"m"}}', ("INTERNAL", "m"), FLOW),
        (404, "", b'{"error":{"code":5,"message":"m"}}', ("NOT_FOUND", "m"), FLOW),
        (
            429,
            "",
            b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m"}}',
            ("RESOURCE_EXHAUSTED", "m"),
            FLOW,
        ),
        (500, "", b'\xef\xbb\xbf{"status":"INTERNAL","message":"m"}', ("INTERNAL", "m"), FLOW),
        # a refused stream of Genkit's handler for Next.js
        (
            401,
            "",
            b'error: {"status":"UNAUTHENTICATED","message":"m"}\n\nEND',
            ("UNAUTHENTICATED", "m"),
            FLOW,
        ),
        (500, "", b"data: {", ("INTERNAL", "data: {"), MAYBE),
        # Go's plain text
        (404, "Not Found", b"no dish\n", ("NOT_FOUND", "no dish"), MAYBE),
        (404, "Not Found", b"NOT_FOUND: no dish\n", ("NOT_FOUND", "no dish"), MAYBE),
        (500, "", b"ABORTED: no dish", ("ABORTED", "no dish"), MAYBE),
        (400, "", b"ABORTED: no dish", ("INVALID_ARGUMENT", "ABORTED: no dish"), MAYBE),
        # JavaScript's older reflection
        (500, "", b'{"code":13,"message":"ABORTED: no dish","details":{}}', ("ABORTED", "no dish"), MAYBE),
        (500, "", b"boom", ("INTERNAL", "boom"), MAYBE),
        (503, "", b"busy", ("UNAVAILABLE", "busy"), MAYBE),
        (499, "", b"gone", ("CANCELLED", "gone"), MAYBE),
        # nobody's: routers
        (404, "Not Found", b"404 page not found\n", ("NOT_FOUND", "404 page not found"), NEVER),
        (404, "", b"action /flow/x not found", ("NOT_FOUND", "action /flow/x not found"), NEVER),
        (404, "Not Found", b'{"detail":"Not Found"}', ("NOT_FOUND", "Not Found"), NEVER),
        (404, "Not Found", b"", ("NOT_FOUND", "HTTP 404 Not Found"), NEVER),
        (404, "Not Found", PAGE % b"Error", ("NOT_FOUND", "HTTP 404 Not Found: Error"), NEVER),
        (405, "", b"Method Not Allowed", ("FAILED_PRECONDITION", "Method Not Allowed"), NEVER),
        (413, "Too Large", b"{}", ("FAILED_PRECONDITION", "HTTP 413 Too Large"), NEVER),
        # pages
        (
            400,
            "Bad Request",
            PAGE % b" a\n b &amp; c ",
            ("INVALID_ARGUMENT", "HTTP 400 Bad Request: a b & c"),
            NEVER,
        ),
        (502, "Bad Gateway", PAGE % b"", ("UNAVAILABLE", "HTTP 502 Bad Gateway"), MAYBE),
        (500, "", b"\xef\xbb\xbf \n<html><TITLE x=1>T</TITLE>", ("INTERNAL", "HTTP 500: T"), MAYBE),
        (500, "", b"<?xml version='1.0'?><Error><Code>x</Code></Error>", ("INTERNAL", "HTTP 500"), MAYBE),
        (500, "", b"<title>" + b"x" * 500, ("INTERNAL", "HTTP 500: " + "x" * 200), MAYBE),
        (500, "", b"<p>" * 2000 + b"<title>late</title>", ("INTERNAL", "HTTP 500"), MAYBE),
        # gateways and frameworks
        (401, "", b'{"detail":"Not authenticated"}', ("UNAUTHENTICATED", "Not authenticated"), MAYBE),
        (422, "No", b'{"detail":[{"loc":["a"]},1]}', ("INVALID_ARGUMENT", "HTTP 422 No"), NEVER),
        (
            422,
            "",
            b'{"detail":[{"loc":["body","data"],"msg":"Field required"},{"loc":1,"msg":"?"}]}',
            ("INVALID_ARGUMENT", "body.data: Field required; : ?"),
            NEVER,
        ),
        (403, "", b'{"message":"Forbidden"}', ("PERMISSION_DENIED", "Forbidden"), MAYBE),
        (429, "", b'{"error":"slow down"}', ("RESOURCE_EXHAUSTED", "slow down"), MAYBE),
        (429, "", b'{"error":{"type":"rate","message":"slow"}}', ("RESOURCE_EXHAUSTED", "slow"), MAYBE),
        (503, "", b'{"status":"error","message":"down"}', ("UNAVAILABLE", "down"), MAYBE),
        (503, "", b'{"error":{"code":"INTERNAL_SERVER_ERROR","message":"m"}}', ("UNAVAILABLE", "m"), MAYBE),
        (500, "", b'{"error":{"status":"OK","message":"m"}}', ("INTERNAL", "m"), MAYBE),
        # numbers and words of their own: the HTTP status says more
        (401, "", b'{"code":1,"message":"bad token"}', ("UNAUTHENTICATED", "bad token"), MAYBE),
        (503, "", b'{"code":5,"message":"m"}', ("UNAVAILABLE", "m"), MAYBE),
        (500, "", b'{"code":"OK","message":"m"}', ("INTERNAL", "m"), MAYBE),
        (500, "", b'{"code":true,"message":"m"}', ("INTERNAL", "m"), MAYBE),
        (500, "", b'{"detail":"UNAVAILABLE: m"}', ("INTERNAL", "UNAVAILABLE: m"), MAYBE),
        (500, "", b'{"error":"UNAUTHENTICATED: m"}', ("INTERNAL", "UNAUTHENTICATED: m"), MAYBE),
        (503, "", b'{"status":503,"message":5}', ("UNAVAILABLE", "HTTP 503"), MAYBE),
        (400, "", b'{"error":{"status":400}}', ("INVALID_ARGUMENT", "HTTP 400"), MAYBE),
        (500, "Oh", b'{"error":null}', ("INTERNAL", "HTTP 500 Oh"), MAYBE),
        # odd bodies
        (500, "", b"[1]", ("INTERNAL", "[1]"), MAYBE),
        (500, "", b"\xff\xfe", ("INTERNAL", "\ufffd\ufffd"), MAYBE),
        (500, "", b"[" * 10_000, ("INTERNAL", "[" * 10_000), MAYBE),
        (500, "", b" \n ", ("INTERNAL", "HTTP 500"), MAYBE),
        # other statuses
        (418, "Teapot", b"", ("FAILED_PRECONDITION", "HTTP 418 Teapot"), MAYBE),
        (408, "", b"", ("DEADLINE_EXCEEDED", "HTTP 408"), MAYBE),
        (409, "", b"", ("ABORTED", "HTTP 409"), MAYBE),
        (416, "", b"", ("OUT_OF_RANGE", "HTTP 416"), MAYBE),
        (501, "", b"", ("UNIMPLEMENTED", "HTTP 501"), MAYBE),
        (504, "", b"", ("DEADLINE_EXCEEDED", "HTTP 504"), MAYBE),
        (599, "", b"", ("INTERNAL", "HTTP 599"), MAYBE),
        (999, "", b"", ("INTERNAL", "HTTP 999"), MAYBE),
    ],
)
def test_refusals(
    status: int, reason: str, body: bytes, failure: tuple[str, str], facts: tuple[bool, bool]
) -> None:
    refusal = refusal_of(status, reason, body)
    assert (refusal.failure.status, refusal.failure.message) == failure
    assert (refusal.from_flow, refusal.may_have_run) == facts
    assert "app.js" not in refusal.failure.message


def test_details_are_kept() -> None:
    assert refusal_of(422, "", b'{"detail":[1]}').failure.details == {"detail": [1]}
    assert refusal_of(500, "", b'{"error":{"code":13,"details":7}}').failure == Failure("INTERNAL", "", 7)


@repeatable
@given(st.integers(400, 999), st.text(), st.binary() | st.text().map(str.encode))
def test_any_refusal_has_a_canonical_status_and_words(status: int, reason: str, body: bytes) -> None:
    failure = refusal_of(status, reason, body).failure
    assert failure.status in GRPC_CODES
    assert failure.message


@pytest.mark.parametrize(
    ("body", "html"),
    [(b" \n<p>", True), (b"\xef\xbb\xbf<p>", True), (b'{"a":"<p>"}', False), (b"", False), (b"a<p>", False)],
)
def test_is_html(body: bytes, html: bool) -> None:
    assert is_html(body) is html


# --- Retry-After --------------------------------------------------------------------------------

NOON = "Sun, 22 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("0", "", 0.0),
        (" 120 ", "", 120.0),
        ("1.5", "", 1.5),
        ("999999999", "", 999999999.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", NOON, 30.0),
        ("Mon, 23 Nov 2026 12:00:00 GMT", NOON, 86400.0),
        ("Sun, 22 Nov 2026 11:59:00 GMT", NOON, 0.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", "", None),
        ("Sun, 22 Nov 2026 12:00:30 GMT", "yesterday", None),
        ("Sunday, 22-Nov-26 12:00:30 GMT", NOON, None),
        ("Sun Nov 22 12:00:30 2026", NOON, None),
        ("Sun, 31 Feb 2026 12:00:00 GMT", NOON, None),
        ("Sun, 22 Nov 2026 12:00:60 GMT", NOON, None),
        ("Sun, 22 Nov 0000 12:00:00 GMT", NOON, None),
        ("Sun, 22 Abc 2026 12:00:00 GMT", NOON, None),
        *(
            (value, NOON, None)
            for value in ("", "-1", "1e9", "inf", "nan", "1,5", "٣", "0x10", "9" * 10, "soon")
        ),
    ],
)
def test_retry_after(value: str, date: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value, "date": date}) == seconds


def test_no_retry_after() -> None:
    assert retry_after({"date": NOON}) is None


# --- encodings ----------------------------------------------------------------------------------


def decoded(headers: dict[str, str], pieces: list[bytes]) -> list[bytes]:
    decoder = body_decoder(headers)
    return [out for piece in pieces for out in decoder.pieces(piece)]


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_no_encoding(encoding: str) -> None:
    assert decoded({"content-encoding": encoding}, [b"a", b"", b"b"]) == [b"a", b"", b"b"]
    assert decoded({}, [b"a"]) == [b"a"]


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 1000, "\x1b[2J\n"])
def test_unknown_encodings(encoding: str) -> None:
    with pytest.raises(Malformed) as caught:
        body_decoder({"content-encoding": encoding})
    assert caught.value.what.startswith("unexpected Content-Encoding '")
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 300


@repeatable
@given(st.lists(st.binary(max_size=50), min_size=1, max_size=3), st.lists(st.integers(0, 500)))
def test_gzip_of_any_members_in_any_pieces(members: list[bytes], points: list[int]) -> None:
    packed = b"".join(gzip.compress(member) for member in members)
    found = decoded({"content-encoding": "GZip"}, cut_at(packed, points))
    assert b"".join(found) == b"".join(members)


@repeatable
@given(st.binary(max_size=200), st.lists(st.integers(0, 500)))
def test_deflate_in_any_pieces(body: bytes, points: list[int]) -> None:
    assert b"".join(decoded({"content-encoding": "deflate"}, cut_at(zlib.compress(body), points))) == body


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 65_536 + 257, 65_536 * 3, 10**6])
def test_nothing_is_held_back_at_the_edge_of_a_piece(size: int) -> None:
    pieces = decoded({"content-encoding": "gzip"}, [gzip.compress(bytes(size))[:-8]])
    assert sum(map(len, pieces)) == size
    assert max(map(len, pieces)) <= 65_536


def test_a_gzip_bomb_comes_in_pieces() -> None:
    bomb = gzip.compress(bytes(1 << 24))
    first = next(iter(Inflate(31).pieces(bomb)))
    assert len(first) == 65_536


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b"a" * 50)[:-9] + b"x" * 9, gzip.compress(b"a") + b"no"],
    ids=["none", "wrong check sum", "rubbish behind"],
)
def test_broken_gzip(body: bytes) -> None:
    end: Any = hear([body], headers={"content-encoding": "gzip"}).end
    assert isinstance(end, ProtocolError)
    assert "the compressed body is broken" in str(end)


def test_compressed_streams() -> None:
    body = b'data: {"message":1}\n\ndata: {"result":2}\n\n'
    for pieces in ([gzip.compress(body)], cut_at(gzip.compress(body), range(100))):
        heard = hear(pieces, headers={"content-encoding": "gzip"})
        assert (heard.chunks, heard.end) == ([1], 2)
