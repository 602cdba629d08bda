"""How catalogs and streams look in a notebook: small HTML tables of text.

In: a catalog; a call and the time. Out: HTML. Out of place here: I/O of any kind. Pure.

What servers write is shown by `_text` alone, which escapes it, shortens it, and makes control characters
visible; `Html` is the type of what has been through it. There is no script, no link, no colour of our own:
the notebook's theme decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from itertools import islice
from typing import Any, Final, Literal, NewType

from .call import Failed, Unfit
from .schema.broken import BrokenSchema
from .schema.catalog import Catalog
from .schema.describe import annotation, parameters
from .schema.flowspec import FlowSpec
from .schema.model import Types
from .schema.names import class_name
from .schema.raw import Schema
from .schema.read import read_types
from .session import Session
from .text import shown, without_secrets
from .timeline import Timeline

__all__ = ["catalog_html", "flows_html", "stream_html"]

Html = NewType("Html", str)
Tag = Literal["code", "em", "p", "table", "caption", "thead", "tbody", "tr", "th", "td", "br"]

_MANY: Final = 50  # flows or attempts in one table
_LONG: Final = 300  # characters of one cell's text
_ATTRIBUTES: Final = {
    **dict.fromkeys(("table", "p"), ' class="tex2jax_ignore mathjax_ignore"'),  # `$` begins no formula
    **dict.fromkeys(("caption", "th", "td"), ' style="text-align: left"'),  # not right, as notebooks have it
}
_COLUMNS: Final = ("flow", "input", "chunk", "output", "description")
_BREAK: Final = Html("<br>")
_BREAKS: Final = re.compile(r"[ \t\r\n]+")  # what HTML shows as one space; other white space may be a trick


def catalog_html(catalog: Catalog) -> str:
    """A table of the flows, with their types as Python writes them."""
    return _flows(f"Catalog of {catalog.source}", catalog)


def flows_html(what: str, base_url: str, catalog: Catalog | None, how: str) -> str:
    """The same for `client.flows`; where they are not known yet, it says `how` to get to know them."""
    if catalog is not None:
        return _flows(f"{what} of {base_url}", catalog)
    return _element("p", _text(f"{what} of {base_url}, not discovered yet: "), _element("code", _text(how)))


def stream_html(what: str, session: Session[Any, Any], now: float) -> str:
    """How far a call has come. Its stream's id is a secret, so it is not shown."""
    timeline = session.timeline(now)
    rows = {
        "state": _text(_state(session, timeline)),
        "chunks": _text(_chunks(session)),
        "time": _text(_time(session, timeline)),
        "durable": _text("" if session.ticket() is None else "yes: ticket() tells where to go on"),
        "requests": _lines(map(str, timeline.attempts), len(timeline.attempts)),
        "address": _text(without_secrets(session.call.url)),
    }
    told = [_row(_element("th", _text(name)), _element("td", text)) for name, text in rows.items() if text]
    return _table(f"{what} of {session.call.flow}", _element("tbody", *told))


# --- flows -------------------------------------------------------------------------------------------


def _flows(title: str, catalog: Catalog) -> Html:
    count = f"{len(catalog)} flow{'' if len(catalog) == 1 else 's'}"
    warned = len(catalog.warnings)
    warnings = f", {warned} warning{'' if warned == 1 else 's'}: see .warnings" if warned else ""
    head = _element("thead", _row(*(_element("th", _text(name)) for name in _COLUMNS)))
    body = [_flow(spec) for spec in islice(catalog.values(), _MANY)]
    if len(catalog) > _MANY:
        body.append(_row(_element("td", _text(f"and {len(catalog) - _MANY} more"))))
    return _table(f"{title}: {count}{warnings}", head, _element("tbody", *body))


def _flow(spec: FlowSpec) -> Html:
    def in_short(types: Types) -> str:
        return annotation(types.root)

    cells = (
        _element("code", _text(spec.name)),
        _type(spec.input_schema, f"{spec.name} input", parameters),
        _type(spec.chunk_schema, f"{spec.name} chunk", in_short),
        _type(spec.output_schema, f"{spec.name} output", in_short),
        _text(spec.description.strip(" \t\r\n")),
    )
    return _row(*(_element("td", cell) for cell in cells))


def _type(schema: Schema | None, name: str, tell: Callable[[Types], str]) -> Html:
    if schema is None:
        return _element("em", _text("not told"))
    try:
        return _element("code", _text(tell(read_types(schema, name=class_name(name)))))
    except BrokenSchema as error:
        return _element("em", _text(f"broken: {error}"))


# --- streams -----------------------------------------------------------------------------------------


def _state(session: Session[Any, Any], timeline: Timeline) -> str:
    outcome = session.outcome
    if isinstance(outcome, Failed | Unfit):
        return f"{session.state}: {type(outcome.error).__name__}: {outcome.error.message}"
    return f"{session.state}: {timeline.phase}" if session.state == "running" else session.state


def _chunks(session: Session[Any, Any]) -> str:
    waiting = len(session.ready)
    return f"{session.received} received{f', {waiting} waiting' if waiting else ''}"


def _time(session: Session[Any, Any], timeline: Timeline) -> str:
    """Of a call that is over, until its last sign of life: nobody wrote down when it ended."""
    age = timeline.last_byte_age
    if not timeline.attempts:
        return ""
    if session.outcome is not None:
        return f"{timeline.elapsed - (age or 0.0):.2f} s" if age is not None else ""
    return f"{timeline.elapsed:.2f} s so far{'' if age is None else f', last byte {age:.2f} s ago'}"


# --- HTML --------------------------------------------------------------------------------------------


def _text(text: str) -> Html:
    """Anybody's text: on one line, shortened, with nothing in it that is markup or moves a cursor."""
    return Html(escape(shown(_BREAKS.sub(" ", text[: 4 * _LONG]), _LONG)))


def _lines(lines: Iterable[str], count: int) -> Html:
    told = [Html(_text(line) + _BREAK) for line in islice(lines, _MANY)]
    more = [_text(f"and {count - _MANY} more")] if count > _MANY else []
    return Html("".join([*told, *more]).removesuffix(_BREAK))


def _table(caption: str, *parts: Html) -> Html:
    return _element("table", _element("caption", _text(caption)), *parts)


def _row(*cells: Html) -> Html:
    return _element("tr", *cells)


def _element(tag: Tag, *parts: Html) -> Html:
    return Html(f"<{tag}{_ATTRIBUTES.get(tag, '')}>{''.join(parts)}</{tag}>")
