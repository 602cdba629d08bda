"""Hostile catalogs execute nothing, open nothing, never hang, and end in a clear error or in types.

Audit hooks stay for good, so the corpus is gone through in one process of its own: this file as a program
prints a line of JSON a document, and the tests read them.
"""

from __future__ import annotations

import codecs
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from traceback import walk_tb
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from hostile_catalogs import CORPUS, INSTANCES
from streamflow_client.errors import DiscoveryError
from streamflow_client.schema.broken import BrokenSchema
from streamflow_client.schema.catalog import Catalog, FlowSpec
from streamflow_client.schema.model import Schema
from streamflow_client.schema.read import read_types
from streamflow_client.schema.runtime import Role, build

LONGEST = 5.0  # seconds a document may take

# --- the tests ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printed() -> list[dict[str, Any]]:
    """What the program told of each document, and of itself."""
    command = [sys.executable, "-W", "error", __file__]
    path = {"PYTHONPATH": str(Path(__file__).parent)}
    try:
        ran = subprocess.run(command, capture_output=True, timeout=300, check=False, env=os.environ | path)
    except subprocess.TimeoutExpired as error:
        lines = (error.stdout or b"").splitlines()
        pytest.fail(f"hangs at {lines[-1:]}")
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_hostile_catalogs(printed: list[dict[str, Any]]) -> None:
    watched, *told = (line for line in printed if "begins" not in line)
    outcomes = [Outcome(**line) for line in told]
    assert [outcome.name for outcome in outcomes] == list(CORPUS)
    assert [complaint for outcome in outcomes for complaint in complaints(outcome)] == []
    # Nothing is proven where nothing comes of anything.
    assert any("open" in event for event in watched["events"])
    assert sum(outcome.types for outcome in outcomes) > 5_000
    assert sum(bool(outcome.broken) for outcome in outcomes) > 100
    assert sum(bool(outcome.refused) for outcome in outcomes) > 20


def complaints(outcome: Outcome) -> Iterator[str]:
    said = [outcome.refused, *outcome.broken, *outcome.warnings]
    found = {
        "does what no catalog may": outcome.events,
        "crashes": outcome.crashes,
        "takes long": [f"{outcome.seconds:.1f} s"] if outcome.seconds > LONGEST else [],
        "says it badly": [text[:300] for text in said if len(text) > 600 or not text.isprintable()],
        "spoils its neighbour": [] if outcome.refused or _neighbour(outcome) else outcome.flows[:5],
    }
    return (f"{outcome.name} {what}: {texts[:3]}" for what, texts in found.items() if texts)


def _neighbour(outcome: Outcome) -> bool:
    """Whether the flow beside the hostile one is there, where there is one to be."""
    return b'"/flow/ok"' not in CORPUS[outcome.name] or "ok" in outcome.flows


# --- the program --------------------------------------------------------------------------------

# What `exec` and `eval` are given as text is compiled first; what is imported is imported.
WATCHED = (
    *("open", "os.", "socket.", "subprocess.", "shutil.", "pty.", "ctypes.", "urllib.", "webbrowser."),
    *("import", "compile", "pickle.", "code.__new__", "marshal.", "tempfile.", "glob.", "pathlib."),
)


@dataclass
class Outcome:
    """What came of one document."""

    name: str
    seconds: float = 0.0
    refused: str = ""  # as no catalog
    flows: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # schemas that cannot be read
    warnings: list[str] = field(default_factory=list)
    types: int = 0  # that were built
    crashes: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)  # that no catalog may cause


def through(name: str, data: bytes) -> Outcome:
    outcome = Outcome(name)
    began = monotonic()
    signal.setitimer(signal.ITIMER_REAL, LONGEST + 0.1)
    try:
        _read(data, outcome)
    except DiscoveryError as error:
        outcome.refused = str(error)
    except TooLong as error:
        outcome.crashes.append(f"stopped in {_innermost(error)}")
    signal.setitimer(signal.ITIMER_REAL, 0)
    outcome.seconds = monotonic() - began
    return outcome


def _innermost(error: BaseException) -> str:
    """The function of ours that was running. The module `traceback` would open sources and compile."""
    own = [
        frame for frame, _ in walk_tb(error.__traceback__) if "streamflow_client" in frame.f_code.co_filename
    ]
    return own[-1].f_code.co_name if own else "the test"


def _read(data: bytes, outcome: Outcome) -> None:
    catalog = Catalog.parse(data, source="hostile.json", all_actions=True)
    outcome.flows = [flow[:200] for flow in catalog]
    outcome.warnings = list(catalog.warnings)
    for spec in catalog.values():
        _use(spec, outcome)


def _use(spec: FlowSpec, outcome: Outcome) -> None:
    for role, schema in _schemas(spec):
        try:
            _types(spec.name, role, schema, outcome)
        except BrokenSchema as error:
            outcome.broken.append(str(error))
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            outcome.crashes.append(
                f"{role} of {spec.name[:50]!r}: {type(error).__name__}: {str(error)[:300]}"
            )


def _schemas(spec: FlowSpec) -> Iterator[tuple[Role, Schema]]:
    if spec.input_schema is not None:
        yield "input", spec.input_schema
    if spec.chunk_schema is not None:
        yield "chunk", spec.chunk_schema
    if spec.output_schema is not None:
        yield "output", spec.output_schema


def _types(name: str, role: Role, schema: Schema, outcome: Outcome) -> None:
    types = read_types(schema, name=name)
    outcome.warnings.extend(types.warnings[:10])
    built = build(types, role=role, name=name)
    adapter: TypeAdapter[Any] = TypeAdapter(built.form)
    outcome.types += 1
    for instance in INSTANCES:
        with suppress(ValidationError):
            adapter.dump_json(adapter.validate_python(instance), by_alias=True)


def main() -> None:
    events: list[str] = []
    known: set[str] = set()  # what is compiled whatever the catalog: annotations of our own

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(WATCHED):
            happened = f"{event} {arguments!r}"[:300]
            if happened not in known:
                events.append(happened)

    sys.addaudithook(watch)
    signal.signal(signal.SIGALRM, too_long)
    through("what is imported late is imported now", WARM)
    for name in ENCODINGS:
        codecs.lookup(name)
    known.update(event for event in events if event.startswith("compile"))
    Path(os.devnull).open().close()
    told({"events": events[-3:]})
    for name, data in CORPUS.items():
        told({"begins": name})
        events.clear()
        outcome = through(name, data)
        outcome.events = events[:10]
        told(asdict(outcome))


class TooLong(BaseException):
    """No part of what is tested catches it."""


def too_long(*_: object) -> None:
    raise TooLong


def told(what: Any) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - a program prints


ENCODINGS = ("unicode_escape", "utf-8-sig", "utf-16-le", "utf-16-be", "idna", "latin-1", "ascii")

WARM = b"""{"/flow/\\u0007": {}, "/flow/f": {"key": "x", "inputSchema": {"properties": {
    "a": {"type": "string", "format": "date-time", "pattern": "a"}, "b": {"enum": [1, "a"]},
    "c": {"$ref": "#"},
    "d": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    "e": {"type": "array", "items": {"type": "number"}}
}}}, "/flow/g": {"key": "x", "inputSchema": 5, "outputSchema": {"$ref": "#/x"}}}"""

if __name__ == "__main__":
    main()
