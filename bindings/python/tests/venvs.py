"""Virtual environments in the build directory, made once for a list of pinned packages and then reused."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

DIRECTORY = Path(__file__).parents[3] / "build" / "python-sdks"

REMEDY = (
    "it takes venv (on Debian: apt-get install python3-venv) and PyPI or a mirror of it, which pip is told of by "
    "PIP_INDEX_URL or `pip config set global.index-url`"
)


def python_with(requirements: Path) -> Path:
    """Returns the interpreter of an environment with these packages. If it cannot be made, the test fails."""
    directory = DIRECTORY / requirements.stem
    wanted = f"{sys.version}\n{sys.base_prefix}\n{requirements.read_text('utf-8')}"
    python, made_for = directory / "bin" / "python", directory / "made-for"
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    # One suite at a time. Closing the file releases the lock.
    with (DIRECTORY / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made_for.exists() or made_for.read_text("utf-8") != wanted:
            made_for.unlink(missing_ok=True)
            run(requirements, sys.executable, "-m", "venv", "--clear", directory)
            install = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "-r", requirements]
            run(requirements, python, *install)
            made_for.write_text(wanted, "utf-8")
    return python


def run(requirements: Path, *command: object) -> None:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        said = result.stdout + result.stderr
        pytest.fail(f"no environment with {requirements.name}: {REMEDY}\n{said}", pytrace=False)
