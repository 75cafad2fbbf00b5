"""The simulator of WeChat that ``wechat-sim exec`` has started."""

from __future__ import annotations

import json
import os
import secrets
import urllib.request
from dataclasses import dataclass, field
from typing import Any

# A proxy of the host must not be used for loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with _DIRECT.open(url, data, timeout=30) as reply:
        assert reply.status == 200
        return json.load(reply)


class Simulator:
    def __init__(self) -> None:
        self.http = os.environ["WXSIM_HTTP"]
        self.https = os.environ["WXSIM_HTTPS"]
        self.control = os.environ["WXSIM_CONTROL"]
        self.ca = os.environ["WXSIM_CA"]

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return ask(self.control + path, body)

    def counters(self, account_id: str) -> dict[str, Any]:
        return ask(f"{self.control}/counters?id={account_id}")

    def account(self, kind: str = "official", **more: Any) -> Account:
        """Creates an account that no other test uses."""
        account = Account(kind)
        self.post("/accounts", {"kind": kind, "id": account.id, "secret": account.secret, **more})
        return account

    def errcode(self, kind: str, token: str) -> int:
        """Calls a business API with a token and returns its errcode, 0 if the token is accepted."""
        path = {"official": "getcallbackip", "work": "agent/list"}[kind]
        return ask(f"{self.http}/cgi-bin/{path}?access_token={token}").get("errcode", 0)


@dataclass
class Account:
    kind: str
    id: str = ""
    secret: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        prefix = {"official": "wx", "work": "ww"}[self.kind]
        self.id = self.id or prefix + secrets.token_hex(8)
