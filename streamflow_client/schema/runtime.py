"""The model of types → run-time types: pydantic classes for records, annotations for the rest.

In: `Types`. Out: `Built`, whose `form` pydantic validates and dumps. Out of place here: how a value is
checked (`core.py`), annotations without checks (`plain.py`), text (`describe.py`).

Classes are found again by content: the same `Types`, role and name give the same classes while anything
uses them. So an instance pickles as the plain data of its class, once per pickle, and another process
builds the class anew, once. Nothing here keeps a class alive: the registry holds weak references.
"""

from __future__ import annotations

import copyreg
import inspect
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from ..text import shown
from . import model
from .complaints import readable
from .core import Core, refuses_extra
from .describe import LONG_NAME
from .model import MISSING, Definition, Record, Ref, Type, Types
from .plain import either, plain_type
from .signature import documentation, fields_to_parameters

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as ModelMeta
else:
    ModelMeta = type(BaseModel)  # pydantic's metaclass has no public name

__all__ = ["Built", "FlowModel", "Role", "build", "parameters"]

Role = Literal["input", "chunk", "output"]

_MODULE: Final = "streamflow_client.flows"  # what classes call their module; there is nothing to import


@dataclass(frozen=True)
class Built:
    """The run-time types of one schema.

    Attributes:
        form: what pydantic takes: a `FlowModel` class, or an annotation with the exact checks.
        plain: the same for people: `list[Item]`, `str | None`.
        model: the class, where the schema as a whole is a record; else None.
        types: what they were built from.
    """

    form: Any
    plain: Any
    model: type[FlowModel] | None
    types: Types


class FlowMeta(ModelMeta):
    """The metaclass of `FlowModel`, so that classes which no module holds can be pickled."""


class FlowModel(BaseModel, metaclass=FlowMeta):
    """An object of a flow's input, chunk or output, as the server's schema describes it.

    Fields have the names of the schema where Python allows them; the constructor takes either name. A
    field that was left out and has no default is None and is not dumped, while a given None is. Dump with
    `by_alias=True` for the names of the schema.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        defer_build=True, protected_namespaces=(), validate_assignment=True
    )
    __flow_origin__: ClassVar[_Origin | None] = None

    def __init__(self, /, **data: Any) -> None:
        validator = self.__pydantic_validator__
        try:
            validator.validate_python(data, self_instance=self, by_alias=True, by_name=True)
        except ValidationError as error:
            raise readable(error) from None

    if not TYPE_CHECKING:  # else no name would be wrong to type checkers

        def __getattr__(self, name: str) -> Any:
            """Fields that no schema speaks of; or an error that names the closest field."""
            try:
                return super().__getattr__(name)
            except AttributeError:
                if name.startswith("_"):
                    raise
                raise _no_field(self, name) from None

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        _sign(cls)  # again: pydantic has just written a signature full of checks

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        origin = _origin(cls)
        return handler(source) if origin is None else origin.world.class_schema(origin.name)


def _no_field(value: BaseModel, name: str) -> AttributeError:
    """`name=` keeps Python from suggesting names of its own, such as pydantic's private ones."""
    fields = [*type(value).model_fields, *(value.model_extra or ())]
    close = get_close_matches(name[:LONG_NAME], fields, n=1)
    meant = f"; did you mean {shown(repr(close[0]), LONG_NAME)}?" if close else ""
    return AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}{meant}", name=name)


def build(types: Types, *, role: Role, name: str) -> Built:
    """The run-time types of a schema.

    Args:
        role: an input refuses fields that its schema does not speak of; chunks and outputs keep them.
        name: of the flow.
    """
    world = _world(types, role, name)
    root = types.root
    while isinstance(root, Ref) and root.name not in world.classes:
        root = types.definitions[root.name].type
    if isinstance(root, Ref):
        class_ = world.classes[root.name]
        class_.model_rebuild()  # now, not when the first value comes
        return Built(class_, class_, class_, types)
    plain = world.plain(types.root)
    return Built(Annotated[plain, _Checked(world, types.root)], plain, None, types)


def parameters(built: Built) -> list[inspect.Parameter]:
    """The keyword-only parameters that stand for the fields of an input; none where it is no record."""
    origin = None if built.model is None else _origin(built.model)
    return [] if origin is None else origin.parameters()


class _World:
    """All classes of one `Types`, made together, since they may refer to each other."""

    def __init__(self, key: str, types: Types, role: Role, name: str) -> None:
        self._key = key
        self._made: dict[str, Mapping[str, type[FlowModel]]] = {}
        self.types = types
        self.role: Role = role
        self.name = name

    def __reduce__(self) -> tuple[Callable[[Types, Role, str], _World], tuple[Types, Role, str]]:
        return _world, (self.types, self.role, self.name)

    @property
    def classes(self) -> Mapping[str, type[FlowModel]]:
        """The class of each record. `setdefault`: of two threads that make them, both get the first's."""
        return self._made.get("") or self._made.setdefault("", _classes(self))

    def plain(self, type: Type) -> Any:
        return plain_type(type, self.types, self.classes)

    def schema(self, type: Type) -> CoreSchema:
        return self._core().schema(type)

    def class_schema(self, name: str) -> CoreSchema:
        return self._core().class_schema(name)

    @property
    def exact(self) -> bool:
        """Whether fields that no schema speaks of are refused."""
        return self.role == "input"

    def _core(self) -> Core:
        return Core(self.types, self.classes, self._key, exact=self.exact)


