"""nginx and haproxy as the tests run them: real processes, with configurations of their own.

In: rules in the proxy's own language, the port of the server behind it. Out: a proxy that listens, is
reloaded, killed and started again on the same addresses; all it writes lies in a temporary folder. What a
client sees of it belongs to the tests. The programs come from `tests/install_proxies.sh`, by `make faults`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Protocol, Self

import trustme

PROGRAMS = Path(os.environ.get("STREAMFLOW_PROXIES") or Path(__file__).parent.parent / ".proxies").absolute()
PATIENCE = 10.0  # seconds until something is taken for never
TLS_PROTOCOLS = "h2,http/1.1"


class Certificates:
    """A CA made for this test run, and a certificate for `localhost` that it signed.

    Attributes:
        pem: a file with the key and the certificate.
    """

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.pem = folder / "localhost.pem"
        self._ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(self.pem)

    def trusting(self) -> ssl.SSLContext:
        """A new context that trusts this CA only."""
        context = ssl.create_default_context(cadata="")
        self._ca.configure_trust(context)
        return context


class Address:
    """A port of 127.0.0.1 that stays ours: bound, but never listening, so that it refuses where nobody else
    listens on it."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        # Whoever listens sets this too, and may then share the port.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def is_open(self) -> bool:
        """Whether somebody listens."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def close(self) -> None:
        self._socket.close()


class Process:
    """A proxy's processes, the newest and those that it replaced, in one folder.

    Attributes:
        folder: its own, short enough to hold a Unix socket, and removed at the end.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="streamflow-"))
        stack.callback(shutil.rmtree, self.folder)
        self._log: IO[bytes] = stack.enter_context((self.folder / "log").open("wb"))
        self._started: list[subprocess.Popen[bytes]] = []
        stack.callback(self.end)

    @property
    def id(self) -> int:
        return self._started[-1].pid

    @property
    def replaced(self) -> subprocess.Popen[bytes]:
        """The one before the newest."""
        return self._started[-2]

    def log(self) -> str:
        """All that it wrote."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def start(self, program: str, *arguments: str, until: Callable[[], bool]) -> None:
        """Raises AssertionError where it is not installed, or does not come up."""
        path = PROGRAMS / "bin" / program
        assert path.exists(), f"{path} is missing; run: bash tests/install_proxies.sh {PROGRAMS}"
        process = subprocess.Popen(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # a group of its own: a kill is to reach nginx's workers too
        )
        self._started.append(process)
        self.wait_until(until, process)

    def wait_until(
        self, condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None
    ) -> None:
        """Raises AssertionError with the log where it is never so, or the process has ended before."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert process is None or process.poll() is None, f"it ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"not so after {PATIENCE} s:\n{self.log()}"
            time.sleep(0.005)  # between two looks

    def signal(self, number: signal.Signals) -> None:
        """To the newest process alone."""
        self._started[-1].send_signal(number)

    def kill(self) -> None:
        """As a machine dies: every process at once, without a word."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(PATIENCE)

    def end(self) -> None:
        """As an operator ends it, then by force."""
        for process in self._started:
            process.terminate()
        with suppress(subprocess.TimeoutExpired):
            for process in self._started:
                process.wait(PATIENCE)
        self.kill()


NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr info;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http_rules}
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl http2;
        listen unix:{folder}/socket;
        ssl_certificate {pem};
        ssl_certificate_key {pem};
        add_header X-Connection $connection always;
        add_header X-Worker $pid always;
        {rules}
    }}
}}
"""


class Listening(Protocol):
    """A proxy that listens while it is a context manager."""

    _stack: ExitStack

    def start(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *why: object) -> None:
        self._stack.close()


