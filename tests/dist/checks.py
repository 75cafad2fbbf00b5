"""Prints one line for each check, and computes the exit code."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / folder) for folder in ("contrib/packaging", "tests", "tests/abi", "tests/deploy")]


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, good, *problems):
        self.passed += bool(good)
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} - {name}", flush=True)
        if not good:
            for problem in problems[:20]:
                print(f"#   {problem}", flush=True)

    def none(self, name, problems):
        """Passes if the list of problems is empty."""
        self(name, not problems, *problems)

    def same(self, name, first, second):
        """Passes if two dictionaries are equal and not empty."""
        differ = sorted(key for key in {*first, *second} if first.get(key) != second.get(key))
        self(name, first and not differ, *differ)

    def end(self):
        """Returns the exit code for sys.exit. A run without checks is a failure too."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0
