"""The real wechatpy, 1.8 or 2.0, with the store and without."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from clients import through_proxy
from processes import Starter
from server import OK, REFUSAL, Reply, Server
from simulator import Account, Simulator
from wechatpy import WeChatClient as ItsClient
from wechatpy.exceptions import WeChatClientException

from wxtoken import ApiError, Store
from wxtoken.wechatpy import WeChatClient, WorkClient

Opener = Callable[..., Store]
Revoke = Callable[[Account], None]


@pytest.fixture
def shop(sim: Simulator, open_store: Opener) -> Iterator[tuple[Account, Store, Any]]:
    """An official account, a store that has it, and a client."""
    account = sim.account()
    store = open_store(account)
    client = WeChatClient(account.id, store, "shop")
    with through_proxy(client._http):
        yield account, store, client


def test_three_processes_end_each_others_tokens_unless_they_share_one(
    sim: Simulator, open_store: Opener, tmp_path: Path, start: Starter
) -> None:
    minted = {}
    for path in (tmp_path / "tokens.db", None):
        account = sim.account()
        if path:
            # The endpoint that wechatpy itself uses.
            open_store().register("shop", "official_classic", account.id, account.secret)
        processes = [start("wechatpy", account, path) for _ in range(3)]
        assert [process.call() for _ in range(3) for process in processes] == [""] * 9
        minted[path is not None] = sim.counters(account.id)["minted"]
    assert minted == {True: 1, False: 9}


def test_many_threads_that_are_refused_at_once_cost_one_mint(
    sim: Simulator, shop: tuple[Account, Store, Any], revoke: Revoke
) -> None:
    account, _, client = shop
    client.misc.get_wechat_ips()
    revoke(account)
    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(lambda _: client.misc.get_wechat_ips(), range(40)))
    assert sim.counters(account.id)["minted"] == 2


def test_a_late_refusal_rejects_the_token_that_was_refused(
    sim: Simulator, shop: tuple[Account, Store, Any], server: Server, late_refusal: Any
) -> None:
    account, store, client = shop
    first = store.token("shop").value
    reply, rejected = late_refusal(account, store)
    server.replies = [reply, OK]
    client.get(f"{server.address}/slow")
    assert rejected == [first]
    assert server.tokens == [first, store.token("shop").value]
    assert sim.counters(account.id)["minted"] == 2


def test_a_refused_call_is_repeated_once_with_the_same_body(
    shop: tuple[Account, Store, Any], server: Server, revoke: Revoke
) -> None:
    account, store, client = shop
    first = store.token("shop").value
    revoke(account)
    server.replies = [REFUSAL, OK]
    client.post(f"{server.address}/send", data={"text": "你好"})
    assert server.tokens == [first, store.token("shop").value]
    assert server.bodies == ['{"text": "你好"}'.encode()] * 2


@pytest.mark.parametrize(
    "refusal",
    [
        Reply({"errcode": "40001"}),
        Reply({"base_resp": {"errcode": 40014, "errmsg": "invalid access_token"}}),
        Reply({"errcode": 0, "base_resp": {"errcode": "42001"}}),
        Reply({"errcode": 40001}, headers={"Content-Type": "text/html"}),
        Reply({"errcode": 40001}, headers={"Content-Type": "text/javascript"}),
        Reply(b'{"errcode": 40001, "errmsg": "\xff\n"}'),
        Reply(lambda: [b'{"errcode":', b" 40001}"]),
    ],
    ids=range(7),
)
def test_a_reply_that_wechatpy_calls_a_refusal_is_one(
    refusal: Reply, sim: Simulator, shop: tuple[Account, Store, Any], server: Server, revoke: Revoke
) -> None:
    account, store, client = shop
    first = store.token("shop").value
    revoke(account)
    server.replies = [refusal, OK]
    assert client.get(f"{server.address}/anything") == OK.content
    assert server.tokens == [first, store.token("shop").value]
    assert sim.counters(account.id)["minted"] == 2
    alone = ItsClient(account.id, account.secret)
    server.replies = [refusal, OK]
    with through_proxy(alone._http):
        assert alone.get(f"{server.address}/anything") == OK.content


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"errcode": "4000l"}),
        Reply({"errcode": None}),
        Reply({"errcode": [40001]}),
        Reply(b'{"errcode": Infinity}'),
        Reply({"base_resp": 40001}),
        Reply([{"errcode": 40001}]),
        Reply({"errcode": 40001}, status=500),
        Reply({"errcode": 45009, "errmsg": "40001"}),
        Reply({"a": {"errcode": 40001}}),
        Reply({"padding": "x" * 20_000, "base_resp": {"errcode": 40001}}),
        Reply(b"a picture"),
    ],
    ids=range(11),
)
def test_a_reply_that_is_not_a_refusal_rejects_nothing(
    reply: Reply, sim: Simulator, shop: tuple[Account, Store, Any], server: Server
) -> None:
    account, store, client = shop
    first = store.token("shop").value
    server.replies = [reply]
    # wechatpy itself raises an exception of Python for some of these.
    with suppress(WeChatClientException, TypeError, ValueError, OverflowError):
        client.get(f"{server.address}/anything")
    assert server.tokens == [first]
    assert store.token("shop").value == first
    assert sim.counters(account.id)["requests"] == 1


def test_an_upload_is_repeated_completely(shop: tuple[Account, Store, Any], server: Server, revoke: Revoke) -> None:
    account, store, client = shop
    store.token("shop")
    revoke(account)
    server.replies = [REFUSAL, OK]
    client.post(f"{server.address}/upload", files={"media": io.BytesIO(b"a picture")})
    assert len(server.bodies) == 2
    assert all(b"a picture" in body for body in server.bodies)


def test_a_call_that_is_refused_twice_fails_and_does_not_mint_again(
    sim: Simulator, shop: tuple[Account, Store, Any], server: Server, revoke: Revoke
) -> None:
    account, store, client = shop
    store.token("shop")
    revoke(account)
    server.replies = [REFUSAL]
    with pytest.raises(WeChatClientException) as caught:
        client.get(f"{server.address}/anything")
    assert caught.value.errcode == 40001
    assert len(set(server.tokens)) == len(server.tokens) == 2
    # Immediately after a reject the store has no other token, so no third call is made.
    with pytest.raises(WeChatClientException):
        client.get(f"{server.address}/anything")
    assert len(server.tokens) == 3
    assert sim.counters(account.id)["minted"] == 2


def test_a_token_in_a_url_that_the_sdk_builds_is_replaced_too(
    shop: tuple[Account, Store, Any], server: Server, revoke: Revoke
) -> None:
    account, store, client = shop
    server.replies = [REFUSAL, OK]
    first = store.token("shop").value
    revoke(account)
    # The URL as wechatpy's customservice.delete_account builds it.
    client.get(f"{server.address}/del", params=f"access_token={client.access_token}&kf_account=kf@shop")
    assert server.tokens == [first, store.token("shop").value]
    assert all("kf_account=kf@shop" in request.query for request in server.asked)


def test_the_callers_own_token_is_left_alone(
    sim: Simulator, shop: tuple[Account, Store, Any], server: Server
) -> None:
    account, store, client = shop
    first = store.token("shop")
    server.replies = [REFUSAL]
    with pytest.raises(WeChatClientException):
        client.get(f"{server.address}/sns/userinfo", params={"access_token": "a-users"})
    assert server.tokens == ["a-users"]
    assert store.token("shop") == first
    assert sim.counters(account.id)["minted"] == 1


def test_it_does_not_fetch_tokens_itself(sim: Simulator, shop: tuple[Account, Store, Any]) -> None:
    account, _, client = shop
    with pytest.raises(NotImplementedError):
        client.fetch_access_token()
    assert sim.counters(account.id)["requests"] == 0


def test_it_signs_pages_with_the_tickets_of_the_store(sim: Simulator, shop: tuple[Account, Store, Any]) -> None:
    account, store, client = shop
    url, nonce = "https://shop.example/goods?id=1", "nonce"
    ticket = client.jsapi.get_jsapi_ticket()
    assert ticket == store.token("shop/jsapi_ticket").value
    signature = client.jsapi.get_jsapi_signature(nonce, ticket, 1, url)
    question = {"appid": account.id, "url": url, "noncestr": nonce, "timestamp": 1, "signature": signature}
    assert sim.post("/js_config", question) == {"ok": True}
    assert client.jsapi.get_jsapi_card_ticket() == store.token("shop/card_ticket").value
    assert sim.counters(account.id)["minted"] == 3
    client.session.set("mine", "kept")
    assert client.session.get("mine") == "kept"


def test_it_signs_pages_of_wecom_with_the_tickets_of_the_store(sim: Simulator, open_store: Opener) -> None:
    account = sim.account("work")
    store = open_store(account)
    client = WorkClient(account.id, store, "shop")
    assert client.jsapi.get_jsapi_ticket() == store.token("shop/jsapi_ticket").value
    assert client.jsapi.get_agent_jsapi_ticket() == store.token("shop/agent_ticket").value


def test_a_failure_of_the_store_is_the_failure_of_the_call(sim: Simulator, open_store: Opener) -> None:
    account = sim.account()
    store = open_store(Account("official", account.id, "wrong"))
    with pytest.raises(ApiError) as caught:
        WeChatClient(account.id, store, "shop").misc.get_wechat_ips()
    assert caught.value.errcode == 40125


def test_no_client_shows_a_token(shop: tuple[Account, Store, Any], server: Server) -> None:
    _, store, client = shop
    server.replies = [REFUSAL]
    with pytest.raises(WeChatClientException) as caught:
        client.get(f"{server.address}/anything")
    shown = f"{client!r} {client.session!r} {caught.value!r} {caught.value} {client.__dict__}"
    assert not any(token and token in shown for token in [*server.tokens, store.token("shop").value])
