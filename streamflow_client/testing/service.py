"""What each request asks for: a flow, a resume, the Reflection API, or nothing that exists.

In: raw requests, the declared flows and the scripts. Out: answers through a `Sender`, entries on
the `Board`. Bytes of a dialect belong to `dialects` and `reflection`, sockets to `connection.py`.
"""

import asyncio
import json
import secrets
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from . import faults as f
from . import openapi
from .answering import Cut, Sender
from .dialects import Dialect, Framing, Resuming
from .flows import Flow
from .outcomes import Failure, dump
from .records import Board, Received, Run
from .reflection import KEY_PREFIX, Reflection, Traced
from .running import Call, Execution, refused
from .streams import Shelf, Tape
from .wire import Headers, RawRequest, Reply

if TYPE_CHECKING:
    from collections.abc import Generator

    from .connection import Connection

RUN_ACTION, CANCEL_ACTION, ACTIONS = "/api/runAction", "/api/cancelAction", "/api/actions"


class Scripts:
    """The faults that are due, by flow name, path, or "*"."""

    def __init__(self) -> None:
        self.queues: defaultdict[str, deque[f.Faults]] = defaultdict(deque)
        self.standing: dict[str, f.Faults] = {}

    def take(self, *keys: str) -> tuple[f.Fault, ...]:
        """The next fault for a request with these keys: a queued one first, then a standing one."""
        for key in keys:
            if self.queues[key]:
                return _as_tuple(self.queues[key].popleft())
        return next((_as_tuple(self.standing[key]) for key in keys if key in self.standing), ())


def _as_tuple(faults: f.Faults) -> tuple[f.Fault, ...]:
    if faults is None:
        return ()
    return faults if isinstance(faults, tuple) else (faults,)


@dataclass(slots=True)
class Service:
    """Answers the requests of one stub. Lives on its loop."""

    dialect: Dialect
    reflection: Reflection
    board: Board
    shelf: Shelf
    api_key: str | None = None
    keep_alive: float = 5.0
    heartbeat: float = 30.0
    flows: dict[str, Flow] = field(default_factory=dict[str, Flow])
    scripts: Scripts = field(default_factory=Scripts)
    live: dict[str, Execution] = field(default_factory=dict[str, Execution])
    """The flow functions that are still at work, by trace id."""

    async def answer(self, raw: RawRequest, line: "Connection") -> float:
        """Answer one request; returns how many seconds the connection may then be idle."""
        request = self._received(raw, line)
        self.board.requests.append(request)
        self.board.changed()
        faults = self.scripts.take(*filter(None, (request.flow, request.path)), "*")
        asked = "close" in request.headers.get("connection", "").lower()
        closing = asked or raw.old or not self.dialect.keeps_alive
        sender = Sender(line, faults, self._always(closing), self._heartbeat(request), chunks=not raw.old)
        if not await sender.canned():
            await Exchange(self, request, line, sender, raw.chunked).answer()
        idle = next((x.seconds for x in faults if isinstance(x, f.close_idle_after)), None)
        return idle if idle is not None else 0.0 if closing else self.keep_alive

    def cancel_all(self) -> list[Execution]:
        """End every run; returns them, so that their threads can be waited for."""
        executions = list(self.live.values())
        for execution in executions:
            execution.cancel()
        return executions

    def _received(self, raw: RawRequest, line: "Connection") -> Received:
        path, _, query = raw.target.partition("?")
        path = unquote(path)
        reflected = path == RUN_ACTION
        accept = raw.headers.get("accept", "")
        return Received(
            method=raw.method,
            path=path,
            query=query,
            headers=raw.headers,
            body=raw.body,
            flow=self._flow_key(_json_object(raw.body)) if reflected else self._flow_at(path),
            streaming="stream=true" in query if reflected else self.dialect.asks_for_stream(accept, query),
            connection=line.number,
            nth=line.requests,
            at=time.monotonic(),
        )

    def _flow_key(self, body: Mapping[str, Any]) -> str | None:
        name = str(body.get("key", "")).removeprefix(KEY_PREFIX)
        return name if name in self.flows else None

    def _flow_at(self, path: str) -> str | None:
        return next((flow.name for flow in self.flows.values() if flow.path == path), None)

    def _heartbeat(self, request: Received) -> float | None:
        return self.heartbeat if self.dialect.pings and request.path != RUN_ACTION else None

    def _always(self, closing: bool) -> Headers:
        if closing:
            return (("Connection", "close"),)
        if self.dialect.announces_keep_alive:
            timeout = f"timeout={int(self.keep_alive)}"
            return (("Connection", "keep-alive"), ("Keep-Alive", timeout))
        return ()


def _json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object, empty where it is something else."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


