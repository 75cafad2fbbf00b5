"""The clients of wechatpy 1.8 and 2.0 with a Store's tokens and tickets: ``pip install "wxtoken[wechatpy]"``.

    from wxtoken.wechatpy import WeChatClient

    client = WeChatClient(appid, store, "shop")
    client.misc.get_wechat_ips()

Without the Store, such a client would mint a token each time it starts and each time its token is refused.
"""

from __future__ import annotations

import sys
import threading
from typing import Any, NoReturn

import wechatpy
from requests import PreparedRequest, Response
from wechatpy.session.memorystorage import MemoryStorage

from ._refusal import REFUSALS, object_in, token_in_url
from .requests import notice_refusal
from .store import Store

try:
    from wechatpy.work import WeChatClient as _WorkClient
except ImportError:  # wechatpy 1.8
    from wechatpy.enterprise import WeChatClient as _WorkClient


class _Tokens:
    """The parts of both clients that use a Store.

    The SDK's own repetition mints tokens without limit. It is switched off, and the request's hook repeats instead.
    """

    _store: Store
    _name: str

    def _take_from(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        # The token that this thread was given last. The SDK puts it into a URL at once.
        self._served = threading.local()

    @property
    def access_token(self) -> str:
        """The Store's token, read at each use."""
        token = self._store.token(self._name).value
        self._served.token = token
        return token

    def fetch_access_token(self) -> NoReturn:
        """Raise NotImplementedError, because the Store fetches when it must."""
        raise NotImplementedError("this client does not fetch: client.access_token is the store's token, valid now")

    def _request(self, method: str, url_or_endpoint: str, **kwargs: Any) -> Any:
        kwargs.setdefault("auth", self._look_at)
        return super()._request(method, url_or_endpoint, **kwargs)  # type: ignore[misc]

    def _look_at(self, request: PreparedRequest) -> PreparedRequest:
        token = token_in_url(request.url, "access_token")
        # Any other token is the caller's own, perhaps a user's.
        if token is not None and token == getattr(self._served, "token", None):
            notice_refusal(request, self._store, self._name, token, "access_token", _was_refused)
        return request


def _was_refused(reply: Response, _: bool) -> bool:
    """Return whether wechatpy would call it a refusal. It reads each reply whole, whatever its media type."""
    if reply.status_code != 200:
        return False
    said = object_in(reply.content)
    inner = said.get("base_resp")
    if isinstance(inner, dict):
        said.update(inner)
    try:
        return int(said.get("errcode", 0)) in REFUSALS
    except (TypeError, ValueError, OverflowError):
        return False


class WeChatClient(_Tokens, wechatpy.WeChatClient):  # type: ignore[misc]
    """wechatpy.WeChatClient for an official account or a mini program, also one that has authorized a component.

    appid        as for wechatpy's client
    store, name  an account of the kind "official", "official_classic" or "authorizer"
    timeout      of a request, in seconds, as for wechatpy's client; the Store has its own

    It has no secret. Set ``client.secret`` for calls that send it themselves, such as ``wxa.code_to_session``.
    """

    def __init__(self, appid: str, store: Store, name: str, *, timeout: float | None = None) -> None:
        self._take_from(store, name)
        tickets = {f"{appid}_jsapi_ticket": "jsapi_ticket", f"{appid}_jsapi_card_ticket": "card_ticket"}
        session = _Session(store, name, tickets)
        super().__init__(appid, "", session=session, timeout=timeout, auto_retry=False)


class WorkClient(_Tokens, _WorkClient):  # type: ignore[misc]
    """wechatpy.work.WeChatClient (wechatpy.enterprise.WeChatClient in 1.8) for an app of WeCom.

    corp_id      as for wechatpy's client
    store, name  an account of the kind "work" or "work_authorized"
    timeout      of a request, in seconds, as for wechatpy's client; the Store has its own
    """

    def __init__(self, corp_id: str, store: Store, name: str, *, timeout: float | None = None) -> None:
        self._take_from(store, name)
        tickets = {f"{corp_id}_jsapi_ticket": "jsapi_ticket", f"{corp_id}_agent_jsapi_ticket": "agent_ticket"}
        session = _Session(store, name, tickets)
        super().__init__(corp_id, "", session=session, timeout=timeout, auto_retry=False)


class _Session(MemoryStorage):  # type: ignore[misc]
    """The client's storage of tickets and their expiry times. It gets every ticket from the Store, and none expires."""

    def __init__(self, store: Store, name: str, tickets: dict[str, str]) -> None:
        super().__init__()
        self._store = store
        self._name = name
        self._tickets = tickets

    def get(self, key: str, default: Any = None) -> Any:
        """Return a ticket, or a value that the client has stored here."""
        if key in self._tickets:
            return self._store.token(f"{self._name}/{self._tickets[key]}").value
        if key.removesuffix("_expires_at") in self._tickets:
            return sys.maxsize
        return super().get(key, default)
