"""The two implementations of Store.token, by the extension and by ctypes, and the promises that both keep.

The suite runs once with each, as $WXTOKEN_PYTHON says.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import os
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Opener
from simulator import Simulator
from test_install import PROJECT, copy_package, environment, library_path
from test_threads_and_fork import Worker, wait_for_a_request

import wxtoken
from wxtoken import AccountError, Store, Token

NATIVE = "_native.abi3.so"


def by(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    program = "import wxtoken; print(wxtoken.implementation)"
    variables = environment(WXTOKEN_LIBRARY=str(library_path()), **variables)
    return subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=variables, capture_output=True, text=True)


def put_native(package: Path) -> None:
    built = PROJECT / "wxtoken" / NATIVE
    assert built.exists(), "the extension is not built: python3 build_native.py"
    shutil.copy(built, package)


def test_the_suite_runs_with_the_requested_implementation() -> None:
    assert os.environ.get("WXTOKEN_PYTHON") in (None, "", wxtoken.implementation)


def test_the_extension_is_used_if_it_is_present(tmp_path: Path) -> None:
    put_native(copy_package(tmp_path))
    assert by(tmp_path).stdout == "native\n"
    assert by(tmp_path, WXTOKEN_PYTHON="native").stdout == "native\n"
    assert by(tmp_path, WXTOKEN_PYTHON="ctypes").stdout == "ctypes\n"


def test_ctypes_is_used_if_the_extension_is_missing(tmp_path: Path) -> None:
    copy_package(tmp_path)
    assert by(tmp_path).stdout == "ctypes\n"


def test_an_extension_that_does_not_load_costs_nothing_but_speed(tmp_path: Path) -> None:
    package = copy_package(tmp_path)
    (package / NATIVE).write_text("for another machine")
    found = by(tmp_path)
    assert (found.stdout, found.stderr) == ("ctypes\n", "")


def test_requesting_an_extension_that_does_not_load_is_an_import_error_with_a_remedy(tmp_path: Path) -> None:
    package = copy_package(tmp_path)
    assert "WXTOKEN_PYTHON" in by(tmp_path, WXTOKEN_PYTHON="native").stderr.splitlines()[-1]
    (package / NATIVE).write_text("for another machine")
    last = by(tmp_path, WXTOKEN_PYTHON="native").stderr.splitlines()[-1]
    assert last.startswith("ImportError: wxtoken lacks its extension: ")
    assert NATIVE in last


def test_an_unknown_implementation_is_an_import_error_that_names_the_known_ones(tmp_path: Path) -> None:
    copy_package(tmp_path)
    last = by(tmp_path, WXTOKEN_PYTHON="cffi").stderr.splitlines()[-1]
    assert last == "ImportError: WXTOKEN_PYTHON is cffi: set it to native or ctypes, or unset it"


def test_a_free_threaded_python_uses_ctypes(tmp_path: Path) -> None:
    put_native(copy_package(tmp_path))
    program = "import sys; sys.abiflags = 't'; import wxtoken; print(wxtoken.implementation)"
    variables = environment(WXTOKEN_LIBRARY=str(library_path()))
    assert subprocess.check_output([sys.executable, "-c", program], cwd=tmp_path, env=variables) == b"ctypes\n"


def test_the_extension_has_the_docstring_and_parameters_of_the_python_method() -> None:
    by_extension = importlib.import_module("wxtoken._native").Base.token
    by_ctypes = vars(Store).get("_token", Store.token)
    assert inspect.getdoc(by_extension) == inspect.getdoc(by_ctypes)
    assert list(inspect.signature(by_extension).parameters) == list(inspect.signature(by_ctypes).parameters)


def test_an_unchanged_token_is_the_same_object(sim: Simulator, open_store: Opener) -> None:
    account = sim.account()
    store = open_store(account)
    first = store.token("shop")
    assert store.token("shop") is first
    assert store.token() is first
    store.reject("shop", first)
    sim.post("/revoke", {"id": account.id, "which": "all"})
    assert store.token("shop") is not first


def test_the_name_may_be_a_keyword_and_is_the_only_argument(sim: Simulator, open_store: Opener) -> None:
    store: Any = open_store(sim.account())
    expected = store.token("shop")
    assert [store.token(), store.token(None), store.token(name="shop"), store.token(name=None)] == [expected] * 4
    assert store.token(Name("shop")) == expected
    for wrong in (
        lambda: store.token("shop", "shop"),
        lambda: store.token("shop", name="shop"),
        lambda: store.token(nam="shop"),
        lambda: store.token(b"shop"),
        lambda: store.token(5),
        lambda: store.token(("shop",)),
    ):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(wxtoken.ArgumentError):
        store.token("\ud800")
    with pytest.raises(AccountError, match="账号"):
        store.token("账号")


class Name(str):
    pass


def test_a_subclass_may_override_it_and_call_it(sim: Simulator, open_store: Opener, tmp_path: Path) -> None:
    expected = open_store(sim.account()).token("shop")

    class Own(Store):
        def token(self, name: str | None = None) -> Token:
            return super().token(f"sh{name}")

    with Own(tmp_path / "tokens.db", api_base_url=sim.http) as store:
        assert store.token("op") == expected


def test_many_threads_that_alternate_names_get_the_token_of_each(sim: Simulator, open_store: Opener) -> None:
    """Uses more names than the extension has places for their tokens."""
    store = open_store()
    expected = {}
    for number in range(40):
        account = sim.account()
        store.register(f"shop {number}", account.kind, account.id, account.secret)
        expected[f"shop {number}"] = store.token(f"shop {number}").value
    assert len(set(expected.values())) == 40

    def get_all() -> None:
        for _ in range(50):
            assert {name: store.token(name).value for name in expected} == expected

    for worker in [Worker(get_all) for _ in range(4)]:
        worker.result()


def resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def test_gets_leak_no_memory_and_no_references(sim: Simulator, open_store: Opener) -> None:
    store = open_store(sim.account())
    name = "sh" + "op"[:2]
    token = store.token(name)
    kept: list[Any] = [name, token, token.value, store, store._handle, None, Store]

    def fail() -> None:
        with pytest.raises(AccountError):
            store.token("nobody")

    def odd() -> None:
        with pytest.raises(wxtoken.ArgumentError):
            store.token("shop\0")

    for times, call in [(1_000_000, lambda: store.token(name)), (5_000, fail), (5_000, odd)]:
        grown_kb = growth(call, times)
        # One object of 16 bytes per call would exceed this.
        assert grown_kb < times * 16 // 1024 + 512, f"{grown_kb} kB for {times} calls"
    gc.collect()
    before = [sys.getrefcount(one) for one in kept]
    for call in (lambda: store.token(name), fail, odd):
        for _ in range(100):
            call()
    gc.collect()
    after = [sys.getrefcount(one) for one in kept]
    # Other code uses None too.
    assert all(abs(now - then) < 50 for now, then in zip(after, before)), list(zip(after, before))


def growth(call: Callable[[], object], times: int) -> int:
    for _ in range(1000):
        call()
    gc.collect()
    before = resident_kb()
    for _ in range(times):
        call()
    gc.collect()
    return resident_kb() - before


def test_a_closed_store_keeps_no_token(sim: Simulator, open_store: Opener) -> None:
    store = open_store(sim.account())
    token = weakref.ref(store.token("shop"))
    assert token() is not None
    store.close()
    gc.collect()
    assert token() is None


def test_a_store_that_is_closed_during_a_get_keeps_no_token(sim: Simulator, open_store: Opener) -> None:
    account = sim.account(delay_ms=500)
    store = open_store(account)
    waiting = Worker(lambda: store.token("shop"))
    wait_for_a_request(sim, account, waiting)
    store.close()
    token = weakref.ref(waiting.result())
    del waiting
    gc.collect()
    assert token() is None


def test_tokens_that_begin_and_end_alike_are_distinguished(open_store: Opener) -> None:
    store = open_store()
    store.register("platform", "component", "wx0", "secret")
    # Neither token has a known end.
    tokens = {"one": "refresh-me", "another": "refresh-me-me", "a third": "refresh-we"}
    for number, (name, value) in enumerate(tokens.items(), 1):
        store.register(name, "authorizer", f"wx{number}")
        store.put(name, "parent", "platform")
        store.put(name, "refresh_token", value)
    for _ in range(2):
        for name in [*tokens, *reversed(tokens)]:
            assert store.token(f"{name}/refresh_token").value == tokens[name]


def test_a_store_in_a_cycle_is_collected_with_its_tokens(sim: Simulator, open_store: Opener, tmp_path: Path) -> None:
    open_store(sim.account()).token("shop")
    store: Any = Store(tmp_path / "tokens.db", api_base_url=sim.http)
    token = store.token("shop")
    # A Token is frozen, but this is possible all the same. The cycles then lead through the objects that the Store
    # keeps.
    object.__setattr__(token, "store", store)
    store._handle.store = store
    seen = [weakref.ref(store), weakref.ref(token), weakref.ref(store._handle)]
    del store, token
    gc.collect()
    assert [one() for one in seen] == [None, None, None]


def test_sub_interpreters_get_the_same_token(sim: Simulator, open_store: Opener, tmp_path: Path) -> None:
    store = open_store(sim.account())
    expected = store.token("shop")
    place = tmp_path / "said"
    program = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
import wxtoken
with wxtoken.Store({str(tmp_path / "tokens.db")!r}, api_base_url={sim.http!r}) as store:
    tokens = {{store.token("shop").value for _ in range(100)}}
    with open({str(place)!r}, "a") as file:
        print(wxtoken.implementation, *tokens, file=file)
"""
    for _ in range(2):
        in_a_sub_interpreter(program)
        assert store.token("shop") is expected
    assert place.read_text() == f"{wxtoken.implementation} {expected.value}\n" * 2


def in_a_sub_interpreter(program: str) -> None:
    """Runs the program with the standard library's module, whose name and functions depend on the version of Python."""
    if sys.version_info >= (3, 13):
        # This sub-interpreter has its own lock.
        interpreters: Any = importlib.import_module("_interpreters")
        one = interpreters.create("isolated")
    else:
        interpreters = importlib.import_module("_xxsubinterpreters")
        # In 3.12 it would have its own lock, with which ctypes does not load there.
        one = interpreters.create(isolated=False)
    failed = interpreters.run_string(one, program)
    interpreters.destroy(one)
    assert failed is None, failed
