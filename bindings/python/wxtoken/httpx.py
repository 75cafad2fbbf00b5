"""An access token of a Store on each request of ``httpx``: ``pip install "wxtoken[httpx]"``.

    from wxtoken.httpx import StoreAuth

    async with httpx.AsyncClient(auth=StoreAuth(store, "shop")) as client:
        await client.get("https://api.weixin.qq.com/cgi-bin/get_api_domain_ip")

What is read of a reply in order to look at it is there again for the caller.
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
    """Puts the Store's token into the query of each request, and repeats the one whose token is refused, once.

    store, name  as for Store.token
    param        what the token is called in the query: "access_token", "component_access_token" and so on
    hosts        who may have the token; a request to anybody else goes out as it is. By default these are
                 weixin.qq.com and api.q.qq.com, and all hosts below them.

    A request that has a token in its query already is left alone. A reply refuses the token by one of the errcodes
    40001, 40014 and 42001 (42006 of a component, 40082 or 42009 of a suite): then exactly that token is rejected, and
    the request repeated with its successor, if there is one and the body can be sent again. Otherwise the refusal is
    the reply. Where the Store fails, its WxTokenError is raised.

    Whether the caller streams a reply is not known here. One that may refuse, which is JSON or text, comes to the
    caller once its beginning shows that it does not, or more than 16 KiB of it have arrived.

    For Client and AsyncClient, in any number of threads and tasks. An AsyncClient asks the Store in a worker thread,
    and a task that is cancelled does not wait for it. ``str`` and ``repr`` of the request's URL hide the token, so
    that it is neither in the log of httpx nor in an exception.
    """

    def __init__(
        self, store: Store, name: str | None = None, *, param: str = "access_token", hosts: Iterable[str] = HOSTS
    ) -> None:
        self._store = store
        self._name = name
        self._param = param
        self._hosts = tuple(hosts)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Serve a Client."""
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
        """Serve an AsyncClient."""
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
        """A copy: the caller may send the request again, when the token is another."""
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
        # Redirects have been followed by now, perhaps to a host that has no say on tokens.
        url = reply.request.url
        return (
            is_among(url.host, self._hosts)
            and token_in(url.query.decode(), self._param) == token
            and may_refuse(reply.status_code, reply.headers)
        )


class HidingURL(httpx.URL):
    """A URL that is sent whole, and shown without its token."""

    _shown: httpx.URL

    @classmethod
    def of(cls, url: httpx.URL, param: str, token: str) -> HidingURL:
        """The URL with this token."""
        query = url.query.decode()
        hiding = cls(url, query=with_token(query, param, token).encode())
        hiding._shown = httpx.URL(url, query=with_token(query, param, "***").encode())
        return hiding

    def __str__(self) -> str:
        return str(self._shown)

    def __repr__(self) -> str:
        return repr(self._shown)


def was_refused(reply: httpx.Response) -> bool:
    """Whether this reply refuses the token; its body can still be read afterwards, in any way."""
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
    """The same for an AsyncClient."""
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
    """Whether to read on."""
    return sum(map(len, begun)) <= LONGEST_REFUSAL and may_become_refusal(content(reply, begun))


def content(reply: httpx.Response, parts: list[bytes]) -> bytes:
    """What these parts of a body are when they are decoded; nothing where that cannot be done, or not yet."""
    try:
        return httpx.Response(200, headers=reply.headers, content=b"".join(parts)).content
    except httpx.DecodingError:
        return b""


@contextmanager
def naming(request: httpx.Request) -> Iterator[None]:
    """Put the request into an exception, as httpx does when it reads by itself."""
    try:
        yield
    except httpx.RequestError as e:
        e.request = request
        raise


class Rejoined(httpx.SyncByteStream):
    """The parts of a body that have been read, and the rest."""

    def __init__(self, begun: list[bytes], rest: Iterator[bytes], stream: httpx.SyncByteStream) -> None:
        self._begun = begun
        self._rest = rest
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._begun
        yield from self._rest

    def close(self) -> None:
        """End the reply, and what is left of it."""
        self._stream.close()


class AsyncRejoined(httpx.AsyncByteStream):
    """The same for an AsyncClient."""

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
        """End the reply, and what is left of it."""
        await self._stream.aclose()


def can_be_repeated(request: httpx.Request) -> bool:
    """Whether the body is there still: one of bytes is, and so is a form, if each file of it can be rewound."""
    stream: Any = request.stream
    if isinstance(stream, httpx.ByteStream):
        return True
    fields = getattr(stream, "fields", None)
    return fields is not None and all(is_there_still(getattr(field, "file", b"")) for field in fields)


def is_there_still(file: Any) -> bool:
    """Whether httpx, which rewinds what it can, gets the same from a file a second time."""
    if isinstance(file, (bytes, str)):
        return True
    return bool(file.seekable()) if hasattr(file, "seekable") else False
