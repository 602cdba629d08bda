"""Two versions of a schema: what differs, and who is hurt.

The judge is tried against jsonschema-rs and against run-time types: what is called compatible refuses nothing
that was valid before.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hand_picked_schemas import HAND_PICKED
from schema_mutations import mutated
from streamflow_client.schema.accepts import accepts
from streamflow_client.schema.broken import BrokenSchema
from streamflow_client.schema.changes import changes
from streamflow_client.schema.compare import Difference, differences
from streamflow_client.schema.flowspec import FlowSpec
from streamflow_client.schema.lenient import lenient
from streamflow_client.schema.model import Anything, Definition, Nothing, Record, Schema, Types
from streamflow_client.schema.read import read_types
from streamflow_client.schema.rules import RULES, Part, severity
from test_schema_oracle import Ours, _Make, oracle, schemas, values

Json = Any
import os
MAX = int(os.environ.get("MAX", "300"))
SEED = os.environ.get("SEED")


def spec(**parts: Json) -> dict[str, FlowSpec]:
    """A catalog of one flow."""
    told = {part: Schema(schema, schema) for part, schema in parts.items()}
    return {
        "menu": FlowSpec(
            name="menu",
            path=None,
            protocol="callable",
            description="",
            input_schema=told.get("input"),
            chunk_schema=told.get("chunk"),
            output_schema=told.get("output"),
            source="here",
        )
    }


def compared(part: Part, old: Json, new: Json) -> tuple[Difference, ...]:
    return differences(spec(**{part: old}), spec(**{part: new}))


def breaks(part: Part, old: Json, new: Json) -> bool:
    return any(difference.severity == "breaking" for difference in compared(part, old, new))


# ------------------------------------------------------------------------------- against the oracle


def without_tolerated(types: Types) -> Types:
    """The same where objects have no fields but those that the schema means."""
    definitions = {
        name: replace(definition, type=_closed(definition.type)) for name, definition in types.definitions.items()
    }
    return replace(types, definitions=definitions)


def _closed(type_: Any) -> Any:
    if isinstance(type_, Record) and isinstance(type_.extra, Anything):
        return replace(type_, extra=Nothing())
    return type_


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Json, Json, list[Json]]:
    """A schema, another or the same one changed, and instances that nearly fit one of them."""
    old = draw(schemas())
    new = mutated(old, draw) if draw(st.integers(0, 9)) else draw(schemas())
    if "$schema" not in new:
        new["$schema"] = old["$schema"]
    instances = [draw(values)]
    for schema in (old, new):
        make = _Make(draw, "draft-07" in schema["$schema"])
        instances += [make.instance(schema, schema) for _ in range(5)]
    return old, new, instances


def test_what_is_called_compatible_refuses_nothing() -> None:
    counts = Counter[str]()

    @settings(
        max_examples=MAX,
        derandomize=not SEED,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(pairs())
    def compare(case: tuple[Json, Json, list[Json]]) -> None:
        old, new, instances = case
        try:
            ours = Ours(old), Ours(new)
        except BrokenSchema:
            return
        theirs = oracle(old), oracle(new)
        promised = [without_tolerated(each.types) for each in ours]
        inputs_fit, outputs_fit = not breaks("input", old, new), not breaks("output", old, new)
        counts["inputs fit"] += inputs_fit
        counts["outputs fit"] += outputs_fit
        counts["pairs"] += 1
        reading = Ours(lenient(ours[0].types))
        for instance in instances:
            shown = f"{json.dumps(old)}  ->  {json.dumps(new)}  <-  {json.dumps(instance)}"
            sent = theirs[0].is_valid(instance) and accepts(instance, promised[0].root, promised[0].definitions)
            if sent and inputs_fit:
                counts["sent"] += 1
                assert theirs[1].is_valid(instance), shown
            elif sent:
                counts["proven breaking"] += not theirs[1].is_valid(instance)
            given = theirs[1].is_valid(instance) and accepts(instance, promised[1].root, promised[1].definitions)
            if given and outputs_fit:
                counts["given"] += 1
                assert reading.is_valid(instance), shown

    compare()
    print(counts)
