"""Scalars of the model → pydantic's core schemas: numbers, texts, literals, keys.

In: a type without parts. Out: its core schema. Out of place here: what has parts (`core.py`), and checks
written in Python (`checks.py`).

Where several core schemas stand for one type, the usual case comes first, and one message speaks for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor
from typing import Any, Final

from pydantic_core import CoreSchema, core_schema

from . import checks
from .describe import annotation, bounds
from .formats import FORMATS
from .model import Integer, Literals, Number, Text
from .values import EXACT

__all__ = ["ANY", "FLAG", "NEVER", "integer", "key", "literals", "number", "text", "told"]

ANY: Final = core_schema.simple_ser_schema("any")
_FEW: Final = 8
_LONG: Final = 2**63
NEVER: Final = core_schema.custom_error_schema(
    core_schema.str_schema(min_length=1, max_length=0),
    custom_error_type="no_value",
    custom_error_message="No value is allowed here",
)


def integer(type: Integer) -> CoreSchema:
    """An integer, also one written as 2.0, within its bounds."""
    if type == Integer():
        return _WHOLE
    if not all(abs(limit) < _LONG for limit in _limits(type).values()):
        return _within(type, integer(Integer(multiples=type.multiples)))
    limits = _integer_limits(type)
    multiples, others = _split(type.multiples)
    first = core_schema.int_schema(strict=True, **limits, multiple_of=next(iter(multiples), None))
    schema = _first_of(
        [first, core_schema.chain_schema([_WHOLE, first])],
        "integer",
        f"Input should be an integer{bounds(type)}",
    )
    return _with_multiples(schema, (*multiples[1:], *others))


def number(type: Number) -> CoreSchema:
    """An integer or a float, which stays what it is, within its bounds."""
    if not all(abs(limit) < EXACT for limit in _limits(type).values()):  # as a float it would be another
        return _within(type, number(Number(multiples=type.multiples)))
    limits = _limits(type)
    small: dict[str, Any] = {"gt": -EXACT, "lt": EXACT, **limits}
    choices: list[CoreSchema] = [
        core_schema.float_schema(strict=True, **small),
        core_schema.int_schema(strict=True, **_integer_limits(type)),
        core_schema.float_schema(strict=True, allow_inf_nan=False, **limits),
    ]
    schema = _first_of(
        choices,
        "float_type" if type == Number() else "number",
        f"Input should be a number{bounds(type)}",
    )
    return _with_multiples(schema, type.multiples)


def text(type: Text) -> CoreSchema:
    """A text, or what its format means."""
    steps = _text_steps(type)
    if type.format is None:
        return _chain(steps)
    meant = FORMATS[type.format]
    error = type.format.replace("-", "_"), f"Input should be a {type.format} such as {meant.example}"
    from_text = told(meant.parsed(), *error)
    if steps != _text_steps(Text()):
        from_text = _chain([*steps, from_text])
    ready = _first_of([meant.value(strict=True), from_text], *error)
    return core_schema.json_or_python_schema(from_text, ready, serialization=ANY)


def literals(type: Literals) -> CoreSchema:
    """One of some JSON values."""
    choices = list(_literal_choices(type.values))
    few = len(type.values) <= _FEW
    if few and all(value is None or isinstance(value, str) for value in type.values):
        return choices[0]  # pydantic's own message tells all values
    expected = annotation(type).removeprefix("Literal[").removesuffix("]")
    expected = expected if len(type.values) == 1 else f"one of {expected}"
    return told(_first_of(choices), "literal", f"Input should be {expected}")


def _first_of(choices: list[CoreSchema], error: str | None = None, message: str | None = None) -> CoreSchema:
    """The first that accepts; one error of ours, or else those of all."""
    known = error in {"int_type", "float_type"}  # pydantic's own, with a message of their own
    return core_schema.union_schema(
        [*choices],
        mode="left_to_right",
        custom_error_type=error,
        custom_error_message=None if known else message,
        serialization=ANY,
    )


def told(schema: CoreSchema, error: str, message: str) -> CoreSchema:
    """The same with one error of ours."""
    return core_schema.custom_error_schema(schema, custom_error_type=error, custom_error_message=message)


def _chain(steps: list[CoreSchema]) -> CoreSchema:
    return steps[0] if len(steps) == 1 else core_schema.chain_schema(steps)


def _with_multiples(schema: CoreSchema, multiples: tuple[float, ...]) -> CoreSchema:
    if not multiples:
        return schema
    check = checks.multiple_of(*multiples)
    return core_schema.no_info_after_validator_function(check, schema, serialization=ANY)


def _within(type: Integer | Number, any_size: CoreSchema) -> CoreSchema:
    check = checks.within(type.ge, type.gt, type.le, type.lt)
    after = core_schema.no_info_after_validator_function(check, any_size, serialization=ANY)
    kind, noun = ("integer", "an integer") if isinstance(type, Integer) else ("number", "a number")
    return told(after, kind, f"Input should be {noun}{bounds(type)}")


def _limits(type: Integer | Number) -> dict[str, Any]:
    limits = {"ge": type.ge, "gt": type.gt, "le": type.le, "lt": type.lt}
    return {name: limit for name, limit in limits.items() if limit is not None}


_ROUNDED: Final = {"ge": ceil, "gt": floor, "le": floor, "lt": ceil}


def _integer_limits(type: Integer | Number) -> dict[str, Any]:
    return {name: _ROUNDED[name](limit) for name, limit in _limits(type).items()}


def _split(multiples: tuple[float, ...]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Whole multiples, which Rust can check of an integer, and others."""
    whole = tuple(int(multiple) for multiple in multiples if _is_short(multiple))
    return whole, tuple(multiple for multiple in multiples if not _is_short(multiple))


