"""What may differ between two descriptions of a flow: a table, and who is hurt by what.

In: nothing. Out: `RULES`, the severity of a rule for an input, a chunk or an output, and `Difference`, what
users see of one. Out of place here: finding differences (`changes.py`, `catalogs.py`).

What widens accepts all that was accepted before, and more. That is fine for an input, of which we send what
the old description allows, and bad for a chunk or an output, of which we accept that. What narrows is the
opposite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["RULES", "Difference", "Effect", "Part", "Rule", "Severity", "severity"]

Part = Literal["flow", "input", "chunk", "output"]
Severity = Literal["compatible", "breaking"]
Effect = Literal["wider", "narrower", "none", "both"]
"""Whether the new type allows more values, fewer, the same for all that matters, or others."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of difference.

    Attributes:
        effect: of the change on what is allowed.
        meaning: what changed, for people.
    """

    effect: Effect
    meaning: str


RULES: Final[Mapping[str, Rule]] = {
    # flows
    "flow-added": Rule("none", "The server has a flow that the file does not name."),
    "flow-removed": Rule("both", "The server no longer has the flow."),
    "schema-told": Rule("none", "The server now tells a schema of chunks or outputs; the file tells none."),
    "schema-untold": Rule("none", "The server no longer tells the chunk schema, though it tells others'."),
    "cannot-be-told": Rule(
        "both",
        "It cannot be told whether it breaks: a schema is broken, or too large to compare, or differs in a"
        " keyword that is not compared (`not`, `if`, `contains`, a format such as `email`, …).",
    ),
    # any type
    "type-widened": Rule("wider", "The type allows more than it did: an integer became a number."),
    "type-narrowed": Rule("narrower", "The type allows less than it did: a number became an integer."),
    "type-changed": Rule("both", "The type is another: an integer became a string."),
    "null-added": Rule("wider", "It may be null now."),
    "null-removed": Rule("narrower", "It may no longer be null."),
    "value-added": Rule("wider", "An `enum` has a new value."),
    "value-removed": Rule("narrower", "An `enum` lacks a value."),
    "member-added": Rule("wider", "A union has a new member."),
    "member-removed": Rule("narrower", "A union lacks a member."),
    # numbers
    "bound-widened": Rule("wider", "A bound of a number was moved outwards, or is gone."),
    "bound-narrowed": Rule("narrower", "A bound of a number was moved inwards, or is new."),
    "multiple-removed": Rule("wider", "It need not be a multiple of something any more."),
    "multiple-added": Rule("narrower", "It has to be a multiple of something now."),
    # texts
    "length-widened": Rule("wider", "A limit of a text's length was moved outwards, or is gone."),
    "length-narrowed": Rule("narrower", "A limit of a text's length was moved inwards, or is new."),
    "pattern-removed": Rule("wider", "A text need not match a pattern any more."),
    "pattern-added": Rule("narrower", "A text has to match a pattern now, or another one."),
    "format-removed": Rule("wider", "A text need not have a format any more."),
    "format-added": Rule("narrower", "A text has to have a format now."),
    "format-changed": Rule("both", "A text has to have another format."),
    # lists and maps
    "count-widened": Rule("wider", "A limit of the number of items was moved outwards, or is gone."),
    "count-narrowed": Rule("narrower", "A limit of the number of items was moved inwards, or is new."),
    "unique-removed": Rule("wider", "Items need not differ from each other any more."),
    "unique-added": Rule("narrower", "Items have to differ from each other now."),
    "keys-widened": Rule("wider", "A map allows more keys than it did."),
    "keys-narrowed": Rule("narrower", "A map allows fewer keys than it did."),
    # objects
    "field-added": Rule("none", "There is a new field, which may be absent, or which nobody minds."),
    "required-field-added": Rule("narrower", "There is a new field, which has to be there."),
    "field-added-to-closed": Rule(
        "wider", "There is a new field, and the object refused such fields so far."
    ),
    "field-fixed": Rule("narrower", "There is a new field of a name that could hold something else so far."),
    "field-removed": Rule("none", "A field is gone, which could be absent, or which nobody minds."),
    "required-field-removed": Rule("wider", "A field is gone that had to be there."),
    "field-removed-from-closed": Rule("narrower", "A field is gone, and the object now refuses it."),
    "field-freed": Rule("wider", "A field is gone, and its name may hold something else now."),
    "field-now-optional": Rule("wider", "A field that had to be there may be absent now."),
    "field-now-required": Rule("narrower", "A field that could be absent has to be there now."),
    "extra-opened": Rule("wider", "The object says that it takes more unknown fields than it did."),
    "extra-closed": Rule("narrower", "The object refuses unknown fields that it said it takes."),
    "default-added": Rule("none", "A field has a default now, which programs of the file do not fill in."),
    "default-removed": Rule("none", "A field lost its default, which programs of the file go on filling in."),
    "default-changed": Rule("none", "A field has another default; programs of the file fill in the old one."),
}

_HARMLESS: Final[Mapping[Part, frozenset[Effect]]] = {
    "flow": frozenset({"none"}),
    "input": frozenset({"none", "wider"}),
    "chunk": frozenset({"none", "narrower"}),
    "output": frozenset({"none", "narrower"}),
}


def severity(rule: str, part: Part) -> Severity:
    """Whether a difference of that kind breaks programs built on the old description."""
    return "compatible" if RULES[rule].effect in _HARMLESS[part] else "breaking"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the file and the server.

    Attributes:
        flow: the flow's name.
        part: of the flow: "input", "chunk", "output", or "flow" for all of it.
        severity: "compatible", or "breaking" for programs that were built on the file.
        rule: the kind of difference; docs/contract.md lists all.
        path: the place in the schema, each reference replaced by what it means:
            "input/properties/dishes/items"; the part alone for the schema as a whole.
        message: a sentence: what changed, and who is hurt.
    """

    flow: str
    part: Part
    severity: Severity
    rule: str
    path: str
    message: str
