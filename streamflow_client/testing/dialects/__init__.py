"""How each kind of server speaks the callable protocol: a file and a table of functions a dialect.

In: payloads as JSON bytes, failures, paths. Out: frames and replies as bytes.
Sockets, flows and faults do not belong here.
"""

from typing import Literal

from .express import EXPRESS
from .fastapi import FASTAPI, FASTAPI_OLD
from .firebase import FIREBASE
from .flask import FLASK
from .go import GO
from .next import NEXT
from .table import Dialect, Framing, Resuming

__all__ = ["DIALECTS", "Dialect", "DialectName", "Framing", "Resuming"]

DialectName = Literal["express", "next", "firebase", "go", "fastapi", "fastapi-old", "flask"]

DIALECTS: dict[DialectName, Dialect] = {
    "express": EXPRESS,
    "next": NEXT,
    "firebase": FIREBASE,
    "go": GO,
    "fastapi": FASTAPI,
    "fastapi-old": FASTAPI_OLD,
    "flask": FLASK,
}