_worlds: Final[dict[str, weakref.ref[_World]]] = {}
"""Not a `WeakValueDictionary`, whose `setdefault` lets two threads put in a world each; that of a `dict`
with keys of text is one step."""


def _world(types: Types, role: Role, name: str) -> _World:
    key = sha256(repr((types, role, name)).encode("utf-8", "surrogatepass")).hexdigest()
    known = _worlds.get(key)
    found = None if known is None else known()
    while found is None:
        made = _World(key, types, role, name)
        known = _worlds.setdefault(key, weakref.ref(made, partial(_forget, _worlds, key)))
        found = known()
        if found is None:  # it died, and nobody was told so far
            _forget(_worlds, key, known)
    return found


def _forget(
    worlds: dict[str, weakref.ref[_World]],  # handed in: an interpreter that ends takes globals away first
    key: str,
    dead: weakref.ref[_World],
) -> None:
    if worlds.get(key) is dead:
        worlds.pop(key, None)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a class comes from."""

    world: _World
    name: str

    def parameters(self) -> list[inspect.Parameter]:
        fields = self.world.classes[self.name].model_fields.items()
        record = self.world.types.definitions[self.name].type
        assert isinstance(record, Record)
        return fields_to_parameters(record.fields, {name: info.annotation for name, info in fields})


def _origin(class_: type[BaseModel]) -> _Origin | None:
    """Of the class itself: a subclass of a flow's class is somebody else's."""
    return vars(class_).get("__flow_origin__")


def _sign(class_: type[FlowModel]) -> None:
    origin = _origin(class_)
    if origin is not None:
        class_.__signature__ = inspect.Signature(origin.parameters())


@dataclass(frozen=True, eq=False)
class _Checked:
    """The exact checks of a type, as pydantic finds them among an annotation's metadata."""

    world: _World
    type: Type

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Asked twice: pydantic takes definitions from a type, but not from the metadata of one."""
        return self.world.schema(self.type) if source is self else handler.generate_schema(self)

    def __repr__(self) -> str:
        return f"<as flow {self.world.name!r} has it>"


def _classes(world: _World) -> dict[str, type[FlowModel]]:
    records = {
        name: definition
        for name, definition in world.types.definitions.items()
        if isinstance(definition.type, Record)
    }
    classes = {name: _class(world, name, definition) for name, definition in records.items()}
    for name, definition in records.items():
        _annotate(classes[name], definition.type, world, classes)
    return classes


def _class(world: _World, name: str, definition: Definition) -> type[FlowModel]:
    record = definition.type
    assert isinstance(record, Record)
    closed = refuses_extra(record, exact=world.exact)
    fields: dict[str, Any] = {field.python_name: (Any, _field_info(field)) for field in record.fields}
    class_ = create_model(
        name,
        __base__=FlowModel,
        __module__=_MODULE,
        __doc__=documentation(name, definition, record.fields),
        __cls_kwargs__={"extra": "forbid" if closed else "allow"},
        **fields,
    )
    class_.__flow_origin__ = _Origin(world, name)
    class_.model_config["defer_build"] = False  # until here: the classes that it refers to were not there
    return class_


def _field_info(field: model.Field) -> FieldInfo:
    told: dict[str, Any] = {"alias": field.name, "title": field.title or None}
    told["description"] = field.description or None
    if not field.required:
        told["default"] = None if field.default is MISSING else field.default
    return cast("FieldInfo", Field(**told))


def _annotate(class_: type[FlowModel], record: Type, world: _World, classes: Mapping[str, Any]) -> None:
    """Real annotations, now that all classes are there."""
    assert isinstance(record, Record)
    for field in record.fields:
        plain = plain_type(field.type, world.types, classes)
        if not field.required and field.default is MISSING:
            plain = either([plain, None])
        info = class_.model_fields[field.python_name]
        info.annotation = plain
        info.metadata.append(_Checked(world, field.type))
        class_.__annotations__[field.python_name] = plain


def _restored(world: _World, name: str) -> type[FlowModel]:
    return world.classes[name]


def _reduce_class(class_: Any) -> Any:
    """How a class pickles: a flow's by its origin, any other by its name, as usual."""
    origin = _origin(class_)
    return class_.__qualname__ if origin is None else (_restored, (origin.world, origin.name))


copyreg.pickle(FlowMeta, _reduce_class)  # the way that `pickle` and process pools ask for a class
