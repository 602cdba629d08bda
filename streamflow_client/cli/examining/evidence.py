"""What `doctor` has seen of a server: answers as they came, and one run of a flow.

In: what went over the wire, each piece with its time. Out: frozen observations, bounded however much a server
sent. What they mean is said by `signatures.py` and `diagnosis.py`; asking
belongs to `probing.py`. Pure: times are numbers, seconds since a request began.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from ...jsonvalues import is_object, read_json
from ...options import DEFAULT_MAX_EVENT_BYTES
from ...wire.frames import Failure, Malformed, ReflectionFrames, Result
from ...wire.request import ProtocolName
from ...wire.response import Inflate, Plain, body_decoder
from ...wire.sse import Event, EventDecoder, EventTooLarge

HEAD_BYTES = 16 * 1024  # kept of an answer's body: enough to know a page, or a refusal
MOST_TIMES = 100_000  # kept of chunks and of pings; the rest is only counted
_TAIL = 64  # bytes kept of how a stream ends

Ending = Literal["result", "failed", "refused", "broken", "unlike", "time", "silence", "unreached"]
Resumption = Literal["same", "expired", "other", "failed"]


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is secured. `days` is what the server's certificate is still valid for."""

    version: str
    days: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One response.

    Attributes:
        headers: by their names in lower case.
        body: how it begins, decoded.
        connecting: seconds that a new connection took, TLS included; None on one that was kept alive.
        answering: seconds from the request to the headers.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    version: str = "HTTP/1.1"
    connecting: float | None = None
    answering: float = 0.0
    tls: Tls | None = None

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The body as JSON; None where it is something else."""
        try:
            return read_json(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request came to nothing, or not to what was asked for.

    Attributes:
        told: what happened.
        advice: what the library says can be done about it.
        unreached: no server answered, not even with an error.
        timed_out: because time ran out.
    """

    told: str
    advice: str = ""
    unreached: bool = False
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that runs nothing, and what came of it: an answer, a problem, or both."""

    asked: str
    answer: Answer | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A place where flows may be described.

    Attributes:
        place: an address without secrets, or a file.
        flows: their names; None where there is no catalog.
        reflection: they are called through the reflection API.
        absent: there is just nothing at that address.
    """

    place: str
    flows: tuple[str, ...] | None = None
    problem: str = ""
    reflection: bool = False
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Recording:
    """The body of one stream.

    Attributes:
        chunks: when each came.
        pings: when each comment came.
        pieces: when bytes came, and how many.
        ended: when the body ended, or was given up.
        failures: how failures were written: "data", "error" (wrapped), "bare error"; whether one had a
            "stack" in its details, or stood "open" at the end of the body.
        size: of the body as it came, in bytes.
        ends: the last bytes.
        unread: why it could not be decoded to its end, if not.
    """

    chunks: tuple[float, ...] = ()
    count: int = 0
    pings: tuple[float, ...] = ()
    pieces: tuple[tuple[float, int], ...] = ()
    size: int = 0
    ended: float = 0.0
    failures: frozenset[str] = frozenset()
    events: int = 0
    ends: bytes = b""
    unread: str = ""

    def longest_silence(self) -> float:
        """The longest time without a byte, from the request on."""
        times = [0.0, *(at for at, _ in self.pieces), self.ended]
        return max((after - before for before, after in pairwise(times)), default=0.0)


@dataclass(frozen=True, slots=True)
class Resumed:
    """What came of taking the stream up again by its id, after its end."""

    status: int | None = None
    chunks: int = 0
    outcome: Resumption = "same"
    told: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """The one run of the flow.

    Attributes:
        status: the canonical status of its failure, or of the server's refusal.
        began: False where the flow has certainly not run: it was refused before, or never called.
        received: chunks that the library delivered.
        wrong: chunks or outputs that were not of their types, and what the first one said.
    """

    flow: str
    protocol: ProtocolName = "callable"
    answer: Answer | None = None
    recording: Recording = field(default_factory=Recording)
    ending: Ending = "result"
    problem: Problem | None = None
    status: str = ""
    began: bool = True
    from_catalog: bool = False
    chunks_typed: bool = False
    received: int = 0
    wrong: int = 0
    first_wrong: str = ""
    has_id: bool = False
    resumed: Resumed | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Observations:
    """All that was seen.

    Attributes:
        local: the server is on this machine.
        credential: the caller gave one.
        through: names of the variables that send requests through a proxy of this machine's.
        probes: in the order of asking. `nowhere` is a call of a flow that does not exist, `anonymous` the
            same without any of the caller's headers.
        reused: whether a later request went over a connection that was kept alive; None where there was none.
    """

    url: str
    secure: bool = False
    local: bool = True
    credential: bool = False
    through: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    health: Probe | None = None
    nowhere: Probe | None = None
    anonymous: Probe | None = None
    sources: tuple[Source, ...] = ()
    reused: bool | None = None
    run: Run | None = None

    @property
    def answers(self) -> list[Answer]:
        """Every answer, the run's last."""
        found = [probe.answer for probe in self.probes if probe.answer]
        return [*found, self.run.answer] if self.run and self.run.answer else found


# --- recording a stream ---------------------------------------------------------------------------------


