"""Three hosts, each with workers in C, Go, PHP and Python, on one Redis that three sentinels watch: `make demo-hosts`.

Arguments: the simulator, the built C worker and the built Go worker. A host is a network namespace with its own name and state
directory. All of them are in a namespace of this run, so this machine's network does not change. Needs root, or user
namespaces. If it has neither, it reports that to tests/run.py.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from network import Network, until
from run import TWO_HOURS_MS, round_of_gets
from simulator import ID, SECRET, Forwarder, control

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

import not_run  # noqa: E402

HOSTS = ["shop-1", "shop-2", "shop-3"]
# A sentinel that stalls for two seconds does nothing for thirty.
WITHIN_S = 180


def main(simulator, c_worker, go_worker):
    if "WXSIM_CONTROL" not in os.environ:
        return in_a_namespace(simulator, c_worker, go_worker)
    with tempfile.TemporaryDirectory() as directory, Network() as network:
        return Story(Path(directory), network, c_worker, go_worker).tell()


def in_a_namespace(simulator, *workers):
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    probe = subprocess.run([*unshare, "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
    if probe.returncode:
        reason = f"network namespaces are forbidden here ({probe.stderr.strip()}); run it as root"
        if "WXTOKEN_NOT_RUN" in os.environ:
            return not_run.say("test-mixed/hosts", reason)
        print(f"demo-hosts: {reason}", file=sys.stderr)
        return 1
    inside = ["sh", "-c", 'ip link set lo up && exec "$0" "$@"', simulator, "exec", "--quiet", "--"]
    return subprocess.run([*unshare, *inside, sys.executable, __file__, simulator, *workers], check=False).returncode


class Story:
    def __init__(self, directory, network, c_worker, go_worker):
        self.directory, self.network = directory, network
        self.commands = [[c_worker], [go_worker], ["php", str(HERE / "worker.php")], [sys.executable, str(HERE / "worker.py")]]
        self.failed = 0

    def tell(self):
        self.start_redis()
        hosts = [self.network.host(name) for name in HOSTS]
        for host in hosts:
            Forwarder(host)
        self.start_sentinels(hosts)
        self.url = "redis+sentinel://" + ",".join(host.address for host in hosts) + "/main"
        print(f"Store: {self.url}")
        self.account(delay_ms=300)
        self.register(hosts)
        workers = [self.worker(host, command) for host in hosts for command in self.commands]
        for worker in workers:
            assert worker.stdout.readline() == "ready\n", worker.args
        try:
            self.acts(workers, hosts)
        finally:
            for worker in workers:
                worker.stdin.close()
                worker.wait(WITHIN_S)
        ended = [worker.returncode for worker in workers]
        self.check("every worker ended well, so that no call failed", not any(ended), str(ended) if any(ended) else "")
        return 1 if self.failed else 0

    def acts(self, workers, hosts):
        served = [self.round(workers)]
        self.check("3 hosts x 4 languages x 4 threads, all at once on an empty store", served[0] == 1, self.count(1))

        self.master.freeze()
        print("The master is frozen (SIGSTOP). The gets go on.")
        began, rounds, longest = time.monotonic(), 0, 0
        while self.named_master(hosts[0]) != self.replica.host.address or rounds < 20:
            started = time.monotonic()
            served.append(self.round(workers))
            longest = max(longest, time.monotonic() - started)
            rounds += 1
            assert time.monotonic() - began < WITHIN_S, "the sentinels did not promote the replica"
        told = f"{48 * rounds} gets in {rounds} rounds, the longest round {1000 * longest:.0f} ms; {self.count(1)}"
        self.check("the replica is promoted under load", set(served) == {1}, told)

        until("the new master reports its role", lambda: self.replica.ask("ROLE").startswith("master"))
        # The next token lives for eight seconds, the one after it for two hours.
        self.account(lifetime_ms=8000, delay_ms=300)
        old = self.token
        control("/revoke", {"id": ID, "which": "all"})
        self.python(hosts[1], "store.reject('shop', sys.argv[1])", old)
        self.round_until(workers, old)
        self.check("WeChat refuses the token, one host says so, and all have another", self.token != old, self.count(2))

        self.account(lifetime_ms=TWO_HOURS_MS)
        self.master.thaw()
        until("the old master is a replica", lambda: self.master.ask("ROLE").startswith("slave"))
        print("The old master is back, as a replica.")
        old = self.token
        self.round_until(workers, old)
        self.check("the token ends, and all have another", self.token != old, self.count(3))
        counted = control(f"/counters?id={ID}")
        exact = (counted["minted"], counted["requests"], counted["max_in_flight"]) == (3, 3, 1)
        told = f"{counted['requests']} requests, {counted['minted']} minted, {counted['max_in_flight']} at once"
        self.check("what WeChat counted", exact, told)

    def round(self, workers):
        """All get at once. Returns the number of different tokens."""
        tokens = round_of_gets(workers)
        self.token = next(iter(tokens))
        return len(tokens)

    def round_until(self, workers, old):
        """Repeats until all have one token, which is another one."""
        until("every host has the next token", lambda: self.round(workers) == 1 and self.token != old)

    def count(self, wanted):
        minted = control(f"/counters?id={ID}")["minted"]
        self.failed += minted != wanted
        return f"{minted} minted" if minted == wanted else f"{minted} minted and not {wanted}"

    def check(self, name, good, detail):
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} - {name}" + (f": {detail}" if detail else ""), flush=True)

    def account(self, **more):
        control("/accounts", {"kind": "official", "id": ID, "secret": SECRET, **more})

    def start_redis(self):
        master, replica = self.network.host("redis-1"), self.network.host("redis-2")
        self.master = master.redis(self.directory, "--protected-mode", "no")
        self.replica = replica.redis(self.directory, "--protected-mode", "no", "--replicaof", f"{master.address} 6379")
        until("the replica follows", lambda: "master_link_status:up" in self.replica.ask("INFO", "replication"))

    def start_sentinels(self, hosts):
        for host in hosts:
            config = self.directory / f"{host.name}.conf"
            config.write_text(
                f"port 26379\nprotected-mode no\ndir {self.directory}\nlogfile {host.name}.log\n"
                f"sentinel monitor main {self.master.host.address} 6379 2\n"
                "sentinel down-after-milliseconds main 1500\nsentinel failover-timeout main 6000\n"
            )
            host.start("redis-server", str(config), "--sentinel")
        for host in hosts:
            known = lambda host=host: host.ask(26379, "SENTINEL", "MASTER", "main").replace("\n", " ")
            until("the sentinels know each other", lambda: all(f in known() for f in ("num-slaves 1", "num-other-sentinels 2")))

    def named_master(self, host):
        return host.ask(26379, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").split("\n")[0]

    def environment(self, host):
        state = self.directory / host.name
        state.mkdir(exist_ok=True)
        return {
            **os.environ,
            "XDG_STATE_HOME": str(state),
            "WXTOKEN_STORE": self.url,
            "WXTOKEN_API_BASE_URL": Forwarder.URL,
            "PYTHONPATH": str(HERE.parent.parent / "bindings" / "python"),
        }

    def register(self, hosts):
        """Registers on the first host. The other hosts get its key, as docs/scale-out.md says."""
        self.python(hosts[0], "store.register('shop', 'official_classic', *sys.argv[1:])", ID, SECRET)
        ours = self.directory / hosts[0].name / "wxtoken"
        (key,) = ours.glob("*.key")
        for host in hosts[1:]:
            theirs = Path(self.environment(host)["XDG_STATE_HOME"]) / "wxtoken"
            theirs.mkdir(mode=0o700)
            subprocess.run(["cp", "-p", str(key), str(theirs)], check=True)

    def python(self, host, line, *arguments):
        program = f"import sys; from wxtoken import Store; store = Store(); {line}"
        done = host.start(sys.executable, "-c", program, *arguments, env=self.environment(host))
        assert done.wait(WITHIN_S) == 0, line

    def worker(self, host, command):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return host.start(*command, env=self.environment(host), **pipes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
