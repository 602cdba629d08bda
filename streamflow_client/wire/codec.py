"""JSON ⇄ the caller's types, one pydantic pass per value.

In: the three types of a flow. Out: `encode` for inputs, `chunk` and `output` for what comes back.
Out of place here: envelopes, and which error of ours a failure becomes.

Fields that a type does not know are kept in chunks and outputs, since a server may be newer than its
caller: in the `model_extra` of a model (its `model_dump` leaves them out), as keys of a TypedDict. It is
pydantic's run-time `extra` that does so, and it overrules every type it meets. So it stays away from a
type that says itself what it wants (`extra=` of a model or dataclass, also an inherited one; a closed
TypedDict), and from dataclasses, which have no room for more: pydantic would overwrite their methods with
what a server sent, and break on slots. Where such a type is only a part of another, the whole follows
pydantic's own rules. `strict` refuses unknown fields everywhere, whatever the types say. Neither changes
which member of a union is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, cast

from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import PydanticSerializationError, ValidationError
from typing_extensions import TypeIs, TypeVar

from ..jsonvalues import is_object

if TYPE_CHECKING:  # pydantic loads most of itself with these, so they come with the first flow
    from pydantic import TypeAdapter

__all__ = ["UNSET", "VERBATIM", "Codec", "Decoder", "Unset", "is_not_json"]

InputT = TypeVar("InputT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)
OutputT = TypeVar("OutputT", default=Any)
ChunkT_co = TypeVar("ChunkT_co", covariant=True)
OutputT_co = TypeVar("OutputT_co", covariant=True)


class Unset:
    """The type of `UNSET`: no input at all, which is not the input None."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()


class Decoder(Protocol[ChunkT_co, OutputT_co]):
    """What turns the JSON of chunks and of an output into values. Raises whatever is wrong with them."""

    @property
    def chunk(self) -> Callable[[bytes], ChunkT_co]: ...

    @property
    def output(self) -> Callable[[bytes], OutputT_co]: ...

    def told(self, error: Exception, role: str) -> Exception:
        """What one of them raised, as people should see it."""
        ...


@dataclass(frozen=True, slots=True)
class _Verbatim:
    chunk: Callable[[bytes], bytes]
    output: Callable[[bytes], bytes]

    def told(self, error: Exception, role: str) -> Exception:
        return error


VERBATIM = _Verbatim(bytes, bytes)  # bytes as they came; no copy is made of them


class Codec(Generic[InputT, ChunkT, OutputT]):
    """Encodes inputs and decodes chunks and outputs of one flow.

    Args:
        strict: unknown fields are refused.
        explain: given where the types were made from the server's schemas. These say themselves which
            fields are unknown, so that strict means: to the letter of the schema. It makes pydantic's
            errors readable, which tell each step of such types; its second argument is a title.

    Raises:
        TypeError: pydantic cannot build a validator for one of the types.
    """

    def __init__(
        self,
        name: str,
        input: Any,
        chunk: Any,
        output: Any,
        *,
        strict: bool,
        explain: Callable[[ValidationError, str], ValidationError] | None = None,
    ) -> None:
        self._name = name
        self._explain = explain
        decoder = _decoder if explain is None else _schema_decoder
        self._input: TypeAdapter[InputT] = _adapter(name, "input", input)
        self.chunk: Callable[[bytes], ChunkT] = decoder(_adapter(name, "chunk", chunk), strict)
        self.output: Callable[[bytes], OutputT] = decoder(_adapter(name, "output", output), strict)

    def encode(self, value: InputT | Unset) -> bytes | None:
        """The JSON of an input, by wire names, defaults filled in; None for no input.

        NaN and the infinities, which JSON lacks, become null as in JavaScript, unless the type says
        otherwise (`ser_json_inf_nan`).

        Raises:
            pydantic.ValidationError: not the input type.
            pydantic_core.PydanticSerializationError: of the type, but not JSON. The message holds no
                values, for they may be secret.
        """
        if isinstance(value, Unset):
            return None
        valid = self._valid(value)
        try:
            return self._input.dump_json(valid, by_alias=True, warnings="error")
        except PydanticSerializationError as error:
            text = _INPUT_VALUE.sub("", str(error))
            raise PydanticSerializationError(text) from None

    def _valid(self, value: InputT) -> InputT:
        """Models inside of an input made from schemas are looked for only where it does not fit as it is."""
        validate = self._input.validate_python
        try:
            return validate(value, by_alias=True, by_name=True)
        except ValidationError:
            if self._explain is None:
                raise
        return validate(_as_data(value), by_alias=True, by_name=True)

    def told(self, error: Exception, role: str) -> Exception:
        """What an encoder or decoder raised, as people should see it."""
        if self._explain is None or not isinstance(error, ValidationError):
            return error
        return self._explain(error, "" if error.title.isidentifier() else f"{role} of flow {self._name!r}")


