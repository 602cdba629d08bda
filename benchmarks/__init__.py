"""What the library costs beside others, and beside what the machine can do at best.

In: nothing but this machine. Out: figures: `python -m benchmarks` prints them, `make bench` also writes
`RESULTS.md` and `results.svg` into this folder. Nothing here is part of the package.

    bodies → server → contestants, each in a process of its own (worker) → rounds → report, picture

Time is CPU time of the client's process unless it says otherwise. Rounds are interleaved: every contestant
runs once, then every one again, so that what else the machine does falls on all of them alike. The server has
one core, the client another.
"""
