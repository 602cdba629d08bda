"""The command line: `streamflow-client`, or `python -m streamflow_client`.

In: arguments of a shell. Out: an exit code. This file only tells whether the extra `[cli]` is there;
typer and rich are imported when a command runs, never by `import streamflow_client`. The options stand
in `app.py`, what they mean in `arguments.py`, the commands in `run.py`, `listing.py` and
`demo.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .exits import ExitCode

_EXTRA = frozenset({"typer", "rich"})
_INSTALL = "streamflow-client's commands need an extra:  pip install 'streamflow-client[cli]'"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, by default that of `sys.argv`; returns its exit code, see `ExitCode`."""
    try:
        from .app import run_command

        return run_command(argv)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        print(_INSTALL, file=sys.stderr)
        return ExitCode.NOT_INSTALLED
    except KeyboardInterrupt:  # while it imports what it needs: a command tells it itself
        print("cancelled", file=sys.stderr)
        return ExitCode.CTRL_C
