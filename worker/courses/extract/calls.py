"""Functions of PDFium that are asked once for each letter, or for each thing that a page draws."""

from __future__ import annotations

import ctypes
from typing import Any

POINTER, INT = ctypes.c_void_p, ctypes.c_int


def direct(function: Any, result: Any, *arguments: Any) -> Any:
    """A function of PDFium that takes pointers as numbers: to check their types takes as long as the call itself."""
    return ctypes.PYFUNCTYPE(result, *arguments)(ctypes.cast(function, POINTER).value or 0)
