"""For callers of the script that this library descends from: its class, by its name."""

from __future__ import annotations

import os

from .errors import ArgumentError
from .store import OptionValue, Store


class WeiXinTokenClass:
    """``WeiXinTokenClass().get()`` gives the token of a WeCom app, as it did in the script.

    store    the path of the store, as for Store; the script's own database may be named, and is converted when it is
             first opened: its accounts, which of them is current, and a token that has time left are kept
    corpid   with ``secret``: an app to register first, and to give the token of
    name     the account's name in the store; without it, ``corpid`` if that is given, else the current account.
             Two apps of one corporation need a name each, for here the second would replace the first.
    options  as for Store

    A failure raises a WxTokenError where the script would have ended the process.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | None = None,
        corpid: str | None = None,
        secret: str | None = None,
        name: str | None = None,
        **options: OptionValue,
    ) -> None:
        if (corpid is None) != (secret is None):
            raise ArgumentError("corpid and secret go together: give both or neither")
        self._store = Store(store, **options)
        self._name = name
        if corpid is not None and secret is not None:
            self._name = corpid if name is None else name
            self._store.register(self._name, "work", corpid, secret)

    def get(self) -> str:
        """Return a token that is valid now; see Store.token."""
        return self._store.token(self._name).value
