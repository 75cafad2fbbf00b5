"""Clients without the library, on a separate host. Each call has a new connection, except for a few clients that
keep one."""

import http.client
import json
import socket
import ssl
import threading

PORT = 8443
PAUSE_S = 0.005
PATIENCE_S = 30


class Server:
    """A server at an address, addressed by its name."""

    def __init__(self, name, ca):
        self.name = name
        self.trust = ssl.create_default_context(cafile=str(ca))

    def connect(self, address, port=PORT):
        connection = http.client.HTTPSConnection(self.name, port, timeout=PATIENCE_S, context=self.trust)
        raw = socket.create_connection((address, port), PATIENCE_S)
        connection.sock = self.trust.wrap_socket(raw, server_hostname=self.name)
        # A connection that ends is opened again explicitly, to the same address.
        connection.auto_open = 0
        return connection

    def serial(self, address):
        """The serial number of the certificate that it presents."""
        connection = self.connect(address)
        try:
            return connection.sock.getpeercert()["serialNumber"]
        finally:
            connection.close()


def ask(connection, path, key):
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def token_of(connection, path, key):
    status, body = ask(connection, path, key)
    return json.loads(body)["token"] if status == 200 else f"none: {status}"


class Callers:
    """Threads that call in a loop, and the replies they received."""

    def __init__(self, server, address, key, path="/v1/token/shop", fresh=3, kept=2):
        self.server, self.address, self.key, self.path = server, address, key, path
        self.calls, self.tokens, self.problems = 0, [], []
        self.count = fresh + kept
        self._lock, self._over = threading.Lock(), threading.Event()
        kinds = [self._fresh] * fresh + [self._kept] * kept
        self._threads = [threading.Thread(target=kind, daemon=True) for kind in kinds]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE_S)

    def _fresh(self):
        while not self._over.wait(PAUSE_S):
            try:
                connection = self.server.connect(self.address)
                self._note(*ask(connection, self.path, self.key))
                connection.close()
            except OSError as reason:
                self._fail(f"a call on a connection of its own: {type(reason).__name__}: {reason}")

    def _kept(self):
        connection = None
        while not self._over.wait(PAUSE_S):
            try:
                try:
                    connection = connection or self.server.connect(self.address)
                    answer = ask(connection, self.path, self.key)
                except (ConnectionError, ssl.SSLEOFError, http.client.HTTPException):
                    # An idle connection may end at any time. Like every HTTP client, the caller then retries once on a
                    # new one.
                    connection = self.server.connect(self.address)
                    answer = ask(connection, self.path, self.key)
                self._note(*answer)
            except OSError as reason:
                self._fail(f"a call on a connection that stays: {type(reason).__name__}: {reason}")
                connection = None

    def _note(self, status, body):
        if status != 200:
            self._fail(f"{status} {body.strip()}")
            return
        token = json.loads(body)["token"]
        with self._lock:
            self.calls += 1
            if token not in self.tokens:
                self.tokens.append(token)

    def _fail(self, problem):
        with self._lock:
            self.problems.append(problem)
