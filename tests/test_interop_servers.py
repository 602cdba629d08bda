"""Apps of the interoperability matrix that do not start say which one it is, and what it printed."""

import sys
from pathlib import Path

import pytest

import interop_servers
from interop_servers import App, AppError, start

NO_DEV_SERVER = "import sys; print('LISTENING 9', flush=True); sys.exit('port taken')"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("{app}/missing",), "apple cannot be run: .*missing"),
        ((sys.executable, "-c", "raise SystemExit('broken')"), "apple does not listen.*broken"),
        ((sys.executable, "-c", NO_DEV_SERVER), "apple names no development server.*port taken"),
    ],
)
def test_an_app_that_does_not_start_says_why(
    command: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interop_servers, "HOME", tmp_path)
    (tmp_path / "apple").mkdir()
    with (
        pytest.raises(AppError, match=f"(?s){told}"),
        start(App("apple", "apple", command, ""), tmp_path / "work", dev=True),
    ):
        pass
