"""The Python side of Store, Token and the exceptions."""

from __future__ import annotations

import builtins
import gc
import math
import os
import pickle
import secrets
import traceback
import urllib.parse
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import Opener
from simulator import Simulator

import wxtoken
from wxtoken import ApiError, ArgumentError, Store, Token, WxTokenError


def test_a_token_prints_as_its_value_and_its_repr_hides_it(sim: Simulator, open_store: Opener) -> None:
    token = open_store(sim.account()).token("shop")
    assert sim.errcode("official", str(token)) == 0
    assert f"?access_token={token}" == "?access_token=" + token.value
    query = urllib.parse.urlencode({"access_token": token})
    assert urllib.parse.parse_qs(query) == {"access_token": [token.value]}
    assert token.value not in repr(token)
    assert token.value not in repr([token])


def test_a_token_has_its_expiry_time(sim: Simulator, open_store: Opener) -> None:
    token = open_store(sim.account()).token("shop")
    assert token.expires_at is not None
    assert token.expires_at.tzinfo is timezone.utc
    assert timedelta(seconds=7190) < token.expires_at - datetime.now(timezone.utc) < timedelta(seconds=7201)
    assert 7190 < token.expires_in < 7201


def test_a_token_that_wechat_returns_again_has_its_new_expiry_time(sim: Simulator, open_store: Opener) -> None:
    account = sim.account()
    sim.post("/faults", {"id": account.id, "kind": "token", "value": "the-same", "times": 0})
    store = open_store(account)
    first = store.token("shop")
    sim.post("/accounts", {"kind": "official", "id": account.id, "secret": account.secret, "lifetime_ms": 3_600_000})
    sim.post("/revoke", {"id": account.id, "which": "all"})
    store.reject("shop", first)
    second = store.token("shop")
    assert second.value == first.value
    assert second.expires_in < first.expires_in


def test_a_pushed_secret_is_returned_and_a_refresh_token_has_no_end(open_store: Opener) -> None:
    store = open_store()
    store.register("platform", "component", "wx0", "secret")
    store.register("customer", "authorizer", "wx1")
    store.put("customer", "parent", "platform")
    store.put("customer", "refresh_token", "refresh-me")
    store.put("platform", "verify_ticket", "push-me")
    refresh = store.token("customer/refresh_token")
    assert (refresh.value, refresh.expires_at, refresh.expires_in) == ("refresh-me", None, math.inf)
    assert repr(refresh) == "<wxtoken.Token of 10 chars>"
    assert pickle.loads(pickle.dumps(refresh)) == refresh
    ticket = store.token("platform/verify_ticket")
    assert ticket.value == "push-me"
    assert 11 * 3600 < ticket.expires_in <= 12 * 3600
    assert "push-me" not in str(store.report()) + repr(ticket)


def test_an_account_that_needs_a_secret_is_refused_without_one(open_store: Opener) -> None:
    with pytest.raises(ArgumentError, match="secret"):
        open_store().register("shop", "official", "wx0")


def test_a_failed_put_does_not_show_its_value(open_store: Opener) -> None:
    store = open_store()
    store.register("platform", "component", "wx0", "secret")
    hidden = secrets.token_hex(16)
    wrong: Any = hidden.encode()
    calls: list[Any] = [
        lambda: store.put("nobody", "verify_ticket", hidden),
        lambda: store.put("platform", "refresh_token", hidden),
        lambda: store.put("platform", "verify_ticket", hidden + "\0"),
        lambda: store.put("platform", "verify_ticket", hidden + "é"),
        lambda: store.put("platform", "verify_ticket", hidden * 20),
        lambda: store.put("platform", "verify_ticket", wrong),
    ]
    for failing in calls:
        with pytest.raises((WxTokenError, TypeError)) as caught:
            failing()
        assert hidden not in "".join(traceback.format_exception(None, caught.value, caught.tb))


def test_a_token_can_be_pickled(sim: Simulator, open_store: Opener) -> None:
    token = open_store(sim.account()).token("shop")
    assert pickle.loads(pickle.dumps(token)) == token


def test_a_store_cannot_be_pickled(open_store: Opener) -> None:
    with pytest.raises(TypeError, match="open one in each process"):
        pickle.dumps(open_store())


def test_a_refusal_carries_errcode_and_seconds_and_hides_the_secret(sim: Simulator, open_store: Opener) -> None:
    account = sim.account()
    store = open_store()
    store.register("shop", "official", account.id, account.secret + "x")
    with pytest.raises(ApiError) as caught:
        store.token("shop")
    assert caught.value.errcode == 40125
    assert 40 < caught.value.retry_after < 73
    assert account.secret not in str(caught.value) + repr(caught.value)


def test_an_exception_can_be_pickled() -> None:
    for name in wxtoken.__all__:
        kind = getattr(wxtoken, name)
        if isinstance(kind, type) and issubclass(kind, WxTokenError):
            error = kind("no answer", errcode=-1, retry_after=2.5)
            copy = pickle.loads(pickle.dumps(error))
            assert type(copy) is kind
            assert (str(copy), copy.errcode, copy.retry_after) == ("no answer", -1, 2.5)
            assert copy.status == error.status


def test_built_in_exceptions_catch_the_errors_of_their_kind(sim: Simulator, open_store: Opener) -> None:
    account = sim.account()
    sim.post("/faults", {"kind": "hang", "id": account.id})
    store = open_store(account, timeout_ms=200)
    with pytest.raises(builtins.TimeoutError, match="timeout_ms"):
        store.token("shop")
    with pytest.raises(LookupError, match="nobody"):
        store.token("nobody")
    with pytest.raises(ValueError, match="unknown kind"):
        store.register("shop", "personal", account.id, account.secret)


