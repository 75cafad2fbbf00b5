"""The examples, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulator import Account, Simulator

PROJECT = Path(__file__).parents[2]


def run_example(name: str, account: Account, directory: Path) -> subprocess.CompletedProcess[str]:
    variables = {
        "PYTHONPATH": str(PROJECT),
        "WXTOKEN_STORE": str(directory / "tokens.db"),
        "WXTOKEN_ID": account.id,
        "WXTOKEN_SECRET": account.secret,
    }
    command = [sys.executable, PROJECT / "examples" / f"use_{name}.py"]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["wechatpy", "httpx"])
def test_an_example_prints_one_line(name: str, sim: Simulator, tmp_path: Path) -> None:
    account = sim.account()
    for _ in range(2):
        result = run_example(name, account, tmp_path)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        assert result.stdout.startswith(f"python, {name}  ")
        assert result.stdout.endswith(" callback addresses\n")
        assert result.stdout.count("\n") == 1
    assert sim.counters(account.id)["minted"] == 1


@pytest.mark.parametrize("name", ["wechatpy", "httpx"])
def test_an_example_says_why_it_failed(name: str, sim: Simulator, tmp_path: Path) -> None:
    result = run_example(name, Account("official", sim.account().id, "wrong"), tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert "40125" in result.stderr
    assert "Traceback" not in result.stderr
