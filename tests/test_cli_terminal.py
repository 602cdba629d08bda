"""What a terminal may be shown."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from streamflow_client import (
    DiscoveryError,
    FlowCancelledError,
    FlowError,
    InternalError,
    OutputValidationError,
    UnknownFlowError,
)
from streamflow_client.cli.exits import ExitCode, exit_code_of
from streamflow_client.cli.terminal import readable, safe_json, safe_text

HARMLESS = "\n\t\u200c\u200d"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 👍", "plain é 日本 👍"),
        ("lines\n\tand tabs", "lines\n\tand tabs"),
        ("👩\u200d🚀 in\u00a0space", "👩\u200d🚀 in\u00a0space"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b2J\x07\x08\x7f\r", r"\x9b2J\x07\x08\x7f\r"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("\u2028\ufeff\ue000\U000e0041", r"\u2028\ufeff\ue000\U000e0041"),
    ],
)
def test_texts(text: str, shown: str) -> None:
    assert safe_text(text) == shown
    assert readable(text) == shown


@given(st.text(st.characters()))
def test_no_text_moves_a_cursor(text: str) -> None:
    shown = safe_text(text)
    assert all(c.isprintable() or c in HARMLESS or c.isspace() for c in shown)
    assert not any(c in shown for c in "\x1b\r\x0b\x0c\x85\x9b\u2028\u2029\x1c\x1d\x1e\x1f")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("a\x1b\x9b\U000e0041"), inner),
)


@settings(max_examples=40)
@given(values, st.sampled_from([None, 2]))
def test_json_stays_the_same_value(value: Any, indent: int | None) -> None:
    text = safe_json(value, indent)
    assert json.loads(text) == value
    assert indent or "\n" not in text
    assert not any(c in text for c in "\x1b\r\x7f\x85\x9b\u2028\u202e")


def test_numbers_that_json_lacks() -> None:
    assert safe_json([float("inf"), float("nan")]) == "[null,null]"
    assert readable([float("inf"), float("nan")]) == "[null,null]"


class Named(BaseModel):
    class_: int = Field(alias="class")


def test_what_is_no_plain_value_is_shown_as_on_the_wire() -> None:
    assert readable(date(2026, 2, 3)) == "2026-02-03"
    assert readable([date(2026, 2, 3), Named(**{"class": 1})]) == '["2026-02-03",{"class":1}]'


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InternalError("x", status="INTERNAL"), ExitCode.FLOW_FAILED),
        (OutputValidationError.__new__(OutputValidationError), ExitCode.TYPES),
        (DiscoveryError("x"), ExitCode.NOT_DISCOVERED),
        (UnknownFlowError("x"), ExitCode.NOT_DISCOVERED),
        (FlowCancelledError("x"), ExitCode.UNEXPECTED),
        (FlowError("x"), ExitCode.UNEXPECTED),
    ],
)
def test_exit_codes(error: FlowError, code: ExitCode) -> None:
    assert exit_code_of(error) is code
