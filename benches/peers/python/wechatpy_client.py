"""The cost of a token in wechatpy, from its sessions in memory and in Redis, in turns with a Store.

Run this under warm.py and with_redis.py, with bindings/python in $PYTHONPATH.
"""

import os

from redis import Redis
from rounds import measure
from wechatpy import WeChatClient
from wechatpy.session.memorystorage import MemoryStorage
from wechatpy.session.redisstorage import RedisStorage
from wxtoken import Store


class Client(WeChatClient):
    """A client that fetches from the simulator at its first use."""

    def fetch_access_token(self):
        where = os.environ["WXTOKEN_API_BASE_URL"] + "/cgi-bin/token"
        asked = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(where, asked)


def access_token(session):
    client = Client(os.environ["WXBENCH_APPID"], os.environ["WXBENCH_SECRET"], session=session)
    return lambda: client.access_token


store = Store()
redis = Redis(unix_socket_path=os.environ["WXBENCH_REDIS"])
measure(
    [
        ("python-beside-wechatpy", lambda: store.token("shop").value, 1000),
        ("wechatpy-memory", access_token(MemoryStorage()), 1000),
        ("wechatpy-redis", access_token(RedisStorage(redis)), 15),
    ]
)
