"""What differs between two catalogs, and whom it hurts.

`catalogs.py` compares flows, `changes.py` walks through their types and finds words, `within.py` judges
whether one type fits into another, `unchecked.py` looks at what types cannot say. `rules.py` is the table of
verdicts.
"""
