"""One story for every client, with the store and without, each time in two processes."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from clients import CLIENTS, open_store
from processes import Process, Starter
from simulator import Simulator

HOURS = 3_600_000
# Far longer than two calls take, and short enough to wait for.
SOON = 5_000

# Token requests and minted tokens so far: after the first call, an expiry, a revocation, and a refresh by the other
# process.
Costs = list[tuple[int, int]]

BY_THE_STORE: Costs = [(1, 1), (2, 2), (3, 3), (4, 4)]

# The errcodes are the errors of the calls. The program without an SDK keeps its token for the time that WeChat named.
# WeCom repeats its token, so there the store saves requests.
BY_HAND: tuple[Costs, list[str]] = [(2, 2)] * 4, ["42001"] * 2 + ["40001"] * 4
BY_ITSELF: dict[str, tuple[Costs, list[str]]] = {
    "wechatpy": ([(2, 2), (4, 4), (6, 6), (8, 8)], []),
    "wechatpy-work": ([(2, 1), (4, 2), (6, 3), (8, 4)], []),
    "requests": BY_HAND,
    "httpx": BY_HAND,
    "httpx-async": BY_HAND,
}


@pytest.mark.parametrize("name", CLIENTS)
def test_an_expiry_a_revocation_and_another_ones_refresh_cost_one_mint_each(
    name: str, sim: Simulator, tmp_path: Path, start: Starter
) -> None:
    ours = by_the_store(name, sim, tmp_path / "tokens.db", start)
    assert (ours.failures, ours.costs) == ([], BY_THE_STORE)
    alone = by_itself(name, sim, start)
    errcodes = re.findall(r"'errcode': (\d+)", str(alone.failures))
    assert (alone.costs, errcodes) == BY_ITSELF[name]
    assert len(errcodes) == len(alone.failures)


class Life:
    """An account, and the events in its life."""

    def __init__(self, name: str, sim: Simulator, lifetime_ms: int) -> None:
        self.sim = sim
        self.account = sim.account(CLIENTS[name].kind, lifetime_ms=lifetime_ms)
        self.costs: Costs = []
        self.failures: list[str] = []

    def calls(self, *processes: Process) -> None:
        said = [process.call() for process in processes]
        self.failures += [failure for failure in said if failure]
        counters = self.sim.counters(self.account.id)
        self.costs.append((counters["requests"], counters["minted"]))

    def lifetime(self, ms: int) -> None:
        """Sets the lifetime of future tokens."""
        account = self.account
        body = {"kind": account.kind, "id": account.id, "secret": account.secret, "lifetime_ms": ms}
        self.sim.post("/accounts", body)

    def revoke(self) -> None:
        self.sim.post("/revoke", {"id": self.account.id, "which": "all"})

    def advance(self, ms: int) -> None:
        self.sim.post("/advance", {"id": self.account.id, "ms": ms})


def by_the_store(name: str, sim: Simulator, path: Path, start: Starter) -> Life:
    life = Life(name, sim, SOON)
    with open_store(str(path)) as store:
        store.register("shop", life.account.kind, life.account.id, life.account.secret)
        here, there = start(name, life.account, path), start(name, life.account, path)

        def expire() -> None:
            ends = store.token("shop").expires_at
            assert ends is not None
            left = (ends - datetime.now(timezone.utc)).total_seconds()
            assert left < 60, f"the token that was to end soon is not there: {life.costs}, {life.failures}"
            # The simulator counts in milliseconds, and a reply in seconds.
            time.sleep(max(0.0, left + 1.05))

        life.calls(here, there)
        expire()
        life.lifetime(2 * HOURS)
        life.calls(here, there)
        life.lifetime(SOON)
        life.revoke()
        life.calls(here, there)
        expire()
        life.lifetime(2 * HOURS)
        life.calls(there, here)
    return life


def by_itself(name: str, sim: Simulator, start: Starter) -> Life:
    life = Life(name, sim, 2 * HOURS)
    here, there = start(name, life.account), start(name, life.account)
    life.calls(here, there)
    life.advance(2 * HOURS)
    life.calls(here, there)
    life.revoke()
    life.calls(here, there)
    life.advance(2 * HOURS)
    life.calls(there, here)
    return life
