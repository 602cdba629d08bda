"""JSON ⇄ the caller's types, one pydantic pass per value.

In: the three types of a flow. Out: `encode` for inputs, `chunk` and `output` for what comes back.
Out of place here: envelopes, and which error of ours a failure becomes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal

from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from typing_extensions import TypeVar

__all__ = ["UNSET", "Codec", "Unset", "is_not_json"]

InputT = TypeVar("InputT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)
OutputT = TypeVar("OutputT", default=Any)


class Unset:
    """The type of `UNSET`: no input at all, which is not the input None."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()


class Codec(Generic[InputT, ChunkT, OutputT]):
    """Encodes inputs and decodes chunks and outputs of one flow.

    Raises:
        TypeError: pydantic cannot build a validator for one of the types.
    """

    def __init__(self, name: str, input: Any, chunk: Any, output: Any, *, strict: bool) -> None:
        self._input: TypeAdapter[InputT] = _adapter(name, "input", input)
        self.chunk: Callable[[bytes], ChunkT] = _decoder(_adapter(name, "chunk", chunk), strict)
        self.output: Callable[[bytes], OutputT] = _decoder(_adapter(name, "output", output), strict)

    def encode(self, value: InputT | Unset) -> bytes | None:
        """The JSON of an input, by wire names, defaults filled in; None for no input.

        Raises:
            pydantic.ValidationError: not the input type.
            pydantic_core.PydanticSerializationError: of the type, but not JSON.
        """
        if isinstance(value, Unset):
            return None
        valid = self._input.validate_python(value, by_alias=True, by_name=True)
        return self._input.dump_json(valid, by_alias=True, warnings="error")


def is_not_json(error: Any) -> bool:
    """Whether a pydantic.ValidationError says that the bytes are no JSON, rather than of another type."""
    return any(detail["type"] == "json_invalid" for detail in error.errors(include_input=False))


def _adapter(name: str, role: str, form: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(form)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation) as error:
        raise TypeError(f"flow {name!r}: pydantic cannot use its {role} type: {error}") from error


def _decoder(adapter: TypeAdapter[Any], strict: bool) -> Callable[[bytes], Any]:
    """Unknown fields are kept, or refused where strict; a type that says itself what it wants is obeyed."""
    extra: Literal["allow", "forbid"] = "forbid" if strict else "allow"
    if not strict and _says_extra(adapter.core_schema):
        return adapter.validate_json
    return lambda payload: adapter.validate_json(payload, extra=extra)


def _says_extra(schema: Any) -> bool:
    """Whether any model in a core schema sets its own `extra` behaviour."""
    if isinstance(schema, dict):
        if "extra_fields_behavior" in schema or "extra_behavior" in schema:
            return True
        return any(_says_extra(part) for part in schema.values())
    return isinstance(schema, list) and any(_says_extra(part) for part in schema)
