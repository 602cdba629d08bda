"""OpenAPI 3.1 and 3.2 → flows.

In: the document. Out: `FlowSpec`s, and a warning for each operation that is clearly broken. Out of place
here: what schemas mean; following a reference out of the document, or `servers` anywhere.

A flow is a POST whose JSON body is `{"data": input}` and whose answer is an event stream of `message`,
`result` and `error`, or plain JSON with `result`. Events are described by `itemSchema`, which OpenAPI 3.2
puts beside `schema` and FastAPI writes into 3.1 too: either the payload itself or the event as an object
whose field `data` is a string with the payload at `contentSchema`.

Files that `saving/writing.py` writes say some things by extensions, in the place of the schema of `data`,
`message` or `result`:

* `x-streamflow-not-told: true`, with nothing beside it but a description: nobody says what the values are.
* `x-streamflow-inline: true` beside a `$ref`: what it leads to belongs here and stands among the components
  only because it may refer to itself. Its classes are named as if it stood here.
* `x-streamflow-text`: a schema that OpenAPI cannot hold, as JSON in a string, with all that its references
  need; `x-streamflow-at`: the pointer to it in there.

`x-streamflow-inferred: true` in a schema is for those who pull again: it was inferred from real chunks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, unquote

from ..jsonvalues import is_list, is_object
from ..text import shown, without_secrets
from ..wire.request import origin_of
from .document import NotJson, kind, read_json
from .flowspec import Broken, FlowSpec, checked_name, checked_schema
from .raw import Schema

NOT_TOLD: Final = "x-streamflow-not-told"
INLINE: Final = "x-streamflow-inline"
TEXT: Final = "x-streamflow-text"
AT: Final = "x-streamflow-at"
INFERRED: Final = "x-streamflow-inferred"

_EXTENSIONS: Final = frozenset({NOT_TOLD, INLINE, TEXT})
_NOWHERE: Final = "/events"  # the place of a schema that no document holds

_SUCCESS = ("200", "201", "202", "203", "2XX", "2xx", "default")
_UNIONS = ("allOf", "anyOf", "oneOf")
_SENT = ("data", "init")  # what a call's body may hold

# What many flows refer to is walked for each of them: these bounds keep that cheap.
_HOPS = 4  # references that lead to references
_PARTS = 16  # schemas that one envelope is made of
_LISTED = 20  # media types, servers
_REFERENCE = 2000  # characters of a reference


def read_openapi(document: dict[str, Any], *, source: str) -> Iterator[FlowSpec | str]:
    """Flows and warnings, in the document's order.

    Raises: Broken: `paths` is no object.
    """
    root = Schema(document, root=document)
    paths = _at(root, "paths")
    if paths is None or not is_object(paths.value):
        raise Broken("an OpenAPI document whose 'paths' is no object")
    elsewhere = _elsewhere(root, source)
    for path in paths.value:
        try:
            item = _followed(_at(paths, path))
            operation = _at(item, "post")
            spec = _flow(path, operation, source)
            if spec is not None:
                elsewhere = elsewhere or _elsewhere(item, source) or _elsewhere(operation, source)
                yield spec
        except Broken as reason:
            yield f"POST {shown(repr(path), 100)} is skipped: {reason}"
    if elsewhere is not None:
        yield f"`servers` is ignored: flows are called on the client's base URL, not on {elsewhere}"


def _flow(path: str, operation: Schema | None, source: str) -> FlowSpec | None:
    """None: any other operation."""
    body = _parts(_at(_media(_at(operation, "requestBody"), "application/json"), "schema"))
    inputs = _fields(body, "data")
    if not inputs or not all(map(_callable, body)):
        return None
    frames = _frames(operation)
    chunks, outputs = _fields(frames, "message"), _fields(frames, "result")
    outputs = outputs or _fields(_answer(operation), "result")
    if not chunks and not outputs:
        return None
    name = _name(path)
    return FlowSpec(
        name=name,
        path=f"/{name}",
        protocol="callable",
        description=_text(operation, "description") or _text(operation, "summary"),
        input_schema=_meant(_either(inputs)),
        chunk_schema=_meant(_either(chunks)),
        output_schema=_meant(_either(outputs)),
        source=source,
    )


def _name(path: str) -> str:
    """The path without its first slash, decoded: it is encoded again when the flow is called.

    Raises: Broken: a template, or a path that leads elsewhere.
    """
    if not path.startswith("/") or path.startswith("//"):
        raise Broken("its path does not begin with a single '/'")
    if "{" in path or "}" in path:
        raise Broken("its path is a template")
    return checked_name("/".join(map(_decoded, path[1:].split("/"))))


def _decoded(segment: str) -> str:
    try:
        plain = unquote(segment, errors="strict")
    except UnicodeError:
        raise Broken("its path is not UTF-8") from None
    if "/" in plain:
        raise Broken("its path has an encoded slash")
    return plain


def _frames(operation: Schema | None) -> list[Schema]:
    """The parts of what one event of the stream holds."""
    stream = _success(operation, "text/event-stream")
    parts = _parts(_at(stream, "itemSchema") or _at(stream, "schema"))
    if _fields(parts, "message") or _fields(parts, "result"):
        return parts
    return [part for data in _fields(parts, "data") for part in _parts(data)]


def _answer(operation: Schema | None) -> list[Schema]:
    return _parts(_at(_success(operation, "application/json"), "schema"))


def _success(operation: Schema | None, media_type: str) -> Schema | None:
    """What the first response of success says of a media type."""
    responses = _at(operation, "responses")
    found = (_media(_at(responses, status), media_type) for status in _SUCCESS)
    return next((media for media in found if media is not None), None)


def _media(place: Schema | None, media_type: str) -> Schema | None:
    """Of a request body or a response; media types may have parameters and any case."""
    content = _at(_followed(place), "content")
    if content is None or not is_object(content.value):
        return None
    for written in islice(content.value, _LISTED):
        if written.partition(";")[0].strip().lower() == media_type:
            return _followed(_at(content, written))
    return None


def _parts(schema: Schema | None) -> list[Schema]:
    """The schemas that a union or a composition is made of, references followed, each once."""
    waiting, parts = [schema], dict[str, Schema]()
    while waiting:
        part = _followed(waiting.pop())
        if part is None or part.pointer in parts:
            continue
        if len(parts) == _PARTS:
            raise Broken(f"its envelope is made of more than {_PARTS} schemas")
        parts[part.pointer] = part
        waiting.extend(reversed(_branches(part)))
    return list(parts.values())


def _branches(part: Schema) -> list[Schema]:
    content = _at(part, "contentSchema")
    branches = [content] if content is not None else []
    for word in _UNIONS:
        union = _at(part, word)
        if union is None:
            continue
        if not is_list(union.value):
            raise Broken(f"its {word!r} is {kind(union.value)}, not a list")
        branches += _items(union, _PARTS + 1)
    return branches


def _fields(parts: list[Schema], name: str) -> list[Schema]:
    found = (_at(_at(part, "properties"), name) for part in parts)
    return [field for field in found if field is not None]


def _callable(body: Schema) -> bool:
    """Whether no more is required of a body than a call sends."""
    required = _at(body, "required")
    if required is None or not is_list(required.value):
        return True
    return len(required.value) <= len(_SENT) and all(name in _SENT for name in required.value)


def _either(schemas: list[Schema]) -> Schema | None:
    """One schema that means any of these: where several frames carry chunks, say."""
    for schema in schemas:
        checked_schema(schema)
    if len(schemas) < 2:
        return schemas[0] if schemas else None
    references = [{"$ref": f"#{quote(schema.pointer)}"} for schema in schemas]
    return Schema({"anyOf": references}, schemas[0].root, _NOWHERE)


def _meant(schema: Schema | None) -> Schema | None:
    """What a role of a flow is, where the file says more of it than OpenAPI can."""
    if schema is None or not is_object(schema.value) or _EXTENSIONS.isdisjoint(schema.value):
        return schema
    said = schema.value
    if said.get(NOT_TOLD) is True and said.keys() <= {NOT_TOLD, "description"}:
        return None
    if TEXT in said:
        return _from_text(said)
    reference = _at(schema, "$ref")
    return _target(reference) if said.get(INLINE) is True and reference is not None else schema


def _from_text(said: dict[str, Any]) -> Schema | None:
    text, pointer = said[TEXT], said.get(AT, "")
    if not isinstance(text, str) or not isinstance(pointer, str):
        raise Broken(f"its {TEXT!r} and {AT!r} are not both strings")
    try:
        root = read_json(text)
    except NotJson as found:
        raise Broken(f"its {TEXT!r} is {found}") from None
    place = _target(Schema(f"#{quote(pointer)}", root))
    return checked_schema(Schema(place.value, root, place.pointer))


def _followed(place: Schema | None) -> Schema | None:
    """What a reference leads to, or the place itself.

    Raises: Broken: it leads out of the document, in a circle, or nowhere.
    """
    for _ in range(_HOPS + 1):
        reference = _at(place, "$ref")
        if reference is None:
            return place
        place = _target(reference)
    raise Broken(f"its references lead in a circle, or through more than {_HOPS} others")


def _target(reference: Schema) -> Schema:
    wanted = reference.value
    if not isinstance(wanted, str):
        raise Broken(f"a '$ref' is {kind(wanted)}, not a string")
    if len(wanted) > _REFERENCE or (wanted != "#" and not wanted.startswith("#/")):
        raise Broken(f"{shown(repr(wanted), 100)} is no reference within the document")
    place: Schema | None = Schema(reference.root, reference.root)
    for word in wanted.split("/")[1:]:
        place = _step(place, unquote(word).replace("~1", "/").replace("~0", "~"))
    if place is None:
        raise Broken(f"{shown(repr(wanted), 100)} leads nowhere")
    return place


def _step(place: Schema | None, word: str) -> Schema | None:
    if place is None or not is_list(place.value):
        return _at(place, word)
    if not re.fullmatch("0|[1-9][0-9]{0,8}", word) or int(word) >= len(place.value):
        return None
    return Schema(place.value[int(word)], place.root, f"{place.pointer}/{word}")


def _at(place: Schema | None, key: str) -> Schema | None:
    """What stands under `key`; None: nothing does."""
    if place is None or not is_object(place.value) or key not in place.value:
        return None
    word = key.replace("~", "~0").replace("/", "~1") if "/" in key or "~" in key else key
    return Schema(place.value[key], place.root, f"{place.pointer}/{word}")


def _items(place: Schema, limit: int) -> Iterator[Schema]:
    """The first items of a list."""
    for index, item in enumerate(place.value[:limit]):
        yield Schema(item, place.root, f"{place.pointer}/{index}")


def _text(place: Schema | None, key: str) -> str:
    found = _at(place, key)
    return found.value if found is not None and isinstance(found.value, str) else ""


def _elsewhere(place: Schema | None, source: str) -> str | None:
    """The first server that is another place than the document's own."""
    servers = _at(place, "servers")
    if servers is None or not is_list(servers.value):
        return None
    for server in _items(servers, _LISTED):
        url = _text(server, "url")
        if ("://" in url or url.startswith("//")) and not _same_origin(url, source):
            return shown(repr(without_secrets(url)), 100)
    return None


def _same_origin(url: str, source: str) -> bool:
    try:
        return origin_of(url) == origin_of(source)
    except ValueError:
        return False
