"""`streamflow-client run`: one flow, streamed to the terminal.

In: a `RunCall` and a printer. Out: its chunks and result printed, errors told, an exit code. What the
words of the shell mean, and how a value looks, is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import FlowError
from ..options import Timeout
from ..sync import Client, Flow
from .arguments import BadArgument, RunCall
from .exits import ExitCode, exit_code_of
from .output import Printer, complain, let_go_of_stdout, warnings_told


def run_flow(call: RunCall, printer: Printer) -> None:
    """Call the flow and print what comes.

    Raises:
        BadArgument: the call makes no sense; nothing was sent.
        FlowError: how the call ended, if not well.
    """
    with open_client(call) as client, warnings_told():
        flow = open_flow(client, call)
        if call.unary:
            printer.result(flow(call.input))
            return
        with flow.stream(call.input) as stream:
            for chunk in stream:
                printer.chunk(chunk)
            printer.result(stream.result())


def open_client(call: RunCall) -> Client:
    """Raises: BadArgument."""
    try:
        return Client(
            call.url,
            headers=call.headers,
            auth=call.token,
            timeout=Timeout(total=call.timeout),
            protocol=call.protocol,
        )
    except ValueError as error:
        raise BadArgument(str(error)) from None


def open_flow(client: Client, call: RunCall) -> Flow[Any, Any, Any]:
    """Raises: BadArgument."""
    try:
        return client.flow(call.flow)
    except ValueError as error:
        raise BadArgument(str(error)) from None


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
        failure(error)
        return exit_code_of(error)
    return ExitCode.OK
