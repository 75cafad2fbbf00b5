"""WeChat as wechat-sim plays it: an account, its minted tokens, and the users that connected."""

import json
import os
import urllib.request

PLENTY = 10**9


def control(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(os.environ["WXSIM_CONTROL"] + path, data), timeout=30) as reply:
        return json.load(reply)


def base_url():
    return os.environ["WXSIM_HTTP"]


def connections():
    """The number of connections accepted by WeChat, by uid. A connection that closed before the look-up counts as
    'unknown'."""
    return control("/counters")["connections_by_uid"]


class Account:
    def __init__(self, name, kind, ident, secret, **settings):
        self.name, self.kind, self.id, self.secret = name, kind, ident, secret
        self.settings(daily_quota=PLENTY, minute_quota=PLENTY, force_gap_ms=0, **settings)

    def settings(self, **settings):
        control("/accounts", {"kind": self.kind, "id": self.id, "secret": self.secret, **settings})

    def counters(self):
        return control(f"/counters?id={self.id}")

    def minted(self):
        return self.counters()["minted"]

    def tokens(self):
        """All tokens, newest first."""
        return [token["token"] for token in control(f"/tokens?id={self.id}")]

    def revoke(self):
        control("/revoke", {"id": self.id, "which": "all"})
