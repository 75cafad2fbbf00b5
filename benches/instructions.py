"""Counts instructions under callgrind, and fails above a bound: of a hit in C and in Python, of a look, and of pieces
of the inside. For CI, because the count is the same in each run. Python's is the same for one version of Python.

Run under `wechat-sim exec`, with libwxtoken in LD_LIBRARY_PATH. Argument: the directory with the built programs. `make`
builds those of `c/`, `inside` and Python's extension there.
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
# Twice the counts at the time of writing, with a token of 512 bytes and Python 3.11.
BOUNDS = {
    "instructions": 2 * 430,
    "look-instructions": 2 * 2244,
    "python-instructions": 2 * 1195,
    "parse-instructions": 2 * 545_216,
    "seal-instructions": 2 * 17_849,
}
FEW, MANY = 1_000, 11_000


def main(programs):
    inside = f"{programs}/inside"
    with tempfile.TemporaryDirectory() as directory:
        store = Stores(directory, f"{programs}/register").one("one", Account())
        loop = [f"{programs}/loop", store, NAME]
        counted = {
            "instructions": count([*loop, ...]),
            "look-instructions": count([*loop, ..., "looks"]),
            "python-instructions": count([sys.executable, HERE / "languages/python/loop.py", store, NAME, ...], in_python()),
            "parse-instructions": count([inside, "count", "reply_parsed", ...]),
            "seal-instructions": count([inside, "count", "secret_sealed", ...]),
        }
    for fact, each in counted.items():
        print(f"{fact}: {each:.1f}; the bound is {BOUNDS[fact]}")
        print(json.dumps({"fact": fact, "value": each}))
    return any(each > BOUNDS[fact] for fact, each in counted.items())


def count(command, environment=None):
    """The count of one more of them; the number of runs replaces `...`. The start-up cancels out."""
    few, many = (instructions([str(times) if word is ... else word for word in command], environment) for times in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def in_python():
    binding = HERE.parent / "bindings/python"
    return {**os.environ, "PYTHONPATH": str(binding), "WXTOKEN_PYTHON": "native", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def instructions(command, environment=None):
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    ran = subprocess.run([*callgrind, *command], env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode or not found:
        sys.exit(f"valgrind failed:\n{ran.stderr}")
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
