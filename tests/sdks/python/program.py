"""wechatpy with a token of the server. For each line that it reads it makes one business call and prints the result.

A production program has only the class and its client. The rest is for the test.
"""

import os
import sys

from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

SERVER = os.environ["SDKS_SERVER"]


class Client(WeChatClient):
    # The simulator takes WeChat's place here. A production program does not have this line.
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
