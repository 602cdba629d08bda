"""What each server does: the matrix, and why where it is not what one would wish for.

In: nothing. Out: `SERVERS`, the columns; `expected(behaviour, server)`, a cell each. `make interop` holds the
servers against it; `docs/servers.md` is written from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from interop_servers import App, Server

GO, JS, FIREBASE, PYTHON, REFLECTION = "Go", "JavaScript", "Firebase", "Python", "Reflection API"


def node(name: str, program: str, versions: str) -> App:
    return App(name, name, ("node", f"{{app}}/{program}"), versions)


def python(name: str, program: str, versions: str) -> App:
    folder = f"python-{name}"
    return App(name, folder, ("{app}/venv/bin/python", f"{{app}}/src/{program}"), versions)


GO_NEWEST = App("go", "go-newest", ("{app}/app",), "genkit/go 1.13.1")
GO_OLDER = App("go-older", "go-older", ("{app}/app",), "genkit/go 1.9.0")
EXPRESS = node("express", "express.mjs", "genkit and @genkit-ai/express 1.42.0, ESM")
EXPRESS_CJS = node("express-cjs", "express.cjs", "the same, CommonJS")
EXPRESS_OLDER = node("express-older", "express.cjs", "genkit and @genkit-ai/express 1.6.0, CommonJS")
NEXT = node("next", "next.mjs", "genkit and @genkit-ai/next 1.42.0, next 16.4.6")
FUNCTIONS = node("firebase", "server.mjs", "firebase-functions 7.4.0, genkit 1.42.0")
FASTAPI = python("fastapi", "fastapi_app.py", "genkit and genkit-fastapi 0.12.0")
FLASK = python("flask", "flask_app.py", "genkit and genkit-flask 0.12.0")
PYTHON_OLDER = python("older", "older_app.py", "genkit 0.9.0, genkit-plugin-fastapi 0.7.0")
PLAIN = python("plain-fastapi", "plain_app.py", "FastAPI 0.165.0, no Genkit")

SERVERS: list[Server] = [
    Server("go", GO, GO_NEWEST, durable=True, brief=True),
    Server("go-older", GO, GO_OLDER, durable=True, brief=True),
    Server("express", JS, EXPRESS, durable=True, brief=True),
    Server("express-cjs", JS, EXPRESS_CJS, durable=True, brief=True),
    Server("express-older", JS, EXPRESS_OLDER),
    Server("next", JS, NEXT, durable=True, brief=True),
    Server("onCallGenkit", FIREBASE, FUNCTIONS, falsy=False),
    Server("onCall", FIREBASE, FUNCTIONS, prefix="oncall/", describes=None),
    Server("fastapi", PYTHON, FASTAPI),
    Server("flask", PYTHON, FLASK, fragile=True),
    Server("python-older", PYTHON, PYTHON_OLDER),
    Server("plain-fastapi", PYTHON, PLAIN, describes="itself"),
    Server("go-reflection", REFLECTION, GO_NEWEST, protocol="reflection"),
    Server("go-older-reflection", REFLECTION, GO_OLDER, protocol="reflection"),
    Server("js-reflection", REFLECTION, EXPRESS, protocol="reflection"),
    Server("js-older-reflection", REFLECTION, EXPRESS_OLDER, protocol="reflection"),
    Server("python-reflection", REFLECTION, FASTAPI, protocol="reflection"),
]


@dataclass(frozen=True)
class Cell:
    """What a server does, in the words of the behaviour; and why, where it lacks something."""

    does: str
    why: str = ""


# --- why ---------------------------------------------------------------------------------------------

REDACTS = "Genkit Go has shown public texts and no details since 1.12; the output-only answer is a bare text."
BY_HTTP = "A bare text under an HTTP status tells no more than that status; a stream tells the flow's own."
IN_TEXT = "Genkit Go 1.9 has a text only, `STATUS: message`; the library reads the status out of it."
ESM = (
    "In ES modules `@genkit-ai/express` 1.42.0 loads Genkit's CommonJS copy, and does not know the errors of"
    " the other copy: each is an unexpected one. CommonJS is not affected."
)
ESM_EXPIRED = (
    "As for failures: the error that names a lost stream is not known either, and in production its page"
    " tells nothing: HTTP 500. In development the page names it, and it is a `StreamExpiredError`."
)
NO_MANAGER = "It has none: a stream cannot be resumed."
NO_EXPIRY = "No stream manager, so nothing that could be forgotten."
GO_BRIEF = "Asked of a manager of the app's own, which forgets after a second: Genkit's looks once a minute."
GO_TREE = "Genkit Go's schemas do not tell recursion: what is below the first level is any object."
OLD_TREE = "Genkit JS 1.6 does not tell recursion: what is below the first level is anything."
NO_CHUNK_SCHEMA = "It does not tell the schema of chunks; declare it."
NO_TRACE = "Neither the headers nor the frames of a stream name one."
KEEPS_RUNNING = "Nothing tells the flow that its client left."
CALLABLE_ONLY = "A function without Genkit describes itself nowhere; declare its types."
NO_DEV_SERVER = "Only Genkit has a development server."
FALSY = (
    "Genkit's `action.stream()`, on which `onCallGenkit` stands, drops every falsy chunk: null, undefined, 0,"
    " false and the empty text."
)
NONE_ENDS = "A `None` that the server waits for ends the stream of chunks; the output still comes."
NEEDS_DATA = "A body without `data` is refused: `flow(None)` is for it."
PUBLIC_LOST = (
    "The plugins send the error's cause instead, of which a `PublicError` has none: status `INTERNAL`,"
    ' message "None".'
)
LEAKS = "The text of the exception is sent as it is, in production, too."
ZOD = "Errors of Genkit are unexpected ones to Firebase; only its own `HttpsError` is told."
PYDANTIC = "An input that is refused is an unexpected error."
FLASK_LOOP = (
    "The decorator keeps one event loop, which runs while a stream is read: one stream at a time. A second"
    " one is HTTP 500, or breaks the first off; a run whose client left stands still until the next stream."
)
NO_KEEP_ALIVE = "Flask's server closes every connection."
EXCLUDES_NONE = "It leaves out what is null, against its own schema; declare such a field with a default."
DEV = "The reflection API is for development: it asks for no key."
DEV_TEXT = "The reflection API is for development: it hides nothing."
DEV_DETAILS = (
    "The details hold a trace or a stack: in Python beside the flow's own, elsewhere instead of them."
)
NEXT_ABORTS = (
    "The handler aborts the run when its client leaves, a durable one, too; a flow that does not watch its"
    " signal goes on. What came before is replayed, and then the error of the abort."
)
SSE_CRASH = (
    "An error in FastAPI's event stream tells nothing: the body ends; right behind a chunk it breaks off, and"
    " that chunk is lost."
)
OLD_CANCEL = "Genkit JS 1.6 has no `cancelAction`."

# --- the cells ---------------------------------------------------------------------------------------

BY_HTTP_STATUS = (
    "INTERNAL for UNKNOWN, DATA_LOSS; ABORTED for ALREADY_EXISTS;"
    " INVALID_ARGUMENT for FAILED_PRECONDITION, OUT_OF_RANGE"
)
ALL_TOLD = "status, message, details"

ALL = tuple(server.name for server in SERVERS)
GOS = ("go", "go-older")
EXPRESSES = ("express", "express-cjs", "express-older")
FUNCTIONS_ALL = ("onCallGenkit", "onCall")
GENKIT_PYTHONS = ("fastapi", "flask", "python-older")
REFLECTIONS = tuple(server.name for server in SERVERS if server.protocol == "reflection")
JS_DESCRIBED = (*EXPRESSES, "next", "onCallGenkit")
WITHOUT_MANAGER = tuple(server.name for server in SERVERS if not server.durable)

Row = dict[str, Cell]


def row(*groups: tuple[tuple[str, ...], str, str] | tuple[tuple[str, ...], str]) -> Row:
    """Servers that do not just say "yes", what they do, and why."""
    return {name: Cell(*told) for names, *told in groups for name in names}


FAILURES = row(
    (("go",), "status, message", REDACTS),
    (("go-older",), "status, message", IN_TEXT),
    (("express",), "INTERNAL for FAILED_PRECONDITION", ESM),
    (("express-cjs", "express-older", "next", *FUNCTIONS_ALL, "plain-fastapi"), ALL_TOLD),
    (GENKIT_PYTHONS, "INTERNAL for FAILED_PRECONDITION", PUBLIC_LOST),
    (REFLECTIONS, "status, message", DEV_DETAILS),
)

EXPECTED: dict[str, Row] = {
    "content_type": row(
        ((*GOS, "next"), "text/event-stream"),
        (EXPRESSES, "text/plain"),
        (FUNCTIONS_ALL, "none"),
        (("fastapi", "python-older", "plain-fastapi"), "text/event-stream; charset=utf-8"),
        (("flask",), "text/html; charset=utf-8"),
        (("go-reflection", "go-older-reflection", "js-reflection"), "text/plain"),
        (("js-older-reflection",), "none"),
        (("python-reflection",), "text/plain; charset=utf-8"),
    ),
    "trace_id": row((tuple(name for name in ALL if name not in REFLECTIONS), "no", NO_TRACE)),
    "null_field": row((("fastapi", "python-reflection"), "left out", EXCLUDES_NONE)),
    "discovered_types": row(
        (("go", "go-reflection", "plain-fastapi"), "input, chunk, output"),
        (("go-older", "go-older-reflection"), "input, output", NO_CHUNK_SCHEMA),
        ((*JS_DESCRIBED, "js-reflection", "js-older-reflection"), "input, output", NO_CHUNK_SCHEMA),
        ((*GENKIT_PYTHONS, "python-reflection"), "input, output", NO_CHUNK_SCHEMA),
        (("onCall",), "none", CALLABLE_ONLY),
    ),
    "discovered_odd_types": row(
        ((*GOS, "go-reflection", "go-older-reflection"), "all but recursion", GO_TREE),
        (("express-older", "js-older-reflection"), "all but recursion", OLD_TREE),
        (("onCall",), "none", CALLABLE_ONLY),
    ),
    "defaults": row(
        (tuple(name for name in ALL if name != "onCall"), "from the schema"),
        (("onCall",), "by the server", CALLABLE_ONLY),
    ),
    "void": row(
        (("onCallGenkit",), "loses chunks of nothing", FALSY),
        (GENKIT_PYTHONS, "loses chunks of nothing", NONE_ENDS),
    ),
    "no_input": row(
        ((*FUNCTIONS_ALL, "flask", "python-older"), "INVALID_ARGUMENT", NEEDS_DATA),
    ),
    "failure_of_output": FAILURES
    | row((("go",), "INVALID_ARGUMENT for FAILED_PRECONDITION, message", REDACTS)),
    "failure_in_stream": FAILURES,
    "every_status": row(
        (
            ("go",),
            BY_HTTP_STATUS,
            BY_HTTP,
        ),
        (("express",), "INTERNAL for all", ESM),
        (GENKIT_PYTHONS, "INTERNAL for all", PUBLIC_LOST),
    ),
    "every_status_in_stream": row(
        (("express",), "INTERNAL for all", ESM),
        (GENKIT_PYTHONS, "INTERNAL for all", PUBLIC_LOST),
    ),
    "crash": row(
        ((*JS_DESCRIBED, "go", "onCall"), "INTERNAL, its text hidden"),
        (("go-older", *GENKIT_PYTHONS), "INTERNAL, its text shown", LEAKS),
        (
            ("plain-fastapi",),
            "INTERNAL, its text hidden; in a stream: the connection breaks off",
            SSE_CRASH,
        ),
        (REFLECTIONS, "INTERNAL, its text shown", DEV_TEXT),
    ),
    "api_key": row(
        (tuple(name for name in ALL if name not in REFLECTIONS), "UNAUTHENTICATED, PERMISSION_DENIED, yes"),
        (("express",), "INTERNAL, INTERNAL, yes", ESM),
        (REFLECTIONS, "yes, yes, yes", DEV),
    ),
    "unknown_flow": row((ALL, "NOT_FOUND")),
    "local": row(
        (("onCall",), "none", CALLABLE_ONLY),
        (("plain-fastapi",), "none", NO_DEV_SERVER),
    ),
    "unknown_to_discovery": row((("onCall",), "none", CALLABLE_ONLY)),
    "refused_input": row(
        (tuple(name for name in ALL if name not in (*FUNCTIONS_ALL, *GENKIT_PYTHONS)), "INVALID_ARGUMENT"),
        (("express",), "INTERNAL", ESM),
        (FUNCTIONS_ALL, "INTERNAL", ZOD),
        (GENKIT_PYTHONS, "INTERNAL", PYDANTIC),
    ),
    "leaving": row(
        ((*GOS, "next", "onCall", "plain-fastapi"), "stopped"),
        ((*EXPRESSES, "onCallGenkit", "fastapi", "python-older"), "runs on to its end", KEEPS_RUNNING),
        (("flask",), "stands still", FLASK_LOOP),
        (tuple(name for name in REFLECTIONS if name != "js-older-reflection"), "stopped"),
        (("js-older-reflection",), "runs on to its end", OLD_CANCEL),
    ),
    "leaving_durable": row(
        ((*GOS, "express", "express-cjs"), "runs on to its end"),
        (("next",), "stopped", NEXT_ABORTS),
        (WITHOUT_MANAGER, "no stream manager", NO_MANAGER),
    ),
    "resuming": row(
        ((*GOS, "express", "express-cjs"), "resumed, one run"),
        (("next",), "replayed, then INTERNAL", NEXT_ABORTS),
        (WITHOUT_MANAGER, "StreamInterruptedError", NO_MANAGER),
    ),
    "another_process": row((WITHOUT_MANAGER, "no stream manager", NO_MANAGER)),
    "unknown_stream": row(
        ((*GOS, "express-cjs", "next"), "StreamExpiredError"),
        (("express",), "InternalError", ESM_EXPIRED),
        (WITHOUT_MANAGER, "no stream manager", NO_MANAGER),
    ),
    "expired_stream": row(
        (GOS, "StreamExpiredError", GO_BRIEF),
        (("express-cjs", "next"), "StreamExpiredError"),
        (("express",), "InternalError", ESM_EXPIRED),
        (WITHOUT_MANAGER, "no expiry can be set", NO_EXPIRY),
    ),
    "parallel": row((("flask",), "not all", FLASK_LOOP)),
    "keep_alive": row((("flask",), "not after outputs, not after streams", NO_KEEP_ALIVE)),
}


# What one would wish for, where that is not "yes".
WISHED = {
    "discovered_types": "input, chunk, output",
    "defaults": "from the schema",
    "failure_of_output": ALL_TOLD,
    "failure_in_stream": ALL_TOLD,
    "crash": "INTERNAL, its text hidden",
    "api_key": "UNAUTHENTICATED, PERMISSION_DENIED, yes",
    "unknown_flow": "NOT_FOUND",
    "refused_input": "INVALID_ARGUMENT",
    "leaving": "stopped",
    "leaving_durable": "runs on to its end",
    "resuming": "resumed, one run",
    "unknown_stream": "StreamExpiredError",
    "expired_stream": "StreamExpiredError",
}


def expected(behaviour: str, server: str) -> Cell:
    """What a cell must say; "yes" where nothing else is written down."""
    return EXPECTED.get(behaviour, {}).get(server, Cell("yes"))
