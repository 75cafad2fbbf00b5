"""Takes 16 processes of 4 threads through two expiries with an upstream that takes 200 ms. Prints how long their gets
took, without and with background_refresh.

Run under `wechat-sim exec`, with libwxtoken in LD_LIBRARY_PATH. Argument: the directory with the built programs of `c/`.
The tokens live 8 s, and are refreshed about 0.8 s before their end.
"""

import array
import json
import os
import subprocess
import sys
import tempfile

from stores import NAME, Account, Stores

PROCESSES, THREADS = 16, 4
SECONDS, PACE_US = 17, 2000
UPSTREAM_MS, LIFETIME_MS, RENEWAL_MS = 200, 8000, 2000


def main(programs):
    with tempfile.TemporaryDirectory() as directory:
        stores = Stores(directory, f"{programs}/register")
        go_through(stores, f"{programs}/expiry", background=False)
        go_through(stores, f"{programs}/expiry", background=True)


def go_through(stores, program, background):
    """Prints facts. The percentiles are of all gets except the leaders'."""
    account = Account(lifetime_ms=LIFETIME_MS, renew_window_ms=RENEWAL_MS, delay_ms=UPSTREAM_MS)
    what = "expiry-background" if background else "expiry"
    store = stores.one(what, account)
    minted = account.minted()
    environment = {**os.environ, "WXTOKEN_BACKGROUND_REFRESH": str(int(background))}
    outs = [f"{store}.{number}" for number in range(PROCESSES)]
    running = [
        subprocess.Popen([program, store, NAME, str(THREADS), str(SECONDS), str(PACE_US), out], env=environment)
        for out in outs
    ]
    if any([one.wait() for one in running]):
        sys.exit("expiry failed")
    minted = account.minted() - minted

    numbers = array.array("Q")
    for out in outs:
        with open(out, "rb") as file:
            numbers.frombytes(file.read())
    gets = sorted(zip(numbers[::2], numbers[1::2]))
    slow = sum(ns >= UPSTREAM_MS * 1e6 for ns, _ in gets)
    # Without a background thread a fetch happens in a get, which is one of the slowest.
    leaders = 0 if background else min(slow, minted)
    others = [ns for ns, _ in gets[: len(gets) - leaders]]
    undisturbed = [ns for ns, preempted in gets[: len(gets) - leaders] if not preempted]
    for name, value in (
        ("gets", len(gets)),
        ("fetches", minted),
        ("leaders", leaders),
        ("p50-us", percentile(others, 50)),
        ("p99-us", percentile(others, 99)),
        ("p99.99-us", percentile(others, 99.99)),
        ("max-us", others[-1] / 1000),
        ("preempted", len(others) - len(undisturbed)),
        ("undisturbed-p99.99-us", percentile(undisturbed, 99.99)),
        ("undisturbed-max-us", undisturbed[-1] / 1000),
    ):
        print(json.dumps({"fact": f"{what}-{name}", "value": value}))


def percentile(sorted_ns, percent):
    return sorted_ns[min(len(sorted_ns) - 1, int(len(sorted_ns) * percent / 100))] / 1000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
