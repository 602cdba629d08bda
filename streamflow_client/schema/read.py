"""JSON Schema to the model of types: draft-07, 2020-12, and what OpenAPI 3.0 adds, all read alike.

In: a schema and the document that it stands in. Out: `Types`, or BrokenSchema. Out of place here: keywords
(`keywords.py`), references and intersections (`graph.py`), and what writers make of the types.

What the model cannot say widens a type and leaves a warning; what is broken is refused. Nothing is fetched,
imported or executed, and every limit is a named constant here or in the modules this one reads through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Set
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

from .accepts import Accepting, TooMuch
from .broken import BrokenSchema
from .defaults import Place, endless_defaults
from .graph import MAX_DEPTH, Choice, Graph, Node, check_depth, is_finite
from .model import (
    MISSING,
    Anything,
    Array,
    Boolean,
    Definition,
    Field,
    Map,
    Nothing,
    Null,
    Record,
    Ref,
    Text,
    Tuple,
    Type,
    Types,
    Union,
)
from .names import Taken, field_names
from .naming import Naming
from .raw import Schema
from .settle import settled
from .shapes import NOWHERE, Entries, Items, Places, Shape
from .walk import parts

__all__ = ["MAX_DEPTH", "BrokenSchema", "read_types"]

MAX_INLINE: Final = 100
"""Parts, and so levels, of a type without a name. A larger one gets a name: written out at every use, types
that use each other twice would double at every level."""

MAX_WRITTEN: Final = 100_000
"""Parts of all fields together, with what they refer to written out, but for records. Types that use each
other twice double there at every level, and so does the work of whoever tells what a value may be."""

MAX_DEFAULT_COMPARISONS: Final = 300_000
"""Of defaults with types, in one schema. What is beyond it counts as not fitting."""


def read_types(schema: Schema, *, name: str) -> Types:
    """All that a schema says. The same schema gives the same types, names and warnings.

    Args:
        schema: draft-07 or 2020-12; `$schema` decides only whether keywords beside `$ref` count.
        name: what the root type is called where it has no title: "MenuInput".

    Raises:
        BrokenSchema: a keyword of the wrong kind, a reference out of the document or to nothing, or a
            limit exceeded.
    """
    graph = Graph(schema)
    reading = _Reading(graph, schema, name)
    while reading.loosen():
        reading = _Reading(graph, schema, name)
    return reading.types()


class _Reading:
    """One walk over the graph from its root, in which records and self-containing types get their names."""

    def __init__(self, graph: Graph, schema: Schema, name: str) -> None:
        self._graph = graph
        self._start = schema.pointer
        self._naming = Naming(graph.schema, schema.pointer, name)
        self._taken = Taken()
        self._definitions: dict[str, Definition] = {}
        self._types: dict[Node, Type] = {}
        self._open: dict[Node, str] = {}  # being read, with a name once one of them contains itself
        self._records: dict[Node, str] = {}
        self._waiting: deque[tuple[Node, str, int]] = deque()
        self._defaults: dict[Place, str] = {}  # where defaults stand, by record and field
        self._users: dict[Node, list[Node]] = {}
        self._exclusive: list[Node] = []
        self._level = 0
        self._root = self._of(graph.node((schema.pointer,)))
        while self._waiting:
            node, record, self._level = self._waiting.popleft()
            self._define(node, record)

    # the end

    def types(self) -> Types:
        """What was read, settled, with the defaults that fit."""
        root, definitions = settled(self._root, self._definitions)
        self._check_size(root, definitions)
        accepting = Accepting(definitions, MAX_DEFAULT_COMPARISONS)
        unfit = [
            (name, field.name)
            for name, definition in definitions.items()
            for field in (definition.type.fields if isinstance(definition.type, Record) else ())
            if not self._fits(name, field, accepting)
        ]
        definitions = _without_defaults(definitions, set(unfit))
        endless = endless_defaults(definitions, Accepting(definitions, MAX_DEFAULT_COMPARISONS))
        for place in (place for place in self._defaults if place in endless):
            what = "`default` contains itself, or too many others, and is not used"
            self._graph.warn(self._defaults[place], what)
        definitions = _without_defaults(definitions, endless)
        return Types(
            root=root,
            definitions=definitions,
            title=self._text((self._start,), "title"),
            description=self._text((self._start,), "description"),
            warnings=self._graph.warnings,
        )

    def _check_size(self, root: Type, definitions: Mapping[str, Definition]) -> None:
        records = [definition.type for definition in definitions.values()]
        fields = [f.type for record in records if isinstance(record, Record) for f in record.fields]
        waiting = [(type_, frozenset[str]()) for type_ in (root, *fields)]
        left = MAX_WRITTEN
        while waiting:
            type_, within = waiting.pop()
            left -= 1
            if left < 0:
                raise BrokenSchema(
                    "#" + self._start, f"more than {MAX_WRITTEN:,} parts, or combinations of parts"
                )
            if isinstance(type_, Ref) and type_.name not in within:
                waiting.append((definitions[type_.name].type, within | {type_.name}))
            waiting += [(part, within) for part in _inline_parts(type_)]

    def _fits(self, record: str, field: Field, accepting: Accepting) -> bool:
        """Whether a default, if there is one, may stay; a warning if not."""
        if field.default is MISSING or _accepts(accepting, field):
            return True
        if field.default is not None:  # which says "no default" where null is no value
            self._graph.warn(self._defaults[record, field.name], "`default` does not fit, and is not used")
        return False

    def loosen(self) -> bool:
        """Make plain unions of those `oneOf`s whose members allow more than they should; whether any was.

        A value that one member lets pass unchecked may be refused for fitting two.
        """
        inexact = self._graph.inexact
        waiting = [node for node in self._users if any(place in inexact for place, _ in node.atoms)]
        tainted = set(waiting)
        while waiting:
            fresh = [user for user in self._users[waiting.pop()] if user not in tainted]
            tainted.update(fresh)
            waiting += fresh
        loosened = [node for node in self._exclusive if node in tainted]
        for node in loosened:
            assert isinstance(node.head, Choice)
            node.head.exclusive = False
        return bool(loosened)

    # types

    def _type(self, places: Places, user: Node) -> Type:
        node = self._graph.node(places)
        self._users.setdefault(node, []).append(user)
        return self._of(node)

    def _of(self, node: Node) -> Type:
        self._users.setdefault(node, [])
        if node in self._open:
            self._open[node] = self._open[node] or self._new_name(node)
            return Ref(self._open[node])
        if node not in self._types:
            if len(self._open) >= MAX_DEPTH:
                raise BrokenSchema("#" + node.entry, f"nested more than {MAX_DEPTH} levels deep")
            self._open[node] = ""
            type_ = self._read(node)
            self._types[node] = self._closed(node, type_, self._open.pop(node))
        return self._types[node]

    def _closed(self, node: Node, type_: Type, name: str) -> Type:
        """The type itself, or a reference where it contains itself or is large."""
        if not name and not _is_large(type_):
            return type_
        name = name or self._new_name(node)
        self._definitions[name] = self._definition(node, type_)
        return Ref(name)

    def _read(self, node: Node) -> Type:
        head = node.head
        if isinstance(head, Choice):
            return self._choice(node, head)
        if isinstance(head, Shape):
            return self._shape(node, head)
        assert head is not None, "the graph gives finished nodes"
        return head

    def _choice(self, node: Node, choice: Choice) -> Type:
        if choice.exclusive:
            self._exclusive.append(node)
        for member in choice.members:
            self._users.setdefault(member, []).append(node)
        members = tuple(self._of(member) for member in choice.members)
        return Union(members, choice.exclusive, choice.discriminator)

    def _shape(self, node: Node, shape: Shape) -> Type:
        if replace(shape, typed=False, hinted=frozenset()) == Shape():
            return Anything()
        members: list[Type | None] = [
            self._object(node, shape.object) if shape.object else None,
            self._array(node, shape.array) if shape.array else None,
            *(shape.string, shape.number),
            Boolean() if shape.boolean else None,
            Null() if shape.null else None,
        ]
        found = [member for member in members if member is not None]
        return found[0] if len(found) == 1 else Union(tuple(found)) if found else Nothing()

    def _array(self, node: Node, items: Items) -> Type:
        rest = self._type(items.rest, node)
        least = items.least or None
        if not items.first:
            most = 0 if isinstance(rest, Nothing) else items.most
            return Array(rest, least, most, items.unique)
        first = tuple(self._type(places, node) for places in items.first)
        return Tuple(first, rest, least, items.most, items.unique)

    def _object(self, node: Node, entries: Entries) -> Type | None:
        closed = NOWHERE in entries.extra
        if any(self._is_nothing(entries.at(name)) for name in entries.required):
            return None
        listed = entries.listed and (closed or not entries.extra_said)
        if entries.fields or entries.required or listed or (closed and entries.keys == Text()):
            return self._record(node)
        values = self._type(entries.extra, node)
        return Map(values, entries.keys, entries.least or None, entries.most)

    def _is_nothing(self, places: Places) -> bool:
        return isinstance(self._graph.node(places).head, Nothing)

    # records

    def _record(self, node: Node) -> Ref:
        if node not in self._records:
            if self._level >= MAX_DEPTH:
                raise BrokenSchema("#" + node.entry, f"nested more than {MAX_DEPTH} levels deep")
            name = self._records[node] = self._new_name(node)
            self._definitions[name] = self._definition(node, Nothing())  # the place among the others
            self._waiting.append((node, name, self._level + 1))
        return Ref(self._records[node])

    def _define(self, node: Node, name: str) -> None:
        assert isinstance(node.head, Shape)
        assert node.head.object is not None
        entries = node.head.object
        closed = self._is_nothing(entries.extra)
        names = dict.fromkeys((*entries.fields, *entries.required))
        listed = {
            field: places
            for field in names
            if not (self._is_nothing(places := entries.at(field)) and closed)  # said by `extra` already
        }
        self._graph.spend_fields(len(names), node.entry)
        python_names = field_names(listed)
        required = frozenset(entries.required)
        fields = tuple(
            self._field((name, f), python_names[f], listed[f], node, required=f in required) for f in listed
        )
        self._note_unchecked(node, entries, closed=closed)
        record = Record(fields, self._type(entries.extra, node), entries.extra_said)
        self._definitions[name] = self._definition(node, record)

    def _field(self, at: Place, python_name: str, places: Places, node: Node, *, required: bool) -> Field:
        default: Any = MISSING
        if found := self._graph.said(places, "default"):
            place, default = found
            self._defaults[at] = place
            check_depth(default, place + "/default")
        return Field(
            name=at[1],
            python_name=python_name,
            type=self._type(places, node),
            required=required,
            default=deepcopy(default),  # the document is the caller's, who may change it
            title=self._own_text(places, "title"),
            description=self._text(places, "description"),
        )

    def _note_unchecked(self, node: Node, entries: Entries, *, closed: bool) -> None:
        """A record cannot count its entries, nor tell its unknown ones by name."""
        if entries.least > len(entries.required):
            self._graph.warn(node.entry, "`minProperties` is not checked")
        if entries.most is not None and not (closed and entries.most >= len(entries.fields)):
            self._graph.warn(node.entry, "`maxProperties` is not checked")
        if entries.keys != Text() and not closed:
            self._graph.warn(node.entry, "the names of unknown properties are not checked")

    # words

    def _new_name(self, node: Node) -> str:
        return self._taken.new(self._naming.of(node.entry))

    def _definition(self, node: Node, type_: Type) -> Definition:
        places = (node.entry,)
        return Definition(type_, self._own_text(places, "title"), self._text(places, "description"))

    def _text(self, places: Places, word: str) -> str:
        """An annotation, also of what a `$ref` leads to."""
        found = self._graph.said(places, word)
        return found[1] if found and isinstance(found[1], str) else ""

    def _own_text(self, places: Places, word: str) -> str:
        """An annotation of the places themselves."""
        said = (self._graph.schema(place).get(word) for place in places)
        return next((text for text in said if isinstance(text, str)), "")


def _accepts(accepting: Accepting, field: Field) -> bool:
    try:
        return is_finite(field.default) and accepting.accepts(field.default, field.type)
    except TooMuch:
        return False


def _without_defaults(definitions: Mapping[str, Definition], unfit: Set[Place]) -> dict[str, Definition]:
    left = dict(definitions)
    for name in dict.fromkeys(record for record, _ in unfit):
        type_ = left[name].type
        assert isinstance(type_, Record)
        fields = tuple(replace(f, default=MISSING) if (name, f.name) in unfit else f for f in type_.fields)
        left[name] = replace(left[name], type=replace(type_, fields=fields))
    return left


def _is_large(type_: Type) -> bool:
    """Whether a type, written out, has more than MAX_INLINE parts."""
    waiting, parts = [type_], 0
    while waiting and parts <= MAX_INLINE:
        parts += 1
        waiting += _inline_parts(waiting.pop())
    return parts > MAX_INLINE


def _inline_parts(type_: Type) -> tuple[Type, ...]:
    """What stands where the type is written; a record is a class that stands elsewhere."""
    return () if isinstance(type_, Record) else parts(type_)
