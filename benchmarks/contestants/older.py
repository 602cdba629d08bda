"""requests with sseclient-py, and urllib3 by itself, each with a `TypeAdapter`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from .base import Blocking, Call
from .user import ACCEPT, FRAMES, INPUT, Failure, Result, ServerError, chunks_of


class Requests(Blocking):
    """requests and sseclient-py."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        import requests

        super().__init__(url, typed=typed)
        self._session = requests.Session()

    def chunks(self, call: Call) -> Iterator[object]:
        import sseclient

        url = f"{self.url}/{call.path}"
        with self._session.post(url, json=INPUT, headers=ACCEPT, stream=True) as response:
            client: Any = sseclient.SSEClient(
                cast("Any", response)
            )  # its types ask for less than its docs give
            yield from chunks_of(client.events(), call.shape)


class Urllib3(Blocking):
    """urllib3: its stream of HTTP chunks, split at blank lines."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        import urllib3

        super().__init__(url, typed=typed)
        self._pool = urllib3.PoolManager()

    def chunks(self, call: Call) -> Iterator[object]:
        validate = FRAMES[call.shape].validate_json
        headers = ACCEPT | {"Content-Type": "application/json"}
        response = self._pool.request(
            "POST",
            f"{self.url}/{call.path}",
            body=json.dumps(INPUT).encode(),
            headers=headers,
            preload_content=False,
        )
        rest = b""
        for piece in response.stream(64 * 1024):
            *events, rest = (rest + piece).split(b"\n\n")
            for event in events:
                frame = validate(event.removeprefix(b"data: "))
                if isinstance(frame, Failure):
                    raise ServerError(frame.error)
                if not isinstance(frame, Result):
                    yield frame.message
        response.release_conn()
