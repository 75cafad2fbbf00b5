"""Builds the C extension through which a Store gets its tokens.

    python build_native.py [FILE [SOURCE]]

FILE    the output file; by default it goes into wxtoken/ here, as the tests need it
SOURCE  another extension to build, such as that of the benchmarks

$CC is the compiler, with its options if it needs any. It may be a cross compiler. The headers are those of the Python
that runs this program. The result is for Python 3.10 and later, through the limited API.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent / "wxtoken"
SOURCE = PACKAGE / "_native.c"
COMPILE = ["-std=c11", "-O2", "-DNDEBUG", "-Wall", "-Wextra", "-fPIC", "-fvisibility=hidden"]
# Symbols are bound at load time, so a missing one is an ImportError and not a later crash.
LINK = ["-shared", "-s", "-Wl,-z,now", "-Wl,-z,relro", "-Wl,-z,noexecstack"]


class Failed(Exception):
    """The compiler is missing, or it failed."""


def can_load() -> bool:
    """Return whether this Python loads the extension. PyPy, older and free-threaded Pythons use ctypes."""
    is_cpython = sys.implementation.name == "cpython"
    return is_cpython and sys.version_info >= (3, 10) and "t" not in sys.abiflags


def build(file: Path, source: Path = SOURCE) -> None:
    """Compile and link the extension."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        command = [*compiler, *COMPILE, "-I", headers(Path(temporary)), source, "-o", file, *LINK]
        try:
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        except OSError as e:
            raise Failed(f"{compiler[0]}: {e.strerror}: install a C compiler, or name one in CC") from None
    if done.returncode != 0:
        raise Failed(f"{shlex.join(compiler)} failed on {source.name}:\n{done.stdout}{done.stderr}")


def headers(temporary: Path) -> Path:
    """Return this Python's headers. On Debian pyconfig.h is in a directory that a cross compiler does not search."""
    there = Path(sysconfig.get_path("include"))
    if not (there / "Python.h").exists():
        raise Failed(f"{there} has no Python.h: install this Python's headers, as with apt-get install python3-dev")
    copy = Path(shutil.copytree(there, temporary / "include"))
    apart = there.parent / str(sysconfig.get_config_var("MULTIARCH")) / there.name / "pyconfig.h"
    if apart.exists():
        shutil.copy(apart, copy)
    return copy


if __name__ == "__main__":
    if len(sys.argv) > 3:
        sys.exit(__doc__)
    try:
        build(*([Path(file) for file in sys.argv[1:]] or [PACKAGE / "_native.abi3.so"]))
    except Failed as e:
        sys.exit(f"build_native.py: {e}")
