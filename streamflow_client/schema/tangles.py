"""Which unions would have one value checked again and again: a guard against exponential time.

In: definitions. Out: whether a union is tangled. Out of place here: core schemas, and what is done about it.

A union tries its members one after the other. Where two of them lead back to the union, every level of a
value doubles the trials of the level below; so does every step down a ladder of unions whose members share
the next one. Such unions have to remember what they found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from .model import Definition, Ref, Type, Union
from .walk import names_in, parts

__all__ = ["Tangles"]

_HEAVY: Final = 4  # nested unions, each doubling the trials: what is worth the cost of remembering


class Tangles:
    """Knows the tangled unions among some definitions."""

    def __init__(self, definitions: Mapping[str, Definition]) -> None:
        self._group: dict[str, int] = {}  # definitions that contain each other are of one group
        self._weight: dict[str, int] = {}
        for number, group in enumerate(_groups(definitions)):
            self._group |= dict.fromkeys(group, number)
            self._weight |= dict.fromkeys(group, _HEAVY)  # as seen from within
            meant = {name: definitions[name].type for name in group}
            if not any(self._holds_a_tangle(part, name) for name, part in meant.items()):
                self._weight |= dict.fromkeys(group, 0)
                self._weight |= dict.fromkeys(group, max(map(self._weighed, meant.values())))

    def heavy_members(self, union: Union, within: str | None, *, twice: bool = False) -> list[Type]:
        """The members that make a union tangled, two or more; empty where it is not.

        Args:
            within: the definition that the union is a part of.
            twice: each member is tried in two ways, so that a single one is enough.
        """
        heavy = [member for member in union.members if self._is_heavy(member, within)]
        return heavy if len(heavy) > (0 if twice else 1) and union.discriminator is None else []

    def _is_heavy(self, type: Type, within: str | None) -> bool:
        group = -1 if within is None else self._group[within]
        return self._weighed(type) >= _HEAVY or any(self._group[name] == group for name in names_in(type))

    def _holds_a_tangle(self, type: Type, within: str) -> bool:
        if isinstance(type, Union) and self.heavy_members(type, within):
            return True
        return any(self._holds_a_tangle(part, within) for part in parts(type))

    def _weighed(self, type: Type) -> int:
        """How many unions, each of them in two members of the next, stand above each other: at most."""
        if isinstance(type, Ref):
            return self._weight[type.name]
        weights = sorted(map(self._weighed, parts(type)), reverse=True) or [0]
        if not isinstance(type, Union) or type.discriminator is not None:
            return weights[0]
        return min(_HEAVY, max(weights[0], weights[1] + 1))


def _groups(definitions: Mapping[str, Definition]) -> Iterator[list[str]]:
    """Tarjan's strongly connected components, each after all that it refers to."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    done: set[str] = set()
    for start in definitions:
        path = [] if start in order else [(start, _entered(start, definitions, order, low, stack))]
        while path:
            name, rest = path[-1]
            used = next(rest, None)
            if used is None:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[name])
                if low[name] == order[name]:
                    group = stack[stack.index(name) :] if stack[-1] != name else [name]
                    del stack[-len(group) :]
                    done.update(group)
                    yield group
            elif used not in order:
                path.append((used, _entered(used, definitions, order, low, stack)))
            elif used not in done:
                low[name] = min(low[name], order[used])


def _entered(
    name: str,
    definitions: Mapping[str, Definition],
    order: dict[str, int],
    low: dict[str, int],
    stack: list[str],
) -> Iterator[str]:
    order[name] = low[name] = len(order)
    stack.append(name)
    names: Iterable[str] = dict.fromkeys(names_in(definitions[name].type))
    return iter(names)
