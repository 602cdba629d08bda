"""Genkit's list of actions, `GET /api/actions` of the reflection API → flows.

In: the document. Out: `FlowSpec`s, and a warning for each action that cannot be one. Out of place
here: what schemas mean.

    {"/flow/menu": {"key": "/flow/menu", "name": "menu", "description": …, "inputSchema": …,
                    "outputSchema": …, "streamSchema": …, "metadata": {"inputSchema": …}}}

Every schema is a document of its own: its references point into itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..jsonvalues import is_object
from ..text import shown
from ..wire.request import ProtocolName
from .document import kind
from .flowspec import Broken, FlowSpec, checked_name, checked_schema
from .raw import Schema

_FLOW = "/flow/"


def actions_of(document: Any) -> dict[str, Any] | None:
    """The actions by their keys, or None: this is no list of actions.

    Version 2 of the reflection API wraps them: `{"actions": {…}}`.
    """
    if not is_object(document):
        return None
    wrapped = document.get("actions")
    actions = wrapped if len(document) == 1 and is_object(wrapped) else document
    return actions if not actions or any(map(_is_action, actions.items())) else None


def _is_action(entry: tuple[str, Any]) -> bool:
    key, value = entry
    return key.startswith("/") and is_object(value) and ("key" in value or "name" in value)


def read_actions(
    actions: dict[str, Any], *, source: str, protocol: ProtocolName, all_actions: bool
) -> Iterator[FlowSpec | str]:
    """Flows, or whatever can be run, and warnings. Flows are called by `protocol`, all else by reflection."""
    for key, action in actions.items():
        try:
            if key.startswith(_FLOW):
                yield _spec(checked_name(key.removeprefix(_FLOW)), action, source, protocol)
            elif all_actions:
                yield _spec(_whole(key), action, source, "reflection")
        except Broken as reason:
            yield f"action {shown(repr(key), 100)} is skipped: {reason}"


def _whole(key: str) -> str:
    if not key.startswith("/"):
        raise Broken("its key does not begin with '/'")
    return "/" + checked_name(key[1:])


def _spec(name: str, action: Any, source: str, protocol: ProtocolName) -> FlowSpec:
    if not is_object(action):
        raise Broken(f"it is {kind(action)}, not an object")
    description = action.get("description")
    return FlowSpec(
        name=name,
        path=None,
        protocol=protocol,
        description=description if isinstance(description, str) else "",
        input_schema=_schema(action, "inputSchema"),
        chunk_schema=_schema(action, "streamSchema"),
        output_schema=_schema(action, "outputSchema"),
        source=source,
    )


def _schema(action: dict[str, Any], word: str) -> Schema | None:
    """Python repeats schemas in the metadata; null stands for what is not told."""
    metadata = action.get("metadata")
    value = action.get(word)
    if value is None and is_object(metadata):
        value = metadata.get(word)
    return None if value is None else checked_schema(Schema(value, root=value))
