"""Threads and forked processes use one Store freely, and cost one request."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import select
import signal
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Opener
from simulator import Account, Simulator

from wxtoken import ArgumentError, Store

# Far longer than anything here takes. Only a hang reaches it.
PATIENCE_S = 60


class Worker(threading.Thread):
    """A thread whose result() returns its result or raises its exception."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.work = work
        self.error: BaseException | None = None
        self.value: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.value = self.work()
        except BaseException as e:
            self.error = e

    def result(self) -> Any:
        self.join(PATIENCE_S)
        assert not self.is_alive(), "a thread hangs"
        if self.error is not None:
            raise self.error
        return self.value


class Child:
    """A forked process whose result() returns its result or raises its failure."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.pipe, end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.pipe)
                try:
                    answer = (True, work())
                except BaseException:
                    answer = (False, traceback.format_exc())
                with open(end, "wb") as out:
                    pickle.dump(answer, out)
            finally:
                # Code of pytest must not run twice.
                os._exit(0)
        os.close(end)

    def result(self) -> Any:
        with open(self.pipe, "rb") as pipe:
            answered, _, _ = select.select([pipe], [], [], PATIENCE_S)
            if not answered:
                os.kill(self.pid, signal.SIGKILL)
            data = pipe.read()
        os.waitpid(self.pid, 0)
        assert answered, "a forked child hangs"
        assert data, "a forked child died"
        well, value = pickle.loads(data)
        assert well, f"in the child: {value}"
        return value


def wait_for_a_request(sim: Simulator, account: Account, waiting: Worker) -> None:
    """Returns when a token request has come. On a machine that stalls, it may have been answered."""
    while sim.counters(account.id)["requests"] == 0:
        assert waiting.error is None


def test_32_threads_on_an_empty_store_cost_one_request(sim: Simulator, open_store: Opener) -> None:
    account = sim.account(delay_ms=200)
    store = open_store(account)
    barrier = threading.Barrier(32)

    def get() -> str:
        barrier.wait(PATIENCE_S)
        return store.token("shop").value

    workers = [Worker(get) for _ in range(32)]
    assert len({worker.result() for worker in workers}) == 1
    counters = sim.counters(account.id)
    assert (counters["requests"], counters["minted"]) == (1, 1)


def test_a_fetch_lets_other_threads_fetch(sim: Simulator, open_store: Opener) -> None:
    slow = sim.account(delay_ms=5000)
    quick = sim.account()
    store = open_store(slow)
    store.register("quick", quick.kind, quick.id, quick.secret)
    waiting = Worker(lambda: store.token("shop").value)
    wait_for_a_request(sim, slow, waiting)
    assert sim.errcode("official", store.token("quick").value) == 0
    assert sim.counters(slow.id)["in_flight"] == 1
    assert sim.errcode("official", waiting.result()) == 0


def test_closing_during_calls_of_other_threads_ends_them_cleanly(sim: Simulator, open_store: Opener) -> None:
    account = sim.account()
    store = open_store(account, revalidate_ms=0)
    expected = store.token("shop")
    for _ in range(20):
        shared = open_store(revalidate_ms=0)
        started = threading.Barrier(5)

        def get_until_closed(shared: Store = shared, started: threading.Barrier = started) -> None:
            def get_for_ever() -> None:
                while True:
                    assert shared.token("shop") == expected

            started.wait(PATIENCE_S)
            with pytest.raises(ArgumentError, match="closed"):
                get_for_ever()

        workers = [Worker(get_until_closed) for _ in range(4)]
        started.wait(PATIENCE_S)
        shared.close()
        for worker in workers:
            worker.result()
    assert store.token("shop") == expected


def test_a_call_that_waits_while_its_store_is_closed_still_gets_its_token(sim: Simulator, open_store: Opener) -> None:
    account = sim.account(delay_ms=1500)
    store = open_store(account)
    waiting = Worker(lambda: store.token("shop").value)
    wait_for_a_request(sim, account, waiting)
    store.close()
    assert sim.errcode("official", waiting.result()) == 0


def test_16_forked_processes_cost_one_request(sim: Simulator, open_store: Opener) -> None:
    account = sim.account(delay_ms=200)
    store = open_store(account)
    start, go = os.pipe()

    def get() -> str:
        os.close(go)
        os.read(start, 1)
        return store.token("shop").value

    children = [Child(get) for _ in range(16)]
    # The children's end of the pipe closes for all of them at once.
    os.close(go)
    tokens = {child.result() for child in children}
    os.close(start)
    assert tokens == {store.token("shop").value}
    counters = sim.counters(account.id)
    assert (counters["requests"], counters["minted"]) == (1, 1)


def test_both_sides_of_a_fork_close_their_own(sim: Simulator, open_store: Opener) -> None:
    account = sim.account()
    store = open_store(account)
    token = store.token("shop")

    def use_and_close() -> str:
        value = store.token("shop").value
        store.close()
        return value

    assert Child(use_and_close).result() == token.value
    assert store.token("shop") == token
    store.close()


def test_a_fork_with_busy_threads_gives_a_working_child(sim: Simulator, open_store: Opener) -> None:
    account = sim.account()
    store = open_store(account, revalidate_ms=0)
    token = store.token("shop")
    stop = threading.Event()

    def be_busy() -> int:
        calls = 0
        while not stop.is_set():
            assert store.token("shop") == token
            calls += 1
        return calls

    def use_and_open_another() -> str:
        with open_store(revalidate_ms=0) as another:
            assert another.token("shop") == store.token("shop")
        return store.token("shop").value

    workers = [Worker(be_busy) for _ in range(4)]
    try:
        for _ in range(50):
            assert Child(use_and_open_another).result() == token.value
    finally:
        stop.set()
    assert all(worker.result() > 0 for worker in workers)
    assert sim.counters(account.id)["requests"] == 1


def test_a_child_forked_during_a_fetch_gets_the_same_token(sim: Simulator, open_store: Opener) -> None:
    account = sim.account(delay_ms=1500)
    store = open_store(account)
    waiting = Worker(lambda: store.token("shop").value)
    wait_for_a_request(sim, account, waiting)
    child = Child(lambda: store.token("shop").value)
    assert child.result() == waiting.result()
    assert sim.counters(account.id)["requests"] == 1


_STORE_OF_THE_POOL: Store | None = None


def token_in_pool(name: str) -> Any:
    assert _STORE_OF_THE_POOL is not None
    return _STORE_OF_THE_POOL.token(name)


def test_a_multiprocessing_pool_shares_one_token(
    sim: Simulator, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = sim.account(delay_ms=100)
    monkeypatch.setattr(f"{__name__}._STORE_OF_THE_POOL", open_store(account))
    with multiprocessing.get_context("fork").Pool(4) as pool:
        tokens = pool.map_async(token_in_pool, ["shop"] * 16, chunksize=1).get(PATIENCE_S)
        with pytest.raises(LookupError, match="nobody"):
            pool.apply_async(token_in_pool, ["nobody"]).get(PATIENCE_S)
        pool.close()
        pool.join()
    assert len(set(tokens)) == 1
    assert sim.counters(account.id)["requests"] == 1
