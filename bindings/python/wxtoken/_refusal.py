"""Code that the adapters share: an access token in a URL, and the reply that refuses it.

Private. It knows no HTTP library. It splits a URL only by its query, and every pair that is not the token's stays
unchanged, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote_plus, urlsplit

HOSTS = ("weixin.qq.com", "api.q.qq.com")
"""The hosts of the APIs of WeChat, WeCom and QQ. Hosts below them count too."""

# 42006 is for a component's token, 40082 and 42009 for a suite's.
REFUSALS = (40001, 40014, 42001, 42006, 40082, 42009)

# WeChat sends JSON under all of these.
JSON_TYPES = ("application/json", "text/json", "text/plain")

# A refusal has a few hundred bytes.
LONGEST_REFUSAL = 16 << 10

# The platforms send control characters in strings.
_JSON = json.JSONDecoder(strict=False)


def is_among(host: str | None, hosts: Iterable[str]) -> bool:
    """Return whether a host is one of these, or below one."""
    return host is not None and any(host == known or host.endswith("." + known) for known in hosts)


def token_in(query: str, param: str) -> str | None:
    """Return the token in a query, or None."""
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if unquote_plus(key) == param:
            return unquote_plus(value)
    return None


def with_token(query: str, param: str, token: str | None) -> str:
    """Return the query with this token instead of any other, or without one."""
    pairs = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) != param]
    if token is not None:
        pairs.append(f"{param}={quote(token, safe='*')}")
    return "&".join(pairs)


def token_in_url(url: str | None, param: str) -> str | None:
    """Return the token in a URL, or None."""
    return token_in(urlsplit(url or "").query, param)


def url_with_token(url: str, param: str, token: str | None) -> str:
    """Return the URL with this token instead of any other, or without one."""
    parts = urlsplit(url)
    return parts._replace(query=with_token(parts.query, param, token)).geturl()


def may_refuse(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether a reply can be a refusal, judging by its status and headers."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    length = headers.get("content-length", "0")
    return status == 200 and media in JSON_TYPES and length.isdigit() and int(length) <= LONGEST_REFUSAL


def refuses(body: bytes) -> bool:
    """Return whether the body of a reply says that the token is not valid."""
    return object_in(body).get("errcode") in REFUSALS


def object_in(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body. Return an empty one for any other body, and for one too long for a refusal."""
    if len(body) > LONGEST_REFUSAL:
        return {}
    try:
        found = _JSON.decode(text_of(body))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def may_become_refusal(beginning: bytes) -> bool:
    """Return whether a body with this beginning can still become a refusal."""
    text = text_of(beginning)
    if len(beginning) > LONGEST_REFUSAL or not text.startswith("{"):
        return not text
    try:
        first, _ = _JSON.raw_decode(text)
    except (ValueError, RecursionError):
        # The object has not ended yet.
        return True
    return first.get("errcode") in REFUSALS


def text_of(body: bytes) -> str:
    """Return a body, or its beginning, as text."""
    return body.decode("utf-8-sig", "ignore").strip()
