"""Access tokens of WeChat and other platforms, fetched once and shared by every process and language on the host.

    from wxtoken import Store

    with Store("/var/lib/wx/tokens.db") as store:
        store.register("shop", "official", appid, secret)
        url = f"https://api.weixin.qq.com/cgi-bin/menu/get?access_token={store.token('shop')}"

The C library libwxtoken does the work. ``README.md`` says where the package looks for it.
"""

from ._implementation import implementation
from ._library import version
from ._version import __version__
from .compat import WeiXinTokenClass
from .errors import (
    AccountError,
    ApiError,
    ArgumentError,
    InternalError,
    NetworkError,
    ReplyError,
    SecretError,
    StoreError,
    TimeoutError,
    WxTokenError,
)
from .store import Store, Token

__all__ = [
    "AccountError",
    "ApiError",
    "ArgumentError",
    "InternalError",
    "NetworkError",
    "ReplyError",
    "SecretError",
    "Store",
    "StoreError",
    "TimeoutError",
    "Token",
    "WeiXinTokenClass",
    "WxTokenError",
    "__version__",
    "implementation",
    "version",
]
