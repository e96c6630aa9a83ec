"""Whether arithmetic is compiled here, which CHARLM_KERNELS decides.

off: nothing is, as without numba. generic: it is, but without what only some processors have, the
tile registers (`charlm.rnn.amx`). auto: whatever this machine has.
"""

import os
from functools import cache
from importlib.util import find_spec

from charlm.errors import UsageError

CHOICES = ("off", "generic", "auto")


@cache
def choice() -> str:
    """What CHARLM_KERNELS says, which is read once.

    Raises:
        UsageError: it is none of CHOICES.
    """
    chosen = os.environ.get("CHARLM_KERNELS") or "auto"
    if chosen not in CHOICES:
        raise UsageError(
            f"CHARLM_KERNELS cannot be '{chosen}'.", "Set it to off, generic or auto, or unset it."
        )
    return chosen


@cache
def compiles() -> bool:
    """Whether compiled code may be had here: numba is there, and works with this NumPy."""
    if choice() == "off" or find_spec("numba") is None:
        return False
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True
