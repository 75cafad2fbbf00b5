"""WeChat as wechat-sim plays it: a private account, its minted tokens, and the times at which each was valid."""

import json
import math
import os
import secrets
import time
import urllib.request

# All workers must have a token before the next one is due, even if the machine stalls for some seconds.
LIFETIME_MS = 5000


class Account:
    """An official account with short-lived tokens. On the classic endpoint each fetch mints another one."""

    def __init__(self):
        self.id = "wx" + secrets.token_hex(8)
        self.secret = secrets.token_hex(16)
        self._ended = {}
        self._control(
            "/accounts",
            {
                "kind": "official",
                "id": self.id,
                "secret": self.secret,
                "lifetime_ms": LIFETIME_MS,
                # Long enough for every worker to arrive while one of them fetches.
                "delay_ms": 200,
                # WeChat's five minutes, scaled down to this lifetime, are less than revalidate_ms.
                "grace_ms": LIFETIME_MS,
            },
        )

    def look(self):
        """The account's counters. Also records which tokens have ended."""
        self.has_valid_token()
        return self._control(f"/counters?id={self.id}")

    def has_valid_token(self):
        tokens = self._control(f"/tokens?id={self.id}")
        now = time.monotonic()
        for token in tokens:
            if not token["valid"]:
                self._ended.setdefault(token["token"], now)
        return any(token["valid"] for token in tokens)

    def had_ended(self, token, moment):
        """Whether the token had been seen to be invalid by that moment of time.monotonic()."""
        return self._ended.get(token, math.inf) < moment

    def _control(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(os.environ["WXSIM_CONTROL"] + path, data)
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)
