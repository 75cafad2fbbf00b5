"""What a failed call raises: one exception per status of the C library, all of them WxTokenError."""

from __future__ import annotations

import builtins


class WxTokenError(Exception):
    """A call failed. ``str(error)`` says what failed, on what, and what to do; never a secret or a token.

    status       the status's number in ``wxtoken.h``
    errcode      the platform's errcode with ApiError, else 0; 0 also where its codes are words (DingTalk)
    retry_after  seconds after which another try makes sense; 0.0 is at once, or unknown
    """

    # A status that this package is too old to know comes as a plain WxTokenError with its number.
    status: int = 0

    def __init__(self, message: str, *, errcode: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.errcode = errcode
        self.retry_after = retry_after


class ArgumentError(WxTokenError, ValueError):
    """An argument or an option is not one that can be used, or the store is closed. Nothing was changed."""

    status = 1


class AccountError(WxTokenError, LookupError):
    """There is no such account in this store, or the parent that it needs is not there."""

    status = 2


class StoreError(WxTokenError):
    """The store cannot be opened, read or written, or is not ours."""

    status = 3


class SecretError(WxTokenError):
    """There is no valid token, and what it takes to fetch one is missing.

    This process may not read the secret, or a ticket or refresh token was never put.
    """

    status = 4


class NetworkError(WxTokenError):
    """WeChat was not reached: DNS, connect, TLS, or a reset."""

    status = 5


class ReplyError(WxTokenError):
    """WeChat's host answered, but with something that is no token reply."""

    status = 6


class ApiError(WxTokenError):
    """WeChat answered an errcode, found in ``errcode``."""

    status = 7


class TimeoutError(WxTokenError, builtins.TimeoutError):
    """``timeout_ms`` passed, in a fetch of this call's own or in waiting for another's."""

    status = 8


class InternalError(WxTokenError):
    """A defect in the library. The process goes on; please report it."""

    status = 9


_BY_STATUS: dict[int, type[WxTokenError]] = {
    error.status: error
    for error in (
        ArgumentError,
        AccountError,
        StoreError,
        SecretError,
        NetworkError,
        ReplyError,
        ApiError,
        TimeoutError,
        InternalError,
    )
}


def failure(status: int, errcode: int, retry_after_ms: int, message: str) -> WxTokenError:
    """The exception for a status and what the library wrote beside it."""
    kind = _BY_STATUS.get(status, WxTokenError)
    error = kind(message, errcode=errcode, retry_after=retry_after_ms / 1000)
    error.status = status
    return error
