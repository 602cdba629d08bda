"""Python names for what has names on the wire.

In: titles, names of flows and definitions, names of properties: any text. Out: identifiers.
Out of place here: where a schema has its name from (`naming.py`).

Class names shadow neither Python's builtins nor what a module of generated types imports: such a name gets
an underscore at its end ("Any_"). Names of fields shadow nothing that a pydantic model has.
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable, Set
from typing import Final

from pydantic import BaseModel

MODULE_NAMES: Final = frozenset(dir(builtins)) | {
    *("Annotated", "Any", "ClassVar", "Literal", "NotRequired", "Optional", "Required", "Self"),
    *("TypeAlias", "TypeAliasType", "TypedDict", "Union"),
    *("AfterValidator", "AliasChoices", "BaseModel", "BeforeValidator", "ConfigDict", "Discriminator"),
    *("Field", "JsonValue", "PlainValidator", "RootModel", "StringConstraints", "Tag", "TypeAdapter"),
    *("UUID", "FlowDef", "Never", "BoundFlows", "ClientT", "Flows", "GeneratedModel", "Omittable"),
}
"""What a class must not be called, lest generated code mean something else by that name."""

OWN_ATTRIBUTES: Final[frozenset[str]] = frozenset()
"""Attributes that a base class of ours adds to pydantic's: none so far."""

FIELD_NAMES: Final = frozenset({*dir(BaseModel), *dir(type(BaseModel))}) | OWN_ATTRIBUTES
"""What a field must not be called: deprecated attributes such as `copy` and `json` are among them, and
those of the metaclass, such as `mro`, for a class has these too."""

_BREAKS = re.compile(r"[\W_]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def class_name(text: str) -> str:
    """A readable CamelCase name: "my-flow/v2" gives "MyFlowV2", "" gives "Unnamed"."""
    words = _BREAKS.split(unicodedata.normalize("NFKC", text))
    name = _identifier("".join(word[:1].upper() + word[1:] for word in words), "N") or "Unnamed"
    return f"{name}_" if name in MODULE_NAMES or keyword.iskeyword(name) else name


def field_names(names: Iterable[str]) -> dict[str, str]:
    """Python names by wire names: "foo-bar" gives foo_bar, "class" gives class_, "_x" gives x.

    What is fine as it is stays, whatever else is there; the others make way for all wire names.
    """
    return _python_names(names, FIELD_NAMES, "field")


def flow_names(names: Iterable[str]) -> dict[str, str]:
    """Python names by the names of flows, likewise: "my-flow/v2" gives my_flow_v2."""
    return _python_names(names, frozenset(), "flow")


def constant_name(name: str) -> str:
    """The Python name of a flow as that of a constant: "menuSuggestion" gives MENU_SUGGESTION."""
    return _identifier(_HUMPS.sub("_", name).upper(), "N") or "FLOW"


def _python_names(names: Iterable[str], forbidden: Set[str], unnamed: str) -> dict[str, str]:
    wire = tuple(names)
    taken = Taken(wire)
    return {
        name: name
        if _is_public_name(name, forbidden)
        else taken.new(_public_name(name, forbidden, unnamed), "_")
        for name in wire
    }


class Taken:
    """Names that are given away, and new ones beside them."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = set(names)
        self._last: dict[str, int] = {}  # so that many of one name do not search from 2 again

    def new(self, name: str, separator: str = "") -> str:
        """`name`, or with the first number that makes it new: "Item", "Item2", "Item3"."""
        stem = f"{name.rstrip('_')}{separator}"
        found = name
        while found in self._names:
            self._last[stem] = self._last.get(stem, 1) + 1
            found = f"{stem}{self._last[stem]}"
        self._names.add(found)
        return found


def _public_name(name: str, forbidden: Set[str], unnamed: str) -> str:
    words = "_".join(word for word in _BREAKS.split(unicodedata.normalize("NFKC", name)) if word)
    plain = _identifier(words, "n") or (unnamed if name else "empty")
    return plain if _is_public_name(plain, forbidden) else f"{plain}_"


def _is_public_name(name: str, forbidden: Set[str]) -> bool:
    """Whether it can be an attribute: Python reads identifiers as NFKC, and a class mangles `__x`."""
    identifier = name.isidentifier() and name == unicodedata.normalize("NFKC", name)
    return identifier and not (name.startswith("_") or keyword.iskeyword(name) or name in forbidden)


def _identifier(text: str, prefix: str) -> str:
    """What an identifier can keep of `text`, with `prefix` if it cannot begin so; "" if nothing is left."""
    normal = unicodedata.normalize("NFKC", text)
    kept = unicodedata.normalize("NFKC", "".join(c for c in normal if f"a{c}".isidentifier())).strip("_")
    return kept if not kept or kept.isidentifier() else prefix + kept
