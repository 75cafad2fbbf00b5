"""What has changed between two whole runs of the benchmarks: the last two of `record/`, or those that are named.

    compare.py [OLD NEW]

Ratios were each taken within one run, so they can be compared; nanoseconds of two machines, or of one at two loads, cannot.
A row is marked where it has become a tenth worse or better.
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
        told = ", ".join(str(about[what]) for what in ("date", "commit", "cpu", "kernel", "load") if what in about)
        print(f"{file.stem}: {told}")
    print()
    rows = [row for section in (ratios, facts) for row in changes(section(old), section(new))]
    print_rows(("what", "before", "now", "now / before", ""), rows)


def last_two():
    # By their dates, and by the time when each was written for those of one day.
    files = sorted(RECORD.glob("*.json"), key=lambda file: (file.name[:10], file.stat().st_mtime))
    if len(files) < 2:
        sys.exit(f"bench-compare: {RECORD} has {len(files)} records: run `make bench`, or name two files by RECORDS")
    return files[-2:]


def ratios(record):
    """A target that belongs to the one above it bears that one's name too."""
    told, above = {}, ""
    for target in record["targets"]:
        name = target["target"]
        if name in told or name.startswith(("the same", "against", "in ", "its ", "with ")):
            name = f"{above}: {name}"
        else:
            above = name
        told[name] = (target["value"], target["unit"])
    return told


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
