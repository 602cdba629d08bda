"""The options and arguments of every command, as typer reads them.

In: words of a shell. Out: calls of `run.py` and `demo.py`, and their exit codes. What a command does
does not belong here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from .. import __version__
from .arguments import BadArgument, RunCall, read_headers, read_input, read_token
from .exits import MEANINGS, ExitCode
from .output import JsonPrinter, TextPrinter, complain, prepare_stdout
from .run import ending_of, run_flow

NAME = "streamflow-client"
_CODES = "Exit codes: " + "; ".join(f"{code:d} {text}" for code, text in MEANINGS.items()) + "."

# No pretty exceptions: they would show local variables, tokens among them.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Protocol(StrEnum):
    """The choices of `--protocol`."""

    callable = "callable"
    reflection = "reflection"


def run_command(argv: Sequence[str] | None) -> int:
    """Run the command that the words name; returns its exit code."""
    try:
        app(args=argv, prog_name=NAME)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the last resort: a line is kinder than a traceback
        complain(f"{type(error).__name__}: {error}", "unexpected error: ")
    return ExitCode.UNEXPECTED


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"{NAME} {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
) -> None:
    """Call streaming flows: chunks as they arrive, one validated result."""


@app.command()
def demo() -> None:
    """See it run: a server and a client on this machine, a few seconds."""
    from .demo import play

    prepare_stdout(for_programs=False)
    raise typer.Exit(ending_of(play))


@app.command(epilog=_CODES)
def run(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the server is: http://localhost:3400")],
    flow: Annotated[str, typer.Argument(metavar="FLOW", help="The flow's name.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            show_default=False,
            help="One JSON value; or key=value pairs, which become a JSON object; or - for JSON on"
            " standard input; or nothing, for no input. The value of a pair is JSON if it can be"
            " read as such, else text.",
        ),
    ] = None,
    *,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help='For pipes, one JSON object a line: {"chunk":…} … then {"result":…} or {"error":{…}}.',
        ),
    ] = False,
    unary: Annotated[
        bool, typer.Option("--unary", help="Only the final output, by a plain request.")
    ] = False,
    protocol: Annotated[
        Protocol, typer.Option(help="reflection: Genkit's development API.")
    ] = Protocol.callable,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Send it; may be repeated."),
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            envvar="STREAMFLOW_TOKEN",
            metavar="TOKEN",
            show_default=False,
            help="A bearer token. The variable is better: others may see a command's words.",
        ),
    ] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="For the whole call.")] = None,
) -> None:
    """Call a flow: its chunks as they come, its result last.

    Examples:

    streamflow-client run http://localhost:3400 menu theme=pirate dishes=3

    streamflow-client run http://localhost:3400 menu '{"theme": "pirate"}' --json | jq .chunk
    """
    prepare_stdout(for_programs=as_json)
    printer = JsonPrinter() if as_json else TextPrinter(alone=unary)

    def call() -> None:
        given = RunCall(
            url=url,
            flow=flow,
            input=read_input(words or [], sys.stdin),
            headers=read_headers(header or []),
            token=read_token(auth),
            protocol=protocol.value,
            timeout=timeout,
            unary=unary,
        )
        run_flow(given, printer)

    try:
        raise typer.Exit(ending_of(call, printer.failure))
    except BadArgument as error:
        raise typer.BadParameter(str(error)) from None
