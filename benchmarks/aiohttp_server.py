"""The server that speaks both: server-sent events and WebSocket, each as aiohttp has it.

In: the paths of `server.py` that hold streams (`held`, `go`), and `/socket` for WebSocket, where the query
says whether messages are compressed. Out: the same chunks over both. It prints its port, and ends with its
standard input.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from time import perf_counter, process_time

from aiohttp import web

from .bodies import event
from .crowd import allow_many_files

Send = Callable[[bytes], Awaitable[None]]
EVENTS = [event("genkit", "tokens", index) for index in range(1000)]


class Streams:
    """All that are open, and what they are sent."""

    def __init__(self) -> None:
        self._sends: dict[object, Send] = {}
        self._flowing: asyncio.Task[None] | None = None

    async def events(self, request: web.Request) -> web.StreamResponse:
        """A stream of server-sent events."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await self._hold(response, response.write)
        return response

    async def messages(self, request: web.Request) -> web.StreamResponse:
        """The same over WebSocket: a chunk a message, without what frames an event."""
        response = web.WebSocketResponse(compress=request.query["compress"] == "1")
        await response.prepare(request)
        await response.receive()  # the input

        async def send(data: bytes) -> None:
            await response.send_str(data[6:-2].decode())

        await self._hold(response, send)
        return response

    async def _hold(self, key: object, send: Send) -> None:
        self._sends[key] = send
        try:
            await send(EVENTS[0])
            await asyncio.Event().wait()
        finally:
            del self._sends[key]

    async def go(self, request: web.Request) -> web.Response:
        """Send so many rounds, at such a rate."""
        rounds, rate = int(request.match_info["rounds"]), float(request.match_info["rate"])
        self._flowing = asyncio.create_task(self._flow(rounds, rate))
        return web.json_response({})

    async def _flow(self, rounds: int, rate: float) -> None:
        due = perf_counter()
        ring = deque((send, number) for number in range(rounds) for send in self._sends.values())
        for send, number in ring:
            due = max(due + 1 / rate, perf_counter() - 0.01)
            if due > perf_counter():
                await asyncio.sleep(due - perf_counter())
            await send(EVENTS[number])

    async def usage(self, request: web.Request) -> web.Response:
        """Its own CPU seconds so far."""
        return web.json_response({"cpu": process_time(), "sent": 0})


async def serve() -> None:
    """Serve until the parent closes our standard input."""
    streams = Streams()
    app = web.Application()
    app.router.add_post("/genkit/held/tokens/0", streams.events)
    app.router.add_get("/socket", streams.messages)
    app.router.add_post("/go/{rounds}/{rate}", streams.go)
    app.router.add_get("/usage", streams.usage)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        await web.SockSite(runner, listener).start()
        print(listener.getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    allow_many_files()
    asyncio.run(serve())
