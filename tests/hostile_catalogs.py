"""Catalogs that mean harm, or were made without care: name → the bytes of the document.

Out: `CORPUS`, the same in every process; `INSTANCES`, values to hand to whatever types come of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

CODE = "__import__('os').system('touch was-here')"
ESCAPES = "\x1b[2J\x1b]0;title\x07\r\n\u202egnp.exe\u2028"
REFERENCES = [
    *("file:///etc/passwd", "http://127.0.0.1:9/x.json#/A", "https://evil.example/x", "//evil.example/x"),
    *("../x.json#/A", "/etc/passwd", "x.json", "data:application/json,{}", "urn:x:y", "#anchor", "#/nowhere"),
    *("#/%2e%2e/x", "#/~2", "#/properties/a/b/c", "#" + "/a" * 10_000, "", "#//", "\0"),
]
NAMES = [
    *("class", "foo-bar", "foo_bar", "$id", "__init__", "model_config", "self", "copy", "json", "1st"),
    *("_private", "", "größe", "名前", "__proto__", "__class__"),
    *("__dict__", "__slots__", "__pydantic_fields__"),
    *("model_fields", "model_dump", "model_validate"),
    *("model_post_init", "model_construct", "__root__", "cls"),
    *("None", "True", "import", "print", "dict", "schema"),
    *("validate", "constructor", "prototype", "toString"),
    *("a b", "a\nb", "a\0b", "a\x1b[2Jb", "'", '"', "\\", "{", "}"),
    *("{0.__class__}", "%s", "a" * 100_000, CODE),
    *("\u212a", "K", "ﬁ", "fi", "\u200d", "😀", "__annotations__", "__module__", "__qualname__", "mro"),
]
PATTERNS = [
    *("(a+)+$", "(a|a)*$", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$"),
    *("(.*a){20}$", "(?=a)a", "(?<=a)b", "(?<!a)b"),
    *(r"(a)\1", r"(?P<x>a)(?P=x)", "(a{1000}){1000}"),
    *("((a{100}){100}){100}", "a{4294967296}", "[", "(", "*", "a**"),
    *("(?#", r"\p{L}+", r"\p{Greek}", r"\d+", r"\cA", r"\u0061", r"\x{110000}", r"\Z", "(?i)a", "(?x) a # b"),
    *("(" * 1000 + ")" * 1000, "[a-" * 1000, "a|" * 100_000, "\0", "", "^" + "a?" * 200 + "a" * 200 + "$"),
]
FORGED = "a\nCRITICAL root forged \x1b[31m" + "b" * 500
KINDS: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "a number": -1.5,
    "a large number": 10**30,
    "a string": CODE,
    "an empty string": "",
    "a list": [1, "a", None, {"$ref": "#"}],
    "an empty list": [],
    "an object": {"a": 1, "$ref": 5},
    "an empty object": {},
}
KEYWORDS = [
    *("$ref", "$id", "$schema", "$anchor", "$dynamicRef"),
    *("$dynamicAnchor", "$recursiveRef", "$defs", "definitions"),
    *("$vocabulary", "$comment", "type", "enum", "const", "title"),
    *("description", "default", "examples", "format"),
    *("properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames"),
    *("required", "dependentRequired", "dependentSchemas", "dependencies", "minProperties", "maxProperties"),
    *("items", "prefixItems", "additionalItems", "unevaluatedItems"),
    *("contains", "minContains", "maxContains"),
    *("minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "contentSchema"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("multipleOf", "nullable", "discriminator"),
    *("allOf", "anyOf", "oneOf", "not", "if", "then", "else"),
    *("readOnly", "deprecated", "x-python", "customType"),
]
OPENAPI_WORDS = [
    *("openapi", "paths", "/f", "post", "requestBody", "content", "application/json", "schema", "properties"),
    *("data", "required", "responses", "200", "text/event-stream", "itemSchema", "contentSchema", "oneOf"),
    *("message", "result", "servers", "summary", "description", "components", "schemas", "info"),
]

OK = {"key": "x"}

INSTANCES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    1e308,
    "",
    "a" * 5000 + "!",
    "\0",
    [],
    {},
    ["a" * 5000 + "!"] * 3,
    {"a": "a" * 5000 + "!", "b": None, "": 1, "__class__": "x", "model_config": {}, "__proto__": {}},
]


def actions(*schemas: Any) -> dict[str, Any]:
    """A list of actions: each schema is the input and the output of one flow."""
    words = ("inputSchema", "outputSchema")
    return {
        f"/flow/f{n}": {"key": f"/flow/f{n}", "name": f"f{n}"} | dict.fromkeys(words, schema)
        for n, schema in enumerate(schemas)
    }


def inputs(*schemas: Any) -> dict[str, Any]:
    """The same, but the flows give nothing: half the work where roles make no difference."""
    return {
        f"/flow/f{n}": {"key": f"/flow/f{n}", "name": f"f{n}", "inputSchema": schema}
        for n, schema in enumerate(schemas)
    }


def openapi(paths: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"openapi": "3.2.0", "info": {"title": "t", "version": "1"}, "paths": paths} | more


def flow(schema: Any) -> dict[str, Any]:
    """A path item whose flow takes, streams and returns that schema."""
    body = {"type": "object", "properties": {"data": schema}, "required": ["data"]}
    frames = {"oneOf": [{"properties": {"message": schema}}, {"properties": {"result": schema}}]}
    return {
        "post": {
            "requestBody": {"content": {"application/json": {"schema": body}}},
            "responses": {"200": {"content": {"text/event-stream": {"itemSchema": frames}}}},
        }
    }


def replaced(node: Any, word: str, junk: Any) -> Any:
    """A copy in which every value under `word` is something else."""
    if isinstance(node, list):
        return [replaced(item, word, junk) for item in node]
    if isinstance(node, dict):
        return {key: junk if key == word else replaced(value, word, junk) for key, value in node.items()}
    return node


def deep(depth: int, opening: str, closing: str) -> str:
    """A flow whose schema is nested; written as text, for `json` itself gives up at such depths."""
    nested = opening * depth + "{}" + closing * depth
    return f'{{"/flow/f": {{"key": "x", "inputSchema": {nested}}}, "/flow/ok": {{"key": "x"}}}}'


def doubling(word: str, levels: int, second: Callable[[Any], Any] = lambda inner: inner) -> dict[str, Any]:
    """2 ** levels branches in a few lines."""
    last = {"type": "object", "properties": {"a": {"type": "string"}}}
    references = [{"$ref": f"#/$defs/L{n + 1}"} for n in range(levels)]
    definitions = {f"L{n}": {word: [inner, second(inner)]} for n, inner in enumerate(references)}
    return {"$ref": "#/$defs/L0", "$defs": definitions | {f"L{levels}": last}}


def _doubled_value(word: str) -> dict[str, Any]:
    """A value that 2 ** 60 ways lead to, and none of them fits."""
    value: Any = "x"
    for _ in range(30):
        value = [value]
    doubled = doubling("anyOf", 60, lambda inner: {"items": inner})
    known = {"$ref": "#/$defs/L0", word: [value] if word == "enum" else value}
    return object_of({"a": known}, **{"$defs": doubled["$defs"]})


def _entangled(types: int) -> dict[str, Any]:
    """Each contains all, on factorially many ways."""
    references = [{"$ref": f"#/$defs/T{n}"} for n in range(types)]
    definitions = {f"T{n}": {"prefixItems": references} for n in range(types)}
    return {"$ref": "#/$defs/T0", "$defs": definitions}


def _doubling_defaults(levels: int) -> dict[str, Any]:
    """2 ** levels fields to be filled in."""
    definitions = {
        f"L{n}": object_of({name: {"$ref": f"#/$defs/L{n + 1}", "default": {}} for name in ("a", "b")})
        for n in range(levels)
    }
    return {"$ref": "#/$defs/L0", "$defs": definitions | {f"L{levels}": object_of({"a": {"default": 1}})}}


def product(unions: int, members: int) -> dict[str, Any]:
    """members ** unions combinations."""
    return {
        "allOf": [
            {
                "anyOf": [
                    {"properties": {f"p{union}_{member}": {"type": "string"}}} for member in range(members)
                ]
            }
            for union in range(unions)
        ]
    }


def object_of(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties} | more


def _names() -> dict[str, Any]:
    paths = [
        "/__class__",
        "/../x",
        "//evil.example/x",
        "/a\nb",
        f"/{ESCAPES}",
        "/" + "a" * 1_000_000,
        f"/{CODE}",
    ]
    paths += [
        "http://evil.example/x",
        "/%2e%2e/x",
        "/a%2fb",
        "/a%00",
        "/{x}",
        "/x?y=1#z",
        "/a\\b",
        "/\ud800",
        "",
    ]
    item = flow({"type": "string"})
    hostile = {
        "names of flows": openapi(dict.fromkeys(paths, item)),
        "names of actions": {f"/flow/{path}": {"key": "x"} for path in paths},
        "names of other actions": dict.fromkeys(paths, OK) | {"/flow/ok": OK},
        "names of fields": actions(object_of({name: {"type": "string"} for name in NAMES})),
        "names of fields, required": actions(object_of(dict.fromkeys(NAMES, True), required=NAMES)),
        "names of definitions": actions(
            {
                "anyOf": [
                    {"$ref": f"#/$defs/{name.replace('~', '~0').replace('/', '~1')}"} for name in NAMES
                ],
                "$defs": {name: object_of({name: {}}) for name in NAMES},
            }
        ),
        "names of fields that are warned of": actions(
            object_of({name: {"type": "string", "not": {"type": "null"}} for name in [*NAMES, FORGED]}),
            object_of({FORGED: {"type": 5}}),
        ),
        "titles": actions(
            *(object_of({"a": object_of({"b": {}}, title=name)}, title=name) for name in NAMES)
        ),
    }
    return hostile | {f"a field {name[:20]!r}": actions(object_of({name: {"default": 1}})) for name in NAMES}


def _code() -> dict[str, Any]:
    texts = [CODE, f'"""\n{CODE}\n"""', f"'\n{CODE}\n#", f"{{{CODE}}}", "\\N{x}", ESCAPES, "\0", "'''", "\\"]
    words = (
        "title",
        "description",
        "default",
        "const",
        "format",
        "$comment",
        "customType",
        "x-python-import",
    )
    schemas = [{"type": "string", word: text} for text in texts for word in words]
    fields = [
        object_of({"a": schema, text: schema}, title=text)
        for schema, text in zip(schemas, texts, strict=False)
    ]
    return {
        "code in words": actions(*schemas),
        "code in fields": actions(*fields),
        "code in enums": actions({"enum": texts}, {"enum": [[text] for text in texts]}),
        "code in the document": openapi({"/f": flow({"title": CODE})["post"]}) | {"info": CODE},
        "code as a description": openapi(
            {"/f": {"post": flow({})["post"] | {"description": ESCAPES + CODE}}}
        ),
        "a discriminator's mapping": actions(
            {
                "oneOf": [object_of({"k": {"const": "a"}}), object_of({"k": {"const": "b"}})],
                "discriminator": {"propertyName": "k", "mapping": {"a": "file:///etc/passwd", CODE: CODE}},
            }
        ),
    }


def _references() -> dict[str, Any]:
    schemas = [{"$ref": reference} for reference in REFERENCES]
    parts: list[dict[str, Any]] = [
        {"requestBody": {"$ref": reference}, "responses": {"200": {"$ref": reference}}}
        for reference in REFERENCES
    ]
    loops = {
        "A": {"$ref": "#/$defs/B"},
        "B": {"$ref": "#/$defs/A"},
        "C": {"$ref": "#/$defs/C"},
        "D": {"allOf": [{"$ref": "#/$defs/D"}]},
        "E": {"anyOf": [{"$ref": "#/$defs/E"}, {"$ref": "#/$defs/F"}]},
        "F": {"oneOf": [{"$ref": "#/$defs/E"}, {"$ref": "#/$defs/F"}]},
        "G": {"not": {"$ref": "#/$defs/G"}},
        "H": object_of({"h": {"$ref": "#/$defs/H"}}, required=["h"]),
        "I": {"type": "array", "items": {"$ref": "#/$defs/I"}},
        "J": {"allOf": [{"$ref": "#/$defs/H"}, object_of({"j": {"$ref": "#/$defs/J"}})]},
        "K": {"if": {"$ref": "#/$defs/K"}, "then": {"$ref": "#/$defs/K"}},
        "L": {"additionalProperties": {"$ref": "#/$defs/L"}},
        "M": {"properties": {"m": {"$ref": "#"}}},
        "N": {"allOf": [{"$ref": "#/$defs/I"}, {"type": "array", "items": {"$ref": "#/$defs/N"}}]},
    }
    chain = {f"R{n}": {"$ref": f"#/$defs/R{n + 1}"} for n in range(5000)} | {"R5000": {"type": "string"}}
    return {
        "references out of schemas": actions(*schemas),
        "references out of fields": actions(*(object_of({"a": schema}) for schema in schemas)),
        "references out of operations": openapi({f"/f{n}": {"post": part} for n, part in enumerate(parts)}),
        "references out of path items": openapi({f"/f{n}": schema for n, schema in enumerate(schemas)}),
        "references out of OpenAPI's schemas": openapi(
            {f"/f{n}": flow(schema) for n, schema in enumerate(schemas)}
        ),
        "loops": actions(*({"$ref": f"#/$defs/{name}", "$defs": loops} for name in loops)),
        "the root refers to itself": actions(
            {"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, {"anyOf": [{"$ref": "#"}]}
        ),
        "loops of an envelope": openapi(
            {
                "/f": flow({"$ref": "#/paths/~1f/post"}),
                "/g": {"$ref": "#/paths/~1g"},
                "/h": {"$ref": "#/paths/~1g"},
            }
        ),
        "a long chain": actions({"$ref": "#/$defs/R0", "$defs": chain}),
        "ids that lie": actions(
            object_of({"a": {"$ref": "#/x"}}, **{"$id": "http://evil.example/", "$anchor": "x"})
        ),
        "a schema of one's own": actions({"$schema": "http://evil.example/meta", "type": "string"}),
    }


def _size() -> dict[str, Any]:
    many = {f"field-{n}": {"type": "string", "default": "x", "description": "d"} for n in range(10_000)}
    half = dict(list(many.items())[:5_000])
    wide = {f"D{n}": object_of({"a": {"$ref": f"#/$defs/D{(n * 7 + 1) % 1000}"}}) for n in range(1000)}
    colliding = {"-" * n + "a": {"type": "string"} for n in range(1000)}
    return {
        "10,000 properties": inputs(object_of(many, required=list(many))),
        "5,000 properties twice": inputs({"allOf": [object_of(half), object_of(half)]}),
        "1,000 definitions": inputs({"$ref": "#/$defs/D0", "$defs": wide}),
        "many definitions of one name": inputs(
            object_of({f"p{n}": object_of({"a": {}}, title="Same") for n in range(1_500)})
        ),
        "names that become one": inputs(object_of(colliding)),
        "a huge enum": inputs({"enum": list(range(100_000))}, {"enum": [f"v{n}" for n in range(100_000)]}),
        "a huge enum of objects": inputs({"enum": [{"a": [n]} for n in range(10_000)]}),
        "enums that meet": inputs(
            {"allOf": [{"enum": list(range(20_000))}, {"enum": list(range(10_000, 30_000))}]}
        ),
        "a huge required": inputs(object_of({}, required=[f"r{n}" for n in range(50_000)])),
        "a wide anyOf": inputs(
            {"anyOf": [object_of({f"p{n}": {}}, required=[f"p{n}"]) for n in range(5_000)]}
        ),
        "a wide allOf": inputs({"allOf": [object_of({f"p{n}": {}}) for n in range(5_000)]}),
        "a wide oneOf of constants": inputs({"oneOf": [{"const": n} for n in range(5_000)]}),
        "a long tuple": inputs({"prefixItems": [{"type": "string"}] * 10_000}, {"items": [{}] * 10_000}),
        "doubling allOf": inputs(doubling("allOf", 60)),
        "doubling anyOf": inputs(doubling("anyOf", 60)),
        "doubling oneOf": inputs(doubling("oneOf", 60)),
        "doubling oneOf of lists": inputs(doubling("oneOf", 60, lambda inner: {"items": inner})),
        "values where anyOf doubles": inputs(*(_doubled_value(word) for word in ("enum", "default"))),
        "enums apart": inputs(
            {"oneOf": [{"enum": [f"{letter}{n}" for n in range(10_000)]} for letter in "ab"]}
        ),
        "lists of a huge enum": inputs(
            {"enum": [[n] for n in range(5_000)], "items": {"enum": [*range(5_000)]}}
        ),
        "a long tuple in many fields": inputs(
            object_of(
                {f"p{n}": {"$ref": "#/$defs/T"} for n in range(2_000)},
                **{"$defs": {"T": {"prefixItems": [{"type": "string"}] * 2_000}}},
            )
        ),
        "types that all use each other": inputs(_entangled(12)),
        "a wide object in a wide anyOf": inputs(
            object_of(
                {f"p{n}": {} for n in range(5_000)}, anyOf=[{"required": [f"p{n}"]} for n in range(1_000)]
            )
        ),
        "a default in itself": inputs(
            object_of({"child": {"$ref": "#", "default": {}}}),
            object_of({"all": {"type": "array", "items": {"$ref": "#"}, "default": [{}]}}),
        ),
        "defaults of many fields in many fields": inputs(
            object_of(
                {f"p{n}": {"$ref": "#/$defs/S", "default": {"x": n}} for n in range(2_000)},
                **{"$defs": {"S": object_of({f"q{n}": {"default": n} for n in range(2_000)})}},
            )
        ),
        "defaults that double": inputs(_doubling_defaults(60)),
        "products of unions": inputs(product(20, 10), product(4, 60), product(2, 1000)),
        "a long title": inputs({"title": "t" * 1_000_000, "type": "object", "properties": {"a": {}}}),
        "a long description": inputs(
            object_of({"a": {"description": "d" * 1_000_000}}, description="d" * 1_000_000)
        ),
        "a large default": inputs({"type": "array", "default": list(range(100_000))}),
        "many flows of one schema": openapi(
            {f"/f{n}": flow({"$ref": "#/components/schemas/S"}) for n in range(200)},
            components={"schemas": {"S": object_of({"a": {"type": "string"}})}},
        ),
    }


def _numbers() -> dict[str, Any]:
    huge = [10**400, -(10**400), 10**30, 1e308, 1e-308, 5e-324, 0, -0.0, 2**63, 2**64, -1, 1.5]
    words = (
        *(
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
        ),
        *("minItems", "maxItems", "minProperties", "maxProperties"),
    )
    kinds = ("integer", "number", "string", "array", "object")
    return {
        f"numbers of {word}": actions(*({"type": kind, word: number} for kind in kinds for number in huge))
        for word in words
    } | {
        "numbers as constants": actions(
            {"enum": huge}, {"const": 10**400}, {"default": 10**400, "type": "integer"}
        ),
        "bounds that cross": actions(
            {"type": "integer", "minimum": 5, "maximum": 1},
            {"type": "string", "minLength": 5, "maxLength": 1},
            {"type": "array", "minItems": 5, "maxItems": 1},
        ),
        "multiples that never meet": actions(
            {"allOf": [{"type": "integer", "multipleOf": n} for n in range(1, 300)]},
            {"allOf": [{"type": "number", "multipleOf": 1 / n} for n in range(1, 300)]},
        ),
    }


def _patterns() -> dict[str, Any]:
    many = {
        "patterns": actions(*({"type": "string", "pattern": pattern} for pattern in PATTERNS)),
        "patterns of names": actions(
            *({"patternProperties": {pattern: {"type": "string"}}} for pattern in PATTERNS),
            *({"propertyNames": {"pattern": pattern}} for pattern in PATTERNS),
        ),
        "many patterns": actions(
            {"allOf": [{"type": "string", "pattern": f"(a+)+{n}$"} for n in range(200)]}
        ),
    }
    return many | {f"the pattern {pattern[:30]!r}": actions({"pattern": pattern}) for pattern in PATTERNS}


def _kinds() -> dict[str, Any]:
    """Wrong types everywhere: each keyword with each kind of JSON value."""
    good = openapi({"/f": flow(object_of({"a": {"type": "string"}})), "/ok": flow({})})
    return (
        {
            f"{word} is {kind}": inputs(
                {word: junk},
                {"type": "object", word: junk},
                {"type": ["string", "array", "object"], word: junk},
                object_of({"a": {word: junk}, "b": {"type": "array", "items": {word: junk}}}),
                {"anyOf": [{word: junk}, {"type": "string", word: junk}]},
                {"allOf": [{word: junk}, {word: junk, "type": "object"}]},
            )
            for word in KEYWORDS
            for kind, junk in KINDS.items()
        }
        | {
            f"OpenAPI's {word} is {kind}": replaced(good, word, junk)
            for word in OPENAPI_WORDS
            for kind, junk in KINDS.items()
        }
        | {f"the action is {kind}": {"/flow/f": junk, "/flow/ok": OK} for kind, junk in KINDS.items()}
        | {f"the schema is {kind}": inputs(junk) for kind, junk in KINDS.items()}
        | {f"the document is {kind}": junk for kind, junk in KINDS.items()}
    )


def _servers() -> dict[str, Any]:
    urls = [
        "//evil.example",
        "http://evil.example",
        "https://u:p@evil.example/?t=1",
        "file:///etc",
        "javascript:1",
    ]
    servers = [{"url": url} for url in urls]
    return {
        "servers elsewhere": openapi({"/f": flow({})}, servers=servers),
        "servers of a path": openapi({"/f": flow({}) | {"servers": servers}}),
    }


def _input(schema: bytes) -> bytes:
    return b'{"/flow/f":{"key":"x","inputSchema":%b},"/flow/ok":{"key":"x"}}' % schema


def _raw() -> dict[str, bytes]:
    plain = json.dumps(actions({"type": "string"}))
    nested = {
        f"depth {depth} of {what}": deep(depth, opening, closing).encode()
        for depth in (60, 190, 1_000, 100_000)
        for what, opening, closing in (
            ("items", '{"items":', "}"),
            ("properties", '{"properties":{"a":', "}}"),
            ("allOf", '{"allOf":[', "]}"),
            ("anyOf", '{"anyOf":[{"type":"null"},', "]}"),
            ("not", '{"not":', "}"),
            ("titled objects", '{"title":"T","properties":{"a":', "}}"),
            ("default", '{"default":', "}"),
        )
    }
    return nested | {
        "nothing": b"",
        "NUL bytes": b"\0" * 1000,
        "NUL bytes inside": plain.replace(" ", "\0").encode(),
        "a byte order mark": plain.encode("utf-8-sig"),
        "two byte order marks": b"\xef\xbb\xbf" + plain.encode("utf-8-sig"),
        "UTF-16": plain.encode("utf-16"),
        "UTF-16 without a mark": plain.encode("utf-16-le"),
        "UTF-32": plain.encode("utf-32"),
        "half of UTF-16": plain.encode("utf-16")[:-1],
        "Latin-1": '{"/flow/é": {"key": "é"}}'.encode("latin-1"),
        "cut short": plain[:-20].encode(),
        "two documents": (plain + plain).encode(),
        "duplicate keys": b'{"/flow/f":{"key":"x","inputSchema":true,"inputSchema":5},"/flow/f":{"key":1}}',
        "__proto__": b'{"__proto__":{"x":1},"/flow/f":{"__proto__":{},"key":"x"}}',
        "NaN": _input(b'{"minimum":NaN,"maximum":Infinity,"type":"number","default":NaN}'),
        "NaN constants": _input(b'{"enum":[NaN,-Infinity,1e999]}'),
        "NaN counts": _input(b'{"minLength":NaN,"maxItems":Infinity,"multipleOf":NaN}'),
        "__proto__ as a field": _input(b'{"__proto__":{},"properties":{"__proto__":{"default":{}}}}'),
        "lone surrogates": _input(
            b'{"title":"\\ud800","properties":{"\\ud800":{"const":"\\udfff","pattern":"\\ud800"}},'
            b'"required":["\\ud800"],"description":"\\udc00"}'
        ),
        "surrogates as constants": _input(b'{"enum":["\\ud800","\\ud801"],"default":"\\ud800"}'),
        "a huge number": _input(b'{"minimum":' + b"9" * 1_000_000 + b"}"),
        "a number of 4,000 digits": _input(b'{"minimum":' + b"9" * 4_000 + b',"type":"integer"}'),
        "HTML": b"<html><title>" + ESCAPES.encode() + b"</title>",
        "YAML": b"openapi: 3.2.0\npaths: !!python/object/apply:os.system [ls]\n",
        "pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93.",
    }


def _corpus() -> dict[str, bytes]:
    rooms = (_names, _code, _references, _size, _numbers, _patterns, _kinds, _servers)
    return {
        name: json.dumps(document).encode() for room in rooms for name, document in room().items()
    } | _raw()


CORPUS: dict[str, bytes] = _corpus()
