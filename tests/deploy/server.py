"""Stories of docs/server.md, in the order of its sections: a server, its clients, and the fate of calls during each
operation."""

import re

from business import LANGUAGES, Worker
from callers import Callers, Server, ask, token_of
from first_steps import unit_is_sound
from hosts import NAME
from machine import IN_MACHINE, PROJECT, until
from wechat import PLENTY, control

REJECT = """import sys; from wxtoken import Store; Store().reject("shop", sys.stdin.read())"""
PLENTIFUL = {"daily_quota": PLENTY, "minute_quota": PLENTY, "force_gap_ms": 0}
SHORT = {"lifetime_ms": 6000, "renew_window_ms": 3000, "grace_ms": 3000}
OPERATION = re.compile(r"^  (/[^:]*):\n|^    (get|post|put):\n", re.M)


def the_guide_is_one_in_both_languages(hosts):
    hosts.guide.is_one_in_both_languages()


def the_first_server_is_set_up(hosts):
    hosts.follow(1)
    unit_is_sound(hosts, "wxtoken-serve")
    for number in (2, 3, 4, 5):
        hosts.follow(number)
    hosts.words["the CA"] = hosts.root("cat /root/wxtoken-ca/ca.pem")
    found = hosts.root("stat -c '%n %U %G %a' /etc/wxtoken/tls/server.key /root/wxtoken-ca/ca.key /run/wxtoken/serve.sock")
    expected = [
        "/etc/wxtoken/tls/server.key root wxtoken 640",
        "/root/wxtoken-ca/ca.key root root 600",
        "/run/wxtoken/serve.sock root wxtoken 660",
    ]
    hosts.checks("keys and the socket are accessible only to the users that need them", found.splitlines() == expected, found.replace("\n", "; "))
    journal = hosts.root("journalctl -o cat -u wxtoken-serve")
    listening = re.findall(r"listening on (\S+)", journal)
    good = listening == ["unix:/run/wxtoken/serve.sock", "https://[::]:8443"]
    hosts.checks("the server listens on the sockets of systemd", good, " ".join(listening))
    hosts.checks("the server has fetched the token before any client asked", hosts.minted() == 1, f"{hosts.minted()} minted")
    hosts.follow(6)


def a_business_server_is_set_up(hosts):
    hosts.follow(7)
    hosts.checks("a program on the business server gets the server's token", hosts.minted() == 1, f"{hosts.minted()} minted")
    key = hosts.words["the key"].strip()
    found = hosts.root("stat -c '%U %G %a' /etc/shop/tokens.key; cat /etc/shop/tokens.key", hosts.business).split()
    hosts.checks("only its program can read its key", found == ["root", "shop", "640", key], " ".join(found[:3]))
    for user, _ in LANGUAGES.values():
        hosts.root(f"useradd --create-home --groups shop {user}", hosts.business)
    stranger = hosts.on_business("runuser -u nobody -- shop")
    good = stranger.code == 1 and not hosts.leaks(stranger.said)
    hosts.checks("a user who may not read the key gets nothing", good, hosts.hidden(stranger.said).strip())


def each_call_is_made_with_curl(hosts):
    page = (PROJECT / "docs/server.openapi.yaml").read_text().partition("\ncomponents:\n")[0]
    operations, path = [], ""
    for found in OPERATION.finditer(page):
        path = found[1] or path
        if found[2]:
            operations.append((found[2].upper(), path))
    curls = [call for block in hosts.guide[8] for call in calls_of(block.text)]
    without = [f"{method} {path}" for method, path in operations if not any(is_of(call, method, path) for call in curls)]
    told = f"{len(operations)} calls"
    hosts.checks("the guide has a curl for each call of the description", len(operations) >= 13 and not without, told, without)
    hosts.follow(8)
    # Two mints: the token, and the ticket that it fetches.
    hosts.checks("these calls cost one ticket and no token", hosts.minted() == 2, f"{hosts.minted()} minted")


