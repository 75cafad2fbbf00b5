"""Builds the library and the command for each target, and installs them into its tree, build/dist/tree/TRIPLE.

    build.py [TRIPLE…]

zig is the C compiler and the linker for every target. It brings the headers and symbols of glibc 2.17 and of musl, for both
processors. The library needs only the C library. The command of the musl trees is static and needs nothing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import third_party
from common import NAME, ROOT, TARGETS, TOOLS, WORK, epoch, fresh, named, run, with_whole_links

GLIBC = "2.17"
BUILT = WORK / "target"
# For this machine's processor, and static, so it runs here whatever the C library is.
RUNS_HERE = f"{os.uname().machine}-unknown-linux-musl"


def main(triples):
    targets = named(triples) or list(TARGETS.values())
    set_up_tools()
    # This target's command writes the manual for all.
    targets.sort(key=lambda target: target.triple != RUNS_HERE)
    writer = TARGETS[RUNS_HERE]
    if writer not in targets and not writer.command.exists():
        targets.insert(0, writer)
    for target in targets:
        Build(target).install(writer)


def set_up_tools():
    """Install zig and cargo-zigbuild from PyPI, and Rust's standard library for each target with rustup."""
    lists = [Path(__file__).with_name("requirements.txt"), ROOT / "bindings/python/wheel-requirements.txt"]
    wanted, installed = "".join(file.read_text() for file in lists), TOOLS / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted:
        run(sys.executable, "-m", "venv", "--clear", TOOLS)
        run(TOOLS / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r", lists[0])
        installed.write_text(wanted)
    sysroot = Path(run("rustc", "--print", "sysroot").strip())
    missing = [triple for triple in TARGETS if not (sysroot / "lib/rustlib" / triple / "lib").is_dir()]
    if missing and not shutil.which("rustup"):
        sys.exit(f"build.py: this Rust lacks the standard library of {', '.join(missing)}, and rustup is not installed to add it")
    if missing:
        run("rustup", "target", "add", *missing)


class Build:
    """One target. Its library and command are built separately, because those of musl link the C library differently."""

    def __init__(self, target):
        self.target = target

    def install(self, writer):
        print(f"{self.target.triple}: library", flush=True)
        dynamic = "dynamic" if self.target.libc == "musl" else ""
        # zig obeys the last version script, so ours replaces that of rustc. cargo hashes these words into the names of symbols,
        # so the path is relative: two builds in different places are the same.
        versions = "link-arg=-Wl,--version-script=src/ffi/libwxtoken.map"
        self._cargo(dynamic, "rustc", "-p", "wxtoken", "--lib", "--crate-type", "cdylib,staticlib", "--", "-C", versions)
        print(f"{self.target.triple}: command", flush=True)
        self._cargo("", "zigbuild", "-p", "wxtoken-cli")
        tree = fresh(self.target.tree)
        built = {"LIB_FROM": self._release(dynamic), "TOOL_FROM": self._release("")}
        if self.target != writer:
            built["TOOL_HERE"] = writer.command.parent
        words = [f"{name}={folder}" for name, folder in built.items()]
        run("make", "--no-print-directory", "install-files", *words, f"DESTDIR={tree}", "PREFIX=", cwd=ROOT)
        self._make_movable(tree)
        papers = tree / "share" / "doc" / NAME
        papers.mkdir(parents=True)
        packed = {ROOT / name for name in ("README.md", "README.zh-CN.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE")}
        for paper in packed:
            (papers / paper.name).write_text(with_whole_links(paper, packed) if paper.suffix == ".md" else paper.read_text())
        (papers / "THIRD-PARTY-LICENSES.txt").write_text(third_party.licences(self.target, TOOLS))

    def _make_movable(self, tree):
        """Make the tree work wherever it is. Compilers find the files, and the units name /usr/local, the usual place."""
        described = tree / "lib/pkgconfig/wxtoken.pc"
        lines = described.read_text().splitlines()
        lines[:3] = ["prefix=${pcfiledir}/../..", "libdir=${prefix}/lib", "includedir=${prefix}/include"]
        text = "\n".join(lines) + "\n"
        if self.target.libc == "musl":
            # A static program on Alpine takes its unwinder from gcc_eh, because gcc_s is only a shared library.
            text = text.replace(" -lm -lc\n", " -lm -lgcc_eh -lc\n")
        described.write_text(text)
        for unit in (ROOT / "contrib/systemd").iterdir():
            shutil.copy(unit, tree / "lib/systemd/system")

    def _release(self, dynamic):
        return self._target_dir(dynamic) / self.target.triple / "release"

    def _target_dir(self, dynamic):
        # Other flags give other artifacts, of the dependencies too.
        return BUILT / (dynamic or "plain")

    def _cargo(self, dynamic, verb, *words):
        triple = self.target.triple
        zig = f"{triple}.{GLIBC}" if self.target.libc == "gnu" else triple
        # Artifacts must not contain the path of the build.
        homes = {os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")): "/cargo", str(ROOT): "/libwxtoken"}
        flags = [f"--remap-path-prefix={where}={name}" for where, name in homes.items()]
        c_flags = [f"-ffile-prefix-map={where}={name}" for where, name in {**homes, str(BUILT): "/target"}.items()]
        linker = {}
        if dynamic:
            flags += ["-C", "target-feature=-crt-static"]
        elif self.target.libc == "musl":
            # Rust has its own start files and linker for this. They support programs that are static and still loaded at
            # any address, and zig's do not.
            flags += ["-C", "link-self-contained=yes", "-C", "linker-flavor=ld.lld"]
            linker[f"CARGO_TARGET_{triple.upper().replace('-', '_')}_LINKER"] = "rust-lld"
        env = {
            **{name: value for name, value in os.environ.items() if name not in ("RUSTFLAGS", "CFLAGS")},
            "PATH": f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "CARGO_TARGET_DIR": str(self._target_dir(dynamic)),
            "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
            "CFLAGS": " ".join(c_flags),
            "SOURCE_DATE_EPOCH": str(epoch()),
            "ZIG_GLOBAL_CACHE_DIR": str(WORK / "zig"),
            **linker,
        }
        command = [TOOLS / "bin" / "cargo-zigbuild", verb, "--quiet", "--locked", "--release", "--target", zig, *words]
        done = subprocess.run(command, cwd=ROOT, env=env, check=False)
        if done.returncode:
            sys.exit(f"build.py: {' '.join(map(str, command))}: exit code {done.returncode}")


if __name__ == "__main__":
    main(sys.argv[1:])
