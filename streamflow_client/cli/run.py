"""`streamflow-client run`: one flow, streamed to the terminal.

In: a `Server`, a `RunCall` and a printer. Out: the flow's chunks and result printed, errors told, an exit
code. What the words of the shell mean, and how a value looks, is not decided here.

The server is asked first which types the flow has. Where it does not tell, the flow is called without;
unless the server just has no such document, a warning says so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from ..calls import MOMENT, input_of
from ..errors import DiscoveryError, FlowError, FlowTimeoutError
from ..found import FoundFlow
from ..options import Timeout
from ..schema.model import Types
from ..sync import Client, Flow
from ..sync_stream import FlowStream
from ..text import shown
from ..ticket import Ticket
from ..wire.codec import UNSET, Unset
from .arguments import BadArgument, Pairs, RunCall, Server, Word, read_json
from .conversion import as_bytes, is_text, typed, untyped
from .exits import ExitCode, can_go_on, exit_code_of
from .interruptions import Interruptions, Terminated
from .output import OutputError, Printer, complain, let_go_of, warnings_told, way_on

# Seconds for the documents that tell of flows: without a byte, and in all.
DOCUMENT_IDLE = 5.0
DOCUMENT_TOTAL = 30.0


def run_flow(server: Server, call: RunCall, printer: Printer) -> None:
    """Call the flow and print what comes.

    Raises:
        BadArgument: the call makes no sense; nothing was sent to the flow.
        FlowError: how the call ended, if not well.
    """
    begun = monotonic()
    signals = Interruptions()
    with signals.taken(), open_client(server) as client, warnings_told(of_catalogs=False):
        flow = _choose(client, server, call.flow)
        flow = flow.with_options(timeout=time_left(server.timeout, begun))
        if call.unary:
            printer.result(flow(input_given(flow, call.input)))
        else:
            _print_stream(_stream(flow, call), printer, signals)


@dataclass(frozen=True, slots=True)
class LocalServer(Server):
    """A development server of this machine, which its runtime file tells of. It gets no credentials.

    Attributes:
        app: its name or id, where several run.
    """

    app: str | None = None


def open_client(server: Server) -> Client:
    """Raises: BadArgument. DiscoveryError: no server of this machine, or several."""
    if isinstance(server, LocalServer):
        return Client.local(app=server.app).with_options(timeout=Timeout(total=server.timeout))
    try:
        return Client(
            server.url,
            catalog=server.catalog,
            headers=server.headers,
            auth=server.token,
            timeout=Timeout(total=server.timeout),
            protocol=server.protocol or "callable",
        )
    except ValueError as error:
        raise BadArgument(str(error)) from None


def _stream(flow: Flow[Any, Any, Any], call: RunCall) -> FlowStream[Any, Any]:
    """Raises: BadArgument: the ticket is for something else, or the input makes no sense."""
    if call.resume is None:
        return flow.stream(input_given(flow, call.input))
    try:
        return flow.resume(call.resume)
    except ValueError as error:
        raise BadArgument(str(error)) from None


def _print_stream(stream: FlowStream[Any, Any], printer: Printer, signals: Interruptions) -> None:
    """Whenever it is cut short, the printer knows its place."""
    printer.place = stream.ticket()
    with signals.cancelling(stream), stream:
        printer.place = stream.ticket()
        for chunk in stream:
            printer.chunk(chunk)
            printer.place = stream.ticket()
            signals.check()
        printer.result(stream.result())


# --- the flow and its types ---


def _choose(client: Client, server: Server, name: str) -> Flow[Any, Any, Any]:
    """Raises: BadArgument: no flow can have that name. FlowError: the server cannot be reached."""
    try:
        without_types = client.flow(name)
    except ValueError as error:
        raise BadArgument(str(error)) from None
    if not _discovers(client, server):
        return without_types
    try:
        flow = client.flows[name]
    except DiscoveryError as error:  # also where the catalog lacks it: a catalog need not be complete
        _warn(str(error))
        return without_types
    return flow if server.protocol is None else client.flow(flow.definition)


def _discovers(client: Client, server: Server) -> bool:
    """Whether the server tells of its flows; a catalog that was named has to be there."""
    try:
        client.with_options(timeout=_patience(server.timeout)).discover()
    except (DiscoveryError, FlowTimeoutError) as error:
        if server.catalog is not None or _is_out_of_reach(error):
            raise
        why = error.__cause__ if isinstance(error, DiscoveryError) else error
        if why is not None:  # more than just no such document
            _warn(f"asking for them failed: {shown(str(why))}")
        return False
    return True


def _is_out_of_reach(error: FlowError) -> bool:
    return isinstance(error, FlowTimeoutError) and error.clock == "connect"


def _warn(why: str) -> None:
    told = f"the flow is called without its types, which are not known: {why}"
    complain(told, "warning: ", "yellow")


def _patience(timeout: float | None) -> Timeout:
    """For all documents together, so that at least half of the time is left for the flow."""
    total = DOCUMENT_TOTAL if timeout is None else min(timeout / 2, DOCUMENT_TOTAL)
    return Timeout(idle=DOCUMENT_IDLE, total=total)


def time_left(timeout: float | None, begun: float) -> Timeout:
    """For the call itself: what is left of the seconds for the whole command."""
    return Timeout(total=None if timeout is None else max(begun + timeout - monotonic(), MOMENT))


def input_given(flow: Flow[Any, Any, Any], given: Any | Pairs | Word | Unset) -> Any | Unset:
    """Raises: BadArgument. InputValidationError: a field that the flow does not have."""
    found = flow.definition
    types = found.types.input if isinstance(found, FoundFlow) else None
    match given:
        case Word(text):
            return text if types and is_text(text, types) else read_json(as_bytes(text), "the input")
        case Pairs(texts):
            fields = _fields(texts, types) if types else untyped(texts)
            return _checked(found, fields) if isinstance(found, FoundFlow) else fields
        case Unset() if isinstance(found, FoundFlow):
            return input_of(found, UNSET, {})
        case _:
            return given


def _fields(texts: dict[str, str], types: Types) -> dict[str, Any]:
    """Raises: BadArgument: a field is given twice."""
    fields: dict[str, Any] = {}
    for name, value in typed(texts, types):
        if name in fields:
            raise BadArgument(f"{name!r} is given twice, by two of its names")
        fields[name] = value
    return fields


def _checked(found: FoundFlow, fields: dict[str, Any]) -> Any:
    """Raises: BadArgument: the input is no object. InputValidationError: it has no such field."""
    try:
        return input_of(found, UNSET, fields)
    except TypeError as error:
        raise BadArgument(str(error)) from None


# --- how it ended ---


def ending_of(action: Callable[[], None], printer: Printer | None = None) -> ExitCode:
    """Do it, and say how it ended: errors become a line on standard error and an exit code."""
    try:
        return _flow_ending_of(action, printer)
    except KeyboardInterrupt as stop:
        _tell_cancelled(printer, None if printer is None else printer.place)
        return ExitCode.TERMINATED if isinstance(stop, Terminated) else ExitCode.CTRL_C
    except BrokenPipeError:  # the network's are FlowErrors: this is standard output's
        let_go_of(sys.stdout)
        return ExitCode.CLOSED_PIPE
    except OutputError as error:
        let_go_of(sys.stdout)
        complain(str(error), "error: ")
        if printer is not None and printer.place is not None:
            complain(way_on(printer.place))
        return ExitCode.NOT_WRITTEN


def _flow_ending_of(action: Callable[[], None], printer: Printer | None) -> ExitCode:
    try:
        action()
    except FlowError as error:
        complain(str(error), "error: ")
        if error.ticket is not None and can_go_on(error):
            complain(way_on(error.ticket))
        if printer is not None:
            printer.place = None  # the way on, if there is one, has been told
            printer.failure(error)
        return exit_code_of(error)
    return ExitCode.OK


def _tell_cancelled(printer: Printer | None, ticket: Ticket | None) -> None:
    if printer is None or ticket is None:
        complain("cancelled")
        return
    complain(f"cancelled; {way_on(ticket)}")
    try:
        printer.cancelled(ticket)
    except (BrokenPipeError, OutputError):  # Ctrl-C ends the other programs of a pipe, too
        let_go_of(sys.stdout)
