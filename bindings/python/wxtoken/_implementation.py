"""Selects the implementation of Store.token: the C extension if it is built and loads, else ctypes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._native import Base as Base

implementation: str
"""The implementation of Store.token in this process: ``native`` or ``ctypes``."""


def base() -> tuple[str, type]:
    """Return the implementation's name and the base class of Store."""
    wanted = os.environ.get("WXTOKEN_PYTHON") or "any"
    if wanted not in ("any", "native", "ctypes"):
        raise ImportError(f"WXTOKEN_PYTHON is {wanted}: set it to native or ctypes, or unset it")
    if wanted != "ctypes":
        try:
            return "native", _native()
        except ImportError as e:
            if wanted == "native":
                raise ImportError(f"wxtoken lacks its extension: {e}: unset WXTOKEN_PYTHON to use ctypes") from None
    return "ctypes", object


def _native() -> type:
    # The extension relies on the lock that this build of Python lacks, and objects have another layout there.
    if "t" in sys.abiflags:
        raise ImportError("it is not for a free-threaded Python")
    from ._native import Base

    return Base


if not TYPE_CHECKING:
    implementation, Base = base()
