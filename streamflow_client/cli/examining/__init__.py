"""What `streamflow-client doctor` does.

Asking is done in `probing.py`; what was seen is kept in `evidence.py`, whose dialect it is stands in
`signatures.py`, what it means in `diagnosis.py`, and `report.py` tells it. The three in the middle are pure.
"""
