"""Fails on an import that points up. The order of the layers is the map in the module doc of src/lib.rs, from the top
down.

The map's lines are list items that begin with names in backticks before a colon. A line may have several:

    //! - `client`: what each call does; `report`: the JSON on everything
    //! - `names`, `options`, `error`: the ground floor

A line is a layer. A layer may import from itself and from lower ones. Names joined by a comma belong to one layer and may
import each other; names separated by a semicolon share a line, and may do so too. Every module of src/lib.rs must be in the
map, and the map must contain nothing else. A path (`process::cache`) puts a module on another layer than its folder. Test code
(`#[cfg(test)] mod …`, and files named tests.rs) is exempt.

    layers.py [ROOT]      ROOT has src/lib.rs; this project by default
    layers.py --self-test
"""

import re
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ITEM = re.compile(r"^//! - (.*)")
TEST_MODULE = re.compile(r"^#\[cfg\([^\]]*\btest\b[^\]]*\]\n(?:pub(?:\(\w+\))? )?mod \w+ \{\n.*?^\}$", re.MULTILINE | re.DOTALL)
NAMES = re.compile(r"((?:`[\w:]+`(?:, | and )?)+):(?= |$)")


class Flaw(Exception):
    """The map cannot be read."""


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = Path(sys.argv[1]) if sys.argv[1:] else PROJECT
    try:
        flaws = list(arrows_up(root))
    except Flaw as flaw:
        flaws = [str(flaw)]
    for flaw in flaws:
        print(flaw)
    print(f"layers: {len(flaws)} flaws")
    return 1 if flaws else 0


def arrows_up(root):
    """The flaws, in words."""
    lib = root / "src" / "lib.rs"
    floors = floors_of(lib)
    modules = set(re.findall(r"^\s*(?:pub(?:\(\w+\))? )?mod (\w+);", without_tests(lib.read_text()), re.MULTILINE))
    known = {name.partition("::")[0] for name in floors}
    for name in sorted(modules - known):
        yield f"src/lib.rs: the map lacks {name}"
    for name in sorted(known - modules):
        yield f"src/lib.rs: the map has {name}, which is not a module here"
    for file in sorted((root / "src").rglob("*.rs")):
        importer = module_of(file.relative_to(root / "src"))
        if file == lib or importer[-1] == "tests" or floor(importer, floors) is None:
            continue
        for line, imported in imports(without_tests(file.read_text()), importer):
            above = floor(imported, floors)
            if above is not None and above < floor(importer, floors):
                yield f"{file.relative_to(root)}:{line}: {'::'.join(importer)} imports {'::'.join(imported)}, which is above it"


def floors_of(lib):
    """The number of its layer from the top, by module."""
    floors, number = {}, 0
    # An item may continue in the next lines, which are indented.
    for line in re.sub(r"\n//!  +", " ", lib.read_text()).splitlines():
        item = ITEM.match(line)
        if not item:
            continue
        for names in NAMES.findall(item[1]):
            for name in re.findall(r"`([\w:]+)`", names):
                if name in floors:
                    raise Flaw(f"src/lib.rs: the map has {name} twice")
                floors[name] = number
        number += 1
    if not floors:
        raise Flaw("src/lib.rs: its module doc has no map of layers")
    return floors


def module_of(path):
    parts = list(path.with_suffix("").parts)
    return tuple(parts[:-1] if parts[-1] == "mod" else parts)


def floor(module, floors):
    """The layer of the longest path that the map names; None if there is none."""
    for length in range(len(module), 0, -1):
        if (number := floors.get("::".join(module[:length]))) is not None:
            return number
    return None


def without_tests(text):
    """The lines with test modules and comments blanked. rustfmt ends a module at the first brace at the start of a
    line."""
    text = re.sub(r"//.*", "", text)
    return TEST_MODULE.sub(lambda found: "\n" * found[0].count("\n"), text)


def imports(text, importer):
    """Each path that begins with crate or super, with its line. A tree in braces gives several paths."""
    for found in re.finditer(r"\b(crate|super(?:::super)*)::", text):
        line = text.count("\n", 0, found.start()) + 1
        supers = found[1].count("super")
        base = importer[: len(importer) - supers] if supers else ()
        for path in paths(text, found.end()):
            if base + path:
                yield line, base + path


def closing(text, at):
    """The index of the brace that closes the one opened before `at`."""
    depth = 1
    while depth and at < len(text):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at


def paths(text, at):
    """The paths of the tree that begins at `at`."""
    if at < len(text) and text[at] == "{":
        tree = text[at + 1 : closing(text, at + 1) - 1]
        for branch in branches(tree):
            yield from paths(branch, 0)
        return
    word = re.compile(r"\s*(\w+)\s*").match(text, at)
    if not word or word[1] == "self":
        yield ()
    elif text.startswith("::", word.end()):
        for rest in paths(text, word.end() + 2):
            yield (word[1], *rest)
    else:
        yield (word[1],)


def branches(tree):
    """Splits at the commas outside of inner braces."""
    depth, begin = 0, 0
    for at, sign in enumerate(tree + ","):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            if tree[begin:at].strip():
                yield tree[begin:at].strip()
            begin = at + 1


MADE_UP = {
    "lib.rs": """//! A library.
//!
//! - `ffi`: the boundary
//! - `client`: calls; `report`: all of it
//! - `process`: what this process knows
//! - `store`,
//!   `credential`: rows
//! - `process::cache`, `error`: the ground floor
mod client;
mod credential;
mod error;
pub mod ffi;
mod process;
mod report;
mod store;
mod left_out;
""",
    "ffi/mod.rs": "use crate::client::Client;\n",
    "client.rs": "use crate::{error::Error, ffi::Handle, process};\n",
    "report.rs": "use crate::client::Client; // and not crate::ffi\n",
    "process/mod.rs": "mod cache;\nfn f() { crate::store::open() }\n",
    "process/cache.rs": "use super::State;\nuse crate::error::{self, Error};\n",
    "store/mod.rs": "use crate::{\n    credential::{Key, row::Row},\n    error,\n};\n",
    "store/rows.rs": "use super::super::client;\n#[cfg(test)]\nmod tests {\n    use crate::ffi;\n    const S: &str = \"}\";\n}\nuse crate::report;\n",
    "credential/mod.rs": "use crate::store;\nuse crate::process::cache::Cache;\n",
    "error.rs": "",
}
EXPECTED = [
    "src/lib.rs: the map lacks left_out",
    "src/client.rs:1: client imports ffi::Handle, which is above it",
    "src/process/cache.rs:1: process::cache imports process::State, which is above it",
    "src/store/rows.rs:1: store::rows imports client, which is above it",
    "src/store/rows.rs:7: store::rows imports report, which is above it",
]


def self_test():
    with tempfile.TemporaryDirectory() as root:
        for name, text in MADE_UP.items():
            file = Path(root, "src", name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        found = list(arrows_up(Path(root)))
    for flaw in [flaw for flaw in found if flaw not in EXPECTED]:
        print(f"not expected: {flaw}")
    for flaw in [flaw for flaw in EXPECTED if flaw not in found]:
        print(f"not found: {flaw}")
    return 0 if sorted(found) == sorted(EXPECTED) else 1


if __name__ == "__main__":
    sys.exit(main())
