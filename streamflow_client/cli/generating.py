"""`streamflow-client generate`: a typed Python module for the flows of a server, or of a saved catalog.

In: a `Server` or a file, and where the module goes. Out: the module written, or compared with the one that is
there; what of the schemas it cannot say, on standard error. Out of place here: what stands in the module
(`schema/source/module.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DiscoveryError
from ..found import FlowTypes
from ..schema.catalog import Catalog
from ..schema.files import write_file
from ..schema.graph import without_place
from ..schema.source.module import FlowSchemas, is_generated, is_too_deep, module_source
from ..text import shown
from .arguments import BadArgument, Server
from .exits import ExitCode
from .output import STDOUT, complain, emit, warnings_told, writing
from .run import open_client


@dataclass(slots=True)
class _Found:
    """What goes into a module, and what is told of what does not.

    Attributes:
        warnings: in the words of the document, places in it included.
        notes: the same for the module, which is to be the same whatever document described the flows.
    """

    flows: list[FlowSchemas] = field(default_factory=list[FlowSchemas])
    warnings: list[str] = field(default_factory=list[str])
    notes: dict[str, None] = field(default_factory=dict[str, None])


def generate(place: Server | str, out: str, *, check: bool) -> ExitCode:
    """Write the module, or say whether it is as it would be written.

    Args:
        place: a server, or the path of a catalog.
        out: the path of the module, or "-" for standard output.

    Raises:
        BadArgument: a file is there that was not generated.
        FlowError: the server could not be asked, or no flow is left to write.
    """
    with warnings_told(of_catalogs=False):
        catalog = _catalog(place)
        found = flows_to_write(catalog)
    for warning in (*catalog.warnings, *found.warnings):
        complain(warning, "warning: ", "yellow")
    if not found.flows:
        raise DiscoveryError(f"{shown(catalog.source)} has no flow to generate a module for")
    text = module_source(found.flows, sorted(found.notes))
    if check:
        return _compare(Path(out), text)
    if out == STDOUT:
        emit(text.removesuffix("\n"))
    else:
        _write(Path(out), text)
    return ExitCode.OK


def _catalog(place: Server | str) -> Catalog:
    if isinstance(place, str):
        return Catalog.load(place)
    with open_client(place) as client:
        return client.discover()


def flows_to_write(catalog: Catalog) -> _Found:
    """Flows whose schemas are broken, or too deep for Python's parser, are left out."""
    found = _Found()
    for spec in catalog.values():
        name = shown(repr(spec.name), 100)
        try:
            types = FlowTypes.read(spec)
        except DiscoveryError as error:
            found.warnings.append(f"flow {name} is left out: {error.message.partition(';')[0]}")
            found.notes[f"flow {name} is left out, for a schema of it is broken"] = None
            continue
        flow = FlowSchemas(spec.name, spec.description, types.input, types.chunk, types.output)
        if is_too_deep(flow):
            deep = f"flow {name} is left out, for its types are nested too deeply"
            found.warnings.append(deep)
            found.notes[deep] = None
            continue
        found.flows.append(flow)
        _note_unchecked(name, types, found)
    return found


def _note_unchecked(name: str, types: FlowTypes, found: _Found) -> None:
    roles = {"input": types.input, "chunk": types.chunk, "output": types.output}
    for role, read in roles.items():
        for warning in read.warnings if read is not None else ():
            found.warnings.append(f"flow {name}: {role} schema: {warning}")
            found.notes[f"flow {name}, {role}: {without_place(warning)}"] = None


def _present(path: Path) -> str | None:
    """The file that is there. Raises: BadArgument: it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadArgument(f"{path}: {reason}") from None


def _refuse_foreign(path: Path, present: str) -> None:
    """Raises: BadArgument: a file that is there was not generated."""
    if present.strip() and not is_generated(present):
        raise BadArgument(f"{path} was not generated; it is not overwritten: delete it, or name another file")


def _compare(path: Path, text: str) -> ExitCode:
    present = _present(path)
    if present == text:
        return ExitCode.OK
    if present is not None:
        _refuse_foreign(path, present)
    what = "is not there" if present is None else "differs from what the schemas say now"
    complain(f"{path} {what}: run the same command without --check", "error: ")
    return ExitCode.UNEXPECTED


def _write(path: Path, text: str) -> None:
    present = _present(path) if not path.exists() or path.is_file() else None
    if present is not None:
        _refuse_foreign(path, present)
    if present == text:
        return
    with writing(str(path)):
        write_file(path, text.encode())
