"""What a program pays before its first chunk: a process of its own, asked once.

In: one of `PROGRAMS`, and the server's address, as arguments. Out: CPU milliseconds of each step, as JSON.
What each imports is what its program needs; nobody gains by putting it off, for the steps are also added up.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import process_time

PATH = "genkit/bulk/tokens/1"


class Steps(dict[str, float]):
    """Milliseconds of CPU by step."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = process_time()
        yield
        self[name] = (process_time() - began) * 1e3


def baseline(url: str, steps: Steps) -> None:
    """httpx, httpx-sse and pydantic: what a user writes today."""
    with steps.step("import, ms"):
        import httpx
        import pydantic
    with steps.step("import of names, ms"):
        from httpx_sse import connect_sse
        from pydantic import TypeAdapter
    assert pydantic.VERSION
    with steps.step("first client, ms"):
        client = httpx.Client()
    with steps.step("first stream, ms"):
        validate = TypeAdapter(dict[str, str | int]).validate_json
        with connect_sse(client, "POST", f"{url}/{PATH}", json={"data": 1}) as source:
            assert [validate(event.data) for event in source.iter_sse()] == [
                {"message": "tok 0"},
                {"result": 1},
            ]
    with steps.step("second client, ms"):
        second = httpx.Client()
    client.close()
    second.close()


def ours(url: str, steps: Steps) -> None:
    """`Client`."""
    with steps.step("import, ms"):
        import streamflow_client
    with steps.step("import of names, ms"):
        from streamflow_client import Client
    assert streamflow_client.__version__
    with steps.step("first client, ms"):
        client = Client(url)
    with steps.step("first stream, ms"):
        assert [*client.flow(PATH, chunk=str, output=int).stream(1)] == ["tok 0"]
    with steps.step("second client, ms"):
        second = Client(url)
    client.close()
    second.close()


def ours_async(url: str, steps: Steps) -> None:
    """`AsyncClient`, with the event loop that it needs."""
    with steps.step("import, ms"):
        import streamflow_client
    with steps.step("import of names, ms"):
        from streamflow_client import AsyncClient
    assert streamflow_client.__version__

    async def main() -> None:
        with steps.step("first client, ms"):
            client = AsyncClient(url)
        with steps.step("first stream, ms"):
            stream = client.flow(PATH, chunk=str, output=int).stream(1)
            assert [chunk async for chunk in stream] == ["tok 0"]
        with steps.step("second client, ms"):
            second = AsyncClient(url)
        await client.aclose()
        await second.aclose()

    asyncio.run(main())


PROGRAMS: dict[str, Callable[[str, Steps], None]] = {
    "httpx, httpx-sse, pydantic": baseline,
    "ours-sync": ours,
    "ours-async": ours_async,
}


def main(program: str, url: str) -> None:
    """Run it, and tell what it took."""
    steps = Steps()
    PROGRAMS[program](url, steps)
    steps["import with names, ms"] = steps["import, ms"] + steps.pop("import of names, ms")
    names = ("import with names, ms", "first client, ms", "first stream, ms")
    steps["to the first chunk, ms"] = sum(steps[name] for name in names)
    print(json.dumps(steps))


if __name__ == "__main__":
    main(*sys.argv[1:])
