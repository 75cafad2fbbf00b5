"""The mutants. Each is a patch that takes one protection out. Its head names the tests that must fail then.

    Removes: what is taken out, in a few words
    Rows: the faults that the protection is for, by their numbers in docs/faults.md; none if it is for none of them
    Fails: TEST => what its output must hold then (a regular expression)
    Seconds: how long a test may take (60)
    Tries: how often a race is looked for (1)
    May-hang: yes, if taking longer than that is a failure that proves it

A test is named as suites.py does. A compile error, or another failure than the one expected, proves nothing.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from suites import source_of


class Flaw(Exception):
    """The catalogue cannot be used as it is."""


@dataclass
class Mutant:
    patch: Path
    removes: str = ""
    rows: list = field(default_factory=list)
    fails: dict = field(default_factory=dict)
    """The expected output, by test."""
    may_hang: bool = False
    seconds: int = 60
    tries: int = 1

    @property
    def name(self):
        return self.patch.stem

    @property
    def shown_rows(self):
        return ", ".join(map(str, self.rows))

    def flaws(self, tree):
        """The reasons why it does not match the files of `tree`."""
        misfit = git_apply(self.patch, tree, "--check")
        if misfit:
            yield misfit.replace("\n", "; ")
        for test in self.fails:
            file, name = source_of(test)
            if not any(re.search(rf"\b{name}\b", source.read_text()) for source in _files(tree / file)):
                yield f"there is no test {name} in {file}"


class Catalogue:
    def __init__(self, folder):
        self._mutants = sorted((_read(patch) for patch in folder.glob("*.patch")), key=lambda m: (m.rows, m.name))

    def chosen(self, names, rows):
        unknown = set(names) - {mutant.name for mutant in self._mutants}
        if unknown:
            raise Flaw(f"no mutant {', '.join(sorted(unknown))}")
        return [
            mutant
            for mutant in self._mutants
            if (not names or mutant.name in names) and (not rows or set(rows) & set(mutant.rows))
        ]


def git_apply(patch, tree, *words):
    """git's complaint; empty on success."""
    # A copy inside a checkout must not count as part of that checkout.
    alone = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    command = ["git", "apply", *words, patch.resolve()]
    return subprocess.run(command, cwd=tree, env=alone, stderr=subprocess.PIPE, text=True).stderr.strip()


def _files(path):
    if path.is_dir():
        return path.rglob("*.rs")
    return [path] if path.is_file() else []


def _read(patch):
    mutant = Mutant(patch)
    head = patch.read_text().partition("\ndiff --git ")[0]
    try:
        for line in head.strip().splitlines():
            key, value = line.split(": ", 1)
            match key:
                case "Removes":
                    mutant.removes = value
                case "Rows":
                    mutant.rows = [int(row) for row in value.split(", ")]
                case "Fails":
                    test, expected = value.split(" => ", 1)
                    re.compile(expected)
                    mutant.fails[test] = expected
                case "Seconds":
                    mutant.seconds = int(value)
                case "Tries":
                    mutant.tries = int(value)
                case "May-hang":
                    mutant.may_hang = value == "yes"
                case _:
                    raise ValueError(f"unknown head {key!r}")
    except (ValueError, re.error) as error:
        raise Flaw(f"{patch.name}: {error}") from error
    if not (mutant.removes and mutant.fails):
        raise Flaw(f"{patch.name}: its head lacks Removes or Fails")
    return mutant
