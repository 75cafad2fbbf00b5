"""Runs the tests of ``sdks`` with the real SDKs, in their own environments."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from venvs import python_with

PROJECT = Path(__file__).parents[1]
SDKS = PROJECT / "tests" / "sdks"

# The packages and their tests, those that wait longest first.
RUNS = {
    "requirements.txt": [SDKS / f"test_{name}.py" for name in ("stories", "wechatpy", "auth", "readme", "examples")],
    "wechatpy-2.txt": [*(SDKS / f"test_{name}.py" for name in ("stories", "wechatpy", "readme")), "-k", "wechatpy"],
}

OPTIONS = ["-q", "-p", "no:cacheprovider", "-n", "8", "--maxschedchunk", "1"]


@pytest.fixture(scope="module")
def started() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Starts all runs at once, because their stories wait for tokens to expire."""
    pythons = {name: python_with(SDKS / name) for name in RUNS}
    running = {
        name: subprocess.Popen(
            [pythons[name], "-m", "pytest", *OPTIONS, *tests],
            cwd=PROJECT,
            env={**os.environ, "WXTOKEN_SDKS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, tests in RUNS.items()
    }
    yield running
    for run in running.values():
        # A run that is still going was not waited for, because its test was not selected.
        with run:
            run.kill()


@pytest.mark.parametrize("name", RUNS)
def test_with_the_real_sdks(name: str, started: dict[str, subprocess.Popen[str]]) -> None:
    said, _ = started[name].communicate()
    last = said.splitlines()[-1]
    if started[name].returncode != 0 or "passed" not in last or "skipped" in last:
        pytest.fail(said, pytrace=False)
