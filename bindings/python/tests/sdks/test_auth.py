"""StoreAuth of requests and of httpx. httpx's Client and AsyncClient keep the same promises."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any, ClassVar

import anyio
import httpx
import pytest
import requests
from clients import BUSINESS, options_of_httpx, through_proxy
from server import OK, REFUSAL, Reply, Server
from simulator import Account, Simulator

import wxtoken.httpx
import wxtoken.requests
from wxtoken import ApiError, Store

Revoke = Callable[[Account], None]


class Requests:
    error: Any = requests.HTTPError

    def __init__(self, store: Store, *name: str, **options: Any) -> None:
        self.auth = wxtoken.requests.StoreAuth(store, *name, **options)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = self.auth

    def send(self, method: str, url: str, **options: Any) -> Any:
        return self.session.request(method, url, timeout=20, **options)

    def close(self) -> None:
        self.session.close()

    def stream(self, parts: list[bytes]) -> Any:
        return {"data": iter(parts)}

    def open(self, url: str) -> Any:
        return self.session.get(url, stream=True, timeout=20)

    ways: ClassVar[dict[str, Any]] = {
        "raw": lambda _, reply: reply.raw.read(),
        "parts": lambda _, reply: b"".join(reply.iter_content(7)),
        "whole": lambda _, reply: reply.content,
        "nothing": lambda _, reply: reply.close(),
    }


class Httpx:
    error: Any = httpx.HTTPStatusError

    def __init__(self, store: Store, *name: str, **options: Any) -> None:
        self.auth = wxtoken.httpx.StoreAuth(store, *name, **options)
        self.client = httpx.Client(auth=self.auth, trust_env=False, follow_redirects=True)

    def send(self, method: str, url: str, **options: Any) -> Any:
        return self.client.request(method, url, **options)

    def close(self) -> None:
        self.client.close()

    def stream(self, parts: list[bytes]) -> Any:
        return {"content": iter(parts)}

    def open(self, url: str) -> Any:
        return self.client.send(self.client.build_request("GET", url), stream=True)

    ways: ClassVar[dict[str, Any]] = {
        "raw": lambda _, reply: b"".join(reply.iter_raw()),
        "parts": lambda _, reply: b"".join(reply.iter_bytes(7)),
        "whole": lambda _, reply: reply.read(),
        "nothing": lambda _, reply: reply.close(),
    }


class AsyncHttpx(Httpx):
    def __init__(self, store: Store, *name: str, **options: Any) -> None:
        self.auth = wxtoken.httpx.StoreAuth(store, *name, **options)
        self.loop = asyncio.new_event_loop()
        self.client: Any = httpx.AsyncClient(auth=self.auth, trust_env=False, follow_redirects=True)

    def send(self, method: str, url: str, **options: Any) -> Any:
        return self.loop.run_until_complete(self.client.request(method, url, **options))

    def close(self) -> None:
        self.loop.run_until_complete(self.client.aclose())
        self.loop.close()

    def stream(self, parts: list[bytes]) -> Any:
        async def content() -> AsyncIterator[bytes]:
            for part in parts:
                yield part

        return {"content": content()}

    def open(self, url: str) -> Any:
        return self.loop.run_until_complete(super().open(url))

    def joined(self, parts: AsyncIterator[bytes]) -> bytes:
        async def join() -> bytes:
            return b"".join([part async for part in parts])

        return self.loop.run_until_complete(join())

    ways: ClassVar[dict[str, Any]] = {
        "raw": lambda self, reply: self.joined(reply.aiter_raw()),
        "parts": lambda self, reply: self.joined(reply.aiter_bytes(7)),
        "whole": lambda self, reply: self.loop.run_until_complete(reply.aread()),
        "nothing": lambda self, reply: self.loop.run_until_complete(reply.aclose()),
    }


Maker = Callable[..., Any]


@pytest.fixture
def make(store: Store) -> Iterator[Maker]:
    """Makes a client with a StoreAuth of the test's store."""
    with ExitStack() as clients:
        yield lambda library, *name, **options: clients.enter_context(closing(library(store, *name, **options)))


