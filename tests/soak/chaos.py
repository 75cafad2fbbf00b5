"""Everything at once. Hosts close and reuse descriptors of the library. The disk is slow and fails, and clocks step.
Processes are stopped, killed and forked, and keys are changed. No account is lost, no file of a host is touched, no call
returns a false result, and afterwards everything works."""

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter

from simulator import Account
from workers import PATIENCE_S, Failure, Place, Worker

VANDALS = 3
LIFETIME_S = 5
LONGEST_STOP_S = 1.0
REKEY_S = 60
# What is done in ten rounds, in random order. A slow machine has few rounds in a minute, and each action comes all the same.
TEN_ROUNDS = ("stop",) * 6 + ("rekey",) * 3 + ("kill",)
LOST_KEY = "sealed with another key"
MAY_FAIL = ("cannot", "timed out", "another process")


class Vandal(Worker):
    """One life of a misbehaving host. Its account gets a new id again and again."""

    def __init__(self, place, life, shim, plants):
        self.account = f"own{life}"
        self.acknowledged = 0
        self.did = Counter()
        words = (self.account, "shop")
        more = {"LD_PRELOAD": shim, "CHAOS_DIRECTORY": str(place.path), "CHAOS_PLANTS": plants}
        super().__init__(f"vandal{life}", place, "vandal", *words, on_line=self._note, **more)

    def _note(self, _worker, what, rest):
        if what == "registered":
            self.acknowledged = int(rest)
        elif what == "did":
            name, _, count = rest.partition(" ")
            self.did[name] += int(count)

    def id_of(self, number):
        return f"{self.account}.{number}" if number else None


class Chaos:
    name = "chaos"

    def __init__(self, seconds, vandal, shim, tool):
        self._seconds, self._vandal, self._shim, self._tool = seconds, vandal, shim, tool
        self._vandals, self._ended, self._to_do = [], [], []
        self._lives = self._kills = self._stops = self._rekeys = self._rekeys_failed = 0
        self._problems = []
        # The files of the hosts' own. A killed host leaves some behind.
        self._plants = tempfile.TemporaryDirectory(prefix="wxtoken-plants-")

    def prepare(self, programs):
        programs["vandal"] = [self._vandal]
        self._shop = Account("shop", "official_classic", lifetime_ms=LIFETIME_S * 1000, renew_window_ms=1000)
        return Place(self.name, programs, [self._shop])

    def run(self, place, checks):
        began = time.monotonic()
        self._vandals = [self._next(place) for _ in range(VANDALS)]
        for vandal in self._vandals:
            vandal.wait_until_ready()
        rounds = 0
        while (time.monotonic() - began < self._seconds or rounds < len(TEN_ROUNDS)) and not self._problems:
            self._round(place)
            rounds += 1
        took = time.monotonic() - began
        for vandal in self._vandals:
            vandal.tell_to_end()
        ends = [vandal.wait() for vandal in self._vandals]
        self._ended += self._vandals
        self._problems += [end for end in ends if end]
        self._problems += [failure for vandal in self._ended for failure in vandal.failures()]
        self._problems += [*place.unsoundness(), *self._lost(place), *self._secrets_told(place)]
        did = sum((vandal.did for vandal in self._ended), Counter())
        told = ", ".join(f"{count} {name}" for name, count in sorted(did.items()))
        checks("no account is lost, no file of a host is touched, and each call returns a true result", not self._problems, told, self._problems)
        # Otherwise nothing is proved.
        busy = all(did[name] for name in ("gets", "registrations", "closed", "planted", "disk-failures", "clock-steps"))
        good = busy and self._rekeys and self._stops and self._kills
        told = f"{self._rekeys} rekeys and {self._rekeys_failed} that failed, {self._stops} stops, {self._kills} kills"
        checks("there was chaos", good, told)
        counters = self._shop.counters()
        # A leader that is stopped or killed during a fetch, or loses its socket, costs another fetch.
        most = int(took / LIFETIME_S) + 1 + 2 * (self._stops + self._kills) + did["closed"] // 20
        good = counters["requests"] <= most and counters["max_in_flight"] <= 2
        told = f"{counters['requests']} requests, {most} at most; {counters['max_in_flight']} at once"
        checks("no storm of fetches", good, told)
        checks.table("chaos", seconds=f"{took:.0f}", lives=self._lives, kills=self._kills, stops=self._stops,
                     rekeys=self._rekeys, requests=counters["requests"], **did)

    def end(self):
        for vandal in self._vandals:
            vandal.kill()

    def _next(self, place):
        self._lives += 1
        return Vandal(place, self._lives, self._shim, self._plants.name)

    def _round(self, place):
        victim = random.choice(self._vandals)
        self._to_do = self._to_do or random.sample(TEN_ROUNDS, len(TEN_ROUNDS))
        what = self._to_do.pop()
        self._disturb_the_store()
        if what == "stop":
            os.kill(victim.pid, signal.SIGSTOP)
            time.sleep(random.uniform(0, LONGEST_STOP_S))
            os.kill(victim.pid, signal.SIGCONT)
            self._stops += 1
        elif what == "rekey":
            self._rekey(place)
        else:
            victim.kill()
            self._kills += 1
            self._ended.append(victim)
            self._vandals[self._vandals.index(victim)] = self._next(place)
        time.sleep(random.uniform(0, 0.2))
        for vandal in self._vandals:
            vandal.require_alive()

    def _disturb_the_store(self):
        """Does nothing: a store in a file is disturbed by the hosts themselves."""

    def _rekey(self, place):
        done = subprocess.run(
            [self._tool, "-o", "timeout_ms=30000", "rekey"],
            env=place.environment, capture_output=True, text=True, timeout=REKEY_S, check=False,
        )
        if done.returncode == 0:
            self._rekeys += 1
        elif LOST_KEY in done.stderr:
            self._problems.append(f"rekey: {done.stderr}")
        elif any(words in done.stderr for words in MAY_FAIL):
            self._rekeys_failed += 1
        else:
            self._problems.append(f"rekey: {done.stderr}")

    def _lost(self, place):
        stored = self._stored(place)
        for vandal in self._ended:
            # It may have been killed between a commit and its acknowledgement.
            possible = [vandal.id_of(vandal.acknowledged + more) for more in (0, 1)]
            left = stored.get(vandal.account)
            if left not in possible:
                yield f"{vandal.account} has {left}, not {' or '.join(map(str, possible))}"

    def _stored(self, place):
        """The id of each account, by name."""
        return dict(place.query("SELECT name, appid FROM weixin_account"))

    def _secrets_told(self, place):
        return [line for line in place.complaints() if self._shop.secret in line]


