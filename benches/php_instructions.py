"""Counts the instructions of a hit by PHP's extension under callgrind, and fails above a bound, like instructions.py.

Run under `wechat-sim exec`, with libwxtoken in LD_LIBRARY_PATH. Arguments: the directory with the built programs of
`c/`, and the directory with the ini file that loads the extension.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from instructions import FEW, MANY, instructions
from stores import Account, Stores

# Twice the count at the time of writing: 746, for a token of 512 bytes and PHP 8.2. The library takes 405 of them.
BOUND = 1490
HITS = Path(__file__).parent / "languages" / "php" / "hits.php"


def main(programs, extension):
    os.environ["PHP_INI_SCAN_DIR"] = f":{extension}"
    with tempfile.TemporaryDirectory() as directory:
        store = Stores(directory, f"{programs}/register").one("one", Account())
        counted = [instructions(["php", HITS, store, str(hits)]) for hits in (FEW, MANY)]
    per_hit = (counted[1] - counted[0]) / (MANY - FEW)
    print(f"a hit by PHP's extension takes {per_hit:.1f} instructions; the bound is {BOUND}")
    print(json.dumps({"fact": "php-extension-instructions", "value": per_hit}))
    return per_hit > BOUND


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