@pytest.fixture(params=[Requests, Httpx, AsyncHttpx], ids=["requests", "httpx", "httpx-async"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def account(sim: Simulator) -> Account:
    return sim.account()


@pytest.fixture
def store(account: Account, open_store: Callable[[Account], Store]) -> Store:
    return open_store(account)


@pytest.fixture
def client(library: Any, make: Maker) -> Any:
    """A client that sends the token of "shop" to 127.0.0.1."""
    return make(library, "shop", hosts=["127.0.0.1"])


def test_the_token_joins_the_query_and_changes_nothing_else(client: Any, store: Store, server: Server) -> None:
    for query in ("", "?", "?a=1&b=%E4%BD%A0&c", "?next=%2Fx%3Faccess_token%3Dno"):
        client.send("GET", f"{server.address}/path{query}")
    token = store.token("shop").value
    assert server.tokens == [token] * 4
    assert [request.query.rpartition("access_token=")[0].rstrip("&") for request in server.asked] == [
        "", "", "a=1&b=%E4%BD%A0&c", "next=%2Fx%3Faccess_token%3Dno"
    ]  # fmt: skip


def test_the_callers_own_token_is_left_alone(client: Any, store: Store, server: Server, sim: Simulator) -> None:
    first = store.token("shop")
    server.replies = [REFUSAL]
    assert client.send("GET", f"{server.address}/sns/userinfo?access_token=a-users").json() == REFUSAL.content
    assert server.tokens == ["a-users"]
    assert store.token("shop") == first


def test_only_wechat_gets_a_token(library: Any, make: Maker, server: Server) -> None:
    make(library, "shop").send("GET", f"{server.address}/path")
    assert server.tokens == [None]


def test_another_host_gets_no_token_by_a_redirect(client: Any, store: Store, server: Server, stranger: Server) -> None:
    for status in (302, 307):
        server.replies = [Reply({}, status, {"Location": f"{stranger.address}/elsewhere?a=1"})]
        stranger.replies = [REFUSAL]
        assert client.send("POST", f"{server.address}/path", json={"a": 1}).json() == REFUSAL.content
    assert server.tokens == [store.token("shop").value] * 2
    assert [request.query for request in stranger.asked] == ["a=1"] * 2


def test_requests_takes_the_token_out_of_a_redirect_to_another_host(
    make: Maker, server: Server, stranger: Server
) -> None:
    def elsewhere(request: Any) -> Reply:
        return Reply({}, 302, {"Location": f"{stranger.address}/elsewhere?{request.query}&a=1"})

    server.replies = [elsewhere]
    make(Requests, "shop", hosts=["127.0.0.1"]).send("GET", f"{server.address}/path?b=2")
    assert [request.query for request in stranger.asked] == ["b=2&a=1"]


def test_httpx_ignores_a_refusal_of_another_host(
    make: Maker, store: Store, server: Server, stranger: Server, sim: Simulator, account: Account
) -> None:
    def elsewhere(request: Any) -> Reply:
        return Reply({}, 302, {"Location": f"{stranger.address}/elsewhere?{request.query}"})

    server.replies, stranger.replies = [elsewhere], [REFUSAL]
    make(Httpx, "shop", hosts=["127.0.0.1"]).send("GET", f"{server.address}/path")
    store.token("shop")
    assert sim.counters(account.id)["requests"] == 1


def test_a_redirect_on_the_same_host_keeps_the_token(
    client: Any, store: Store, server: Server, revoke: Revoke, account: Account
) -> None:
    first = store.token("shop").value
    revoke(account)
    moved = [lambda request: Reply({}, 302, {"Location": f"/new?{request.query}"}), REFUSAL, OK]
    server.replies = [*moved[:2], OK]
    assert client.send("GET", f"{server.address}/old").json() == OK.content
    assert [server.tokens[0], server.tokens[1], server.tokens[-1]] == [first, first, store.token("shop").value]


def test_requests_keeps_the_token_in_a_redirect_to_tls_on_the_same_host(
    make: Maker, store: Store, server: Server
) -> None:
    client = make(Requests, "shop")
    # Requests without TLS go to the server, as to a proxy.
    through_proxy(client.session).proxies["http"] = server.address
    moved = [
        lambda request: Reply({}, 302, {"Location": f"{BUSINESS}?{request.query}"}),
        lambda request: Reply({}, 302, {"Location": f"{BUSINESS}?{request.query}".replace(".com", ".com:443")}),
    ]
    server.replies = [*moved, OK]
    for _ in moved:
        assert "ip_list" in client.send("GET", BUSINESS.replace("https:", "http:")).json()
    assert server.tokens == [store.token("shop").value] * 2


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:81/", "https://127.0.0.1:444/", "https://127.0.0.1.example/", "https://127.0.0.2/"]
)
def test_requests_takes_the_token_out_of_a_redirect_to_another_port(
    target: str, make: Maker, server: Server, store: Store
) -> None:
    client = make(Requests, "shop", hosts=["127.0.0.1"])
    server.replies = [lambda request: Reply({}, 302, {"Location": f"{target}?{request.query}&a=1"})]
    reply = client.send("GET", server.address, allow_redirects=False)
    assert server.tokens == [store.token("shop").value]
    assert reply.headers["location"] == f"{target}?a=1"


@pytest.mark.parametrize("code", [40001, 40014, 42001, 42006, 40082, 42009])
def test_a_refused_request_is_repeated_once_with_the_same_body(
    code: int, client: Any, store: Store, server: Server, revoke: Revoke, account: Account
) -> None:
    first = store.token("shop").value
    revoke(account)
    server.replies = [Reply({"errcode": code}), Reply({"errcode": 0, "ok": True})]
    reply = client.send("POST", f"{server.address}/send?a=1", json={"text": "你好"})
    assert reply.json() == {"errcode": 0, "ok": True}
    assert [len(reply.history), reply.history[0].json()["errcode"]] == [1, code]
    assert server.tokens == [first, store.token("shop").value]
    assert len(set(server.bodies)) == 1
    assert all(
        request.query.startswith("a=1&") and request.query.count("access_token") == 1 for request in server.asked
    )


def test_a_late_refusal_rejects_the_token_that_was_refused(
    client: Any, store: Store, server: Server, account: Account, sim: Simulator, late_refusal: Any
) -> None:
    first = store.token("shop").value
    reply, rejected = late_refusal(account, store)
    server.replies = [reply, OK]
    assert client.send("GET", f"{server.address}/slow").json() == OK.content
    assert rejected == [first]
    assert server.tokens == [first, store.token("shop").value]
    assert sim.counters(account.id)["minted"] == 2


def test_a_refusal_of_the_successor_is_the_reply(
    client: Any, store: Store, server: Server, revoke: Revoke, account: Account, sim: Simulator
) -> None:
    store.token("shop")
    revoke(account)
    server.replies = [REFUSAL]
    assert client.send("GET", f"{server.address}/path").json() == REFUSAL.content
    assert len(set(server.tokens)) == len(server.tokens) == 2
    # Immediately after a reject the store has no other token, so the request is not repeated.
    assert client.send("GET", f"{server.address}/path").json() == REFUSAL.content
    assert len(server.tokens) == 3
    assert sim.counters(account.id)["minted"] == 2


def test_a_form_with_a_file_is_repeated_completely(
    client: Any, store: Store, server: Server, revoke: Revoke, account: Account
) -> None:
    store.token("shop")
    revoke(account)
    server.replies = [REFUSAL, OK]
    client.send("POST", f"{server.address}/upload", files={"media": io.BytesIO(b"a picture")})
    assert len(server.bodies) == 2
    assert len(set(server.bodies)) == 1
    assert b"a picture" in server.bodies[0]


def test_a_file_is_read_again_from_where_it_stood(
    make: Maker, store: Store, server: Server, revoke: Revoke, account: Account
) -> None:
    store.token("shop")
    revoke(account)
    server.replies = [REFUSAL, OK]
    file = io.BytesIO(b"skipped, sent")
    file.seek(9)
    make(Requests, "shop", hosts=["127.0.0.1"]).send("POST", f"{server.address}/upload", data=file)
    assert server.bodies == [b"sent"] * 2


def test_a_stream_is_not_repeated_and_the_next_request_has_another_token(
    client: Any, store: Store, server: Server, revoke: Revoke, account: Account
) -> None:
    first = store.token("shop").value
    revoke(account)
    server.replies = [REFUSAL, OK]
    reply = client.send("POST", f"{server.address}/upload", **client.stream([b"a ", b"picture"]))
    assert reply.json() == REFUSAL.content
    client.send("GET", f"{server.address}/next")
    assert server.bodies == [b"a picture", b""]
    assert server.tokens == [first, store.token("shop").value]
    assert server.tokens[1] != first


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"errcode": 45009}),
        Reply({"errcode": "40001"}),
        Reply({"errcode": [40001]}),
        Reply([{"errcode": 40001}]),
        Reply({"errcode": 40001}, status=500),
        Reply({"errcode": 40001}, headers={"Content-Type": "text/html"}),
        Reply({"errcode": 40001, "padding": "x" * 20_000}),
        Reply(b"[" * 16_000, headers={"Content-Type": "application/json"}),
        Reply(b'{"errcode": 40001', headers={"Content-Type": "application/json"}),
        Reply(b"\xff\xfe{", headers={"Content-Type": "text/plain"}),
        Reply(b'{"errcode": 40001}'),
    ],
    ids=range(11),
)
def test_a_reply_that_is_not_a_refusal_passes_through(
    reply: Reply, client: Any, store: Store, server: Server, sim: Simulator, account: Account
) -> None:
    server.replies = [reply]
    answer = client.send("GET", f"{server.address}/path")
    assert answer.status_code == reply.status
    assert len(server.tokens) == 1
    client.send("GET", f"{server.address}/path")
    assert sim.counters(account.id)["requests"] == 1


