"""The types of the flows, for Genkit and for FastAPI alone.

In: nothing. Out: pydantic models. How they travel does not belong here.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field

LETTERS = "Crème brûlée №"


class Order(BaseModel):
    theme: str
    count: int = 3
    run: str | None = None


class Item(BaseModel):
    index: int
    name: str


class Menu(BaseModel):
    theme: str
    names: list[str]
    total: int


class Boom(BaseModel):
    n: int
    status: str = "FAILED_PRECONDITION"


class Crash(BaseModel):
    n: int


class Slow(BaseModel):
    run: str
    n: int


class Size(BaseModel):
    size: int


class Node(BaseModel):
    name: str
    children: list["Node"]


class Mood(StrEnum):
    HAPPY = "happy"
    SAD = "sad"


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: float


class Square(BaseModel):
    kind: Literal["square"]
    side: float


# Flask's handler does not ask for the names on the wire, so the model does.
class OddWithoutDate(BaseModel, serialize_by_alias=True):
    kebab_name: str = Field(alias="kebab-name")
    class_: int = Field(alias="class")
    with_space: bool = Field(alias="with space")
    mood: Mood
    shape: Annotated[Circle | Square, Field(discriminator="kind")]
    pair: tuple[str, int]
    scores: dict[str, float]
    maybe: str | None


def item(theme: str, index: int) -> Item:
    return Item(index=index, name=f"{theme} {LETTERS} {index} 😀\u2028end")


def menu(theme: str, count: int) -> Menu:
    return Menu(theme=theme, names=[item(theme, index).name for index in range(count)], total=count)


def preorder(node: Node) -> list[Node]:
    return [node, *(found for child in node.children for found in preorder(child))]


def upper(node: Node) -> Node:
    return Node(name=node.name.upper(), children=[upper(child) for child in node.children])
