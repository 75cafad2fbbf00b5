"""Packs each target's tree into a tarball: library, header, pkg-config file, command, man pages, completions, units, licences.

    tarballs.py [TRIPLE…]

Unpacked into /usr/local it is an installation. Elsewhere, pkg-config finds it through PKG_CONFIG_PATH.
"""

import sys

from common import DIST, NAME, VERSION, chosen, write_tar_gz


def main(triples):
    for target in chosen(triples):
        name = f"{NAME}-{VERSION}-{target.triple}"
        write_tar_gz(DIST / f"{name}.tar.gz", target.tree, name)


if __name__ == "__main__":
    main(sys.argv[1:])
