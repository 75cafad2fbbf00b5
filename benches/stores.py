"""The stores of the benchmarks, and the account at the simulator to which they belong."""

import json
import os
import random
import secrets
import sqlite3
import subprocess
import urllib.request

NAME = "shop"
TOKEN_BYTES = 512
PLENTY = 10**9


def control(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(os.environ["WXSIM_CONTROL"] + path, data)
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


class Account:
    """An account at the simulator, with tokens of 512 bytes."""

    def __init__(self, **settings):
        self.id, self.secret = f"wx{secrets.token_hex(8)}", secrets.token_hex(16)
        self.set(daily_quota=PLENTY, minute_quota=PLENTY, **settings)
        control("/faults", {"kind": "token", "length": TOKEN_BYTES, "id": self.id, "times": 0})

    def set(self, **settings):
        control("/accounts", {"kind": "official", "id": self.id, "secret": self.secret, **settings})

    def minted(self):
        return control(f"/counters?id={self.id}")["minted"]


def random_token():
    return secrets.token_urlsafe(TOKEN_BYTES * 3 // 4)


class Stores:
    """Stores in one directory; `register` is the program of that name."""

    def __init__(self, directory, register):
        self._directory, self._register = directory, register
        self.base_url = os.environ["WXTOKEN_API_BASE_URL"] = os.environ["WXSIM_HTTP"]

    def one(self, name, account):
        """A store with one account, whose token the library fetched."""
        store = self.new(name)
        subprocess.run([self._register, store, NAME, account.id, account.secret], check=True)
        return store

    def many(self, name, count, account):
        """A store with `count` more accounts of random names and ids. SQL copies the account that the library has
        registered, which takes a second instead of minutes. They have no stored secret; their tokens are good for
        two hours. Also returns a file with their names in another order."""
        store = self.one(name, account)
        names = [f"shop-{secrets.token_hex(6)}" for _ in range(count)]
        ids = [f"wx{secrets.token_hex(8)}" for _ in range(count)]
        with sqlite3.connect(store) as database:
            database.executemany(
                "INSERT INTO weixin_account (name, kind, appid, fingerprint) VALUES (?, 'official', ?, ?)",
                ((name, id_, secrets.token_hex(8)) for name, id_ in zip(names, ids)),
            )
            model = database.execute("SELECT * FROM weixin_token WHERE appid = ?", [account.id])
            columns = [column for column, *_ in model.description]
            row = dict(zip(columns, model.fetchone()), id=None)
            database.executemany(
                f"INSERT INTO weixin_token VALUES ({', '.join('?' * len(columns))})",
                (tuple({**row, "appid": id_, "access_token": random_token()}.values()) for id_ in ids),
            )
        database.close()
        some = dict(zip(names, ids))
        random.shuffle(names)
        listed = store + ".names"
        with open(listed, "w") as out:
            out.writelines(name + "\n" for name in names)
        return store, listed, names[0], some[names[0]]

    def new(self, name):
        """The path of a store that does not exist yet."""
        directory = os.path.join(self._directory, name)
        os.mkdir(directory, 0o700)
        return os.path.join(directory, "tokens.db")
