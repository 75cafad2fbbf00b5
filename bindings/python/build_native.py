"""Builds the extension in C by which a Store gets its tokens.

    python build_native.py [FILE [SOURCE]]

FILE    where it goes, if not into wxtoken/ here, as for the tests
SOURCE  another extension, as that of the benchmarks

$CC is the compiler, with its options if it needs any; it may be one for another machine. The headers are those of the
Python that runs this. What comes out is for Python 3.10 and all later ones, by the limited API.
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
# Bound when it is loaded: what this Python or C library lacks is an ImportError, and no crash later.
LINK = ["-shared", "-s", "-Wl,-z,now", "-Wl,-z,relro", "-Wl,-z,noexecstack"]


class Failed(Exception):
    """The compiler is not there, or did not make it."""


def can_load() -> bool:
    """Whether this Python loads what is built: PyPy, older ones and free-threaded ones go by ctypes."""
    is_cpython = sys.implementation.name == "cpython"
    return is_cpython and sys.version_info >= (3, 10) and "t" not in sys.abiflags


def build(file: Path, source: Path = SOURCE) -> None:
    """Compile and link it."""
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
    """Those of this Python. Debian keeps pyconfig.h apart for each processor; a compiler for another would miss it."""
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
