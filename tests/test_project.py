"""The repository as a whole: what it must not hold, and what the package promises."""

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import import_module
from inspect import isclass, isroutine
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "streamflow_client"

GENERATED = {
    ".git",
    ".venv",
    ".proxies",
    ".interop",
    ".bench",
    ".hypothesis",
    "__pycache__",
    "build",
    "dist",
    "htmlcov",
    "node_modules",
}
LOCK_FILES = re.compile(
    r"(uv|poetry|pdm|Pipfile|yarn)\.lock|pylock.*\.toml|npm-shrinkwrap\.json|pnpm-lock\.yaml"
)
# The brackets keep this file from matching itself.
REGISTRIES = re.compile(
    r"py[p]i\.(org|io)|python[h]osted\.|np[m]js\.(org|com)|registry\.[y]arnpkg|[-]index-url"
    r"|[i]ndex-url\s*="
)
# The recorded servers lived in /srv/my_app, which tells nobody anything.
MACHINE_PATHS = re.compile(
    r"(?<![\w.:/}~-])/(home|root|Users|work|opt|mnt|private|workspace|srv(?!/my_app\b))/[\w.]"
    r"|[A-Z]:\\Users\\"
)


def tracked() -> list[Path]:
    """The files that git keeps or would keep; without git, those that are not generated."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git") and (ROOT / ".git").exists():
        listing = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        files = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        files = []
    # git refuses a checkout that another user owns: then the tree is walked, too.
    files = files or [file for file in ROOT.rglob("*") if not is_generated(file.relative_to(ROOT))]
    return sorted(file for file in files if file.is_file())


def is_generated(file: Path) -> bool:
    return any(
        part in GENERATED or part.startswith(".coverage") or part.endswith(("_cache", ".egg-info"))
        for part in file.parts
    )


def occurrences(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for file in tracked()
        for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_there_are_files_to_look_at() -> None:
    names = {str(file.relative_to(ROOT)) for file in tracked()}
    assert {"pyproject.toml", "LICENSE", "tests/test_project.py"} <= names


@pytest.mark.parametrize(
    "line",
    [
        "see https://" + "py" + "pi.org/simple",
        "--" + "index-url x",
        "https://registry." + "npm" + "js.org",
    ],
)
def test_registry_pattern(line: str) -> None:
    assert REGISTRIES.search(line)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("at /" + "home/jo/x.js", True),
        ('"/' + "root/x", True),
        ("GET http://host/home/x", False),
        ("{base}/tasks/x", False),
        ("/usr/bin/env", False),
    ],
)
def test_machine_path_pattern(line: str, found: bool) -> None:
    assert bool(MACHINE_PATHS.search(line)) is found


def test_no_registry_is_named() -> None:
    assert occurrences(REGISTRIES) == []


def test_no_path_of_a_machine() -> None:
    assert occurrences(MACHINE_PATHS) == []
    if len(ROOT.parts) > 2:  # a checkout in /src would find that word everywhere
        assert occurrences(re.compile(re.escape(str(ROOT)) + r"\b")) == []


def test_no_lock_file() -> None:
    files = tracked()
    assert [file for file in files if LOCK_FILES.fullmatch(file.name)] == []
    # npm can leave addresses out: `npm install --package-lock-only --omit-lockfile-registry-resolved`
    locked = [file.read_text("utf-8") for file in files if file.name == "package-lock.json"]
    assert not any('"resolved"' in text or "://" in text for text in locked)


def test_the_version_stands_in_one_place() -> None:
    package = import_module("streamflow_client")
    version: str = package.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "streamflow_client/__init__.py"
    literal = re.compile(rf"""["']{re.escape(version)}["']""")
    places = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "pyproject.toml", *sorted(PACKAGE.rglob("*.py")))
        for _ in literal.findall(file.read_text("utf-8"))
    ]
    assert places == ["streamflow_client/__init__.py"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def public_names() -> set[str]:
    """What `__init__` defines, and what it takes from the package's own modules."""
    names: set[str] = set()
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    for node in (
        *tree.body,
        *(node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)),
    ):
        match node:
            case ast.ImportFrom(level=level, module=module, names=aliases):
                if level or (module or "").split(".")[0] == PACKAGE.name:
                    names.update(alias.asname or alias.name for alias in aliases)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return {name for name in names if not name.startswith("_")}


def test_all_is_the_public_names() -> None:
    package = import_module("streamflow_client")
    listed: list[str] = package.__all__
    assert len(listed) == len(set(listed))
    assert [name for name in listed if not hasattr(package, name)] == []
    assert {name for name in listed if not name.startswith("_")} == public_names()


def test_every_public_name_has_a_docstring() -> None:
    package = import_module("streamflow_client")
    assert package.__doc__
    bare: list[str] = []
    for name in package.__all__:
        value = getattr(package, name)
        written = vars(value).get("__doc__") if isclass(value) else getattr(value, "__doc__", None)
        # A dataclass without a docstring gets its signature as one.
        if (isclass(value) or isroutine(value)) and (not written or written.startswith(f"{name}(")):
            bare.append(name)
    assert bare == []


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_built_holds_the_whole_package(kind: str, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    inside = built_files(tmp_path)
    wanted = {file.relative_to(ROOT).as_posix() for file in tracked() if PACKAGE in file.parents}
    assert "streamflow_client/py.typed" in wanted
    assert wanted <= inside
    assert any(re.fullmatch(r"(.*\.dist-info/licenses/)?LICENSE", name) for name in inside)


def built_files(folder: Path) -> set[str]:
    (built,) = (file for file in folder.iterdir() if file.suffix in (".whl", ".gz"))
    if built.suffix == ".whl":
        with zipfile.ZipFile(built) as wheel:
            return set(wheel.namelist())
    with tarfile.open(built) as source:
        return {name.partition("/")[2] for name in source.getnames()}
