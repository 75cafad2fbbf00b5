"""Business processes under load, in four languages, each as a separate user: the tokens they were served, and the
failures.

C, Go and Python are the workers of tests/soak, which get a token every 5 ms. PHP is the pool of the guide, whose page
four clients request in a loop.
"""

import json
import socket
import struct
import subprocess
import threading
import time

from machine import IN_MACHINE, Failure, until

LANGUAGES = {
    "c": ("shop-c", [f"{IN_MACHINE}/build/soak/c"]),
    "go": ("shop-go", [f"{IN_MACHINE}/build/soak/go"]),
    "python": ("shop-python", ["/usr/bin/python3", "-B", f"{IN_MACHINE}/tests/soak/worker.py"]),
}
CLIENTS = 4


class Seen:
    """The tokens that one language was served, in order of arrival, and the failures."""

    def __init__(self):
        self.tokens, self.problems, self.gets = [], [], 0

    def serve(self, token):
        if token not in self.tokens:
            self.tokens.append(token)


class Worker(Seen):
    def __init__(self, machine, language, name, environment):
        super().__init__()
        self.user, program = LANGUAGES[language]
        self.language = language
        self._ready = threading.Event()
        self._process = machine.start(
            [*program, "expiry", name, name],
            self.user,
            {"PYTHONPATH": f"{IN_MACHINE}/bindings/python", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            what, *words = line.split()
            if what == "ready":
                self._ready.set()
            elif what == "served":
                self.serve(words[1])
                self.gets += int(words[4])
            else:
                self.problems.append(line.strip())

    def wait_until_ready(self):
        until(lambda: self._ready.is_set() or self._process.poll() is not None, f"the {self.language} worker")
        if self._process.poll() is not None:
            raise Failure(f"the {self.language} worker ended: {'; '.join(self.problems)}")

    def end(self):
        if self._process.stdin.closed:
            return
        self._process.stdin.close()
        try:
            code = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = "a hang"
        self._reader.join(10)
        if code:
            self.problems.append(f"the {self.language} worker ended with {code}")


class Pages(Seen):
    """The PHP-FPM pool, requested through its socket as a web server does."""

    language, user = "php", "www-data"

    def __init__(self, machine):
        super().__init__()
        self._socket = next((machine.root / "run/php").glob("php[0-9]*-fpm.sock"))
        self._over = threading.Event()
        self._clients = [threading.Thread(target=self._go_on, daemon=True) for _ in range(CLIENTS)]

    def start(self):
        for client in self._clients:
            client.start()

    def _go_on(self):
        while not self._over.is_set():
            self.ask()
            time.sleep(0.005)

    def ask(self, query=""):
        try:
            answer = ask_page(self._socket, query)
        except (OSError, ValueError) as reason:
            answer = {"error": f"{type(reason).__name__}: {reason}"}
        self.gets += 1
        if "token" in answer:
            self.serve(answer["token"])
        else:
            self.problems.append(f"php: {answer['error']}")
        return answer

    def wait_until_ready(self):
        pass

    def end(self):
        self._over.set()
        for client in self._clients:
            if client.ident:
                client.join(30)


def ask_page(path, query):
    """One FastCGI request for /srv/app/page.php."""
    fields = {
        "SCRIPT_FILENAME": "/srv/app/page.php",
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    pairs = b"".join(
        struct.pack(">II", len(name) | 1 << 31, len(value) | 1 << 31) + name.encode() + value.encode()
        for name, value in fields.items()
    )
    begin = struct.pack(">HB5x", 1, 0)
    records = [(1, begin), (4, pairs), (4, b""), (5, b"")]
    output, errors = b"", b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        connection.sendall(b"".join(struct.pack(">BBHHBx", 1, kind, 1, len(body), 0) + body for kind, body in records))
        stream = connection.makefile("rb")
        while True:
            head = stream.read(8)
            if len(head) < 8:
                raise OSError("the pool closed the connection")
            _, kind, _, length, padding = struct.unpack(">BBHHBx", head)
            body = stream.read(length + padding)[:length]
            if kind == 3:
                break
            output, errors = (output + body, errors) if kind == 6 else (output, errors + body)
    text = output.decode(errors="replace").partition("\r\n\r\n")[2]
    return json.loads(text) if text.startswith("{") else {"error": f"{text} {errors.decode(errors='replace')}"}
