"""The tree of errors: drawn as it is, picklable, and safe to show."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, PydanticSerializationError

from pure_calls import repeatable
from streamflow_client import errors
from streamflow_client.errors import (
    STATUS_ERRORS,
    ChunkValidationError,
    DiscoveryError,
    FlowCancelledError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    FlowValidationError,
    InputValidationError,
    NotFoundError,
    OutputValidationError,
    ProtocolError,
    ReplayDivergedError,
    StreamExpiredError,
    StreamInterruptedError,
    UnknownFlowError,
)
from streamflow_client.text import excerpt, one_line, shown, shown_bytes
from streamflow_client.ticket import Ticket
from streamflow_client.timeline import Attempt, Timeline
from streamflow_client.wire.failures import GRPC_CODES

TICKET = Ticket("http://h:80", "f", "s3cret", 2, 7)
ATTEMPTS = (
    Attempt(1, 0.0, None, 0, None, "refused"),
    Attempt(2, 0.5, 200, 9, True, "lost"),
)
TIMELINE = Timeline(ATTEMPTS, "reading the body", 1.5, 9, 2, 0.25, 1.0)


# --- the tree -----------------------------------------------------------------------------------


def all_errors() -> list[type[FlowError]]:
    found: list[type[FlowError]] = [FlowError]
    for cls in found:
        found += cls.__subclasses__()
    return [cls for cls in found if cls.__module__ == errors.__name__]


def drawn() -> dict[str, str | None]:
    """Each class in the docstring's drawing, and the one it hangs from."""
    tree: dict[str, str | None] = {}
    open_at: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+Error)\b", line)
        if match is None:
            continue
        depth = len(match[1]) // 4 + ("──" in line)
        del open_at[depth:]
        tree[match[2]] = open_at[-1] if open_at else None
        open_at.append(match[2])
    return tree


def test_the_tree_is_as_it_is_drawn() -> None:
    real = {
        cls.__name__: None if cls is FlowError else cls.__bases__[0].__name__
        for cls in all_errors()
        if not (issubclass(cls, FlowStatusError) and cls is not FlowStatusError)
    }
    assert drawn() == real


@pytest.mark.parametrize(
    ("cls", "builtins"),
    [
        (UnknownFlowError, (AttributeError, KeyError)),
        (FlowTimeoutError, (TimeoutError,)),
        (InputValidationError, (ValueError,)),
        (ChunkValidationError, (ValueError,)),
        (OutputValidationError, (ValueError,)),
    ],
)
def test_builtin_bases(cls: type, builtins: tuple[type, ...]) -> None:
    assert all(issubclass(cls, builtin) for builtin in builtins)
    assert f"also {' and '.join(b.__name__ for b in builtins)}" in (errors.__doc__ or "")


def test_everything_public_is_named() -> None:
    assert set(errors.__all__) == {cls.__name__ for cls in all_errors()} | {"Clock"}
    assert errors.__all__ == sorted(errors.__all__)


def test_one_class_for_every_canonical_code() -> None:
    assert STATUS_ERRORS.keys() == set(GRPC_CODES) - {"OK"}
    for code, cls in STATUS_ERRORS.items():
        stem = "ServerCancelled" if code == "CANCELLED" else code.title().replace("_", "")
        assert (cls.__name__, cls.code) == (f"{stem}Error", code)
        assert code in (cls.__doc__ or "")


# --- pickling -----------------------------------------------------------------------------------


class Model(BaseModel):
    x: int


def _refused(form: Any, value: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(form).validate_python(value)
    return caught.value


def _unwritable() -> PydanticSerializationError:
    with pytest.raises(PydanticSerializationError) as caught:
        TypeAdapter(Any).dump_json(object())
    return caught.value


def _fails(value: Any) -> Any:
    raise ValueError(threading.Lock())


def _custom(value: Any) -> Any:
    raise PydanticCustomError("odd", "it is {how}", {"how": "odd"})


PLAIN = _refused(list[Model], [{"x": "a"}, {}])


def make(cls: type[FlowError]) -> FlowError:
    arguments: dict[str, Any] = {"flow": "menu"}
    if issubclass(cls, FlowTimeoutError):
        arguments["clock"] = "idle"
    if issubclass(cls, FlowValidationError):
        arguments["validation_error"] = PLAIN
    if issubclass(cls, FlowStatusError):
        arguments |= {"status": cls.code, "details": {"a": [1]}, "http_status": 400, "trace_id": "t"}
    error = cls("what happened", **arguments)
    error.received, error.ticket, error.work_may_have_run, error.timeline = 2, TICKET, True, TIMELINE
    if isinstance(error, ChunkValidationError | OutputValidationError):
        error.raw = b"{}"
    error.add_note("a note")
    return error


def facts(error: FlowError) -> dict[str, Any]:
    found = dict(vars(error))
    if isinstance(error, FlowValidationError):
        found["validation_error"] = _told(error.validation_error)
    return found | {"args": error.args, "str": str(error), "type": type(error)}


def _told(error: Any) -> Any:
    return error.errors() if isinstance(error, ValidationError) else str(error)


@pytest.mark.parametrize("cls", all_errors())
@pytest.mark.parametrize("again", [*range(pickle.HIGHEST_PROTOCOL + 1), "copy"])
def test_errors_pickle_with_all_they_hold(cls: type[FlowError], again: int | str) -> None:
    error = make(cls)
    other = copy.copy(error) if isinstance(again, str) else pickle.loads(pickle.dumps(error, again))
    assert facts(other) == facts(error)
    assert other.__notes__ == ["a note"]


@pytest.mark.parametrize(
    ("broken", "kept"),
    [
        (lambda: PLAIN, True),
        (lambda: _refused(int, threading.Lock()), False),
        (lambda: _refused(Annotated[int, AfterValidator(_fails)], 1), False),
        (lambda: _refused(Annotated[int, AfterValidator(_custom)], 1), True),
        (lambda: _refused(dict[str, Model], {"a {b}": threading.Lock()}), False),
        (_unwritable, True),
    ],
)
def test_validation_errors_pickle_whatever_they_hold(broken: Callable[[], Any], kept: bool) -> None:
    inner = broken()
    error = InputValidationError("m", validation_error=inner)
    again = pickle.loads(pickle.dumps(error)).validation_error
    assert type(again) is type(inner)
    if kept:
        assert _told(again) == _told(inner)
    else:
        keys = ("type", "loc", "msg")
        assert again.title == inner.title
        assert [[line[key] for key in keys] for line in again.errors()] == [
            [line[key] for key in keys] for line in inner.errors()
        ]
    assert error.validation_error is inner


def test_errors_travel_between_processes() -> None:
    error = make(NotFoundError)
    script = "import pickle,sys; error = pickle.load(sys.stdin.buffer); print(error, error.ticket.received)"
    done = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps(error), capture_output=True, check=True, timeout=60
    )
    assert done.stdout.decode().strip() == f"{error} 2"


