"""What a caller sets and keeps: clocks, retries, flow definitions, tickets."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from pure_calls import repeatable
from streamflow_client import Client
from streamflow_client.flowdef import FlowDef
from streamflow_client.options import Retry, Timeout, as_timeout
from streamflow_client.ticket import Ticket

CLOCKS = ["connect", "idle", "progress", "total"]
NO_SECONDS: list[Any] = [0, -1, -0.0, math.nan, math.inf, -math.inf, "5", [1], True, 10**400, -(10**400)]


# --- options ------------------------------------------------------------------------------------


def test_defaults() -> None:
    assert dataclasses.astuple(Timeout()) == (5.0, 300.0, None, None)
    assert dataclasses.astuple(Retry()) == (4, 0.2, 10.0, False, False)


@pytest.mark.parametrize("clock", CLOCKS)
def test_clocks(clock: str) -> None:
    for seconds in (0.001, 1, 1e9, None):
        assert getattr(Timeout(**{clock: seconds}), clock) == seconds
    for wrong in NO_SECONDS:
        with pytest.raises(ValueError, match=rf"^Timeout\({clock}=…\) must be a positive .* or None, got"):
            Timeout(**{clock: wrong})


@pytest.mark.parametrize("name", ["wait_initial", "wait_max"])
def test_waits(name: str) -> None:
    for wrong in [*NO_SECONDS, None]:
        with pytest.raises(
            ValueError, match=rf"^Retry\({name}=…\) must be a positive number of seconds, got"
        ):
            Retry(**{name: wrong})


@pytest.mark.parametrize("attempts", [0, -1, 1.5, 2.0, math.inf, True, "3", None])
def test_attempts(attempts: Any) -> None:
    assert Retry(attempts=1).attempts == 1
    with pytest.raises(ValueError, match=r"^Retry\(attempts=…\) must be a whole number, 1 or more, got"):
        Retry(attempts=attempts)


def test_as_timeout() -> None:
    given = Timeout(idle=7)
    assert as_timeout(given) is given
    assert as_timeout(3) == Timeout(total=3)
    assert as_timeout(None) == Timeout(connect=None, idle=None)
    with pytest.raises(ValueError, match=r"^Timeout\(total=…\) must be .* got True$"):
        as_timeout(True)


def test_options_are_frozen_and_pickle() -> None:
    for options in (Timeout(1, 2, 3, 4), Retry(1, 2, 3, True, True)):
        assert pickle.loads(pickle.dumps(options)) == options
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(options, dataclasses.fields(options)[0].name, 2)


# --- flow definitions ---------------------------------------------------------------------------


class Menu(BaseModel):
    title: str


def test_a_definition_builds_each_codec_once() -> None:
    menu = FlowDef("menu", input=str | None, chunk=list[int], output=Menu)
    loose, strict = menu.codec(strict=False), menu.codec(strict=True)
    assert menu.codec(strict=False) is loose
    assert menu.codec(strict=True) is strict
    assert loose.encode(None) == b"null"
    assert loose.chunk(b"[1]") == [1]
    assert loose.output(b'{"title":"t","more":1}').model_extra == {"more": 1}
    with pytest.raises(ValidationError):
        strict.output(b'{"title":"t","more":1}')


def test_a_definition_without_types_takes_anything() -> None:
    anything = FlowDef("f")
    codec = anything.codec(strict=True)
    assert (codec.encode([1]), codec.chunk(b"{}"), codec.output(b'{"a":1}')) == (b"[1]", {}, {"a": 1})
    assert anything.path is None


def test_definitions_show_their_types() -> None:
    menu = FlowDef("menu", input=str | None, chunk=list[int], output=Menu, path="/x")
    assert repr(menu) == "FlowDef('menu', input=str | None, chunk=list[int], output=Menu)"
    assert repr(FlowDef("f")) == "FlowDef('f', input=Any, chunk=Any, output=Any)"


def test_a_definition_has_a_name_and_nothing_beside() -> None:
    with pytest.raises(ValueError, match="a flow needs a name"):
        FlowDef("")
    with pytest.raises(AttributeError):
        FlowDef("f").chunks = int  # type: ignore[attr-defined]


# --- tickets ------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]))
tickets = st.builds(Ticket, texts, texts, texts, st.integers(0), st.integers(0, (1 << 32) - 1))
TICKET = Ticket("http://h:80", "menu", "s3cret", 3, 4)


@repeatable
@given(tickets)
def test_tickets_round_trip(ticket: Ticket) -> None:
    text = str(ticket)
    assert text.isascii()
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
    assert Ticket.parse(f" {text}\n") == ticket
    assert pickle.loads(pickle.dumps(ticket)) == copy.copy(ticket) == ticket


def test_a_ticket_stays_readable() -> None:
    """Tickets outlive releases: this text must be understood for ever."""
    text = "sft1.WyJodHRwOi8vaDo4MCIsIm1lbnUiLCJzM2NyZXQiLDMsNF0"
    assert str(TICKET) == text
    assert Ticket.parse(text) == TICKET


def test_the_repr_hides_the_stream_id() -> None:
    assert repr(TICKET) == "Ticket(origin='http://h:80', flow='menu', stream_id='***', received=3)"
    assert "s3cret" not in f"{[TICKET]}"


def _packed(value: Any) -> str:
    return "sft1." + base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


FIELDS: list[Any] = ["http://h:80", "menu", "s3cret", 3, 4]
NO_FIELDS: list[Any] = [None, 5, {}, [], FIELDS[:4], [*FIELDS, 5], [*FIELDS[:3], "3", 4]]


@pytest.mark.parametrize(
    "text",
    ["", "sft1", "sft2." + str(TICKET)[5:], "x" + str(TICKET), str(TICKET)[5:], str(TICKET).upper(), "é"],
)
def test_what_is_no_ticket(text: str) -> None:
    _refused(text, r"^not a ticket: expected .* beginning with 'sft1\.'$")


@pytest.mark.parametrize(
    "text",
    [
        *("sft1.", "sft1." + "WyJ" * 1000, "sft1.\ud800", "sft1.é", "sft1.!!!!" + str(TICKET)[5:]),
        *(str(TICKET)[:-cut] for cut in (1, 2, 3, 4, 8, 20)),
        *(str(TICKET) + "A", str(TICKET) + "!", str(TICKET).replace("W", "W ", 1)),
        *map(_packed, NO_FIELDS),
        *(_packed([*FIELDS[:3], *rest]) for rest in ([-1, 4], [3, -1], [3, 1 << 32], [3.5, 4], [True, 4])),
        _packed([*FIELDS[:2], 5, 3, 4]),
    ],
)
def test_a_damaged_ticket(text: str) -> None:
    """It begins as a ticket does, so it would be odd to say that it does not."""
    _refused(text, r"^the ticket is damaged or cut short: give the whole text of str\(ticket\)$")


def _refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        Ticket.parse(text)
    assert type(caught.value) is ValueError
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("ticket", [None, 5, b"sft1.", str(TICKET).encode(), ["sft1."]])
def test_what_is_not_even_text(ticket: Any) -> None:
    with pytest.raises(TypeError, match=r"^a ticket is read from text, not from .*: give str\(ticket\)$"):
        Ticket.parse(ticket)
    with (
        Client("http://h") as client,
        pytest.raises(TypeError, match=r"^resume\(\) takes a Ticket or .*, not "),
    ):
        client.flow("menu").resume(ticket)


@repeatable
@given(st.text() | st.binary().map(lambda b: "sft1." + base64.urlsafe_b64encode(b).decode()))
def test_garbage_is_no_ticket(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a ticket|^the ticket is damaged"):
        Ticket.parse(text)
