"""The default HTTP transports: httpcore's connections with clocks that are exact and a cancel that wakes.

In: httpx requests. Out: httpx responses. Out of place here: what a response means (session.py), and any
private attribute of httpx or httpcore.
"""
