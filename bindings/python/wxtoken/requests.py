"""An access token of a Store on each request of ``requests``: ``pip install "wxtoken[requests]"``.

    from wxtoken.requests import StoreAuth

    session.auth = StoreAuth(store, "shop")
    session.get("https://api.weixin.qq.com/cgi-bin/get_api_domain_ip")

Private to the package: notice_refusal, by which the clients of wechatpy do the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from urllib3 import HTTPResponse

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

    A reply that is streamed (``stream=True``) is looked at only where it says that it is short, by a Content-Length of
    at most 16 KiB, and has no Content-Encoding. Any other comes to the caller as it arrives, a refusal too.

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
            notice_refusal(r, self._store, self._name, token, self._param, was_refused)
        return r


def notice_refusal(
    request: PreparedRequest,
    store: Store,
    name: str | None,
    token: str,
    param: str,
    was_refused: Callable[[Response, bool], bool],
) -> None:
    """Have the reply to this request looked at; it carries this token, and gets another should that be refused.

    was_refused  whether a reply refuses the token, also given whether the caller streams it
    """
    body: Any = request.body
    start = position(body)

    def on_reply(reply: Response, **how: Any) -> Response:
        """Return the reply, or that to the request with another token."""
        if token_in_url(reply.request.url, param) == token and was_refused(reply, bool(how.get("stream"))):
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


def was_refused(reply: Response, streams: bool) -> bool:
    """Whether this reply refuses the token; its body can still be read afterwards, in any way."""
    if not may_refuse(reply.status_code, reply.headers):
        return False
    if not streams:
        return refuses(reply.content)
    raw = reply.raw
    says_all = "content-length" in reply.headers and "content-encoding" not in reply.headers
    if not says_all or not isinstance(raw, HTTPResponse):
        return False
    # Nothing is left in raw then.
    content = reply.content
    reply.raw = HTTPResponse(
        io.BytesIO(content),
        headers=raw.headers,
        status=raw.status,
        version=raw.version,
        reason=raw.reason,
        preload_content=False,
        original_response=raw._original_response,
        # A reply to HEAD has a length, and no body.
        enforce_content_length=False,
    )
    return refuses(content)


def without_leaks(reply: Response, param: str) -> Response:
    """The reply with no token in its ``url``, which gets into exceptions, and none in a redirect to elsewhere."""
    url = reply.url
    if reply.is_redirect:
        target = urljoin(url, reply.headers["location"])
        if token_in_url(target, param) is not None and not is_same_site(url, target):
            reply.headers["location"] = url_with_token(target, param, None)
    if token_in_url(url, param) is not None:
        reply.url = url_with_token(url, param, "***")
    return reply


def is_same_site(url: str, target: str) -> bool:
    """Whether a redirect stays where it is, or goes to the same host by TLS at its usual port."""
    here, there = urlsplit(url), urlsplit(target)
    if here[:2] == there[:2]:
        return True
    return there.scheme == "https" and there.netloc.lower() in (here.hostname, f"{here.hostname}:443")
