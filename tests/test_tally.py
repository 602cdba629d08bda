"""Counts and digests of chunks, against a tally that keeps every chunk."""

from __future__ import annotations

from collections import deque
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow_client.tally import Tally
from streamflow_client.ticket import Ticket

PAYLOADS = [b"0", b'{"a":1}', b"null", b'"x"']


def digest(payloads: list[bytes]) -> int:
    return crc32(b"".join(payloads))


def ticket(payloads: list[bytes]) -> Ticket:
    return Ticket("http://h:80", "f", "s1", len(payloads), digest(payloads))


def counted(payloads: list[bytes], tally: Tally) -> Tally:
    """Decoded all at once, none taken."""
    tally.count(payloads, payloads, deque())
    return tally


def test_nothing_was_seen_at_first() -> None:
    tally = Tally(None)
    assert (tally.before, tally.seen, tally.to_skip, tally.digest(0)) == (0, 0, 0, 0)


def test_a_ticket_is_where_it_goes_on() -> None:
    tally = Tally(ticket(PAYLOADS))
    assert (tally.before, tally.seen, tally.to_skip) == (4, 4, 0)
    assert tally.digest(0) == digest(PAYLOADS)


@pytest.mark.parametrize("before", [[], [b"7", b"8"]])
@pytest.mark.parametrize("waiting", range(5))
def test_the_digest_is_of_what_was_taken(before: list[bytes], waiting: int) -> None:
    tally = counted(PAYLOADS, Tally(ticket(before)))
    taken = before + PAYLOADS[: len(PAYLOADS) - waiting]
    assert tally.digest(waiting) == digest(taken)
    tally.forget(waiting)
    assert tally.seen == len(taken)
    assert tally.digest(0) == digest(taken)


@pytest.mark.parametrize("before", [[], PAYLOADS])
def test_a_replay_is_all_that_was_seen(before: list[bytes]) -> None:
    tally = counted(PAYLOADS, Tally(ticket(before)))
    for _ in range(2):  # a replay that breaks off begins again
        tally.begin_replay()
        assert tally.to_skip == len(before + PAYLOADS)
        assert tally.replayed(b"of another stream" if _ == 0 else (before + PAYLOADS)[0])
    assert all(tally.replayed(payload) for payload in (before + PAYLOADS)[1:])
    assert tally.to_skip == 0
    assert tally.seen == len(before + PAYLOADS), "a replayed chunk is not counted again"


def test_a_replay_that_differs_is_told_by_its_last_chunk() -> None:
    tally = counted(PAYLOADS, Tally(None))
    tally.begin_replay()
    assert [tally.replayed(payload) for payload in [b"1", *PAYLOADS[1:]]] == [True, True, True, False]


def test_few_digests_are_kept() -> None:
    tally = Tally(None)
    for _ in range(1000):
        tally.count([b"0"], [b"0"], deque())
    assert len(tally._digests) == 2


steps = st.lists(
    st.one_of(
        st.lists(st.sampled_from(PAYLOADS), max_size=3).map(lambda payloads: ("chunks", payloads)),
        st.sampled_from(["take", "drain", "forget", "replay"]).map(lambda name: (name, list[bytes]())),
    ),
    max_size=30,
)


@given(st.lists(st.sampled_from(PAYLOADS), max_size=3), steps)
def test_any_order_of_events_agrees_with_a_list_of_chunks(
    before: list[bytes], events: list[tuple[str, list[bytes]]]
) -> None:
    tally = Tally(ticket(before))
    taken, waiting = list(before), deque[bytes]()
    for name, payloads in events:
        match name:
            case "chunks":
                tally.count(payloads, payloads, waiting)
            case "take":
                if waiting:
                    taken.append(waiting.popleft())
            case "drain":
                taken += waiting
                waiting.clear()
            case "forget":
                tally.forget(len(waiting))
                waiting.clear()
            case _:
                tally.begin_replay()
                assert all(tally.replayed(chunk) for chunk in [*taken, *waiting])
        assert tally.seen - len(waiting) == len(taken)
        assert tally.digest(len(waiting)) == digest(taken)
