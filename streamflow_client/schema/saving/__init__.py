"""Catalogs → OpenAPI 3.2 documents.

`writing.py` writes a document and reads it again, `layout.py` lays it out, `components.py` says which schemas
get names, `moving.py` rewrites one for its new place. `merging.py` says whose word counts where the server
and an older file differ, and `infer.py` what chunks that were seen have in common.
"""
