"""A network of hosts: namespaces on one bridge, each with an address and a name, and the programs on them."""

import itertools
import signal
import subprocess
import time

SUBNET = "10.77.0"


def until(what, holds, within_s=180):
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, f"gave up waiting until {what}"
        time.sleep(0.02)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Network:
    """Runs in the network namespace of this process. Programs started on it end with the block."""

    def __init__(self):
        self.processes = []
        self.numbers = itertools.count(1)

    def __enter__(self):
        ip("link", "add", "bridge", "type", "bridge")
        ip("link", "set", "bridge", "up")
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def host(self, name):
        return Host(self, name, next(self.numbers))

    def start(self, *command, **options):
        process = subprocess.Popen(command, **options)
        self.processes.append(process)
        return process


class Host:
    def __init__(self, network, name, number):
        self.network, self.name, self.address = network, name, f"{SUBNET}.{number}"
        # The holder keeps the namespaces open. It writes its line when they exist.
        holder = network.start(
            "unshare", "--net", "--uts", "sh", "-c", 'hostname "$0" && echo there && exec sleep infinity', name,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert holder.stdout.readline() == "there\n", f"cannot make the host {name}"
        self.pid = str(holder.pid)
        self.namespace = f"/proc/{self.pid}/ns/net"
        ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", self.pid)
        ip("link", "set", f"to-{name}", "master", "bridge", "up")
        for words in (f"addr add {self.address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            subprocess.run([*self.inside(), "ip", *words.split()], check=True)

    def inside(self):
        return ["nsenter", "--target", self.pid, "--net", "--uts", "--"]

    def start(self, *command, **options):
        return self.network.start(*self.inside(), *command, **options)

    def ask(self, port, *command):
        """The reply of a Redis on this host; empty if it does not answer."""
        # Stopped after a while, because a frozen server never answers.
        words = [*self.inside(), "timeout", "5", "redis-cli", "-h", self.address, "-p", str(port), *command]
        lines = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()
        if command[:2] == ("SENTINEL", "MASTER"):
            # Fields and values alternate.
            return "\n".join(" ".join(pair) for pair in zip(lines[::2], lines[1::2]))
        return "\n".join(lines)

    def redis(self, directory, *options):
        server = Redis(self, directory, options)
        until(f"Redis answers on {self.name}", lambda: server.ask("PING") == "PONG")
        return server


class Redis:
    def __init__(self, host, directory, options):
        self.host = host
        # nsenter becomes the server, so its process id is the server's.
        self.process = host.start(
            "redis-server", "--bind", host.address, "--save", "", "--dir", str(directory), "--dbfilename", f"{host.name}.rdb",
            *options, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, *command):
        return self.host.ask(6379, *command)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
