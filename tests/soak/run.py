"""Soaks of the real library: hundreds of expiries, killed writers, a storm of rejects, and everything at once.

Run under `wechat-sim exec`, with libwxtoken in LD_LIBRARY_PATH. Arguments: the folder of the built workers, and the command.
A soak that passes leaves nothing. A soak that fails leaves its store and logs.
"""

import argparse
import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
import time

from chaos import Chaos, ChaosOnRedis
from expiry import Expiry
from kills import Kills
from rejects import Rejects
from workers import Failure, languages

SHORT_S = 20
SHORT_CHAOS_S = 60
MOST_PROBLEMS = 20
PR_SET_THP_DISABLE = 41


class Checks:
    """Prints the result of each soak, and keeps the figures for a table at the end."""

    def __init__(self):
        self.passed = self.failed = 0
        self._soak = ""
        self._tables = {}

    def begin(self, soak):
        self._soak = soak
        return self

    def __call__(self, name, good, detail="", problems=()):
        self.passed += bool(good)
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} - {self._soak}: {name}" + (f": {detail}" if detail else ""), flush=True)
        for problem in problems[:MOST_PROBLEMS]:
            print(f"#   {problem}", flush=True)
        if len(problems) > MOST_PROBLEMS:
            print(f"#   and {len(problems) - MOST_PROBLEMS} more", flush=True)

    def table(self, title, **row):
        self._tables.setdefault(title, []).append({name: str(value) for name, value in row.items()})

    def print_tables(self):
        for rows in self._tables.values():
            # A soak that never did an action has no column for it.
            names = list(dict.fromkeys(name for row in rows for name in row))
            widths = {name: max(len(name), *(len(row.get(name, "0")) for row in rows)) for name in names}
            print()
            for row in [{name: name for name in widths}, *rows]:
                print("  ".join(row.get(name, "0").rjust(width) for name, width in widths.items()))
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workers", type=os.path.abspath)
    parser.add_argument("tool", type=os.path.abspath)
    parser.add_argument("--seconds", type=int, default=SHORT_S, help="of expiries; the others grow with it")
    parser.add_argument("--kills", type=int, help="two a second, and 1,000 at most, unless told")
    parser.add_argument("--only", nargs="+", choices=["kills", "rejects", "expiry", "chaos", "chaos-redis"])
    given = parser.parse_args()
    if "WXSIM_CONTROL" not in os.environ:
        parser.error("run this under `wechat-sim exec --quiet --`")
    if given.seconds < SHORT_S:
        parser.error(f"--seconds is {SHORT_S} at least: less is no soak of tokens of 5 s")
    # Inherited by the workers. If the kernel merges small pages into huge ones, memory seems to grow by megabytes.
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    # Everything is then ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    soaks = [
        Kills(given.kills or min(1000, 2 * given.seconds)),
        Rejects(min(60, given.seconds // 4)),
        Expiry(given.seconds),
        *(
            chaos(max(SHORT_CHAOS_S, given.seconds), f"{given.workers}/vandal", f"{given.workers}/shim.so", given.tool)
            for chaos in (Chaos, ChaosOnRedis)
        ),
    ]
    checks = Checks()
    programs = languages(f"{given.workers}/c", f"{given.workers}/go")
    began = time.monotonic()
    try:
        for soak in soaks:
            if given.only is None or soak.name in given.only:
                run(soak, programs, checks.begin(soak.name))
    except KeyboardInterrupt:
        print("stopped", flush=True)
        return 130
    checks.print_tables()
    print(f"{checks.passed} passed, {checks.failed} failed in {time.monotonic() - began:.0f} s")
    return 1 if checks.failed else 0


def run(soak, programs, checks):
    failed_before = checks.failed
    place = None
    over = False
    try:
        place = soak.prepare(programs)
        soak.run(place, checks)
        over = True
    except (Failure, OSError, sqlite3.Error, subprocess.SubprocessError) as reason:
        checks("the soak completes", False, f"{type(reason).__name__}: {reason}")
    finally:
        soak.end()
        if place and over and checks.failed == failed_before:
            place.remove()
        elif place:
            print(f"# its store and logs are in {place.path}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
