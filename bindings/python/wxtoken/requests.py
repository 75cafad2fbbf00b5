"""An access token of a Store on each request of ``requests``: ``pip install "wxtoken[requests]"``.

    session.auth = wxtoken.requests.StoreAuth(store, "shop")
    session.get("https://api.weixin.qq.com/cgi-bin/get_api_domain_ip")

Private to the package: notice_refusal, by which the clients of wechatpy do the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar

from ._refusal import HOSTS, is_among, may_refuse, refuses, token_in_url, url_with_token
from .store import Store


class StoreAuth(AuthBase):
    """Puts the Store's token into the query of each request, and repeats the one whose token is refused, once.

    store, name  as for Store.token
    param        what the token is called in the query: "access_token", "component_access_token" and so on
    hosts        who may have the token; a request to anybody else goes out as it is. By default these are
                 weixin.qq.com and api.q.qq.com, and all hosts below them.

    A request that has a token in its query already is left alone. A reply refuses the token by one of the errcodes
    40001, 40014 and 42001 (42006 of a component, 40082 or 42009 of a suite): then exactly that token is rejected, and
    the request repeated with its successor, if there is one and the body can be sent again. Otherwise the refusal is
    the reply. Where the Store fails, its WxTokenError is raised.

    Any thread may use it, several at once.
    """

    def __init__(
        self, store: Store, name: str | None = None, *, param: str = "access_token", hosts: Iterable[str] = HOSTS
    ) -> None:
        self._store = store
        self._name = name
        self._param = param
        self._hosts = tuple(hosts)

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Give a request its token."""
        url = r.url or ""
        if is_among(urlsplit(url).hostname, self._hosts) and token_in_url(url, self._param) is None:
            token = self._store.token(self._name).value
            r.url = url_with_token(url, self._param, token)
            notice_refusal(r, self._store, self._name, token, self._param)
        return r


def notice_refusal(
    request: PreparedRequest, store: Store, name: str | None, token: str, param: str = "access_token"
) -> None:
    """Have the reply to this request looked at; it carries this token, and gets another should that be refused."""
    body: Any = request.body
    start = position(body)

    def on_reply(reply: Response, **how: Any) -> Response:
        """Return the reply, or that to the request with another token."""
        if token_in_url(reply.request.url, param) == token and was_refused(reply):
            store.reject(name, token)
            if body is None or isinstance(body, (bytes, str)) or start is not None:
                successor = store.token(name).value
                if successor != token:
                    reply = repeat(reply, successor, how)
        return without_leaks(reply, param)

    def repeat(refusal: Response, successor: str, how: dict[str, Any]) -> Response:
        refusal.close()
        again = refusal.request.copy()
        again.url = url_with_token(again.url or "", param, successor)
        jar = vars(again)["_cookies"]
        extract_cookies_to_jar(jar, refusal.request, refusal.raw)
        again.prepare_cookies(jar)
        if start is not None:
            body.seek(start)
        # Past the session, so that no hook runs for it.
        reply: Response = refusal.connection.send(again, **how)
        reply.history.append(without_leaks(refusal, param))
        reply.request = again
        return reply

    request.register_hook("response", on_reply)


def position(body: Any) -> int | None:
    """Where a file, of which the body is read, stands now; None for any other body."""
    try:
        return int(body.tell()) if body.seekable() else None
    except (AttributeError, OSError):
        return None


def was_refused(reply: Response) -> bool:
    """Whether this reply refuses the token; its body can still be read afterwards."""
    return may_refuse(reply.status_code, reply.headers) and refuses(reply.content)


def without_leaks(reply: Response, param: str) -> Response:
    """The reply with no token in its ``url``, which gets into exceptions, and none in a redirect to elsewhere."""
    url = reply.url
    if reply.is_redirect:
        target = urljoin(url, reply.headers["location"])
        if token_in_url(target, param) is not None and urlsplit(target)[:2] != urlsplit(url)[:2]:
            reply.headers["location"] = url_with_token(target, param, None)
    if token_in_url(url, param) is not None:
        reply.url = url_with_token(url, param, "***")
    return reply
