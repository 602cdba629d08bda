"""`python -m benchmarks WORKLOAD … [--only NAMES] [--rounds N]` prints what it measured.

python -m benchmarks bulk --only ours-sync,httpx-sse,floor --rounds 5
"""

from __future__ import annotations

import argparse
import sys

from .contestants import ENTRIES, chosen
from .report import table
from .rounds import WORKLOADS, run


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What streams cost.")
    parser.add_argument("workload", nargs="+", choices=WORKLOADS)
    parser.add_argument(
        "--only", default="", help=f"comma-separated, of {', '.join(ENTRIES)}; or how they begin: ours, floor"
    )
    parser.add_argument("--rounds", type=int, default=5)
    words = parser.parse_args()
    for workload in words.workload:
        try:
            entries = chosen(words.only, workload)
        except ValueError as error:
            parser.error(str(error))
        outcome = run(workload, entries, words.rounds, tell)
        print(table(workload, outcome))


def tell(what: str) -> None:
    """Progress, for people."""
    print(what, end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr)


if __name__ == "__main__":
    main()
