"""What a type checker refuses. Checked, never run: an `ignore` that a checker does not need is an error."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from pydantic import BaseModel

from streamflow_client import AsyncClient, Client, FlowDef, Retry, Timeout


class Request(BaseModel):
    """An input."""

    theme: str


MODELS = FlowDef("models", input=Request, chunk=str, output=int)
FORMS = FlowDef("forms", input=int | None)


def wrong_inputs(client: Client) -> None:
    client.flow(MODELS)({"theme": "x"})  # type: ignore[arg-type]
    client.flow(MODELS)(None)  # type: ignore[arg-type]
    client.flow(MODELS)(theme="x")  # type: ignore[call-arg]
    client.flow(MODELS).stream(5)  # type: ignore[arg-type]
    client.flow(MODELS).stream_events(5)  # type: ignore[arg-type]
    client.flow(FORMS)("5")  # type: ignore[arg-type]
    client.flow("x", input=bool)("no")  # type: ignore[arg-type]
    client.flow(MODELS).resume(5)  # type: ignore[arg-type]


async def wrong_async_inputs(client: AsyncClient) -> None:
    await client.flow(MODELS)({"theme": "x"})  # type: ignore[arg-type]
    await client.flow(FORMS)("5")  # type: ignore[arg-type]
    client.flow(MODELS).stream(5)  # type: ignore[arg-type]


async def wrong_ways(client: Client, other: AsyncClient) -> None:
    for _ in other.flow(MODELS).stream():  # type: ignore[attr-defined]
        pass
    async for _ in client.flow(MODELS).stream():  # type: ignore[attr-defined]
        pass
    with other:  # type: ignore[attr-defined]
        pass


def wrong_outputs(client: Client) -> str:
    return client.flow(MODELS)()  # type: ignore[return-value]


def wrong_options() -> None:
    Client("x", timeout="5")  # type: ignore[arg-type]
    Client("x", retry=3)  # type: ignore[arg-type]
    Client("x", protocol="other")  # type: ignore[arg-type]
    Client("x", None)  # type: ignore[call-arg]
    Timeout(connect="1")  # type: ignore[arg-type]
    Retry().attempts = 3  # type: ignore[misc]


def wrong_catalogs() -> None:
    Client("x", catalog=5)  # type: ignore[arg-type]
    Client("x", catalog=b"flows.json")  # type: ignore[arg-type]
    AsyncClient("x", catalog={})  # type: ignore[arg-type]


async def wrong_flows(client: Client, async_client: AsyncClient) -> None:
    client.flows[3]  # type: ignore[index]
    for _ in client.flows.menu.stream():  # fine
        pass
    for _ in async_client.flows.menu.stream():  # type: ignore[attr-defined]
        pass
    async with client.flows.menu.stream():  # type: ignore[attr-defined]
        pass
    await client.discover()  # type: ignore[misc]
    len(async_client.discover())  # type: ignore[arg-type]
    client.flows.menu = 3  # type: ignore[attr-defined]