@pytest.mark.parametrize("reply", [Reply(b"picture"), Reply({"errcode": 40001, "padding": "x" * 20_000})])
def test_a_download_is_not_read_ahead(reply: Reply, make: Maker, server: Server) -> None:
    server.replies = [reply]
    with make(Httpx, "shop", hosts=["127.0.0.1"]).client.stream("GET", f"{server.address}/media") as download:
        assert not download.is_stream_consumed
        whole = download.read()
    session = make(Requests, "shop", hosts=["127.0.0.1"]).session
    with session.get(f"{server.address}/media", stream=True) as download:
        assert download.raw.read() == whole


JSON = {"Content-Type": "application/json"}
BEGINNINGS = {
    "text": (b"a line\n", {"Content-Type": "text/plain"}),
    "list": (b'[{"errcode": 40001},', JSON),
    "lines": (b'{"errcode": 0}\n', JSON),
    "long": (b'{"errcode": 40001, "padding": "' + b"x" * 20_000, JSON),
}


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", BEGINNINGS)
def test_a_reply_of_unknown_length_is_streamed_as_it_arrives(
    kind: str, is_packed: bool, client: Any, server: Server, sim: Simulator, account: Account
) -> None:
    beginning, headers = BEGINNINGS[kind]
    whole = beginning + b"the rest"
    packer = zlib.compressobj(wbits=31)
    packed = [
        packer.compress(beginning) + packer.flush(zlib.Z_SYNC_FLUSH),
        packer.compress(b"the rest") + packer.flush(),
    ]
    parts = packed if is_packed else [beginning, b"the rest"]
    headers = {**headers, "Content-Encoding": "gzip"} if is_packed else headers
    for way, read in client.ways.items():
        waited, may_go_on = [], threading.Event()

        def content(waited: Any = waited, may_go_on: Any = may_go_on) -> Iterator[bytes]:
            yield parts[0]
            waited.append(may_go_on.wait(10))
            yield parts[1]

        server.replies = [Reply(content, headers=headers)]
        reply = client.open(f"{server.address}/{way}")
        assert waited == [], "the reply was held back"
        may_go_on.set()
        assert read(client, reply) == {"raw": b"".join(parts), "nothing": None}.get(way, whole)
    assert len({request.connection for request in server.asked}) == 1
    server.replies = [OK]
    assert client.send("GET", f"{server.address}/next").json() == OK.content
    assert sim.counters(account.id)["requests"] == 1


