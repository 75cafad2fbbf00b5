"""Checks the ELF headers of each artifact of `make dist`: its imports, its exports, and how it is loaded.

    artifacts.py [TRIPLE…]
"""

import re
import sys
import tempfile
import zipfile
from pathlib import Path

from checks import ROOT, Checks
from common import DIST, NAME, VERSION, chosen, run
from old_libc import VERSIONS, are_had, exports_of
from symbols import exported, exported_by_map

SONAME = f"{NAME}.so.0"
GLIBC = (2, 17)
# The libraries of glibc 2.17, by their names there. The loader is needed for __tls_get_addr.
OF_GLIBC = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
# Kunpeng and other servers with 64 KiB pages cannot load a file with a smaller alignment.
PAGE = {"x86_64": 0x1000, "aarch64": 0x10000}
MACHINE = {"x86_64": "Advanced Micro Devices X86-64", "aarch64": "AArch64"}


class Elf:
    """A file as readelf describes it."""

    def __init__(self, path):
        self.path = path
        self.dynamic = run("readelf", "-dW", path)
        self.segments = run("readelf", "-lW", path)
        self.header = run("readelf", "-hW", path)
        self.symbols = [line.split() for line in run("readelf", "--dyn-syms", "-W", path).splitlines() if re.match(r" +\d+:", line)]

    @property
    def needed(self):
        return set(re.findall(r"\(NEEDED\).*\[(.*)\]", self.dynamic))

    @property
    def soname(self):
        return re.findall(r"\(SONAME\).*\[(.*)\]", self.dynamic)

    @property
    def flags(self):
        return set(re.findall(r"\w+", " ".join(re.findall(r"\(FLAGS(?:_1)?\)\s+(?:Flags:)?(.*)", self.dynamic))))

    @property
    def exported(self):
        return {symbol[7].partition("@")[0] for symbol in self.symbols if symbol[6] != "UND" and symbol[4] in ("GLOBAL", "WEAK")}

    @property
    def imported(self):
        """The imports that must exist. A weak symbol may be missing."""
        return {symbol[7].partition("@")[0] for symbol in self.symbols if symbol[6] == "UND" and symbol[4] == "GLOBAL" and len(symbol) > 7}

    @property
    def unversioned(self):
        """The imports that are not from the C library of the build. A newer library may have them, so that the build
        does not fail."""
        return {name for name in self.imported if not any(name == symbol[7].partition("@")[0] and "@" in symbol[7] for symbol in self.symbols if len(symbol) > 7)}

    @property
    def glibc(self):
        """The versions of glibc that it requires."""
        versions = re.findall(r"GLIBC_(\d+)\.(\d+)", run("readelf", "-VW", self.path))
        return {(int(major), int(minor)) for major, minor in versions}

    def segment(self, kind):
        return [line.split() for line in self.segments.splitlines() if line.split()[:1] == [kind]]


def main(triples):
    check = Checks()
    for target in chosen(triples):
        print(f"=== {target.triple}")
        library, command = Elf(target.library), Elf(target.command)
        the_library(check, target, library)
        the_command(check, target, command)
        for elf in (library, command):
            hardened(check, target, elf)
        nothing_of_the_builder(check, target)
        papers(check, target)
        with tempfile.TemporaryDirectory() as folder:
            extension = extension_of_python(check, target, folder)
            if extension:
                the_extension(check, target, Elf(extension))
                hardened(check, target, Elf(extension))
    return check.end()


def the_library(check, target, elf):
    check(f"it is called {SONAME}", elf.soname == [SONAME], elf.soname)
    check("dlclose leaves it in place", "NODELETE" in elf.flags, elf.flags)
    check("a program may load it at any time, since it has no static TLS", "STATIC_TLS" not in elf.flags, elf.flags)
    header = (ROOT / "include" / "wxtoken.h").read_text()
    functions = set(re.findall(r"^\w[\w *]*?\b(wxtoken_\w+)\(", header, re.M))
    check(f"it exports the {len(functions)} functions of the header", elf.exported == functions and functions, elf.exported ^ functions)
    check.none("each function has the version that the linker's map gives it", sorted(exported(elf.path) ^ exported_by_map()))
    if target.libc == "gnu":
        check.none("it needs nothing but glibc", sorted(elf.needed - OF_GLIBC))
        check.none("each symbol that it needs is of a version of glibc", sorted(elf.unversioned))
        newest = max(elf.glibc)
        check(f"it asks for no symbol newer than glibc {GLIBC[0]}.{GLIBC[1]}", newest <= GLIBC, newest)
    else:
        check("it needs nothing but musl's libc", elf.needed == {"libc.so"}, elf.needed)
        if are_had():
            check.none(f"it asks for no symbol that musl {VERSIONS['musl']} lacks", sorted(elf.imported - exports_of(target)))


def the_command(check, target, elf):
    if target.libc == "gnu":
        check.none("the command needs nothing but glibc", sorted(elf.needed - OF_GLIBC))
        newest = max(elf.glibc)
        check(f"the command asks for no symbol newer than glibc {GLIBC[0]}.{GLIBC[1]}", newest <= GLIBC, newest)
    else:
        check("the command is static: it needs no loader and no library", not elf.segment("INTERP") and not elf.needed, elf.needed)


