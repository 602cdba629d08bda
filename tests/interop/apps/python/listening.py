"""An ASGI app on a port of 127.0.0.1.

In: the app and `PORT`; 0 or none means any free one. Out: `LISTENING <port>` on stdout, once it does.
Ends on SIGTERM, a second later at most where streams are open.
"""

import os
from typing import Any

import uvicorn


class _Server(uvicorn.Server):
    async def startup(self, *args: Any, **kwargs: Any) -> None:
        await super().startup(*args, **kwargs)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            print("LISTENING", port, flush=True)  # noqa: T201 - whoever started it waits for this


def serve(app: Any) -> None:
    port = int(os.environ.get("PORT") or 0)
    _Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning", timeout_graceful_shutdown=1)).run()
