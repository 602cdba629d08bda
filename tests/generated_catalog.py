"""A catalog with every kind of type, and the module that is generated from it: `typing/generated_flows.py`.

Run as a program, it writes the module anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MODULE = Path(__file__).parent / "typing" / "generated_flows.py"


def _object(required: dict[str, Any], more: dict[str, Any] | None = None, /, **words: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(more or {})},
        "required": list(required),
        **words,
    }


TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}

DEFS: dict[str, Any] = {
    "Message": _object(
        {"role": {"enum": ["user", "model"]}, "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}}},
        description="One turn of a conversation.",
    ),
    "Part": {"anyOf": [{"$ref": "#/$defs/TextPart"}, {"$ref": "#/$defs/MediaPart"}]},
    "TextPart": _object({"text": TEXT}, {"metadata": {"type": "object", "additionalProperties": True}}),
    "MediaPart": _object({"url": {**TEXT, "format": "uri"}}, {"contentType": TEXT}),
    "Circle": _object({"kind": {"const": "circle"}, "radius": {"type": "number", "exclusiveMinimum": 0}}),
    "Square": _object({"kind": {"const": "square"}, "side": {"type": "number", "exclusiveMinimum": 0}}),
    "Tree": {"anyOf": [TEXT, {"type": "array", "items": {"$ref": "#/$defs/Tree"}}]},
}

MENU = _object(
    {"theme": {**TEXT, "description": "What the dishes have in common.", "minLength": 1}},
    {
        "courses": {**WHOLE, "minimum": 1, "maximum": 7, "default": 3},
        "diet": {"enum": ["none", "vegetarian", "vegan"], "default": "none"},
        "allergies": {"type": "array", "items": TEXT, "default": [], "uniqueItems": True},
        "serve-at": {**TEXT, "format": "date-time"},
        "budget": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}], "default": None},
        "class": {**TEXT, "pattern": "^[A-Z]$", "default": "A"},
        "date": {**TEXT, "format": "date", "default": "2024-05-01"},
        "until": {"anyOf": [{**TEXT, "format": "date"}, {"type": "null"}]},
    },
    title="MenuRequest",
    description="What a caller asks for.\n\nOnly the theme is needed: everything else has a default, and the"
    " kitchen will do its best with whatever it is given.",
)

SCHEMAS: dict[str, dict[str, Any]] = {
    "menu": {
        "description": "Plan a menu, dish by dish.",
        "inputSchema": MENU,
        "streamSchema": _object({"name": TEXT, "price": {"type": "number"}}, title="Dish"),
        "outputSchema": _object(
            {"title": TEXT, "total": {"type": "number"}, "note": {"anyOf": [TEXT, {"type": "null"}]}},
            title="Menu",
        ),
    },
    "chat/v2": {
        "description": "Answer the last message.",
        "inputSchema": _object({"history": {"type": "array", "items": {"$ref": "#/$defs/Message"}}}),
        "streamSchema": {"$ref": "#/$defs/Part"},
        "outputSchema": _object({"message": {"$ref": "#/$defs/Message"}}),
    },
    "measureShapes": {
        "inputSchema": {
            "type": "array",
            "minItems": 1,
            "items": {"oneOf": [{"$ref": "#/$defs/Circle"}, {"$ref": "#/$defs/Square"}]},
        },
        "streamSchema": {"type": "number"},
        "outputSchema": {"type": "object", "additionalProperties": {"type": "number"}},
    },
    "tree": {
        "inputSchema": {"$ref": "#/$defs/Tree"},
        "outputSchema": {"prefixItems": [WHOLE, {"type": "boolean"}], "items": False, "minItems": 2},
    },
    "odd": {
        "inputSchema": _object(
            {
                "either": {"oneOf": [{**WHOLE, "minimum": 3}, {"type": "number", "multipleOf": 0.5}]},
                "one": {"enum": [1, 1.5, None, [2]]},
                "pair": {"prefixItems": [TEXT, WHOLE], "items": False},
                "codes": {
                    "type": "object",
                    "propertyNames": {"pattern": "^x-"},
                    "additionalProperties": TEXT,
                },
                "both": {"allOf": [{"multipleOf": 4}, {"multipleOf": 6, "type": "integer"}]},
            },
            additionalProperties=WHOLE,
            title="Odd",
        ),
        "outputSchema": {"anyOf": [{**TEXT, "format": "uuid"}, {"type": "null"}, {"type": "boolean"}]},
    },
    "story": {"inputSchema": TEXT, "streamSchema": TEXT, "outputSchema": {**TEXT, "maxLength": 10_000}},
    "ticks": {"inputSchema": {"type": "null"}, "streamSchema": WHOLE},
    "anything": {"description": "Takes and gives what it likes."},
    "unless": {
        "inputSchema": _object({"a": {**WHOLE, "not": {"const": 3}}}),
        "outputSchema": {"$ref": "#/$defs/Square"},
    },
}


def catalog() -> bytes:
    """Genkit's actions, each schema with all definitions that it needs."""
    actions = {
        f"/flow/{name}": {
            "key": f"/flow/{name}",
            "name": name,
            "description": told.get("description", ""),
            **{word: _whole(schema) for word, schema in told.items() if word != "description"},
        }
        for name, told in SCHEMAS.items()
    }
    return json.dumps(actions).encode()


def _whole(schema: Any) -> Any:
    """With all definitions, where it refers to some; they are told apart by use."""
    return {**schema, "$defs": DEFS} if "$ref" in json.dumps(schema) else schema


def text() -> str:
    """The module as it is written now."""
    from streamflow_client.cli.generating import flows_to_write
    from streamflow_client.schema.catalog import Catalog
    from streamflow_client.schema.source.module import module_source

    found = flows_to_write(Catalog.parse(catalog(), source="generated_catalog.json"))
    return module_source(found.flows, sorted(found.notes))


if __name__ == "__main__":
    MODULE.write_text(text(), encoding="utf-8")
