"""The oldest C libraries that a machine with Debian's archive can get, from Debian 11: glibc 2.31 and musl 1.2.2, for
both processors.

They are unpacked next to the build. A test program names their loader, so that it runs on them and on nothing newer.
"""

import os
import re
from functools import cache
from pathlib import Path

import not_run
from common import WORK, run

FOLDER = WORK / "libc"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = {"gnu": ["libc6", "libcrypt1", "libgcc-s1"], "musl": ["musl"]}
VERSIONS = {"gnu": "2.31", "musl": "1.2.2"}
ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}


def are_had():
    """Whether this machine's apt knows Debian's archive; Ubuntu's does not. If it does not, tests/run.py is told."""
    if _source() is None:
        not_run.say("test-dist/old-libc", "this machine's apt knows no archive of Debian")
    return _source() is not None


@cache
def _source():
    """The source of this machine's Debian packages, and the keys that sign it."""
    told = run("apt-get", "indextargets", "--format", "$(REPO_URI)").split()
    address = next((address for address in told if address.endswith("/debian/")), None)
    return f"[signed-by={KEYS}] {address}" if address and KEYS.exists() else address


@cache
def root_of(target):
    """A folder with that C library, laid out like a root directory."""
    root = FOLDER / f"{target.deb_arch}-{target.libc}"
    if not (root / "usr").exists():
        Archive("bullseye", target.libc, target.cpu).unpack(root)
    return root


def musl_loader_in(root, cpu):
    """Its path under the name that programs use. In a newer Debian, /lib is in /usr/lib."""
    name = f"lib/ld-musl-{cpu}.so.1"
    return root / name if (root / name).exists() else root / "usr" / name


def is_emulated(target):
    return os.uname().machine != target.cpu


def runner_of(target):
    """The command that runs a program of this target on that C library. A program for musl names its loader.

    For another processor it is qemu, and the program's system calls are this machine's.
    """
    root = root_of(target)
    qemu = [f"qemu-{target.cpu}-static", "-L", root] if is_emulated(target) else []
    if target.libc == "musl":
        return qemu
    (loader,) = root.glob("lib/*-linux-gnu/ld-2.*.so")
    return [*qemu, loader, "--library-path", f"{loader.parent}:{target.tree / 'lib'}"]


def exports_of(target):
    """The names that musl exports, from its loader."""
    lines = run("readelf", "--dyn-syms", "-W", musl_loader_in(root_of(target), target.cpu)).splitlines()
    symbols = (line.split() for line in lines if re.match(r" +\d+:", line))
    return {symbol[7] for symbol in symbols if symbol[6] != "UND" and len(symbol) > 7}


class Archive:
    """A C library from Debian's archive, in a separate view of the archive that the system's apt does not see."""

    def __init__(self, suite, libc, cpu):
        self._packages = PACKAGES[libc]
        self._arch = ARCHES[cpu]
        self._state = FOLDER / f"apt-{suite}-{self._arch}"
        for folder in ("lists/partial", "archives/partial"):
            (self._state / folder).mkdir(parents=True, exist_ok=True)
        (self._state / "status").touch()
        (self._state / "sources.list").write_text(f"deb {_source()} {suite} main\n")
        self._apt("update")

    def unpack(self, root):
        self._apt("download", *self._packages)
        root.mkdir(parents=True, exist_ok=True)
        for package in self._packages:
            (file,) = self._state.glob(f"{package}_*_{self._arch}.deb")
            run("dpkg-deb", "-x", file, root)
        # Debian's file is not marked as executable, which the kernel requires of a loader.
        for loader in root.rglob("libc.so"):
            loader.chmod(0o755)

    def _apt(self, *words):
        settings = {
            "APT::Architecture": self._arch,
            "APT::Architectures": self._arch,
            "Dir::Etc::SourceList": self._state / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State": self._state,
            "Dir::State::status": self._state / "status",
            "Dir::Cache": self._state,
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        run("apt-get", *options, "-qq", *words, cwd=self._state)
