"""Real prefork servers, reloaded under load: one mint per expiry, and no hung worker.

Run under `wechat-sim exec`, with libwxtoken in LD_LIBRARY_PATH. Arguments: names of servers, to run only those.
Needs nginx, PHP-FPM with its extensions opcache and FFI, and gunicorn.
"""

import os
import signal
import sys
import time

from load import Load, ask, roll_call
from servers import Failure, Gunicorn, PhpFpm, Place, until
from simulator import LIFETIME_MS, Account

# The last tenth of a token's life, spread by 7 %, is for its refresh.
LEAST_LIFE_S = 0.85 * LIFETIME_MS / 1000


def php_fpm(place, account):
    """As the README has it: root starts it, the package's file is preloaded, each request opens the store."""
    server = PhpFpm(place, "php/preload.php", as_root=os.geteuid() == 0)
    registered = ask(server.socket, f"?register={account.id}", {"X-Secret": account.secret})
    if registered.problem:
        server.kill()
        raise Failure(f"cannot register the account: {registered.problem}")
    return server


def php_fpm_whose_master_fetches(place, _account):
    # No root, for whom PHP preloads in a child that ends before the workers are forked.
    return PhpFpm(place, "master.php")


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
    # So that everything is ended then, too.
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
        serve(name, server, place, account, began, checks)
        wrong = server.end()
        checks(f"{name} ends when told to, leaves nobody behind, and its logs complain of nothing", not wrong, shown(wrong))
    except (Failure, OSError) as reason:
        checks(f"{name} gets to the end of its story", False, str(reason))
    finally:
        if server:
            server.kill()
    if place and checks.failed > failed_before:
        show_logs(place)
    elif place:
        place.remove()


def serve(name, server, place, account, began, checks):
    first = roll_call(server.socket, "cold", server.places)
    counters = account.look()
    told = summary(first, counters)
    preloaded_by = place.state / "preloaded-by"
    if preloaded_by.exists():
        good = is_one_token(first, server) and counters["requests"] == counters["minted"] == 1
        good &= preloaded_by.read_text() == str(server.pid)
        checks(f"{name}: all workers go on with what the master fetched", good, told)
    else:
        good = is_one_token(first, server) and counters["requests"] == counters["minted"] == 1
        checks(f"{name}: all workers ask at once of an empty store, and one token is minted", good, told)

    with Load(server.socket) as load:
        until(lambda: is_settled(account.look(), 2), "a refresh under load")
        reload(server, load, account)
        until(lambda: account.look()["in_flight"], "a worker that fetches")
        reload(server, load, account)
        until(lambda: is_settled(account.look(), 3), "the end of that fetch")
    counters = account.look()
    took = time.monotonic() - began

    problems = [answer.problem for answer in load.answers if answer.problem]
    slowest_ms = 1000 * max(answer.took for answer in load.answers)
    told = f"{len(load.answers)} requests, {len(load.workers)} workers, slowest {slowest_ms:.0f} ms; {shown(problems)}"
    checks(f"{name}: no request fails or hangs through two reloads", not problems, told)

    stale = [answer for answer in load.answers if account.had_ended(answer.token, answer.sent)]
    checks(f"{name}: every token was valid when it was served", not stale, f"{len(stale)} were not")

    served = {answer.token for answer in first + load.answers if answer.token}
    good = len(served) == counters["minted"] == counters["requests"] and counters["max_in_flight"] == 1
    good &= counters["minted"] - 1 <= took / LEAST_LIFE_S
    told = f"{counters['minted']} minted in {took:.1f} s by {counters['requests']} requests, {len(served)} served"
    checks(f"{name}: each token is minted once, and none before its time", good, told)

    until(lambda: not account.has_valid_token(), "the end of the token that nobody asks for")
    last = roll_call(server.socket, "expired", server.places)
    afterwards = account.look()
    good = is_one_token(last, server) and afterwards["requests"] == afterwards["minted"] == counters["minted"] + 1
    checks(f"{name}: all workers ask at once after an expiry, and one token is minted", good, summary(last, afterwards))
    good = not workers_of(first) & workers_of(last) and workers_of(last) <= load.workers | workers_of(last)
    checks(f"{name}: the reloads replaced every worker", good)


def reload(server, load, account):
    before = set(load.workers)
    server.reload()
    until(lambda: account.look() and load.workers - before, "an answer of a worker that the reload started")


def is_settled(counters, minted):
    return counters["minted"] >= minted and not counters["in_flight"]


def is_one_token(answers, server):
    tokens = {answer.token for answer in answers}
    return len(tokens) == 1 and "" not in tokens and len(workers_of(answers)) == server.workers


def workers_of(answers):
    return {answer.worker for answer in answers if answer.worker}


def summary(answers, counters):
    problems = [answer.problem for answer in answers if answer.problem]
    return f"{counters['minted']} minted, {len(workers_of(answers))} workers; {shown(problems)}"


def shown(problems):
    """The first few, in one line."""
    return "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")


def show_logs(place):
    for log in place.logs():
        lines = log.read_text(errors="replace").splitlines()
        print(f"# the last of {len(lines)} lines of {log}")
        for line in lines[-20:]:
            print(f"#   {line}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