def test_a_status_of_a_newer_library_is_still_a_wxtoken_error() -> None:
    error = wxtoken._library.failure(99, 0, 1500, "something new")
    assert type(error) is WxTokenError
    assert (error.status, error.retry_after, str(error)) == (99, 1.5, "something new")


def test_a_nul_is_refused_before_the_call(open_store: Opener, tmp_path: Path) -> None:
    store = open_store()
    calls: list[Any] = [
        lambda: Store(str(tmp_path / "a\0b")),
        lambda: Store(tmp_path / "other.db", ca_file="a\0b"),
        lambda: store.set("a\0b", "1"),
        lambda: store.register("a\0b", "official", "id", "secret"),
        lambda: store.register("shop", "official\0", "id", "secret"),
        lambda: store.register("shop", "official", "id\0", "secret"),
        lambda: store.register("shop", "official", "id", "secret\0"),
        lambda: store.put("shop", "current", "1\0"),
        lambda: store.put("shop", "verify_ticket", "ticket\0"),
        lambda: store.set_current("shop\0"),
        lambda: store.token("shop\0"),
        lambda: store.reject("shop", "token\0"),
    ]
    for refused in calls:
        with pytest.raises(ArgumentError, match="NUL"):
            refused()
    assert store.report()["accounts"] == []


def test_invalid_utf8_is_refused(open_store: Opener) -> None:
    store = open_store()
    for name in ("\udcff", "\ud800"):
        with pytest.raises(ArgumentError, match="UTF-8"):
            store.token(name)


def test_a_value_that_is_not_a_string_is_a_type_error_that_does_not_show_it(open_store: Opener) -> None:
    store = open_store()
    wrong: Any = b"secret-bytes"
    with pytest.raises(TypeError, match="secret must be a str, not bytes") as caught:
        store.register("shop", "official", "id", wrong)
    assert "secret-bytes" not in str(caught.value)
    with pytest.raises(TypeError, match="timeout_ms"):
        store.set("timeout_ms", wrong)


def test_options_may_be_numbers_switches_and_paths(sim: Simulator, tmp_path: Path) -> None:
    account = sim.account()
    with Store(
        tmp_path / "tokens.db",
        api_base_url=sim.https,
        ca_file=Path(sim.ca),
        timeout_ms=5000,
        background_refresh=False,
        proxy=None,
    ) as store:
        store.set("background_refresh", True)
        store.register("shop", "official", account.id, account.secret)
        assert sim.errcode("official", store.token("shop").value) == 0


def test_an_unknown_option_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="timeout_ms"):
        Store(tmp_path / "tokens.db", colour="red")


def test_without_a_path_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WXTOKEN_STORE", str(tmp_path / "店.db"))
    with Store() as store:
        assert store.report()["store"] == str(tmp_path / "店.db")


def test_a_path_may_be_bytes_or_have_any_name_that_is_utf8(tmp_path: Path) -> None:
    path = tmp_path / "令牌.db"
    for spelling in (path, str(path), os.fsencode(path)):
        with Store(spelling) as store:  # type: ignore[arg-type]
            assert store.report()["store"] == str(path)


def test_a_closed_store_reports_it_and_closing_again_does_nothing(sim: Simulator, open_store: Opener) -> None:
    store = open_store(sim.account())
    with store:
        store.token("shop")
    store.close()
    store.close()
    assert "closed" in repr(store)
    calls: list[Any] = [
        store.token,
        store.report,
        store.__enter__,
        lambda: store.set("log", "off"),
        lambda: store.register("shop", "official", "id", "secret"),
        lambda: store.set_current("shop"),
        lambda: store.reject(None, "token"),
    ]
    for late in calls:
        with pytest.raises(ArgumentError, match="closed"):
            late()


def test_a_forgotten_store_frees_its_handle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Objects that earlier tests left behind are not counted.
    gc.collect()
    freed = []
    free = wxtoken._library.LIBRARY.wxtoken_free

    def counted(pointer: Any) -> None:
        freed.append(pointer.value)
        free(pointer)

    monkeypatch.setattr(wxtoken._library.Handle.__del__, "__defaults__", (counted,))
    store = Store(tmp_path / "tokens.db")
    assert store._handle is not None
    pointer = store._handle.pointer.value
    assert freed == []
    del store
    gc.collect()
    assert freed == [pointer]


def test_a_report_that_outgrows_the_buffer_is_complete(open_store: Opener) -> None:
    store = open_store()
    for number in range(40):
        store.register(f"账号 {number}", "official", f"wx{number}", "secret")
    names = {account["name"] for account in store.report()["accounts"]}
    assert names == {f"账号 {number}" for number in range(40)}


def test_a_rejected_token_may_be_given_as_token_or_string(sim: Simulator, open_store: Opener) -> None:
    account = sim.account()
    store = open_store(account)
    first = store.token("shop")
    sim.post("/revoke", {"id": account.id, "which": "all"})
    store.reject("shop", first)
    second = store.token("shop")
    assert second != first
    store.reject(None, first.value)
    assert store.token() == second


def test_tokens_with_the_same_value_and_end_are_equal(sim: Simulator, open_store: Opener) -> None:
    store = open_store(sim.account())
    token = store.token("shop")
    assert token == store.token("shop")
    assert token != Token("another", token.expires_at)
    assert len({token, store.token("shop")}) == 1
