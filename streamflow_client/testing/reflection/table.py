"""What one runtime says in the developers' Reflection API: the table that each of them fills in.

In: nothing. Out: `Reflection`, `Traced`, and what all runtimes share. Out of place here: the bytes of any one
runtime, which stand in the file of its name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..dialects import Framing
from ..flows import Flow
from ..wire import Headers, Reply

KEY_PREFIX = "/flow/"


@dataclass(frozen=True, slots=True)
class Traced:
    """One run, and the ids that its answer carries."""

    flow: str
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Reflection:
    """One runtime. Its answers to a run are sent frame by frame, also where only the last one counts."""

    head: Callable[[Traced, bool], Headers]
    """(run, streaming) → the headers of a run, sent at once: the trace id in them is what cancels it."""
    framing: Callable[[Traced, bool], Framing]
    """(run, streaming) → its frames; a plain call gets the ending only."""
    unknown_action: Callable[[str], Reply]
    """The answer to a key that names no flow."""
    cancelled: Reply
    """The run was in course, and is cancelled."""
    not_cancelled: Callable[[bool], Reply]
    """(a trace id was given) → no such run is in course."""
    actions: Callable[[Iterable[Flow]], Reply]
    """Every flow by its key."""


def nothing(_payload: bytes) -> bytes:
    """The chunks of a plain call."""
    return b""


def by_key(flows: Iterable[Flow], describe: Callable[[Flow], dict[str, Any]]) -> dict[str, Any]:
    """The object that `/api/actions` is."""
    return {KEY_PREFIX + flow.name: describe(flow) for flow in flows}


def identity(flow: Flow) -> dict[str, Any]:
    """How every runtime's description of a flow begins."""
    return {"key": KEY_PREFIX + flow.name, "name": flow.name}


def schemas_without_chunk(flow: Flow) -> dict[str, Any]:
    """What JavaScript and Python tell of the types."""
    return {name: schema for name, schema in flow.schemas().items() if name != "streamSchema"}
