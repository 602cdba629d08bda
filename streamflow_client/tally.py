"""How many chunks a call has seen, which of them the caller has, and whether a replay is the same.

In: payloads of chunks, in order. Out: counts, digests, and a verdict on a replay. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar
from zlib import crc32

from .ticket import Ticket

T = TypeVar("T")


class Tally:
    """The chunks of one call, over all its attempts.

    Attributes:
        seen: chunks decoded, before and after a resumption, replays not counted.
        before: those that a ticket had counted before this call began.
        to_skip: chunks that a replay must still repeat before new ones come.
    """

    def __init__(self, ticket: Ticket | None) -> None:
        self.before: int = ticket.received if ticket else 0
        self.seen: int = self.before
        self.to_skip: int = 0
        self._digest = ticket.digest if ticket else 0
        self._first_digest = self._digest
        self._replayed = 0
        self._digests: list[int] = []  # after each of the newest chunks

    def begin_replay(self) -> None:
        """The server will send every chunk again, from the first."""
        self.to_skip = self.seen
        self._replayed = 0

    def replayed(self, payload: bytes) -> bool:
        """Count one repeated chunk; False if it was the last, and all together differ from before."""
        self.to_skip -= 1
        self._replayed = crc32(payload, self._replayed)
        return self.to_skip > 0 or self._replayed == self._digest

    def count(self, payloads: list[bytes], chunks: Sequence[T], ready: deque[T]) -> None:
        """New chunks of a stream with an id, told by what they are made of, become `ready`.

        A signal handler may look at any moment, and Ctrl-C may strike: so all is made up before, and what
        changes then is changed by statements that nothing can come between.
        """
        digests = [*accumulate(payloads, _digest_with, initial=self._digest)]
        kept = [*self._digests, *digests[1:]][-(len(ready) + len(chunks) + 1) :]
        seen, digest, deliver = self.seen + len(payloads), digests[-1], ready.extend
        self._digests = kept
        self._digest = digest
        self.seen = seen
        deliver(chunks)

    def forget(self, waiting: int) -> None:
        """The newest `waiting` chunks will never be taken."""
        self.seen -= waiting
        del self._digests[max(0, len(self._digests) - waiting) :]
        self._digest = self._digests[-1] if self._digests else self._first_digest

    def digest(self, waiting: int) -> int:
        """Over the chunks that were taken; `waiting` ones are not."""
        return self._digests[-1 - waiting] if waiting < len(self._digests) else self._first_digest


def _digest_with(digest: int, payload: bytes) -> int:
    return crc32(payload, digest)
