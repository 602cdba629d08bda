"""The developers' Reflection API, as the runtime behind each dialect speaks it.

In: payloads, endings, declared flows. Out: heads, frames and replies as bytes.
Routing and running belong to `service.py` and `running.py`.
"""

from ..dialects import DialectName
from .go import GO
from .javascript import JAVASCRIPT
from .python import PYTHON
from .table import KEY_PREFIX, Reflection, Traced

__all__ = ["KEY_PREFIX", "REFLECTIONS", "Reflection", "Traced"]

REFLECTIONS: dict[DialectName, Reflection] = {
    "express": JAVASCRIPT,
    "next": JAVASCRIPT,
    "firebase": JAVASCRIPT,
    "go": GO,
    "fastapi": PYTHON,
    "fastapi-old": PYTHON,
    "flask": PYTHON,
}
