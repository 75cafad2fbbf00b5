"""Tokens of five seconds, and eight processes in four languages that get them all the time. Each token is minted
once, by one request, in its time. No expired token is served, and no resource grows."""

import time

from ledger import Ledger
from simulator import Account, control
from vitals import Vitals
from workers import PATIENCE_S, Failure, Place, Worker

LIFETIME_S = 5
# A token is refreshed a tenth of its life before its end, spread by 7 %, or when it ends.
LEAST_LIFE_S = LIFETIME_S * (1 - 0.1 * 1.07)
KINDS = ("official_classic", "official", "work")
LANGUAGES = ("c", "go", "php", "python")


class Expiry:
    name = "expiry"

    def __init__(self, seconds):
        self.seconds = seconds
        self._warm_up_s = min(60, seconds / 5)
        self._sample_each_s = 1 if seconds >= 120 else 0.25
        self._workers = []

    def prepare(self, programs):
        # WeCom's page does not promise that a second fetch gives the same token. If it did, its last half second would
        # be reported as a whole one, and fetched twice.
        control("/switches", {"work_same_token": False})
        # WeChat's five minutes, scaled down to this life, would be less than its tenth, and hardly more than
        # revalidate_ms. A token that is minted late, because the machine stalls, has more left when its refresh is due.
        scaled = {"lifetime_ms": LIFETIME_S * 1000, "renew_window_ms": 4000, "grace_ms": LIFETIME_S * 1000}
        self._accounts = [Account(kind, kind, **scaled) for kind in KINDS]
        self._own = {f"{language}{n}": Account(f"{language}{n}", "official") for language in LANGUAGES for n in (1, 2)}
        return Place(self.name, programs, [*self._accounts, *self._own.values()])

    def run(self, place, checks):
        self._ledger = Ledger(self._accounts)
        began = time.monotonic()
        for name in self._own:
            # Every second worker has a thread that refreshes ahead.
            background = {"WXTOKEN_BACKGROUND_REFRESH": str(int(name[-1]) - 1)}
            words = ("expiry", name, *KINDS)
            self._workers.append(Worker(name, place, name[:-1], *words, on_line=self._ledger.note, **background))
        for worker in self._workers:
            worker.wait_until_ready()
        ready = time.monotonic()
        vitals, sizes = self._watch(place, ready + self.seconds)
        told = time.monotonic()
        wrong = self._end_workers()
        ended = time.monotonic()
        self._ledger.close()

        self._check_gets(wrong, checks)
        # While all workers run, a token is replaced at its end at the latest. No life begins before they start.
        bounds = int((told - ready) / LIFETIME_S), int((ended - began) / LEAST_LIFE_S) + 1
        for account in self._accounts:
            self._check_mints(place, account, bounds, checks)
        self._check_growth(vitals, checks)
        check_store(place, sizes, checks)

    def end(self):
        for worker in self._workers:
            worker.kill()

    def _watch(self, place, end):
        """Samples the workers and the store's size until the end."""
        time.sleep(self._warm_up_s)
        vitals = {}
        for worker in self._workers:
            spare_threads = 4 if worker.name.startswith("go") else 0
            vitals[worker.name] = Vitals(worker.pid, spare_threads)
        sizes = []
        while (now := time.monotonic()) < end:
            for worker in self._workers:
                worker.require_alive()
                if now - worker.heard_at > PATIENCE_S:
                    raise Failure(f"{worker.name} hangs: it has had no new token for {PATIENCE_S} s")
                vitals[worker.name].take()
            sizes.append(place.store.stat().st_size)
            time.sleep(self._sample_each_s)
        for one in vitals.values():
            one.list_open_files()
        return vitals, sizes

    def _end_workers(self):
        """The flaws of their ends."""
        for worker in self._workers:
            worker.tell_to_end()
        return [problem for problem in [worker.wait() for worker in self._workers] if problem]

    def _check_gets(self, wrong, checks):
        failures = [failure for worker in self._workers for failure in worker.failures()]
        failed = sum(worker.failed() for worker in self._workers)
        told = f"{self._ledger.gets()} gets, {failed} failed, the slowest {max(self._ledger.slowest_ms.values())} ms"
        checks(f"{len(self._workers)} processes: no get fails or hangs", not wrong + failures, told, wrong + failures)
        problems = self._ledger.problems
        name = "every token was good when it was served, and newer than the one before"
        checks(name, not problems, problems=problems)

    def _check_mints(self, place, account, bounds, checks):
        counters = account.counters()
        served = len(self._ledger.served(account))
        stored = place.query("SELECT fetches, failures, rejects FROM weixin_token WHERE appid = ?", account.id)
        minted = counters["minted"]
        good = minted == counters["requests"] == served == len(account.minted)
        good &= stored == [(minted, 0, 0)]
        good &= counters["max_in_flight"] == 1 and not counters["errors"]
        good &= bounds[0] <= minted <= bounds[1]
        told = (
            f"{minted} minted by {counters['requests']} requests, {served} served, {bounds[0]} to {bounds[1]} possible;"
            f" the store counts {stored}, {counters['max_in_flight']} in flight at most"
        )
        checks(f"{account.kind}: mints = requests = tokens served, each in its time", good, told)
        checks.table(
            "account",
            name=account.name,
            minted=minted,
            expiries=minted - 1,
            requests=counters["requests"],
            possible=f"{bounds[0]}..{bounds[1]}",
            served=served,
            gets=self._ledger.gets(account=account.name),
        )

    def _check_growth(self, vitals, checks):
        grown = [f"{name}: {problem}" for name, one in vitals.items() for problem in one.growth()]
        samples = min(one.count() for one in vitals.values())
        told = f"{samples} samples of each after {self._warm_up_s:.0f} s"
        checks("memory, descriptors and threads of each process are flat", not grown, told, grown)
        for worker in self._workers:
            one = vitals[worker.name]
            checks.table(
                "process",
                name=worker.name,
                gets=self._ledger.gets(worker=worker.name),
                failed=worker.failed(),
                slowest_ms=self._ledger.slowest_ms[worker.name],
                **one.summary(),
            )


def check_store(place, sizes, checks):
    wrong = place.unsoundness() + place.complaints()
    checks("the store is sound, and nothing was logged", not wrong, problems=wrong)
    good = place.store.stat().st_size <= sizes[0] and place.journal_size() == 0
    checks("the store's size is flat", good, f"{sizes[0]} bytes, then {place.store.stat().st_size}")
