"""`streamflow-client run`: one flow, streamed to the terminal.

In: a `Server`, a `RunCall` and a printer. Out: the flow's chunks and result printed, errors told, an exit
code. What the words of the shell mean, and how a value looks, is not decided here.

The server is asked first which types the flow has. Where it does not tell, the flow is called without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from ..calls import input_of
from ..discovery import FoundFlow
from ..errors import DiscoveryError, FlowError, FlowTimeoutError, NotFoundError, UnknownFlowError
from ..options import Timeout
from ..schema.catalog import Catalog
from ..sync import Client, Flow
from ..wire.codec import UNSET, Unset
from .arguments import BadArgument, Pairs, RunCall, Server
from .conversion import typed, untyped
from .exits import ExitCode, exit_code_of
from .output import Printer, complain, let_go_of_stdout, warnings_told

# Seconds for each of the documents that tell of flows: without a byte, and in all.
DOCUMENT_IDLE = 5.0
DOCUMENT_TOTAL = 30.0


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The flow that is called, and what its failure to exist may mean."""

    flow: Flow[Any, Any, Any]
    hint: str = ""


def run_flow(server: Server, call: RunCall, printer: Printer) -> None:
    """Call the flow and print what comes.

    Raises:
        BadArgument: the call makes no sense; nothing was sent to the flow.
        FlowError: how the call ended, if not well.
    """
    begun = monotonic()
    with open_client(server) as client, warnings_told(of_catalogs=False):
        chosen = _choose(client, server, call.flow)
        flow = chosen.flow.with_options(timeout=time_left(server.timeout, begun))
        try:
            _print_all(flow, _input(flow, call.input), printer, unary=call.unary)
        except NotFoundError as error:
            if chosen.hint:
                error.add_note(chosen.hint)
            raise


def open_client(server: Server) -> Client:
    """Raises: BadArgument."""
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


def _print_all(flow: Flow[Any, Any, Any], value: Any | Unset, printer: Printer, *, unary: bool) -> None:
    if unary:
        printer.result(flow(value))
        return
    with flow.stream(value) as stream:
        for chunk in stream:
            printer.chunk(chunk)
        printer.result(stream.result())


# --- the flow and its types ---


def _choose(client: Client, server: Server, name: str) -> _Chosen:
    """Raises: BadArgument: no flow can have that name. FlowError: the server cannot be reached."""
    try:
        without_types = client.flow(name)
    except ValueError as error:
        raise BadArgument(str(error)) from None
    catalog = _catalog(client, server)
    if catalog is None:
        return _Chosen(without_types)
    try:
        flow = client.flows[name]
    except UnknownFlowError as error:  # a catalog need not be complete
        return _Chosen(without_types, error.message)
    except DiscoveryError as error:
        complain(f"{error}; it is called without types", "warning: ", "yellow")
        return _Chosen(without_types)
    return _Chosen(flow if server.protocol is None else client.flow(flow.definition))


def _catalog(client: Client, server: Server) -> Catalog | None:
    """What the server tells of its flows, if it does; one that was named has to be there."""
    try:
        return client.with_options(timeout=_patience(server.timeout)).discover()
    except DiscoveryError:
        if server.catalog is not None:
            raise
    except FlowTimeoutError as error:
        if error.clock == "connect":
            raise
        complain("the server does not say which flows it has; calling without types", "warning: ", "yellow")
    return None


def _patience(timeout: float | None) -> Timeout:
    """For each of two documents, so that at least half of the time is left for the flow."""
    total = DOCUMENT_TOTAL if timeout is None else min(timeout / 4, DOCUMENT_TOTAL)
    return Timeout(idle=DOCUMENT_IDLE, total=total)


def time_left(timeout: float | None, begun: float) -> Timeout:
    """For the call itself: what is left of the seconds for the whole command."""
    return Timeout(total=None if timeout is None else max(begun + timeout - monotonic(), 0.001))


def _input(flow: Flow[Any, Any, Any], given: Any | Pairs | Unset) -> Any | Unset:
    """Raises: BadArgument. InputValidationError: a field that the flow does not have."""
    if not isinstance(given, Pairs):
        return given
    found = flow.definition
    types = found.types.input if isinstance(found, FoundFlow) else None
    if types is None or not isinstance(found, FoundFlow):
        return untyped(given.texts)
    fields: dict[str, Any] = {}
    for name, value in typed(given.texts, types):
        if name in fields:
            raise BadArgument(f"{name!r} is given twice, by two of its names")
        fields[name] = value
    try:
        return input_of(found, UNSET, fields)
    except TypeError as error:
        raise BadArgument(str(error)) from None


# --- how it ended ---


def ending_of(action: Callable[[], None], failure: Callable[[FlowError], None] = lambda _: None) -> ExitCode:
    """Do it, and say how it ended: errors become a line on standard error and an exit code."""
    try:
        return _flow_ending_of(action, failure)
    except KeyboardInterrupt:
        complain("cancelled")
        return ExitCode.CTRL_C
    except BrokenPipeError:  # the network's are FlowErrors: this is standard output's
        let_go_of_stdout()
        return ExitCode.CLOSED_PIPE


def _flow_ending_of(action: Callable[[], None], failure: Callable[[FlowError], None]) -> ExitCode:
    try:
        action()
    except FlowError as error:
        complain(str(error), "error: ")
        for note in getattr(error, "__notes__", ()):
            complain(note, "hint: ", "yellow")
        failure(error)
        return exit_code_of(error)
    return ExitCode.OK
