"""Relay a flow's stream to your own callers with FastAPI, and cancel the flow when a caller leaves.

    pip install fastapi uvicorn
    python examples/fastapi_relay.py http://localhost:3400    # your server, or examples/server.py
    python examples/fastapi_relay.py                          # against a stub of its own

    curl --no-buffer --json '{"data": {"theme": "pirate"}}' http://localhost:8000/menu

What it shows:
- one AsyncClient for the whole program, made and closed by the lifespan;
- the endpoint speaks the flow's own protocol (`data: {"message": …}`, then `data: {"result": …}` or
  `data: {"error": …}`), so that its caller may stream from it with `streamflow_client`, too;
- an error of any kind becomes a failure frame, since the HTTP status has been sent by then;
- a caller who leaves takes the flow's stream along at once, even while the flow is silent.
"""

import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import anyio
import uvicorn
from fastapi import Body, FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from streamflow_client import (
    AsyncClient,
    AsyncFlowStream,
    FlowCancelledError,
    FlowDef,
    FlowError,
    FlowStatusError,
)
from streamflow_client.testing import StubServer

log = logging.getLogger("relay")


class MenuRequest(BaseModel):
    """What a caller asks for."""

    theme: str


class MenuItem(BaseModel):
    """A chunk: one dish, as soon as it is ready."""

    name: str
    price: float


class Menu(BaseModel):
    """The output."""

    title: str
    total: float


MENU = FlowDef("menu", input=MenuRequest, chunk=MenuItem, output=Menu)


class FlowResponse(StreamingResponse):
    """The stream of a flow as server-sent events; the stream ends when the caller leaves.

    On servers that speak ASGI 2.4 or later, StreamingResponse notices that the caller left only when
    it sends the next chunk, which a silent flow may never have. So this class listens itself.
    """

    def __init__(self, stream: AsyncFlowStream[Any, Any]) -> None:
        super().__init__(
            frames(stream),
            media_type="text/event-stream",
            # The second header tells nginx not to collect the stream before it passes it on.
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        self.stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._cancel_when_caller_leaves, receive)
                with suppress(OSError):  # how newer ASGI servers say that the caller left
                    await self.stream_response(send)
                tasks.cancel_scope.cancel()
        finally:
            await self.stream.aclose()

    async def _cancel_when_caller_leaves(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.stream.cancel()  # whoever reads the stream now gets FlowCancelledError


async def frames(stream: AsyncFlowStream[Any, Any]) -> AsyncIterator[bytes]:
    """Chunks, then the output or the failure. The upstream request is sent at the first step."""
    try:
        async for chunk in stream:
            yield frame("message", chunk)
        yield frame("result", await stream.result())
    except FlowCancelledError:
        return  # the caller left: nobody reads on
    except FlowError as error:
        log.warning("%s", error)
        yield frame("error", failure(error))


def frame(kind: str, value: object) -> bytes:
    return b"data: " + to_json({kind: value}, by_alias=True) + b"\n\n"


def failure(error: FlowError) -> dict[str, str]:
    """What a caller may know: the flow's own words, but nothing of how we reach it."""
    if isinstance(error, FlowStatusError):
        return {"status": error.status, "message": error.message}
    return {"status": "UNAVAILABLE", "message": "the kitchen does not answer"}


def create_app(url: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncClient(url) as client:
            app.state.menu = client.flow(MENU)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/menu")
    async def menu(data: Annotated[MenuRequest, Body(embed=True)]) -> FlowResponse:
        return FlowResponse(app.state.menu.stream(data))

    return app


def sample_server() -> StubServer:
    """What stands in for a server where no URL is given."""
    from collections.abc import Callable
    from time import sleep

    stub = StubServer()

    @stub.flow
    def menu(request: MenuRequest, send: Callable[[MenuItem], None]) -> Menu:
        for dish, price in (("soup", 4.5), ("fish", 12.0), ("cake", 5.5)):
            sleep(0.5)
            send(MenuItem(name=f"{request.theme} {dish}", price=price))
        return Menu(title=f"The {request.theme} menu", total=22.0)

    return stub


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvicorn.run(create_app(sys.argv[1]), port=8000)
    else:
        with sample_server() as server:
            uvicorn.run(create_app(server.url), port=8000)