REFUSED = json.dumps(REFUSAL.content).encode()
PACKED = gzip.compress(REFUSED)


@pytest.mark.parametrize(
    "parts",
    [[REFUSED], [REFUSED[:1], REFUSED[1:12], REFUSED[12:]], [PACKED], [PACKED[:10], PACKED[10:15], PACKED[15:]]],
    ids=["plain", "plain-parts", "gzip", "gzip-parts"],
)
def test_a_refusal_of_unknown_length_is_noticed(
    parts: list[bytes], client: Any, store: Store, server: Server, revoke: Revoke, account: Account
) -> None:
    first = store.token("shop").value
    revoke(account)
    headers = {**JSON, "Content-Encoding": "gzip"} if parts[0][:1] == PACKED[:1] else JSON
    server.replies = [Reply(lambda: parts, headers=headers), OK]
    reply = client.send("GET", f"{server.address}/path")
    assert reply.json() == OK.content
    assert reply.history[0].json() == REFUSAL.content
    assert server.tokens == [first, store.token("shop").value]
    assert len({request.connection for request in server.asked}) == 1


@pytest.mark.parametrize("way", ["raw", "parts", "whole"])
def test_a_short_reply_can_be_streamed_in_any_way(
    way: str, client: Any, store: Store, server: Server, revoke: Revoke, account: Account
) -> None:
    first = store.token("shop").value
    revoke(account)
    cookie = {"Set-Cookie": "a=1"}
    server.replies = [REFUSAL, Reply(OK.content, headers=cookie), Reply({"errcode": 45009}, headers=cookie)]
    for expected in (OK.content, {"errcode": 45009}):
        reply = client.open(f"{server.address}/path")
        assert json.loads(client.ways[way](client, reply)) == expected
        assert reply.cookies["a"] == "1"
    assert server.tokens == [first] + [store.token("shop").value] * 2
    assert len({request.connection for request in server.asked}) == 1


