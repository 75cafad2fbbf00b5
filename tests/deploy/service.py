"""Stories of wxtoken-serve.service: its sandbox, its sockets, and its notifications to systemd."""

import json
import threading

from callers import Callers, Server, ask
from hosts import NAME
from machine import IN_MACHINE, until
from wechat import Account, control

DROP_IN = "/etc/systemd/system/wxtoken-serve.service.d/watchdog.conf"
# Tried in the service's own view of the filesystem. Each is refused for this reason.
REFUSED = {
    "touch /etc/new": "Read-only file system",
    "touch /usr/local/bin/new": "Read-only file system",
    "touch /etc/wxtoken/tls/new": "Read-only file system",
    "ls /root": "Permission denied",
    "ls /home": "Permission denied",
    "cat /root/wxtoken-ca/ca.key": "Permission denied",
    "touch /run/wxtoken/new": "Permission denied",
}


def the_unit_is_as_tight_as_the_keepers(hosts):
    keeper, server = (exposures(hosts, name) for name in ("wxtoken-keep", "wxtoken-serve"))
    worse = [f"{name}: {server.get(name)} instead of {was}" for name, was in keeper.items() if server.get(name, 99) > was]
    told = f"{len(keeper)} settings, {sum(keeper.values()):.1f} and {sum(server.values()):.1f} in all"
    hosts.checks("no setting exposes the server more than the keeper", len(keeper) > 50 and not worse, told, worse)


def exposures(hosts, name):
    unit = f"{IN_MACHINE}/contrib/systemd/{name}.service"
    listed = json.loads(hosts.root(f"systemd-analyze security --no-pager --offline=true --json=short {unit}"))
    return {one["json_field"]: float(one["exposure"] or 0) for one in listed}


def the_server_lives_in_its_sandbox(hosts):
    pid = hosts.pid()
    status = dict(line.split(":", 1) for line in hosts.root(f"cat /proc/{pid}/status").splitlines())
    found = {name: status[name].split()[0] for name in ("NoNewPrivs", "Seccomp", "CapEff", "CapBnd", "CapPrm", "Uid")}
    uid = hosts.root("id -u wxtoken").strip()
    nothing = "0" * 16
    expected = {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": nothing, "CapBnd": nothing, "CapPrm": nothing, "Uid": uid}
    hosts.checks("the server runs as its user, without a capability, under a filter of calls", found == expected, str(found))
    within = f"nsenter -t {pid} -m setpriv --reuid=wxtoken --regid=wxtoken --init-groups"
    come_through = []
    for command, reason in REFUSED.items():
        done = hosts.server.run(f"{within} {command}")
        if done.code == 0 or reason not in done.said:
            come_through.append(f"{command}: {done}")
    hosts.checks("it sees no home directory, and cannot write anywhere", not come_through, f"{len(REFUSED)} tries", come_through)
    hosts.root(f"{within} touch /var/lib/wxtoken/new; rm /var/lib/wxtoken/new")
    shown = hosts.root("systemctl show wxtoken-serve -p Type -p ActiveState -p StatusText").splitlines()
    shown = dict(line.split("=", 1) for line in shown)
    good = (shown["Type"], shown["ActiveState"]) == ("notify", "active") and "all valid" in shown["StatusText"]
    hosts.checks("it has told systemd that it is ready, and its status", good, shown["StatusText"])


def calls_under_way_are_answered_first(hosts):
    """A fetch of one second is under way when the server is told to end."""
    slow = Account("slow", "official", "wxslow0000000001", hosts.secrets["slow"])
    control("/faults", {"id": slow.id, "kind": "delay", "ms": 1500})
    words = f"account add {slow.name} --kind {slow.kind} --id {slow.id} --secret-file -"
    # The keeper fetches a new account by itself, and the call waits for it.
    hosts.server.run(f"runuser -u wxtoken -- wxtoken {words}", stdin=slow.secret)
    hosts.root("runuser -u wxtoken -- wxtoken client change shop-web --all-accounts")
    key, address = hosts.words["the key"].strip(), hosts.addresses[hosts.server]
    connection = Server(NAME, hosts.ca()).connect(address)
    answers = []
    caller = threading.Thread(target=lambda: answers.append(ask(connection, "/v1/token/slow", key)), daemon=True)
    caller.start()
    until(lambda: slow.counters()["requests"] == 1, "the fetch")
    until(lambda: calls_of(hosts, connection) == 1, "the call")
    before = hosts.pid()
    hosts.root("systemctl restart wxtoken-serve")
    caller.join(30)
    statuses = [status for status, _ in answers]
    good = statuses == [200] and hosts.pid() != before and slow.minted() == 1
    hosts.checks("a call that waits for WeChat is answered before the server ends", good, f"{statuses}, {slow.minted()} minted")


def calls_of(hosts, connection):
    """The number of connections that the server has accepted from this caller's port."""
    port = connection.sock.getsockname()[1]
    return len(hosts.root(f"ss -Htn state established '( sport = :8443 and dport = :{port} )'").splitlines())


def a_call_starts_a_server_that_was_stopped(hosts):
    hosts.root("systemctl stop wxtoken-serve.service")
    ended = hosts.root("systemctl show wxtoken-serve -p Result -p ExecMainStatus --value").split()
    key = hosts.words["the key"].strip()
    connection = Server(NAME, hosts.ca()).connect(hosts.addresses[hosts.server])
    status, _ = ask(connection, "/v1/token/shop", key)
    good = ended == ["success", "0"] and status == 200 and hosts.pid() != 0
    hosts.checks("a stopped server exits with 0, and the next call starts it", good, f"{ended}, {status}")


def a_server_that_hangs_is_replaced(hosts):
    hosts.server.write(DROP_IN, "[Service]\nWatchdogSec=3\n")
    hosts.root("systemctl daemon-reload; systemctl restart wxtoken-serve")
    pid = hosts.pid()
    hosts.root(f"kill -STOP {pid}")
    with Callers(Server(NAME, hosts.ca()), hosts.addresses[hosts.server], hosts.words["the key"].strip()) as callers:
        until(lambda: hosts.pid() not in (0, pid), "the watchdog")
        until(lambda: callers.calls > 20, "the calls that have waited for the next server")
    hosts.root(f"rm {DROP_IN}; systemctl daemon-reload; systemctl restart wxtoken-serve")
    # When systemd kills the hanging server, it may wake for a moment and take a connection with it.
    good = len(callers.problems) <= callers.count
    name = "the watchdog replaces a server that hangs, which fails at most one call of each caller"
    hosts.checks(name, good, f"{callers.calls} calls, {len(callers.problems)} lost", [] if good else callers.problems)
