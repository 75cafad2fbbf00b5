"""Fixtures of the tests that run in their own virtual environments, where ``tests/test_sdks.py`` starts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import Process, Starter
from server import REFUSAL, Reply, Request, Server, serve
from simulator import Account, Simulator

from wxtoken import Store


@pytest.fixture
def start() -> Iterator[Starter]:
    """Starts the client with a name in another process, with a store or without."""
    started = []

    def start_one(name: str, account: Account, path: Path | None = None) -> Process:
        started.append(Process(name, account, path))
        return started[-1]

    yield start_one
    for process in started:
        process.end()


@pytest.fixture
def revoke(sim: Simulator) -> Callable[[Account], None]:
    """Revokes all tokens of an account."""

    def revoke_tokens(account: Account) -> None:
        sim.post("/revoke", {"id": account.id, "which": "all"})

    return revoke_tokens


@pytest.fixture
def late_refusal(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a reply that arrives after the store has a successor, and the list of tokens that are then rejected."""

    def make_reply(account: Account, store: Store) -> tuple[Callable[[Request], Reply], list[Any]]:
        rejected: list[Any] = []
        reject = store.reject

        def note(name: Any, token: Any) -> None:
            rejected.append(getattr(token, "value", token))
            reject(name, token)

        def reply(request: Request) -> Reply:
            sim.post("/revoke", {"id": account.id, "which": "all"})
            reject("shop", request.token or "")
            assert store.token("shop").value != request.token
            monkeypatch.setattr(store, "reject", note)
            return REFUSAL

        return reply, rejected

    return make_reply


@pytest.fixture
def server() -> Iterator[Server]:
    with serve("127.0.0.1") as one:
        yield one


@pytest.fixture
def stranger() -> Iterator[Server]:
    """A server on another host."""
    with serve("127.0.0.2") as another:
        yield another
