"""`tests/interop/install.sh`, with apps that only pretend: what it leaves alone, and what it makes anew."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

INSTALL = Path(__file__).parent / "interop" / "install.sh"
FINE = 'for folder; do :; done; mkdir -p "$folder"; echo made >>"$MADE"'

Install = Callable[[], "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs bash")


@pytest.fixture
def install(tmp_path: Path) -> Install:
    shutil.copy(INSTALL, tmp_path)
    for app in ("go", "js", "firebase", "redocly", "python"):
        write(tmp_path, app, FINE)
    (tmp_path / "apps" / "js" / "flows.cjs").touch()
    for tool in ("go", "node", "npm"):
        (tmp_path / tool).write_text("#!/bin/sh\n")
        (tmp_path / tool).chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "MADE": str(tmp_path / "made"),
    }

    def run() -> "subprocess.CompletedProcess[str]":
        command = ["bash", str(tmp_path / "install.sh"), str(tmp_path / "a target")]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=30, check=False
        )

    return run


def write(folder: Path, app: str, script: str) -> None:
    path = folder / "apps" / app / "install.sh"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)


def test_what_is_there_is_left_alone_and_what_was_deleted_is_made_anew(
    install: Install, tmp_path: Path
) -> None:
    assert install().returncode == 0
    assert (install().returncode, install().stderr) == (0, "")
    shutil.rmtree(tmp_path / "a target" / "python-flask")
    assert install().stderr == "Installing the interop app python-flask …\n"
