"""What notebooks show of catalogs, flows and streams: tables of text, whatever servers write into them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import DRIVERS, Driver
from hostile_catalogs import CORPUS
from streamflow_client import Catalog, Client, FlowError
from streamflow_client.session import Session
from streamflow_client.testing import StubServer
from streamflow_client.testing import faults as f
from test_flows import declared

ours = pytest.mark.parametrize("driver", DRIVERS, ids=repr)

ALLOWED = {"table", "caption", "thead", "tbody", "tr", "th", "td", "code", "em", "p", "br"}
ATTRIBUTES = [("style", "text-align: left"), ("class", "tex2jax_ignore mathjax_ignore")]
SECRET = "s3cret-id"
SMALL = {name: data for name, data in CORPUS.items() if len(data) < 20_000}


class Page(HTMLParser):
    """What a browser makes of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags = set[str]()
        self.attributes = list[tuple[str, str | None]]()
        self.open = list[str]()
        self.odd = list[str]()
        self.rows = list[list[str]]()
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag != "br":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.odd.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def handle_comment(self, data: str) -> None:
        self.odd.append(data)

    def handle_decl(self, decl: str) -> None:
        self.odd.append(decl)

    def handle_pi(self, data: str) -> None:
        self.odd.append(data)

    def unknown_decl(self, data: str) -> None:
        self.odd.append(data)


def page(shown: Any) -> Page:
    """The HTML of an object, proven to be harmless."""
    html: str = shown._repr_html_()
    assert html.startswith(("<table class=", "<p class="))
    found = Page(html)
    assert found.tags <= ALLOWED
    assert all(attribute in ATTRIBUTES for attribute in found.attributes)
    assert found.odd == found.open == []
    assert html.isprintable()
    assert len(html) < 600_000
    assert "&" not in re.sub(r"&(amp|lt|gt|quot|#x27);", "", html)
    return found


def catalog(*flows: dict[str, Any]) -> Catalog:
    """Actions as Genkit lists them."""
    actions = {f"/flow/{flow['name']}": {"key": f"/flow/{flow['name']}", **flow} for flow in flows}
    return Catalog.parse(json.dumps(actions), source="http://localhost:3100/api/actions")


def test_a_catalog_is_a_table_of_flows_and_their_types() -> None:
    item = {"type": "object", "title": "Item", "properties": {"name": {"type": "string"}}}
    request = {
        "type": "object",
        "properties": {"theme": {"type": "string"}, "n": {"type": "integer", "default": 3}},
        "required": ["theme"],
    }
    menu = {
        "name": "menu",
        "description": "Writes a\n menu.",
        "inputSchema": request,
        "outputSchema": {"type": "array", "items": item},
    }
    broken = {"name": "broken", "inputSchema": {"$ref": "#/nowhere"}}
    found = page(catalog(menu, broken))
    assert "Catalog of http://localhost:3100/api/actions: 2 flows" in found.words
    head, first, second = found.rows
    assert head == ["flow", "input", "chunk", "output", "description"]
    assert first == ["menu", "theme: str, n: int = 3", "not told", "list[Item]", "Writes a menu."]
    assert second[0] == "broken"
    assert second[1].startswith("broken: ")


def test_a_large_catalog_is_cut_and_an_odd_one_says_so() -> None:
    many = page(catalog(*({"name": f"f{number}"} for number in range(200))))
    assert len(many.rows) == 52
    assert many.rows[-1] == ["and 150 more"]
    empty = catalog({"name": "../x"})
    assert "0 flows, 1 warning: see .warnings" in page(empty).words


@given(st.text(max_size=400), st.text(max_size=400), st.text(min_size=1, max_size=50))
def test_no_text_of_a_server_becomes_markup(description: str, title: str, value: str) -> None:
    schema = {
        "type": "object",
        "title": title,
        "description": description,
        "properties": {value: {"enum": [value], "default": value, "description": description}},
    }
    flow = {"description": description, "inputSchema": schema, "outputSchema": schema}
    page(catalog({"name": "f", **flow}, {"name": f"x{value}", **flow}))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "</td></table><img src=x onerror=alert(1)>",
        "<!-- ",
        "<![CDATA[",
        "<?php",
        "&lt;script&gt;",
        "\" onmouseover='x'",
        "a\x00b\x1b[2J\x9b",
        "\u202egnp.exe\u2066",
        "\u2028\u2029\ufeff",
        "$x^2$ `code` [a](javascript:alert(1))",
        "x" * 100_000,
    ],
)
def test_markup_in_any_place_stays_text(text: str) -> None:
    told = {"description": text, "outputSchema": {"enum": [text], "title": text}}
    found = catalog({"name": text, **told}, {"name": "menu", **told})
    shown = page(found)
    assert shown.rows[-1][0] == "menu"
    visible = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text.strip(" "))
    assert shown.rows[-1][-1][:10] == visible[:10]
    with Client("http://localhost:3400", catalog=found) as client:
        page(client.flows)
        page(client.flow(text.strip("./?#\\\0") or "x", path="/menu").stream())