class Nginx(Listening):
    """One nginx with one worker. It listens while it is a context manager.

    Attributes:
        url, tls_url: its addresses; the second speaks HTTP/1.1 and HTTP/2.
        socket: a Unix socket on which it listens too.
        process: its log, its signals.
    """

    def __init__(self, rules: str, certificates: Certificates, *, http_rules: str = "") -> None:
        """`rules` stand in a `server` block, `http_rules` in the `http` block."""
        self._stack = ExitStack()
        self._plain, self._tls = Address(), Address()
        self._stack.callback(self._plain.close)
        self._stack.callback(self._tls.close)
        self.process = Process(self._stack)
        self.url = f"http://127.0.0.1:{self._plain.port}"
        self.tls_url = f"https://localhost:{self._tls.port}"
        self.socket = self.process.folder / "socket"
        text = NGINX.format(
            user="user root root;" if os.geteuid() == 0 else "",  # else workers can't enter the folder
            folder=self.process.folder,
            pem=certificates.pem,
            plain=self._plain.port,
            tls=self._tls.port,
            rules=rules,
            http_rules=http_rules,
        )
        (self.process.folder / "nginx.conf").write_text(text)

    @property
    def tls_port(self) -> int:
        return self._tls.port

    def start(self) -> None:
        """Also after a kill, on the same addresses."""
        self.socket.unlink(missing_ok=True)
        folder = str(self.process.folder)
        arguments = ("-e", "stderr", "-p", folder, "-c", f"{folder}/nginx.conf")
        self.process.start("nginx", *arguments, until=self._tls.is_open)

    def reload(self) -> None:
        """Returns when a new worker serves, and the old one only finishes what it has."""
        known = len(self.process.log())
        self.process.signal(signal.SIGHUP)
        self.process.wait_until(lambda: "gracefully shutting down" in self.process.log()[known:])

    def quit(self) -> None:
        """Gracefully: returns when no new connection is taken, though streams may go on."""
        self.process.signal(signal.SIGQUIT)
        self.process.wait_until(lambda: not self._plain.is_open())

    def terminate(self) -> None:
        """At once, in its own order: SIGTERM."""
        self.process.end()


HAPROXY = """
defaults
    mode http
    retries 0
    timeout connect 5s
    timeout client 1m
    timeout server 1m
"""
LISTEN = """
listen {name}
    bind 127.0.0.1:{plain}
    bind 127.0.0.1:{tls} ssl crt {pem} alpn {protocols}
    server flows 127.0.0.1:{server}
    {rules}
"""


class Haproxy(Listening):
    """One haproxy with several proxies, each with rules of its own. It listens while it is a context manager.

    Attributes:
        process: its log, its signals.
    """

    def __init__(self, server: int, proxies: Mapping[str, str], certificates: Certificates) -> None:
        """`proxies` are the rules of each `listen` block, by its name."""
        self._stack = ExitStack()
        self._places = {name: (Address(), Address()) for name in proxies}
        for place in self._places.values():
            for address in place:
                self._stack.callback(address.close)
        self.process = Process(self._stack)
        blocks = [
            LISTEN.format(
                name=name,
                plain=self._places[name][0].port,
                tls=self._places[name][1].port,
                pem=certificates.pem,
                protocols=TLS_PROTOCOLS,
                server=server,
                rules=rules,
            )
            for name, rules in proxies.items()
        ]
        self._configuration = self.process.folder / "haproxy.cfg"
        self._configuration.write_text(HAPROXY + "".join(blocks))

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._places[name][0].port}"

    def tls_url(self, name: str) -> str:
        return f"https://localhost:{self._places[name][1].port}"

    def start(self, *arguments: str) -> None:
        """Also after a kill, on the same addresses."""
        self.process.start("haproxy", "-db", "-f", str(self._configuration), *arguments, until=self._is_open)

    def reload(self) -> None:
        """A new process takes over; the old one only finishes what it has."""
        known = len(self.process.log())
        self.start("-sf", str(self.process.id))
        self.process.wait_until(
            lambda: all(f"Proxy {name} stopped" in self.process.log()[known:] for name in self._places)
        )

    def terminate(self) -> None:
        """At once, in its own order: SIGTERM."""
        self.process.end()

    def _is_open(self) -> bool:
        return all(address.is_open() for place in self._places.values() for address in place)
