"""Those who ask: requests over a server's unix socket, one or many at once, and a load that goes on until told to stop."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

PATIENCE_S = 10
"""A request that takes longer has met a hung worker."""


@dataclass(frozen=True)
class Answer:
    sent: float
    took: float
    problem: str = ""
    """Empty, or why this is no answer with status 200."""
    worker: str = ""
    token: str = ""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path, query="", headers=None):
    """One request for the page; never raises."""
    sent = time.monotonic()
    connection = _UnixConnection(path)
    try:
        connection.request("GET", f"/page{query}", headers=headers or {})
        reply = connection.getresponse()
        text = reply.read().decode()
        took = time.monotonic() - sent
        if reply.status != 200:
            return Answer(sent, took, f"status {reply.status}: {text.strip()[:300]}")
        said = json.loads(text)
        return Answer(sent, took, "", said["worker"], said.get("token", ""))
    except (OSError, http.client.HTTPException, ValueError) as reason:
        return Answer(sent, time.monotonic() - sent, f"{type(reason).__name__}: {reason}")
    finally:
        connection.close()


def roll_call(path, name, places):
    """A request to each worker (or thread of one), none of which is answered before all of them have one."""
    with ThreadPoolExecutor(places) as pool:
        queries = [f"?meet={name}&of={places}"] * places
        return list(pool.map(lambda query: ask(path, query), queries))


class Load:
    """Clients that ask again as soon as they have an answer, for as long as the block runs."""

    CLIENTS = 8

    def __init__(self, path):
        self._path = path
        self._over = threading.Event()
        self._clients = [threading.Thread(target=self._go_on) for _ in range(self.CLIENTS)]
        self.answers = []
        self.workers = set()

    def __enter__(self):
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for client in self._clients:
            client.join()

    def _go_on(self):
        while not self._over.is_set():
            answer = ask(self._path)
            self.answers.append(answer)
            self.workers.update({answer.worker} - {""})
