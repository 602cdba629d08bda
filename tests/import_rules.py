"""The import rules of the pure rooms, proven by reading the source; `make check` runs this file.

A pure room is handed its bytes, its clock and its delays: it imports nothing that could fetch them
itself, neither directly nor through another module of the package. Imports inside functions and
`try` blocks count. What stands under `if TYPE_CHECKING:` never runs and is left out. The package's
own `__init__` is the façade over pure and impure rooms alike: lying in the package is no import of
it, but `from streamflow_client import Client` is.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "streamflow_client"

ROOMS = (
    *("wire", "schema", "session", "call", "clocks", "tally", "advice"),
    *("errors", "options", "flowdef", "ticket", "timeline", "text", "jsonvalues"),
    "notebook",
)
EXCEPTIONS = frozenset({"schema.files"})  # files for `Catalog`, which imports it when it needs it

THIRD_PARTY = frozenset({"pydantic", "pydantic_core", "annotated_types", "typing_extensions"})
STANDARD = sys.stdlib_module_names | {"__future__"}
FORBIDDEN = frozenset(
    {"asyncio", "concurrent", "multiprocessing", "queue", "sched", "signal", "threading", "_thread"}
    | {"select", "selectors", "socket", "_socket", "socketserver", "ssl", "_ssl"}
    | {"ftplib", "http", "imaplib", "poplib", "smtplib", "urllib.request", "webbrowser", "xmlrpc"}
    | {"os", "posix", "platform", "pty", "shutil", "subprocess", "tempfile", "getpass", "mmap"}
    | {"pathlib", "io", "glob", "fileinput"}
    | {"time", "random", "secrets", "uuid"}  # clocks and chance are handed in
    | {"ctypes", "importlib"}  # these reach all of the above, unseen
    | {"logging.handlers"}  # to log is pure enough; to write logs somewhere is not
)


@dataclass(frozen=True)
class Import:
    """One imported name: `import a.b` is `a.b`; `from a import b` is `a` with the name `b`."""

    line: int
    module: str
    name: str = ""

    @property
    def full(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module


def is_forbidden(module: str) -> bool:
    """Whether a module outside the package, or one above it, is kept out of pure rooms."""
    parts = module.split(".")
    prefixes = {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return bool(prefixes & FORBIDDEN) or parts[0] not in STANDARD | THIRD_PARTY


def pure_modules(package: Path) -> dict[str, Path]:
    """Every module of a pure room that exists, by its full name."""
    files = [
        file
        for room in ROOMS
        for file in (package / f"{room}.py", *sorted((package / room).rglob("*.py")))
        if file.is_file()
    ]
    named = {_module_name(file, package): file for file in files}
    exceptions = {f"{package.name}.{name}" for name in EXCEPTIONS}
    return {name: file for name, file in named.items() if name not in exceptions}


def violations(package: Path) -> list[str]:
    """One line for each forbidden import, with the way that leads to it from a pure room."""
    found: list[str] = []
    excepted = {package.joinpath(*name.split(".")).with_suffix(".py") for name in EXCEPTIONS}
    ways: dict[Path, str] = {file: name for name, file in pure_modules(package).items()}
    waiting = list(ways)
    while waiting:
        file = waiting.pop()
        for entry in _imports(file, package):
            reached = list(_inside(entry, package))
            outside = entry.module.split(".")[0] != package.name
            if is_forbidden(entry.full) if outside else not reached:
                found.append(f"{ways[file]}:{entry.line} imports {entry.full}")
            for target in reached:
                if target not in ways and target not in excepted:
                    ways[target] = f"{ways[file]}:{entry.line} → {_module_name(target, package)}"
                    waiting.append(target)
    return sorted(found)


def _module_name(file: Path, package: Path) -> str:
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(file: Path, package: Path) -> Iterator[Import]:
    home = _module_name(file, package).split(".")
    if file.name != "__init__.py":
        home.pop()
    for node in _executed(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        match node:
            case ast.Import(names=names):
                yield from (Import(node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = home[: len(home) - level + 1] if level else []
                base = ".".join([*above, *([module] if module else [])])
                yield from (Import(node.lineno, base, alias.name) for alias in names)
            case ast.Call(func=ast.Name(id="__import__")):
                yield Import(node.lineno, "importlib", "__import__")
            case _:
                pass


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below, save the bodies of `if TYPE_CHECKING:`."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) in {
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
    }:
        children: Iterator[ast.AST] = iter(node.orelse)
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        yield from _executed(child)


def _inside(entry: Import, package: Path) -> Iterator[Path]:
    """The files of the package that an import runs: the module, and the packages it lies in."""
    root, *rest = entry.module.split(".")
    if root != package.name:
        return
    target = _file(package, [*rest, entry.name]) if entry.name else None
    target = target or _file(package, rest)
    if target is None:
        return
    yield target
    folder = target.parent
    while folder != package and target != package / "__init__.py":
        yield folder / "__init__.py"
        folder = folder.parent


def _file(package: Path, parts: list[str]) -> Path | None:
    place = package.joinpath(*parts)
    candidates = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((file for file in candidates if file.is_file()), None)


def main() -> int:
    """Print what breaks the rules; the exit status says whether anything does."""
    if not pure_modules(PACKAGE):
        print(f"import rules: no pure module found in {PACKAGE.name}", file=sys.stderr)
        return 1
    found = violations(PACKAGE)
    for line in found:
        print(f"import rules: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