def extension_of_python(check, target, folder):
    """The library in the wheel, unpacked."""
    wheels = sorted(DIST.glob(f"wxtoken-{VERSION}-cp310-abi3-{'many' if target.libc == 'gnu' else 'musl'}linux*_{target.cpu}.whl"))
    check("there is one wheel with the extension", len(wheels) == 1, *wheels, f"in {DIST}: make dist-packages")
    for wheel in wheels[:1]:
        with zipfile.ZipFile(wheel) as archive:
            carried = archive.read("wxtoken/libwxtoken.so.0")
            check("the wheel carries the library of the tree", carried == target.library.read_bytes())
            return Path(archive.extract("wxtoken/_native.abi3.so", folder))
    return None


def the_extension(check, target, elf):
    check("Python's extension gives Python its module", elf.exported == {"PyInit__native"}, elf.exported)
    of_libc = {name for name in elf.imported if not name.startswith(("Py", "_Py"))}
    if target.libc == "gnu":
        check("it needs nothing but glibc, and Python that loads it", elf.needed == {"libc.so.6"}, elf.needed)
        check.none("each symbol that it needs is of a version of glibc, or Python's", sorted(elf.unversioned & of_libc))
        newest = max(elf.glibc)
        check(f"it asks for no symbol newer than glibc {GLIBC[0]}.{GLIBC[1]}", newest <= GLIBC, newest)
    else:
        check("it needs nothing but musl's libc, and Python that loads it", elf.needed == {"libc.so"}, elf.needed)
        if are_had():
            check.none(f"it asks for no symbol that musl {VERSIONS['musl']} lacks", sorted(of_libc - exports_of(target)))
    home = run("sh", "-c", "echo ~").strip()
    found = [place for place in (str(ROOT), home) if place.encode() in elf.path.read_bytes()]
    check.none("it contains no path of the machine that built it", found)


def hardened(check, target, elf):
    name = elf.path.name
    stack = [flags for segment in elf.segment("GNU_STACK") for flags in segment[6:-1]]
    check(f"{name}: its stack is not executable", stack == ["RW"], stack)
    check(f"{name}: relocated data becomes read-only", elf.segment("GNU_RELRO"), elf.segments)
    if elf.needed:
        check(f"{name}: its symbols are bound at load time", "NOW" in elf.flags or "BIND_NOW" in elf.flags, elf.flags)
    # For aarch64, Rust has no static program that can be loaded at any address.
    if elf.needed or target.cpu == "x86_64":
        check(f"{name}: it can be loaded at any address", "DYN (" in elf.header, elf.header)
    check(f"{name}: its code is not writable", "TEXTREL" not in elf.dynamic)
    check(f"{name}: it has no search path of its own", "RPATH" not in elf.dynamic and "RUNPATH" not in elf.dynamic)
    writable = [segment for segment in elf.segment("LOAD") if "W" in "".join(segment[6:-1]) and "E" in "".join(segment[6:-1])]
    check.none(f"{name}: no segment is writable and executable", writable)
    check(f"{name}: it is for {target.cpu}", re.search(r"Machine:\s+(.*)", elf.header)[1] == MACHINE[target.cpu], elf.header)
    small = [segment[-1] for segment in elf.segment("LOAD") if int(segment[-1], 16) < PAGE[target.cpu]]
    check.none(f"{name}: its segments are aligned to pages of {PAGE[target.cpu] // 1024} KiB", small)


def nothing_of_the_builder(check, target):
    """A path would reveal the builder's directories, and make two builds differ."""
    home = run("sh", "-c", "echo ~").strip()
    found = [
        f"{path.relative_to(target.tree)}: {place}"
        for path in sorted(target.tree.rglob("*"))
        if path.is_file()
        for place in (str(ROOT), f"{home}/.cargo", f"{home}/.rustup")
        if place.encode() in path.read_bytes()
    ]
    check.none("no file contains a path of the machine that built it", found)


def papers(check, target):
    folder = target.tree / "share" / "doc" / NAME
    third = (folder / "THIRD-PARTY-LICENSES.txt").read_text()
    lock = set(re.findall(r'^name = "(.*)"$', (ROOT / "Cargo.lock").read_text(), re.M))
    named = set(re.findall(r"^([\w-]+) [\d.]+\S* \(", third, re.M))
    check("it contains the licences of the linked libraries", {"ring", "rustls", "rusqlite", "tokio", "ureq"} <= named <= lock, named - lock)
    check.none("each of them is listed with a licence", re.findall(r"^.* \(None\)$", third, re.M))
    described = (target.tree / "lib/pkgconfig/wxtoken.pc").read_text()
    check("pkg-config finds the files wherever the tree is", f"Version: {VERSION}" in described and "prefix=${pcfiledir}" in described)
    late = [path for path in target.tree.rglob("*") if path.is_symlink() and not path.exists()]
    check.none("no link is broken", late)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
