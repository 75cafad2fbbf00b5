"""Checks the documents in the packages of `make dist`: every link leads to a file of the package, or to the repository. A
package with the library has the licences of the code that is linked into it.

    papers.py
"""

import posixpath
import re
import sys
import tarfile
import zipfile

from checks import Checks
from common import DIST, LINK, THIRD_PARTY

ZIPS = (".zip", ".whl", ".jar")


def main():
    check = Checks()
    packages = [*sorted(DIST.glob("*.tar.gz")), *sorted(DIST.glob("*.tgz")), *sorted(DIST.glob("*.zip"))]
    check("there are packages in dist/", len(packages) >= 3)
    for package in packages:
        members = dict(members_of(package))
        pages = {name: text for name, text in members.items() if name.endswith(".md")}
        lost = [f"{name}: {link}" for name, text in pages.items() for link in links_of(text.decode()) if not is_there(link, name, members)]
        check(f"{package.name}: the links of {len(pages)} documents lead somewhere", pages and not lost, *lost[:5])
    carriers = set()
    for package in sorted(path for path in DIST.iterdir() if path.suffix in (".gz", ".tgz", *ZIPS)):
        members = dict(members_of(package))
        if any(posixpath.basename(name).startswith("libwxtoken.so") for name in members):
            carriers.add(package.suffix)
            papers = b"".join(text for name, text in members.items() if posixpath.basename(name) == THIRD_PARTY)
            check(f"{package.name}: it has the licences of what is linked into the library", b"\nrustls " in papers)
    check("the packages of each language have the library", carriers == {".gz", ".tgz", *ZIPS}, *carriers)
    return check.end()


def members_of(package):
    """Yield each file of an archive, with its bytes."""
    if package.suffix in ZIPS:
        with zipfile.ZipFile(package) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist())
    else:
        with tarfile.open(package) as archive:
            yield from ((member.name, archive.extractfile(member).read()) for member in archive if member.isfile())


def links_of(text):
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)
    return [link.partition("#")[0] for _, _, link in LINK.findall(text) if not link.startswith("#")]


def is_there(link, name, members):
    return bool(re.match(r"[a-z+]+:", link)) or posixpath.normpath(posixpath.join(posixpath.dirname(name), link)) in members


if __name__ == "__main__":
    sys.exit(main())
