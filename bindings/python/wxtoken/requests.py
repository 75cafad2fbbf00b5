"""Adds a Store's access token to each request of ``requests``: ``pip install "wxtoken[requests]"``.

    from wxtoken.requests import StoreAuth

    session.auth = StoreAuth(store, "shop")
    session.get("https://api.weixin.qq.com/cgi-bin/get_api_domain_ip")

Private to the package: notice_refusal, which the clients of wechatpy use too.
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
    """Adds the Store's token to the query of each request, and repeats a request once if its token is refused.

    store, name  as for Store.token
    param        the token's name in the query: "access_token", "component_access_token" and so on
    hosts        the hosts that may get the token; a request to any other goes out unchanged. The default is
                 weixin.qq.com and api.q.qq.com, and all hosts below them.

    A request that already has a token in its query is left alone. A reply refuses the token by one of the errcodes
    40001, 40014 and 42001 (42006 of a component, 40082 or 42009 of a suite). That token is then rejected. The request
    is repeated with its successor, if there is one and the body can be sent again. Otherwise the caller gets the
    refusal. If the Store fails, its WxTokenError is raised.

    A streamed reply (``stream=True``) is checked only if it is short: it has a Content-Length of at most 16 KiB and no
    Content-Encoding. Any other comes to the caller as it arrives, even if it is a refusal.

    Any number of threads may use it at once.
    """

    def __init__(
        self, store: Store, name: str | None = None, *, param: str = "access_token", hosts: Iterable[str] = HOSTS
    ) -> None:
        self._store = store
        self._name = name
        self._param = param
        self._hosts = tuple(hosts)

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Add the token to a request."""
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
    """Check the reply to this request, which carries this token, and repeat it with another if the token is refused.

    was_refused  returns whether a reply refuses the token; its second argument is whether the caller streams it
    """
    body: Any = request.body
    start = position(body)

    def on_reply(reply: Response, **how: Any) -> Response:
        """Return the reply, or the reply to the repeated request."""
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
        # Sent without the session, so that no hook runs for it.
        reply: Response = refusal.connection.send(again, **how)
        reply.history.append(without_leaks(refusal, param))
        reply.request = again
        return reply

    request.register_hook("response", on_reply)


def position(body: Any) -> int | None:
    """Return the position of a file that the body is read from, or None for any other body."""
    try:
        return int(body.tell()) if body.seekable() else None
    except (AttributeError, OSError):
        return None


def was_refused(reply: Response, streams: bool) -> bool:
    """Return whether this reply refuses the token. Its body can still be read afterwards, in any way."""
    if not may_refuse(reply.status_code, reply.headers):
        return False
    if not streams:
        return refuses(reply.content)
    raw = reply.raw
    says_all = "content-length" in reply.headers and "content-encoding" not in reply.headers
    if not says_all or not isinstance(raw, HTTPResponse):
        return False
    # After this, raw is empty.
    content = reply.content
    reply.raw = HTTPResponse(
        io.BytesIO(content),
        headers=raw.headers,
        status=raw.status,
        version=raw.version,
        reason=raw.reason,
        preload_content=False,
        original_response=raw._original_response,
        # A reply to HEAD has a length, but no body.
        enforce_content_length=False,
    )
    return refuses(content)


def without_leaks(reply: Response, param: str) -> Response:
    """Return the reply without a token in its ``url``, which exceptions show, or in a redirect to another host."""
    url = reply.url
    if reply.is_redirect:
        target = urljoin(url, reply.headers["location"])
        if token_in_url(target, param) is not None and not is_same_site(url, target):
            reply.headers["location"] = url_with_token(target, param, None)
    if token_in_url(url, param) is not None:
        reply.url = url_with_token(url, param, "***")
    return reply


def is_same_site(url: str, target: str) -> bool:
    """Return whether a redirect stays on its origin, or goes to the same host by TLS at the usual port."""
    here, there = urlsplit(url), urlsplit(target)
    if here[:2] == there[:2]:
        return True
    return there.scheme == "https" and there.netloc.lower() in (here.hostname, f"{here.hostname}:443")
