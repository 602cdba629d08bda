"""The package as a user's type checkers see it: built, installed elsewhere, without this project's settings.

In: the wheel, unpacked into a virtual environment of its own. Checked there: pyright knows the type of
everything public (`--verifytypes`), and a user's project (README, examples, `tests/typing`) is clean under
`mypy --strict` and strict pyright. Run by `make check`; it needs no network.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pydantic

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "streamflow_client"


def install(folder: Path) -> Path:
    """A virtual environment with the package's wheel, and with what is installed beside us; its Python."""
    venv.create(folder, symlinks=os.name != "nt", with_pip=False)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = Path(told([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    told([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # After the wheel's own folder, so that an editable installation beside us is not taken for it.
    (packages / "beside.pth").write_text(f"{Path(pydantic.__file__).parent.parent}\n", "utf-8")
    return python


def told(command: list[Any], **options: Any) -> str:
    """What a command prints. Raises: CalledProcessError: it failed."""
    done: subprocess.CompletedProcess[str]
    done = subprocess.run(command, check=True, capture_output=True, text=True, **options)
    return done.stdout


def unknown_types(python: Path) -> Iterator[str]:
    """What pyright does not know of the package's public types."""
    answer = judged(
        [sys.executable, "-m", "pyright", "--verifytypes", PACKAGE, "--ignoreexternal", "--outputjson"],
        python,
        folder=python.parent,
    )
    found = json.loads(answer.stdout)["typeCompleteness"]
    typed = found.get("pyTypedPath")
    if python.parent.parent not in Path(typed or "/").parents:
        yield f"py.typed is not where the wheel was unpacked, but {typed or 'nowhere'}"
    for symbol in found["symbols"]:
        if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]:
            yield from (f"{symbol['name']}: {each['message']}" for each in symbol["diagnostics"])
    if answer.returncode or found["completenessScore"] != 1:
        yield f"{found['completenessScore']:.2%} of the public types are known"


def project(folder: Path) -> Path:
    """What a user might have written: no settings, but for pyright's being strict."""
    folder.mkdir()
    for file in (*(ROOT / "examples").glob("*.py"), *(ROOT / "tests" / "typing").glob("*.py")):
        shutil.copy(file, folder)
    for number, program in enumerate(readme_programs()):
        (folder / f"readme_{number}.py").write_text(program, "utf-8")
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}', "utf-8")
    return folder


def readme_programs() -> list[str]:
    """Its Python blocks; one that does not begin with imports goes on with the one before."""
    programs: list[str] = []
    readme = (ROOT / "README.md").read_text("utf-8")
    for block in re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE):
        if block.startswith(("import ", "from ")):
            programs.append(block)
        else:
            programs[-1] += f"\n{block}"
    return programs


def complaints(checker: list[Any], python: Path, folder: Path) -> Iterator[str]:
    """What a checker says of a user's project."""
    answer = judged([sys.executable, "-m", *checker], python, folder)
    if answer.returncode:
        yield f"{checker[0]}:\n{answer.stdout}{answer.stderr}"


def judged(command: list[Any], python: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """A checker's answer. Given `--verifytypes`, pyright asks the first Python of the PATH."""
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)


def findings(folder: Path) -> list[str]:
    """Everything that is wrong; the checkers run at once."""
    python = install(folder / "venv")
    users = project(folder / "project")
    mypy = ["mypy", "--strict", "--config-file=", "--no-error-summary", "--cache-dir", folder / "cache"]
    checks: list[Callable[[], Iterator[str]]] = [
        lambda: unknown_types(python),
        lambda: complaints([*mypy, "--python-executable", python, "."], python, users),
        lambda: complaints(["pyright", "--pythonpath", python], python, users),
    ]
    with ThreadPoolExecutor() as threads:
        return [*chain.from_iterable(threads.map(lambda check: list(check()), checks))]


def main() -> int:
    """Print what is not typed as installed; the exit status says whether anything is."""
    with TemporaryDirectory() as name:
        found = findings(Path(name).resolve())
    for line in found:
        print(f"as installed: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
