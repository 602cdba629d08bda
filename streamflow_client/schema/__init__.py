"""Which flows a server has, and what types their schemas mean.

In: the bytes of OpenAPI documents and Genkit's `/api/actions`. Out: a `Catalog` of `FlowSpec`s, and for
each schema one model of types (`model.py`) from which run-time types are made (`runtime.py`).
Out of place here: fetching, calling, and waiting.
"""
