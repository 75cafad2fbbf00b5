"""Go without cgo on musl, as in an Alpine image. The package purego, with the library for musl, runs the shared table
of cases on each processor whose tree exists. Run it under a simulator:

    wechat-sim exec --quiet -- go_purego.py

purego makes Go name the loader of glibc in a dynamic program. The linker's flag -I names another one.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import ROOT, Checks
from common import TARGETS, run
from old_libc import are_had, musl_loader_in, root_of, runner_of

MODULE = ROOT / "bindings/go/purego"


def look_at(check, target, folder):
    loader = musl_loader_in(root_of(target), target.cpu)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("WXTOKEN_", "LD_"))}
    env |= {"CGO_ENABLED": "0", "GOARCH": target.deb_arch, "WXTOKEN_LIBRARY": str(target.library)}
    env["WXTOKEN_CASES"] = str(ROOT / "tests/cases.json")
    program = Path(folder) / f"{target.cpu}.test"
    run("go", "test", "-c", "-ldflags", f"-I {loader}", "-o", program, ".", cwd=MODULE, env=env)
    segments = run("readelf", "-l", program)
    check(f"{target.cpu}: the program names the loader of musl", str(loader) in segments, segments)
    words = [*runner_of(target), program, "-test.v", "-test.run", "TestTheSharedTableOfCases|TestSixtyFour"]
    done = subprocess.run(words, cwd=MODULE, env=env, capture_output=True, text=True, check=False)
    passed = done.stdout.count("    --- PASS: TestTheSharedTableOfCases/")
    said = [*done.stdout.splitlines()[-20:], *done.stderr.splitlines()[-20:]]
    check(f"{target.cpu}: Go, with purego on musl, passes {passed} cases", done.returncode == 0 and passed, *said)


def main():
    if not are_had():
        return 0
    check = Checks()
    with tempfile.TemporaryDirectory() as folder:
        for target in TARGETS.values():
            if target.libc == "musl" and target.tree.is_dir():
                look_at(check, target, folder)
    return check.end()


if __name__ == "__main__":
    sys.exit(main())