def test_hostile_catalogs_are_shown() -> None:
    shown = 0
    for data in SMALL.values():
        try:
            found = Catalog.parse(data, source="hostile")
        except FlowError:
            continue
        page(found)
        shown += 1
    assert shown > 500


@ours
def test_flows_are_a_table_once_they_are_known(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        unknown = page(client.flows.inner)
        assert f"Flows of {stub.url}, not discovered yet: " in unknown.words
        assert "client.discover()" in unknown.words
        assert ("await" in unknown.words) is (driver.name != "sync")
        assert stub.requests == []
        client.discover()
        asked = len(stub.requests)
        assert [row[0] for row in page(client.flows.inner).rows] == ["flow", *client.flows]
        assert len(stub.requests) == asked


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with declared(StubServer("go")) as stub:
        yield stub


def held(stub: StubServer) -> Event:
    """A durable flow that goes on after its first number once this is set."""
    goes_on = Event()

    @stub.flow(durable=True)
    def held(numbers: list[int], send: Callable[[int], None]) -> int:
        for number in numbers:
            send(number)
            goes_on.wait(5)
        return sum(numbers)

    return goes_on


def rows(stream: Any) -> dict[str, str]:
    return dict(page(stream.inner).rows)


@ours
def test_a_stream_is_a_table_in_each_of_its_states(driver: Driver, stub: StubServer) -> None:
    goes_on = held(stub)
    with driver.client(stub) as client:
        stream = client.flow("held").stream([1, 2, 3])
        shown = rows(stream)
        assert shown == {
            "state": "not started",
            "chunks": "0 received",
            "address": f"{stub.url}/held",
        }
        assert repr(stream).endswith("FlowStream('held', not started, 0 chunks received)")
        next(stream)
        shown = rows(stream)
        assert shown["state"].startswith("running: ")
        assert shown["chunks"].startswith("1 received")
        assert re.fullmatch(r"\d+\.\d\d s so far, last byte \d+\.\d\d s ago", shown["time"])
        assert shown["durable"] == "yes: ticket() tells where to go on"
        assert "HTTP 200" in shown["requests"]
        assert repr(stream).endswith("FlowStream('held', running, 1 chunk received)")
        goes_on.set()
        stream.result()
        shown = rows(stream)
        assert shown["state"] == "ended"
        assert shown["chunks"] == "3 received"
        assert re.fullmatch(r"\d+\.\d\d s", shown["time"])
        assert repr(stream).endswith("FlowStream('held', ended, 3 chunks received)")
        assert stream.stream_id not in page(stream.inner).words + repr(stream)


@ours
def test_a_stream_that_did_not_end_well_says_why(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        cancelled = client.flow("my-flow/v2").stream([1, 2, 3])
        cancelled.cancel()
        assert rows(cancelled)["state"].startswith("cancelled")
        assert ", cancelled, " in repr(cancelled)
        goes_on = held(stub)
        closed = client.flow("held").stream([1, 2, 3])
        next(closed)
        closed.close()
        goes_on.set()
        assert rows(closed)["state"] == "cancelled: FlowCancelledError: the stream was closed"
        failed = client.flow("menu").stream({"theme": 1})
        with pytest.raises(FlowError):
            failed.result()
        assert rows(failed)["state"].startswith("failed: InvalidArgumentError: ")
        assert ", failed, " in repr(failed)
        stub.script("shout", f.raw(b'data: {"result": 5}\n\n'))
        unfit = client.flow("shout", output=str).stream("a")
        with pytest.raises(FlowError):
            unfit.result()
        assert rows(unfit)["state"].startswith("failed: ")


def test_an_address_is_shown_without_its_secrets(stub: StubServer) -> None:
    url = stub.url.replace("//", f"//user:{SECRET}@")
    with Client(url, headers={"x-key": SECRET}) as client:
        stream = client.flow("f", path=f"{stub.url}/f").stream()
        for shown in (client, client.flows, client.flow("f"), stream):
            assert SECRET not in repr(shown)
        assert SECRET not in page(client.flows).words + page(stream).words


@ours
def test_a_stream_may_be_shown_while_its_flow_is_looked_up(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        if driver.name == "sync":
            client.discover()
        stream = client.flows.menu.stream(theme="x")
        assert rows(stream)["state"] == "not started"
        stream.result()
        assert rows(stream)["state"] == "ended"


def test_many_attempts_are_cut() -> None:
    with Client("http://localhost:3400") as client:
        stream = client.flow("f").stream()
        session: Session[Any, Any] = stream._session
        session.step(0.0)
        session._attempts = [session._newest()] * 69
        assert dict(page(stream).rows)["requests"].endswith("and 20 more")
