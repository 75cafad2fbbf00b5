"""Requests over a server's unix socket: a single one, one for each worker, or a load that goes on until told to
stop."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass

PATIENCE_S = 30
"""Seconds after which a request must have met a hung worker."""


@dataclass(frozen=True)
class Answer:
    sent: float
    took: float
    problem: str = ""
    """Empty, or the reason why this is not an answer with status 200."""
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
    """Sends one request for the page. Never raises."""
    sent = time.monotonic()
    try:
        reply, text = _get(path, f"/page{query}", {"Connection": "close", **(headers or {})})
        if reply.status != 200:
            return Answer(sent, time.monotonic() - sent, f"status {reply.status}: {' '.join(text.split())[:300]}")
        said = json.loads(text)
        return Answer(sent, time.monotonic() - sent, "", said["worker"], said.get("token", ""))
    except (OSError, http.client.HTTPException, ValueError) as reason:
        return Answer(sent, time.monotonic() - sent, f"{type(reason).__name__}: {reason}")


def _get(path, url, headers):
    for tries_left in reversed(range(3)):
        connection = _UnixConnection(path)
        try:
            connection.request("GET", url, headers=headers)
            reply = connection.getresponse()
            return reply, reply.read().decode()
        except ConnectionError:
            # At a reload, gunicorn 23 with threads drops requests that it has accepted and not read. A proxy would
            # retry. A crashed worker appears in the log.
            if not tries_left:
                raise
        finally:
            connection.close()


def roll_call(server, name):
    """Requests all places of a server at once. No request is answered before each worker has one."""
    most = 4 * server.places
    query = f"?meet={name}&of={server.workers}"
    with ThreadPoolExecutor(most) as pool:
        asked = [pool.submit(ask, server.socket, query) for _ in range(server.places)]
        # A worker with threads may have taken the request of another worker, which then gets one more.
        while len(asked) < most and not wait(asked, 0.05, FIRST_COMPLETED).done:
            if len(list(server.state.glob(f"meet-{name}.*"))) == server.workers:
                break
            asked.append(pool.submit(ask, server.socket, query))
        return [one.result() for one in asked]


class Load:
    """Clients that repeat their request after each answer, for as long as the block runs."""

    CLIENTS = 8

    def __init__(self, server):
        self._path = server.socket
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