def _is_short(number: float) -> bool:
    return number < _LONG and number == int(number)


def _text_steps(type: Text) -> list[CoreSchema]:
    patterns = type.patterns or (None,)
    first = core_schema.str_schema(
        strict=True, min_length=type.min_length, max_length=type.max_length, pattern=patterns[0]
    )
    return [first, *(core_schema.str_schema(pattern=pattern) for pattern in patterns[1:])]


def key(type: Text) -> CoreSchema:
    """Keys remain text, whatever their format."""
    schema = _chain(_text_steps(type))
    if type.format is None:
        return schema
    return core_schema.no_info_after_validator_function(checks.of_format(type.format), schema)


def _literal_choices(values: tuple[Any, ...]) -> Iterator[CoreSchema]:
    """Texts and null, integers, booleans, and what only Python can compare.

    Rust looks literals up as Python does, where `True == 1`: so numbers and booleans are told apart first.
    """
    texts = [value for value in values if value is None or isinstance(value, str)]
    flags = [value for value in values if isinstance(value, bool)]
    others = [value for value in values if value is not None and not isinstance(value, str | bool)]
    whole = [int(value) for value in others if isinstance(value, int) or _is_whole(value)]
    others = [value for value in others if value not in whole]
    if texts:
        yield core_schema.literal_schema(texts)
    if whole:
        yield core_schema.chain_schema([_WHOLE, core_schema.literal_schema(whole)])
    if len(flags) == 1:
        yield core_schema.chain_schema([FLAG, core_schema.literal_schema(flags)])
    elif flags:
        yield FLAG
    if others:
        yield core_schema.no_info_plain_validator_function(checks.equal_to(others), serialization=ANY)


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


FLAG: Final = core_schema.bool_schema(strict=True)
_FINITE: Final = core_schema.float_schema(strict=True, allow_inf_nan=False)
# A strict float of pydantic takes integers too, and rounds them: integers first.
_WHOLE: Final = core_schema.union_schema(
    [
        core_schema.int_schema(strict=True),
        core_schema.chain_schema(
            [
                _FINITE,
                core_schema.union_schema(
                    [core_schema.int_schema(), core_schema.no_info_plain_validator_function(checks.whole)],
                    mode="left_to_right",  # Rust does 2.0, Python 1e300
                ),
            ]
        ),
    ],
    mode="left_to_right",
    custom_error_type="int_type",
    serialization=ANY,
)