class RedisPlace(Place):
    """A directory with a private Redis, which is the store."""

    def begin(self):
        server = shutil.which("redis-server")
        if server is None:
            raise Failure("redis-server is not there: apt-get install redis-server")
        socket = self.path / "redis.sock"
        words = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(self.path)]
        with open(self.path / "redis.out", "wb") as out:
            self.server = subprocess.Popen([server, *words], stdout=out, stderr=out, start_new_session=True)
        patience = time.monotonic() + PATIENCE_S
        while not socket.exists():
            if self.server.poll() is not None or time.monotonic() > patience:
                raise Failure(f"redis-server did not start: see {self.path / 'redis.out'}")
            time.sleep(0.01)
        self.environment |= {"WXTOKEN_STORE": f"redis+unix://{socket}", "XDG_STATE_HOME": str(self.path)}

    def unsoundness(self):
        return []


class ChaosOnRedis(Chaos):
    """Chaos on a store in Redis. The server is stopped, and drops its clients' connections."""

    name = "chaos-redis"
    _place = None

    def prepare(self, programs):
        programs["vandal"] = [self._vandal]
        self._shop = Account("shop", "official_classic", lifetime_ms=LIFETIME_S * 1000, renew_window_ms=1000)
        self._place = RedisPlace(self.name, programs, [self._shop])
        return self._place

    def end(self):
        super().end()
        if self._place and hasattr(self._place, "server"):
            self._place.server.send_signal(signal.SIGCONT)
            self._place.server.kill()
            self._place.server.wait()

    def _disturb_the_store(self):
        server = self._place.server
        if random.randrange(4) == 0:
            server.send_signal(signal.SIGSTOP)
            time.sleep(random.uniform(0, LONGEST_STOP_S))
            server.send_signal(signal.SIGCONT)
            self._stops += 1
        elif random.randrange(4) == 0:
            socket = str(self._place.path / "redis.sock")
            subprocess.run(["redis-cli", "-s", socket, "CLIENT", "KILL", "TYPE", "normal"], capture_output=True, check=False)

    def _stored(self, place):
        done = subprocess.run(
            [self._tool, "status", "--json"], env=place.environment, capture_output=True, text=True, timeout=REKEY_S, check=False
        )
        if done.returncode not in (0, 1):
            self._problems.append(f"status: {done.stderr}")
            return {}
        return {account["name"]: account["id"] for account in json.loads(done.stdout)["accounts"]}
