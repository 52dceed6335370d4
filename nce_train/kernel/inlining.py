"""How the functions below a compiled kernel are compiled: called, or written into their caller."""

from typing import Any

from numba import njit

# How the functions below a kernel are compiled. Without NRT no array is reference-counted (atomic operations in
# the innermost loops, measured at a quarter of the time); without wrappers they compile in two thirds of the time. Not
# inlined, each call would lay the hundreds of numbers of `ThreadArrays` on the stack: 7 % of the time for four calls a
# block.
_WITHOUT_WRAPPERS: Any = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
called = njit(**_WITHOUT_WRAPPERS)
inner = njit(**_WITHOUT_WRAPPERS, forceinline=True)
in_place = njit(inline="always", nogil=True, error_model="numpy", _nrt=False)