# --- what they say ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FlowError("m"), "m"),
        (FlowError("m", flow="menu"), "flow 'menu': m"),
        (FlowConnectionError("a\nb\x1b[2J\u202e"), r"a\nb\x1b[2J\u202e"),
        (DiscoveryError("m"), "m"),
        (UnknownFlowError("no flow 'x'", flow="x"), "flow 'x': no flow 'x'"),
        (FlowCancelledError("m"), "m"),
        (ProtocolError("m"), "m"),
        (StreamInterruptedError("m"), "m"),
        (StreamExpiredError("m"), "m"),
        (ReplayDivergedError("m"), "m"),
        (FlowTimeoutError("late", clock="idle"), "late"),
        (InputValidationError("m", validation_error=PLAIN), "m"),
        (NotFoundError("m", status="NOT_FOUND"), "NOT_FOUND: m"),
        (NotFoundError("m", status="NOT_FOUND", http_status=200), "NOT_FOUND: m"),
        (NotFoundError("m", status="NOT_FOUND", http_status=404), "NOT_FOUND (HTTP 404): m"),
        (FlowStatusError("a\nb", status="O\nDD"), r"O\nDD: a\nb"),
        (FlowStatusError("m" * 500, status="S" * 500), "S" * 39 + "…: " + "m" * 199 + "…"),
    ],
)
def test_what_errors_say(error: FlowError, text: str) -> None:
    assert str(error) == text
    assert error.message == error.args[0]


def test_errors_tell_the_timeline() -> None:
    error = FlowError("m", flow="menu")
    error.timeline = TIMELINE
    assert str(error) == f"flow 'menu': m [{TIMELINE}]"


@pytest.mark.parametrize("cls", all_errors())
def test_no_error_says_a_secret(cls: type[FlowError]) -> None:
    error = make(cls)
    assert "s3cret" not in str(error)
    assert "s3cret" not in repr(error)
    assert str(error).isprintable()


@repeatable
@given(st.text(), st.text(), st.text())
def test_foreign_words_are_short_and_on_one_line(message: str, status: str, name: str) -> None:
    text = str(NotFoundError(message, status=status, flow=name))
    assert text.isprintable()
    assert len(text) <= len(repr(name)) + 300


def test_a_long_message_is_not_read_to_its_end() -> None:
    class Endless(str):
        __slots__ = ()

        def __getitem__(self, key: Any) -> str:
            assert key.stop <= 201
            return super().__getitem__(key)

        def __iter__(self) -> Any:
            raise AssertionError

    assert shown(Endless("\n" * 10**6)) == "\\n" * 99 + "\\…"


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (excerpt("abc", 3), "abc"),
        (excerpt("abcd", 3), "ab…"),
        (one_line("é 日\t\u2028\ud800\0"), r"é 日\t\u2028\ud800\x00"),
        (shown("a\nb"), r"a\nb"),
        (shown("abc", 2), "a…"),
        (shown_bytes(b"a\n\xff\xc3\xa9"), r"'a\n\xffé'"),
        (shown_bytes(b"abc", 2), "'ab'… (3 bytes)"),
        (shown_bytes(b""), "''"),
    ],
)
def test_texts(made: str, text: str) -> None:
    assert made == text


# --- timelines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeline", "text"),
    [
        (
            TIMELINE,
            (
                "reading the body after 1.50 s, 2 attempts, 9 bytes, 2 chunks, "
                "last byte 0.25 s ago, last chunk 1.00 s ago, reused connection"
            ),
        ),
        (
            Timeline((Attempt(1, 0.0, reused=False),), "waiting for headers", 0.004, 1, 1, None, None),
            "waiting for headers after 0.00 s, 1 attempt, 1 byte, 1 chunk, new connection",
        ),
        (
            Timeline((Attempt(1, 0.0),), "connecting", 5, 0, 0, None, None),
            "connecting after 5.00 s, 1 attempt, 0 bytes, 0 chunks",
        ),
        (
            Timeline((), "answered", 0, 0, 0, 0.0, 0.0),
            (
                "answered after 0.00 s, 0 attempts, 0 bytes, 0 chunks, "
                "last byte 0.00 s ago, last chunk 0.00 s ago"
            ),
        ),
    ],
)
def test_timelines(timeline: Timeline, text: str) -> None:
    assert str(timeline) == text
    assert pickle.loads(pickle.dumps(timeline)) == timeline


def test_errors_open_with_what_they_are() -> None:
    assert all(inspect.getdoc(cls) for cls in all_errors())
