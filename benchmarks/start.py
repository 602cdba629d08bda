"""What a program pays before its first call: a process of its own, asked once.

In: one of `PROGRAMS` as the argument. Out: CPU milliseconds of each step, as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import process_time

URL = "http://127.0.0.1:9"


def baseline() -> dict[str, float]:
    """What every program with httpx and pydantic pays."""
    began = process_time()
    import httpx
    import pydantic

    imported = process_time()
    assert pydantic.VERSION
    return {"import, ms": imported - began} | clients(httpx.Client)


def ours() -> dict[str, float]:
    """Ours."""
    began = process_time()
    import streamflow_client

    imported = process_time()
    return {"import, ms": imported - began} | clients(lambda: streamflow_client.Client(URL))


def ours_async() -> dict[str, float]:
    """Ours, asynchronous."""
    began = process_time()
    import streamflow_client

    imported = process_time()
    return {"import, ms": imported - began} | clients(lambda: streamflow_client.AsyncClient(URL))


def clients(make: Callable[[], object]) -> dict[str, float]:
    """The first of a process, and one more."""
    began = process_time()
    first = make()
    middle = process_time()
    second = make()
    end = process_time()
    assert first is not second
    return {"first client, ms": middle - began, "second client, ms": end - middle}


PROGRAMS = {"httpx, pydantic": baseline, "ours-sync": ours, "ours-async": ours_async}

if __name__ == "__main__":
    print(json.dumps({name: seconds * 1e3 for name, seconds in PROGRAMS[sys.argv[1]]().items()}))
