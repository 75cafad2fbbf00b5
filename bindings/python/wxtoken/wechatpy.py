"""The clients of wechatpy 1.8 and 2.0 with the tokens and tickets of a Store: ``pip install "wxtoken[wechatpy]"``.

    from wxtoken.wechatpy import WeChatClient

    client = WeChatClient(appid, store, "shop")
    client.misc.get_wechat_ips()

Without the Store's help such a client would mint each time it starts, and each time it is refused.
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
    """What both kinds of client take from a Store.

    The SDK's own repeating mints, and has no end: it is switched off, and done by the request's hook.
    """

    _store: Store
    _name: str

    def _take_from(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        # What this thread was served last: the SDK puts it into a URL at once, in one way or another.
        self._served = threading.local()

    @property
    def access_token(self) -> str:
        """The Store's token, at each use."""
        token = self._store.token(self._name).value
        self._served.token = token
        return token

    def fetch_access_token(self) -> NoReturn:
        """Refuse to: the Store fetches when it has to."""
        raise NotImplementedError("this client does not fetch: client.access_token is the store's token, valid now")

    def _request(self, method: str, url_or_endpoint: str, **kwargs: Any) -> Any:
        kwargs.setdefault("auth", self._look_at)
        return super()._request(method, url_or_endpoint, **kwargs)  # type: ignore[misc]

    def _look_at(self, request: PreparedRequest) -> PreparedRequest:
        token = token_in_url(request.url, "access_token")
        # Another one is of the caller's own, a user's perhaps.
        if token is not None and token == getattr(self._served, "token", None):
            notice_refusal(request, self._store, self._name, token, "access_token", _was_refused)
        return request


def _was_refused(reply: Response, _: bool) -> bool:
    """Whether wechatpy would say so, which reads each reply whole, whatever its media type and however it is asked."""
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

    appid        as before
    store, name  an account of the kind "official", "official_classic" or "authorizer"
    timeout      of a request, in seconds, as before; that of the Store is its own

    It has no secret; ``client.secret = …`` gives it one for what is no access token, as ``wxa.code_to_session``.
    """

    def __init__(self, appid: str, store: Store, name: str, *, timeout: float | None = None) -> None:
        self._take_from(store, name)
        tickets = {f"{appid}_jsapi_ticket": "jsapi_ticket", f"{appid}_jsapi_card_ticket": "card_ticket"}
        session = _Session(store, name, tickets)
        super().__init__(appid, "", session=session, timeout=timeout, auto_retry=False)


class WorkClient(_Tokens, _WorkClient):  # type: ignore[misc]
    """wechatpy.work.WeChatClient (wechatpy.enterprise.WeChatClient in 1.8) for an app of WeCom.

    corp_id      as before
    store, name  an account of the kind "work" or "work_authorized"
    timeout      of a request, in seconds, as before; that of the Store is its own
    """

    def __init__(self, corp_id: str, store: Store, name: str, *, timeout: float | None = None) -> None:
        self._take_from(store, name)
        tickets = {f"{corp_id}_jsapi_ticket": "jsapi_ticket", f"{corp_id}_agent_jsapi_ticket": "agent_ticket"}
        session = _Session(store, name, tickets)
        super().__init__(corp_id, "", session=session, timeout=timeout, auto_retry=False)


class _Session(MemoryStorage):  # type: ignore[misc]
    """Where a client looks for a ticket, and when it ends. It has them all, from the Store, and they never end."""

    def __init__(self, store: Store, name: str, tickets: dict[str, str]) -> None:
        super().__init__()
        self._store = store
        self._name = name
        self._tickets = tickets

    def get(self, key: str, default: Any = None) -> Any:
        """A ticket, or what the client has put here."""
        if key in self._tickets:
            return self._store.token(f"{self._name}/{self._tickets[key]}").value
        if key.removesuffix("_expires_at") in self._tickets:
            return sys.maxsize
        return super().get(key, default)
