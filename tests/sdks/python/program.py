"""wechatpy with a token of the server: one business call for each line that it reads, and what came of it.

A program of production has the class and its client; what else is here is the test's.
"""

import os
import sys

from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

SERVER = os.environ["SDKS_SERVER"]


class Client(WeChatClient):
    # WeChat's place is the simulator's here; in production this line is not there.
    API_BASE_URL = os.environ["SDKS_WECHAT"] + "/cgi-bin/"

    def fetch_access_token(self):
        params = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(url=f"{SERVER}/cgi-bin/token", params=params)


def call(client):
    try:
        return f"ok {len(client.misc.get_wechat_ips())}"
    except WeChatClientException as refused:
        return f"errcode {refused.errcode}: {refused.errmsg}"


def main():
    client = Client(os.environ["SDKS_ID"], os.environ["SDKS_KEY"])
    print("ready", flush=True)
    for _ in sys.stdin:
        print(call(client).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
