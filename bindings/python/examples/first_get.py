"""Registers an account and gets its token, with settings from the environment.

WXTOKEN_STORE        the store (the library reads it)
WXTOKEN_ID           appid or corpid; without it, "demo" must be in the store already
WXTOKEN_SECRET       its secret
WXTOKEN_KIND         its kind, "official" unless given
"""

import os
import sys
import time

from wxtoken import Store, WxTokenError


def main() -> None:
    """Print one line on the token of the account "demo"."""
    with Store() as store:
        account_id = os.environ.get("WXTOKEN_ID")
        if account_id:
            kind = os.environ.get("WXTOKEN_KIND", "official")
            store.register("demo", kind, account_id, os.environ.get("WXTOKEN_SECRET", ""))
        start = time.perf_counter()
        token = store.token("demo")
        took_us = (time.perf_counter() - start) * 1e6
    value = token.value
    print(
        f"python  {value[:8]}…{value[-4:]}  {len(value)} chars  expires in {token.expires_in:.0f} s  {took_us:.0f} us"
    )


if __name__ == "__main__":
    try:
        main()
    except WxTokenError as e:
        print(e, file=sys.stderr)
        sys.exit(1)
