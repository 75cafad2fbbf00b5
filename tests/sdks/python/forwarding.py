"""wechatpy with all its calls through the server. ../forwarding.py defines the lines that it reads and its answers."""

import os
import sys

from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

SERVER = os.environ["SDKS_SERVER"]


class Client(WeChatClient):
    API_BASE_URL = SERVER + "/cgi-bin/"

    def fetch_access_token(self):
        params = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(url=f"{SERVER}/cgi-bin/token", params=params)


def call(client):
    assert client.user.get("oDemo")["openid"] == "oDemo"
    assert client.message.send_text("oDemo", "您好，世界")["errcode"] == 0
    return ""


def upload(client, path):
    with open(path, "rb") as file:
        return client.media.upload("image", file)["media_id"]


def download(client, media_id, path):
    with open(path, "wb") as file:
        file.write(client.media.download(media_id).content)
    return ""


def token(client):
    return client.session.get(client.access_token_key)


VERBS = {"call": call, "upload": upload, "download": download, "token": token}


def answer(client, verb, *words):
    try:
        return f"ok {VERBS[verb](client, *words)}"
    except WeChatClientException as refused:
        return f"errcode {refused.errcode}: {refused.errmsg}"


def main():
    client = Client(sys.argv[1].split("=")[1], os.environ["SDKS_KEY"])
    print("ready", flush=True)
    for line in sys.stdin:
        print(answer(client, *line.split()[1:]).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
