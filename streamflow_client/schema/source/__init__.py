"""The model of types → a Python module, and back.

`merged.py` joins the definitions of several flows, `module.py` lays out the module, `forms.py` writes
annotations, `text.py` writes expressions and lines. `annotations.py` reads annotations back into the model;
`markers.py` has the words that both use where Python's annotations do not suffice.
"""
