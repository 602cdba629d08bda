"""Genkit's development servers on this machine, as their runtime files tell.

In: a folder; what each server answers to "are you there?". Out: `DevServer` records, and the one that is
meant. Out of place here: asking, which the two clients do, and what flows a server has.

A server in development mode writes `.genkit/runtimes/*.json` into its project's folder. It leaves the file
behind when it is killed, and another server may take its port: so a file is a claim to be checked. A
stranger may have written it, too: what names another machine is refused, and nothing is resolved.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from heapq import nlargest
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import islice
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from . import calls
from .discovery import ACTIONS, Folder
from .errors import DiscoveryError, FlowConnectionError, FlowError, FlowTimeoutError
from .jsonvalues import is_object, read_json
from .options import DEFAULT_MAX_EVENT_BYTES, DEFAULT_MAX_RESPONSE_BYTES, Retry, Timeout
from .text import one_line, shown, without_secrets

Answer = bytes | FlowError | None

RUNTIMES = Path(".genkit", "runtimes")
HEALTH = "/api/__health"

MOST_ENTRIES = 10_000  # of the folder that are looked at
MOST_FILES = 100  # of these that are read, the newest
FILE_LIMIT = 64 * 1024  # bytes; Genkit writes some 250
ANSWER_LIMIT = 1024  # bytes; Genkit answers with 15 at most
TOLD = 5  # files that an error tells of

LOOPBACK = "http://127.0.0.1"
CHECK = Timeout(connect=1, idle=2)  # what one check may take
SEARCH_SECONDS = 5.0  # and all of them


@dataclass(frozen=True, slots=True)
class DevServer:
    """A development server as its runtime file tells of it.

    Attributes:
        url: of its reflection API, without a slash at its end.
        id: what it answers to, where it looks at that at all.
        name: of the app; Genkit for Go and for Python never tell it.
        timestamp: when it began, in whatever form it wrote that.
    """

    url: str
    id: str
    name: str | None
    pid: int | None
    genkit_version: str | None
    timestamp: str | None
    file: Path

    @property
    def catalog(self) -> str:
        """Where it tells its flows."""
        return self.url + ACTIONS

    @property
    def port(self) -> str:
        return self.url.rsplit(":", 1)[1]

    @property
    def bases(self) -> list[str]:
        """Where to look for it: addresses, never a name that has to be resolved."""
        place, port = self.url.rsplit(":", 1)
        pinned = [LOOPBACK, "http://[::1]"] if place == "http://localhost" else [place]
        return [f"{each}:{port}" for each in pinned]

    @property
    def ids(self) -> list[str]:
        """What it may answer to: GENKIT_RUNTIME_ID changes what it writes, not what it wants."""
        own = [] if self.pid is None else [f"{self.pid}-{self.port}"]
        return list(dict.fromkeys([self.id, *own]))

    def __str__(self) -> str:
        own_id = f"id {self.id!r}" if self.name else None  # two runs of one app have one name
        pid = None if self.pid is None else f"pid {self.pid}"
        told = (own_id, pid, self.genkit_version, self.file.name)
        known_as = shown(repr(self.name or self.id), 50)
        return f"{known_as} at {self.url} ({', '.join(shown(each, 100) for each in told if each)})"


@dataclass(frozen=True, slots=True)
class Runtimes:
    """What the runtime files of a folder say, the newest first.

    Attributes:
        folder: the one that holds them.
        refused: files that are not believed, and why.
        more: how many older files were not read.
    """

    folder: Path
    servers: list[DevServer]
    refused: list[str]
    more: int


@dataclass(slots=True)
class Survey:
    """Who of them is there.

    Attributes:
        running: those that answered, at the address where they did.
        silent: those that did not answer in time, as a server at a breakpoint does not.
        stale: files whose server is gone, and how that shows.
    """

    running: list[DevServer] = field(default_factory=list[DevServer])
    silent: list[DevServer] = field(default_factory=list[DevServer])
    stale: list[str] = field(default_factory=list[str])


def settings_for_asking() -> calls.Settings:
    """For the question whether a server is there."""
    return _settings(LOOPBACK, CHECK, None, ANSWER_LIMIT, ANSWER_LIMIT)


def settings_for(server: DevServer) -> calls.Settings:
    """For calling its flows."""
    return _settings(server.url, Timeout(), Retry(), DEFAULT_MAX_EVENT_BYTES, DEFAULT_MAX_RESPONSE_BYTES)


def _settings(
    url: str, timeout: Timeout, retry: Retry | None, max_event_bytes: int, max_response_bytes: int
) -> calls.Settings:
    return calls.make_settings(
        url,
        protocol="reflection",
        timeout=timeout,
        retry=retry,
        strict=False,
        max_event_bytes=max_event_bytes,
        max_response_bytes=max_response_bytes,
        headers=None,
        auth=None,
    )


def find_server(folder: Folder | None, app: str | None) -> Generator[str, Answer, DevServer]:
    """Yields addresses; is sent what each answers, or the error of asking. Returns the server.

    Args:
        folder: where to begin, by default the current one.
        app: the name or id of the one that is meant.

    Raises:
        DiscoveryError: none runs, or several do; the message tells each.
    """
    runtimes = read_runtimes(folder)
    survey = yield from surveyed(runtimes, app)
    return _chosen(runtimes, survey, app)


# --- the files ------------------------------------------------------------------------------------------


def read_runtimes(folder: Folder | None) -> Runtimes:
    """The files of the nearest folder, from `folder` upwards, that has some.

    Raises:
        DiscoveryError: there is none, or it cannot be read.
    """
    try:
        begin = Path.cwd() if folder is None else Path(folder).resolve(strict=True)
        found = next((each for each in (begin, *begin.parents) if (each / RUNTIMES).is_dir()), None)
        if found is None:
            where = f"neither {one_line(str(begin))} nor a folder above it has {RUNTIMES.as_posix()}"
            raise _none_runs(where)
        names, more = _newest(found / RUNTIMES)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle; ValueError: a NUL
        where = "the current folder" if folder is None else one_line(str(folder))
        why = getattr(error, "strerror", None) or error
        raise DiscoveryError(f"dev servers cannot be looked for in {where}: {why}") from None
    runtimes = Runtimes(found / RUNTIMES, [], [], more)
    for name in names:
        try:
            runtimes.servers.append(_read_server(runtimes.folder / name))
        except FileNotFoundError:  # its server has just ended
            continue
        except (_Refused, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            runtimes.refused.append(f"{shown(name, 100)}: refused, {why}")
    return runtimes


class _Refused(Exception):
    """A file is not believed; the message says why."""


def _newest(folder: Path) -> tuple[list[str], int]:
    """Names of files, the newest first; and how many are left out."""
    found: list[tuple[int, str]] = []
    with os.scandir(folder) as entries:
        for entry in islice(entries, MOST_ENTRIES):
            if entry.name.endswith(".json"):
                with suppress(FileNotFoundError):  # its server has just ended
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name))
    newest = nlargest(MOST_FILES, found)
    return [name for _, name in newest], len(found) - len(newest)


def _read_server(file: Path) -> DevServer:
    """Raises: _Refused, OSError."""
    try:
        value = read_json(_contents(file))
    except ValueError as error:
        raise _Refused(f"it is not JSON ({shown(str(error), 100)})") from None
    if not is_object(value):
        raise _Refused("it holds no object")
    runtime_id = value.get("id")
    if not isinstance(runtime_id, str) or not runtime_id:
        raise _Refused("it has no id")
    pid = value.get("pid")
    return DevServer(
        _loopback_url(value.get("reflectionServerUrl")),
        runtime_id,
        name=_text(value.get("name")),
        pid=pid if isinstance(pid, int) and not isinstance(pid, bool) and 0 < pid < 2**32 else None,
        genkit_version=_text(value.get("genkitVersion")),
        timestamp=_text(value.get("timestamp")),
        file=file,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


# Neither opening a pipe nor a link that was put there meanwhile may lead astray. Windows has neither flag.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY"))


def _contents(file: Path) -> bytes:
    """Raises: _Refused, OSError."""
    if file.is_symlink():
        raise _Refused("it is a symbolic link")
    descriptor = os.open(file, _FLAGS)
    try:
        _check_kind(os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            data = opened.read(FILE_LIMIT + 1)
    finally:
        os.close(descriptor)
    if len(data) > FILE_LIMIT:
        raise _Refused(f"it is larger than {FILE_LIMIT // 1024} KiB")
    return data


def _check_kind(status: os.stat_result) -> None:
    """Above a folder such as /tmp anyone may write. Raises: _Refused."""
    if not stat.S_ISREG(status.st_mode):
        raise _Refused("it is no plain file")
    if hasattr(os, "geteuid") and status.st_uid not in (0, os.geteuid()):
        raise _Refused("it belongs to another user")


_URL = re.compile(r"http://(localhost|[0-9.]+|\[[0-9a-fA-F:.]+\]):([1-9][0-9]{0,4})/?")
_IPV6_LOOPBACK = IPv6Address(1)


def _loopback_url(url: Any) -> str:
    """Raises: _Refused."""
    if not isinstance(url, str):
        raise _Refused("it names no URL")
    match = _URL.fullmatch(url)
    host = match and _loopback(match[1])
    if not match or host is None or int(match[2]) > 65535:
        _, at, rest = url.rpartition("@")
        told = shown(repr(without_secrets("***@" + rest if at else url)[:1000]))
        raise _Refused(f"it names {told}, which is not http://, loopback and a port")
    return f"http://{host}:{match[2]}"


def _loopback(host: str) -> str | None:
    """The host as it is written best, if it is no other machine. An IPv4 address within IPv6 is none."""
    if host == "localhost":
        return host
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return str(address) if address.is_loopback and not host.startswith("[") else None
    return f"[{address}]" if address == _IPV6_LOOPBACK else None


# --- the servers ----------------------------------------------------------------------------------------

_State = Literal["running", "silent", "stale"]


def surveyed(runtimes: Runtimes, app: str | None = None) -> Generator[str, Answer, Survey]:
    """Ask each, as Genkit's own tools do: by its id, which another server on its port does not have.

    Yields addresses; is sent what each answers, or the error of asking.
    """
    survey = Survey()
    for server in _meant_first(runtimes.servers, app):
        taken = {each.url for each in (*survey.running, *survey.silent)}
        if not taken.isdisjoint(server.bases):  # Python's servers answer to any id
            survey.stale.append(f"{shown(server.file.name, 100)}: a newer file names its port, too")
            continue
        state, base, why = yield from _asked(server)
        if state == "running":
            survey.running.append(replace(server, url=base))
        elif state == "silent":
            survey.silent.append(replace(server, url=base))
        else:
            survey.stale.append(f"{shown(server.file.name, 100)}: {why}")
    return survey


def _meant_first(servers: list[DevServer], app: str | None) -> list[DevServer]:
    """Silent ones may use up the time for all. Of one port the newest file stays the first."""
    ports = {each.port for each in servers if app is not None and app in (each.name, each.id)}
    return sorted(servers, key=lambda each: each.port not in ports)


def _asked(server: DevServer) -> Generator[str, Answer, tuple[_State, str, str]]:
    """How it is, where, and why so."""
    state: _State = "stale"
    silent_at, why = "", f"nothing listens at {server.url}"
    for base in server.bases:
        for runtime_id in server.ids:
            answer = yield f"{base}{HEALTH}?id={quote(runtime_id, safe='')}"
            if isinstance(answer, bytes):  # `OK`, nothing, or an object; of a page, an error
                return "running", base, ""
            if isinstance(answer, FlowTimeoutError):
                state, silent_at = "silent", silent_at or base
                break
            if isinstance(answer, FlowConnectionError):
                break
            why = f"another server has its port, {base}"
    return state, silent_at, why


def _chosen(runtimes: Runtimes, survey: Survey, app: str | None) -> DevServer:
    """Raises: DiscoveryError."""
    running = [each for each in survey.running if app is None or app in (each.name, each.id)]
    silent = [each for each in survey.silent if app is None or app in (each.name, each.id)]
    if len(running) == 1 and not silent:
        return running[0]
    where = one_line(str(runtimes.folder))
    told = [*map(str, running), *(f"{each} does not answer in time" for each in silent)]
    if running:
        advice = "choose one by its name or id, app=…, or give its URL"
        raise DiscoveryError(f"several Genkit dev servers run ({where}: {_some(told)}): {advice}")
    if app is not None:
        told += [f"{each} runs" for each in survey.running]
    told += [*survey.stale, *runtimes.refused]
    more = f"; {runtimes.more} older files were not read" if runtimes.more else ""
    raise _none_runs(f"{where}: {_some(told) if told else 'no files'}{more}", app)


def _some(told: list[str]) -> str:
    more = [f"and {len(told) - TOLD} more"] if len(told) > TOLD else []
    return "; ".join(told[:TOLD] + more)


def _none_runs(where: str, app: str | None = None) -> DiscoveryError:
    what = "no Genkit dev server runs" + ("" if app is None else f" as {shown(repr(app), 50)}")
    how = "start it with `genkit start -- …`, or with GENKIT_ENV=dev, or give its URL"
    return DiscoveryError(f"{what} ({where}): {how}")
