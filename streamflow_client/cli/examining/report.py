"""`streamflow-client doctor`: what a server does to streams, and what to do about it.

In: a `Server`, and maybe a flow with its input. Out: findings, printed for people or as one JSON document,
and an exit code. Asking is done by `probing.py`, judging by `diagnosis.py`.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from rich.text import Text

from ...text import excerpt
from ..arguments import Server
from ..exits import ExitCode
from ..interruptions import Interruptions
from ..output import PipedConsole, emit, warnings_told
from ..terminal import safe_json, safe_text
from .diagnosis import Finding, Judgement, diagnose
from .evidence import Observations, Redactor
from .probing import Examination, FlowCall

SHOWN = 600  # characters of one text; a server may have much to say
_STYLES: dict[Judgement, str] = {"good": "green", "note": "yellow", "bad": "bold red", "unknown": "dim"}


def examine(server: Server, call: FlowCall | None, *, as_json: bool) -> ExitCode:
    """Look at the server, run the flow if there is one, and print the findings; returns the exit code.

    Raises:
        BadArgument: the words make no sense.
        InputValidationError: the input is not of the flow's type; nothing was run.
    """
    signals = Interruptions()
    with signals.taken(), warnings_told(of_catalogs=False), Examination(server, signals) as examination:
        seen = examination.observe(call)
    findings = [_bounded(finding, examination.redactor) for finding in diagnose(seen)]
    if as_json:
        _print_document(seen, findings)
    else:
        _print_lines(seen, findings)
    return _exit_code(seen, findings)


def _exit_code(seen: Observations, findings: list[Finding]) -> ExitCode:
    if not seen.answers:
        problem = next((probe.problem for probe in seen.probes if probe.problem), None)
        if problem is None or problem.unreached:
            return ExitCode.NOT_CONNECTED
        return ExitCode.TIMEOUT if problem.timed_out else ExitCode.INTERRUPTED
    return ExitCode.UNWELL if any(finding.verdict == "bad" for finding in findings) else ExitCode.OK


def _runs(seen: Observations) -> int:
    """How often the flow may have run."""
    return int(seen.run is not None and seen.run.began)


def _bounded(finding: Finding, redactor: Redactor) -> Finding:
    """Without secrets, and no text longer than people read."""

    def short(value: Any) -> Any:
        match value:
            case str():
                return excerpt(redactor.text(value), SHOWN)
            case list():
                return [short(each) for each in value[:20]]  # pyright: ignore[reportUnknownVariableType]
            case _:
                return value

    facts = {name: short(value) for name, value in finding.facts.items()}
    return replace(finding, found=short(finding.found), advice=short(finding.advice), facts=facts)


# --- for people ---


def _print_lines(seen: Observations, findings: list[Finding]) -> None:
    console = PipedConsole(highlight=False)
    console.print(Text(safe_text(seen.url), "bold"), soft_wrap=True)
    for finding in findings:
        verdict = Text(f"{finding.verdict:<8}", _STYLES[finding.verdict])
        found = " ".join(safe_text(finding.found).split())
        console.print(Text.assemble(verdict, f"{finding.check}: ", found), soft_wrap=True)
        if finding.advice:
            console.print(Text(f"        → {safe_text(finding.advice)}", "dim"), soft_wrap=True)
    bad = sum(finding.verdict == "bad" for finding in findings)
    told = f"{bad} bad finding{'' if bad == 1 else 's'}" if bad else "nothing is bad"
    runs = "the flow was run once" if _runs(seen) else "no flow was run"
    console.print(Text(f"{told}; {runs}", "dim"), soft_wrap=True)


# --- for programs ---


def _print_document(seen: Observations, findings: list[Finding]) -> None:
    document = {
        "url": seen.url,
        "flow": None if seen.run is None else seen.run.flow,
        "runs": _runs(seen),
        "bad": sum(finding.verdict == "bad" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }
    emit(safe_json(document, 2))
