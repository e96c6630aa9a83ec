"""What some tests need and some machines lack."""

import pytest

from charlm.rnn.kernel_choice import compiles

UNCOMPILED = "nothing is compiled here: there is no numba, or CHARLM_KERNELS is off"


def needs_compiled_code() -> None:
    """Skip a whole file where there is none; to be called before its imports of compiled code."""
    if not compiles():
        pytest.skip(UNCOMPILED, allow_module_level=True)
