"""Where a durable stream can be taken up again, in any process.

In: what the session knows of a stream with an id. Out: a frozen value and its text form. Pure.
The text is a bearer secret: whoever has it can read the stream.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

_PREFIX = "sft1."


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
        """The ticket as text for `Ticket.parse`; it holds the stream's id, so treat it as a secret."""
        fields = (self.origin, self.flow, self.stream_id, self.received, self.digest)
        text = base64.urlsafe_b64encode(_FIELDS.dump_json(fields)).decode()
        return _PREFIX + text.rstrip("=")

    def __repr__(self) -> str:
        return (
            f"Ticket(origin={self.origin!r}, flow={self.flow!r}, stream_id='***', received={self.received})"
        )

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """The ticket that `str(ticket)` wrote.

        Raises:
            ValueError: the text is not such a ticket; it is not repeated in the message.
        """
        body = text.strip().removeprefix(_PREFIX)
        padded = body + "=" * (-len(body) % 4)
        try:
            if not text.strip().startswith(_PREFIX):
                raise ValueError
            return cls(*_FIELDS.validate_json(base64.urlsafe_b64decode(padded)))
        except (ValidationError, binascii.Error, ValueError):
            raise ValueError(
                f"not a ticket: expected the text of str(ticket), beginning with {_PREFIX!r}"
            ) from None


_FIELDS: TypeAdapter[tuple[str, str, str, int, int]] = TypeAdapter(tuple[str, str, str, int, int])
