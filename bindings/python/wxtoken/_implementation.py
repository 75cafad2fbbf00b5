"""Which way Store.token goes: by the extension in C where it is built and loads, else by ctypes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._native import Base as Base

implementation: str
"""``native`` or ``ctypes``: which way Store.token goes in this process."""


def base() -> tuple[str, type]:
    """Name the way, and give the class that a Store is made of."""
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
    # It relies on the lock that this build of Python lacks; and its objects have another layout there.
    if "t" in sys.abiflags:
        raise ImportError("it is not for a free-threaded Python")
    from ._native import Base

    return Base


if not TYPE_CHECKING:
    implementation, Base = base()
