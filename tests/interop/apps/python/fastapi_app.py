"""The flows on FastAPI, with genkit-fastapi.

In: `PORT`, `GENKIT_ENV`. Out: flows at `POST /NAME`, what became of runs at `GET /runs/ID`.
"""

from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException
from flows import FLOWS, secure
from genkit_fastapi import serve_flow
from listening import serve
from runs import known

app = FastAPI()


async def caller(authorization: Annotated[str | None, Header()] = None) -> dict[str, Any]:
    """The context of `secure`, for those who may."""
    if authorization is None:
        raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Bearer"})
    if authorization != "Bearer open-sesame":
        raise HTTPException(403, "not you")
    return {"auth": {"uid": "somebody"}}


for flow in FLOWS:
    app.include_router(serve_flow(flow))
app.include_router(serve_flow(secure, context_dependency=caller))


@app.get("/runs/{run}")
async def runs(run: str) -> dict[str, Any]:
    """How often a run began, what it sent, how it ended."""
    return known(run)


if __name__ == "__main__":
    serve(app)
