"""The flows on Flask, with genkit-flask.

In: `PORT`, `GENKIT_ENV`. Out: flows at `POST /NAME`, what became of runs at `GET /runs/ID`.

The server is the one behind `flask run`, which Genkit's documentation names: a thread for each request. All
streams share one event loop, as the handler has it: a second one at the same time fails.
"""

import os
from typing import Any

from flask import Flask, abort
from flows import FLOWS, ai, secure
from genkit.plugin_api import RequestData
from genkit_flask import genkit_flask_handler
from runs import known
from werkzeug.serving import make_server

app = Flask(__name__)


def caller(request: RequestData[Any]) -> dict[str, Any]:
    """The context of `secure`, for those who may."""
    authorization = request.request.headers.get("authorization")
    if authorization is None:
        abort(401)
    if authorization != "Bearer open-sesame":
        abort(403)
    return {"auth": {"uid": "somebody"}}


serves: Any = genkit_flask_handler(ai)  # Flask's types know no asynchronous iterables
serves_callers: Any = genkit_flask_handler(ai, caller)
for flow in FLOWS:
    app.post(f"/{flow.name}", endpoint=flow.name)(serves(flow))
app.post("/secure", endpoint="secure")(serves_callers(secure))


@app.get("/runs/<run>")
def runs(run: str) -> dict[str, Any]:
    """How often a run began, what it sent, how it ended."""
    return known(run)


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(os.environ.get("PORT") or 0), app, threaded=True)
    print("LISTENING", server.port, flush=True)  # noqa: T201 - whoever started it waits for this
    server.serve_forever()
