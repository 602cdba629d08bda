"""What a flow is: its name and its three types.

In: type forms. Out: a `FlowDef` that type checkers and the codec read. Pure.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Generic, get_args

from typing_extensions import TypeForm, TypeVar

from .text import shown
from .wire.codec import Codec

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

InputT = TypeVar("InputT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)
OutputT = TypeVar("OutputT", default=Any)

_ANYTHING: Any = Any  # as a default of three parameters it leaves their type variables at Any


class FlowDef(Generic[InputT, ChunkT, OutputT]):
    """A declared flow. Any type form that pydantic can validate will do, unions and primitives too.

    Args:
        name: as the server knows it; slashes separate path segments.
        input: type of the input.
        chunk: type of each streamed chunk.
        output: type of the final output.
        path: where the flow is, if not at `{base_url}/{name}`: "/api/menu" on the client's origin,
            or an absolute URL. Another origin than the client's gets neither its headers nor its auth.

    Raises:
        ValueError: the name is empty.
    """

    __slots__ = ("_codecs", "chunk", "input", "name", "output", "path")

    def __init__(
        self,
        name: str,
        *,
        input: TypeForm[InputT] = Any,
        chunk: TypeForm[ChunkT] = Any,
        output: TypeForm[OutputT] = Any,
        path: str | None = None,
    ) -> None:
        if not name:
            raise ValueError("a flow needs a name")
        self.name: str = name
        self.input: Any = input
        self.chunk: Any = chunk
        self.output: Any = output
        self.path: str | None = path
        self._codecs: dict[bool, Codec[InputT, ChunkT, OutputT]] = {}

    def codec(self, *, strict: bool) -> Codec[InputT, ChunkT, OutputT]:
        """The flow's codec, built once for each strictness."""
        if strict not in self._codecs:
            self._codecs[strict] = self._new_codec(strict=strict)
        return self._codecs[strict]

    def _new_codec(self, *, strict: bool) -> Codec[InputT, ChunkT, OutputT]:
        return Codec(self.name, self.input, self.chunk, self.output, strict=strict)

    def signature(self) -> inspect.Signature:
        """What a call takes and gives, for people."""
        takes = inspect.Parameter("input", inspect.Parameter.POSITIONAL_ONLY, annotation=self.input)
        return inspect.Signature([takes], return_annotation=self.output)

    def input_fields(self) -> list[str]:
        """Names of the input's fields as a mapping has them, where the type is one that has some."""
        model: dict[str, FieldInfo] = getattr(self.input, "__pydantic_fields__", {})
        keys = [*getattr(self.input, "__required_keys__", ()), *getattr(self.input, "__optional_keys__", ())]
        others = getattr(self.input, "__dataclass_fields__", sorted(keys))
        return [field.alias or name for name, field in model.items()] or list(others)

    def __repr__(self) -> str:
        forms = {"input": self.input, "chunk": self.chunk, "output": self.output}
        told = [f"{role}={_form_text(form)}" for role, form in forms.items()]
        return f"FlowDef({shown(repr(self.name), 100)}, {', '.join(told)})"


def _form_text(form: Any) -> str:
    """As one writes it: `list[int]`, which is a type too by the word of `isinstance`, is more than `list`."""
    return shown(form.__name__ if isinstance(form, type) and not get_args(form) else str(form))
