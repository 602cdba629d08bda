"""What differs between the catalog that a program was built on and what the server describes now.

In: two catalogs. Out: `Difference`s, each compatible or breaking. Out of place here: the rules (`rules.py`),
walking through types (`changes.py`), showing differences to anybody.

Programs send what the file's inputs allow, so the server has to take all of that. They read chunks and
outputs by the file's types, as leniently as the client does (`lenient.py`), so the server must not send
anything else. What a schema says in words (titles, descriptions) makes no difference, and neither does how
a flow is reached: its name tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ...text import shown
from ..broken import BrokenSchema
from ..flowspec import FlowSpec
from ..lenient import lenient
from ..model import Anything, Types
from ..names import class_name
from ..raw import Schema
from ..read import read_types
from .changes import Change, changes
from .rules import Difference, Part, severity
from .unchecked import is_annotation_only, may_limit_tolerated_fields, untold
from .within import Side, TooMuch

__all__ = ["differences"]

PARTS: Final[tuple[Part, ...]] = ("input", "chunk", "output")


def differences(file: Mapping[str, FlowSpec], server: Mapping[str, FlowSpec]) -> tuple[Difference, ...]:
    """All differences, by flow in the file's order, then the server's; in a flow, what breaks first."""
    tells_chunks = any(_tells(spec.chunk_schema) for spec in server.values())
    found: list[Difference] = []
    for name in file:
        if name not in server:
            found.append(_difference(name, "flow", Change("flow-removed", "", "the server has no such flow")))
            continue
        of_flow = list(_of_flow(file[name], server[name], tells_chunks=tells_chunks))
        found += sorted(
            of_flow, key=lambda difference: difference.severity
        )  # "breaking" is before "compatible"
    for name in server:
        if name not in file:
            found.append(
                _difference(name, "flow", Change("flow-added", "", "the file does not name this flow"))
            )
    return tuple(found)


def _of_flow(old: FlowSpec, new: FlowSpec, *, tells_chunks: bool) -> Iterator[Difference]:
    schemas: dict[Part, tuple[Schema | None, Schema | None]] = {
        "input": (old.input_schema, new.input_schema),
        "chunk": (old.chunk_schema, new.chunk_schema),
        "output": (old.output_schema, new.output_schema),
    }
    for part in PARTS:
        was, now = schemas[part]
        if part == "chunk" and not _tells(now):
            # servers in JavaScript and Python never tell: the file's word stands
            found = _untold_chunks(was) if tells_chunks else []
        elif part != "input" and not _tells(was) and _tells(now):
            found = [Change("schema-told", "", "the server tells a schema, and the file tells none")]
        else:
            found = _of_schemas(old.name, part, was, now)
        yield from (_difference(old.name, part, change) for change in found)


def _tells(schema: Schema | None) -> bool:
    """Whether a schema says anything of values; `{}` does not."""
    return schema is not None and schema.value is not True and not is_annotation_only(schema.value)


def _untold_chunks(was: Schema | None) -> list[Change]:
    if not _tells(was):
        return []
    return [
        Change("schema-untold", "", "the server no longer tells a schema, but tells those of other flows")
    ]


def _of_schemas(flow: str, part: Part, was: Schema | None, now: Schema | None) -> list[Change]:
    name = class_name(f"{flow} {part}")
    old, new = _read(was, name, "file"), _read(now, name, "server")
    broken = [read for read in (old, new) if isinstance(read, str)]
    if isinstance(old, str) or isinstance(new, str):
        same = was is not None and now is not None and was.value == now.value
        return [] if same else [_not_told("", each) for each in broken]
    try:
        by_letter = _by_letter(was, now)
        return [*_changes(part, old, new, by_letter), *_unchecked(part, was, now, old, new)]
    except TooMuch:
        return [_not_told("", "the schemas are too large to compare")]


def _read(schema: Schema | None, name: str, whose: str) -> Types | str:
    """The types, or what is wrong with the schema."""
    if schema is None:
        return Types(Anything(), {})
    try:
        return read_types(schema, name=name)
    except BrokenSchema as error:
        return f"the {whose}'s schema is broken ({error})"


def _by_letter(was: Schema | None, now: Schema | None) -> frozenset[Side]:
    """The sides whose tolerated fields may be limited by what types cannot say."""
    sides: dict[Side, Schema | None] = {"old": was, "new": now}
    return frozenset(
        side for side, schema in sides.items() if schema is not None and may_limit_tolerated_fields(schema)
    )


def _changes(part: Part, old: Types, new: Types, by_letter: frozenset[Side]) -> list[Change]:
    if part != "input":
        old, new = lenient(old), lenient(new)
    return changes(old, new, by_letter)


def _unchecked(
    part: Part, was: Schema | None, now: Schema | None, old: Types, new: Types
) -> Iterator[Change]:
    inner, outer, types = (was, now, new) if part == "input" else (now, was, old)
    if outer is None:
        return
    for path, word in untold(inner or Schema({}, {}), outer, types):
        what = f"`{shown(word, 60)}`, which is compared only in part"
        yield _not_told(path, f"the file and the server differ there in {what}")


def _not_told(path: str, what: str) -> Change:
    return Change("cannot-be-told", path, what)


def _difference(flow: str, part: Part, change: Change) -> Difference:
    found = severity(change.rule, part)
    hurt = f": {_HURT[part]}" if found == "breaking" else ""
    message = f"{change.what}{hurt}"
    path = part + change.path if part != "flow" else ""
    return Difference(flow, part, found, change.rule, path, message[:1].upper() + message[1:] + ".")


_HURT: Final[Mapping[Part, str]] = {
    "flow": "calls of it fail",
    "input": "the server may refuse what programs send",
    "chunk": "programs may refuse, or misread, chunks that the server sends",
    "output": "programs may refuse, or misread, what the server returns",
}
