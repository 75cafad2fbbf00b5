"""Packs the Node package, and for each target a package with the library. npm installs the matching one, by os, cpu and libc.

    npm.py [TRIPLE…]
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from common import DIST, ROOT, TARGETS, VERSION, chosen, fresh, run, with_whole_links

PACKAGE = ROOT / "bindings" / "node"
CPUS = {"x86_64": "x64", "aarch64": "arm64"}
# npm's names for the C libraries.
LIBCS = {"gnu": "glibc", "musl": "musl"}
SHARED = ("license", "repository", "homepage", "bugs", "author", "engines")


def name_of(target):
    return f"@libwxtoken/linux-{CPUS[target.cpu]}-{target.libc}"


def main(triples):
    manifest = json.loads((PACKAGE / "package.json").read_text())
    with tempfile.TemporaryDirectory() as temporary:
        for target in chosen(triples):
            pack(carrier(Path(temporary), target, manifest))
        folder = fresh(Path(temporary, "wxtoken"))
        for name in ("lib", *manifest["files"], "README.md"):
            source = PACKAGE / name
            shutil.copytree(source, folder / name, dirs_exist_ok=True) if source.is_dir() else shutil.copy(source, folder)
        packed = {PACKAGE / path.relative_to(folder) for path in folder.rglob("*")}
        for paper in folder.glob("*.md"):
            paper.write_text(with_whole_links(PACKAGE / paper.name, packed))
        published = {name: value for name, value in manifest.items() if name not in ("private", "devDependencies", "scripts", "prettier")}
        published["optionalDependencies"] = {name_of(target): VERSION for target in TARGETS.values()}
        write(folder, published)
        pack(folder)


def carrier(parent, target, manifest):
    """Fills a package that contains only the library."""
    folder = fresh(parent / target.triple)
    shutil.copy(target.library, folder / "libwxtoken.so.0")
    for licence in PACKAGE.glob("LICENSE-*"):
        shutil.copy(licence, folder)
    shutil.copy(target.third_party, folder)
    write(
        folder,
        {
            "name": name_of(target),
            "version": VERSION,
            "description": f"The C library of wxtoken for {target.triple}",
            **{name: manifest[name] for name in SHARED if name in manifest},
            "os": ["linux"],
            "cpu": [CPUS[target.cpu]],
            "libc": [LIBCS[target.libc]],
            "files": ["libwxtoken.so.0", "LICENSE-*", target.third_party.name],
        },
    )
    (folder / "README.md").write_text(f"# {name_of(target)}\n\nThe C library of the package `wxtoken` for {target.triple}.\n")
    return folder


def write(folder, manifest):
    (folder / "package.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def pack(folder):
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    DIST.mkdir(parents=True, exist_ok=True)
    run("npm", "pack", "--silent", "--pack-destination", DIST, cwd=folder)


if __name__ == "__main__":
    main(sys.argv[1:])
