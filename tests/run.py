"""Runs the suites of `make test`, several at a time, each with `make SUITE`. A failed suite does not stop the others.

    run.py [--at-once N] [--may-not-run FILE] [--once] SUITE...
    run.py --self-test

They begin in the given order. All others wait for `build`, which keeps every processor busy. By default as many run at once
as there are processors, because much of their time is waiting. Without `build`, each makes what it needs, so they run one after
the other. The output of a suite is shown when it has ended.

The last block lists the suites that passed, those that FAILED, and those that were NOT RUN with the reason. It also has the
duration and the processor time of each, and the space that was left on the disk at the worst moment. A suite is not run if it
needs a feature that this machine lacks and .ci/setup cannot install: namespaces, another user, an unreachable registry. It then
writes a line to the file that the variable WXTOKEN_NOT_RUN names, and exits with 0:

    SUITE: reason           None of it was run.
    SUITE/PART: reason      The rest of it was run.

With --may-not-run, only the names in that file may be missing. Any other NOT RUN is a failure. A suite that could not be
started has FAILED. With --once, the large builds that only one suite needs are removed when it has passed.
"""

import argparse
import contextlib
import io
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = "build"
# The output of the suite `build` need not be checked again by each later suite.
BUILT = [word for made in ("stage", "sim", "tool", "test-tool", "soak-workers", "mixed-workers", "native", "php-extension") for word in ("-o", made)]
# One of these at a time, because more than one writes to Maven's repository and to the folder of PHP's SDKs.
ONE_AT_A_TIME = {"test-dist", "test-java", "test-server-sdks", "test-php-sdks"}
# Gigabytes that no other suite needs.
OWN_BUILDS = {"test-findings": ("build/asan", "build/fuzz"), "test-model": ("build/loom",), "test-dist": ("build/dist",)}
GB = 1e9
# With less, anything may fail.
FULL = 0.1 * GB


@dataclass
class Suite:
    name: str
    code: int | None = None
    """None until it has ended."""
    seconds: float = 0
    worked: float = 0
    """Processor seconds of the suite and its children."""
    not_run: dict = field(default_factory=dict)
    """The reason, by what was not run: the suite itself or a part of it."""
    complaints: list = field(default_factory=list)
    least_free: float = math.inf
    """Bytes on the fullest disk while it ran."""

    @property
    def verdict(self):
        if self.code != 0 or self.complaints:
            return "FAILED"
        return "NOT RUN" if self.name in self.not_run else "passed"

    @property
    def full(self):
        return ": the disk was full" if self.least_free < FULL else ""

    @property
    def outcome(self):
        return f"{self.verdict}, {self.seconds:.0f} s, {self.least_free / GB:.1f} GB free at the least{self.full}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+")
    parser.add_argument("--at-once", type=int, default=max(2, os.cpu_count() or 1), metavar="N")
    parser.add_argument("--may-not-run", type=Path, metavar="FILE")
    parser.add_argument("--once", action="store_true")
    given = parser.parse_args()
    listed = names_in(given.may_not_run) if given.may_not_run else None
    began = time.monotonic()
    suites = Lanes([Suite(name) for name in given.suites], listed, given.once).run(given.at_once if BUILD in given.suites else 1)
    return summary(suites, given.may_not_run, time.monotonic() - began)


def names_in(file):
    lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    return {line.partition(":")[0] for line in lines if line}


