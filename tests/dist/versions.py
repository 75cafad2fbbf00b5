"""Every manifest of a package has the version of Cargo.toml, and every binding has the licences."""

import re
import sys

from checks import ROOT, Checks
from common import VERSION

# The places of the version, and the pattern that reads it.
PLACES = {
    "include/wxtoken.h": r'#define WXTOKEN_VERSION "(.*)"',
    "bindings/python/wxtoken/_version.py": r'__version__ = "(.*)"',
    "bindings/node/package.json": r'^  "version": "(.*)"',
    "bindings/node/package-lock.json": r'^  "version": "(.*)"',
    "bindings/go/internal/client/client.go": r'version = "(.*)"',
    "bindings/go/purego/go.mod": r"bindings/go v(.*)$",
    "bindings/java/pom.xml": r"^  <version>(.*)</version>",
}


def main():
    check = Checks()
    for place, pattern in PLACES.items():
        found = re.search(pattern, (ROOT / place).read_text(), re.M)
        check(f"{place} says {VERSION}", found and found[1] == VERSION, found and found[1])
    for binding in ("go", "go/purego", "java", "node", "php", "python"):
        for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
            there = ROOT / "bindings" / binding / licence
            check(f"bindings/{binding} has {licence}", there.is_file() and there.read_bytes() == (ROOT / licence).read_bytes())
    return check.end()


if __name__ == "__main__":
    sys.exit(main())
