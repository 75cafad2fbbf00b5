"""Runs the suites of `make test`, one after the other, each by `make SUITE`; a suite that fails keeps no other from running.

    run.py [--may-not-run FILE] SUITE...

The end is one block: what passed, what FAILED, and what was NOT RUN with its reason. A suite is not run where it needs what
this machine cannot give and .ci/setup cannot install: namespaces, another user, a registry that is not reached. It says so
in a line of the file that the variable WXTOKEN_NOT_RUN names, and ends well:

    SUITE: reason           nothing of it was run
    SUITE/PART: reason      the rest of it was run

With --may-not-run, only the names in that file may be missing; any other NOT RUN is a failure.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What the suite `build` has made need not be looked at again by each suite after it.
BUILT = ["-o", "stage", "-o", "sim"]


@dataclass
class Suite:
    name: str
    code: int = 0
    seconds: float = 0
    not_run: dict = field(default_factory=dict)
    """The reason, by what was not run: the suite itself or a part of it."""
    complaints: list = field(default_factory=list)

    @property
    def verdict(self):
        if self.code or self.complaints:
            return "FAILED"
        return "NOT RUN" if self.name in self.not_run else "passed"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+")
    parser.add_argument("--may-not-run", type=Path, metavar="FILE")
    given = parser.parse_args()
    listed = names_in(given.may_not_run) if given.may_not_run else None
    suites, built = [], []
    for name in given.suites:
        suite = run(name, built)
        if listed is not None:
            suite.complaints = [what for what in suite.not_run if what not in listed]
        if name == "build" and suite.code == 0:
            built = BUILT
        suites.append(suite)
    sys.stdout.flush()
    return summary(suites, given.may_not_run)


def names_in(file):
    lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    return {line.partition(":")[0] for line in lines if line}


def run(name, built):
    print(f"=== {name}", flush=True)
    suite, began = Suite(name), time.monotonic()
    with tempfile.NamedTemporaryFile("r", prefix="wxtoken-not-run-") as told:
        command = ["make", "--no-print-directory", *built, name]
        suite.code = subprocess.run(command, cwd=ROOT, env={**os.environ, "WXTOKEN_NOT_RUN": told.name}, check=False).returncode
        for line in told.read().splitlines():
            what, _, reason = line.partition(": ")
            suite.not_run[what] = reason
    suite.seconds = time.monotonic() - began
    return suite


def summary(suites, list_of_not_run):
    print("\n=== what was run")
    for suite in suites:
        print(f"{suite.verdict:8} {suite.name:15} {suite.seconds:5.0f} s")
    for suite in suites:
        for what, reason in suite.not_run.items():
            unlisted = f" ({list_of_not_run} does not list it)" if what in suite.complaints else ""
            print(f"NOT RUN  {what}: {reason}{unlisted}")
    verdicts = [suite.verdict for suite in suites]
    failed = verdicts.count("FAILED")
    skipped = verdicts.count("NOT RUN")
    print(f"{verdicts.count('passed')} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
