"""What Python's annotations cannot say of JSON, as words beside them: `Annotated[list[int], unique]`.

In: types and values. Out: marks that `annotations.py` reads and `module.py` writes. Out of place here: what
they mean for a value (`core.py`).

All begin with a small letter, which no class of a generated module does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Optional, TypeAlias, TypeVar

__all__ = [
    "Omittable",
    "exactly_one",
    "formatted",
    "items",
    "members",
    "multiples",
    "patterns",
    "unique",
    "unsaid",
    "values",
]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)  # 1 and True are equal in Python; `Union` must not take one for the other
class _Mark:
    name: str

    def __repr__(self) -> str:
        return self.name


exactly_one: Final = _Mark("exactly_one")
"""Of a union: a value has to be of exactly one of its members."""

unique: Final = _Mark("unique")
"""Of a list or tuple: no two items are equal."""

unsaid: Final = _Mark("unsaid")
"""Of the type of extra fields: the schema does not speak of them."""


@dataclass(frozen=True, eq=False)
class patterns:  # noqa: N801 - it reads as a word beside a type
    """Of a text: it has to match each of these patterns, in the syntax of Rust's `regex`, somewhere."""

    all: tuple[str, ...]

    def __init__(self, *all: str) -> None:
        object.__setattr__(self, "all", all)


@dataclass(frozen=True, eq=False)
class multiples:  # noqa: N801
    """Of a number: it has to be a multiple of each of these."""

    all: tuple[float, ...]

    def __init__(self, *all: float) -> None:
        object.__setattr__(self, "all", all)


@dataclass(frozen=True, eq=False)
class formatted:  # noqa: N801
    """Of a key: a text in a format, such as "date", that stays a text."""

    format: str


@dataclass(frozen=True, eq=False)
class values:  # noqa: N801
    """One of these JSON values, which `Literal` cannot hold all."""

    all: tuple[Any, ...]

    def __init__(self, *all: Any) -> None:
        object.__setattr__(self, "all", all)


@dataclass(frozen=True, eq=False)
class members:  # noqa: N801
    """Of a union: its members one by one, where Python would join some of them."""

    all: tuple[Any, ...]

    def __init__(self, *all: Any) -> None:
        object.__setattr__(self, "all", all)


@dataclass(frozen=True, eq=False)
class items:  # noqa: N801
    """Of a list: the type of each of its first items, however few come, and of the rest (None: no more)."""

    all: tuple[Any, ...]
    rest: Any

    def __init__(self, *all: Any, rest: Any) -> None:
        object.__setattr__(self, "all", all)
        object.__setattr__(self, "rest", rest)


@dataclass(frozen=True, eq=False)
class Omitted:
    """That a field may be left out, and is no null then; its type where it is there."""

    form: Any


if TYPE_CHECKING:
    Omittable: TypeAlias = Optional[T]  # noqa: UP045 - `T | None` is no alias for mypy
else:

    class Omittable:
        """A field that may be left out: it is None then and is not sent, which a given null is."""

        def __class_getitem__(cls, form: Any) -> Any:
            return Annotated[Optional[form], Omitted(form)]  # noqa: UP045 - of strings too
