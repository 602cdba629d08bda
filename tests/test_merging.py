"""Whose word counts where a server and the file that was pulled before differ: a table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamflow_client import Catalog, DiscoveryError
from streamflow_client.schema.raw import Schema
from streamflow_client.schema.saving.infer import Seen, seen
from streamflow_client.schema.saving.merging import merged, other_operations, why_not_learnt
from streamflow_client.schema.saving.writing import saved

MARK = "x-streamflow-inferred"
TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
DISH = {"type": "object", "properties": {"name": TEXT}, "required": ["name"]}


def server(**chunks: Any) -> Catalog:
    told = {f"/flow/{name}": {"key": "x", "streamSchema": chunk} for name, chunk in chunks.items()}
    return Catalog.parse(json.dumps(told), source="server")


def file(**chunks: Any) -> Catalog:
    """A file in which somebody wrote these."""
    document = json.loads(saved(server(**dict.fromkeys(chunks)).values()).text)
    for name, chunk in chunks.items():
        if chunk is not None:
            content = document["paths"][f"/{name}"]["post"]["responses"]["200"]["content"]
            data = content["text/event-stream"]["itemSchema"]["properties"]["data"]
            data["contentSchema"]["anyOf"][0]["properties"]["message"] = chunk
    return Catalog.parse(json.dumps(document), source="file")


NOBODY = server()


@pytest.mark.parametrize(
    ("told", "in_file", "learnt", "expected"),
    [
        pytest.param(DISH, None, [], None, id="told"),
        pytest.param(DISH, WHOLE, [], None, id="told-wins"),
        pytest.param(DISH, {MARK: True, **WHOLE}, [], None, id="told-wins-over-inferred"),
        pytest.param(None, None, [], None, id="nobody-tells"),
        pytest.param(None, DISH, [], DISH, id="declared"),
        pytest.param(None, {MARK: True, **DISH}, [], {MARK: True, **DISH}, id="inferred"),
        pytest.param(None, None, ["a"], {MARK: True, **TEXT}, id="learnt"),
        pytest.param(
            None,
            {MARK: True, **TEXT},
            [1],
            {MARK: True, "type": ["string", "integer"]},
            id="learnt-widens",
        ),
        pytest.param(
            None, {MARK: True, **DISH}, [{}], {MARK: True, "type": "object", "properties": {"name": TEXT}},
            id="learnt-requires-less",
        ),
        pytest.param(None, DISH, ["a"], DISH, id="declared-stays-whatever-comes"),
        pytest.param(
            None, {MARK: True, **DISH, "title": "D"}, ["a"], {MARK: True, **DISH, "title": "D"},
            id="inferred-and-changed-is-declared",
        ),
        pytest.param(None, {MARK: "no", **TEXT}, [1], {MARK: "no", **TEXT}, id="no-mark"),
        pytest.param(None, {MARK: True}, [], {MARK: True}, id="inferred-anything"),
    ],
)  # fmt: skip
def test_the_table(told: Any, in_file: Any, learnt: list[Any], expected: Any) -> None:
    flows, before = server(menu=told), file(menu=in_file)
    result = merged(flows, before, {"menu": seen(learnt)})
    kept = result.kept.get("menu")
    assert (None if kept is None else kept.value) == expected
    assert result.untold == (("menu",) if told is None and expected is None else ())
    # The file says it, and says the same when it is pulled again.
    text = saved(flows.values(), kept=result.kept).text
    after = Catalog.parse(text, source="file")
    chunk = after["menu"].chunk_schema
    assert (None if chunk is None else chunk.value) == (expected if told is None else told)
    assert saved(flows.values(), kept=merged(flows, after, {}).kept).text == text


def test_what_the_server_tells_anew_is_noted_only_where_it_differs() -> None:
    assert merged(server(menu=DISH), file(menu={**DISH, "title": ""}), {}).notes == ()
    assert merged(server(menu=DISH), file(menu=WHOLE), {}).notes == (
        "flow 'menu': the server's chunk schema replaces another one of the file",
    )
    broken = {"$ref": "#/nowhere"}
    assert len(merged(server(menu=broken), file(menu=WHOLE), {}).notes) == 1
    assert merged(server(menu=broken), file(menu=broken), {}).notes == ()


def test_a_flow_that_is_gone_is_gone() -> None:
    result = merged(server(menu=None), file(menu=None, old=DISH), {})
    assert result.kept == {}
    assert result.notes == ("flow 'old' is gone from the server, and so from the file",)


def test_a_new_flow() -> None:
    assert merged(server(menu=None, new=None), file(menu=DISH), {}).untold == ("new",)


def test_a_broken_declaration_is_no_reason_to_lose_it() -> None:
    with pytest.raises(
        DiscoveryError, match=r"declares is broken: .*nowhere.*mend it or remove it"
    ) as raised:
        merged(server(menu=None), file(menu={"$ref": "#/nowhere"}), {})
    assert raised.value.flow == "menu"


@pytest.mark.parametrize(
    ("told", "in_file", "why"),
    [
        (None, None, None),
        (None, {MARK: True, **TEXT}, None),
        (None, TEXT, "declared in the file"),
        (None, {MARK: True, "enum": [1]}, "declared in the file"),
        (TEXT, None, "the server tells"),
        (TEXT, TEXT, "the server tells"),
    ],
)
def test_which_flows_are_called(told: Any, in_file: Any, why: str | None) -> None:
    found = why_not_learnt(server(menu=told)["menu"], file(menu=in_file))
    assert found is None if why is None else found is not None and why in found


def test_declared_chunks_may_refer_to_components() -> None:
    flows = Catalog.parse(json.dumps({"/flow/menu": {"key": "x", "outputSchema": DISH}}), source="server")
    document = json.loads(saved(flows.values()).text)
    document["components"]["schemas"]["Mine"] = {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Failure"},
    }
    content = document["paths"]["/menu"]["post"]["responses"]["200"]["content"]
    chunk = {"anyOf": [{"$ref": "#/components/schemas/MenuOutput"}, {"$ref": "#/components/schemas/Mine"}]}
    message = content["text/event-stream"]["itemSchema"]["properties"]["data"]["contentSchema"]["anyOf"][0]
    message["properties"]["message"] = chunk
    before = Catalog.parse(json.dumps(document), source="file")
    text = saved(flows.values(), kept=merged(flows, before, {}).kept).text
    schemas = json.loads(text)["components"]["schemas"]
    assert schemas["MenuChunk"] == chunk
    assert {"Mine", "Failure", "MenuOutput"} <= set(schemas)
    after = Catalog.parse(text, source="file")
    assert saved(flows.values(), kept=merged(flows, after, {}).kept).text == text
    # What the server tells of a component that both have is what is meant.
    changed = Catalog.parse(
        json.dumps({"/flow/menu": {"key": "x", "outputSchema": {**DISH, "title": "New"}}}), source="server"
    )
    text = saved(changed.values(), kept=merged(changed, after, {}).kept).text
    assert json.loads(text)["components"]["schemas"]["MenuOutput"]["title"] == "New"
    assert json.loads(text)["components"]["schemas"]["MenuChunk"] == chunk


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ({}, []),
        ({"/menu": {"post": {}}}, []),
        ({"/menu": {"post": {}, "parameters": []}, "/a": {"get": {}, "put": {}}}, ["GET /a", "PUT /a"]),
        ({"/menu": {"post": {}}, "/form": {"post": {}}}, ["POST /form"]),
        ({"/menu": 5}, []),
        (5, []),
    ],
)
def test_what_a_document_describes_besides_flows(paths: Any, expected: list[str]) -> None:
    assert other_operations({"openapi": "3.1.0", "paths": paths}, file(menu=None)) == expected


def test_learnt_of_nothing() -> None:
    nothing: dict[str, Seen] = {"menu": seen([])}
    assert merged(server(menu=None), NOBODY, nothing).untold == ("menu",)
    assert isinstance(merged(server(menu=None), NOBODY, {"menu": seen([1])}).kept["menu"], Schema)