def test_requests_keeps_the_cookies_of_a_short_reply_that_is_streamed(make: Maker, server: Server) -> None:
    client = make(Requests, "shop", hosts=["127.0.0.1"])
    server.replies = [Reply({"errcode": 0}, headers={"Set-Cookie": "a=1"})]
    client.open(f"{server.address}/path").close()
    assert client.session.cookies["a"] == "1"


@pytest.mark.parametrize("library", [Httpx, AsyncHttpx])
def test_a_reply_of_httpx_that_breaks_off_names_its_request(library: Any, client: Any, server: Server) -> None:
    server.replies = [Reply(b'{"errcode": ', headers={**JSON, "Content-Length": "99", "Connection": "close"})]
    with pytest.raises(httpx.RemoteProtocolError) as caught:
        client.send("GET", f"{server.address}/path")
    assert caught.value.request.url.path == "/path"


def test_many_threads_that_are_refused_at_once_cost_one_mint(
    library: Any, store: Store, sim: Simulator, revoke: Revoke, account: Account
) -> None:
    store.token("shop")
    revoke(account)
    if library is AsyncHttpx:

        async def all_at_once() -> list[Any]:
            auth = wxtoken.httpx.StoreAuth(store, "shop")
            async with httpx.AsyncClient(auth=auth, **options_of_httpx()) as client:
                return await asyncio.gather(*[client.get(BUSINESS) for _ in range(40)])

        replies = asyncio.run(all_at_once())
    else:
        session: Any = through_proxy(requests.Session())
        session.auth = wxtoken.requests.StoreAuth(store, "shop")
        if library is Httpx:
            session = httpx.Client(auth=wxtoken.httpx.StoreAuth(store, "shop"), **options_of_httpx())
        with session, ThreadPoolExecutor(20) as pool:
            replies = list(pool.map(lambda _: session.get(BUSINESS), range(40)))
    assert all("ip_list" in reply.json() for reply in replies)
    assert sim.counters(account.id)["minted"] == 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_fetch_delays_neither_the_event_loop_nor_a_cancelled_task(
    backend: str, sim: Simulator, open_store: Any, server: Server
) -> None:
    account = sim.account(delay_ms=6000)
    store = open_store(account)
    auth = wxtoken.httpx.StoreAuth(store, "shop", hosts=["127.0.0.1"])

    def is_fetching() -> bool:
        return sim.counters(account.id)["in_flight"] == 1

    async def story() -> None:
        replies = []

        async def call() -> None:
            replies.append(await client.get(f"{server.address}/path"))

        async with httpx.AsyncClient(auth=auth, trust_env=False) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            while not is_fetching():
                assert replies == [], "the loop has waited for the fetch"
                await anyio.sleep(0.01)
            with anyio.move_on_after(0.1) as hurried:
                await call()
            assert hurried.cancelled_caught
            assert is_fetching()
        assert [reply.json() for reply in replies] == [OK.content]

    anyio.run(story, backend=backend)
    assert server.tokens == [store.token("shop").value]
    assert sim.counters(account.id)["minted"] == 1


