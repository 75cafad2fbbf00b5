"""Real prefork servers, reloaded under load: one mint per expiry, and no hung worker.

Run under `wechat-sim exec`, with libwxtoken in LD_LIBRARY_PATH. Arguments: the servers to test; all by default.
Needs nginx, PHP-FPM with its extensions opcache and FFI, and gunicorn.
"""

import os
import signal
import sys
import time

from load import Load, ask, roll_call
from servers import Failure, Gunicorn, PhpFpm, Place, until
from simulator import LIFETIME_MS, Account

# The last tenth of a token's life, spread by 7 %, is left for its refresh.
LEAST_LIFE_S = 0.85 * LIFETIME_MS / 1000


def php_fpm(place, account):
    """As in the README: root starts it, the package's file is preloaded, and each request opens the store."""
    server = PhpFpm(place, "php/preload.php", as_root=os.geteuid() == 0)
    registered = ask(server.socket, f"?register={account.id}", {"X-Secret": account.secret})
    if registered.problem:
        server.kill()
        raise Failure(f"cannot register the account: {registered.problem}")
    return server


def php_fpm_whose_master_fetches(place, _account):
    # Not as root: for root, PHP preloads in a child that ends before the workers are forked.
    return PhpFpm(place, "master.php", ffi_preload="ffi.h")


def gunicorn(place, _account):
    return Gunicorn(place, workers=4)


def gunicorn_with_threads(place, _account):
    return Gunicorn(place, workers=2, threads=4)


SERVERS = {
    "php-fpm": php_fpm,
    "php-fpm-master": php_fpm_whose_master_fetches,
    "gunicorn": gunicorn,
    "gunicorn-threads": gunicorn_with_threads,
}


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, good, detail=""):
        self.passed += good
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} - {name}" + (f": {detail}" if detail else ""), flush=True)


def main(names):
    unknown = set(names) - set(SERVERS)
    if unknown or "WXSIM_CONTROL" not in os.environ:
        print("usage: wechat-sim exec --quiet -- python3 tests/servers/run.py [" + "|".join(SERVERS) + "]…")
        return 2
    # Everything is then ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    checks = Checks()
    for name in names or SERVERS:
        run(name, SERVERS[name], checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


def run(name, start, checks):
    failed_before = checks.failed
    place = server = None
    try:
        account = Account()
        place = Place(account)
        began = time.monotonic()
        server = start(place, account)
        serve(name, server, account, began, checks)
        wrong = server.end()
        told = "; ".join(wrong[:5])
        checks(f"{name}: it ends when told to, with all its workers, and its logs have no complaint", not wrong, told)
    except (Failure, OSError) as reason:
        checks(f"{name}: the story completes", False, str(reason))
    finally:
        if server:
            server.kill()
    if place and checks.failed > failed_before:
        show_logs(place)
    elif place:
        place.remove()


def serve(name, server, account, began, checks):
    first = roll_call(server, "cold")
    counters = account.look()
    good = share_one_token(first, server) and counters["requests"] == counters["minted"] == 1
    preloaded_by = server.state / "preloaded-by"
    if preloaded_by.exists():
        good &= preloaded_by.read_text() == str(server.pid)
        checks(f"{name}: every worker uses the token that the master fetched", good, summary(first, counters))
    else:
        checks(f"{name}: all workers ask at once of an empty store, and one mints", good, summary(first, counters))

    with Load(server) as load:
        until(lambda: is_settled(account.look(), 2), "a refresh under load")
        reload(server, load, account)
        until(lambda: account.look()["in_flight"], "a worker that fetches")
        replaced = reload(server, load, account)
        until(lambda: is_settled(account.look(), 3), "the end of that fetch")
    counters = account.look()
    took = time.monotonic() - began

    good = not any(answer.problem for answer in load.answers)
    slowest_ms = 1000 * max(answer.took for answer in load.answers)
    told = f"{len(load.answers)} requests, the slowest {slowest_ms:.0f} ms, {summary(load.answers, counters)}"
    checks(f"{name}: no request fails or hangs through two reloads", good, told)

    stale = sum(account.had_ended(answer.token, answer.sent) for answer in load.answers)
    checks(f"{name}: every token was valid when it was served", not stale, f"{stale} were not" if stale else "")

    served = {answer.token for answer in first + load.answers if answer.token}
    good = len(served) == counters["minted"] == counters["requests"] and counters["max_in_flight"] == 1
    good &= counters["minted"] - 1 <= took / LEAST_LIFE_S
    told = f"{counters['minted']} minted by {counters['requests']} requests in {took:.1f} s, {len(served)} served"
    checks(f"{name}: each token is minted once, and none before its time", good, told)

    until(lambda: not account.has_valid_token(), "the end of a token that nobody asks for")
    last = roll_call(server, "expired")
    afterwards = account.look()
    good = share_one_token(last, server) and afterwards["requests"] == afterwards["minted"] == counters["minted"] + 1
    checks(f"{name}: all workers ask at once after an expiry, and one mints", good, summary(last, afterwards))
    checks(f"{name}: the reloads replaced every worker", not replaced & workers_of(last))


def reload(server, load, account):
    """Returns the earlier workers."""
    before = set(load.workers)
    server.reload()
    until(lambda: account.look() and load.workers - before, "an answer of a worker that the reload started")
    return before


def is_settled(counters, minted):
    return counters["minted"] >= minted and not counters["in_flight"]


def share_one_token(answers, server):
    tokens = {answer.token for answer in answers}
    return len(tokens) == 1 and "" not in tokens and len(workers_of(answers)) == server.workers


def workers_of(answers):
    return {answer.worker for answer in answers if answer.worker}


def summary(answers, counters):
    problems = [answer.problem for answer in answers if answer.problem]
    told = f"{len(workers_of(answers))} workers, {counters['minted']} minted so far"
    return f"{told}, {len(problems)} problems: {'; '.join(problems[:3])}" if problems else told


def show_logs(place):
    for log in place.logs():
        lines = log.read_text(errors="replace").splitlines()
        print(f"# the last of {len(lines)} lines of {log}")
        for line in lines[-20:]:
            print(f"#   {line}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
