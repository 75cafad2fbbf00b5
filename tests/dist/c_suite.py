"""The C suite and the faults of tests/c on the trees of `make dist-trees`, with the oldest C library of each kind, and
on aarch64 under qemu.

    c_suite.py SIMULATOR [TRIPLE…]
"""

import os
import subprocess
import sys

from checks import ROOT, Checks
from common import WORK, chosen
from old_libc import VERSIONS, are_had, is_emulated, musl_loader_in, root_of, runner_of

(ZIG,) = (WORK / "tools").glob("lib/python3*/site-packages/ziglang/zig")


def main(simulator, *triples):
    if not are_had():
        return 0
    check = Checks()
    for target in chosen(triples):
        how = f"{target.triple} on {'musl' if target.libc == 'musl' else 'glibc'} {VERSIONS[target.libc]}"
        print(f"=== {how}", flush=True)
        for part in ("plain", "faults"):
            # Under qemu, the full story of memory takes ten minutes and more.
            step = {"FAULTS_STEP": "130"} if is_emulated(target) else {}
            done = subprocess.run(words_of_make(target, simulator, part), cwd=ROOT, env={**os.environ, **step}, check=False)
            check(f"tests/c: {part} of {how}", done.returncode == 0, f"exit code {done.returncode}")
    return check.end()


def words_of_make(target, simulator, part):
    flags = f"-target {target.cpu}-linux-{target.libc}.2.17"
    if target.libc == "musl":
        # By default, zig links musl statically.
        flags = f"-target {target.cpu}-linux-musl -dynamic -Wl,-dynamic-linker,{musl_loader_in(root_of(target), target.cpu)}"
    settings = {
        "STAGE": target.tree,
        "SIM": simulator,
        "BUILD": WORK / "tests-c" / target.triple,
        "CC": f"{ZIG} cc {flags}",
        "EMULATOR": " ".join(map(str, runner_of(target))),
    }
    return ["make", "--no-print-directory", "-s", "-C", "tests/c", part, *(f"{name}={value}" for name, value in settings.items())]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