def calls_of(script):
    for command in re.findall(r"curl (?:[^\n]|\\\n)*?https://[^/\s]*(\S*)", script):
        line = next(line for line in script.splitlines() if command in line)
        method = "PUT" if "-X PUT" in line else "POST" if "--data " in line else "GET"
        yield method, command


def is_of(call, method, path):
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))
    return call[0] == method and re.fullmatch(pattern, call[1]) is not None


def business_goes_on(hosts):
    """Sections 9 to 12 under load: changes of keys, certificates and restarts fail no call."""
    server, address = Server(NAME, hosts.ca()), hosts.addresses[hosts.server]
    first = hosts.words["the key"].strip()
    asked = hosts.shop.counters()["requests"]
    workers = [Worker(hosts.business, language, "shop", hosts.program()) for language in LANGUAGES]
    try:
        for worker in workers:
            worker.wait_until_ready()
        hosts.follow(9, only=0)
        key = hosts.words["the key"].strip()
        both = [status_of(server, address, one) for one in (first, key)]
        hosts.checks("while a key is rotated, both are accepted", both == [200, 200], str(both))
        hosts.follow(9, only=1)
        hosts.follow(9, only=2)
        both = [status_of(server, address, one) for one in (first, key)]
        hosts.checks("when the rotation ends, the first is refused", both == [401, 200], str(both))
        with Callers(server, address, key) as callers:
            until(lambda: callers.calls > 20, "the callers")
            certificates_name_clients(hosts)
            a_restart_costs_no_call(hosts, callers, workers)
            a_certificate_is_renewed(hosts, server, address, callers)
            had = callers.calls
            until(lambda: callers.calls > had + 20, "the callers, after all of that")
    finally:
        for worker in workers:
            worker.end()
    problems = [problem for one in (callers, *workers) for problem in one.problems]
    served = ", ".join(f"{worker.language} {worker.gets}" for worker in workers)
    told = f"{callers.calls} calls of strangers to the library; gets: {served}"
    hosts.checks("no call failed while keys, certificates and the server changed", not problems, told, problems)
    tokens = {token for one in (callers, *workers) for token in one.tokens}
    good = len(tokens) == 1 and hosts.minted() == 2 and hosts.shop.counters()["requests"] == asked
    hosts.checks("all were served the one token, and WeChat was not asked for another", good, f"{len(tokens)} tokens, {hosts.minted()} minted")


def status_of(server, address, key, path="/v1/token/shop", port=8443):
    connection = server.connect(address, port)
    try:
        return ask(connection, path, key)[0]
    finally:
        connection.close()


def certificates_name_clients(hosts):
    before = hosts.pid()
    hosts.follow(10)
    bare = hosts.on_business(f"curl -sS --cacert /etc/shop/tokens-ca.pem https://{NAME}:8443/v1/token/shop")
    address = hosts.addresses[hosts.business]
    line = until(lambda: last_line(hosts, "--grep crm.example.com", f'"address":"{address}"'), "the line of the audit")
    good = "does not know this key" in bare.said and hosts.pid() != before
    hosts.checks("a certificate identifies its client, and a call without one is refused", good, line)


def last_line(hosts, options, text):
    """The last line of the server's journal if it contains this text. The audit is written after the answer."""
    lines = hosts.server.run(f"journalctl -o cat -u wxtoken-serve {options}").output.splitlines()
    return lines[-1] if lines and text in lines[-1] else None


def a_restart_costs_no_call(hosts, callers, workers):
    before, had = hosts.pid(), callers.calls
    hosts.follow(11)
    until(lambda: callers.calls > had + 20, "calls after the upgrade")
    hosts.checks("an upgrade starts another process", hosts.pid() not in (0, before))
    for _ in range(5):
        had = callers.calls
        hosts.root("systemctl restart wxtoken-serve")
        until(lambda: callers.calls > had + 5, "calls after a restart")
    problems = [problem for one in (callers, *workers) for problem in one.problems]
    hosts.checks("six restarts under load fail no call", not problems, f"{callers.calls} calls", problems)


