"""Takes the library's protections out one at a time, and shows that the tests of its faults then fail.

Each protection has a patch in this folder; catalogue.py explains its head. Works on a copy of HEAD under build/mutants, where
builds and runs are logged too. Arguments: the mutants to run; all by default.

    --check         say whether each patch applies to the working tree, and its tests are there; build and run nothing
    --list          print the mutants as a table in Markdown
    --row N         only those of one fault (may be repeated)
    --working-tree  on the files as they are here, instead of HEAD
    --build DIR     where to work, instead of build/mutants
"""

import argparse
import fcntl
import re
import sys
import time
from pathlib import Path

from catalogue import Catalogue, Flaw
from duplicate import Duplicate
from suites import Suites

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--row", type=int, action="append", default=[])
    parser.add_argument("--working-tree", action="store_true")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "mutants")
    given = parser.parse_args()
    try:
        mutants = Catalogue(Path(__file__).parent).chosen(given.names, given.row)
    except Flaw as flaw:
        parser.error(str(flaw))
    if given.list:
        return print_table(mutants)
    if given.check:
        return check(mutants, ROOT)
    build = given.build.resolve()
    build.mkdir(parents=True, exist_ok=True)
    with open(build / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree = Duplicate(ROOT, build / "tree", of_working_tree=given.working_tree)
        return check(mutants, tree.path) or run(mutants, tree, Suites(tree.path, build))


def check(mutants, tree):
    flaws = [f"{mutant.name}: {flaw}" for mutant in mutants for flaw in mutant.flaws(tree)]
    for flaw in flaws:
        print(flaw)
    print(f"{len(mutants)} mutants, {len(flaws)} flaws", flush=True)
    return 1 if flaws else 0


def print_table(mutants):
    print("| fault | protection taken out | tests that fail then |\n|---|---|---|")
    for mutant in mutants:
        print(f"| {mutant.shown_rows} | {mutant.removes} | {', '.join(f'`{test}`' for test in mutant.fails)} |")
    return 0


def run(mutants, tree, suites):
    began = time.monotonic()
    seconds = {}
    for mutant in mutants:
        for test in mutant.fails:
            seconds[test] = max(mutant.seconds, seconds.get(test, 0))
    sound = {test for test in seconds if passes_unmutated(test, seconds[test], suites)}
    outcomes = [outcome for mutant in mutants for outcome in carry_out(mutant, tree, suites, sound)]
    failed, survived = outcomes.count("failed"), outcomes.count("SURVIVED")
    told = f"{failed} failed as they should, {survived} did not, {len(outcomes) - failed - survived} prove nothing"
    print(f"{len(mutants)} mutants, {len(outcomes)} tests: {told}; {time.monotonic() - began:.0f} s")
    return 0 if failed == len(outcomes) else 1


def passes_unmutated(test, seconds, suites):
    suites.log_to("unmutated")
    result = suites.build(test) or suites.run(test, seconds)
    good = result.code == 0 and suites.has_run(result.output)
    if not good:
        print(f"{test} does not pass as it is: {result.told}, see {suites.log}", flush=True)
    return good


def carry_out(mutant, tree, suites, sound):
    """Prints the outcome of each test, and yields it as a word."""
    suites.log_to(mutant.name)
    try:
        tree.apply(mutant.patch)
        for test in mutant.fails:
            began = time.monotonic()
            outcome, told = verdict(mutant, test, suites) if test in sound else ("WAS NOT RUN", "not sound")
            print(
                f"row {mutant.shown_rows}: {mutant.name}: {mutant.removes}"
                f" -> {test} {outcome} ({told}; {time.monotonic() - began:.0f} s)",
                flush=True,
            )
            yield outcome
    finally:
        tree.restore()


def verdict(mutant, test, suites):
    problem = suites.build(test)
    if problem:
        return "WAS NOT BUILT", f"see {suites.log}"
    for _ in range(mutant.tries):
        result = suites.run(test, mutant.seconds)
        if result.timed_out:
            return ("failed" if mutant.may_hang else "HUNG"), f"hung for {mutant.seconds} s"
        if result.code != 0:
            seen = re.search(mutant.fails[test], f"{result.output}\n{result.told}", re.MULTILINE)
            if not seen:
                return "FAILED OTHERWISE", f"{result.told}, see {suites.log}"
            return "failed", " ".join(seen.group().split())
    return "SURVIVED", f"{mutant.tries} tries, see {suites.log}"


if __name__ == "__main__":
    sys.exit(main())
