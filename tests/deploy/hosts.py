"""The hosts on which docs/server.md is followed: two servers, a business server and a Redis, each with its own
address."""

import os
import re
import subprocess
import sys
from pathlib import Path

from guide import Guide
from machine import PROJECT, Machine
from place import bring_what_is_built, well
from wechat import Account, control

sys.path.append(str(PROJECT / "tests" / "mixed"))
# These make hosts without a machine; tests/mixed has them.
from network import SUBNET, Network, ip  # noqa: E402
from simulator import Forwarder  # noqa: E402

NAME = "tokens.example.com"
REDIS = "redis.example.com"
BUSINESS, SECOND = "the business server", "the second server"
# The rights in docs/scale-out.md.
RIGHTS = "~wxtoken:* +@read +@write +@scripting +role +time +ping +select +wait +asking"


class Hosts:
    def __init__(self, checks):
        self.checks = checks
        self.guide = Guide("server", checks)
        self.words = self.guide.words
        self.secrets = {name: f"{name}-{os.urandom(12).hex()}" for name in ("shop", "platform", "slow", "redis")}
        self.shop = Account("shop", "official", "wx0123456789abcdef", self.secrets["shop"])
        self.platform = Account("platform", "component", "wxplatform000001", self.secrets["platform"])
        self.secrets["ticket"] = control("/push", {"id": self.platform.id})["ticket"]
        self.words.update(
            {
                "the secret": self.secrets["shop"],
                "the secret of the platform": self.secrets["platform"],
                "the ticket": self.secrets["ticket"],
                "the password of Redis": self.secrets["redis"],
            }
        )
        self.network = Network().__enter__()
        self.addresses, self.keys = {}, []
        try:
            ip("addr", "add", f"{SUBNET}.254/24", "dev", "bridge")
            self.server = self._host(None, "tokens")
            self.business = self._host(BUSINESS, "shop")
            self.second = self._host(SECOND, "tokens-2")
            self._start_redis()
            for machine in self.guide.machines.values():
                self._name(machine, NAME, self.addresses[self.server])
                self._name(machine, REDIS, self.redis.host.address)
        except BaseException:
            self.end()
            raise
        # Other modules call the host by this name.
        self.machine = self.server

    def _host(self, named, hostname):
        machine = self.guide.machines[named] = Machine(own_network=True)
        self.addresses[machine] = f"{SUBNET}.{next(self.network.numbers)}"
        ip("link", "add", f"to-{hostname}", "type", "veth", "peer", "name", "eth0", "netns", str(machine.pid))
        ip("link", "set", f"to-{hostname}", "master", "bridge", "up")
        inside = ["nsenter", "--target", str(machine.pid), "--net", "--uts", "--"]
        for words in (
            f"hostname {hostname}",
            f"ip addr add {self.addresses[machine]}/24 dev eth0",
            "ip link set eth0 up",
            "ip link set lo up",
        ):
            subprocess.run([*inside, *words.split()], check=True)
        machine.namespace = f"/proc/{machine.pid}/ns/net"
        everybody = {}
        if named != BUSINESS:
            # A business server reaches WeChat's tokens only through the server.
            Forwarder(machine)
            everybody = {f"WXTOKEN_{platform}_BASE_URL": Forwarder.URL for platform in ("API", "WORK")}
        bring_what_is_built(machine, everybody)
        settings = "".join(f"Environment={name}={value}\n" for name, value in everybody.items())
        machine.write("/etc/systemd/system/wxtoken-serve.service.d/test.conf", f"[Service]\n{settings}")
        return machine

    def _name(self, machine, name, address):
        file = machine.root / "etc/hosts"
        file.write_text(f"{file.read_text()}{address} {name}\n")

    def _start_redis(self):
        host = self.network.host("redis")
        everybody = ["--user", "default", "on", "nopass", "+ping"]
        own = ["--user", "wxtoken", "on", f">{self.secrets['redis']}", *RIGHTS.split()]
        self.redis = host.redis("/tmp", "--protected-mode", "no", *everybody, *own)

    def name_the_second_too(self):
        """An operator's change in the name server."""
        self._name(self.business, NAME, self.addresses[self.second])

    def send(self, path, source, target):
        """An operator's copy by ssh."""
        (target.root / path).write_bytes((source.root / path).read_bytes())
        (target.root / path).chmod(0o600)
        (source.root / path).unlink()

    def end(self):
        if self.checks.failed:
            for named, machine in self.guide.machines.items():
                print(f"# the journal of {named or 'the server'}:")
                done = machine.run("journalctl --no-pager -o cat -n 60 -u 'wxtoken-*' -u nginx")
                for line in self.hidden(done.said).splitlines():
                    print(f"#   {line}")
        for machine in self.guide.machines.values():
            machine.end()
        self.network.__exit__()

    def hidden(self, text):
        return re.sub(r"wxk_\w+", "wxk_…", text)

    # --- users and programs ---

    def follow(self, number, only=None):
        self.guide.follow(number, only)
        for words in ("the key",):
            key = self.words.get(words, "").strip()
            if key and key not in self.keys:
                self.keys.append(key)

    def root(self, script, machine=None):
        return well(script, (machine or self.server).run(script))

    def on_business(self, script, user=None):
        return self.business.run(script, user)

    def pid(self, machine=None):
        return int(self.root("systemctl show wxtoken-serve -p MainPID --value", machine))

    def minted(self):
        return self.shop.minted()

    def program(self):
        """The environment that the guide gives a program on the business server."""
        text = (self.business.root / "etc/shop/wxtoken.env").read_text()
        return dict(line.split("=", 1) for line in text.splitlines())

    def ca(self):
        return Path(self.business.root / "etc/shop/tokens-ca.pem")

    def leaks(self, text):
        """The names of the secrets that occur in a text."""
        words = {**self.secrets, **{f"key {number}": key for number, key in enumerate(self.keys)}}
        tokens = {f"token {number}": token for number, token in enumerate(self.shop.tokens() + self.platform.tokens())}
        return [name for name, word in {**words, **tokens}.items() if word in text]
