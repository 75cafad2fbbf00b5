"""The class of the script that this library descends from, under its old name."""

from __future__ import annotations

import os

from .errors import ArgumentError
from .store import OptionValue, Store


class WeiXinTokenClass:
    """The script's class: ``WeiXinTokenClass().get()`` returns the token of a WeCom app.

    store    the path of the store, as for Store. It may be the script's own database, which is converted when it is
             first opened. Its accounts, the current one, and a token with time left are kept.
    corpid   an app to register first, together with ``secret``; ``get`` returns its token
    name     the account's name in the store; by default ``corpid`` if that is given, else the current account.
             Give each of two apps of one corporation a name, or the second replaces the first.
    options  as for Store

    A failure raises a WxTokenError, where the script ended the process.
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
        """Return a token that is valid now. See Store.token."""
        return self._store.token(self._name).value
