"""Go without cgo on musl, as in an image of Alpine: the package purego with the library for musl carries out the shared table of
cases. Run it under a simulator:

    wechat-sim exec --quiet -- go_purego.py

Go names the loader of glibc in a program that purego makes dynamic; the linker's flag -I names another one.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import ROOT, Checks
from common import TARGETS, run
from old_libc import musl_loader_in, root_of

MODULE = ROOT / "bindings/go/purego"


def main():
    check = Checks()
    target = TARGETS[f"{os.uname().machine}-unknown-linux-musl"]
    loader = musl_loader_in(root_of(target), target.cpu)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("WXTOKEN_", "LD_"))}
    env |= {"CGO_ENABLED": "0", "WXTOKEN_LIBRARY": str(target.library), "WXTOKEN_CASES": str(ROOT / "tests/cases.json")}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "purego.test"
        run("go", "test", "-c", "-ldflags", f"-I {loader}", "-o", program, ".", cwd=MODULE, env=env)
        segments = run("readelf", "-l", program)
        check("the program names the loader of musl", str(loader) in segments, segments)
        done = subprocess.run([program, "-test.v"], cwd=MODULE, env=env, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    passed = [line for line in lines if line.startswith("    --- PASS: TestTheSharedTableOfCases/")]
    check(f"Go, by purego on musl: {len(passed)} cases", done.returncode == 0 and passed, *lines[-20:], *done.stderr.splitlines()[-20:])
    return check.end()


if __name__ == "__main__":
    sys.exit(main())
