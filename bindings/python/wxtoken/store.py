"""Store and Token: the calls of the C library in Python."""

from __future__ import annotations

import json
import math
import os
from ctypes import byref, c_size_t, create_string_buffer
from dataclasses import dataclass
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, NoReturn, Union

from . import _library
from ._implementation import Base, implementation
from ._library import LIBRARY, Handle, optional_text, text
from .errors import ArgumentError, failure

OptionValue = Union[str, int, "os.PathLike[str]", None]
"""A number may be an int, a switch a bool, a path an os.PathLike. None leaves the default."""


@dataclass(frozen=True, repr=False)
class Token:
    """An access token, or another credential such as a ticket.

    ``str(token)`` is its value, so it can be put into a URL. ``repr(token)`` hides it.

    value       the token itself
    expires_at  when it expires, an aware datetime in UTC, or None if no end is known, as for a refresh token. The token
                may be revoked earlier: see Store.reject.
    """

    value: str
    expires_at: datetime | None

    @property
    def expires_in(self) -> float:
        """Return the seconds left from now, by this host's clock, or infinity if no end is known."""
        if self.expires_at is None:
            return math.inf
        return (self.expires_at - datetime.now(timezone.utc)).total_seconds()

    def __str__(self) -> str:
        return self.value

    def __repr__(self) -> str:
        until = "" if self.expires_at is None else f" until {self.expires_at.isoformat()}"
        return f"<wxtoken.Token of {len(self.value)} chars{until}>"


