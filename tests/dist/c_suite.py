"""The C suite and the faults of tests/c on what `make dist-trees` has made, with the oldest C library of each kind, and on
aarch64 under qemu.

    c_suite.py SIMULATOR [TRIPLE…]
"""

import subprocess
import sys

from checks import ROOT, Checks
from common import WORK, chosen
from old_libc import VERSIONS, emulator_of, loader_of

(ZIG,) = (WORK / "tools").glob("lib/python3*/site-packages/ziglang/zig")
# Its threads are more than qemu's memory map likes, and its alarm is made for a processor that is not emulated.
NOT_EMULATED = "faults"


def main(simulator, *triples):
    check = Checks()
    for target in chosen(triples):
        emulator = emulator_of(target)
        how = f"{target.triple} on {'musl' if target.libc == 'musl' else 'glibc'} {VERSIONS[target.libc]}"
        print(f"=== {how}{', by qemu' if emulator else ''}", flush=True)
        for part in ("plain", "faults"):
            done = subprocess.run(words_of_make(target, emulator, simulator, part), cwd=ROOT, check=False)
            check(f"tests/c: {part} of {how}", done.returncode == 0, f"exit code {done.returncode}")
    return check.end()


def words_of_make(target, emulator, simulator, part):
    abi = f"{target.cpu}-linux-{target.libc}" + (".2.17" if target.libc == "gnu" else "")
    settings = {
        "STAGE": target.tree,
        "SIM": simulator,
        "BUILD": WORK / "tests-c" / target.triple,
        # Left to itself, zig links musl statically.
        "CC": f"{ZIG} cc -target {abi} -dynamic -Wl,-dynamic-linker,{loader_of(target)}",
        "EMULATOR": " ".join(emulator),
    }
    return ["make", "--no-print-directory", "-s", "-C", "tests/c", part, *(f"{name}={value}" for name, value in settings.items())]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
