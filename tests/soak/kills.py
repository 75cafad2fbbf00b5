"""Writers that commit to one store all the time are killed at random instants. Each time the store is sound and
holds all acknowledged changes, and a new process gets a token."""

import random
import time

from simulator import Account
from workers import Place, Worker

WRITERS = 4
# A few times as long as a writer takes to start.
LONGEST_LIFE_S = 0.03
ENOUGH_PROBLEMS = 10


class Writer(Worker):
    """One life of a writer. Its account gets a new id again and again."""

    def __init__(self, place, life):
        self.account = f"writer{life}"
        self.acknowledged = 0
        words = ("write", self.account, "shop")
        super().__init__(f"writer{life % WRITERS}", place, "c", *words, on_line=self._note)

    def _note(self, _worker, _what, rest):
        self.acknowledged = int(rest)

    def id_of(self, number):
        """The id in use after this many registrations."""
        return f"{self.account}.{number}" if number else None


class Kills:
    name = "kills"

    def __init__(self, kills):
        self._wanted = kills
        self._killed = self._lives = self._acknowledged = 0
        self._rounds = self._left_journals = 0
        self._slowest_get_s = 0.0
        self._writers = []
        self._left = {}
        """The last id of a dead writer, by its account."""
        self._problems = []

    def prepare(self, programs):
        # The shortest possible life, so that some writers are killed during a fetch.
        return Place(self.name, programs, [Account("shop", "official_classic", lifetime_ms=1000)])

    def run(self, place, checks):
        began = time.monotonic()
        self._writers = [self._next_writer(place) for _ in range(WRITERS)]
        while not self._is_over():
            time.sleep(random.uniform(0, LONGEST_LIFE_S))
            self._round(place)
        self._kill(self._writers)
        self._look(place, self._writers)
        self._problems += place.unsoundness() + place.complaints()
        took = time.monotonic() - began

        told = f"{self._killed} kills in {self._rounds} rounds and {took:.0f} s, {self._acknowledged} registrations"
        name = "after each kill the store is sound and has what was acknowledged, and a get succeeds"
        checks(name, not self._problems, told, self._problems)
        # Otherwise the kills prove nothing.
        good = self._left_journals > 0 and self._acknowledged > 0
        checks("writers were killed in the middle of commits", good, f"{self._left_journals} journals were left behind")
        checks.table(
            "kills",
            kills=self._killed,
            checks=self._rounds,
            journals_left=self._left_journals,
            acknowledged=self._acknowledged,
            accounts=len(self._left),
            slowest_get_ms=f"{1000 * self._slowest_get_s:.0f}",
            seconds=f"{took:.0f}",
        )

    def _is_over(self):
        # A short run may need some more kills to hit a commit.
        wanted = self._wanted if self._left_journals else 3 * self._wanted
        return self._killed >= wanted or len(self._problems) >= ENOUGH_PROBLEMS

    def end(self):
        for writer in self._writers:
            writer.kill()

    def _next_writer(self, place):
        self._lives += 1
        return Writer(place, self._lives)

    def _round(self, place):
        """Kills one, whose journal another one may roll back. Or kills all, so that this process or the next one
        rolls back."""
        self._rounds += 1
        victims = list(self._writers) if self._rounds % 2 else [random.choice(self._writers)]
        self._kill(victims)
        if len(victims) == WRITERS:
            self._left_journals += place.journal_size() > 0
        steps = [lambda: self._look(place, victims), lambda: self._get(place)]
        random.shuffle(steps)
        for step in steps:
            step()
        for victim in victims:
            self._writers[self._writers.index(victim)] = self._next_writer(place)

    def _kill(self, victims):
        for victim in victims:
            victim.send_kill()
        for victim in victims:
            victim.kill()
        self._killed += len(victims)
        self._acknowledged += sum(victim.acknowledged for victim in victims)
        self._problems += [failure for victim in victims for failure in victim.failures()]

    def _look(self, place, victims):
        self._problems += place.unsoundness()
        stored = dict(place.query("SELECT name, appid FROM weixin_account WHERE name <> 'shop'"))
        for victim in victims:
            # It may have been killed between a commit and its acknowledgement.
            possible = [victim.id_of(victim.acknowledged + more) for more in (0, 1)]
            left = stored.get(victim.account)
            if left not in possible:
                self._problems.append(f"{victim.account} has {left}, not {' or '.join(map(str, possible))}")
            self._left[victim.account] = left
        for account, left in self._left.items():
            if stored.get(account) != left:
                self._problems.append(f"{account} has {stored.get(account)}, and had {left}")

    def _get(self, place):
        began = time.monotonic()
        problem = place.run_once("get", "shop")
        self._slowest_get_s = max(self._slowest_get_s, time.monotonic() - began)
        if problem:
            self._problems.append(problem)
