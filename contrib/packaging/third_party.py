"""The code of others that is linked into library and command, and its licences: crates, by cargo's metadata, and the C code that
the linker adds."""

import json
from functools import cache
from pathlib import Path

from common import ROOT, run

OURS = ("wxtoken", "wxtoken-cli")
LICENCE_FILES = ("LICENSE*", "LICENCE*", "COPYING*", "COPYRIGHT*", "NOTICE*", "UNLICENSE*")


@cache
def crates(triple):
    """Return the packages that cargo links for a target, as it describes them, by name and version."""
    said = run("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", triple, cwd=ROOT)
    metadata = json.loads(said)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    todo = [id for id, package in packages.items() if package["name"] in OURS and package["source"] is None]
    seen = set()
    while todo:
        id = todo.pop()
        if id in seen:
            continue
        seen.add(id)
        # Build scripts and packages that only tests need are not linked.
        todo += [dep["pkg"] for dep in nodes[id]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    return sorted((packages[id] for id in seen), key=lambda package: (package["name"], package["version"]))


def parts(target, tools):
    """Yield the parts that are not crates: name, licence by SPDX, and the licence's text or file."""
    (zig,) = tools.glob("lib/python3*/site-packages/ziglang/lib")
    yield "Rust's standard library", "MIT OR Apache-2.0", (
        "Copyright The Rust Project contributors. The texts are those of LICENSE-MIT and LICENSE-APACHE, with that line."
    )
    yield "LLVM libunwind and compiler-rt", "Apache-2.0 WITH LLVM-exception", zig / "libunwind/LICENSE.TXT"
    yield "SQLite", "blessing", "The author disclaims copyright to this source code. It is in the public domain: https://sqlite.org/copyright.html"
    if target.libc == "musl":
        yield "musl, in the static command", "MIT", zig / "libc/musl/COPYRIGHT"


def licences(target, tools):
    """Return one text: all parts, and each licence text once."""
    texts = {}
    for package in crates(target.triple):
        if package["source"] is None:
            continue
        folder = Path(package["manifest_path"]).parent
        files = sorted({file for name in LICENCE_FILES for file in folder.glob(name) if file.is_file()})
        name = f"{package['name']} {package['version']} ({package['license']})"
        for text in [file.read_text(errors="replace").strip() for file in files] or ["No text in the package."]:
            texts.setdefault(text, []).append(name)
    for name, spdx, text in parts(target, tools):
        text = text if isinstance(text, str) else text.read_text().strip()
        texts.setdefault(text, []).append(f"{name} ({spdx})")
    head = "The code of others that is linked into libwxtoken and wxtoken, with the text of each licence.\n"
    bodies = [f"{'=' * 80}\n{chr(10).join(names)}\n{'-' * 80}\n{text}\n" for text, names in texts.items()]
    return head + "\n" + "\n".join(bodies)
