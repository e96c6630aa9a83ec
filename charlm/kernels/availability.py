"""Whether arithmetic is compiled here, which the environment variable CHARLM_KERNELS decides.

off: nothing is, as without numba. generic: it is, but without what only some processors have, the
tile registers (`amx.py`). auto: whatever this machine has.
"""

import os
from functools import cache
from importlib.util import find_spec

CHOICES = ("off", "generic", "auto")
ADVICE = "Set it to off, generic or auto, or unset it."


@cache
def choice() -> str:
    """What CHARLM_KERNELS says, which is read once.

    Raises:
        ValueError: it is none of CHOICES; its arguments say so, and what to do.
    """
    chosen = os.environ.get("CHARLM_KERNELS") or "auto"
    if chosen not in CHOICES:
        raise ValueError(f"CHARLM_KERNELS cannot be '{chosen}'.", ADVICE)
    return chosen


@cache
def available() -> bool:
    """Whether anything is compiled: numba is there, and works with this NumPy."""
    if choice() == "off" or find_spec("numba") is None:
        return False
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True
