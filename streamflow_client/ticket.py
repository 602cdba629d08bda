"""Where a durable stream can be taken up again, in any process.

In: what the session knows of a stream with an id. Out: a frozen value and its text form. Pure.
The text is a bearer secret: whoever has it can read the stream.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from .text import shown

if TYPE_CHECKING:
    from pydantic import TypeAdapter

TICKET_PREFIX = "sft1."


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in a durable stream: `flow.resume(ticket)` yields exactly the chunks after it.

    Attributes:
        origin: scheme, host and port of the server, such as "https://host:443".
        flow: name of the flow.
        stream_id: the id that the server issued; a secret, so `repr` hides it.
        received: chunks received before.
        digest: CRC-32 over the JSON of those chunks.
    """

    origin: str
    flow: str
    stream_id: str
    received: int
    digest: int

    def __str__(self) -> str:
        """The ticket as text for `Ticket.parse`; it holds the stream's id: treat it as a secret."""
        fields = (self.origin, self.flow, self.stream_id, self.received, self.digest)
        text = base64.urlsafe_b64encode(_fields().dump_json(fields)).decode()
        return TICKET_PREFIX + text.rstrip("=")

    def __repr__(self) -> str:
        where = f"origin={shown(repr(self.origin))}, flow={shown(repr(self.flow), 100)}"
        return f"Ticket({where}, stream_id='***', received={self.received})"

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """The ticket that `str(ticket)` wrote.

        Raises:
            ValueError: the text is not such a ticket; it is not repeated in the message.
            TypeError: it is no text.
        """
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a ticket is read from text, not from {type(text).__name__}: give str(ticket)")
        text = text.strip()
        if not text.startswith(TICKET_PREFIX):
            raise ValueError(
                f"not a ticket: expected the text of str(ticket), beginning with {TICKET_PREFIX!r}"
            )
        try:
            body = text.removeprefix(TICKET_PREFIX)
            padded = body + "=" * (-len(body) % 4)
            fields = base64.b64decode(padded, altchars=b"-_", validate=True)
            return cls(*_fields().validate_json(fields, strict=True))
        except ValueError:  # of base64, and pydantic's
            raise ValueError(
                "the ticket is damaged or cut short: give the whole text of str(ticket)"
            ) from None


@lru_cache(maxsize=1)
def _fields() -> TypeAdapter[tuple[Any, ...]]:
    """Made with the first ticket that is written or read: most programs have none."""
    from pydantic import Field, TypeAdapter

    return TypeAdapter(
        tuple[str, str, str, Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0, lt=1 << 32)]]
    )
