"""A schema as a graph of nodes: what each place allows, intersections already made.

In: a document. Out: nodes; the head of each says what kinds of values it allows, and names the places of
items and properties, which become nodes when they are asked for. So recursion ends. Raises BrokenSchema.
Out of place here: names, and the model of types.

A node stands for a set of atoms that a value has to fit all. An atom is one aspect of one place: its own
keywords ("shape"), its values ("enum"), or a choice ("anyOf", "oneOf", "nullable"). Equal sets are one node,
whichever way leads to them; there are finitely many, so that recursive `allOf`s end too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ..jsonvalues import is_list, is_object
from ..text import shown
from .accepts import Accepting
from .broken import BrokenSchema
from .keywords import UNCHECKED_FORMATS, Help, Json, shape_of
from .model import Literals, Nothing, Null, Text, Type
from .patterns import Patterns
from .raw import Schema
from .refs import Document, step
from .shapes import NOWHERE, Entries, Items, Places, Shape, both, meant
from .values import all_differ, count_fits, identity

MAX_DEPTH: Final = 100
"""Levels of nesting, in the schema, its references, its values, and the types made of it. Real schemas have
some ten; pickle and pydantic spend up to eight frames a level, of the 1,000 that Python has."""

NAMES_DEPTH: Final = 10  # a `propertyNames` in another costs the stack as much as ten other levels

MAX_PARTS: Final = 100_000
"""Places read, plus the atoms of all nodes. What 10,000 properties need several times over takes a second."""

MAX_FIELDS: Final = 20_000
"""Fields of all records together; it takes a second to make classes of them."""

MAX_MERGED: Final = 100_000
"""Fields of the objects that intersections make on the way."""

MAX_MEMBERS: Final = 2_000
"""Members of one union, and of a product of unions that `allOf` makes. Real ones have some hundreds."""

MAX_ENUM_COMPARISONS: Final = 300_000
"""Of the values of all `enum`s with what else is said of them."""

MAX_VALUES: Final = 10_000
"""Values of one `enum`."""

Atom = tuple[str, str]
NULL: Final = "null"  # no pointer either: the place of the null in `nullable: true`
_NULL_SHAPE: Final = Shape(
    boolean=False, number=None, string=None, array=None, object=None, typed=True, hinted=frozenset()
)
_OLD_DRAFTS: Final = ("draft-03", "draft-04", "draft-06", "draft-07")


class Choice:
    """A value fits at least one member, or exactly one."""

    def __init__(self, members: tuple[Node, ...], *, exclusive: bool, discriminator: str | None) -> None:
        self.members = members
        self.exclusive = exclusive
        self.discriminator = discriminator


class Node:
    """What a set of atoms allows.

    Attributes:
        entry: the place that the node is named after.
        head: a `Shape`, a `Choice`, or a type without parts.
    """

    def __init__(self, atoms: tuple[Atom, ...], entry: str) -> None:
        self.atoms = atoms
        self.entry = entry
        self.head: Shape | Choice | Type | None = None


_PLACE: Final = re.compile(r".*?: (?=`|the names )", re.DOTALL)


def without_place(warning: str) -> str:
    """One of `Graph.warnings`, without where in the document it stands."""
    return _PLACE.sub("", warning, count=1)


class Graph:
    """All nodes of one schema.

    Attributes:
        inexact: places that allow more than the schema does.
    """

    def __init__(self, schema: Schema) -> None:
        self._document = Document(schema)
        self._refs_stand_alone = is_old(schema.value, schema.root)
        self._atoms: dict[str, tuple[Atom, ...] | None] = {NOWHERE: ((NOWHERE, "shape"),)}
        self._atoms[NULL] = ((NULL, "shape"),)
        self._shapes: dict[str, Shape] = {NULL: _NULL_SHAPE}
        self._nodes: dict[frozenset[Atom], Node] = {}
        self._at: dict[Places, Node] = {}
        self._help = Help(self.warn, self._names, Patterns())
        self._merged: dict[tuple[str, ...], Shape] = {}
        self._fitting: dict[tuple[int, Node], bool] = {}  # by id: the document keeps its values
        self._accepting = Accepting({})
        self._left = MAX_PARTS
        self._fields_left = MAX_FIELDS
        self._merged_left = MAX_MERGED
        self._comparisons_left = MAX_ENUM_COMPARISONS
        self._depth = 0
        self._warned: dict[tuple[str, str], None] = {}
        self.inexact: set[str] = set()

    # what others ask

    def node(self, places: Places) -> Node:
        """The node of values that fit all these places."""
        if places not in self._at:
            atoms = tuple(dict.fromkeys(atom for place in places for atom in self._expand(place)))
            self._at[places] = self._made(atoms, self._origin(places[0]) if places else "")
        return self._at[places]

    def schema(self, place: str) -> Json:
        """The object at a place; empty for a boolean schema."""
        value: Any = self._document.at(place) if place not in (NOWHERE, NULL) else {}
        return value if is_object(value) else {}

    def said(self, places: Iterable[str], word: str) -> tuple[str, Any] | None:
        """The first of these places, and of those that their `$ref`s lead to, with a keyword; its value."""
        for place in places:
            for at in self._chain(place):
                if word in self.schema(at):
                    return at, self.schema(at)[word]
        return None

    def warn(self, place: str, what: str) -> None:
        """Note what is not checked at a place, once."""
        self.inexact.add(place)
        self._warned[place, what] = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be expressed, in the order in which it was met; fit for a log."""
        return tuple(f"{shown('#' + place)}: {what}" for place, what in self._warned)

    # places to atoms

    def _chain(self, place: str) -> Iterator[str]:
        seen = {place}
        yield place
        while isinstance(ref := self.schema(place).get("$ref"), str):
            place = self._document.target(ref, place)
            if place in seen:  # what that means is found out where it is expanded
                return
            seen.add(place)
            yield place

    def _origin(self, place: str) -> str:
        """Where a place leads whose `$ref` is all it says."""
        for at in self._chain(place):
            place = at
            if self._expand(at) != self._expand_ref(at):
                break
        return place

    def _expand_ref(self, place: str) -> tuple[Atom, ...] | None:
        ref = self.schema(place).get("$ref")
        return self._expand(self._document.target(ref, place)) if isinstance(ref, str) else None

    def _expand(self, place: str) -> tuple[Atom, ...]:
        if place in self._atoms:
            known = self._atoms[place]
            if known is None:
                raise BrokenSchema("#" + place, "it refers to itself and says nothing else")
            return known
        self._atoms[place] = None
        with self._deeper(place):
            atoms = tuple(dict.fromkeys(self._atoms_of(place)))
        self._spend(1 + len(atoms), place)
        self._atoms[place] = atoms
        return atoms

    def _atoms_of(self, place: str) -> Iterable[Atom]:
        value: Any = self._document.at(place)
        if isinstance(value, bool):
            return () if value else self._expand(NOWHERE)
        if not is_object(value):
            raise BrokenSchema("#" + place, "a schema is an object, true or false")
        schema: Json = value
        return [(place, "nullable")] if schema.get("nullable") is True else self._plain(schema, place)

    def _plain(self, schema: Json, place: str) -> Iterator[Atom]:
        """The atoms of a schema object, `nullable` aside."""
        if "$ref" in schema:
            if not isinstance(schema["$ref"], str):
                raise BrokenSchema(step("#" + place, "$ref"), "`$ref` is not a text")
            yield from self._expand_ref(place) or ()
        if "$ref" not in schema or not self._refs_stand_alone:
            yield from self._own(schema, place)

    def _own(self, schema: Json, place: str) -> Iterator[Atom]:
        """The atoms of what stands beside `$ref`."""
        if self._shape(schema, place) is not None:
            yield place, "shape"
        if "enum" in schema or "const" in schema:
            yield place, "enum"
        if "not" in schema and self._forbids_all(schema["not"], place):
            yield NOWHERE, "shape"
        if "allOf" in schema:
            for branch in self._branches(schema, place, "allOf"):
                yield from self._expand(branch)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                yield place, word

    def _forbids_all(self, forbidden: Any, place: str) -> bool:
        if not isinstance(forbidden, dict | bool):
            raise BrokenSchema(step("#" + place, "not"), "a schema is an object, true or false")
        if forbidden is True or forbidden == {}:
            return True
        if forbidden is not False:
            self.warn(place, "`not` is not checked")
        return False

    def _branches(self, schema: Json, place: str, word: str) -> list[str]:
        branches: Any = schema[word]
        if not is_list(branches) or not branches:
            raise BrokenSchema(step("#" + place, word), f"`{word}` is not a list of schemas")
        return [step(place, word, index) for index in range(len(branches))]

    def _shape(self, schema: Json, place: str) -> Shape | None:
        if place not in self._shapes:
            shape = shape_of(schema, place, self._help)
            named = schema.get("format")
            if isinstance(named, str) and named in UNCHECKED_FORMATS:
                self.inexact.add(place)
            if shape is None:
                return None
            self._shapes[place] = shape
        return self._shapes[place]

    def _names(self, places: Places) -> Text | tuple[str, ...] | None:
        with self._deeper(places[0], NAMES_DEPTH):
            head = self.node(places).head
        if isinstance(head, Nothing):
            return ()
        if isinstance(head, Literals):
            return tuple(value for value in head.values if isinstance(value, str))
        return (head.string or ()) if isinstance(head, Shape) else None

    # atoms to nodes

    def _made(self, atoms: tuple[Atom, ...], hint: str) -> Node:
        key = frozenset(atoms)
        if key not in self._nodes:
            places = dict.fromkeys(place for place, _ in atoms)
            entry = next(iter(places)) if len(places) == 1 else hint
            self._spend(1 + len(atoms), entry)
            node = self._nodes[key] = Node(atoms, entry)
            with self._deeper(entry):
                node.head = self._head(node)
        node = self._nodes[key]
        if node.head is None:
            raise BrokenSchema("#" + node.entry, "it refers to itself and says nothing else")
        return node

    def _head(self, node: Node) -> Shape | Choice | Type:
        if any(place == NOWHERE for place, _ in node.atoms):
            return Nothing()
        if any(aspect == "enum" for _, aspect in node.atoms):
            return self._values(node)
        choices = [atom for atom in node.atoms if atom[1] != "shape"]
        if choices:
            self._check_product(choices)
            return self._choice(node, choices[0])
        shape = meant(self._all([place for place, _ in node.atoms]))
        return Nothing() if shape.is_empty() else shape

    def _all(self, places: list[str]) -> Shape:
        """The shape of values that fit all places; by halves, so that thousands do not take their square."""
        if len(places) < 2:
            return self._shapes[places[0]] if places else Shape()
        key = tuple(places)
        if key not in self._merged:  # the members of a product have most of their places in common
            half = len(places) // 2
            merged = self._merged[key] = both(self._all(places[:half]), self._all(places[half:]))
            self._merged_left -= len(merged.object.fields) if merged.object else 0
            if self._merged_left < 0:
                raise BrokenSchema("#" + places[0], f"more than {MAX_MERGED:,} fields within `allOf`s")
        return self._merged[key]

    def _values(self, node: Node) -> Type:
        """The values that all `enum`s and `const`s name, and that fit whatever else is said."""
        rest = tuple(atom for atom in node.atoms if atom[1] != "enum")
        common: dict[Any, Any] | None = None
        for place, aspect in node.atoms:
            if aspect == "enum":
                for found in self._listed(place):
                    common = {k: v for k, v in (found if common is None else common).items() if k in found}
        assert common is not None
        if rest:
            base = self._made(rest, node.entry)
            node.head = Literals(
                tuple(common.values())
            )  # in case a value meets the node itself, further down
            common = {key: value for key, value in common.items() if self._fits(value, base)}
            self._fitting.clear()  # some of it may rest on what the node was in the meantime
        return _literals(tuple(common.values()))

    def _listed(self, place: str) -> Iterator[dict[Any, Any]]:
        schema = self.schema(place)
        if "enum" in schema:
            values: Any = schema["enum"]
            if not is_list(values):
                raise BrokenSchema(step("#" + place, "enum"), "`enum` is not a list of values")
            if len(values) > MAX_VALUES:
                raise BrokenSchema(step("#" + place, "enum"), f"more than {MAX_VALUES:,} values")
            yield self._identified(values, step(place, "enum"))
        if "const" in schema:
            yield self._identified([schema["const"]], step(place, "const"))

    def _identified(self, values: list[Any], place: str) -> dict[Any, Any]:
        check_depth(values, place)
        if not is_finite(values):
            raise BrokenSchema("#" + place, "it holds a number that JSON does not have")
        found: dict[Any, Any] = {}
        for value in values:
            found.setdefault(identity(value), value)
        self._spend(len(found), place)
        return found

    def _choice(self, node: Node, atom: Atom) -> Choice:
        """The first choice of the atoms, made: the others stay within its members."""
        place, word = atom
        rest = tuple(other for other in node.atoms if other != atom)
        members = [
            self._made(tuple(dict.fromkeys(rest + atoms)), branch if rest else self._origin(branch))
            for branch, atoms in self._alternatives(place, word)
        ]
        discriminator = _discriminator(self.schema(place))
        return Choice(tuple(members), exclusive=word == "oneOf", discriminator=discriminator)

    def _check_product(self, choices: list[Atom]) -> None:
        """What is a union of thousands in the end is refused before it is made."""
        product = 1
        for place, word in choices:
            product *= 2 if word == "nullable" else len(self._branches(self.schema(place), place, word))
            if product > MAX_MEMBERS:
                raise BrokenSchema(step("#" + place, word), f"more than {MAX_MEMBERS:,} members")

    def _alternatives(self, place: str, word: str) -> Iterator[tuple[str, tuple[Atom, ...]]]:
        schema = self.schema(place)
        if word == "nullable":
            yield place, tuple(dict.fromkeys(self._plain(schema, place)))
            yield NULL, self._expand(NULL)
            return
        for branch in self._branches(schema, place, word):
            yield branch, self._expand(branch)

    # values against nodes

    def _fits(self, value: Any, node: Node) -> bool:
        key = id(value), node
        if key not in self._fitting:
            self._comparisons_left -= 1
            if self._comparisons_left < 0:
                raise BrokenSchema(
                    "#" + node.entry, f"more than {MAX_ENUM_COMPARISONS:,} comparisons of values"
                )
            self._fitting[key] = self._head_fits(value, node.head)
        return self._fitting[key]

    def _head_fits(self, value: Any, head: Shape | Choice | Type | None) -> bool:
        if isinstance(head, Choice):
            fitting = (self._fits(value, member) for member in head.members)
            return sum(fitting) == 1 if head.exclusive else any(fitting)
        if not isinstance(head, Shape):
            return head is not None and self._accepting.accepts(value, head)
        if is_list(value):
            return head.array is not None and self._list_fits(value, head.array)
        if is_object(value):
            return head.object is not None and self._object_fits(value, head.object)
        return self._scalar_fits(value, head)

    def _list_fits(self, value: list[Any], items: Items) -> bool:
        if not count_fits(len(value), items.least, items.most):
            return False
        if items.unique and not all_differ(value):
            return False
        return all(
            self._fits(item, self.node(items.first[i] if i < len(items.first) else items.rest))
            for i, item in enumerate(value)
        )

    def _object_fits(self, value: Mapping[str, Any], entries: Entries) -> bool:
        if not count_fits(len(value), entries.least, entries.most):
            return False
        return all(name in value for name in entries.required) and all(
            self._fits(item, self.node(entries.at(name))) for name, item in value.items()
        )

    def _scalar_fits(self, value: Any, shape: Shape) -> bool:
        if value is None or isinstance(value, bool):
            return shape.null if value is None else shape.boolean
        type_ = shape.string if isinstance(value, str) else shape.number
        return type_ is not None and self._accepting.accepts(value, type_)

    # limits

    def spend_fields(self, fields: int, place: str) -> None:
        """Count fields that are made; BrokenSchema where there are too many of them."""
        self._fields_left -= fields
        if self._fields_left < 0:
            raise BrokenSchema("#" + place, f"more than {MAX_FIELDS:,} fields")

    @contextmanager
    def _deeper(self, place: str, levels: int = 1) -> Generator[None]:
        self._depth += levels
        if self._depth > MAX_DEPTH:
            raise BrokenSchema("#" + place, f"nested more than {MAX_DEPTH} levels deep")
        try:
            yield
        finally:
            self._depth -= levels

    def _spend(self, parts: int, place: str) -> None:
        self._left -= parts
        if self._left < 0:
            raise BrokenSchema("#" + place, f"more than {MAX_PARTS:,} parts, or combinations of parts")


def check_depth(value: Any, place: str) -> None:
    """BrokenSchema where a JSON value is nested too deeply to be compared."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if is_object(item):
                inner.extend(item.values())
            elif is_list(item):
                inner.extend(item)
        if not inner:
            return
        level = inner
    raise BrokenSchema("#" + place, f"nested more than {MAX_DEPTH} levels deep")


def is_finite(value: Any) -> bool:
    """Whether a value is without NaN and infinity, which parsers take for JSON, or make of 1e999."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return False
        if is_object(item):
            waiting.extend(item.values())
        elif is_list(item):
            waiting.extend(item)
    return True


def _literals(values: tuple[Any, ...]) -> Type:
    if not values:
        return Nothing()
    return Null() if values == (None,) else Literals(values)


def _discriminator(schema: Json) -> str | None:
    said: Any = schema.get("discriminator")
    name: Any = said.get("propertyName") if is_object(said) else None
    return name if isinstance(name, str) else None


def is_old(*values: Any) -> bool:
    """Whether `$ref` hides what stands beside it, as it did up to draft-07."""
    for value in values:
        said: Any = value.get("$schema") if is_object(value) else None
        if isinstance(said, str):
            return any(draft in said for draft in _OLD_DRAFTS)
    return False
