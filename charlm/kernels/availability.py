"""Whether compiled arithmetic is used, as set by the environment variable CHARLM_KERNELS.

off: no, as if numba were missing. generic: yes, but without products in bfloat16, which only some
processors have. auto: with everything that this machine has.
"""

import os
from functools import cache
from importlib.util import find_spec

CHOICES = ("off", "generic", "auto")
ADVICE = "Set it to off, generic or auto, or unset it."


@cache
def choice() -> str:
    """The value of CHARLM_KERNELS, read once; "auto" if it is unset.

    Raises:
        ValueError: it is none of CHOICES. Its arguments are a message and advice.
    """
    chosen = os.environ.get("CHARLM_KERNELS") or "auto"
    if chosen not in CHOICES:
        raise ValueError(f"CHARLM_KERNELS cannot be '{chosen}'.", ADVICE)
    return chosen


@cache
def available() -> bool:
    """Whether code can be compiled: it is not switched off, and numba works with this NumPy."""
    return why_not() is None


@cache
def why_not() -> str | None:
    """Why no code can be compiled, as the end of a sentence; None if it can."""
    if choice() == "off":
        return "CHARLM_KERNELS is off"
    if find_spec("numba") is None:
        return "numba is not installed"
    try:
        import numba  # noqa: F401
    except ImportError as error:
        return f"numba cannot be imported ({error})"
    return None
