"""What the adapters share: an access token in a URL, and the reply that refuses it.

Private; knows no HTTP library. A URL is taken apart by its query alone, and each pair that is not the token's stays as
it was, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote_plus, urlsplit

HOSTS = ("weixin.qq.com", "api.q.qq.com")
"""Where WeChat, WeCom and QQ have their APIs: these hosts, and those below them."""

# 42006 is a component's, 40082 and 42009 are a suite's.
REFUSALS = (40001, 40014, 42001, 42006, 40082, 42009)

# WeChat sends JSON under all of these.
JSON_TYPES = ("application/json", "text/json", "text/plain")

# A refusal is some hundred bytes long.
LONGEST_REFUSAL = 16 << 10

# The platforms send control characters in strings.
_JSON = json.JSONDecoder(strict=False)


def is_among(host: str | None, hosts: Iterable[str]) -> bool:
    """Whether a host is one of these, or below one."""
    return host is not None and any(host == known or host.endswith("." + known) for known in hosts)


def token_in(query: str, param: str) -> str | None:
    """The token that a query carries."""
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if unquote_plus(key) == param:
            return unquote_plus(value)
    return None


def with_token(query: str, param: str, token: str | None) -> str:
    """The query with this token in place of any other, or with none."""
    pairs = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) != param]
    if token is not None:
        pairs.append(f"{param}={quote(token, safe='*')}")
    return "&".join(pairs)


def token_in_url(url: str | None, param: str) -> str | None:
    """The token that a URL carries."""
    return token_in(urlsplit(url or "").query, param)


def url_with_token(url: str, param: str, token: str | None) -> str:
    """The URL with this token in place of any other, or with none."""
    parts = urlsplit(url)
    return parts._replace(query=with_token(parts.query, param, token)).geturl()


def may_refuse(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a reply can be a refusal, by what is known before its body is read."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    length = headers.get("content-length", "0")
    return status == 200 and media in JSON_TYPES and length.isdigit() and int(length) <= LONGEST_REFUSAL


def refuses(body: bytes) -> bool:
    """Whether the body of a reply says that the token is not valid."""
    return object_in(body).get("errcode") in REFUSALS


def object_in(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is; an empty one for any other body, and for one too long for a refusal."""
    if len(body) > LONGEST_REFUSAL:
        return {}
    try:
        found = _JSON.decode(text_of(body))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def may_become_refusal(beginning: bytes) -> bool:
    """Whether a body that begins so can be a refusal in the end."""
    text = text_of(beginning)
    if len(beginning) > LONGEST_REFUSAL or not text.startswith("{"):
        return not text
    try:
        first, _ = _JSON.raw_decode(text)
    except (ValueError, RecursionError):
        # The object has not ended.
        return True
    return first.get("errcode") in REFUSALS


def text_of(body: bytes) -> str:
    """A body, or its beginning, as text."""
    return body.decode("utf-8-sig", "ignore").strip()
