"""What some tests need and some machines lack."""

import pytest

UNCOMPILED = "nothing is compiled here: no numba, no charlm/kernels, or CHARLM_KERNELS is off"


def compiles() -> bool:
    try:
        from charlm import kernels
    except ImportError:
        return False
    return kernels.available()


def needs_compiled_code() -> None:
    """Skip a whole file where there is none; to be called before its imports of compiled code."""
    if not compiles():
        pytest.skip(UNCOMPILED, allow_module_level=True)
