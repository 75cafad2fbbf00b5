"""mutants.toml, read and checked. A mutant is a protection taken out, with the tests that are to notice."""

import re
import tomllib
from dataclasses import dataclass

from suites import source_of

EDIT = {"file", "old", "new"}


class Flaw(Exception):
    """The catalogue cannot be used as it is."""


@dataclass
class Edit:
    file: str
    old: str
    new: str


@dataclass
class Mutant:
    name: str
    rows: list
    removes: str
    edits: list
    fails: dict
    """By test: what its output then holds."""
    may_hang: bool = False
    seconds: int = 60
    tries: int = 1

    @property
    def shown_rows(self):
        return ", ".join(map(str, self.rows))

    def flaws(self, tree):
        """Why it does not fit the files of `tree`."""
        for edit in self.edits:
            path = tree / edit.file
            count = path.read_text().count(edit.old) if path.is_file() else None
            if count is None:
                yield f"{edit.file} is not there"
            elif count != 1:
                yield f"its old text occurs {count} times in {edit.file}: {edit.old.strip().splitlines()[0]}"
        for test in self.fails:
            file, name = source_of(test)
            if not (tree / file).is_file() or not re.search(rf"\b{name}\b", (tree / file).read_text()):
                yield f"there is no test {name} in {file}"


class Catalogue:
    def __init__(self, path):
        with open(path, "rb") as file:
            tables = tomllib.load(file)
        self._mutants = [_mutant(name, table) for name, table in tables.items()]

    def chosen(self, names, rows):
        unknown = set(names) - {mutant.name for mutant in self._mutants}
        if unknown:
            raise Flaw(f"no mutant {', '.join(sorted(unknown))}")
        return [
            mutant
            for mutant in self._mutants
            if (not names or mutant.name in names) and (not rows or set(rows) & set(mutant.rows))
        ]


def _mutant(name, table):
    try:
        edits = [Edit(edit["file"], edit["old"], edit["new"]) for edit in [table, *table.get("also", [])]]
        for expected in table["fails"].values():
            re.compile(expected)
        rest = {key: value for key, value in table.items() if key not in EDIT | {"also"}}
        return Mutant(name, edits=edits, **rest)
    except (KeyError, TypeError, re.error) as error:
        raise Flaw(f"{name}: {error!r}") from error