class Store(Base):
    """An open store. Any number of threads may use it at once, before and after a fork.

    path     the SQLite file, created if it does not exist; its directory must exist. A URL such as redis://HOST names a
             store on a server. None means $WXTOKEN_STORE, else $XDG_STATE_HOME/wxtoken/tokens.db, else
             ~/.local/state/wxtoken/tokens.db. Do not put it on a network filesystem.
    options  as for ``set``: ``Store(path, timeout_ms=3000, background_refresh=True)``

    Opening again is cheap, because the stores of a process share a cache. Do not open the file with the module
    ``sqlite3`` in a process that uses this library, because that SQLite would lose its locks.

    Raises ArgumentError, StoreError or TimeoutError.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, **options: OptionValue) -> None:
        self._handle: Handle | None = None
        # The token that was returned last, and its expiry time. The next is usually the same.
        self._last: tuple[int, Token] | None = None
        # The library takes UTF-8 whatever the locale, so that every language names the same file.
        name = None if path is None else text("path", os.fsdecode(path))
        self._handle = Handle(name)
        for option, value in options.items():
            if value is not None:
                self.set(option, value)

    def set(self, option: str, value: OptionValue) -> None:
        """Set an option of this Store. The default of each is $WXTOKEN_<OPTION>, read when the Store was opened.

        option               default                         range          what it is
        api_base_url         https://api.weixin.qq.com       a URL          official accounts, mini programs
        work_base_url        https://qyapi.weixin.qq.com     a URL          WeCom
        qq_base_url          https://api.q.qq.com            a URL          QQ mini programs
        douyin_base_url      https://developer.toutiao.com   a URL          Douyin mini programs, the old endpoint
        dingtalk_base_url    https://api.dingtalk.com        a URL          DingTalk
        feishu_base_url      https://open.feishu.cn          a URL          Feishu
        qqbot_base_url       https://bots.qq.com             a URL          QQ bots
        douyin_open_base_url https://open.douyin.com         a URL          Douyin's open platform
        douyin_game_base_url https://minigame.zijieapi.com   a URL          Douyin mini games
        lark_base_url        https://open.larksuite.com      a URL          Lark
        xiaohongshu_base_url https://miniapp.xiaohongshu.com a URL          Xiaohongshu mini programs
        baidu_base_url       https://openapi.baidu.com       a URL          Baidu smart programs
        qidian_base_url      https://api.qidian.qq.com       a URL          QiDian
        timeout_ms           8000                            1 to 600000 ms the longest a call waits; saving may add 2 s
        connect_timeout_ms   3000                            1 to 600000 ms for DNS, again for connect and TLS together
        refresh_ahead_s      270                             0 to 3600 s    how early to refresh; 1/10 of a life at most
        background_refresh   0                               0 or 1         1: a thread refreshes ahead; no caller waits
        revalidate_ms        200                             0 to 60000 ms  how soon another process's change is seen
        proxy                none                            a URL          http:// or socks5h://[user:pass@]host:port
        ip_version           any                             any, 4 or 6    which addresses of a host's name are used
        allow_plain_http     0                               0 or 1         1: a private address may be plain http
        ca_file              none                            a path         extra PEM certificates to trust
        key_file             <store>.key                     a path         the key that seals the secrets
        server_key           none                            a client key   this program's key at a wxtoken server
        server_key_file      none                            a path         the file of that key
        log                  off                             a level        off, error, info or debug; to stderr

        A bool means 1 or 0. An empty URL or path means the default. Plain http is accepted for a loopback address. With
        allow_plain_http, set before the URL, it is also accepted for a private address.

        Raises ArgumentError, and then changes nothing.
        """
        self._call(LIBRARY.wxtoken_set, text("option", option), text("value", _option_text(option, value)))

    def register(self, name: str, kind: str, id: str, secret: str | None = None) -> None:
        """Register an account, or update it. It stays in the store. Repeating it is cheap if nothing has changed.

        name    the account's name, which you choose: 1 to 128 bytes of UTF-8, no "/", no control characters
        kind    "official" (service and subscription accounts, mini programs), "official_classic" (the same accounts by
                the endpoint where each fetch ends the previous token), "work" (an app of a WeCom corporation),
                "component" (a third-party platform), "authorizer" (an account that has authorized one), "suite" (a
                WeCom third-party app), "work_authorized" (a corporation that has installed one), "provider" (a WeCom
                service provider), "qq", "qqbot", "douyin", "douyin_stable", "douyin_game", "dingtalk",
                "dingtalk_suite", "feishu", "feishu_store", "feishu_tenant" (a tenant of a store app), "lark",
                "xiaohongshu", "baidu" or "qidian"
        id      the appid, corpid, suite_id and so on
        secret  the app secret, sealed in the store and never shown again; for "work_authorized" the permanent_code.
                None for "authorizer" and "feishu_tenant", which have none.

        The first account of a store becomes the current one. Raises ArgumentError, StoreError, SecretError or
        TimeoutError.
        """
        self._call(
            LIBRARY.wxtoken_register,
            text("name", name),
            text("kind", kind),
            text("id", id),
            optional_text("secret", secret),
        )

    def put(self, name: str, field: str, value: str | None = None) -> None:
        """Set a field of an account that becomes known after its registration.

        current        every kind; see set_current
        retry          every kind: ends the back-off after a failure, at most once a minute
        parent         "authorizer", "work_authorized": the name of its component or suite in this store;
                       "feishu_tenant": the name of its store app
        verify_ticket  "component", from the push every 10 minutes; good for 12 hours
        suite_ticket   "suite", from the push every 10 minutes; good for 30 minutes; "dingtalk_suite", from the push
                       about every 5 hours
        app_ticket     "feishu_store", from the push every hour
        refresh_token  "authorizer", from the authorization; put the parent first

        A ticket or refresh token is sealed like a secret and stays in the store. If the platform sends another refresh
        token, that one replaces the one that was put. Putting the old one again then changes nothing.

        Raises ArgumentError, AccountError (for a missing account or parent), StoreError, SecretError or TimeoutError.
        """
        self._call(
            LIBRARY.wxtoken_put,
            text("name", name),
            text("field", field),
            optional_text("value", value),
        )

    def set_current(self, name: str) -> None:
        """Make this account the current one, which is used if no name is given."""
        self.put(name, "current")

    def token(self, name: str | None = None) -> Token:
        """Return a token that is valid now, of an account or of the current one.

        Asks WeChat once per expiry among all processes on the store, and then blocks for at most ``timeout_ms``. Other
        Python threads run meanwhile. Call this at each use instead of keeping the token.

        "shop/jsapi_ticket" and "shop/card_ticket" are the tickets of the account "shop". In WeCom they are
        "app/jsapi_ticket" and "app/agent_ticket". The credential that a ticket or an authorizer's token needs is
        fetched first, within the same ``timeout_ms``. "customer/refresh_token" (".../verify_ticket",
        ".../suite_ticket") returns the secret that was put.

        Raises any WxTokenError. Its ``retry_after`` says when the next request will be made. Until then every process
        gets the same failure at once.
        """
        out = _library.CToken()
        self._call(LIBRARY.wxtoken_get, optional_text("name", name), out)
        value, expires_at = out.value.decode(), out.expires_at
        last = self._last
        if last is None or last[0] != expires_at or last[1].value != value:
            last = expires_at, self._new_token(value, expires_at)
            # Another thread may have called close() meanwhile.
            self._last = None if self._handle is None else last
        return last[1]

    if implementation == "native":
        # The extension's method. It calls the Python method above if a name is not plain or the Store is closed.
        _token = token
        token = Base.token

    @staticmethod
    def _new_token(value: str, expires_at: int) -> Token:
        # 0 means that no end is known.
        return Token(value, datetime.fromtimestamp(expires_at, timezone.utc) if expires_at else None)

    @staticmethod
    def _fail(status: int, errcode: int, retry_after_ms: int, message: bytes) -> NoReturn:
        raise failure(status, errcode, retry_after_ms, message.decode("utf-8", "replace"))

    def reject(self, name: str | None, token: Token | str) -> None:
        """Report that the API refused a token (errcode 40001, 40014 or 42001). The next ``token`` fetches another.

        name   as for ``token``
        token  the refused token; if the store has another one by now, nothing happens

        Rejects cause at most one fetch per 30 seconds. Raises ArgumentError, AccountError, StoreError or TimeoutError.
        """
        value = token.value if isinstance(token, Token) else token
        self._call(LIBRARY.wxtoken_reject, optional_text("name", name), text("token", value))

    def report(self) -> dict[str, Any]:
        """Return a description of every account and token. It contains no secret and no token.

        Raises StoreError or TimeoutError.
        """
        room, needed = 0, c_size_t(4096)
        while True:
            # Another process may add to the report between two calls.
            room = max(room, needed.value)
            buffer = create_string_buffer(room)
            try:
                self._call(LIBRARY.wxtoken_report, buffer, c_size_t(room), byref(needed))
            except ArgumentError:
                if needed.value <= room:
                    raise
                continue
            report: dict[str, Any] = json.loads(buffer.value)
            return report

    def close(self) -> None:
        """Close the store. Closing again does nothing. Running calls of other threads end as usual.

        Later calls raise ArgumentError. With ``background_refresh`` this waits up to ``timeout_ms`` for a running
        refresh. A Store without references closes itself.
        """
        self._handle = self._last = None

    def _call(self, function: Any, *arguments: Any) -> None:
        handle = self._handle
        if handle is None:
            raise ArgumentError("this Store is closed: open another")
        # `handle` is the reference that prevents its being freed during the call.
        _library.call(function, handle.pointer, *arguments)

    def __enter__(self) -> Store:
        if self._handle is None:
            raise ArgumentError("this Store is closed: open another")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Store can be neither pickled nor copied: open one in each process")

    def __repr__(self) -> str:
        return f"<wxtoken.Store {'closed' if self._handle is None else 'open'}>"


def _option_text(option: str, value: OptionValue) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, str):
        return value
    raise TypeError(f"option {option} must be a str, int, bool or path, not {type(value).__name__}")
