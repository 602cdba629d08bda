"""The types of several flows → one set of definitions, in which equal ones of one name are one.

In: `Types` by flow and role. Out: definitions by new names, and the root of each `Types`. Out of place here:
source.

Of one name, what is equal all the way down is one definition. What is not gets names of its own: where the
inputs have one and the answers another, the inputs' is `MessageInput`; else they are numbered. The order of
the flows has no part in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ...text import excerpt
from ..model import (
    MISSING,
    Array,
    Definition,
    Field,
    Map,
    Nothing,
    Record,
    Ref,
    Tuple,
    Type,
    Types,
    Union,
)
from ..names import Taken
from ..signature import telling
from ..walk import names_in
from .text import LONG_TEXT, told

__all__ = ["ROLES", "Key", "Merged", "merged", "worded"]

Key = tuple[str, str]
"""A flow and a role."""

_Node = tuple[Key, str]
_INPUT: Final = "input"
ROLES: Final = ("input", "chunk", "output")


@dataclass(frozen=True, slots=True)
class Merged:
    """All types of a module.

    Attributes:
        definitions: parts before what they are parts of, as far as possible.
    """

    definitions: Mapping[str, Definition]
    roots: Mapping[Key, Type]


def merged(found: Mapping[Key, Types], taken: Taken) -> Merged:
    """One set of definitions, under names that `taken` did not have so far."""
    ordered = {key: worded(found[key]) for key in sorted(found, key=_place)}
    nodes = {
        (key, name): types.definitions[name] for key, types in ordered.items() for name in _reached(types)
    }
    groups = _equal(nodes)
    names = _names(groups, taken)
    definitions: dict[str, Definition] = {}
    for node, definition in nodes.items():
        if names[node] not in definitions:
            type_ = _renamed(definition.type, node[0], names)
            closed = all(role == _INPUT for (_, role), _ in groups[node])
            definitions[names[node]] = replace(definition, type=_closed(type_) if closed else type_)
    roots = {key: _renamed(types.root, key, names) for key, types in ordered.items()}
    return Merged(definitions, roots)


def _place(key: Key) -> tuple[str, int]:
    flow, role = key
    return flow, ROLES.index(role)


def _closed(type_: Type) -> Type:
    """A record that only inputs have refuses what its schema does not speak of, as most likely misspelt."""
    if isinstance(type_, Record) and not type_.extra_said:
        return replace(type_, extra=Nothing(), extra_said=True)
    return type_


# --- which are equal


def _equal(nodes: Mapping[_Node, Definition]) -> dict[_Node, tuple[_Node, ...]]:
    """For each definition, all that are equal to it: of one name, one content, and with equal parts.

    All of one name and content are taken for equal at first. What then turns out to have parts that are not,
    is told apart, and in turn what has those for parts.
    """
    group: dict[_Node, int] = {}
    users: dict[_Node, list[_Node]] = {}
    parts = {node: [(node[0], name) for name in names_in(found.type)] for node, found in nodes.items()}
    contents: dict[tuple[str, str], int] = {}
    for node, found in nodes.items():
        group[node] = contents.setdefault((node[1], repr(found)), len(contents))
        for part in parts[node]:
            users.setdefault(part, []).append(node)
    count = len(contents)
    changed: Iterable[_Node] = nodes
    while changed:
        suspects = {each for node in changed for each in (node, *users.get(node, ()))}
        whole: dict[int, list[_Node]] = {}
        for node in nodes:
            whole.setdefault(group[node], []).append(node)
        fresh: dict[_Node, int] = {}
        for number in dict.fromkeys(group[node] for node in nodes if node in suspects):
            told: dict[tuple[int, ...], list[_Node]] = {}
            for node in whole[number]:
                told.setdefault(tuple(group[part] for part in parts[node]), []).append(node)
            for apart in list(told.values())[1:]:
                fresh |= dict.fromkeys(apart, count)
                count += 1
        group |= fresh
        changed = fresh
    found_groups: dict[int, list[_Node]] = {}
    for node, number in group.items():
        found_groups.setdefault(number, []).append(node)
    return {node: tuple(found_groups[number]) for node, number in group.items()}


def _names(groups: Mapping[_Node, tuple[_Node, ...]], taken: Taken) -> dict[_Node, str]:
    """What each definition is called from now on."""
    by_name: dict[str, dict[_Node, tuple[_Node, ...]]] = {}
    for (_, name), group in groups.items():
        by_name.setdefault(name, {})[group[0]] = group
    names: dict[_Node, str] = {}
    later: list[tuple[str, tuple[_Node, ...]]] = []
    for name, same in by_name.items():
        first, *others = sorted(same.values(), key=_is_of_inputs)  # the name itself is for what answers hold
        names |= dict.fromkeys(first, taken.new(name, "_"))
        for group in others:
            told_apart = _is_of_inputs(group) and not _is_of_inputs(first)
            later.append((f"{name}Input" if told_apart else name, group))
    for name, group in later:
        names |= dict.fromkeys(group, taken.new(name))
    return names


def _is_of_inputs(group: tuple[_Node, ...]) -> bool:
    return all(role == _INPUT for (_, role), _ in group)


# --- one `Types` by itself


def worded(types: Types) -> Types:
    """The same, with its words as source holds them: one text for title and description, and no default of
    a field that has to be there, for it is never filled in."""
    definitions = {
        name: Definition(_worded(found.type, types.definitions), description=_description(name, found))
        for name, found in types.definitions.items()
    }
    return replace(types, definitions=definitions)


def _worded(type_: Type, definitions: Mapping[str, Definition]) -> Type:
    if not isinstance(type_, Record):
        return type_
    return replace(type_, fields=tuple(_worded_field(field, definitions) for field in type_.fields))


def _description(name: str, definition: Definition) -> str:
    return told(definition.description or telling(definition.title, name))


def _worded_field(field: Field, definitions: Mapping[str, Definition]) -> Field:
    """What its type says of itself, as a `$ref` gives it, it need not repeat."""
    text = field.description or telling(field.title, field.name, field.python_name)
    if isinstance(field.type, Ref) and text == definitions[field.type.name].description:
        text = ""
    default = MISSING if field.required else field.default
    return replace(field, title="", description=excerpt(text.strip(), LONG_TEXT), default=default)


def _reached(types: Types) -> Iterator[str]:
    """The definitions that the root needs, parts before wholes."""
    seen = set[str]()
    waiting: list[tuple[str, bool]] = [(name, False) for name in reversed(list(names_in(types.root)))]
    while waiting:
        name, done = waiting.pop()
        if done:
            yield name
        elif name not in seen:
            seen.add(name)
            waiting.append((name, True))
            inner = list(names_in(types.definitions[name].type))
            waiting += [(each, False) for each in reversed(inner)]


def _renamed(type_: Type, key: Key, names: Mapping[_Node, str]) -> Type:  # noqa: PLR0911 - a table
    def new(part: Type) -> Type:
        return _renamed(part, key, names)

    match type_:
        case Ref(name):
            return Ref(names[key, name])
        case Array(items=items):
            return replace(type_, items=new(items))
        case Tuple(items=items, rest=rest):
            return replace(type_, items=tuple(map(new, items)), rest=new(rest))
        case Map(values=values):
            return replace(type_, values=new(values))
        case Union(members=members):
            return replace(type_, members=tuple(map(new, members)))
        case Record(fields=fields, extra=extra):
            renamed = tuple(replace(field, type=new(field.type)) for field in fields)
            return replace(type_, fields=renamed, extra=new(extra))
        case _:
            return type_
