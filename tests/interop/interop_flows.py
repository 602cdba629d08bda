"""The flows that every interop app defines, as a caller declares them, and what they answer.

In: nothing. Out: `FlowDef`s and the values they are compared with. What each server makes of them stands in
`interop_expected.py`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from streamflow_client import FlowDef

THEME = "Ünïcode"
TOKEN = "open-sesame"
SECRET = "secret-of-the-server"
DETAILS = "asked for"


class Order(BaseModel):
    theme: str
    count: int = 3
    run: str = ""


class Item(BaseModel):
    index: int
    name: str


class Menu(BaseModel):
    theme: str
    names: list[str]
    total: int


def item(index: int) -> Item:
    """With letters of two bytes, of three, of four, and U+2028, at which some decoders split lines."""
    return Item(index=index, name=f"{THEME} Crème brûlée № {index} 😀\u2028end")


def menu(count: int = 3) -> Menu:
    return Menu(theme=THEME, names=[item(index).name for index in range(count)], total=count)


class Node(BaseModel):
    name: str
    children: list[Node] = []


TREE = Node(name="root", children=[Node(name="a", children=[Node(name="b")]), Node(name="c")])


def upper(node: Node) -> Node:
    return Node(name=node.name.upper(), children=[upper(child) for child in node.children])


def preorder(node: Node) -> list[Node]:
    return [node, *(found for child in node.children for found in preorder(child))]


class Mood(StrEnum):
    HAPPY = "happy"
    SAD = "sad"


class Circle(BaseModel):
    kind: Literal["circle"] = "circle"
    radius: float


class Square(BaseModel):
    kind: Literal["square"] = "square"
    side: float


class Odd(BaseModel, serialize_by_alias=True):
    kebab_name: str = Field(alias="kebab-name")
    class_: int = Field(alias="class")
    with_space: bool = Field(alias="with space")
    mood: Mood
    shape: Annotated[Circle | Square, Field(discriminator="kind")]
    pair: tuple[str, int]
    scores: dict[str, float]
    maybe: str | None = None
    when: datetime


ODD_JSON: dict[str, Any] = {
    "kebab-name": "é",
    "class": 7,
    "with space": True,
    "mood": "sad",
    "shape": {"kind": "square", "side": 2.5},
    "pair": ["left", 1],
    "scores": {"a b": 1.5, "": 2.0},
    "maybe": None,
    "when": "2026-11-22T08:30:00Z",
}
ODD = Odd.model_validate(ODD_JSON)

MENU = FlowDef("menu", input=Order, chunk=Item, output=Menu)
ECHO = FlowDef("echo", input=str, output=str)
VOID = FlowDef("void", input=None, chunk=None, output=None)
BOOM = FlowDef("boom", input=dict[str, Any], chunk=int)
CRASH = FlowDef("crash", input=dict[str, Any], chunk=int)
SLOW = FlowDef("slow", input=dict[str, Any], chunk=int, output=int)
BIG = FlowDef("big", input=dict[str, int], chunk=str, output=int)
TREES = FlowDef("tree", input=Node, chunk=Node, output=Node)
ODDS = FlowDef("odd", input=Odd, chunk=Odd, output=Odd)
SECURE = FlowDef("secure", input=str, output=str)
