"""Builds Python wheels that contain the library: manylinux2014 is glibc 2.17, musllinux_1_2 is musl 1.2.

    wheels.py [TRIPLE…]

There are two for each target: one with the extension in C, for CPython 3.10 and later, and one without it, for any Python. zig
compiles the extension with this machine's Python.h. The headers of the limited API are the same for all processors.
"""

import os
import shlex
import sys

from common import DIST, ROOT, TOOLS, WORK, chosen, epoch, run

PLATFORMS = {"gnu": "manylinux2014", "musl": "musllinux_1_2"}
ZIG = {"gnu": "linux-gnu.2.17", "musl": "linux-musl"}


def main(triples):
    for target in chosen(triples):
        platform = f"{PLATFORMS[target.libc]}_{target.cpu}"
        compiler = shlex.join([f"{TOOLS}/bin/python-zig", "cc", "-target", f"{target.cpu}-{ZIG[target.libc]}"])
        env = {**os.environ, "CC": compiler, "ZIG_GLOBAL_CACHE_DIR": str(WORK / "zig"), "SOURCE_DATE_EPOCH": str(epoch())}
        run(TOOLS / "bin" / "python", "-B", ROOT / "bindings/python/build_wheel.py", target.library, DIST, platform, target.third_party, env=env)


if __name__ == "__main__":
    main(sys.argv[1:])
