"""One process of the soak of expiries, in Python: see `worker expiry` in worker.c."""

import select
import sys
import time

from wxtoken import Store, WxTokenError

PAUSE_S = 0.005


class Served:
    def __init__(self, name):
        self.name = name
        self.value = None

    def get_once_more(self, store):
        asked_ms = int(time.time() * 1000)
        try:
            token = store.token(self.name)
        except WxTokenError as reason:
            print("failed", self.name, reason, flush=True)
            return
        took_ms = int(time.time() * 1000) - asked_ms
        is_new = token.value != self.value
        if is_new:
            self.say()
            self.value, self.gets, self.slowest_ms = token.value, 0, 0
            self.expires_at = int(token.expires_at.timestamp())
        self.asked_ms = asked_ms
        self.gets += 1
        self.slowest_ms = max(self.slowest_ms, took_ms)
        if is_new:
            self.say()

    def say(self):
        if self.value:
            words = (self.value, self.expires_at, self.asked_ms, self.gets, self.slowest_ms)
            print("served", self.name, *words, flush=True)


def main(_expiry, own, *names):
    with Store() as store:
        store.token(own)
        print("ready", flush=True)
        everything = [Served(name) for name in names]
        while True:
            for served in everything:
                served.get_once_more(store)
            if select.select([sys.stdin], [], [], PAUSE_S)[0]:
                break
    for served in everything:
        served.say()


main(*sys.argv[1:])
