"""Runs one flow function, in a thread of its own or as a task on the stub's loop.

In: a `Flow` and its arguments. Out: chunks and one ending on a `Tape`, and the `Run` record kept
true. HTTP, and who reads the tape, belongs elsewhere.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .flows import Flow
from .outcomes import CANCELLED, Ending, Failure, Result, RunCancelled, dump, failure_of
from .records import Board, Outcome, Run
from .streams import Tape


@dataclass(slots=True)
class Call:
    """What a flow may ask about its call, given to a parameter named `call`."""

    headers: Mapping[str, str]
    stream_id: str | None
    client_gone: threading.Event = field(default_factory=threading.Event)
    """Set when the client left (but a durable stream), on a cancel, and when the stub stops."""
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_gone(self) -> None:
        """Wait for `client_gone`, in an async flow."""
        await self._gone.wait()

    def gone(self) -> None:
        """Tell the flow. Called on the stub's loop."""
        self.client_gone.set()
        self._gone.set()


class Execution:
    """One run of one flow. Made, cancelled and read on the stub's loop."""

    def __init__(self, flow: Flow, run: Run, call: Call, board: Board, on_over: Callable[[], object]) -> None:
        """`on_over` is called, in any thread, when the function has come to its end."""
        self.run = run
        self.ended_at: float | None = None
        self.thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._flow = flow
        self._call = call
        self._board = board
        self._on_over = on_over
        self._ending = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self.tape: Tape = Tape(self._loop.call_soon if flow.is_async else self._call_soon_from_thread)

    def start(self, arguments: tuple[Any, ...]) -> None:
        if self._flow.is_async:
            self._task = self._loop.create_task(self._run_on_loop(arguments))
            return
        # A thread each, not a pool: a thousand flows may wait at once.
        name = f"flow {self._flow.name}"
        self.thread = threading.Thread(target=self._run_in_thread, args=(arguments,), name=name, daemon=True)
        self.thread.start()

    def client_left(self, at: float, *, cancels: bool) -> None:
        """The client went away at `at`; where `cancels`, the run ends with it."""
        self.run.client_left = at
        self.abandon(cancels=cancels)
        self._board.changed()

    def abandon(self, *, cancels: bool) -> None:
        """Nobody will read the rest."""
        if self.run.stream_id is not None:
            return  # durable: detached from its connection
        if cancels:
            self.cancel()
        else:
            self._call.gone()

    def cancel(self) -> None:
        """End the run now, whatever its function does."""
        # First the end: a flow that wakes up must find that `send` raises.
        self._end(CANCELLED, "cancelled")
        self._call.gone()
        if self._task is not None:
            self._task.cancel()

    def _run_in_thread(self, arguments: tuple[Any, ...]) -> None:
        helpers = self._helpers(send=self._send)
        try:
            result = Result(dump(self._flow.function(*arguments, **helpers)))
        except BaseException as error:  # noqa: BLE001 - a SystemExit must end the run, too
            self._end_with_failure(error)
        else:
            self._end(result, "finished")
        finally:
            self._on_over()

    async def _run_on_loop(self, arguments: tuple[Any, ...]) -> None:
        helpers = self._helpers(send=self._send_and_yield)
        try:
            result = Result(dump(await self._flow.function(*arguments, **helpers)))
        except asyncio.CancelledError:
            self.cancel()
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a failure frame
            self._end_with_failure(error)
        else:
            self._end(result, "finished")
        finally:
            self._on_over()

    def _helpers(self, send: object) -> dict[str, object]:
        given = {"send": send, "call": self._call}
        return {name: given[name] for name in self._flow.helpers}

    def _send(self, chunk: object) -> None:
        payload = dump(chunk)
        # Not after the ending: a flow that goes on in its thread after a cancel must add nothing.
        with self._ending:
            if self.run.outcome != "running":
                raise RunCancelled(f"the run of {self._flow.name!r} is over")
            self.run.chunks_sent += 1
            self.tape.put(payload)
        self._board.changed()

    async def _send_and_yield(self, chunk: object) -> None:
        self._send(chunk)
        await asyncio.sleep(0)  # let the chunk go out, and others live, before the next one

    def _end_with_failure(self, error: BaseException) -> None:
        self._end(failure_of(error), "failed")

    def _end(self, ending: Ending, outcome: Outcome) -> None:
        with self._ending:
            if self.run.outcome != "running":
                return
            self.run.outcome = outcome
            self.ended_at = time.monotonic()
            self.tape.finish(ending)
        self._board.changed()

    def _call_soon_from_thread(self, function: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: the stub stopped, nobody reads
            self._loop.call_soon_threadsafe(function)


def refused(failure: Failure) -> Tape:
    """The tape of a call that failed before its flow ran."""
    tape = Tape(asyncio.get_running_loop().call_soon)
    tape.finish(failure)
    return tape