def _as_data(value: Any) -> Any:
    """Models as mappings by wire names: what one flow gave is of another class than what another takes."""
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    if is_object(value):
        return {key: _as_data(item) for key, item in value.items()}
    if _is_array(value):
        return list(map(_as_data, value))
    return value


def _is_array(value: Any) -> TypeIs[list[Any] | tuple[Any, ...]]:
    return isinstance(value, list | tuple)


_INPUT_VALUE = re.compile("input_value=.*(?=input_type=)")


def is_not_json(error: ValidationError) -> bool:
    """Whether the bytes given to a codec are no JSON, rather than of another type.

    A `Json[…]` within the type reports the same for its text; ours was given as bytes.
    """
    if error.error_count() != 1:
        return False
    detail = error.errors(include_url=False, include_context=False)[0]
    return detail["type"] == "json_invalid" and not detail["loc"] and isinstance(detail["input"], bytes)


def _adapter(name: str, role: str, form: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    try:
        adapter = TypeAdapter[Any](form)
        adapter.rebuild()  # now, where models defer it: an unknown name is an error of the type
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        reason = (error.message or "").partition("\n")[0]
        raise TypeError(f"flow {name!r}: pydantic cannot use its {role} type: {reason}") from error
    return adapter


def _decoder(adapter: TypeAdapter[Any], strict: bool) -> Callable[[bytes], Any]:
    if not strict and _any_node(adapter.core_schema, _says_extra):
        return adapter.validator.validate_json
    return _with_extra(adapter, strict)


def _schema_decoder(adapter: TypeAdapter[Any], strict: bool) -> Callable[[bytes], Any]:
    return adapter.validator.validate_json if strict else _with_extra(adapter, strict)


def _with_extra(adapter: TypeAdapter[Any], strict: bool) -> Callable[[bytes], Any]:
    """Not a `partial`: with keywords that takes 90 ns more (CPython 3.11)."""
    decode = adapter.validator.validate_json  # the adapter's own would cost as much again
    extra: Literal["forbid", "allow"] = "forbid" if strict else "allow"

    def decoded(payload: bytes) -> Any:
        return decode(payload, extra=extra)

    return decoded if _any_node(adapter.core_schema, _may_have_fields) else decode


_NO_SCHEMAS = frozenset({"default", "expected", "metadata", "serialization"})


# Types of nodes that have no fields of their own, though those within them may: the usual ones.
_NO_FIELDS = frozenset(
    {"any", "none", "bool", "int", "float", "decimal", "str", "bytes", "literal", "enum", "uuid", "url"}
    | {"date", "time", "datetime", "timedelta", "list", "tuple", "set", "frozenset", "dict"}
    | {"nullable", "union", "default"}
)


def _any_node(schema: Any, holds: Callable[[dict[str, Any]], bool]) -> bool:
    """Whether something is so of any node of a core schema."""
    if isinstance(schema, list | tuple):
        return any(_any_node(part, holds) for part in cast("list[Any]", schema))
    if not isinstance(schema, dict):
        return False
    node = cast("dict[str, Any]", schema)
    return holds(node) or any(_any_node(part, holds) for key, part in node.items() if key not in _NO_SCHEMAS)


def _says_extra(node: dict[str, Any]) -> bool:
    """Whether a type has its own rule for unknown fields, or no room."""
    return (
        "extra_fields_behavior" in node
        or node.get("extra_behavior", "ignore") != "ignore"  # of every TypedDict that says nothing
        or node.get("type") == "dataclass"
    )


def _may_have_fields(node: dict[str, Any]) -> bool:
    return node.get("type") not in _NO_FIELDS
