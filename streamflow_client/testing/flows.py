"""Flow functions as they are declared: their types, schemas and arguments.

In: a Python function with annotations. Out: a `Flow`, which turns the JSON of a request into
arguments and describes itself by JSON schemas. Running it belongs to `running.py`.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from .outcomes import Failure, dump

_HELPERS = ("send", "call")
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Flow:
    """One declared flow. A type is None where the function does not name it."""

    name: str
    path: str
    function: Callable[..., Any]
    durable: bool
    description: str
    parameter: inspect.Parameter | None
    helpers: frozenset[str]
    input_type: TypeAdapter[Any] | None
    chunk_type: TypeAdapter[Any] | None
    output_type: TypeAdapter[Any] | None

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    def arguments(self, body: Mapping[str, Any], key: str) -> tuple[Any, ...] | Failure:
        """The positional arguments found under `key` of a request body, validated."""
        if self.parameter is None:
            return ()
        if key not in body and self.parameter.default is not inspect.Parameter.empty:
            return ()
        data = body.get(key)
        if self.input_type is None:
            return (data,)
        try:
            # JSON mode, so that strict models and dates take what JSON can say.
            return (self.input_type.validate_json(json.dumps(data)),)
        except ValidationError as error:
            return _invalid_input(data, error, schema_of(self.input_type, "validation"))

    def schemas(self) -> dict[str, Any]:
        """inputSchema, outputSchema and streamSchema, each where the function names the type."""
        types = {
            "inputSchema": (self.input_type, "validation"),
            "outputSchema": (self.output_type, "serialization"),
            "streamSchema": (self.chunk_type, "serialization"),
        }
        return {name: schema_of(kind, mode) for name, (kind, mode) in types.items() if kind}


def schema_of(kind: TypeAdapter[Any], mode: Any) -> dict[str, Any]:
    """The JSON schema of a type, by wire names; `mode` is "validation" or "serialization"."""
    return kind.json_schema(by_alias=True, mode=mode)


def declare(
    function: Callable[..., Any],
    *,
    name: str | None,
    path: str | None,
    durable: bool,
    description: str,
    namespace: Mapping[str, Any],
) -> Flow:
    """Read a function's signature; `namespace` holds local names that annotations may use."""
    name = name or function.__name__
    hints = get_type_hints(function, localns=dict(namespace), include_extras=True)
    parameters = inspect.signature(function).parameters
    inputs = [parameter for key, parameter in parameters.items() if key not in _HELPERS]
    if len(inputs) > 1:
        raise TypeError(f"flow {name!r} takes more than one input")
    parameter = inputs[0] if inputs else None
    return Flow(
        name=name,
        path=path or f"/{name}",
        function=function,
        durable=durable,
        description=description,
        parameter=parameter,
        helpers=frozenset(_HELPERS) & parameters.keys(),
        input_type=_adapter(hints.get(parameter.name, _MISSING) if parameter else _MISSING),
        chunk_type=_adapter(_chunk_hint(hints.get("send"))),
        output_type=_adapter(hints.get("return", _MISSING)),
    )


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    return None if hint is _MISSING else TypeAdapter(hint)


def _chunk_hint(send: Any) -> Any:
    """X of a `send` that is annotated as Callable[[X], …]."""
    match get_args(send):
        case ([chunk], _):
            return chunk
        case _:
            return _MISSING


def _invalid_input(data: object, error: ValidationError, schema: dict[str, Any]) -> Failure:
    """In the words of Genkit JS, with pydantic's reasons."""
    errors = [
        {"path": ".".join(map(str, e["loc"])) or "(root)", "message": e["msg"]}
        for e in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    reasons = "\n".join(f"- {e['path']}: {e['message']}" for e in errors)
    message = (
        f"Schema validation failed. Parse Errors:\n\n{reasons}\n\n"
        f"Provided data:\n\n{_pretty(data)}\n\nRequired JSON schema:\n\n{_pretty(schema)}"
    )
    return Failure("INVALID_ARGUMENT", message, {"errors": errors, "schema": schema}, python=str(error))


def _pretty(value: object) -> str:
    return json.dumps(json.loads(dump(value)), indent=2, ensure_ascii=False)
