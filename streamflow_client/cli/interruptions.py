"""Ctrl-C and SIGTERM while a stream is printed.

In: signals. Out: a stream that is cancelled, and KeyboardInterrupt between two chunks, never in the middle of
one, so that what was printed can be told to the chunk. What is then done about it does not belong here.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread, current_thread, main_thread
from types import FrameType
from typing import Any

from ..errors import FlowCancelledError
from ..sync_stream import FlowStream


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


class Interruptions:
    """What SIGINT and SIGTERM do once they are taken; where they are ignored, they stay so.

    Without a stream that answers they raise KeyboardInterrupt. With one, the first of them cancels it and
    leaves the rest to `check`; a second one raises, for whoever reads the output may have stopped, so that
    printing would never end.
    """

    def __init__(self) -> None:
        self._stream: FlowStream[Any, Any] | None = None
        self._first: KeyboardInterrupt | None = None

    @contextmanager
    def taken(self) -> Generator[None]:
        """Only the main thread can; in another one nothing changes."""
        if current_thread() is not main_thread():
            yield
            return
        before = [(number, signal.signal(number, self._arrived)) for number in _able()]
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        watcher = Thread(target=self._watch, args=(ours,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before:
                signal.signal(number, handler)
            theirs.close()
            watcher.join()
            ours.close()

    @contextmanager
    def cancelling(self, stream: FlowStream[Any, Any]) -> Generator[None]:
        """Meanwhile they cancel this stream, which tells its server where that can be told."""
        self._stream = stream
        try:
            yield
        except FlowCancelledError:
            self.check()
            raise
        finally:
            self._stream = None

    def check(self) -> None:
        """Raises: KeyboardInterrupt: a signal has come, and the stream is cancelled."""
        if self._first is not None:
            if self._stream is not None:
                self._stream.cancel()  # in case the watch has not yet come to it
            raise self._first

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        told = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        stream = self._stream
        if stream is None or self._first is not None:
            raise told
        self._first = told

    def _watch(self, signals: socket.socket) -> None:
        """Cancel the stream for a signal that arrives: not in its handler, for two reasons.

        The handler may have broken into the work of the stream. And it does not run while the main thread
        waits for the network, if the signal came just before that wait began (see `signal.set_wakeup_fd`).
        """
        while numbers := signals.recv(16):
            stream = self._stream
            if stream is not None and not _STOPS.isdisjoint(numbers):
                stream.cancel()


_STOPS = frozenset({signal.SIGINT, signal.SIGTERM})


def _able() -> Generator[signal.Signals]:
    for number in sorted(_STOPS):
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            yield number
