"""The command: measures what it is asked to and prints it; `all` also writes the page and the picture.

python -m benchmarks bulk --only ours-sync,httpx-sse,floor --rounds 5
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .contestants import ENTRIES, chosen
from .machine import facts, versions
from .picture import picture
from .report import page, promises, table
from .rounds import WORKLOADS, Outcome, run

HERE = Path(__file__).parent
ROUNDS = {"decode": 7, "bulk": 7, "paced": 15, "first": 7, "huge": 3, "many": 3, "websocket": 2, "start": 7}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What streams cost.")
    parser.add_argument("workload", nargs="+", choices=[*WORKLOADS, "all"])
    parser.add_argument(
        "--only", default="", help=f"comma-separated, of {', '.join(ENTRIES)}; or how they begin: ours, floor"
    )
    parser.add_argument("--rounds", type=int, help=f"by default {ROUNDS}")
    words = parser.parse_args()
    everything = "all" in words.workload
    outcomes: dict[str, Outcome] = {}
    for workload in WORKLOADS if everything else words.workload:
        try:
            entries = chosen(words.only, workload)
        except ValueError as error:
            parser.error(str(error))
        outcomes[workload] = run(workload, entries, words.rounds or ROUNDS[workload], tell)
        print(table(workload, outcomes[workload].figures), flush=True)
    figures = {workload: outcome.figures for workload, outcome in outcomes.items()}
    print("\n" + promises(figures, whole=everything))
    if everything:
        server = {name: outcome.server for name, outcome in outcomes.items() if outcome.server is not None}
        (HERE / "RESULTS.md").write_text(page(figures, server, facts(), versions()))
        (HERE / "results.svg").write_text(picture(figures))


def tell(what: str) -> None:
    """Progress, for people."""
    print(what, end="\033[K\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
