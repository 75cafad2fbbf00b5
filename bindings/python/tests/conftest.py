"""Fixtures of every test: the simulator, and a private store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from simulator import Account, Simulator

from wxtoken import Store

HOW = (
    "run the tests as: WXTOKEN_CASES=../../tests/cases.json "
    "../../target/debug/wechat-sim exec --quiet -- python3 -m pytest"
)


# These run in their own virtual environments, which test_sdks.py starts.
collect_ignore = [] if os.environ.get("WXTOKEN_SDKS") else ["sdks"]


def pytest_configure() -> None:
    """Reports missing settings once, instead of in every test."""
    for name in ("WXSIM_HTTP", "WXSIM_HTTPS", "WXSIM_CONTROL", "WXSIM_CA", "WXTOKEN_CASES"):
        if not os.environ.get(name):
            raise pytest.UsageError(f"{name} is not set: {HOW}")
    if not Path(os.environ["WXTOKEN_CASES"]).is_file():
        raise pytest.UsageError(f"WXTOKEN_CASES is {os.environ['WXTOKEN_CASES']}, which is not a file: {HOW}")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the caller's store and options out of the tests."""
    for name in os.environ:
        if name.startswith("WXTOKEN_") and name not in ("WXTOKEN_CASES", "WXTOKEN_LIBRARY", "WXTOKEN_PYTHON"):
            monkeypatch.delenv(name)


@pytest.fixture
def sim() -> Simulator:
    return Simulator()


Opener = Callable[..., Store]


@pytest.fixture
def open_store(tmp_path: Path, sim: Simulator) -> Iterator[Opener]:
    """Opens the test's store against the simulator, with an account "shop" if one is given."""
    opened = []

    def open_one(account: Account | None = None, **options: object) -> Store:
        store = Store(tmp_path / "tokens.db", api_base_url=sim.http, work_base_url=sim.http, **options)
        opened.append(store)
        if account is not None:
            store.register("shop", account.kind, account.id, account.secret)
        return store

    yield open_one
    for store in opened:
        store.close()
