"""Shows that a hit writes to no cache line that another thread touches. valgrind's lackey traces every load and store
of hits on two threads. Fails, and prints the addresses, if one thread reads or writes a line that the other writes.

Run under `wechat-sim exec`, with libwxtoken in LD_LIBRARY_PATH. Argument: the directory with the built programs of `c/`.
"""

import json
import subprocess
import sys
import tempfile

from stores import NAME, Account, Stores

LINE = 64
HITS = 100


def main(programs):
    with tempfile.TemporaryDirectory() as directory:
        store = Stores(directory, f"{programs}/register").one("one", Account())
        first, second = trace([f"{programs}/loop", store, NAME, str(HITS), "threads"], f"{directory}/trace")
    for thread in (first, second):
        print(f"{HITS} hits read {len(thread.read)} lines and write {len(thread.written)}")
    shared = first.written & second.touched() | second.written & first.touched()
    print(f"both read {len(first.read & second.read)} lines; {len(shared)} are written by one and touched by the other")
    for line in sorted(shared):
        print(f"  {line * LINE:#x}")
    print(json.dumps({"fact": "shared-lines", "value": len(shared)}))
    return bool(shared)


class Touched:
    def __init__(self):
        self.read, self.written = set(), set()

    def touched(self):
        return self.read | self.written

    def note(self, kind, lines):
        if kind in "LM":
            self.read.update(lines)
        if kind in "SM":
            self.written.update(lines)


def trace(command, log):
    """The addresses that each of the two threads touches in its hits, between its two writes to the mark."""
    lackey = ["valgrind", "--tool=lackey", "--trace-mem=yes", f"--log-file={log}"]
    ran = subprocess.run([*lackey, *command], stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        sys.exit("valgrind failed")
    mark = int(ran.stdout, 16) // LINE
    turns = [Touched(), Touched()]
    marks = 0
    with open(log) as traced:
        for entry in traced:
            # " S 1ffefff7b0,8" is a store; instructions and valgrind's own lines begin differently.
            if entry[0] != " ":
                continue
            kind = entry[1]
            address, size = entry[3:].split(",")
            first, last = int(address, 16), int(address, 16) + int(size) - 1
            lines = range(first // LINE, last // LINE + 1)
            if mark in lines:
                marks += kind in "SM"
            elif marks % 2:
                turns[marks // 2].note(kind, lines)
    if marks != 4 or not all(turn.written for turn in turns):
        sys.exit(f"the trace has {marks} marks, not 4: loop.c and this program do not agree")
    return turns


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
