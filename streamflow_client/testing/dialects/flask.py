"""Genkit Python behind Flask and Werkzeug's server.

In: payloads, failures, paths. Out: `FLASK`.
"""

from html import escape

from ..wire import Headers, Reply
from .python import FRAMING, ascii_json, failure_json, loosely
from .table import Dialect, enveloped

_SERVER: Headers = (("Server", "Werkzeug/3.1.9 Python/3.11.7"),)
_HTML: Headers = (*_SERVER, ("Content-Type", "text/html; charset=utf-8"))
_JSON: Headers = (*_SERVER, ("Content-Type", "application/json"))


def _page(status: int, title: str, text: str) -> Reply:
    """Werkzeug's page for an HTTP error."""
    page = (
        f"<!doctype html>\n<html lang=en>\n<title>{status} {title}</title>\n"
        f"<h1>{title}</h1>\n<p>{escape(text)}</p>\n"
    )
    return Reply(status, _HTML, page.encode())


def _denied(_streaming: bool) -> Reply:
    text = (
        "The server could not verify that you are authorized to access the URL requested. You either "
        "supplied the wrong credentials (e.g. a bad password), or your browser doesn't understand how to "
        "supply the credentials required."
    )
    return _page(401, "Unauthorized", text)


def _unknown_path(_method: str, _path: str) -> Reply:
    text = (
        "The requested URL was not found on the server. If you entered the URL manually please check your "
        "spelling and try again."
    )
    return _page(404, "Not Found", text)


def _malformed_body(_reason: str) -> Reply:
    text = "The browser (or proxy) sent a request that this server could not understand."
    return _page(400, "Bad Request", text)


def _unfit_body(value: object, _streaming: bool) -> Reply | None:
    """A call without `data` is refused, so a flow without input needs `null`."""
    if isinstance(value, dict) and "data" in value:
        return None
    return Reply(400, _HTML, b'flow request must be wrapped in {"data": data} object')


def _result(payload: bytes, _trace_id: str) -> Reply:
    # Flask's provider of JSON sorts the keys and ends in a newline.
    return Reply(200, _JSON, enveloped(b"result", ascii_json(payload, sort_keys=True)) + b"\n")


FLASK = Dialect(
    name="flask",
    framing=FRAMING,
    resuming=None,
    stream_headers=lambda _id, _resumed: _HTML,
    result=_result,
    failure=lambda failure: Reply(500, _HTML, failure_json(failure)),
    denied=_denied,
    unknown_path=_unknown_path,
    malformed_body=_malformed_body,
    unfit_body=_unfit_body,
    asks_for_stream=loosely,
    announces_keep_alive=False,
    keeps_alive=False,
    takes_empty_bodies=False,
    reads_chunked_bodies=True,
    # Nobody tells the flow. (The real one stands still where its stream is no longer read.)
    cancels_when_client_leaves=False,
    pings=False,
)
