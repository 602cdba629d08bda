"""`streamflow-client pull`: a server's flows as a file.

In: a `Server`, the file, the calls to learn chunks from. Out: an OpenAPI document in the file or on standard
output, and on standard error what is not in it. Out of place here: what the document says (`schema/saving`),
and whose word counts (`schema/saving/merging.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from ..errors import DiscoveryError
from ..schema.catalog import Catalog
from ..schema.document import SIZE_LIMIT, read_json
from ..schema.files import check_place, is_special, read_file, write_file
from ..schema.flowspec import FlowSpec
from ..schema.saving.infer import NOTHING, Seen, both, seen
from ..schema.saving.merging import Merged, merged, other_operations, why_not_learnt
from ..schema.saving.writing import Saved, TooLarge, saved
from ..sync import DiscoveredFlow
from ..text import shown
from ..wire.codec import UNSET
from .arguments import Server, Word
from .interruptions import Interruptions
from .output import STDOUT, complain, emit, warnings_told, writing
from .run import input_given, open_client, time_left


def pull(server: Server, file: str, samples: Sequence[str]) -> None:
    """Write the file, or print it.

    Args:
        samples: `FLOW=JSON`, or `FLOW` for one without input.

    Raises:
        BadArgument: the words make no sense.
        DiscoveryError: there is no catalog, or the file is another.
        FlowError: the server could not be asked, or a flow failed.
        OutputError: the file cannot be written.
    """
    begun = monotonic()
    signals = Interruptions()
    with signals.taken(), open_client(server) as client, warnings_told(of_catalogs=True):
        catalog = client.discover()
        before = _Before() if file == STDOUT else _before(file)
        wanted = [_sample(catalog, word) for word in samples]
        merged(catalog, before.flows, {})  # what would be refused is refused before a flow runs
        learnt: dict[str, Seen] = {}
        for name, given in wanted:
            why = why_not_learnt(catalog[name], before.flows)
            if why is not None:
                complain(f"flow {name!r} is not called for a sample: {why}", "warning: ", "yellow")
                continue
            flow = client.flows[name].with_options(timeout=time_left(server.timeout, begun))
            learnt[name] = both(learnt.get(name, NOTHING), _learnt(flow, given, signals))
        result = merged(catalog, before.flows, learnt)
        document = _document(catalog, before, result)
    _write(file, document)
    _tell(file, catalog, result, document)


@dataclass(frozen=True, slots=True)
class _Before:
    """What a file said that was pulled before; nothing, where there was none."""

    flows: Mapping[str, FlowSpec] = field(default_factory=dict[str, FlowSpec])
    info: Mapping[str, Any] | None = None
    document: Mapping[str, Any] = field(default_factory=dict[str, Any])


def _before(file: str) -> _Before:
    """What the file says that is there.

    Raises:
        DiscoveryError: it is something else, and stays.
        OutputError: it can be neither read nor written.
    """
    with writing(file):
        check_place(file)
        if is_special(file):  # reading a pipe would wait for what is yet to be written to it
            return _Before()
        try:
            data = read_file(file, SIZE_LIMIT)
        except FileNotFoundError:
            return _Before()
    if not data:
        return _Before()
    try:
        catalog = Catalog.parse(data, source=file)
    except DiscoveryError as error:
        raise DiscoveryError(f"{error.message}; the file stays as it is") from None
    document: Any = read_json(data)
    others = other_operations(document, catalog)
    if catalog.info is None or others:
        what = shown("; ".join([*others, *catalog.warnings])) if others else "no OpenAPI document"
        raise DiscoveryError(
            f"{shown(file)} holds what was not pulled ({what}) and would be lost: give another file"
        )
    return _Before(catalog, catalog.info, document)


def _sample(catalog: Catalog, word: str) -> tuple[str, Any]:
    """A name may hold a "=", too. Raises: DiscoveryError: no such flow."""
    fitting = [name for name in catalog if word == name or word.startswith(f"{name}=")]
    name = max(fitting, key=len, default=word.partition("=")[0])
    spec = catalog[name]
    return spec.name, UNSET if word == name else Word(word[len(name) + 1 :])


def _learnt(flow: DiscoveredFlow, given: Any, signals: Interruptions) -> Seen:
    """What the chunks of one run look like. Raises: BadArgument, FlowError."""
    stream = flow.stream(input_given(flow, given))
    learnt = NOTHING
    with signals.cancelling(stream), stream:
        for chunk in stream:
            learnt = both(learnt, seen([chunk]))
            signals.check()
    if learnt == NOTHING:
        complain(f"flow {flow.spec.name!r} sent no chunks: nothing is learnt of them", "warning: ", "yellow")
    return learnt


def _document(catalog: Catalog, before: _Before, result: Merged) -> Saved:
    info = catalog.info if before.info is None else before.info
    try:
        return saved(catalog.values(), info=info, kept=result.kept, around=before.document)
    except TooLarge as error:
        raise DiscoveryError(str(error)) from None


def _write(file: str, document: Saved) -> None:
    if file == STDOUT:
        emit(document.text.removesuffix("\n"))
        return
    with writing(file):
        write_file(file, document.text.encode())


def _tell(file: str, catalog: Catalog, result: Merged, document: Saved) -> None:
    for note in (*result.notes, *document.warnings):
        complain(note, "warning: ", "yellow")
    count = f"{len(catalog)} flow{'' if len(catalog) == 1 else 's'}"
    complain(count if file == STDOUT else f"{count} in {shown(file)}")
    if result.untold:
        complain(
            f"what chunks are is not told of {shown(', '.join(result.untold))}: declare it in the file, or"
            f" learn it from a call, --sample '{shown(result.untold[0], 100)}=…'"
        )
