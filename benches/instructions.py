"""Counts the instructions of a hit under callgrind, in C and in Python, and fails beyond a bound. For CI: the count is the
same on each run, Python's too for one version of it.

Run under `wechat-sim exec`, with libwxtoken in LD_LIBRARY_PATH. Argument: the directory with the built programs of `c/`.
Python's extension is built by `make native`.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from stores import NAME, Account, Stores

HERE = Path(__file__).resolve().parent
# Twice what a hit took when this was written, of a token of 512 bytes; with Python 3.11.
BOUNDS = {"instructions": 2 * 405, "python-instructions": 2 * 1561}
FEW, MANY = 1_000, 11_000


def main(programs):
    with tempfile.TemporaryDirectory() as directory:
        store = Stores(directory, f"{programs}/register").one("one", Account())
        counted = {
            "instructions": count([f"{programs}/loop", store, NAME]),
            "python-instructions": count([sys.executable, HERE / "languages/python/loop.py", store, NAME], in_python()),
        }
    for fact, per_hit in counted.items():
        print(f"{fact}: a hit takes {per_hit:.1f}; the bound is {BOUNDS[fact]}")
        print(json.dumps({"fact": fact, "value": per_hit}))
    return any(per_hit > BOUNDS[fact] for fact, per_hit in counted.items())


def count(command, environment=None):
    """What one more hit takes: starting cancels out."""
    few, many = (instructions([*command, str(hits)], environment) for hits in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def in_python():
    binding = HERE.parent / "bindings/python"
    return {**os.environ, "PYTHONPATH": str(binding), "WXTOKEN_PYTHON": "native", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def instructions(command, environment):
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    ran = subprocess.run([*callgrind, *command], env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode or not found:
        sys.exit(f"valgrind failed:\n{ran.stderr}")
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
