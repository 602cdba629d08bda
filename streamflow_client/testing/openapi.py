"""`/openapi.json`: the declared flows as an OpenAPI 3.2 document.

In: flows. Out: a JSON object. Every flow is a POST at its path; a type that its function does not name is
left open. Out of place here: how a server answers in fact, which differs from dialect to dialect.
"""

from collections.abc import Iterable
from inspect import Parameter
from typing import Any, Final
from urllib.parse import quote

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from .flows import Flow
from .outcomes import STATUSES

PATH: Final = "/openapi.json"
_SCHEMAS: Final = "#/components/schemas/"
_FAILED: Final = {"$ref": "#/components/responses/Failed"}
_ANYTHING: Final[dict[str, Any]] = {}

_Key = tuple[str, str]
"""(flow, "input" | "chunk" | "output")"""


def document(flows: Iterable[Flow]) -> dict[str, Any]:
    """The whole document; a model that several flows use stands in it once."""
    declared = list(flows)
    found, definitions = _schemas(declared)
    failure = _free_name("Failure", definitions)
    definitions[failure] = _failure_schema()
    reference = {"$ref": _SCHEMAS + failure}
    return {
        "openapi": "3.2.0",
        "info": {"title": "Flows of a stub server", "version": "1.0.0"},
        "paths": {_path_key(flow): {"post": _operation(flow, found, reference)} for flow in declared},
        "components": {
            "schemas": definitions,
            "responses": {"Failed": _failed_response(reference)},
        },
    }


def _schemas(flows: list[Flow]) -> tuple[dict[_Key, dict[str, Any]], dict[str, Any]]:
    """The schema of every type that is named, and the models that they refer to."""
    inputs: list[tuple[_Key, JsonSchemaMode, TypeAdapter[Any]]] = []
    for flow in flows:
        if flow.input_type is not None:
            inputs.append(((flow.name, "input"), "validation", flow.input_type))
        if flow.chunk_type is not None:
            inputs.append(((flow.name, "chunk"), "serialization", flow.chunk_type))
        if flow.output_type is not None:
            inputs.append(((flow.name, "output"), "serialization", flow.output_type))
    # `by_alias`: the names on the wire.
    found, rest = TypeAdapter.json_schemas(inputs, by_alias=True, ref_template=_SCHEMAS + "{model}")
    return {key: schema for (key, _mode), schema in found.items()}, dict(rest.get("$defs", {}))


def _operation(flow: Flow, found: dict[_Key, dict[str, Any]], failure: dict[str, Any]) -> dict[str, Any]:
    result = _envelope("result", found.get((flow.name, "output"), _ANYTHING))
    item = {
        "oneOf": [
            _envelope("message", found.get((flow.name, "chunk"), _ANYTHING)),
            result,
            _envelope("error", failure),
        ]
    }
    content = {"application/json": {"schema": result}, "text/event-stream": {"itemSchema": item}}
    return {
        "operationId": flow.name,
        **({"description": flow.description} if flow.description else {}),
        "requestBody": _request_body(flow, found.get((flow.name, "input"), _ANYTHING)),
        "responses": {
            "200": {"description": "The output, or chunks and then the output.", "content": content},
            "default": _FAILED,
        },
    }


def _request_body(flow: Flow, data: dict[str, Any]) -> dict[str, Any]:
    schema = _envelope("data", data)
    if not _needs_input(flow):
        del schema["required"]
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _needs_input(flow: Flow) -> bool:
    parameter = flow.parameter
    return flow.input_type is not None and parameter is not None and parameter.default is Parameter.empty


def _envelope(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {key: schema}, "required": [key]}


def _failure_schema() -> dict[str, Any]:
    status = {"type": "string", "enum": [name for name in STATUSES if name != "OK"]}
    properties: dict[str, Any] = {"status": status, "message": {"type": "string"}, "details": {}}
    return {"type": "object", "properties": properties, "required": ["status", "message"]}


def _failed_response(failure: dict[str, Any]) -> dict[str, Any]:
    schema = {"anyOf": [failure, _envelope("error", failure)]}
    return {"description": "The flow failed.", "content": {"application/json": {"schema": schema}}}


def _free_name(name: str, taken: dict[str, Any]) -> str:
    """A model of the flows may have the name already."""
    return name if name not in taken else _free_name(name + "_", taken)


def _path_key(flow: Flow) -> str:
    """Percent-encoded, as a URL's path is; braces would make a template of it."""
    return quote(flow.path, safe="/:!$&'()*+,;=@-._~")
