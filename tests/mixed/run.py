"""16 processes in four languages, 4 threads each, on an empty store: one mint. After the expiry, exactly one more.

Run under `wechat-sim exec`. Arguments: the built C worker and the built Go worker.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simulator import SECRET, control

HERE = Path(__file__).resolve().parent
# All workers must have the first token before it is due again, even if the machine stalls for some seconds.
LIFETIME_MS = 8000
TWO_HOURS_MS = 7_200_000


def main(c_worker, go_worker):
    commands = {
        "c": [c_worker],
        "go": [go_worker],
        "php": ["php", str(HERE / "worker.php")],
        "python": [sys.executable, str(HERE / "worker.py")],
    }
    failures = 0
    for kind in ("official", "official_classic", "work"):
        identity = f"mixed-{kind}"
        account(kind, identity, lifetime_ms=LIFETIME_MS)
        with tempfile.TemporaryDirectory() as directory:
            failures += not one_kind(commands, kind, identity, directory)
    print(f"{3 - failures} passed, {failures} failed")
    return 1 if failures else 0


def account(kind, identity, **more):
    control("/accounts", {"kind": "work" if kind == "work" else "official", "id": identity, "secret": SECRET, "delay_ms": 200, **more})


def one_kind(commands, kind, identity, directory):
    environment = dict(os.environ)
    environment["WXTOKEN_STORE"] = str(Path(directory) / "tokens.db")
    environment["WXTOKEN_API_BASE_URL"] = os.environ["WXSIM_HTTP"]
    environment["WXTOKEN_WORK_BASE_URL"] = os.environ["WXSIM_HTTP"]
    environment["PYTHONPATH"] = str(HERE.parent.parent / "bindings" / "python")
    os.environ.update(environment)
    from_python = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from wxtoken import Store; Store().register('shop', *sys.argv[1:])",
            kind,
            identity,
            SECRET,
        ],
        env=environment,
        check=False,
    )
    if from_python.returncode:
        return False
    workers = [
        subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for command in commands.values()
        for _ in range(4)
    ]
    try:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n", worker.args
        first = round_of_gets(workers)
        once = control(f"/counters?id={identity}")
        account(kind, identity, lifetime_ms=TWO_HOURS_MS)
        # The token was fetched at the earliest one round ago. A second past the end covers the clock's whole seconds.
        time.sleep(LIFETIME_MS / 1000 + 0.3)
        second = round_of_gets(workers)
        twice = control(f"/counters?id={identity}")
    finally:
        for worker in workers:
            worker.stdin.close()
            worker.wait(20)
    good = (
        len(first) == len(second) == 1
        and first != second
        and (once["minted"], once["requests"]) == (1, 1)
        and (twice["minted"], twice["requests"]) == (2, 2)
        and twice["max_in_flight"] == 1
        and all(worker.returncode == 0 for worker in workers)
    )
    print(
        f"{'ok' if good else 'not ok'} - {kind}: 16 processes x 4 threads, "
        f"{once['minted']} mint, after the expiry {twice['minted']}; "
        f"{len(first)} and {len(second)} different tokens"
    )
    return good


def round_of_gets(workers):
    """All workers get at once. Returns the set of their tokens."""
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    tokens = []
    for worker in workers:
        tokens += worker.stdout.readline().split()
    assert len(tokens) == 4 * len(workers), f"{len(tokens)} tokens of {4 * len(workers)}"
    return set(tokens)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
