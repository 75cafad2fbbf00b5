"""The exceptions of failed calls: one per status of the C library, all of them WxTokenError."""

from __future__ import annotations

import builtins


class WxTokenError(Exception):
    """A call failed. ``str(error)`` says what failed, on what, and what to do. It contains no secret and no token.

    status       the status's number in ``wxtoken.h``
    errcode      the platform's errcode with ApiError, else 0; also 0 if the platform's codes are words (DingTalk)
    retry_after  seconds to wait before another try makes sense; 0.0 means at once, or unknown
    """

    # A status that this package does not know is raised as a plain WxTokenError with its number.
    status: int = 0

    def __init__(self, message: str, *, errcode: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.errcode = errcode
        self.retry_after = retry_after


class ArgumentError(WxTokenError, ValueError):
    """An argument or an option cannot be used, or the store is closed. Nothing was changed."""

    status = 1


class AccountError(WxTokenError, LookupError):
    """The account, or the parent that it needs, is not in this store."""

    status = 2


class StoreError(WxTokenError):
    """The store cannot be opened, read or written, or belongs to another program."""

    status = 3


class SecretError(WxTokenError):
    """The store has no valid token and one cannot be fetched.

    Either this process may not read the secret, or a ticket or refresh token was never put.
    """

    status = 4


class NetworkError(WxTokenError):
    """WeChat was not reached: DNS, connect, TLS, or a reset."""

    status = 5


class ReplyError(WxTokenError):
    """The host answered, but the answer is not a valid token reply."""

    status = 6


class ApiError(WxTokenError):
    """WeChat answered with an errcode: see ``errcode``."""

    status = 7


class TimeoutError(WxTokenError, builtins.TimeoutError):
    """``timeout_ms`` passed while this call fetched a token or waited for another fetch."""

    status = 8


class InternalError(WxTokenError):
    """A defect in the library. The process may go on. Please report the defect."""

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
    """Return the exception for a status and the library's other results."""
    kind = _BY_STATUS.get(status, WxTokenError)
    error = kind(message, errcode=errcode, retry_after=retry_after_ms / 1000)
    error.status = status
    return error
