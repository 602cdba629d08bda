"""The flows on FastAPI alone, without Genkit: endpoints that yield events.

In: `PORT`. Out: flows at `POST /NAME`, described by `/openapi.json`; what became of runs at `GET /runs/ID`.

A flow is an endpoint that yields its chunks and then its output, each in an envelope. FastAPI always streams
such an endpoint, so that each has a second route for callers who do not ask for a stream.
"""

import asyncio
import inspect
from collections.abc import AsyncIterable, Callable
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import models
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.sse import EventSourceResponse
from listening import serve
from models import Boom, Crash, Item, Menu, Node, OddWithoutDate, Order, Size, Slow
from pydantic import BaseModel
from runs import known, noted
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import Scope

HTTP_STATUS = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}


Data = TypeVar("Data")
Chunk = TypeVar("Chunk")
Output = TypeVar("Output")


class Call(BaseModel, Generic[Data]):
    data: Data


class EmptyCall(BaseModel):
    data: None = None


class Message(BaseModel, Generic[Chunk]):
    message: Chunk


class Result(BaseModel, Generic[Output]):
    result: Output


class Reason(BaseModel):
    status: str
    message: str
    details: Any = None


class Failure(BaseModel):
    error: Reason


class Odd(OddWithoutDate):
    when: datetime


class FlowError(Exception):
    """A failure that callers may read."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self.reason = reason


class Streamed(APIRoute):
    """For callers who ask for a stream; the others find the next route."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if "text/event-stream" not in Headers(scope=scope).get("accept", ""):
            return Match.NONE, {}
        return super().matches(scope)


streams = APIRouter(route_class=Streamed)
answers = APIRouter(include_in_schema=False)

Endpoint = Callable[..., AsyncIterable[Any]]


def flow(endpoint: Endpoint) -> Endpoint:
    """Serve an endpoint that yields envelopes: as a stream, and as the output alone."""

    async def stream(**given: Any) -> AsyncIterable[Any]:
        try:
            async for envelope in endpoint(**given):
                yield envelope
        except FlowError as error:
            yield Failure(error=error.reason)

    async def answer(**given: Any) -> Any:
        envelope = None
        async for envelope in endpoint(**given):  # noqa: B007 - the last one is the output
            pass
        return envelope

    signature = inspect.signature(endpoint)
    vars(stream)["__signature__"] = signature
    vars(answer)["__signature__"] = signature.replace(return_annotation=Any)
    stream.__name__, stream.__doc__ = endpoint.__name__, endpoint.__doc__
    path = f"/{endpoint.__name__}"
    streams.post(path, response_class=EventSourceResponse)(stream)
    answers.post(path)(answer)
    return endpoint


@flow
async def menu(call: Call[Order]) -> AsyncIterable[Message[Item] | Result[Menu] | Failure]:
    """Dishes of a theme."""
    order = call.data
    with noted(order.run) as run:
        for index in range(order.count):
            yield Message(message=models.item(order.theme, index))
            run.sent += 1
    yield Result(result=models.menu(order.theme, order.count))


@flow
async def echo(call: Call[str]) -> AsyncIterable[Result[str] | Failure]:
    """The text itself."""
    yield Result(result=call.data)


@flow
async def void(call: EmptyCall) -> AsyncIterable[Message[None] | Result[None] | Failure]:
    """Nothing at all, and two chunks of it."""
    yield Message(message=None)
    yield Message(message=None)
    yield Result(result=None)


@flow
async def boom(call: Call[Boom]) -> AsyncIterable[Message[int] | Result[None] | Failure]:
    """A failure that callers may read."""
    for index in range(call.data.n):
        yield Message(message=index)
    details = {"n": call.data.n, "why": "asked for"}
    raise FlowError(Reason(status=call.data.status, message=f"boom after {call.data.n}", details=details))


@flow
async def crash(call: Call[Crash]) -> AsyncIterable[Message[int] | Result[None] | Failure]:
    """A failure that callers may not read."""
    for index in range(call.data.n):
        yield Message(message=index)
    raise RuntimeError("secret-of-the-server")


@flow
async def slow(call: Call[Slow]) -> AsyncIterable[Message[int] | Result[int] | Failure]:
    """A number every 50 ms."""
    with noted(call.data.run) as run:
        for index in range(call.data.n):
            await asyncio.sleep(0.05)
            yield Message(message=index)
            run.sent += 1
    yield Result(result=call.data.n)


@flow
async def big(call: Call[Size]) -> AsyncIterable[Message[str] | Result[int] | Failure]:
    """One long chunk."""
    yield Message(message="x" * call.data.size)
    yield Result(result=call.data.size)


@flow
async def tree(call: Call[Node]) -> AsyncIterable[Message[Node] | Result[Node] | Failure]:
    """Every node, and the tree in capitals."""
    for node in models.preorder(call.data):
        yield Message(message=node)
    yield Result(result=models.upper(call.data))


@flow
async def odd(call: Call[Odd]) -> AsyncIterable[Message[Odd] | Result[Odd] | Failure]:
    """Names and types that languages differ in."""
    yield Message(message=call.data)
    yield Result(result=call.data)


async def caller(
    found: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> None:
    """Let in those who may call `secure`."""
    if found is None:
        raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Bearer"})
    if found.credentials != "open-sesame":
        raise HTTPException(403, "not you")


@flow
async def secure(
    call: Call[str], _: Annotated[None, Depends(caller)]
) -> AsyncIterable[Result[str] | Failure]:
    """A greeting for those who may."""
    yield Result(result=f"hello {call.data}")


app = FastAPI()
app.include_router(streams)
app.include_router(answers)


@app.exception_handler(FlowError)
async def failed(_: Request, error: FlowError) -> JSONResponse:
    """The failure of a call that did not ask for a stream."""
    return JSONResponse(Failure(error=error.reason).model_dump(), HTTP_STATUS.get(error.reason.status, 500))


@app.get("/runs/{run}")
async def runs(run: str) -> dict[str, Any]:
    """How often a run began, what it sent, how it ended."""
    return known(run)


if __name__ == "__main__":
    serve(app)
