"""Adds a Store's access token to each request of ``httpx``: ``pip install "wxtoken[httpx]"``.

    from wxtoken.httpx import StoreAuth

    async with httpx.AsyncClient(auth=StoreAuth(store, "shop")) as client:
        await client.get("https://api.weixin.qq.com/cgi-bin/get_api_domain_ip")

The part of a reply that is read to check it is still there for the caller.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio.to_thread
import httpx

from ._refusal import HOSTS, LONGEST_REFUSAL, is_among, may_become_refusal, may_refuse, refuses, token_in, with_token
from .store import Store


class StoreAuth(httpx.Auth):
    """Adds the Store's token to the query of each request, and repeats a request once if its token is refused.

    store, name  as for Store.token
    param        the token's name in the query: "access_token", "component_access_token" and so on
    hosts        the hosts that may get the token; a request to any other goes out unchanged. The default is
                 weixin.qq.com and api.q.qq.com, and all hosts below them.

    A request that already has a token in its query is left alone. A reply refuses the token by one of the errcodes
    40001, 40014 and 42001 (42006 of a component, 40082 or 42009 of a suite). That token is then rejected. The request
    is repeated with its successor, if there is one and the body can be sent again. Otherwise the caller gets the
    refusal. If the Store fails, its WxTokenError is raised.

    This class cannot know whether the caller streams a reply. A reply that may be a refusal is JSON or text. The caller
    gets it once its beginning shows that it is not one, or once more than 16 KiB of it have arrived.

    It works with Client and AsyncClient, in any number of threads and tasks. An AsyncClient asks the Store in a worker
    thread, and a cancelled task does not wait for that. ``str`` and ``repr`` of the request's URL hide the token, so
    neither the log of httpx nor an exception shows it.
    """

    def __init__(
        self, store: Store, name: str | None = None, *, param: str = "access_token", hosts: Iterable[str] = HOSTS
    ) -> None:
        self._store = store
        self._name = name
        self._param = param
        self._hosts = tuple(hosts)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Handle a request of a Client."""
        if not self._is_for(request):
            yield request
            return
        token = self._token()
        reply = yield self._carrying(token, request)
        if self._may_refuse(reply, token) and was_refused(reply):
            self._store.reject(self._name, token)
            if can_be_repeated(request):
                successor = self._token()
                if successor != token:
                    yield self._carrying(successor, request)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Handle a request of an AsyncClient."""
        if not self._is_for(request):
            yield request
            return
        token = await anyio.to_thread.run_sync(self._token, abandon_on_cancel=True)
        reply = yield self._carrying(token, request)
        if self._may_refuse(reply, token) and await was_refused_async(reply):
            await anyio.to_thread.run_sync(self._store.reject, self._name, token, abandon_on_cancel=True)
            if can_be_repeated(request):
                successor = await anyio.to_thread.run_sync(self._token, abandon_on_cancel=True)
                if successor != token:
                    yield self._carrying(successor, request)

    def _token(self) -> str:
        return self._store.token(self._name).value

    def _is_for(self, request: httpx.Request) -> bool:
        url = request.url
        return is_among(url.host, self._hosts) and token_in(url.query.decode(), self._param) is None

    def _carrying(self, token: str, request: httpx.Request) -> httpx.Request:
        """Return a copy with the token. The caller may send the request again with another token."""
        copy = httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        copy.url = HidingURL.of(request.url, self._param, token)
        if isinstance(request.stream, httpx.ByteStream):
            copy.read()
        return copy

    def _may_refuse(self, reply: httpx.Response, token: str) -> bool:
        # Redirects have been followed by now, perhaps to a host that must not decide about tokens.
        url = reply.request.url
        return (
            is_among(url.host, self._hosts)
            and token_in(url.query.decode(), self._param) == token
            and may_refuse(reply.status_code, reply.headers)
        )


class HidingURL(httpx.URL):
    """A URL that is sent with its token and shown without it."""

    _shown: httpx.URL

    @classmethod
    def of(cls, url: httpx.URL, param: str, token: str) -> HidingURL:
        """Return the URL with this token."""
        query = url.query.decode()
        hiding = cls(url, query=with_token(query, param, token).encode())
        hiding._shown = httpx.URL(url, query=with_token(query, param, "***").encode())
        return hiding

    def __str__(self) -> str:
        return str(self._shown)

    def __repr__(self) -> str:
        return repr(self._shown)


def was_refused(reply: httpx.Response) -> bool:
    """Return whether this reply refuses the token. Its body can still be read afterwards, in any way."""
    if reply.is_stream_consumed:
        return refuses(reply.content)
    stream: Any = reply.stream
    rest, begun, refused = iter(stream), [], False
    with naming(reply.request):
        for part in rest:
            begun.append(part)
            if not may_still_refuse(reply, begun):
                break
        else:
            refused = refuses(content(reply, begun))
    reply.stream = Rejoined(begun, rest, stream)
    return refused


async def was_refused_async(reply: httpx.Response) -> bool:
    """Return whether this reply to an AsyncClient refuses the token. Its body can still be read afterwards."""
    if reply.is_stream_consumed:
        return refuses(reply.content)
    stream: Any = reply.stream
    rest, begun, refused = stream.__aiter__(), [], False
    with naming(reply.request):
        async for part in rest:
            begun.append(part)
            if not may_still_refuse(reply, begun):
                break
        else:
            refused = refuses(content(reply, begun))
    reply.stream = AsyncRejoined(begun, rest, stream)
    return refused


def may_still_refuse(reply: httpx.Response, begun: list[bytes]) -> bool:
    """Return whether to read on."""
    return sum(map(len, begun)) <= LONGEST_REFUSAL and may_become_refusal(content(reply, begun))


def content(reply: httpx.Response, parts: list[bytes]) -> bytes:
    """Return these parts of a body decoded, or nothing if they cannot be decoded, or not yet."""
    try:
        return httpx.Response(200, headers=reply.headers, content=b"".join(parts)).content
    except httpx.DecodingError:
        return b""


@contextmanager
def naming(request: httpx.Request) -> Iterator[None]:
    """Add the request to an exception, as httpx does when it reads a reply itself."""
    try:
        yield
    except httpx.RequestError as e:
        e.request = request
        raise


class Rejoined(httpx.SyncByteStream):
    """The parts of a body that have been read, then the rest."""

    def __init__(self, begun: list[bytes], rest: Iterator[bytes], stream: httpx.SyncByteStream) -> None:
        self._begun = begun
        self._rest = rest
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._begun
        yield from self._rest

    def close(self) -> None:
        """Close the reply and the rest of its body."""
        self._stream.close()


class AsyncRejoined(httpx.AsyncByteStream):
    """The parts of an AsyncClient's body that have been read, then the rest."""

    def __init__(self, begun: list[bytes], rest: AsyncIterator[bytes], stream: httpx.AsyncByteStream) -> None:
        self._begun = begun
        self._rest = rest
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._begun:
            yield part
        async for part in self._rest:
            yield part

    async def aclose(self) -> None:
        """Close the reply and the rest of its body."""
        await self._stream.aclose()


def can_be_repeated(request: httpx.Request) -> bool:
    """Return whether the body can be sent again: bytes can, and so can a form if each file in it can be rewound."""
    stream: Any = request.stream
    if isinstance(stream, httpx.ByteStream):
        return True
    fields = getattr(stream, "fields", None)
    return fields is not None and all(is_there_still(getattr(field, "file", b"")) for field in fields)


def is_there_still(file: Any) -> bool:
    """Return whether httpx, which rewinds files if it can, reads the same from a file a second time."""
    if isinstance(file, (bytes, str)):
        return True
    return bool(file.seekable()) if hasattr(file, "seekable") else False
