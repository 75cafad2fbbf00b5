"""WeChat as wechat-sim plays it: a private account, its minted tokens with their ends, and whether a token works."""

import json
import os
import secrets
import time
import urllib.request

PLENTY = 10**9


def control(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    return _ask(os.environ["WXSIM_CONTROL"] + path, data)


def _ask(url, data=None):
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as reply:
        return json.load(reply)


class Account:
    """`kind` is the library's name for it."""

    def __init__(self, name, kind, **settings):
        self.name, self.kind = name, kind
        self.id, self.secret = f"soak-{secrets.token_hex(8)}", secrets.token_hex(16)
        self.minted = []
        """The tokens that were seen here, in the order in which they were minted."""
        self.ends_ms = {}
        """By token: the Unix time in ms at which the simulator refuses it, or a little later, never sooner."""
        limits = {"daily_quota": PLENTY, "minute_quota": PLENTY}
        named = {"kind": "work" if kind == "work" else "official", "id": self.id, "secret": self.secret}
        control("/accounts", {**named, **limits, **settings})

    def counters(self):
        return control(f"/counters?id={self.id}")

    def look(self):
        """Records the minted tokens. The simulator remembers the last 256."""
        tokens = control(f"/tokens?id={self.id}")
        now_ms = time.time() * 1000
        for token in reversed(tokens):
            value = token["token"]
            if value not in self.ends_ms:
                self.minted.append(value)
            # A slow reply makes the end seem later than it is, so the earliest value is the best.
            end_ms = now_ms + token["expires_in_ms"]
            self.ends_ms[value] = min(end_ms, self.ends_ms.get(value, end_ms))

    def accepts(self, token):
        """Whether a business endpoint accepts it now."""
        path = "/cgi-bin/agent/list" if self.kind == "work" else "/cgi-bin/getcallbackip"
        return _ask(f"{os.environ['WXSIM_HTTP']}{path}?access_token={token}").get("errcode", 0) == 0