@dataclass(slots=True)
class Exchange:
    """One request and its answer."""

    service: Service
    request: Received
    line: "Connection"
    sender: Sender
    chunked: bool

    async def answer(self) -> None:
        """Find out what is asked for, and answer it."""
        request, dialect = self.request, self.service.dialect
        flows = self.service.flows.values()
        if not self._authorised():
            await self.sender.reply(dialect.denied(request.streaming))
        elif (request.method, request.path) == ("GET", openapi.PATH):
            document = dump(openapi.document(flows))
            await self.sender.reply(Reply(200, (("Content-Type", "application/json"),), document))
        elif (request.method, request.path) == ("GET", ACTIONS):
            await self.sender.reply(self.service.reflection.actions(flows))
        elif (request.method, request.path) == ("POST", CANCEL_ACTION):
            await self.sender.reply(self._cancel())
        elif (request.method, request.path) == ("POST", RUN_ACTION):
            await self._run_action()
        elif request.method == "POST" and request.flow is not None:
            await self._call(self.service.flows[request.flow])
        else:
            await self.sender.reply(dialect.unknown_path(request.method, request.path))

    def _authorised(self) -> bool:
        key, headers = self.service.api_key, self.request.headers
        if key is None:
            return True
        return headers.get("authorization") == f"Bearer {key}" or headers.get("x-api-key") == key

    # --- the callable protocol ---

    async def _call(self, flow: Flow) -> None:
        dialect, streaming = self.service.dialect, self.request.streaming
        stream_id = self.request.headers.get("x-genkit-stream-id")
        if flow.durable and streaming and stream_id is not None and dialect.resuming is not None:
            await self._resume(stream_id, dialect.resuming)
            return
        try:
            value = self._body()
        except ValueError as error:
            await self.sender.reply(dialect.malformed_body(str(error)))
            return
        if refusal := dialect.unfit_body(value, streaming):
            await self.sender.reply(refusal)
            return
        body = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        if streaming:
            await self._stream(flow, body)
        else:
            await self._plain(flow, body)

    def _body(self) -> object:
        """The body as JSON, `{}` where none is read. Raises ValueError if it is something else."""
        body, dialect = self.request.body, self.service.dialect
        if self.chunked and not dialect.reads_chunked_bodies:
            return {}
        return {} if not body and dialect.takes_empty_bodies else json.loads(body)

    async def _stream(self, flow: Flow, body: dict[str, Any]) -> None:
        dialect = self.service.dialect
        stream_id = str(uuid.uuid4()) if flow.durable and dialect.resuming else None
        run = Run(flow.name, body.get("data"), secrets.token_hex(16), stream_id)
        tape, execution = self._start(flow, run, body, "data")
        if stream_id is not None and execution is not None:
            self.service.shelf.put(stream_id, execution)
        await self._follow(tape, dialect.stream_headers(stream_id, False), dialect.framing, execution)

    async def _resume(self, stream_id: str, resuming: Resuming) -> None:
        execution = self.service.shelf.find(stream_id)
        if execution is None:
            await self.sender.reply(resuming.unknown(stream_id))
            return
        headers = self.service.dialect.stream_headers(stream_id, True)
        await self._follow(execution.tape, headers, resuming.framing, execution)

    async def _plain(self, flow: Flow, body: dict[str, Any]) -> None:
        run = Run(flow.name, body.get("data"), secrets.token_hex(16))
        tape, execution = self._start(flow, run, body, "data")
        dialect = self.service.dialect
        with self._watched(execution):
            ending = await tape.ended()
            if isinstance(ending, Failure):
                await self.sender.reply(dialect.failure(ending))
                return
            payload = self.sender.spoiled(
                ending.payload, lambda payload: dialect.result(payload, run.trace_id).body
            )
            await self.sender.reply(dialect.result(payload, run.trace_id))

    # --- the Reflection API ---

    async def _run_action(self) -> None:
        body, reflection = _json_object(self.request.body), self.service.reflection
        if self.request.flow is None:
            await self.sender.reply(reflection.unknown_action(str(body.get("key"))))
            return
        flow, streaming = self.service.flows[self.request.flow], self.request.streaming
        run = Run(flow.name, body.get("input"), secrets.token_hex(16))
        traced = Traced(flow.name, run.trace_id, secrets.token_hex(8))
        tape, execution = self._start(flow, run, body, "input")
        framing = reflection.framing(traced, streaming)
        await self._follow(tape, reflection.head(traced, streaming), framing, execution)

    def _cancel(self) -> Reply:
        trace_id = _json_object(self.request.body).get("traceId")
        execution = self.service.live.get(str(trace_id))
        if execution is None or execution.run.outcome != "running":
            return self.service.reflection.not_cancelled(bool(trace_id))
        execution.cancel()
        return self.service.reflection.cancelled

    # --- runs ---

    def _start(
        self, flow: Flow, run: Run, body: Mapping[str, Any], key: str
    ) -> tuple[Tape, Execution | None]:
        """Start the flow, unless its input is not what it takes."""
        arguments = flow.arguments(body, key)
        if isinstance(arguments, Failure):
            return refused(arguments), None
        board, live = self.service.board, self.service.live
        call = Call(self.request.headers, run.stream_id)
        execution = Execution(flow, run, call, board, lambda: live.pop(run.trace_id, None))
        live[run.trace_id] = execution
        board.runs.append(run)
        execution.start(arguments)
        board.changed()
        return execution.tape, execution

    async def _follow(
        self, tape: Tape, headers: Headers, framing: Framing, execution: Execution | None
    ) -> None:
        with self._watched(execution), self._counted():
            await self.sender.stream(headers, tape, framing)

    @contextmanager
    def _counted(self) -> "Generator[None]":
        board, streaming = self.service.board, self.request.streaming
        if streaming:
            board.stream_opened()
        try:
            yield
        finally:
            if streaming:
                board.stream_closed()

    @contextmanager
    def _watched(self, execution: Execution | None) -> "Generator[None]":
        """Tell the run when nobody reads it any more."""
        cancels = self.service.dialect.cancels_when_client_leaves
        try:
            yield
        except asyncio.CancelledError:
            if execution is not None and self.line.client_left_at is not None:
                execution.client_left(self.line.client_left_at, cancels=cancels)
            raise
        except Cut:
            if execution is not None:
                execution.abandon(cancels=cancels)
            raise
