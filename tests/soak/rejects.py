"""Eight processes with 64 threads each reject their tokens again and again while the platform accepts them. That
costs one check in 30 seconds, and no fetch."""

import time

from simulator import Account
from workers import Place, Worker

PROCESSES = 8
THREADS = 64
# Without a pause the test would measure the processors.
PAUSE_MS = 20
GAP_S = 30
CHECK = "/cgi-bin/get_api_domain_ip"
KINDS = ("official_classic", "official")


class Rejects:
    name = "rejects"

    def __init__(self, seconds):
        self._seconds = seconds
        self._workers = []
        self._gets = []
        """The slowest get of any thread."""
        self._slowest_ms = 0

    def prepare(self, programs):
        self._accounts = [Account(kind, kind) for kind in KINDS]
        return Place(self.name, programs, self._accounts)

    def run(self, place, checks):
        began = time.monotonic()
        for n in range(PROCESSES):
            words = ("rejects", THREADS, PAUSE_MS, *KINDS)
            self._workers.append(Worker(f"c{n}", place, "c", *words, on_line=self._note))
        for worker in self._workers:
            worker.wait_until_ready()
        end = time.monotonic() + self._seconds
        while time.monotonic() < end:
            time.sleep(0.1)
            for worker in self._workers:
                worker.require_alive()
        for worker in self._workers:
            worker.tell_to_end()
        wrong = [problem for problem in [worker.wait() for worker in self._workers] if problem]
        self._check(place, wrong, time.monotonic() - began, checks)

    def _check(self, place, wrong, took, checks):
        wrong += [failure for worker in self._workers for failure in worker.failures()]
        wrong += place.complaints() + place.unsoundness()
        threads = PROCESSES * THREADS
        least = min(self._gets, default=0)
        good = not wrong and len(self._gets) == threads and least > 0
        failed = sum(worker.failed() for worker in self._workers)
        told = f"{sum(self._gets)} gets and rejects, {least} at least by each of {len(self._gets)}, {failed} failed"
        checks(f"{threads} threads reject and get: none fails or hangs", good, told, wrong)
        # One for the first reject, and one for each gap.
        most = 1 + int(took / GAP_S)
        for account in self._accounts:
            requests = account.counters()["requests"]
            told = f"{requests} fetches in {took:.1f} s, where callers err"
            checks(f"{account.kind}: a token that the platform accepts is not fetched again", requests == 1, told)
            asked = account.counters()["business_by_path"].get(CHECK, 0)
            told = f"{asked} checks in {took:.1f} s, 1 to {most} possible"
            checks(f"{account.kind}: rejects cost one check in {GAP_S} s", 1 <= asked <= most, told)
            checks.table(
                "rejects",
                account=account.name,
                fetches=requests,
                checks=asked,
                possible=f"1..{most}",
                processes=PROCESSES,
                threads=THREADS,
                rejects=sum(self._gets),
                slowest_ms=self._slowest_ms,
                seconds=f"{took:.1f}",
            )

    def end(self):
        for worker in self._workers:
            worker.kill()

    def _note(self, _worker, _what, rest):
        gets, slowest_ms = map(int, rest.split(" "))
        self._gets.append(gets)
        self._slowest_ms = max(self._slowest_ms, slowest_ms)
