"""The changes between two whole runs of the benchmarks: the last two of `record/`, or the given ones.

    compare.py [OLD NEW]

Each ratio was measured within one run, so ratios can be compared. Nanoseconds of two machines, or of one machine under
two loads, cannot. A row is marked if it has become a tenth worse or better.
"""

import json
import sys
from pathlib import Path

from targets import print_rows

RECORD = Path(__file__).resolve().parent / "record"
SHARE = 1.1


def main(named):
    files = [Path(name) for name in named] or last_two()
    old, new = (json.loads(file.read_text()) for file in files)
    for file, record in zip(files, (old, new)):
        about = record["machine"]
        told = ", ".join(str(about[what]) for what in ("at", "commit", "cpu", "kernel", "load"))
        print(f"{file.stem}: {told}")
    print()
    rows = [row for section in (ratios, facts) for row in changes(section(old), section(new))]
    print_rows(("what", "before", "now", "now / before", ""), rows)


def last_two():
    files = sorted(RECORD.glob("*.json"), key=lambda file: json.loads(file.read_text())["machine"]["at"])
    if len(files) < 2:
        sys.exit(f"bench-compare: {RECORD} has {len(files)} records: run `make bench`, or name two files by RECORDS")
    return files[-2:]


def ratios(record):
    def name(target):
        return f"{target['under']}: {target['target']}" if "under" in target else target["target"]

    return {name(target): (target["value"], target["unit"]) for target in record["targets"]}


def facts(record):
    return {fact: (value, "") for fact, value in record["facts"].items() if "instructions" in fact or "allocs" in fact}


def changes(old, new):
    for name, (now, unit) in new.items():
        if name not in old:
            yield name, "", shown(now, unit), "", "new"
            continue
        before = old[name][0]
        share = now / before if before else 1
        mark = "changed" if share > SHARE or share < 1 / SHARE else ""
        yield name, shown(before, unit), shown(now, unit), f"{share:.2f}", mark
    for name in old.keys() - new.keys():
        yield name, shown(*old[name]), "", "", "gone"


def shown(value, unit):
    return f"{value:,.3f}".rstrip("0").rstrip(".") + (f" {unit}" if unit else "")


if __name__ == "__main__":
    main(sys.argv[1:])
