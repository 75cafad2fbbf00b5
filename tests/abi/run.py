"""Checks that the ABI has not changed: a program that was built with an earlier release runs on the library of today.

    run.py STAGE BUILD        under `wechat-sim exec`; `make stage` fills STAGE with lib/ and include/
    run.py --record           at a release: writes the header and the dump of this version

A folder here is a release. It has the header without its comments, a dump of the ABI by abidw, and a program.

abidiff compares types by debug information in C. The library is built without debug information, and that of Rust names its
types differently. So run.py compiles a stub of each header with debug information: a library of the same name, whose functions
abort. The stub has the types and prototypes of the header, and tests/header.rs compares the header with the Rust code. The
built library itself is compared by its symbols and their versions, and by running programs of each release.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(ROOT / "tests/dist"))

from checks import Checks  # noqa: E402
from common import VERSION, run  # noqa: E402
from symbols import exported, exported_by_map  # noqa: E402

SONAME = "libwxtoken.so.0"
FIRST = "WXTOKEN_0"
HEADER = ROOT / "include" / "wxtoken.h"
SYMBOLS_OF_DEBIAN = ROOT / "contrib/packaging/debian/libwxtoken0.symbols"
CC = os.environ.get("CC", "cc")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]

# Changes of the header, to show that abidiff sees each that breaks a program: (its name, the text, the new text, whether it breaks).
ALTERATIONS = [
    ("a function is removed", "wxtoken_status wxtoken_reject(", "wxtoken_status wxtoken_rejected(", True),
    ("a parameter is added", "wxtoken_free(wxtoken *wx)", "wxtoken_free(wxtoken *wx, int how)", True),
    ("a parameter has another type", "size_t cap,", "int cap,", True),
    ("a parameter has another size", "wxtoken_status_name(int32_t", "wxtoken_status_name(int64_t", True),
    ("a result has another type", "void wxtoken_free", "int wxtoken_free", True),
    ("a field has another size", "int32_t errcode;", "int64_t errcode;", True),
    ("a field has another sign", "int32_t errcode;", "uint32_t errcode;", True),
    ("a field is removed", "int64_t retry_after_ms;", "", True),
    ("a field is added before others", "size_t length;", "size_t length; int more;", True),
    ("a field is added at the end", "char value[1024];", "char value[1024]; int more;", True),
    ("an array is longer", "char message[496];", "char message[500];", True),
    ("a status has another number", "WXTOKEN_E_REPLY = 6", "WXTOKEN_E_REPLY = 60", True),
    ("a status is removed", "WXTOKEN_E_TIMEOUT = 8,", "", True),
    ("a status is added at the end", "WXTOKEN_E_INTERNAL = 9", "WXTOKEN_E_INTERNAL = 9, WXTOKEN_E_NEW = 10", False),
    ("a function is added", "void wxtoken_free", "int wxtoken_added(wxtoken *wx);\nvoid wxtoken_free", False),
    ("a parameter is called otherwise", "const char *kind", "const char *sort", False),
]


def main(words):
    if words == ["--record"]:
        return record()
    if len(words) != 2:
        sys.exit(__doc__)
    for tool in (CC.split()[0], "abidw", "abidiff", "readelf"):
        if not shutil.which(tool):
            sys.exit(f"tests/abi/run.py: {tool} is not there: .ci/setup test")
    stage, build = (Path(word).resolve() for word in words)
    shutil.rmtree(build, ignore_errors=True)
    check = Checks()
    lists_agree(check)
    the_library(check, stage / "lib" / SONAME)
    releases = sorted(path.parent for path in HERE.glob("*/wxtoken.h"))
    check("there is a release to compare with", releases)
    for release in releases:
        print(f"=== {release.name}")
        header_and_library(check, release, stage, build / release.name)
        old_programs(check, release, stage, build / release.name)
    abidiff_sees_each(check, build / "altered")
    return check.end()


def record():
    """Writes the header of this version without its comments, and the dump of its stub. Both hold on every 64-bit processor."""
    folder = HERE / VERSION
    folder.mkdir(exist_ok=True)
    lines = run(*CC.split(), "-fpreprocessed", "-dD", "-E", "-P", HEADER).splitlines()
    plain = "".join(f"{line.rstrip()}\n" for line in lines)
    (folder / "wxtoken.h").write_text(f"/* include/wxtoken.h of {VERSION} without its comments, by tests/abi/run.py --record. */\n{plain}")
    with tempfile.TemporaryDirectory() as place:
        shutil.copy(dump(stub(folder / "wxtoken.h", Path(place))), folder / "libwxtoken.abi")
    if not (folder / "program.c").exists():
        print(f"write {folder.relative_to(ROOT)}/program.c: a program that uses what is new in {VERSION}")
    return 0


def functions(header):
    """The prototypes of a header by the names of the functions."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", header.read_text(), flags=re.S)
    return {found[2]: found[1] for found in re.finditer(r"^((?!typedef\b|return\b)[a-z][\w *]*?\b(wxtoken_\w+)\([^;{}]*\));", text, re.M)}


def lists_agree(check):
    """Compares the functions of the header, of the linker's map, and of Debian's list of symbols."""
    mapped = exported_by_map()
    names = {name.partition("@")[0] for name in mapped}
    check.none("the map lists the functions of the header", sorted(names ^ set(functions(HEADER))))
    listed = set(re.findall(r"^ (wxtoken_\w+@\w+) ", SYMBOLS_OF_DEBIAN.read_text(), re.M))
    check.none("Debian's list has the functions and versions of the map", sorted(listed ^ mapped))


