"""Pure rooms stay pure: proven by reading the source, and by importing them."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from import_rules import EXCEPTIONS, PACKAGE, is_forbidden, main, pure_modules, violations


def test_the_pure_rooms_exist() -> None:
    assert pure_modules(PACKAGE)


def test_no_pure_room_imports_what_it_must_not() -> None:
    assert violations(PACKAGE) == []
    assert main() == 0


def test_importing_the_pure_rooms_loads_nothing_forbidden() -> None:
    """An empty parent stands in for the package, whose own `__init__` loads the drivers."""
    script = """
        import importlib, json, sys, types
        import typing_extensions
        from pydantic import BaseModel, TypeAdapter

        class Model(BaseModel):  # pydantic imports some of itself only when it is used
            field: list[int] | None = None

        TypeAdapter(Model).validate_json("{}")
        before = set(sys.modules)
        package, path, *names = sys.argv[1:]
        parent = sys.modules[package] = types.ModuleType(package)
        parent.__path__ = [path]
        for name in names:
            importlib.import_module(name)
        print(json.dumps(sorted(set(sys.modules) - before)))
    """
    names = [name for name in pure_modules(PACKAGE) if not name.endswith(".__main__")]
    # Coverage would load sockets and threads of its own before the rooms are imported.
    environment = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), PACKAGE.name, str(PACKAGE), *names],
        capture_output=True,
        check=False,
        env=environment,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    loaded: list[str] = json.loads(done.stdout)
    assert set(names) <= set(loaded)
    outside = [name for name in loaded if name.split(".")[0] != PACKAGE.name]
    assert [name for name in outside if is_forbidden(name)] == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"errors.py": "import json, pydantic"}, [], id="allowed"),
        pytest.param({"errors.py": "import httpx"}, ["pkg.errors:1 imports httpx"], id="direct"),
        pytest.param({"errors.py": "import os.path as p"}, ["pkg.errors:1 imports os.path"], id="submodule"),
        pytest.param(
            {"errors.py": "from urllib import parse, request"},
            ["pkg.errors:1 imports urllib.request"],
            id="from-a-package",
        ),
        pytest.param(
            {"errors.py": "def f():\n    import time"},
            ["pkg.errors:2 imports time"],
            id="in-a-function",
        ),
        pytest.param(
            {"errors.py": "__import__('ssl')"},
            ["pkg.errors:1 imports importlib.__import__"],
            id="dynamic",
        ),
        pytest.param(
            {"errors.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ssl"},
            [],
            id="type-checking",
        ),
        pytest.param(
            {"errors.py": "if TYPE_CHECKING:\n    pass\nelse:\n    import ssl"},
            ["pkg.errors:4 imports ssl"],
            id="else-of-type-checking",
        ),
        pytest.param(
            {"session.py": "from .helpers import x", "helpers.py": "import anyio"},
            ["pkg.session:1 → pkg.helpers:1 imports anyio"],
            id="transitive-relative",
        ),
        pytest.param(
            {"session.py": "from . import helpers", "helpers.py": "import random"},
            ["pkg.session:1 → pkg.helpers:1 imports random"],
            id="relative-module",
        ),
        pytest.param(
            {"session.py": "import pkg.io.net", "io/__init__.py": "", "io/net.py": "import socket"},
            ["pkg.session:1 → pkg.io.net:1 imports socket"],
            id="transitive-absolute",
        ),
        pytest.param(
            {
                "session.py": "from .io.net import x",
                "io/__init__.py": "import ssl",
                "io/net.py": "",
            },
            ["pkg.session:1 → pkg.io:1 imports ssl"],
            id="parent-package",
        ),
        pytest.param(
            {
                "wire/__init__.py": "",
                "wire/sse.py": "from ..a import b",
                "a.py": "from .c import b",
                "c.py": "import trio",
            },
            ["pkg.wire.sse:1 → pkg.a:1 → pkg.c:1 imports trio"],
            id="two-steps-from-a-subpackage",
        ),
        pytest.param(
            {"__init__.py": "import httpx", "errors.py": "from . import ticket", "ticket.py": ""},
            [],
            id="lying-in-the-package-is-no-import-of-it",
        ),
        pytest.param(
            {"__init__.py": "import httpx", "errors.py": "from . import Client"},
            ["pkg.errors:1 → pkg:1 imports httpx"],
            id="a-name-of-the-package-is",
        ),
        pytest.param(
            {"errors.py": "from .gone import x"},
            ["pkg.errors:1 imports pkg.gone.x"],
            id="unknown-module",
        ),
        pytest.param({"schema/__init__.py": "", "schema/files.py": "import pathlib"}, [], id="the-exception"),
        pytest.param(
            {"schema/__init__.py": "def f():\n  from .files import x", "schema/files.py": "import pathlib"},
            [],
            id="the-exception-where-it-is-needed",
        ),
        pytest.param({"sync.py": "import httpx, threading"}, [], id="a-driver-may"),
    ],
)
def test_the_checker(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    package = tmp_path / "pkg"
    for name, source in {"__init__.py": "", **files}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(source)
    assert violations(package) == expected


@pytest.mark.parametrize(
    ("plant", "status"), [({}, 1), ({"errors.py": ""}, 0), ({"errors.py": "import ssl"}, 1)]
)
def test_the_script(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    plant: dict[str, str],
    status: int,
) -> None:
    for name, source in plant.items():
        (tmp_path / name).write_text(source)
    monkeypatch.setattr("import_rules.PACKAGE", tmp_path)
    assert main() == status
    assert bool(capsys.readouterr().err) == bool(status)


def test_every_exception_exists() -> None:
    for name in EXCEPTIONS:
        assert PACKAGE.joinpath(*name.split(".")).with_suffix(".py").is_file(), name


# What nobody needs before the first call: most of pydantic, what httpcore brings, both kinds of event loop.
HEAVY = frozenset(
    {"anyio", "asyncio", "trio", "httpcore", "h11", "h2", "certifi", "tenacity", "rich", "typer", "click"}
    | {"pydantic.main", "pydantic.type_adapter", "pydantic.types", "pydantic.json_schema"}
    | {"difflib", "html", "heapq", "pickle", "uuid", "subprocess", "importlib.metadata"}
)
ROOMS_FOR_LATER = frozenset({"cli", "generated", "found", "local", "notebook", "testing"})


def modules_added(statement: str) -> set[str]:
    """What a statement imports that `import httpx, pydantic` has not imported before."""
    script = f"""
        import json, sys
        import httpx, pydantic

        before = set(sys.modules)
        {statement}
        print(json.dumps(sorted(set(sys.modules) - before)))
    """
    environment = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, check=True, env=environment, text=True, timeout=60)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("statement", "most"),
    [
        pytest.param("import streamflow_client", 1, id="the-package"),
        pytest.param("from streamflow_client import Client, FlowDef", 45, id="a-client"),
        pytest.param("from streamflow_client.errors import FlowError", 4, id="errors"),
        pytest.param("from streamflow_client.cli import main", 6, id="the-command"),
    ],
)
def test_importing_is_cheap(statement: str, most: int) -> None:
    added = modules_added(statement)
    assert [name for name in sorted(added) if any(is_below(name, heavy) for heavy in HEAVY)] == []
    for room in ROOMS_FOR_LATER - set(statement.replace(".", " ").split()):
        assert not [name for name in added if is_below(name, f"{PACKAGE.name}.{room}")], room
    assert len(added) <= most, sorted(added)


def is_below(name: str, parent: str) -> bool:
    return f"{name}.".startswith(f"{parent}.")


def test_a_sync_client_imports_no_asynchronous_one_and_the_reverse() -> None:
    assert not {name for name in modules_added("from streamflow_client import Client") if "aio" in name}
    added = modules_added("from streamflow_client import AsyncClient")
    assert not {f"{PACKAGE.name}.sync", f"{PACKAGE.name}.sync_stream"} & added


def test_modules_that_the_documentation_names_are_there_without_an_import() -> None:
    code = (
        "import streamflow_client as s; s.errors.FlowError, s.options.Retry, s.ticket.Ticket, s.sync.Client"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
