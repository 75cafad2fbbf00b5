"""Counts the instructions of a hit under callgrind, and fails beyond a bound. For CI: the count is the same on each run.

Run under `wechat-sim exec`, with libwxtoken in LD_LIBRARY_PATH. Argument: the directory with the built programs of `c/`.
"""

import json
import re
import subprocess
import sys
import tempfile

from stores import NAME, Account, Stores

# Twice what a hit took when this was written (405, of a token of 512 bytes).
BOUND = 810
FEW, MANY = 1_000, 11_000


def main(programs):
    with tempfile.TemporaryDirectory() as directory:
        store = Stores(directory, f"{programs}/register").one("one", Account())
        counted = [instructions([f"{programs}/loop", store, NAME, str(hits)]) for hits in (FEW, MANY)]
    per_hit = (counted[1] - counted[0]) / (MANY - FEW)
    print(f"a hit takes {per_hit:.1f} instructions; the bound is {BOUND}")
    print(json.dumps({"fact": "instructions", "value": per_hit}))
    return per_hit > BOUND


def instructions(command):
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    ran = subprocess.run([*callgrind, *command], capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode or not found:
        sys.exit(f"valgrind failed:\n{ran.stderr}")
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
