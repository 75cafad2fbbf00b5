"""The world of a story: WeChat as the simulator plays it, a server with its own store, and the SDKs' programs as its
clients.

Time belongs to the story. `Clock` moves it for the server, the programs and the account at WeChat, and none of them
waits.
"""

import contextlib
import json
import os
import secrets
import shutil
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

PATIENCE_S = 120
LIFETIME_MS = 7_200_000


class Failure(Exception):
    """The story cannot go on."""


def until(condition, what, pause=0.02):
    patience = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > patience:
            raise Failure(f"{PATIENCE_S} s have passed without {what}")
        time.sleep(pause)
    return found


def request(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=PATIENCE_S) as reply:
        return json.load(reply)


class Account:
    """An account at WeChat. Only the server's store has its secret."""

    def __init__(self, kind, **fields):
        self.kind = kind
        self.id = ("ww" if kind == "work" else "wx") + secrets.token_hex(8)
        self.secret = secrets.token_hex(16)
        at_wechat = "official" if kind == "official_classic" else kind
        self.control("/accounts", {"kind": at_wechat, "id": self.id, "secret": self.secret, **fields})

    @staticmethod
    def control(path, body=None):
        return request(os.environ["WXSIM_CONTROL"] + path, body)

    def minted(self):
        return self.control(f"/counters?id={self.id}")["minted"]

    def tokens(self, valid=False):
        return {one["token"] for one in self.control(f"/tokens?id={self.id}") if one["valid"] or not valid}

    def revoke(self):
        self.control("/revoke", {"id": self.id, "which": "all"})

    def refuse_the_server(self):
        """Makes the next fetch of a token come from an address that is not on the allow list."""
        self.control("/faults", {"id": self.id, "kind": "errcode", "errcode": 40164, "times": 0})


class Clock:
    """The lead of the story's time over the real time, in a file that clock.c and the Go programs read."""

    def __init__(self, directory):
        self.path = directory / "clock"
        self._ahead_ms = 0
        self.path.write_bytes(struct.pack("<q", 0))

    def advance(self, seconds, *accounts):
        self._ahead_ms += seconds * 1000
        # In place, because the programs have mapped the file.
        with open(self.path, "r+b") as file:
            file.write(struct.pack("<q", self._ahead_ms))
        for account in accounts:
            account.control("/advance", {"ms": seconds * 1000, "id": account.id})


class Place:
    """A directory with a store, the clock, and all logs."""

    def __init__(self, build, tool):
        self.path = Path(tempfile.mkdtemp(prefix="wxtoken-sdks-"))
        self.build, self._tool = build, tool
        self.clock = Clock(self.path)
        self.audit, self.log = self.path / "audit", self.path / "server.log"

    def environment(self, preload=True):
        plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        plain |= {"LC_ALL": "C.UTF-8", "SDKS_CLOCK": str(self.clock.path)}
        return plain | ({"LD_PRELOAD": str(self.build / "clock.so")} if preload else {})

    def _environment_of_tool(self):
        return self.environment() | {
            "HOME": str(self.path),
            "WXTOKEN_STORE": str(self.path / "tokens.db"),
            "XDG_STATE_HOME": str(self.path / "state"),
            "WXTOKEN_API_BASE_URL": os.environ["WXSIM_HTTP"],
            "WXTOKEN_WORK_BASE_URL": os.environ["WXSIM_HTTP"],
        }

    def wxtoken(self, *words, given=""):
        done = subprocess.run(
            [self._tool, *words], env=self._environment_of_tool(), input=given, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Failure(f"wxtoken {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def add_account(self, account, name="shop"):
        self.wxtoken("account", "add", name, "--kind", account.kind, "--id", account.id, given=account.secret)

    def add_client(self, name, *words):
        return self.wxtoken("client", "add", name, *words)

    def serve(self, *words):
        arguments = [self._tool, "serve", "--listen", "http://127.0.0.1:0", "--audit", self.audit, *words]
        with open(self.log, "w") as log:
            process = subprocess.Popen(
                arguments, env=self._environment_of_tool(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
            )
        return Server(process, self)

    def remove(self):
        shutil.rmtree(self.path)


class Server:
    def __init__(self, process, place):
        self._process, self._place = process, place
        try:
            self.url = until(self._listening, "a server that is ready")
        except Failure:
            self.kill()
            raise

    def _listening(self):
        said = self._place.log.read_text()
        if self._process.poll() is not None:
            raise Failure(f"the server ended: {said}")
        urls = [line.split("listening on ")[1] for line in said.splitlines() if "listening on " in line]
        return urls[0] if urls and "ready: " in said else None

    def asked(self, client):
        """The number of times that a client has asked for a token."""
        lines = [json.loads(line) for line in self._place.audit.read_text().splitlines()]
        return sum(line["client"] == client and line["verb"] == "get" for line in lines)

    def force(self, account, key):
        """WeChat's force_refresh, sent by a client without an SDK."""
        body = {"grant_type": "client_credential", "appid": account.id, "secret": key, "force_refresh": True}
        return request(f"{self.url}/cgi-bin/stable_token", body)["access_token"]

    def reject(self, token, key):
        """A rejection through the native API, for accounts without force_refresh."""
        call = urllib.request.Request(f"{self.url}/v1/reject/shop", json.dumps({"token": token}).encode())
        call.add_header("Authorization", f"Bearer {key}")
        with urllib.request.urlopen(call, timeout=PATIENCE_S):
            return self.token(key)

    def token(self, key):
        call = urllib.request.Request(f"{self.url}/v1/token/shop")
        call.add_header("Authorization", f"Bearer {key}")
        with urllib.request.urlopen(call, timeout=PATIENCE_S) as reply:
            return json.load(reply)["token"]

    def end(self):
        """Its whole output."""
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        return self._place.log.read_text() + self._place.audit.read_text()

    def kill(self):
        self._process.kill()
        self._process.wait()


class Program:
    """An SDK's program, in a separate process."""

    def __init__(self, place, command, preload, told):
        environment = place.environment(preload) | told | {
            "HTTPS_PROXY": os.environ["WXSIM_PROXY"],
            "SSL_CERT_FILE": os.environ["WXSIM_CA"],
        }
        self._errors = open(place.path / "programs.err", "ab")
        self._process = subprocess.Popen(
            [str(word) for word in command],
            env=environment,
            cwd=place.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._said = []
        self._hears = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()
        if (said := self._hear()) != "ready":
            self.kill()
            raise Failure(f"{command[0]} does not start: {said!r}; see {place.path}/programs.err")

    def call(self):
        """Makes one business call. Returns its result."""
        return self.say("call")

    def say(self, line):
        """The program's answer to a line."""
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._hear()

    def _listen(self):
        for line in self._process.stdout:
            self._note(line.strip())
        self._note(None)

    def _note(self, line):
        with self._hears:
            self._said.append(line)
            self._hears.notify()

    def _hear(self):
        with self._hears:
            if not self._hears.wait_for(lambda: self._said, PATIENCE_S):
                return f"no answer in {PATIENCE_S} s"
            said = self._said[0]
            return "its process has ended" if said is None else self._said.pop(0)

    def kill(self):
        self._process.kill()
        self._process.wait()
        # A write to a program that has ended is lost.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()
