"""Python wheels that carry the library: manylinux2014 is glibc 2.17, musllinux_1_2 is musl 1.2.

    wheels.py [TRIPLE…]
"""

import os
import sys

from common import DIST, ROOT, TOOLS, chosen, epoch, run

PLATFORMS = {"gnu": "manylinux2014", "musl": "musllinux_1_2"}


def main(triples):
    for target in chosen(triples):
        platform = f"{PLATFORMS[target.libc]}_{target.cpu}"
        env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch())}
        run(TOOLS / "bin" / "python", "-B", ROOT / "bindings/python/build_wheel.py", target.library, DIST, platform, env=env)


if __name__ == "__main__":
    main(sys.argv[1:])
