"""`make dist` is reproducible: a second run gives the same bytes.

    twice.py packages [TRIPLE…]     packs the trees again
    twice.py builds [TRIPLE…]       builds a copy of the checkout in another place
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import ROOT, Checks
from common import DIST, TREES, chosen, epoch

# The files of git itself, and of builds.
NOT_COPIED = shutil.ignore_patterns(".git", "target", "build", "dist", "node_modules")


def main(what, *triples):
    check = Checks()
    {"packages": packages, "builds": builds}[what](check, [target.triple for target in chosen(triples)])
    return check.end()


def packages(check, triples):
    before = checksums(DIST)
    make(ROOT, "dist-packages", triples)
    check.same(f"{len(before)} packages are the same when they are made again", before, checksums(DIST))


def builds(check, triples):
    with tempfile.TemporaryDirectory(prefix="wxtoken-elsewhere-") as temporary:
        copy = Path(temporary, "checkout")
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED, symlinks=True)
        make(copy, "dist-trees", triples)
        for triple in triples:
            first, second = checksums(TREES / triple), checksums(copy / TREES.relative_to(ROOT) / triple)
            check.same(f"{triple}: {len(first)} files are the same when they are built elsewhere", first, second)


def make(folder, what, triples):
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch())}
    words = ["make", "--no-print-directory", "-s", "-C", folder, what, f"TRIPLES={' '.join(triples)}"]
    subprocess.run(words, env=env, stdout=subprocess.DEVNULL, check=True)


def checksums(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