class Lanes:
    def __init__(self, suites, listed, once):
        self._suites, self._listed, self._once = suites, listed, once
        self._left, self._running = list(suites), []
        self._changed = threading.Condition()

    def run(self, count):
        lanes = [threading.Thread(target=self._run_one_after_the_other) for _ in range(count)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        return self._suites

    def _run_one_after_the_other(self):
        while suite := self._next():
            try:
                said = run(suite, BUILT if self._is_built() else [])
            except Exception as reason:
                # An exception that ended this lane would leave the others waiting.
                suite.code, said = None, f"it could not be run: {reason}\n"
            if self._listed is not None:
                suite.complaints = [what for what in suite.not_run if what not in self._listed]
            if self._once and suite.code == 0:
                for built in OWN_BUILDS.get(suite.name, ()):
                    shutil.rmtree(ROOT / built, ignore_errors=True)
            with self._changed:
                self._running.remove(suite)
                self._changed.notify_all()
                print(f"=== {suite.name}\n{said}=== {suite.name}: {suite.outcome}", flush=True)

    def _next(self):
        """The next suite that can begin. Waits while none can. None if none is left."""
        with self._changed:
            while self._left:
                for suite in self._left:
                    if self._can_begin(suite):
                        self._left.remove(suite)
                        self._running.append(suite)
                        print(f"=== {suite.name} begins", flush=True)
                        return suite
                self._changed.wait()
        return None

    def _can_begin(self, suite):
        if suite.name != BUILD and any(other.name == BUILD for other in self._left + self._running):
            return False
        return suite.name not in ONE_AT_A_TIME or not any(other.name in ONE_AT_A_TIME for other in self._running)

    def _is_built(self):
        return any(suite.name == BUILD and suite.code == 0 for suite in self._suites)


class FreeSpace:
    """Watches the disk of the project, and that of temporary files."""

    def __enter__(self):
        self.least = self._now()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._closed.set()
        self._thread.join()

    def _watch(self):
        while not self._closed.wait(1):
            self.least = min(self.least, self._now())

    def _now(self):
        return min(shutil.disk_usage(disk).free for disk in (ROOT, tempfile.gettempdir()))


def run(suite, built):
    """Runs it, and returns its output."""
    began = time.monotonic()
    with FreeSpace() as space, tempfile.NamedTemporaryFile("r", prefix="wxtoken-not-run-") as told, tempfile.TemporaryFile() as output:
        running = subprocess.Popen(
            ["make", "--no-print-directory", *built, suite.name],
            cwd=ROOT,
            env={**os.environ, "WXTOKEN_NOT_RUN": told.name},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, ended, used = os.wait4(running.pid, 0)
        suite.code = running.returncode = os.waitstatus_to_exitcode(ended)
        for line in told.read().splitlines():
            what, _, reason = line.partition(": ")
            suite.not_run[what] = reason
        output.seek(0)
        said = output.read().decode(errors="replace")
    suite.seconds, suite.worked = time.monotonic() - began, used.ru_utime + used.ru_stime
    suite.least_free = space.least
    return said


def summary(suites, list_of_not_run, took):
    print("\n=== what was run")
    for suite in suites:
        print(f"{suite.verdict:8} {suite.name:16} {suite.seconds:5.0f} s, {suite.worked:5.0f} s of a processor{suite.full}")
    print(f"{'':8} {'all of them':16} {took:5.0f} s, {sum(suite.worked for suite in suites):5.0f} s of {os.cpu_count()} processors")
    print(f"{'':8} {min(suite.least_free for suite in suites) / GB:.1f} GB of the disk were free at the least")
    for suite in suites:
        for what, reason in suite.not_run.items():
            unlisted = f" ({list_of_not_run} does not list it)" if what in suite.complaints else ""
            print(f"NOT RUN  {what}: {reason}{unlisted}")
    verdicts = [suite.verdict for suite in suites]
    failed = verdicts.count("FAILED")
    skipped = verdicts.count("NOT RUN")
    print(f"{verdicts.count('passed')} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


def self_test():
    return max(a_suite_that_cannot_be_started_has_failed(), what_one_suite_needs_is_removed_after_it())


def a_suite_that_cannot_be_started_has_failed():
    """None waits for it, or for another that cannot be started."""
    suites = [Suite(name) for name in (BUILD, *sorted(ONE_AT_A_TIME), "lint")]
    path, os.environ["PATH"] = os.environ["PATH"], os.devnull
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = summary(Lanes(suites, None, False).run(2), None, 0)
    os.environ["PATH"] = path
    good = code == 1 and said.getvalue().splitlines()[-1] == "0 passed, 6 failed"
    print("a suite that cannot be started has failed" if good else said.getvalue())
    return 0 if good else 1


def what_one_suite_needs_is_removed_after_it():
    global ROOT
    left = []
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        ROOT = Path(folder)
        (ROOT / "Makefile").write_text("test-model:\n\tmkdir -p build/loom build/stage\n")
        for once in (False, True):
            Lanes([Suite("test-model")], None, once).run(1)
            left.append([path.name for path in sorted(ROOT.glob("build/*"))])
    good = left == [["loom", "stage"], ["stage"]]
    print("what only one suite needs is removed after it" if good else f"there were left: {left}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main())
