"""The flows on FastAPI, with the last genkit-plugin-fastapi whose failures are unfinished `error:` events.

In: `PORT`, `GENKIT_ENV`. Out: flows at `POST /NAME`, what became of runs at `GET /runs/ID`.
"""

from typing import Any

from fastapi import FastAPI, HTTPException
from flows import FLOWS, ai, secure
from genkit.plugin_api import RequestData
from genkit.plugins.fastapi import genkit_fastapi_handler
from listening import serve
from runs import known

app = FastAPI()


def caller(request: RequestData[Any]) -> dict[str, Any]:
    """The context of `secure`, for those who may."""
    authorization = request.request.headers.get("authorization")
    if authorization is None:
        raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Bearer"})
    if authorization != "Bearer open-sesame":
        raise HTTPException(403, "not you")
    return {"auth": {"uid": "somebody"}}


serves: Any = genkit_fastapi_handler(ai)  # its types know functions only, not actions
serves_callers: Any = genkit_fastapi_handler(ai, caller)
for flow in FLOWS:
    app.post(f"/{flow.name}", response_model=None)(serves(flow))
app.post("/secure", response_model=None)(serves_callers(secure))


@app.get("/runs/{run}")
async def runs(run: str) -> dict[str, Any]:
    """How often a run began, what it sent, how it ended."""
    return known(run)


if __name__ == "__main__":
    serve(app)
