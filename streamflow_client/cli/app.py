"""The options and arguments of every command, as typer reads them.

In: words of a shell. Out: calls of `run.py`, `listing.py` and `demo.py`, and their exit codes. What a
command does does not belong here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from .. import __version__
from .arguments import BadArgument, Server, read_call, read_headers, read_token
from .exits import CHECK_CODES, MEANINGS, NOT_COMPARED, ExitCode, check_code
from .output import STDOUT, JsonPrinter, Printer, TextPrinter, complain, prepare_stdout
from .run import LocalServer, ending_of, run_flow

NAME = "streamflow-client"
_CODES = "Exit codes: " + "; ".join(f"{code:d} {text}" for code, text in MEANINGS.items()) + "."

# No pretty exceptions: they would show local variables, tokens among them.
app: typer.Typer = typer.Typer(
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


_URL = typer.Argument(metavar="URL", help="Where the server is: http://localhost:3400")
Url = Annotated[str, _URL]
MaybeUrl = Annotated[str | None, _URL]
PerDocument = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="For each document that is asked for.")
]
Local = Annotated[
    bool,
    typer.Option(
        "--local",
        help="In place of URL: the Genkit development server that runs for this folder, or the nearest above"
        " that has one. It gets no credentials, and no proxy is asked.",
    ),
]
App = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Where several run: --local for the one of this name or id."),
]
CatalogPlace = Annotated[
    str | None,
    typer.Option(
        "--catalog",
        metavar="FILE|URL",
        help="What describes the flows: OpenAPI, or Genkit's actions. By default the server is asked.",
    ),
]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Send it; may be repeated."),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--auth",
        envvar="STREAMFLOW_TOKEN",
        metavar="TOKEN",
        show_default=False,
        help="A bearer token. The variable is better: others may see a command's words.",
    ),
]


@app.command("list", epilog=_CODES)
def list_(
    url: MaybeUrl = None,
    *,
    local: Local = False,
    app: App = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help='For programs, one JSON document: {"flows":[{"name":…, "input":…}, …], "warnings":[…]}.'
            " A schema is given with all that its references need.",
        ),
    ] = False,
    header: Headers = None,
    auth: Token = None,
    timeout: PerDocument = None,
    catalog: CatalogPlace = None,
) -> None:
    """Show the flows of a server, with their types."""
    from .listing import list_flows

    prepare_stdout(for_programs=as_json)

    def show() -> None:
        server = _server_or_local(url, header, auth, timeout, catalog, local=local, app=app)
        list_flows(server, as_json=as_json)

    raise typer.Exit(_ending_of(show, JsonPrinter() if as_json else TextPrinter(alone=True)))


@app.command(epilog=_CODES)
def pull(
    url: MaybeUrl = None,
    *,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write it here; - is standard output. What a file that is there declares of chunks that the"
            " server does not tell, and its title, stay.",
        ),
    ] = STDOUT,
    sample: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FLOW=JSON",
            help="Call the flow with this input, and infer its chunks where the server does not tell them;"
            " may be repeated. It adds to what was inferred before.",
        ),
    ] = None,
    local: Local = False,
    app: App = None,
    header: Headers = None,
    auth: Token = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="For each document; with --sample for all.")
    ] = None,
    catalog: CatalogPlace = None,
) -> None:
    """Save the flows of a server as an OpenAPI 3.2 document.

    With it, clients need no discovery: Client(url, catalog="flows.openapi.json").

    Examples:

    streamflow-client pull http://localhost:3400 -o flows.openapi.json

    streamflow-client pull http://localhost:3400 -o flows.openapi.json --sample 'menu={"theme": "pirate"}'
    """
    from .pulling import pull as pull_flows

    prepare_stdout(for_programs=True)

    def save() -> None:
        server = _server_or_local(url, header, auth, timeout, catalog, local=local, app=app)
        pull_flows(server, output, sample or [])

    raise typer.Exit(_ending_of(save, TextPrinter(alone=True)))


@app.command(epilog=_CODES)
def run(
    url: Url,
    flow: Annotated[
        str | None, typer.Argument(metavar="FLOW", show_default=False, help="The flow's name.")
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            show_default=False,
            help="One JSON value, or a text as it stands for a flow that is known to take one; or key=value"
            " pairs, which become a JSON object; or - for JSON on standard input; or nothing, for no input"
            " or, of an object that is known, the defaults. A value of a pair is what the flow's types say;"
            " where they are not known, JSON if it can be read as such, else text.",
        ),
    ] = None,
    *,
    local: Local = False,
    app: App = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help='For pipes, one JSON object a line: {"chunk":…} … then {"result":…} or {"error":{…}};'
            ' after Ctrl-C, of a durable stream, {"cancelled":{"ticket":…}}.',
        ),
    ] = False,
    unary: Annotated[
        bool, typer.Option("--unary", help="Only the final output, by a plain request.")
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="TICKET",
            show_default=False,
            help="Take up a durable stream instead of running the flow: after the chunks of a ticket, which"
            " Ctrl-C or an error has told, or by its id from the first.",
        ),
    ] = None,
    protocol: Annotated[
        Protocol | None,
        typer.Option(
            show_default=False,
            help="reflection: Genkit's development API. By default as the flow was discovered.",
        ),
    ] = None,
    header: Headers = None,
    auth: Token = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="For the whole call, discovery included.")
    ] = None,
    catalog: CatalogPlace = None,
) -> None:
    """Call a flow: its chunks as they come, its result last.

    Examples:

    streamflow-client run http://localhost:3400 menu theme=pirate dishes=3

    streamflow-client run http://localhost:3400 menu '{"theme": "pirate"}' --json | jq .chunk

    streamflow-client run --local menu theme=pirate
    """
    prepare_stdout(for_programs=as_json)
    printer = JsonPrinter() if as_json else TextPrinter(alone=unary)

    def call() -> None:
        told = [*([] if flow is None else [flow]), *(words or [])]
        if local or app is not None:  # there is no URL, so every word is one further on
            server, told = _local_server(app, timeout, header or catalog or protocol), [url, *told]
        else:
            server = _server(url, header, auth, timeout, catalog, protocol)
        if not told:
            raise BadArgument("name a flow")
        given = read_call(told[0], told[1:], sys.stdin, unary=unary, resume=resume)
        run_flow(server, given, printer)

    raise typer.Exit(_ending_of(call, printer))


@app.command(epilog=_CODES)
def doctor(
    url: Url,
    *,
    flow: Annotated[
        str | None,
        typer.Option(
            "--flow",
            metavar="NAME",
            show_default=False,
            help="Run this flow, once, streamed; its stream is asked for once more by its id, if it has one,"
            " which runs nothing. Without it nothing runs on the server.",
        ),
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="JSON",
            show_default=False,
            help="The flow's input; a text as it stands for a flow that is known to take one.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help='For programs, one JSON document: {"url":…, "flow":…, "runs":0|1, "bad":0,'
            ' "findings":[{"check":…, "verdict":"good"|"note"|"bad"|"unknown", "found":…, "advice":…,'
            ' "facts":{…}}, …]}.',
        ),
    ] = False,
    protocol: Annotated[
        Protocol | None,
        typer.Option(
            show_default=False,
            help="reflection: Genkit's development API. By default as the flow was discovered.",
        ),
    ] = None,
    header: Headers = None,
    auth: Token = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="For the flow's run, by default 120. What runs nothing has 5 each."
        ),
    ] = None,
    catalog: CatalogPlace = None,
) -> None:
    """Say what a server does to streams, and what to do about it.

    Which server it is, whether chunks arrive live or buffered, whether broken streams can be resumed, pings,
    types, credentials.

    Examples:

    streamflow-client doctor http://localhost:3400

    streamflow-client doctor http://localhost:3400 --flow menu --input '{"theme": "pirate"}'
    """
    from .examining.probing import FlowCall
    from .examining.report import examine

    prepare_stdout(for_programs=as_json)
    code = ExitCode.OK

    def look() -> None:
        nonlocal code
        if flow is None and input_ is not None:
            raise BadArgument("--input is for a flow, --flow NAME")
        call = None if flow is None else FlowCall(flow, input_)
        code = examine(_server(url, header, auth, timeout, catalog, protocol), call, as_json=as_json)

    ended = _ending_of(look, JsonPrinter() if as_json else TextPrinter(alone=True))
    raise typer.Exit(ended or code)


@app.command("generate", epilog=_CODES)
def generate_(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="URL|FILE",
            help="Where the server is, or a file that describes its flows, such as one saved by pull.",
        ),
    ] = None,
    *,
    out: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="The module; - is standard output."),
    ] = STDOUT,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing: exit with 1 if the module is not what would be written. For CI.",
        ),
    ] = False,
    local: Local = False,
    app: App = None,
    header: Headers = None,
    auth: Token = None,
    timeout: PerDocument = None,
    catalog: CatalogPlace = None,
) -> None:
    """Write a Python module with the types of a server's flows, for editors and type checkers.

    Examples:

    streamflow-client generate http://localhost:3400 -o flows.py

    streamflow-client generate flows.openapi.json -o flows.py --check
    """
    from .generating import generate

    prepare_stdout(for_programs=True)
    code = ExitCode.OK

    def write() -> None:
        nonlocal code
        if check and out == STDOUT:
            raise BadArgument("--check compares with a module: give its file, -o FILE")
        source: Server | str
        if local or app is not None:
            source = _local_server(app, timeout, place or header or catalog)
        elif place is None:
            raise BadArgument("give the server's URL, a file, or --local")
        elif "://" in place:
            source = _server(place, header, auth, timeout, catalog)
        elif header or timeout is not None or catalog:
            raise BadArgument("a file is read as it is: give no --header, --timeout or --catalog with it")
        else:
            source = place
        code = generate(source, out, check=check)

    ended = _ending_of(write, TextPrinter(alone=True))
    raise typer.Exit(ended or code)


@app.command(epilog=CHECK_CODES)
def check(
    url: MaybeUrl = None,
    *,
    catalog: Annotated[
        str, typer.Option("--catalog", metavar="FILE", help="The catalog that programs were built on.")
    ],
    local: Local = False,
    app: App = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help='For programs, one JSON document: {"url":…, "catalog":…, "differences":[{"flow":…,'
            ' "role":"flow"|"input"|"chunk"|"output", "severity":"compatible"|"breaking", "rule":…,'
            ' "path":…, "message":…}, …], "breaking":0}.',
        ),
    ] = False,
    github: Annotated[
        bool, typer.Option("--github", help="For GitHub Actions, annotations of the catalog file.")
    ] = False,
    header: Headers = None,
    auth: Token = None,
    timeout: PerDocument = None,
) -> None:
    """Compare a server with the catalog file that programs were built on, for CI.

    Each difference is compatible, breaking for input, or breaking for chunks or output.

    Examples:

    streamflow-client check http://localhost:3400 --catalog flows.openapi.json

    streamflow-client check http://localhost:3400 --catalog flows.openapi.json --github
    """
    from .checking import Readers, check_server

    prepare_stdout(for_programs=as_json or github)
    code = NOT_COMPARED

    def compare() -> None:
        nonlocal code
        if as_json and github:
            raise BadArgument("give --json or --github, not both")
        server = _server_or_local(url, header, auth, timeout, None, local=local, app=app)
        readers: Readers = "programs" if as_json else "github" if github else "people"
        code = check_server(server, catalog, readers)

    try:
        ended = _ending_of(compare, JsonPrinter() if as_json else TextPrinter(alone=True))
    except (typer.BadParameter, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001 - the code 1 of unexpected errors means here that something breaks
        complain(f"{type(error).__name__}: {error}", "unexpected error: ")
        raise typer.Exit(NOT_COMPARED) from None
    raise typer.Exit(check_code(ended, code))


def _server_or_local(
    url: str | None,
    header: list[str] | None,
    auth: str | None,
    timeout: float | None,
    catalog: str | None,
    *,
    local: bool,
    app: str | None,
) -> Server:
    """Raises: BadArgument."""
    if local or app is not None:
        return _local_server(app, timeout, url or header or catalog)
    if url is None:
        raise BadArgument("give the server's URL, or --local")
    return _server(url, header, auth, timeout, catalog)


def _server(
    url: str,
    header: list[str] | None,
    auth: str | None,
    timeout: float | None,
    catalog: str | None,
    protocol: Protocol | None = None,
) -> Server:
    """Raises: BadArgument."""
    return Server(
        url=url,
        headers=read_headers(header or []),
        token=read_token(auth),
        timeout=timeout,
        protocol=None if protocol is None else protocol.value,
        catalog=catalog,
    )


def _local_server(app: str | None, timeout: float | None, senseless: object) -> Server:
    """A token may stand in the environment: it is not sent. Raises: BadArgument."""
    if senseless:
        raise BadArgument(
            "--local finds the server itself, speaks as that does and sends no credentials:"
            " give no URL, --header, --catalog or --protocol with it"
        )
    return LocalServer("", timeout=timeout, app=app)


def _ending_of(action: Callable[[], None], printer: Printer) -> ExitCode:
    try:
        return ending_of(action, printer)
    except BadArgument as error:
        raise typer.BadParameter(str(error)) from None