class Recorder:
    """Takes the pieces of a body as they come, and makes a `Recording` of them.

    Attributes:
        head: how the body begins, decoded.
        size: bytes that came.
    """

    def __init__(self, headers: Mapping[str, str], protocol: ProtocolName) -> None:
        self.head: bytearray = bytearray()
        self._decoder = _decoder(headers)
        self._events = EventDecoder(DEFAULT_MAX_EVENT_BYTES)
        self._lines = ReflectionFrames(DEFAULT_MAX_EVENT_BYTES) if protocol == "reflection" else None
        self._chunks: list[float] = []
        self._count = 0
        self._pings: list[float] = []
        self._pieces: list[tuple[float, int]] = []
        self.size: int = 0
        self._events_seen = 0
        self._failures: set[str] = set()
        self._tail = b""
        self._undefined: float | None = None
        self._unread = "" if self._decoder else "its Content-Encoding is not known"

    def piece(self, at: float, data: bytes) -> None:
        """Bytes of the body, as they came."""
        self.size += len(data)
        if len(self._pieces) < MOST_TIMES:
            self._pieces.append((at, len(data)))
        if self._decoder is None or self._unread:
            return
        try:
            for plain in self._decoder.pieces(data):
                self.head += plain[: HEAD_BYTES - len(self.head)]
                self._tail = (self._tail + plain)[-_TAIL:]
                self._read(at, plain)
        except (Malformed, EventTooLarge) as error:
            self._unread = str(error)

    def finish(self, at: float) -> Recording:
        """The body ended, or nobody reads on."""
        if not self._unread:
            self._finish(at)
        return Recording(
            chunks=tuple(self._chunks),
            count=self._count,
            pings=tuple(self._pings),
            pieces=tuple(self._pieces),
            size=self.size,
            ended=at,
            failures=frozenset(self._failures),
            events=self._events_seen,
            ends=self._tail,
            unread=self._unread,
        )

    def _read(self, at: float, data: bytes) -> None:
        if self._lines is not None:
            self._take_lines(at, self._lines.feed(data))
            return
        pings = self._events.comments
        for found in self._events.feed(data):
            for event in [found] if isinstance(found, Event) else found:
                self._take(at, event)
        self._note(self._pings, at, self._events.comments - pings)

    def _finish(self, at: float) -> None:
        try:
            if self._lines is not None:
                self._take_lines(at, self._lines.finish())
                return
            for event in self._events.finish():
                self._take(at, event)
                if event.error is not None:
                    self._failures.add("open")
        except (Malformed, EventTooLarge) as error:
            self._unread = str(error)

    def _take_lines(self, at: float, frames: Iterable[object]) -> None:
        for frame in frames:
            self._events_seen += 1
            if not isinstance(frame, Result | Failure):
                self._chunk(at)

    def _take(self, at: float, event: bytes | Event) -> None:
        self._events_seen += 1
        plain = event if isinstance(event, bytes) else event.data
        if (
            self._undefined is not None
        ):  # JavaScript's `undefined` was a chunk, now that another event follows
            self._chunk(self._undefined)
        self._undefined = at if plain.strip() == b"{}" else None
        if isinstance(event, Event) and event.error is not None:
            self._failures.add("error" if _holds(event.error, "error") else "bare error")
        if _CHUNK.match(plain):
            self._chunk(at)
        elif _FAILED.match(plain):
            self._failures.add("data")
            if is_object(details := _inner(plain).get("details")) and "stack" in details:
                self._failures.add("stack")

    def _chunk(self, at: float) -> None:
        self._count += 1
        self._note(self._chunks, at, 1)

    @staticmethod
    def _note(times: list[float], at: float, count: int) -> None:
        times += [at] * min(count, MOST_TIMES - len(times))


_CHUNK = re.compile(rb'\s*\{\s*"message"\s*:')
_FAILED = re.compile(rb'\s*\{\s*"error"\s*:')


def _inner(payload: bytes) -> dict[str, Any]:
    """What an envelope says of a failure; empty where it is none."""
    try:
        value = read_json(payload)
    except ValueError:
        return {}
    inner = value.get("error") if is_object(value) else None
    return inner if is_object(inner) else {}


def _holds(payload: bytes, key: str) -> bool:
    try:
        value = read_json(payload)
    except ValueError:
        return False
    return is_object(value) and key in value


def _decoder(headers: Mapping[str, str]) -> Plain | Inflate | None:
    try:
        return body_decoder(headers)
    except Malformed:
        return None


# --- secrets --------------------------------------------------------------------------------------------

_HIDDEN = "***"
_SHORTEST = 4  # characters: less is no secret, and would hide half of every text
_SHORTEST_AT_END = 8  # of a secret that is cut off without a sign
_CUT = re.compile("'?…|\\Z")


class Redactor:
    """Takes a caller's secrets out of what a server said: it may repeat what it was sent, in capitals or not.

    A secret that is cut off at the end of an excerpt is found, too.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({each for each in secrets if len(each) >= _SHORTEST}, key=len, reverse=True)

    def knows(self, *secrets: str) -> Redactor:
        """One that hides these, too."""
        return Redactor([*self._secrets, *secrets])

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = re.sub(re.escape(secret), _HIDDEN, text, flags=re.IGNORECASE)
            for cut in reversed(list(_CUT.finditer(text))):
                least = _SHORTEST if cut[0] else _SHORTEST_AT_END
                begins = _beginning(text[: cut.start()], secret, least)
                text = text[: cut.start() - begins] + _HIDDEN * bool(begins) + text[cut.start() :]
        return text


def _beginning(text: str, secret: str, least: int) -> int:
    """How many characters of the secret, from its first on, stand at the end of the text; 0 if too few."""
    for count in range(min(len(secret) - 1, len(text)), least - 1, -1):
        if text[-count:].lower() == secret[:count].lower():
            return count
    return 0
