"""The stub server as tests see it: a real port, a thread, and everything to ask and to tell it.

In: declared flows, options, scripts. Out: a listening server, and records of what it saw.
Requests belong to `service.py`, threads and sockets to `listener.py`.
"""

import inspect
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from ..text import shown
from .dialects import DIALECTS, DialectName
from .faults import Faults
from .flows import declare
from .listener import Listener
from .records import Board, Connections, Received, Run
from .reflection import REFLECTIONS
from .service import Service
from .streams import Shelf

_CERTS = Path(__file__).parent / "certs"
_F = TypeVar("_F", bound=Callable[..., Any])


class StubServer:
    """A flow server on a real port, for tests: flows of your own, faults on demand, and records.

    Use it as a context manager, or call `start` and `stop`. Methods may be called from any thread.
    """

    def __init__(
        self,
        dialect: DialectName = "express",
        *,
        tls: bool = False,
        api_key: str | None = None,
        stream_ttl: float = 30.0,
        keep_alive: float = 5.0,
        heartbeat: float = 30.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """`stream_ttl`, `keep_alive` and `heartbeat` are seconds: how long an ended durable stream may be
        resumed, how long an idle connection is kept, and how long a stream of Firebase is silent before
        it pings. Port 0 takes a free one at every start.
        """
        if dialect not in DIALECTS:
            raise ValueError(f"the stub has the dialects {', '.join(DIALECTS)}, not {dialect!r}")
        self._board = Board()
        self._service = Service(
            DIALECTS[dialect],
            REFLECTIONS[dialect],
            self._board,
            Shelf(stream_ttl),
            api_key,
            keep_alive,
            heartbeat,
        )
        self._tls = tls
        self._address = (host, port)
        self._listener: Listener | None = None

    # --- flows ---

    @overload
    def flow(self, function: _F, /) -> _F: ...
    @overload
    def flow(
        self,
        name: str | None = None,
        /,
        *,
        durable: bool = False,
        description: str = "",
        path: str | None = None,
    ) -> Callable[[_F], _F]: ...
    def flow(
        self,
        name: Any = None,
        /,
        *,
        durable: bool = False,
        description: str = "",
        path: str | None = None,
    ) -> Any:
        """Declare a flow: a sync or async function of one input, and, if wanted, `send` and `call`.

        Served at `path`, by default `/{name}`; the name is by default the function's. A `durable`
        flow's streams can be resumed. A sync function runs in a thread of its own, an async one on
        the stub's loop.
        """
        # Models may be local to the test that declares the flow.
        frame = inspect.currentframe()
        namespace = frame.f_back.f_locals if frame and frame.f_back else {}

        def add(function: _F) -> _F:
            flow = declare(
                function,
                name=None if callable(name) else name,
                path=path,
                durable=durable,
                description=description,
                namespace=namespace,
            )
            self._service.flows[flow.name] = flow
            return function

        return add(name) if callable(name) else add

    # --- serving ---

    def start(self) -> Self:
        """Listen. Raises OSError if the port is taken, RuntimeError if it runs already."""
        if self._listener is not None:
            raise RuntimeError("the stub runs already")
        listener = Listener(self._service, *self._address, self._server_ssl_context())
        listener.start()
        self._listener = listener
        return self

    def stop(self) -> None:
        """Cut every connection, end every run, close the port. Does nothing if it does not run."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def __repr__(self) -> str:
        where = "not running" if self._listener is None else self.url
        return f"<StubServer {where}: {shown(', '.join(self._service.flows)) or 'no flows'}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._running().address[1]

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        if self._tls:
            return f"https://localhost:{self.port}"
        host = self._running().address[0]
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The bundled CA certificate that signed the one served with `tls=True`."""
        return _CERTS / "ca.pem"

    def client_ssl_context(self) -> ssl.SSLContext:
        """A new context that trusts the bundled CA only."""
        return ssl.create_default_context(cafile=self.ca_file)

    def _server_ssl_context(self) -> ssl.SSLContext | None:
        if not self._tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_CERTS / "server.pem", _CERTS / "server.key")
        return context

    def _running(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("the stub does not run: use it as a context manager, or call start()")
        return self._listener

    # --- faults ---

    def script(self, key: str, *faults: Faults) -> None:
        """Queue one fault for each coming request, None to behave. An empty queue behaves.

        `key` is a flow's name (calls, resumes and Reflection runs count), a path with its slash,
        or "*" for any request. The most telling queue is served first.
        """
        self._service.scripts.queues[key].extend(faults)

    def always(self, key: str, fault: Faults) -> None:
        """This fault for every request that no queue serves; None to behave again. `key` as in
        `script`."""
        self._service.scripts.standing[key] = fault

    @contextmanager
    def refusing(self) -> Generator[None]:
        """Refuse new connections meanwhile; open ones live on, the port stays the same."""
        listener = self._running()
        listener.set_refusing(True)
        try:
            yield
        finally:
            listener.set_refusing(False)

    @contextmanager
    def tls_stall(self) -> Generator[None]:
        """Take new connections meanwhile, but never answer on them, not even a TLS handshake."""
        listener = self._running()
        listener.set_deaf(True)
        try:
            yield
        finally:
            listener.set_deaf(False)

    def expire_streams(self) -> None:
        """Forget every durable stream. Responses in course go on."""
        self._service.shelf.clear()

    # --- records ---

    @property
    def requests(self) -> list[Received]:
        """Every request, in order of arrival."""
        return self._board.requests

    @property
    def runs(self) -> list[Run]:
        """Every run of a flow function, in order of its start."""
        return self._board.runs

    def run_count(self, flow: str) -> int:
        """How often this flow's function was started."""
        return sum(run.flow == flow for run in self._board.runs)

    @property
    def connections(self) -> Connections:
        """Numbers of connections, kept up to date."""
        return self._board.connections

    @property
    def open_streams(self) -> int:
        """Streaming responses in course."""
        return self._board.open_streams

    @property
    def most_open_streams(self) -> int:
        """The most streaming responses that were in course at once."""
        return self._board.most_open_streams

    def wait_until(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        """Block until `condition()` is true; AssertionError with the stub's state after `timeout`
        seconds.

        It is looked at after every event the stub records, and now and then in between.
        """
        self._board.wait_until(condition, timeout)
