"""Fixtures for pytest, registered by the `pytest11` entry point.

In: nothing. Out: `flow_stub` and `flow_stub_factory`.
The stub is imported in the fixtures: loading the plugin must cost other test suites nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from . import StubServer


@pytest.fixture
def flow_stub_factory() -> "Iterator[Callable[..., StubServer]]":
    """Start stubs with the options of `StubServer`; all are stopped at the end of the test."""
    from . import StubServer

    with ExitStack() as stubs:

        def start(*args: Any, **options: Any) -> StubServer:
            return stubs.enter_context(StubServer(*args, **options))

        yield start


@pytest.fixture
def flow_stub(flow_stub_factory: "Callable[..., StubServer]") -> "StubServer":
    """A started stub that speaks as Genkit JS with Express does."""
    return flow_stub_factory()
