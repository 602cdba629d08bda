"""`streamflow-client check`: whether the server still keeps what a catalog file says.

In: a `Server`, the file. Out: the differences, for people, for programs or as GitHub's annotations, and an
exit code. Out of place here: finding and judging differences (`schema/comparing`), lines (`lines.py`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from rich.text import Text

from ..schema.catalog import Catalog
from ..schema.comparing.rules import Difference, Part
from ..schema.document import as_utf8
from ..schema.files import is_special
from .arguments import Server
from .exits import BREAKS
from .lines import lines_of
from .output import PipedConsole, complain, emit, warnings_told
from .run import open_client
from .terminal import safe_json, safe_line, safe_text

Readers = Literal["people", "programs", "github"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A comparison."""

    url: str
    file: str
    flows: Catalog
    differences: tuple[Difference, ...]

    @property
    def breaking(self) -> int:
        return sum(difference.severity == "breaking" for difference in self.differences)


def check_server(server: Server, file: str, readers: Readers) -> int:
    """Compare, and print what differs; returns the exit code.

    Raises:
        BadArgument: the words make no sense.
        DiscoveryError: there is no catalog, or the file is none.
        FlowError: the server could not be asked.
    """
    saved = Catalog.load(file)
    for warning in saved.warnings:
        complain(f"catalog {saved.source}: {warning}", "warning: ", "yellow")
    with open_client(server) as client, warnings_told(of_catalogs=True):
        found = client.discover()
    checked = Checked(found.source, file, saved, saved.differences(found))
    {"people": _print_lines, "programs": _print_document, "github": _print_annotations}[readers](checked)
    return BREAKS if checked.breaking else 0


# --- for people ---


def _print_lines(checked: Checked) -> None:
    console = PipedConsole(highlight=False)
    for flow, found in groupby(checked.differences, key=lambda difference: difference.flow):
        # a line of a CI log that begins with a name could be a command to GitHub: "::add-mask::a"
        console.print(Text.assemble("flow ", (safe_line(flow), "bold")), soft_wrap=True)
        for difference in found:
            console.print(_line(difference), soft_wrap=True)
    console.print(Text(_summary(checked), "dim"), soft_wrap=True)


def _line(difference: Difference) -> Text:
    breaks = difference.severity == "breaking"
    verdict = (_BREAKING[difference.part], "bold red") if breaks else ("compatible", "green")
    place = f"{safe_line(difference.path)}: " if difference.path else ""
    rule = (f" [{difference.rule}]", "dim")
    return Text.assemble("  ", verdict, f": {place}{safe_line(difference.message)}", rule)


_BREAKING: dict[Part, str] = {
    "flow": "breaking",
    "input": "breaking for input",
    "chunk": "breaking for chunks",
    "output": "breaking for output",
}


def _summary(checked: Checked) -> str:
    count = len(checked.differences)
    between = f"between {safe_line(checked.file)} and {safe_line(checked.url)}"
    if not count:
        return f"no differences {between}"
    differences = f"{count} difference{'' if count == 1 else 's'} {between}"
    if not checked.breaking:
        return f"{differences}, {'which is' if count == 1 else 'all'} compatible"
    return f"{differences}, {checked.breaking} breaking"


# --- for programs ---


def _print_document(checked: Checked) -> None:
    document = {
        "url": checked.url,
        "catalog": checked.file,
        "differences": [_fields(difference) for difference in checked.differences],
        "breaking": checked.breaking,
    }
    emit(safe_json(document, 2))


def _fields(difference: Difference) -> dict[str, str]:
    fields = asdict(difference)
    return {"role" if name == "part" else name: value for name, value in fields.items()}


# --- for GitHub ---


def _print_annotations(checked: Checked) -> None:
    """A workflow command a line: docs.github.com, "Workflow commands for GitHub Actions"."""
    data = b"" if is_special(checked.file) else Path(checked.file).read_bytes()  # a pipe was read already
    text = as_utf8(data).decode(errors="replace")
    lines = lines_of(text, checked.flows, list(checked.differences))
    for difference, line in zip(checked.differences, lines, strict=True):
        emit(_annotation(checked.file, difference, line))
    emit(_escaped(_summary(checked)))


def _annotation(file: str, difference: Difference, line: int | None) -> str:
    breaks = difference.severity == "breaking"
    word = "error" if breaks else "notice"
    title = f"{difference.flow}: {_BREAKING[difference.part] if breaks else 'compatible'}"
    place = f"{difference.path}: " if difference.path else ""
    properties = {"file": file, **({} if line is None else {"line": str(line)}), "title": title}
    told = ",".join(f"{name}={_escaped_property(value)}" for name, value in properties.items())
    return f"::{word} {told}::{_escaped(place + difference.message)}"


def _escaped(text: str) -> str:
    return safe_text(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
