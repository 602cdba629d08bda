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
PLAIN = python("plain-fastapi", "plain_app.py", "FastAPI 0.1, no Genkit")

SERVERS: list[Server] = [
    Server("go", GO, GO_NEWEST, durable=True, brief=True),
    Server("go-older", GO, GO_OLDER, durable=True, brief=True),
    Server("express", JS, EXPRESS, durable=True, brief=True),
    Server("express-cjs", JS, EXPRESS_CJS, durable=True, brief=True),
    Server("express-older", JS, EXPRESS_OLDER),
    Server("next", JS, NEXT, durable=True, brief=True),
    Server("onCallGenkit", FIREBASE, FUNCTIONS, falsy=False),
    Server("onCall", FIREBASE, FUNCTIONS, prefix="oncall/"),
    Server("fastapi", PYTHON, FASTAPI),
    Server("flask", PYTHON, FLASK),
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


def expected(behaviour: str, server: str) -> Cell:
    return Cell("yes")
