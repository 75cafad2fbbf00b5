"""A store on Redis: a look against a bare GET, 300 cold processes, and the time until a killed leader is replaced.

Run under `wechat-sim exec` and `peers/with_redis.py`, with libwxtoken in LD_LIBRARY_PATH. Argument: the directory with
the built programs of `c/`. A host is a state directory, because each has its own lock file.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stores import NAME, Account, control

HOSTS, PROCESSES, UPSTREAM_MS = 3, 300, 200
REGISTER = "import sys; from wxtoken import Store; Store(sys.argv[1]).register(*sys.argv[2:])"
BINDING = Path(__file__).resolve().parent.parent / "bindings" / "python"


class Hosts:
    """A store with an account and no token, and the hosts that have its key."""

    def __init__(self, directory, name, **settings):
        self.url = f"redis+unix://{os.environ['WXBENCH_REDIS']}?prefix={name}"
        self.account = Account(**settings)
        self.states = [Path(directory, name, f"host-{number}") for number in range(HOSTS)]
        command = [sys.executable, "-c", REGISTER, self.url, NAME, "official", self.account.id, self.account.secret]
        subprocess.run(command, env={**self.environment(0), "PYTHONPATH": str(BINDING)}, check=True)
        for state in self.states[1:]:
            shutil.copytree(self.states[0], state)

    def environment(self, host):
        base_url = {"WXTOKEN_API_BASE_URL": os.environ["WXSIM_HTTP"], "WXTOKEN_TIMEOUT_MS": "60000"}
        self.states[host].mkdir(parents=True, exist_ok=True)
        return {**os.environ, **base_url, "XDG_STATE_HOME": str(self.states[host])}

    def first_get(self, built, host, **more):
        command = [f"{built}/first_get", self.url, NAME]
        return subprocess.Popen(command, env={**self.environment(host), **more}, stdout=subprocess.DEVNULL)

    def requests(self):
        return control(f"/counters?id={self.account.id}")["requests"]


def main(built):
    with tempfile.TemporaryDirectory() as directory:
        look(built, Hosts(directory, "look"))
        cold(built, Hosts(directory, "cold", delay_ms=UPSTREAM_MS))
        say("redis-takeover-on-its-host-ms", statistics.median(takeover(built, directory, f"same-{n}", 0) for n in range(10)))
        say("redis-takeover-by-another-host-ms", statistics.median(takeover(built, directory, f"other-{n}", 1) for n in range(3)))


def look(built, hosts):
    command = [f"{built}/redis", hosts.url, os.environ["WXBENCH_REDIS"], NAME]
    subprocess.run(command, env=hosts.environment(0), check=True)


def cold(built, hosts):
    """All processes at once. The time includes the upstream's."""
    began = time.monotonic()
    running = [hosts.first_get(built, number % HOSTS) for number in range(PROCESSES)]
    if any([one.wait() for one in running]):
        sys.exit("on_redis.py: a cold process failed")
    say(f"redis-cold-{PROCESSES}-processes-ms", 1000 * (time.monotonic() - began))
    say(f"redis-cold-{PROCESSES}-processes-minted", hosts.account.minted())


def takeover(built, directory, name, waiter_host):
    """From the leader's death to the end of the waiter's get, in milliseconds."""
    hosts = Hosts(directory, name, delay_ms=60000)
    # As in real programs: the lease lasts as long as this request may take, plus 500 ms.
    leader = hosts.first_get(built, 0, WXTOKEN_TIMEOUT_MS="8000")
    while hosts.requests() < 1:
        time.sleep(0.002)
    hosts.account.set(delay_ms=0)
    waiter = hosts.first_get(built, waiter_host)
    # The waiter must be waiting. No state shows that, and a start takes a few milliseconds.
    time.sleep(0.3)
    leader.kill()
    began = time.monotonic()
    leader.wait()
    if waiter.wait():
        sys.exit("on_redis.py: the waiter failed")
    took = 1000 * (time.monotonic() - began)
    if hosts.requests() != 2:
        sys.exit(f"on_redis.py: {hosts.requests()} requests, and not 2")
    return took


def say(fact, value):
    print(json.dumps({"fact": fact, "value": value}), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
