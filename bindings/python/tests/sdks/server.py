"""A server on loopback that records its requests and answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Request(NamedTuple):
    """A request that has arrived."""

    method: str
    path: str
    query: str
    body: bytes
    connection: tuple[str, int]

    @property
    def token(self) -> str | None:
        """Returns the first token in the query, if any."""
        return parse_qs(self.query).get("access_token", [None])[0]


@dataclass(frozen=True)
class Reply:
    """An answer: JSON, or bytes, or a function that yields the chunks of a body of unknown length."""

    content: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


OK = Reply({"errcode": 0, "errmsg": "ok"})
REFUSAL = Reply({"errcode": 40001, "errmsg": "invalid credential"})


class Server:
    """``asked`` holds the requests so far. ``replies`` are sent in turn, the last one repeatedly."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[Request] = []
        self.replies: list[Reply | Callable[[Request], Reply]] = [OK]

    def answer(self, request: Request) -> Reply:
        self.asked.append(request)
        reply = self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)
        return reply if isinstance(reply, Reply) else reply(request)

    @property
    def tokens(self) -> list[str | None]:
        return [request.token for request in self.asked]

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.asked]


@contextmanager
def serve(host: str) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            reply = server.answer(Request(self.command, parts.path, parts.query, self.body(), self.client_address))
            self.send_response(reply.status)
            if callable(reply.content):
                self.headers_of(reply, {"Transfer-Encoding": "chunked"})
                # A client may close the connection early.
                with suppress(ConnectionError):
                    for chunk in chain(reply.content(), [b""]):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                return
            is_json = not isinstance(reply.content, bytes)
            content = json.dumps(reply.content).encode() if is_json else reply.content
            media = "application/json" if is_json else "image/jpeg"
            self.headers_of(reply, {"Content-Type": media, "Content-Length": str(len(content))})
            self.wfile.write(content)

        def headers_of(self, reply: Reply, standard: dict[str, str]) -> None:
            for name, value in {**standard, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_POST = handle_any

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer((host, 0), Handler) as listener:
        listener.daemon_threads = True
        server = Server(f"http://{host}:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