def test_a_request_of_httpx_can_be_sent_again_with_another_token(
    store: Store, server: Server, revoke: Revoke, account: Account
) -> None:
    with httpx.Client(auth=wxtoken.httpx.StoreAuth(store, "shop", hosts=["127.0.0.1"]), trust_env=False) as client:
        request = client.build_request("POST", f"{server.address}/path", json={"a": 1})
        client.send(request)
        first = store.token("shop")
        revoke(account)
        store.reject("shop", first)
        client.send(request)
    assert server.tokens == [first.value, store.token("shop").value]
    assert server.tokens[1] != first.value


def test_the_token_of_a_suite_has_its_own_parameter(
    library: Any, make: Maker, store: Store, server: Server
) -> None:
    client = make(library, "shop", param="suite_access_token", hosts=["127.0.0.1"])
    client.send("GET", f"{server.address}/path?access_token=other")
    assert server.asked[0].query == f"access_token=other&suite_access_token={store.token('shop').value}"


def test_no_name_means_the_current_account(library: Any, make: Maker, store: Store, server: Server) -> None:
    make(library, hosts=["127.0.0.1"]).send("GET", f"{server.address}/path")
    assert server.tokens == [store.token().value]


def test_a_failure_of_the_store_is_the_failure_of_the_request(
    client: Any, store: Store, account: Account, server: Server
) -> None:
    store.register("shop", "official", account.id, "wrong")
    with pytest.raises(ApiError) as caught:
        client.send("GET", f"{server.address}/path")
    assert caught.value.errcode == 40125
    assert server.asked == []


def test_no_token_is_shown(
    client: Any, store: Store, server: Server, revoke: Revoke, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    # urllib3 logs every path and query at DEBUG, as the README says.
    caplog.set_level(logging.INFO if isinstance(client, Requests) else logging.DEBUG)
    store.token("shop")
    revoke(account)
    server.replies = [REFUSAL, Reply({}, status=500)]
    reply = client.send("GET", f"{server.address}/path")
    with pytest.raises(client.error) as caught:
        reply.raise_for_status()
    shown = f"{client.auth!r} {reply!r} {reply.url} {reply.history} {reply.history[0].url} {reply.request!r}"
    if not isinstance(client, Requests):
        shown += f" {reply.url!r} {reply.request.url!r} {reply.request.url}"
    shown += f" {caught.value} {caught.value!r} {caplog.text}"
    assert len(set(server.tokens)) == 2
    assert not any(token and token in shown for token in server.tokens)
    assert "access_token=***" in str(reply.url)