def a_certificate_is_renewed(hosts, server, address, callers):
    before = (hosts.pid(), server.serial(address))
    hosts.follow(12)
    # systemctl has sent the signal. The server reads the files at once.
    until(lambda: server.serial(address) != before[1], "the new certificate")
    served = hosts.root("openssl x509 -in /etc/wxtoken/tls/server.pem -noout -serial").strip().partition("=")[2]
    good = hosts.pid() == before[0] and server.serial(address) == served
    hosts.checks("a reload shows the new certificate, in the same process", good, "", callers.problems)
    hosts.root("cp /etc/wxtoken/tls/server.pem /root/good.pem; echo broken > /etc/wxtoken/tls/server.pem; systemctl reload wxtoken-serve")
    until(lambda: "the certificate stays as it was" in hosts.root("journalctl -o cat -u wxtoken-serve"), "word of the broken file")
    hosts.checks("a broken certificate leaves the previous one in use", server.serial(address) == served)
    hosts.root("install -m 644 /root/good.pem /etc/wxtoken/tls/server.pem; systemctl reload wxtoken-serve")


def nginx_stands_in_front(hosts):
    hosts.follow(13)
    server, address, key = Server(NAME, hosts.ca()), hosts.addresses[hosts.server], hosts.words["the key"].strip()
    # Section 13 has restarted the server, so lines of earlier calls are not the last.
    called = f'"client":"shop-web","address":"{hosts.addresses[hosts.business]}","verb":"get"'
    line = until(lambda: last_line(hosts, "-n 50", called), "the line of the audit")
    hosts.checks("through nginx the audit has the address of the caller", True, line)
    strangers = [status_of(server, address, "", path, 443) for path in ("/metrics", "/v1/token/shop", "/healthz")]
    hosts.checks("a client behind nginx does not count as local", strangers == [401, 401, 200], str(strangers))
    query = f"/cgi-bin/token?grant_type=client_credential&appid={hosts.shop.id}&secret={key}"
    answered = status_of(server, address, "", query, 443)
    hosts.root("systemctl stop wxtoken-serve.socket wxtoken-serve.service")
    failed = status_of(server, address, "", query, 443)
    hosts.root("systemctl start wxtoken-serve")
    logs = hosts.root("cat /var/log/nginx/*.log; journalctl -o cat -u nginx")
    good = (answered, failed) == (200, 502) and key not in logs
    hosts.checks("nginx logs no key, not even of a call that fails", good, f"{answered}, {failed}")
    mode = hosts.root("stat -c '%U %G %a' /run/wxtoken/serve.sock").strip()
    hosts.checks("the socket belongs to nginx's user and the group", mode == "www-data wxtoken 660", mode)


def a_second_server_makes_a_pair(hosts):
    minted = hosts.minted()
    hosts.follow(14, only=0)
    packed = "root/second-server.tar.gz"
    mode = hosts.root(f"stat -c %a /{packed}").strip()
    hosts.send(packed, hosts.server, hosts.second)
    hosts.follow(14, only=1)
    hosts.name_the_second_too()
    server, key = Server(NAME, hosts.ca()), hosts.words["the key"].strip()
    addresses = [hosts.addresses[one] for one in (hosts.server, hosts.second)]
    both = [status_of(server, address, key) for address in addresses]
    good = both == [200, 200] and hosts.minted() == minted and mode == "600"
    hosts.checks("both servers know the client's key, and fetch nothing again", good, f"{both}, {hosts.minted() - minted} minted")
    workers = [Worker(hosts.business, language, "shop", hosts.program()) for language in LANGUAGES]
    try:
        for worker in workers:
            worker.wait_until_ready()
        tokens_become_short(hosts, server, workers)
        before, known = settled(hosts), {worker: len(worker.tokens) for worker in workers}
        for gone in (hosts.server, hosts.second):
            one_may_die(hosts, gone, workers)
        after = settled(hosts)
    finally:
        for worker in workers:
            worker.end()
    problems = [problem for worker in workers for problem in worker.problems]
    served = ", ".join(f"{worker.language} {worker.gets}" for worker in workers)
    hosts.checks("either server may be down, and no call fails", not problems, served, problems)
    new = after["minted"] - before["minted"]
    strange = {one for worker in workers for one in worker.tokens[known[worker] :]} - set(hosts.shop.tokens())
    good = new >= 4 and after["requests"] - before["requests"] == new and after["max_in_flight"] == 1 and not strange
    hosts.checks("each token was minted once, by one request of one of the two", good, f"{new} minted")


