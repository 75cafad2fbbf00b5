"""Packs the PHP package as Composer installs it from an archive, with the library of each target and the extension's source.

    composer.py [TRIPLE…]
"""

import json
import sys

from common import DIST, ROOT, VERSION, chosen, run, with_whole_links, write_zip

PACKAGE = ROOT / "bindings" / "php"
# Files that a program does not need.
LEFT_OUT = ("tests/", "bin/make-cdef")
BUNDLED = "src/Bundled.php"


def main(triples):
    files = run("git", "ls-files", cwd=PACKAGE).splitlines()
    members = {name: (PACKAGE / name).read_bytes() for name in files if not name.startswith(LEFT_OUT)}
    packed = {PACKAGE / name for name in members}
    for name in members:
        if name.endswith(".md"):
            members[name] = with_whole_links(PACKAGE / name, packed).encode()
    manifest = json.loads(members["composer.json"])
    # A tag of a repository names the version. An archive can name it only here.
    members["composer.json"] = json.dumps({**manifest, "version": VERSION}, indent=4, ensure_ascii=False).encode() + b"\n"
    members["include/wxtoken.h"] = (ROOT / "include" / "wxtoken.h").read_bytes()
    targets = [f"'{target.cpu}-{target.libc}'" for target in chosen(triples)]
    members[BUNDLED] = members[BUNDLED].replace(b"TARGETS = []", f"TARGETS = [{', '.join(targets)}]".encode())
    for target in chosen(triples):
        native = f"native/{target.cpu}-{target.libc}"
        members[f"{native}/libwxtoken.so.0"] = target.library.read_bytes()
        members[f"{native}/{target.third_party.name}"] = target.third_party.read_bytes()
    write_zip(DIST / f"libwxtoken-wxtoken-{VERSION}.zip", members)


if __name__ == "__main__":
    main(sys.argv[1:])
