"""Compares the tokens that the workers were served with the simulator's mints, and with the time until which each
token is good."""

import threading
import time
from collections import defaultdict


class Ledger:
    def __init__(self, accounts):
        self.problems = []
        self.slowest_ms = defaultdict(int)
        """The accounts, by worker."""
        self._accounts = {account.name: account for account in accounts}
        self._gets = defaultdict(dict)
        """The number of times that each token was served, by worker and account, in the order of first sight."""
        self._last_asked_ms = {}
        self._refused_ms = {}
        self._mutex = threading.Lock()

    def note(self, worker, _what, rest):
        """A line `served` of a worker; see worker.c."""
        name, token, expires_at, asked_ms, gets, slowest_ms = rest.split(" ")
        asked_ms = int(asked_ms)
        with self._mutex:
            known = self._gets[worker.name, name]
            if token in known and token != next(reversed(known)):
                self.problems.append(f"{worker.name} went back to an older token of {name}")
            known[token] = int(gets)
            self.slowest_ms[worker.name] = max(self.slowest_ms[worker.name], int(slowest_ms))
            if asked_ms // 1000 > int(expires_at):
                self.problems.append(f"{worker.name} was given a token of {name} past its expires_at")
            is_new = token not in self._last_asked_ms
            self._last_asked_ms[token] = max(self._last_asked_ms.get(token, 0), asked_ms)
            if is_new:
                self._verify(self._accounts[name], token)

    def _verify(self, account, token):
        account.look()
        if not account.accepts(token):
            self._refused_ms[token] = time.time() * 1000

    def served(self, account):
        return {token for (_, name), gets in self._gets.items() if name == account.name for token in gets}

    def gets(self, *, worker=None, account=None):
        """The number of gets: for a worker's name, for an account's, or in all."""
        return sum(
            sum(gets.values())
            for (by, name), gets in self._gets.items()
            if worker in (None, by) and account in (None, name)
        )

    def close(self):
        """Records the problems that can only be found at the end."""
        for account in self._accounts.values():
            account.look()
            for token in self.served(account):
                self._judge(account, token)
        for (worker, name), gets in self._gets.items():
            place_of = {token: place for place, token in enumerate(self._accounts[name].minted)}
            order = [place_of.get(token, -1) for token in gets]
            if order != sorted(order):
                self.problems.append(f"{worker} was not given the tokens of {name} in the order of their minting")

    def _judge(self, account, token):
        end_ms = account.ends_ms.get(token)
        if end_ms is None:
            self.problems.append(f"a token of {account.name} was served that was never minted")
        elif self._last_asked_ms[token] > end_ms:
            late_ms = self._last_asked_ms[token] - end_ms
            self.problems.append(f"a token of {account.name} was served {late_ms:.0f} ms after its end")
        elif self._refused_ms.get(token, end_ms) < end_ms:
            self.problems.append(f"a business call refused a token of {account.name} that had just been served")