def settled(hosts):
    """WeChat's counts, at a moment when no request is on its way."""
    return until(lambda: (counted := hosts.shop.counters())["in_flight"] == 0 and counted, "a moment without a request")


def tokens_become_short(hosts, server, workers):
    """WeChat refuses the token, and a program reports it. From now on tokens last for seconds."""
    hosts.shop.settings(**PLENTIFUL, **SHORT)
    connection = server.connect(hosts.addresses[hosts.server])
    old = token_of(connection, "/v1/token/shop", hosts.words["the key"].strip())
    connection.close()
    control("/revoke", {"id": hosts.shop.id, "which": "all", "kind": "stable"})
    environment = " ".join(f"{name}={value}" for name, value in hosts.program().items())
    program = f"env {environment} PYTHONPATH={IN_MACHINE}/bindings/python python3 -c '{REJECT}'"
    # On stdin, because the journal records command lines.
    done = hosts.business.run(f"runuser -u shop-python -- {program}", stdin=old)
    hosts.checks("a program reports that WeChat refuses the token", done.code == 0, "" if done.code == 0 else str(done))
    until(lambda: all(worker.tokens[-1] != old for worker in workers), "all programs to have another")


def one_may_die(hosts, gone, workers):
    """While one server is stopped, two tokens expire."""
    hosts.root("systemctl stop wxtoken-serve.socket wxtoken-serve.service", gone)
    had = {worker: len(worker.tokens) for worker in workers}
    until(lambda: all(len(worker.tokens) >= had[worker] + 2 for worker in workers), "all programs to have the next two tokens")
    hosts.root("systemctl start wxtoken-serve", gone)


def a_client_is_removed(hosts):
    hosts.follow(15)
    refused = []
    for machine in (hosts.server, hosts.second):
        words = "--cacert /etc/shop/tokens-ca.pem --cert /etc/shop/crm.pem --key /etc/shop/crm.key"
        to = f"--resolve {NAME}:8443:{hosts.addresses[machine]}"
        done = hosts.on_business(f"curl -sS -o /dev/null -w '%{{http_code}}' {words} {to} https://{NAME}:8443/v1/token/shop")
        refused.append(done.output)
    hosts.checks("both servers refuse a removed client", refused == ["401", "401"], str(refused))


def backups_are_made(hosts):
    hosts.follow(16)
    [path] = (hosts.server.root / "var/backups/wxtoken").glob("20*.db")
    leaks = hosts.leaks(path.read_bytes().decode("latin-1"))
    listed = hosts.root("wxtoken client list")
    hosts.checks("a backup has the clients, and no key and no token", b"shop-web" in path.read_bytes() and not leaks, "", leaks)
    hosts.checks("the list of clients has no key", "shop-web" in listed and not hosts.leaks(listed))


def nothing_was_written_that_is_secret(hosts):
    for named, machine in hosts.guide.machines.items():
        written = machine.run("journalctl -o export; cat /var/log/nginx/*.log 2>/dev/null || true").said
        leaks = hosts.leaks(written)
        name = f"no secret, key or token is in any log of {named or 'the server'}"
        hosts.checks(name, not leaks, f"{len(written) >> 10} KiB", leaks)
