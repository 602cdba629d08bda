"""Hostile catalogs execute nothing, open nothing, never hang, and end in a clear error or in types.

Audit hooks stay for good, so the corpus is gone through in one process of its own: this file as a program
prints a line of JSON a document, and the tests read them.
"""

from __future__ import annotations

import codecs
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from time import process_time
from traceback import walk_tb
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from generated_modules import complaints as complaints_of
from hostile_catalogs import CORPUS, INSTANCES
from streamflow_client.discovery import DISCOVERY_LOG
from streamflow_client.errors import DiscoveryError
from streamflow_client.found import FoundFlow
from streamflow_client.schema.catalog import Catalog, FlowSpec
from streamflow_client.schema.source.module import FlowSchemas, is_too_deep, module_source

LONGEST = 5.0  # seconds of the processor that a document may take
SIGNATURE = 5_000  # characters of a line that people are shown
VALUE = 1_000_000  # of what shows every field, or values as they are

# --- the tests ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printed() -> list[dict[str, Any]]:
    """What the program told of each document, and of itself."""
    command = [sys.executable, "-W", "error", __file__]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    environment.pop("COVERAGE_PROCESS_CONFIG", None)  # a limit of time is for the code alone
    try:
        ran = subprocess.run(command, capture_output=True, timeout=300, check=False, env=environment)
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
    assert sum(outcome.texts for outcome in outcomes) > 20_000
    assert sum(len(outcome.logged) for outcome in outcomes) > 100
    assert sum(bool(outcome.broken) for outcome in outcomes) > 100
    assert sum(bool(outcome.refused) for outcome in outcomes) > 20
    assert sum(bool(outcome.modules) for outcome in outcomes) > 800
    assert sum(outcome.modules for outcome in outcomes) > 5_000_000


def complaints(outcome: Outcome) -> Iterator[str]:
    said = [outcome.refused, *outcome.broken, *outcome.warnings, *outcome.logged]
    found = {
        "does what no catalog may": outcome.events,
        "crashes": outcome.crashes,
        "takes long": [f"{outcome.seconds:.1f} s"] if outcome.seconds > LONGEST else [],
        "says it badly": [text[:300] for text in said if len(text) > 600 or not text.isprintable()],
        "shows": outcome.ugly,
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
    logged: list[str] = field(default_factory=list)
    types: int = 0  # that were built
    ugly: list[str] = field(default_factory=list)  # texts that a terminal should not see
    texts: int = 0  # that were looked at
    crashes: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)  # that no catalog may cause
    modules: int = 0  # characters of the generated one

    def say(self, what: str, text: str, limit: int) -> None:
        """Look at a text that people are shown; of what is wrong only a few."""
        self.texts += 1
        if (len(text) > limit or not text.isprintable()) and len(self.ugly) < 5:
            self.ugly.append(f"{what}, {len(text)} characters: {text[:150]!a}")


def through(name: str, data: bytes, text: list[str]) -> Outcome:
    """`text`: where the module goes that is generated."""
    outcome = Outcome(name)
    began = process_time()  # whatever else the machine does
    signal.setitimer(signal.ITIMER_PROF, LONGEST + 0.1)
    try:
        text.append(_read(data, outcome))
    except DiscoveryError as error:
        outcome.refused = str(error)
    except TooLong as error:
        outcome.crashes.append(f"stopped in {_innermost(error)}")
    signal.setitimer(signal.ITIMER_PROF, 0)
    outcome.seconds = process_time() - began
    return outcome


def _innermost(error: BaseException) -> str:
    """The function of ours that was running. The module `traceback` would open sources and compile."""
    own = [
        frame for frame, _ in walk_tb(error.__traceback__) if "streamflow_client" in frame.f_code.co_filename
    ]
    return own[-1].f_code.co_name if own else "the test"


def _read(data: bytes, outcome: Outcome) -> str:
    catalog = Catalog.parse(data, source="hostile.json", all_actions=True)
    outcome.flows = [flow[:200] for flow in catalog]
    outcome.warnings = list(catalog.warnings)
    told = Told()
    logger = logging.getLogger(DISCOVERY_LOG)
    logger.addHandler(told)
    flows = [flow for spec in catalog.values() if (flow := _use(spec, outcome)) is not None]
    logger.removeHandler(told)
    outcome.logged = told.messages[:1000]
    written = [flow for flow in flows if not is_too_deep(flow)]
    return module_source(written, told.messages) if written else ""


def _use(spec: FlowSpec, outcome: Outcome) -> FlowSchemas | None:
    try:
        found = FoundFlow(spec)
        _check(spec, found, outcome)
        types = found.types
        return FlowSchemas(spec.name, spec.description, types.input, types.chunk, types.output)
    except DiscoveryError as error:
        outcome.broken.append(str(error))
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        outcome.crashes.append(f"{spec.name[:50]!r}: {type(error).__name__}: {str(error)[:300]}")
    return None


def _check(spec: FlowSpec, found: FoundFlow, outcome: Outcome) -> None:
    forms = {"input": found.input, "chunk": found.chunk, "output": found.output}
    schemas = (spec.input_schema, spec.chunk_schema, spec.output_schema)
    for (role, form), schema in zip(forms.items(), schemas, strict=True):
        if schema is not None:
            adapter: TypeAdapter[Any] = TypeAdapter(form)
            outcome.types += 1
            for value in _taken(adapter):
                outcome.say(f"repr of the {role}", repr(value), VALUE)
    outcome.say("signature", found.types.signature, SIGNATURE)
    outcome.say("signature for inspect", str(found.signature()), VALUE)
    for line in found.documentation().splitlines():
        outcome.say("line of the documentation", line, SIGNATURE)


def _taken(adapter: TypeAdapter[Any]) -> Iterator[Any]:
    for instance in INSTANCES:
        with suppress(ValidationError):
            value = adapter.validate_python(instance)
            adapter.dump_json(value, by_alias=True)
            yield value


class Told(logging.Handler):
    """What is logged, as it would be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def main() -> None:
    events: list[str] = []
    known: set[str] = set()  # what is compiled whatever the catalog: annotations of our own

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(WATCHED):
            happened = f"{event} {arguments!r}"[:300]
            if happened not in known:
                events.append(happened)

    sys.addaudithook(watch)
    signal.signal(signal.SIGPROF, too_long)
    through("what is imported late is imported now", WARM, [])
    for name in ENCODINGS:
        codecs.lookup(name)
    known.update(event for event in events if event.startswith("compile"))
    Path(os.devnull).open().close()
    told({"events": events[-3:]})
    for name, data in CORPUS.items():
        told({"begins": name})
        events.clear()
        modules: list[str] = []
        outcome = through(name, data, modules)
        outcome.events = events[:10]
        _look_at(modules, outcome)
        told(asdict(outcome))


def _look_at(modules: list[str], outcome: Outcome) -> None:
    """What is generated is only looked at, not run."""
    for text in modules:
        outcome.modules += len(text)
        odd = "".join(character for character in set(text) if not character.isprintable())
        if odd not in ("", "\n"):
            outcome.ugly.append(f"generated module: {odd!a}")
        outcome.crashes += [f"generated module: {found[:300]}" for found in islice(complaints_of(text), 3)]


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
