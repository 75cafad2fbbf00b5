"""The C library: loading it, its structs and functions, and converting calls and strings.

Private. The layouts and signatures are those of ``wxtoken.h``. ``tests/test_header.py`` compares them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .errors import ArgumentError, failure

try:
    from ctypes import (
        CDLL,
        POINTER,
        Structure,
        byref,
        c_char,
        c_char_p,
        c_int,
        c_int32,
        c_int64,
        c_size_t,
        c_void_p,
        cast,
    )
except ImportError as e:
    # A Python that was built without libffi has this module, but not its part in C.
    raise ImportError(
        f"wxtoken cannot use ctypes: {e}: install libffi-dev and build this Python again, or use the system's"
    ) from None

SONAME = "libwxtoken.so.0"


class CError(Structure):
    """``wxtoken_error``."""

    _fields_ = (
        ("status", c_int),
        ("errcode", c_int32),
        ("retry_after_ms", c_int64),
        ("message", c_char * 496),
    )


class CToken(Structure):
    """``wxtoken_token``."""

    _fields_ = (
        ("expires_at", c_int64),
        ("length", c_size_t),
        ("value", c_char * 1024),
    )


# Each function's result and parameters, by name. The type of a handle is void *.
SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "wxtoken_init": (c_int, (c_char_p, POINTER(c_void_p), POINTER(CError))),
    "wxtoken_set": (c_int, (c_void_p, c_char_p, c_char_p, POINTER(CError))),
    "wxtoken_register": (
        c_int,
        (c_void_p, c_char_p, c_char_p, c_char_p, c_char_p, POINTER(CError)),
    ),
    "wxtoken_put": (c_int, (c_void_p, c_char_p, c_char_p, c_char_p, POINTER(CError))),
    "wxtoken_get": (c_int, (c_void_p, c_char_p, POINTER(CToken), POINTER(CError))),
    "wxtoken_known": (c_int, (c_void_p, c_char_p, POINTER(CToken), POINTER(CError))),
    "wxtoken_reject": (c_int, (c_void_p, c_char_p, c_char_p, POINTER(CError))),
    "wxtoken_report": (
        c_int,
        (c_void_p, c_char_p, c_size_t, POINTER(c_size_t), POINTER(CError)),
    ),
    "wxtoken_free": (None, (c_void_p,)),
    "wxtoken_version": (c_char_p, ()),
    "wxtoken_status_name": (c_char_p, (c_int32,)),
}


def load() -> CDLL:
    """Load the library from $WXTOKEN_LIBRARY, else from this directory, else through the loader."""
    named = os.environ.get("WXTOKEN_LIBRARY")
    beside = Path(__file__).with_name(SONAME)
    if named:
        where, remedy = named, "WXTOKEN_LIBRARY names it: correct or unset that"
    elif beside.exists():
        where, remedy = str(beside), "it was put into the package: replace or remove it"
    else:
        where = SONAME
        remedy = "install libwxtoken and run ldconfig, or set WXTOKEN_LIBRARY to the file's path"
    try:
        # CDLL, unlike PyDLL, lets other Python threads run during a call.
        library = CDLL(where)
        for name, (result, parameters) in SIGNATURES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = parameters
    except (OSError, AttributeError) as e:
        raise ImportError(f"wxtoken cannot use the C library {where}: {e}: {remedy}") from None
    return library


LIBRARY = load()
ADDRESS_OF_KNOWN = cast(LIBRARY.wxtoken_known, c_void_p).value
ADDRESS_OF_GET = cast(LIBRARY.wxtoken_get, c_void_p).value


class Handle:
    """An open ``wxtoken *``, freed when its last reference is gone.

    Each running call holds a reference, so close() in one thread cannot free a handle that another thread uses.
    A lock would do the same, but after a fork it could stay locked forever in the child.
    """

    def __init__(self, store: bytes | None) -> None:
        # None until the library has opened the store, because __del__ runs after a failure too.
        self.pointer = c_void_p()
        call(LIBRARY.wxtoken_init, store, byref(self.pointer))
        # The extension reads this.
        self.address = self.pointer.value
        self.address_of_known, self.address_of_get = ADDRESS_OF_KNOWN, ADDRESS_OF_GET

    # Bound here because the module's names may be gone when the interpreter exits.
    def __del__(self, free: Any = LIBRARY.wxtoken_free) -> None:
        free(self.pointer)


def call(function: Any, *arguments: Any) -> None:
    """Call a function whose last parameter is a ``wxtoken_error *``, and raise its error."""
    error = CError()
    # Passed by reference, as in the signatures. byref() would do the same, and take longer.
    status = function(*arguments, error)
    if status != 0:
        message = error.message.decode("utf-8", "replace")
        raise failure(status, error.errcode, error.retry_after_ms, message)


def text(parameter: str, value: str) -> bytes:
    """Return a string for C: UTF-8 without a NUL, at which C would cut it short."""
    if not isinstance(value, str):
        raise TypeError(f"{parameter} must be a str, not {type(value).__name__}")
    if "\0" in value:
        raise ArgumentError(f"{parameter} has a NUL character in it")
    # A lone surrogate is not valid UTF-8. It is passed on unchanged, and the library refuses it with its parameter's
    # name.
    return value.encode("utf-8", "surrogatepass")


def optional_text(parameter: str, value: str | None) -> bytes | None:
    """Return a string for C, or None for NULL."""
    return None if value is None else text(parameter, value)


def version() -> str:
    """Return the version of the C library at run time, such as "0.1.0"."""
    result: bytes = LIBRARY.wxtoken_version()
    return result.decode()