def the_library(check, library):
    found = exported(library)
    check.none("the library exports the functions of the map, with their versions, and nothing else", sorted(found ^ exported_by_map()))
    dynamic = run("readelf", "-dW", library)
    check(f"it is called {SONAME}", f"[{SONAME}]" in dynamic)


def stub(header, folder, versions=True):
    """Compiles a library with the functions of a header. Each function aborts."""
    folder.mkdir(parents=True, exist_ok=True)
    known = functions(header)
    bodies = "".join(f"{prototype}\n{{\n    abort();\n}}\n" for prototype in known.values())
    (folder / "libwxtoken.c").write_text(f"#include <stdlib.h>\n#include <wxtoken.h>\n{bodies}")
    flags = ["-std=c99", "-g", "-O0", "-shared", "-fPIC", "-I", header.parent, f"-Wl,-soname,{SONAME}"]
    if versions:
        # A function that the map lacks is one of an altered header.
        nodes = dict(name.split("@") for name in exported_by_map())
        script = "".join(f"{node} {{ global:{''.join(f' {name};' for name in known if nodes.get(name, FIRST) == node)} }};\n" for node in {FIRST, *nodes.values()})
        (folder / "libwxtoken.map").write_text(script)
        flags.append("-Wl,--version-script=libwxtoken.map")
    run(*CC.split(), *flags, "libwxtoken.c", "-o", SONAME, cwd=folder)
    (folder / "libwxtoken.so").unlink(missing_ok=True)
    (folder / "libwxtoken.so").symlink_to(SONAME)
    return folder / SONAME


def dump(library):
    """Dumps an ABI without the name of the processor: layouts and numbers are the same on x86_64 and aarch64."""
    file = library.with_suffix(".abi")
    plain = ("--no-architecture", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-parameter-names", "--no-elf-needed")
    run("abidw", *plain, "--out-file", file, library, cwd=library.parent)
    return file


def differences(old, new):
    """Returns the words of abidiff when a program of the old ABI breaks on the new one. The bits 1 and 2 of its exit code are
    failures of abidiff, and 4 is a change. A function or a status that was added is not one."""
    done = subprocess.run(["abidiff", "--no-added-syms", old, new], capture_output=True, text=True, check=False)
    if done.returncode & 3:
        sys.exit(f"{done.stdout}{done.stderr}\nabidiff {old} {new}: exit code {done.returncode}")
    return done.stdout.splitlines() if done.returncode else []


def header_and_library(check, release, stage, build):
    recorded = release / "libwxtoken.abi"
    now = dump(stub(HEADER, build / "now"))
    check.none(f"the header has the ABI of {release.name}", differences(recorded, now))
    copy = build / "library" / SONAME
    copy.parent.mkdir(parents=True)
    shutil.copy(stage / "lib" / SONAME, copy)
    check.none(f"the library has the symbols and versions of {release.name}", differences(recorded, dump(copy)))
    then = dump(stub(release / "wxtoken.h", build / "then"))
    check.none("the dump is that of the header beside it", differences(recorded, then) + differences(then, recorded))


def old_programs(check, release, stage, build):
    """Builds the program of a release in three ways, and runs each on the library of today. Nothing of that library is used
    to link the first two."""
    program = release / "program.c"
    used = set(re.findall(r"\b(wxtoken_\w+)\(", program.read_text()))
    check.none("its program uses every function of it", sorted(set(functions(release / "wxtoken.h")) - used))
    ways = {
        "linked with versions": (release, stub(release / "wxtoken.h", build / "versions").parent),
        "linked without versions": (release, stub(release / "wxtoken.h", build / "plain", versions=False).parent),
        "built again with the header and the library of today": (stage / "include", stage / "lib"),
    }
    for way, (headers, libraries) in ways.items():
        file = build / way.replace(" ", "-")
        done = subprocess.run(
            [*CC.split(), *STRICT, "-I", headers, program, "-o", file, "-L", libraries, "-lwxtoken"], capture_output=True, text=True, check=False
        )
        check(f"a program of {release.name} compiles, {way}", done.returncode == 0, *done.stderr.splitlines())
        if done.returncode:
            continue
        imports = re.findall(r"UND (wxtoken_\w+(?:@\w+)?)", run("readelf", "--dyn-syms", "-W", file))
        versioned = [name for name in imports if "@" in name]
        check("it asks for symbols as it was linked", imports and len(versioned) == (0 if "without" in way else len(imports)), *imports)
        with tempfile.TemporaryDirectory() as folder:
            env = {**os.environ, "LD_LIBRARY_PATH": str(stage / "lib"), "LD_BIND_NOW": "1"}
            done = subprocess.run([file, folder], env=env, capture_output=True, text=True, check=False, timeout=300)
        # The loader warns on stderr when a library lacks a version.
        check(f"a program of {release.name} runs, {way}", done.returncode == 0 and not done.stderr, *done.stdout.splitlines(), *done.stderr.splitlines())


def abidiff_sees_each(check, build):
    """Alters the header of today in each way, and compares its stub with the unaltered one."""
    print("=== altered headers")
    before = dump(stub(HEADER, build / "before"))
    for count, (what, text, instead, breaks) in enumerate(ALTERATIONS):
        header = build / str(count) / "wxtoken.h"
        header.parent.mkdir(parents=True)
        unaltered = HEADER.read_text()
        header.write_text(unaltered.replace(text, instead))
        said = differences(before, dump(stub(header, header.parent)))
        check(f"abidiff {'sees' if breaks else 'passes'}: {what}", header.read_text() != unaltered and bool(said) == breaks, *said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
