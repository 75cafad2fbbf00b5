"""Signs a page's URL for the JS-SDK and prints the fields that the page passes to wx.config, as JSON.

    python3 jssdk.py 'https://shop.example/page?from=menu#top'

WXTOKEN_STORE        the store (the library reads it)
WXTOKEN_ID           appid or corpid
WXTOKEN_SECRET       its secret, needed once; without it, "demo" must be in the store already
WXTOKEN_KIND         its kind, "official" unless given
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import time

from wxtoken import Store, WxTokenError


def sign(app_id: str, ticket: str, url: str) -> dict[str, str | int]:
    """Return the signed fields of wx.config. The page itself adds debug, jsApiList and openTagList.

    url is the page's URL, exactly as the browser shows it from https:// to the query, without the fragment.
    """
    nonce = secrets.token_hex(16)
    timestamp = int(time.time())
    page = url.split("#", 1)[0]
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={page}"
    signature = hashlib.sha1(text.encode()).hexdigest()
    return {"appId": app_id, "timestamp": timestamp, "nonceStr": nonce, "signature": signature}


def main() -> None:
    """Sign the page that the command line names, with the ticket of the account "demo"."""
    account_id = os.environ.get("WXTOKEN_ID")
    if len(sys.argv) != 2 or not account_id:
        sys.exit("usage: WXTOKEN_ID=… python3 jssdk.py URL")
    with Store() as store:
        secret = os.environ.get("WXTOKEN_SECRET")
        if secret:
            store.register("demo", os.environ.get("WXTOKEN_KIND", "official"), account_id, secret)
        # The ticket stays on the server. The page gets only the signature.
        ticket = store.token("demo/jsapi_ticket")
    print(json.dumps(sign(account_id, ticket.value, sys.argv[1])))


if __name__ == "__main__":
    try:
        main()
    except WxTokenError as e:
        print(e, file=sys.stderr)
        sys.exit(1)
