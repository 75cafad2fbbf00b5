"""Each client twice, with a Store and without, at WeChat's own addresses, which the simulator's proxy serves.

Run as a program, it is one such client in its own process. For each line that it reads, it makes a business call, and
writes the error, or an empty line.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from requests.adapters import HTTPAdapter
from simulator import Account

from wxtoken import Store

API = "https://api.weixin.qq.com/cgi-bin"
BUSINESS = f"{API}/getcallbackip"

Call = Callable[[], Any]


class Client(NamedTuple):
    """A client, and the usual kind of its accounts. A failed call raises."""

    kind: str
    by_store: Callable[[Account, Store], Call]
    alone: Callable[[Account], Call]


class Refused(Exception):
    """An errcode, for a client that does not raise itself."""


def checked(reply: Any) -> Any:
    if reply.json().get("errcode", 0):
        raise Refused(reply.json())
    return reply


def context() -> ssl.SSLContext:
    """A context that accepts the simulator's certificates, which lack a field that Python 3.13 requires by default."""
    made = ssl.create_default_context(cafile=os.environ["WXSIM_CA"])
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return made


class Adapter(HTTPAdapter):
    def init_poolmanager(self, *of: Any, **options: Any) -> Any:
        return super().init_poolmanager(*of, ssl_context=context(), **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=context(), **options)


def through_proxy(session: Any) -> Any:
    """A session of requests that the simulator answers."""
    session.mount("https://", Adapter(pool_maxsize=20))
    session.trust_env = False
    session.proxies = {"https": os.environ["WXSIM_PROXY"]}
    session.verify = os.environ["WXSIM_CA"]
    return session


def options_of_httpx() -> dict[str, Any]:
    return {"trust_env": False, "proxy": os.environ["WXSIM_PROXY"], "verify": context()}


def official(client: Any) -> Call:
    through_proxy(client._http)
    return lambda: client.misc.get_wechat_ips()


def wechatpy_by_store(account: Account, store: Store) -> Call:
    from wxtoken.wechatpy import WeChatClient

    return official(WeChatClient(account.id, store, "shop"))


def wechatpy_alone(account: Account) -> Call:
    from wechatpy import WeChatClient

    return official(WeChatClient(account.id, account.secret))


def work(client: Any) -> Call:
    through_proxy(client._http)
    return lambda: client.agent.list()


def work_by_store(account: Account, store: Store) -> Call:
    from wxtoken.wechatpy import WorkClient

    return work(WorkClient(account.id, store, "shop"))


def work_alone(account: Account) -> Call:
    try:
        from wechatpy.work import WeChatClient
    except ImportError:
        from wechatpy.enterprise import WeChatClient
    return work(WeChatClient(account.id, account.secret))


def requests_by_store(account: Account, store: Store) -> Call:
    import requests

    from wxtoken.requests import StoreAuth

    session = through_proxy(requests.Session())
    session.auth = StoreAuth(store, "shop")
    return lambda: checked(session.get(BUSINESS))


def httpx_by_store(account: Account, store: Store) -> Call:
    import httpx

    from wxtoken.httpx import StoreAuth

    client = httpx.Client(auth=StoreAuth(store, "shop"), **options_of_httpx())
    return lambda: checked(client.get(BUSINESS))


def async_httpx_by_store(account: Account, store: Store) -> Call:
    import httpx

    from wxtoken.httpx import StoreAuth

    client = httpx.AsyncClient(auth=StoreAuth(store, "shop"), **options_of_httpx())
    loop = asyncio.new_event_loop()
    return lambda: checked(loop.run_until_complete(client.get(BUSINESS)))


class ByHand:
    """A program without an SDK: it keeps a token in memory until shortly before its expiry time."""

    def __init__(self, account: Account, get: Callable[..., Any]) -> None:
        self.account = account
        self.get = get
        self.ends = 0.0

    def __call__(self) -> Any:
        if time.time() > self.ends - 60:
            params = {"grant_type": "client_credential", "appid": self.account.id, "secret": self.account.secret}
            reply = checked(self.get(f"{API}/token", params=params)).json()
            self.token, self.ends = reply["access_token"], time.time() + reply["expires_in"]
        return checked(self.get(BUSINESS, params={"access_token": self.token}))


def requests_alone(account: Account) -> Call:
    import requests

    return ByHand(account, through_proxy(requests.Session()).get)


def httpx_alone(account: Account) -> Call:
    import httpx

    return ByHand(account, httpx.Client(**options_of_httpx()).get)


def async_httpx_alone(account: Account) -> Call:
    import httpx

    client = httpx.AsyncClient(**options_of_httpx())
    loop = asyncio.new_event_loop()
    return ByHand(account, lambda *of, **more: loop.run_until_complete(client.get(*of, **more)))


CLIENTS = {
    "wechatpy": Client("official", wechatpy_by_store, wechatpy_alone),
    "wechatpy-work": Client("work", work_by_store, work_alone),
    "requests": Client("official", requests_by_store, requests_alone),
    "httpx": Client("official", httpx_by_store, httpx_alone),
    "httpx-async": Client("official", async_httpx_by_store, async_httpx_alone),
}


def open_store(path: str) -> Store:
    return Store(path, api_base_url=os.environ["WXSIM_HTTP"], work_base_url=os.environ["WXSIM_HTTP"])


def main(name: str, kind: str, account_id: str, secret: str, path: str) -> None:
    client = CLIENTS[name]
    account = Account(kind, account_id, secret)
    call = client.by_store(account, open_store(path)) if path else client.alone(account)
    print("", flush=True)
    for _ in sys.stdin:
        try:
            call()
            print("", flush=True)
        except Exception as e:
            print(f"{type(e).__name__}: {e}".replace("\n", " "), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
