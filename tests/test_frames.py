"""Bytes to frames: every dialect without a recording, arbitrary values, cuts, and garbage."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Json

from pure_calls import LIMITS, Heard, cut_at, cuts, flat, hear, repeatable
from streamflow_client.call import Limits
from streamflow_client.errors import (
    STATUS_ERRORS,
    AbortedError,
    ChunkValidationError,
    FlowError,
    FlowStatusError,
    InternalError,
    NotFoundError,
    OutputValidationError,
    ProtocolError,
    StreamInterruptedError,
    UnknownError,
)
from streamflow_client.wire.failures import GRPC_CODES, failure_of, reflected_failure
from streamflow_client.wire.frames import (
    CallableFrames,
    Failure,
    Frame,
    FrameReader,
    Malformed,
    Raw,
    RawEvents,
    ReflectionFrames,
    Result,
    Unknown,
    callable_answer,
    reflection_answer,
    reframe,
)
from streamflow_client.wire.request import PROTOCOLS
from streamflow_client.wire.sse import Event, EventTooLarge

LIMIT = 1 << 20
INTERNAL = b'{"error":{"status":"INTERNAL","message":"kaboom","details":{"a":1}}}'
FAILED = Failure("INTERNAL", "kaboom", {"a": 1})
NAMED = Unknown("an event of the type 'ping'")


def frames(reader: FrameReader, pieces: list[bytes]) -> list[Any]:
    """All frames of a body, and the error that ended it."""
    found: list[Frame | str] = []
    try:
        for piece in pieces:
            found += flat(reader.feed(piece))
        found += flat(reader.finish())
    except (Malformed, EventTooLarge) as error:
        found.append(f"{type(error).__name__}: {error}")
    return found


# --- the callable protocol ----------------------------------------------------------------------

DIALECTS: dict[str, tuple[bytes, list[Any]]] = {
    "nothing": (b"", []),
    "go": (b'data: {"message":1}\n\ndata: ' + INTERNAL + b"\n\n", [b"1", FAILED]),
    "next fails": (
        b'data: {"message":1}\n\nerror: {"status":"INTERNAL","message":"kaboom"}\n\nEND',
        [b"1", Failure("INTERNAL", "kaboom")],
    ),
    "next": (b'data: {"message":1}\n\ndata: {"result":2}\n\nEND', [b"1", Result(b"2")]),
    "next, with a blank line after END": (b'data: {"result":2}\n\nEND\n\n', [Result(b"2")]),
    "old fastapi": (b'data: {"message":1}\n\nerror: ' + INTERNAL, [b"1", FAILED]),
    "old fastapi, cut": (b'data: {"message":1}\n\nerror: {"error":{"mess', [b"1"]),
    "firebase": (
        b': ping\n\ndata: {"message":1}\n\n: ping\n\ndata: ' + INTERNAL + b"\n\n",
        [b"1", FAILED],
    ),
    "a failure unwrapped in data": (
        b'data: {"status":"INTERNAL","message":"kaboom"}\n\n',
        [Failure("INTERNAL", "kaboom")],
    ),
    "no failure: its status is no canonical one": (
        b'data: {"status":"partial","message":"text"}\n\n',
        [b'"text"'],
    ),
    "no failure: its message is no text": (
        b'data: {"status":"INTERNAL","message":["text"]}\n\n',
        [b'["text"]'],
    ),
    "no failure: OK": (b'data: {"status":"OK","message":"text"}\n\n', [b'"text"']),
    "crlf": (b'data: {"message":1}\r\n\r\ndata: {"result":2}\r\n\r\n', [b"1", Result(b"2")]),
    "cr": (b'data: {"message":1}\r\rdata: {"result":2}\r\r', [b"1", Result(b"2")]),
    "bom": (b'\xef\xbb\xbfdata: {"message":1}\n\n', [b"1"]),
    "no space": (b'data:{"message":1}\n\ndata:{"result":2}\n\n', [b"1", Result(b"2")]),
    "on two lines": (b'data: {"message":\ndata: 1}\n\n', [b"1"]),
    "both fields": (
        b'data: {"message":1}\nerror: ' + INTERNAL + b"\n\n",
        [b"1", FAILED],
    ),
    "noise": (b'END\n\nfoo: bar\n\n: c\ndata: {"message":1}\nx\n\n', [b"1"]),
    "heartbeats": (b'data\n\ndata:\n\ndata: \n\nevent: ping\ndata:\n\ndata: {"message":1}\n\n', [b"1"]),
    "ids": (b'id: 7\ndata: {"message":1}\n\ndata: {"result":2}\n\n', [b"1", Result(b"2")]),
    "named events": (
        b'event: message\ndata: {"message":1}\n\nevent: end\ndata: { "x":0, "result":2}\n\n',
        [b"1", Result(b"2")],
    ),
    "a named event is no envelope": (b"event: ping\ndata: {}\n\nevent: ping\ndata: hi\n\n", [NAMED] * 2),
    "a named event of another kind": (b'event: ping\ndata: {"t":1}\n\n', [NAMED]),
    "unknown keys": (
        b'data: {"usage":1,"cost":2}\n\n',
        [Unknown("an object with the keys 'usage', 'cost'")],
    ),
    "bare values": (
        b"data: 1\n\ndata: [2]\n\n",
        [Unknown("a bare value instead of an object")] * 2,
    ),
    "error null is none": (b'data: {"error":null,"message":1}\n\n', [b"1"]),
    "error null alone": (
        b'data: {"error":null}\n\n',
        [Unknown("an object with the keys 'error'")],
    ),
    "an error that is a text": (b'data: {"error":"boom"}\n\n', [Failure("UNKNOWN", "boom")]),
    "an error that is null": (b"error: null\n\n", [Failure("UNKNOWN", "")]),
    "an error that is a number": (b"error: 5\n\n", [Failure("UNKNOWN", "5")]),
    # envelopes
    "spaces": (
        b'data:  { "message" : {"a": 1} } \n\ndata: \t{"result"  :2 }\n\n',
        [b'{"a": 1} ', Result(b"2 ")],
    ),
    "escapes": (b'data: {"\\u006dessage":1}\n\n', [b"1"]),
    "line separators": ('data: {"message":"\u2028"}\n\n'.encode(), ['"\u2028"'.encode()]),
    "keys before": (b'data: {"seq":1,"message":1}\n\ndata: {"a":{},"result":2}\n\n', [b"1", Result(b"2")]),
    "message and result, in any order": (
        b'data: {"x":0,"result":2,"message":1}\n\n',
        [b"1", Result(b"2")],
    ),
    "message and error": (b'data: {"x":0,"error":"e","message":1}\n\n', [b"1", Failure("UNKNOWN", "e")]),
    "result and error": (b'data: {"x":0,"error":"e","result":1}\n\n', [Failure("UNKNOWN", "e")]),
    # `undefined`
    "undefined result": (b'data: {"message":1}\n\ndata: {}\n\n', [b"1", Result(None)]),
    "undefined first": (b'data: {}\n\ndata: {"message":1}\n\n', [b"null", b"1"]),
    "undefined in the middle": (
        b'data: {"message":1}\n\ndata: {}\n\ndata: {"result":2}\n\n',
        [b"1", b"null", Result(b"2")],
    ),
    "undefined twice": (b"data: {}\n\ndata: {}\n\n", [b"null", Result(None)]),
    "undefined, then a failure": (b"data: {}\n\nerror: " + INTERNAL + b"\n\n", [b"null", FAILED]),
    "undefined, then a comment": (b"data: {}\n\n: ping\n\n", [Result(None)]),
    "undefined, then a heartbeat": (b"data: {}\n\ndata:\n\n", [Result(None)]),
    "undefined, then END": (b"data: { }\n\nEND", [Result(None)]),
    "undefined, then half a frame": (b'data: {}\n\ndata: {"mess', [b"null"]),
    "undefined, unterminated": (b"data: {}", [Result(None)]),
    "undefined, then an unterminated frame": (b'data: {}\n\ndata: {"result":2}', [b"null", Result(b"2")]),
    "undefined, then no JSON": (b"data: {}\n\ndata: {x\n\n", [b"null", "Malformed"]),
    # tails
    "tail": (b'data: {"message":1}\n\ndata: {"message":2}\n', [b"1", b"2"]),
    "tail without a line end": (b'data: {"result":{"a":1}}', [Result(b'{"a":1}')]),
    "half a tail": (b'data: {"result":{"a":1}', []),
    "a tail that is no envelope": (b"data: 12", []),
    "half an UTF-8 character": (b'data: {"message":"\xc3', []),
    # broken
    "no JSON": (b'data: {"message":1}\n\ndata: hello\n\ndata: {"message":2}\n\n', [b"1", "Malformed"]),
    "no JSON at once": (b"data: hello\n\n", ["Malformed"]),
    "error is no JSON": (b"error: hello\n\n", ["Malformed"]),
    "wrong UTF-8": (b'data: {"x":"\xff"}\n\n', ["Malformed"]),
    "too deep": (b"data: " + b"[" * 10_000 + b"]" * 10_000 + b"\n\n", ["Malformed"]),
    "too large": (
        b'data: {"message":1}\n\ndata: "' + b"x" * LIMIT + b'"\n\n',
        [b"1", "EventTooLarge"],
    ),
    "undefined, then too large": (
        b'data: {}\n\ndata: "' + b"x" * LIMIT + b'"\n\n',
        ["EventTooLarge"],
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects(name: str) -> None:
    body, expected = DIALECTS[name]
    found = frames(CallableFrames(LIMIT), [body])
    assert [_kind(frame) for frame in found] == expected


@pytest.mark.parametrize("name", [name for name, case in DIALECTS.items() if len(case[0]) < 1000])
def test_dialects_in_any_pieces(name: str) -> None:
    body, expected = DIALECTS[name]
    for pieces in cuts(body):
        assert [_kind(f) for f in frames(CallableFrames(LIMIT), pieces)] == expected, pieces


def _kind(frame: Any) -> Any:
    return frame.partition(":")[0] if isinstance(frame, str) else frame


def test_comments_count_as_life() -> None:
    reader = CallableFrames(LIMIT)
    reader.feed(b": ping\n\n: ping\n\n")
    assert reader.comments == 2


def test_a_broken_reader_stays_broken() -> None:
    reader = CallableFrames(LIMIT)
    assert flat(reader.feed(b'data: {"message":1}\n\ndata: x\n\n')) == [b"1"]
    with pytest.raises(Malformed, match="a frame is not JSON"):
        reader.feed(b'data: {"message":2}\n\n')
    with pytest.raises(Malformed, match="a frame is not JSON"):
        reader.finish()


# --- what the session makes of it ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "chunks", "end"),
    [
        (b'data: {"message":1,"result":2}\n\n', [1], 2),
        (b'data: {"message":1,"seq":7}\n\ndata: {"result":2,"seq":8}\n\n', [1], 2),
        (b'data: {"message":1,"message":2}\n\ndata: {"result":3,"result":4}\n\n', [2], 4),
        (b'data: {"message":"text","status":"x"}\n\ndata: {"result":3}\n\n', ["text"], 3),
        (b'data: {"result":2,"message":1}\n\n', [1], 2),
        (b'data: {"message":1,"error":null}\n\ndata: {"result":2,"error":null}\n\n', [1], 2),
        (b'data: {"message":null}\n\ndata: {"result":null}\n\n', [None], None),
        # one model for all kinds of frames, as a FastAPI user may write it
        (b'data: {"message":1,"result":null,"error":null}\n\n' * 2 + b'data: {"result":2}\n\n', [1, 1], 2),
        (b'data: {"result":null,"message":1}\n\ndata: {"message":null,"result":2,"error":null}\n\n', [1], 2),
        (b'data: {"message":1,"result":null}\n\ndata: {"message":null,"result":null}\n\n', [1], None),
        (b'data: {"message":NaN,"x":1}\n\ndata: {"result":1e400}\n\n', [...], float("inf")),
        (b'data: {"message":%b}\n\ndata: {"result":0}\n\n' % (b"9" * 4000), [int("9" * 4000)], 0),
    ],
)
def test_envelopes_with_more_in_them(body: bytes, chunks: list[Any], end: Any) -> None:
    for pieces in [[body], *cuts(body)] if len(body) < 500 else [[body]]:
        heard = hear(pieces)
        assert [... if item != item else item for item in heard.chunks] == chunks  # noqa: PLR0124
        assert heard.end == end


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b'data: {"message":1}\n\n', StreamInterruptedError, "ended without a result"),
        (b'data: {"message":1,"status":"NOT_FOUND"}\n\n', StreamInterruptedError, ""),
        (b'data: {"message":"m","status":"NOT_FOUND"}\n\n', NotFoundError, "NOT_FOUND"),
        (b'data: {"message":null,"result":null,"error":{"status":"ABORTED"}}\n\n', AbortedError, "ABORTED"),
        (b'data: {"result":1,"error":{"status":"NOT_FOUND"}}\n\n', NotFoundError, "NOT_FOUND"),
        (b'data: {"message":{"a":}}\n\n', ProtocolError, '"a":'),
        (b'data: {"message":}\n\n', ProtocolError, "not JSON"),
        (b'data: {"result":1}}\n\n', ProtocolError, "not JSON"),
        (b'data: {"message":"\xff"}\n\n', ProtocolError, "\\\\xff"),
        (b'data: {"message":"\0"}\n\n', ProtocolError, "not JSON"),
        (b'data: {"message":%b}\n\n' % (b"[" * 9_999 + b"]" * 9_999), ProtocolError, "recursion"),
        (b'data: {"result":%b}\n\n' % (b"9" * 5_000), ProtocolError, "out of range"),
        (b"data: {}\n\ndata: {\n\n", ProtocolError, "not JSON"),
        (b"<html><h1>secret", ProtocolError, "HTML"),
    ],
)
def test_broken_envelopes(body: bytes, kind: type[FlowError], text: str) -> None:
    heard = hear([body])
    assert type(heard.end) is kind
    assert text.replace("\\\\", "\\") in str(heard.end)
    assert len(str(heard.end)) < 1000


def test_chunks_before_a_broken_frame_are_delivered() -> None:
    body = b'data: {"message":1}\n\ndata: {"message":2}\n\ndata: {"mess\n\n'
    for pieces in cuts(body):
        heard = hear(pieces)
        assert heard.chunks == [1, 2], pieces
        assert isinstance(heard.end, ProtocolError)


@pytest.mark.parametrize(
    ("output", "end"),
    [(int, StreamInterruptedError), (int | None, type(None)), (Any, type(None)), (None, type(None))],
)
def test_an_undefined_output(output: Any, end: type) -> None:
    heard = hear([b'data: {"message":1}\n\ndata: {}\n\n'], output=output)
    assert (heard.chunks, type(heard.end)) == ([1], end)


def test_an_undefined_output_of_a_unary_call_is_no_drop() -> None:
    assert hear([b"{}"], streaming=False, output=int | None).end is None
    assert isinstance(hear([b"{}"], streaming=False, output=int).end, OutputValidationError)


def test_an_undefined_chunk() -> None:
    body = [b'data: {}\n\ndata: {"result":1}\n\n']
    assert hear(body, chunk=int | None).chunks == [None]
    fault = hear(body, chunk=int).chunks[0]
    assert isinstance(fault, ChunkValidationError)
    assert fault.raw == b"null"


def test_unknown_frames_are_noted_once() -> None:
    long = b'data: {"%b":1}\n\n' % (b"k" * 10_000)
    heard = hear([long, b'data: {"b":1}\n\ndata: 5\n\ndata: {"result":1}\n\n'])
    assert (heard.chunks, heard.end) == ([], 1)
    assert len(heard.notes) == 1
    assert heard.notes[0].startswith("skipped a frame of unknown kind: an object with the keys 'kkk")
    assert len(heard.notes[0]) < 300


@pytest.mark.parametrize("protocol", ["callable", "reflection"])
def test_a_json_type_inside_the_callers_own_is_no_broken_frame(protocol: Any) -> None:
    """`Json[…]` reports broken JSON in a text just as pydantic does for a whole payload."""
    body = b'data: {"message":"x"}\n\ndata: {"result":"y"}\n\n'
    if protocol == "reflection":
        body = b'"x"\n{"result":"y"}'
    heard = hear([body], chunk=Json[int], output=Json[int], protocol=protocol)
    assert isinstance(heard.chunks[0], ChunkValidationError)
    assert isinstance(heard.end, OutputValidationError)


def test_reading_an_envelope_in_full_never_goes_in_circles() -> None:
    both: list[Literal["message", "result"]] = ["message", "result"]
    for key in both:
        with pytest.raises(Malformed, match="cannot be decoded"):
            reframe(b"1", key)
    assert reframe(b"1 ", "message") == [[b"1"]]


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"error": {"status": "NOT_FOUND", "message": "m"}}, Failure("NOT_FOUND", "m")),
        ({"status": "NOT_FOUND", "message": "m"}, Failure("NOT_FOUND", "m")),
        ({"error": {"status": "odd", "message": "m"}}, Failure("odd", "m")),
        ({"error": {"status": 5, "message": "m"}}, Failure("NOT_FOUND", "m")),
        ({"error": {"status": "", "code": 5}}, Failure("NOT_FOUND", "")),
        ({"error": {"code": 9, "message": 12}}, Failure("FAILED_PRECONDITION", "12")),
        ({"error": {"code": 0, "message": None}}, Failure("UNKNOWN", "")),
        ({"error": {"code": 404, "message": {"a": [1]}}}, Failure("UNKNOWN", '{"a":[1]}')),
        ({"error": {"code": True}}, Failure("UNKNOWN", "")),
        ({"error": {"code": -1}}, Failure("UNKNOWN", "")),
        ({"error": {"code": 2.0}}, Failure("UNKNOWN", "")),
        ({"error": {"code": "5"}}, Failure("5", "")),
        ({"error": {"code": 10**400}}, Failure("UNKNOWN", "")),
        ({"error": {"details": [1]}}, Failure("UNKNOWN", "", [1])),
        (
            {"error": {"details": {"traceId": "t"}}},
            Failure("UNKNOWN", "", {"traceId": "t"}, "t"),
        ),
        ({"error": {"details": {"traceId": 5}}}, Failure("UNKNOWN", "", {"traceId": 5})),
        ({"error": []}, Failure("UNKNOWN", "[]")),
        ("text", Failure("UNKNOWN", "text")),
        (float("nan"), Failure("UNKNOWN", "NaN")),
    ],
)
def test_failures(value: Any, expected: Failure) -> None:
    assert failure_of(value) == expected


IN_DETAILS = "stream flow error"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"status": "INTERNAL_SERVER_ERROR", "message": "m"}, Failure("INTERNAL", "m")),
        (
            {"status": "INTERNAL", "message": IN_DETAILS, "details": "INTERNAL_SERVER_ERROR: m"},
            Failure("INTERNAL", "m"),
        ),
        (
            {"status": "INTERNAL_SERVER_ERROR", "message": IN_DETAILS, "details": "NOT_FOUND: no dish: x"},
            Failure("NOT_FOUND", "no dish: x"),
        ),
        ({"status": "INTERNAL", "message": IN_DETAILS, "details": "no dish"}, Failure("INTERNAL", "no dish")),
        ({"status": "ABORTED", "message": IN_DETAILS, "details": "ABORTED: x"}, Failure("ABORTED", "x")),
        (
            {"status": "ABORTED", "message": IN_DETAILS, "details": "NOT_FOUND: x"},
            Failure("ABORTED", "NOT_FOUND: x"),
        ),
        ({"status": "INTERNAL", "message": IN_DETAILS}, Failure("INTERNAL", IN_DETAILS)),
        (
            {"status": "INTERNAL", "message": IN_DETAILS, "details": ""},
            Failure("INTERNAL", IN_DETAILS, ""),
        ),
        (
            {"status": "INTERNAL", "message": IN_DETAILS, "details": {"a": 1}},
            Failure("INTERNAL", IN_DETAILS, {"a": 1}),
        ),
        ({"status": "INTERNAL", "message": "NOT_FOUND: x"}, Failure("INTERNAL", "NOT_FOUND: x")),
    ],
)
def test_failures_as_older_releases_of_genkit_go_write_them(value: Any, expected: Failure) -> None:
    assert failure_of({"error": value}) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"code": 5, "message": "NOT_FOUND: no dish"}, Failure("NOT_FOUND", "no dish")),
        ({"code": 404, "message": "no dish"}, Failure("NOT_FOUND", "no dish")),
        ({"code": 500, "message": "ABORTED: no dish"}, Failure("ABORTED", "no dish")),
        ({"code": 13, "message": "OK: no dish"}, Failure("INTERNAL", "OK: no dish")),
        ({"code": 13, "message": "ABORTED:no dish"}, Failure("INTERNAL", "ABORTED:no dish")),
        ({"code": 9, "message": "ABORTED: no dish"}, Failure("FAILED_PRECONDITION", "ABORTED: no dish")),
        ({"code": 200, "message": "m"}, Failure("UNKNOWN", "m")),
        ({"code": "500", "message": "m"}, Failure("500", "m")),
    ],
)
def test_failures_as_reflection_apis_write_them(value: Any, expected: Failure) -> None:
    assert reflected_failure({"error": value}) == expected


@pytest.mark.parametrize("code", range(1, len(GRPC_CODES)))
def test_every_code_by_number_and_name(code: int) -> None:
    name = GRPC_CODES[code]
    body = b'{"error":{"code":%d,"message":"m"}}' % code
    for end in (
        hear([body], protocol="reflection").end,
        hear([b"data: " + body + b"\n\n"]).end,
        hear([b'error: {"status":"%b","message":"m"}\n\n' % name.encode()]).end,
    ):
        assert type(end) is STATUS_ERRORS[name]
        assert end.status == name


def test_a_status_that_is_no_code_is_unknown() -> None:
    end = hear([b'error: {"status":"TEAPOT","message":"m"}\n\n']).end
    assert type(end) is UnknownError
    assert end.status == "TEAPOT"


# --- reflection ---------------------------------------------------------------------------------

TELEMETRY = b'{"result":1,"telemetry":{"traceId":"t"}}'
ENDED = Result(b"1", "t")
ERROR = b'{"error":{"code":5,"message":"m"}}'
NOT_FOUND = Failure("NOT_FOUND", "m")

LINES: dict[str, tuple[bytes, list[Any]]] = {
    "nothing": (b"", []),
    "values": (
        b'1\n"a"\nnull\n[2]\n{"a":1}\n' + TELEMETRY,
        [b"1", b'"a"', b"null", b"[2]", b'{"a":1}', ENDED],
    ),
    "terminated": (b"1\n" + TELEMETRY + b"\n", [b"1", ENDED]),
    "crlf and blank lines": (b"1\r\n\r\n\n \n2\r\n" + TELEMETRY + b"\r\n", [b"1", b"2", ENDED]),
    "a failure": (b"1\n" + ERROR, [b"1", NOT_FOUND]),
    "a failure, terminated": (b"1\n" + ERROR + b"\n", [b"1", NOT_FOUND]),
    "a failure with telemetry": (
        b'{"error":{"code":5},"telemetry":{"traceId":"t"}}\n3\n',
        [Failure("NOT_FOUND", ""), b"3"],
    ),
    "no telemetry": (b'1\n{"result":2}', [b"1", Result(b"2")]),
    "no telemetry, terminated": (b'1\n{"result":2}\n', [b"1", Result(b"2")]),
    "undefined": (b'1\n{"telemetry":{"traceId":"t"}}', [b"1", Result(None, "t")]),
    "chunks like envelopes": (
        b'{"result":1}\n{"error":{"code":5,"message":"m"}}\n' + TELEMETRY,
        [b'{"result":1}', ERROR, ENDED],
    ),
    "chunks with such keys among others": (
        b'{"result":1,"a":2}\n{"error":{"code":5},"b":1}\n{"a":{"result":1}}\n' + TELEMETRY,
        [b'{"result":1,"a":2}', b'{"error":{"code":5},"b":1}', b'{"a":{"result":1}}', ENDED],
    ),
    "chunks with an error that is none": (
        b'{"error":"text"}\n{"error":{"a":1}}\n{"error":null}\n"\\"error\\":"\n' + TELEMETRY,
        [b'{"error":"text"}', b'{"error":{"a":1}}', b'{"error":null}', b'"\\"error\\":"', ENDED],
    ),
    "telemetry without a trace is a chunk's": (
        b'{"telemetry":{}}\n{"telemetry":{"traceId":5}}\n{"result":1,"telemetry":7}\n2\n',
        [b'{"telemetry":{}}', b'{"telemetry":{"traceId":5}}', b'{"result":1,"telemetry":7}', b"2"],
    ),
    "telemetry beside other keys is a chunk's": (
        b'{"a":1,"telemetry":{"traceId":"t"}}\n' + TELEMETRY,
        [b'{"a":1,"telemetry":{"traceId":"t"}}', ENDED],
    ),
    "a new key in the envelope": (b'{"usage":1,"result":1,"telemetry":{"traceId":"t"}}\n2\n', [ENDED, b"2"]),
    "dropped within a chunk with such keys": (b'{"result":1,"a":2}', []),
    "dropped after a chunk with such keys": (b'{"result":1,"a":2}\n', [b'{"result":1,"a":2}']),
    "dropped after a chunk": (b"1\n2\n", [b"1", b"2"]),
    "dropped within a chunk": (b"1\n12", [b"1"]),
    "dropped within a string": (b'1\n"te', [b"1"]),
    "dropped within an envelope": (b'1\n{"result":12', [b"1"]),
    "dropped after a chunk like an envelope": (b'{"result":1}\n12', [b'{"result":1}']),
    "a broken line with such a key": (b'{"result":\n' + TELEMETRY, [b'{"result":', ENDED]),
    "too large": (b"1\n" + b"x" * LIMIT + b"x\n", [b"1", "EventTooLarge"]),
    "too large, unterminated": (b"x" * LIMIT + b"x", ["EventTooLarge"]),
    "as large as may be": (b"x" * LIMIT + b"\n", [b"x" * LIMIT]),
    "too large after what is held": (
        b'{"result":1}\n' + b"x" * LIMIT + b"x",
        [b'{"result":1}', "EventTooLarge"],
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_lines(name: str) -> None:
    body, expected = LINES[name]
    assert [_kind(frame) for frame in frames(ReflectionFrames(LIMIT), [body])] == expected


@pytest.mark.parametrize("name", [name for name, case in LINES.items() if len(case[0]) < 1000])
def test_lines_in_any_pieces(name: str) -> None:
    body, expected = LINES[name]
    for pieces in cuts(body):
        assert frames(ReflectionFrames(LIMIT), pieces) == expected, pieces


def test_telemetry_ends_at_once_and_a_look_alike_waits() -> None:
    reader = ReflectionFrames(LIMIT)
    assert reader.feed(b'{"result":2}\n') == []
    assert flat(reader.feed(TELEMETRY + b"\n")) == [b'{"result":2}', ENDED]
    assert reader.comments == 0


def test_a_refusing_reader_stays_so() -> None:
    reader = ReflectionFrames(4)
    assert flat(reader.feed(b"1\n12345\n")) == [b"1"]
    with pytest.raises(EventTooLarge):
        reader.feed(b"2\n")
    with pytest.raises(EventTooLarge) as caught:
        reader.finish()
    assert (caught.value.size, caught.value.limit, caught.value.head) == (5, 4, b"12345")


def test_a_line_that_is_no_json_ends_the_call() -> None:
    heard = hear([b"1\n{x}\n2\n"], protocol="reflection")
    assert heard.chunks == [1]
    assert isinstance(heard.end, ProtocolError)
    assert "'{x}'" in str(heard.end)


# --- whole bodies -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "callable_", "reflection"),
    [
        (b'{"result":{"a":1}}', Result(b'{"a":1}'), Result(b'{"a":1}')),
        (b' { "result" : 1 } \n', Result(b"1 "), Result(b"1")),
        (b'{"x":0,"result":1}', Result(b"1"), Result(b"1")),
        (b"{}", Result(None), Result(None)),
        (b'{"telemetry":{"traceId":"t"}}', None, Result(None, "t")),
        (TELEMETRY, Result(b'1,"telemetry":{"traceId":"t"}'), ENDED),
        (ERROR, NOT_FOUND, NOT_FOUND),
        (b'{"error":"boom"}', Failure("UNKNOWN", "boom"), Failure("UNKNOWN", "boom")),
        (
            b'{"status":"NOT_FOUND","message":"m"}',
            Failure("NOT_FOUND", "m"),
            Failure("NOT_FOUND", "m"),
        ),
        (b'{"message":1}', None, None),
        (b'{"error":null}', None, None),
        (b"[1]", None, None),
        (b"12", None, None),
        (b"", None, None),
        (b'{"result":12', None, None),
        (b'{"result":"\xff"', None, None),
    ],
)
def test_answers(body: bytes, callable_: Any, reflection: Any) -> None:
    for answer, expected in ((callable_answer, callable_), (reflection_answer, reflection)):
        if expected is None:
            with pytest.raises(Malformed):
                answer(body)
        else:
            assert answer(body) == expected


@pytest.mark.parametrize("body", [b'{"result":12}', b'{"result":{"a":[1,2]}}', b'{"result":"\xc3\xa9"}'])
def test_a_cut_answer_is_never_a_shorter_value(body: bytes) -> None:
    for at in range(len(body)):
        for protocol in PROTOCOLS:
            end = hear([body[:at]], streaming=False, protocol=protocol).end
            assert isinstance(end, ProtocolError), body[:at]


@pytest.mark.parametrize(
    ("body", "end"),
    [
        (b'{"result":1,"x":2}', 1),
        (b'{"result":1,"result":2}', 2),
        (b'{"x":2,"result":1}', 1),
        (b'{"result":1,"error":{"status":"INTERNAL"}}', InternalError),
        (b"<html>", ProtocolError),
        (b'"text"', ProtocolError),
    ],
)
def test_unary_answers(body: bytes, end: Any) -> None:
    heard = hear([body], streaming=False)
    assert type(heard.end) is end if isinstance(end, type) else heard.end == end


# --- raw events ---------------------------------------------------------------------------------


def test_raw_events() -> None:
    reader = RawEvents(LIMIT, lambda event: event)
    body = b": c\n\ndata: a\n\nevent: e\nid: 1\ndata: b\n\nerror: {}\n\n"
    assert flat(reader.feed(body + b"data: cut")) == [
        Raw(Event(b"a")),
        Raw(Event(b"b", "e", "1")),
        Raw(Event(b"", "", "1", None, b"{}")),
    ]
    assert reader.finish() == [Raw(Event(b"cut", "", "1"))]
    assert reader.comments == 1


# --- properties ---------------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
keys = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["message", "result", "error", "telemetry", "status", "traceId", "code"]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)
points = st.lists(st.integers(0, 1 << 14), max_size=8)
styles = st.sampled_from(
    [
        {"separators": (",", ":"), "ensure_ascii": False},
        {"separators": (",", ":")},
        {},
        {"separators": (" , ", " : ")},
    ]
)
ends = st.sampled_from(["\n", "\r\n", "\r"])


def _sse(field: str, value: Any, style: dict[str, Any], end: str) -> str:
    return f"{field}: {json.dumps(value, **style)}{end}{end}"


@repeatable
@given(st.lists(values, max_size=6), values, styles, ends, points, st.booleans(), st.booleans())
def test_values_survive_the_callable_protocol(
    chunks: list[Any],
    result: Any,
    style: dict[str, Any],
    end: str,
    points: list[int],
    extra: bool,
    terminated: bool,
) -> None:
    beside: dict[str, Any] = {"seq": 1} if extra else {}
    body = "".join(_sse("data", {"message": chunk} | beside, style, end) for chunk in chunks)
    body += _sse("data", beside | {"result": result}, style, end)
    raw = body.encode() if terminated else body.rstrip("\r\n").encode()
    for drain in (False, not extra):
        heard = hear(cut_at(raw, points), drain=drain)
        assert _same(heard.chunks, [] if drain else chunks)
        assert _same(heard.end, result)
        assert heard.session.received == (len(chunks) if drain else 0)


@repeatable
@given(st.lists(values, max_size=6), values, styles, points)
def test_values_survive_the_reflection_protocol(
    chunks: list[Any], result: Any, style: dict[str, Any], points: list[int]
) -> None:
    end = {"result": result, "telemetry": {"traceId": "t"}}
    sure = [c for c in chunks if not (isinstance(c, dict) and "traceId" in str(c.get("telemetry")))]
    lines = [json.dumps(value, **style) for value in [*sure, end]]
    heard = hear(cut_at("\n".join(lines).encode(), points), protocol="reflection")
    assert _same(heard.chunks, sure)
    assert _same(heard.end, result)
    assert heard.session.trace_id == "t"


@repeatable
@given(values, styles)
def test_values_survive_unary_calls(result: Any, style: dict[str, Any]) -> None:
    body = json.dumps({"result": result}, **style).encode()
    for protocol in PROTOCOLS:
        end = hear([body], streaming=False, protocol=protocol).end
        assert _same(end, result)


def _same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # as `==`, but True is not 1, and 1.0 is not 1


tokens = st.sampled_from(
    [
        *(b"data: ", b"data:", b"error: ", b"event: x\n", b"id: 1\n", b"retry: 5\n", b": c\n", b"END"),
        *(
            b'{"message":',
            b'{"result":',
            b'{"error":',
            b'"status":',
            b'"message":',
            b'"code":',
            b'"INTERNAL"',
        ),
        *(b'"telemetry":', b'"traceId":', b'"details":', b"{}", b"{", b"}", b"[", b"]", b",", b":", b'"'),
        *(b"1", b"-0", b"1e999", b"NaN", b"Infinity", b"true", b"null", b"9" * 5000, b'"\\ud800"', b'"a"'),
        *(b"\0", b"\xff", b"\xc3", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\n", b"\n\n", b"\r", b"\r\n", b" "),
        *(b"[" * 10_000, b'{"a":' * 300, b"<html>", b"<!DOCTYPE html><title>", b"x" * 300),
    ]
)
garbage = st.lists(tokens | st.binary(max_size=6), max_size=25).map(b"".join)
forms = st.sampled_from([Any, int, None, list[int], dict[str, float], str | None, Json[int]])


@settings(repeatable, max_examples=400)
@given(garbage, points, st.booleans(), st.sampled_from(["callable", "reflection"]), forms, st.booleans())
@example(b'{"error":{"code":5,"details":5,"message":[]}}', [], False, "callable", Any, False)
def test_garbage_raises_only_our_errors(
    body: bytes, points: list[int], streaming: bool, protocol: Any, form: Any, drain: bool
) -> None:
    heard = hear(
        cut_at(body, points),
        streaming=streaming,
        protocol=protocol,
        chunk=form,
        output=form,
        limits=Limits(4000, 4000),
        drain=drain,
    )
    _check_shown(heard)


header_values = st.sampled_from(
    ["", "gzip", "deflate", "br", "identity", "GZIP ", "gzip, gzip", "5", "-1", "1e9", "٣", "\x1b[2J" * 99]
) | st.text(max_size=20)
headers = st.dictionaries(
    st.sampled_from(["content-encoding", "retry-after", "date", "content-type", "location"]),
    header_values,
)
bodies = garbage | garbage.map(gzip.compress) | st.sampled_from([b"", b"<h1>", b'{"error":{}}'])


@settings(repeatable, max_examples=400)
@given(st.integers(200, 599), st.text(max_size=5), headers, bodies, st.booleans(), points)
def test_odd_responses_raise_only_our_errors(
    status: int, reason: str, headers: dict[str, str], body: bytes, streaming: bool, points: list[int]
) -> None:
    heard = hear(
        cut_at(body, points),
        status=status,
        reason=reason,
        headers=headers,
        streaming=streaming,
        limits=Limits(4000, 4000),
    )
    _check_shown(heard)
    if status >= 400:
        assert isinstance(heard.end, FlowStatusError | ProtocolError)


def _check_shown(heard: Heard) -> None:
    for told in [*heard.chunks, heard.end]:
        if isinstance(told, FlowError):
            assert all(character.isprintable() for character in str(told))
            assert len(str(told)) < 1500
    assert all(note.isprintable() for note in heard.notes)


# --- limits -------------------------------------------------------------------------------------


def _bomb(start: bytes) -> bytes:
    """1 GiB of zeros after `start`, in about 1 MiB."""
    packer = zlib.compressobj(9, wbits=31)
    packed = [packer.compress(start)]
    zeros = bytes(1 << 20)
    packed += [packer.compress(zeros) for _ in range(1024)]
    return b"".join([*packed, packer.flush()])


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return _bomb(b"data: ")


@pytest.mark.parametrize(
    ("status", "streaming", "kind", "text"),
    [
        (200, True, ProtocolError, "max_event_bytes=1048576"),
        (200, False, ProtocolError, "max_response_bytes=1048576"),
        (500, False, InternalError, "data: "),
    ],
)
def test_a_bomb_stops_at_the_limit(
    bomb: bytes, status: int, streaming: bool, kind: type[FlowError], text: str
) -> None:
    pieces = [bomb[at : at + 4096] for at in range(0, len(bomb), 4096)]
    tracemalloc.start()
    try:
        heard = hear(
            pieces,
            status=status,
            streaming=streaming,
            headers={"content-encoding": "gzip"},
            limits=LIMITS,
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert type(heard.end) is kind
    assert text in str(heard.end)
    assert peak < 100 << 20  # of 1 GiB


def test_many_small_pieces_of_a_long_line_take_little_memory() -> None:
    tracemalloc.start()
    try:
        reader = ReflectionFrames(LIMIT)
        for _ in range(100_000):
            reader.feed(b"xx")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
