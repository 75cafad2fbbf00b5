"""A private store with accounts that wechat-sim knows, and `wxtoken serve` on it. Run under `wechat-sim exec`."""

import json
import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

PATIENCE_S = 120
PLATFORMS = ["API", "WORK"]


class Failure(Exception):
    """The story cannot go on."""


def until(condition, what, patience_s=PATIENCE_S):
    """Waits until the condition holds, and returns its value. It waits for a state, never for a length of time."""
    end = time.monotonic() + patience_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Failure(f"waited {patience_s} s for {what}")
        time.sleep(0.05)


class Desk:
    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="wxtoken-page-"))
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "LC_ALL": "C.UTF-8",
            "WXTOKEN_STORE": str(self.path / "tokens.db"),
            **{f"WXTOKEN_{platform}_BASE_URL": os.environ["WXSIM_HTTP"] for platform in PLATFORMS},
        }
        self.secrets = []
        """The values that must not appear on any page: secrets of accounts, keys of clients."""
        self.servers = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for server in self.servers:
            server.stop()
        if kind is None:
            shutil.rmtree(self.path)

    def tool(self, *words, stdin=""):
        done = subprocess.run(
            [os.environ["WXTOKEN_TOOL"], *words], env=self.env, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Failure(f"wxtoken {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def account(self, name, kind="official", wrong_secret=False, account_id=None, **at_platform):
        """Registers an account that the simulator has. Returns its id."""
        account_id = account_id or ("ww" if kind == "work" else "wx") + secrets.token_hex(8)
        # As long as each platform's own secrets.
        secret = secrets.token_urlsafe(32)[:43] if kind == "work" else secrets.token_hex(16)
        at_sim = "official" if kind == "official_classic" else kind
        control("/accounts", {"kind": at_sim, "id": account_id, "secret": secret, **at_platform})
        if wrong_secret:
            secret = secret[::-1]
        self.secrets.append(secret)
        self.tool("account", "add", name, "--kind", kind, "--id", account_id, stdin=secret)
        return account_id

    def age(self, account_id, seconds):
        """Makes an account's tokens older, as the passing of time would."""
        # The server has the store open, and may be using it.
        with sqlite3.connect(self.env["WXTOKEN_STORE"], timeout=PATIENCE_S, isolation_level=None) as store:
            moved = ", ".join(f"{column} = {column} - :ms" for column in ("fetched_at", "fetched_boot", "refresh_at", "expires_at"))
            change = f"UPDATE weixin_token SET {moved} WHERE appid = :id AND expires_at > 0"
            if not store.execute(change, {"ms": 1000 * seconds, "id": account_id}).rowcount:
                raise Failure(f"{account_id} has no token")
        store.close()

    def client(self, name, *words):
        key = self.tool("client", "add", name, *words)
        self.secrets.append(key)
        return key

    def serve(self, listen="http://127.0.0.1:0"):
        server = Server(self, listen)
        self.servers.append(server)
        return server


class Server:
    def __init__(self, desk, listen):
        self.log = desk.path / f"serve-{len(desk.servers)}.log"
        words = [os.environ["WXTOKEN_TOOL"], "serve", "--listen", listen, "--audit", str(desk.path / "audit")]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(words, env=desk.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(lambda: "ready: " in self.said() or self.process.poll() is not None, "the server")
        found = re.search(r"listening on (http://\S+)", self.said())
        if not found:
            raise Failure(f"no server: {self.said()}")
        self.url = found[1]

    def said(self):
        return self.log.read_text(errors="replace")

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=10) as reply:
                return reply.status == 200
        except OSError:
            return False

    def get(self, path, key):
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            return json.load(reply)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(PATIENCE_S)


def control(path, body=None):
    """Sends an order to the simulator."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(os.environ["WXSIM_CONTROL"] + path, data)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        return json.load(reply)


def tokens_of(account_id):
    return [token["token"] for token in control(f"/tokens?id={account_id}")]
