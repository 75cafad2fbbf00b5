"""Asks WeChat for its callback addresses through wechatpy, with a token of the store.

It reads the same environment variables as first_get.py. If WXSIM_HTTP is set, the simulator answers.
"""

import os
import sys

from wechatpy.exceptions import WeChatClientException

from wxtoken import Store, WxTokenError
from wxtoken.wechatpy import WeChatClient


def main() -> None:
    """Print the number of addresses."""
    account_id, secret = os.environ["WXTOKEN_ID"], os.environ["WXTOKEN_SECRET"]
    simulator = os.environ.get("WXSIM_HTTP")
    with Store(api_base_url=simulator) as store:
        store.register("demo", "official", account_id, secret)
        client = WeChatClient(account_id, store, "demo")
        if simulator:
            client.API_BASE_URL = f"{simulator}/cgi-bin/"
        addresses = client.misc.get_wechat_ips()
    print(f"python, wechatpy  {len(addresses)} callback addresses")


if __name__ == "__main__":
    try:
        main()
    except (WxTokenError, WeChatClientException) as e:
        print(e, file=sys.stderr)
        sys.exit(1)
