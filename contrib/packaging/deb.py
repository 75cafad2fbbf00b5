"""Builds Debian packages from the release trees of glibc: libwxtoken0, libwxtoken-dev and wxtoken, for each processor.

    deb.py [--out DIR] [--revision N] [TRIPLE…]

They are for Debian 11, Ubuntu 20.04 and newer. The maintainer scripts are in debian/.
"""

import os
import re
import tempfile
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import md5
from pathlib import Path

import system
from common import NAME, REPOSITORY, epoch, run, zipped

HERE = Path(__file__).resolve().parent / "debian"
MAINTAINER = "The libwxtoken authors <libwxtoken@users.noreply.github.com>"
# Debian's packages of the system's libraries. libc6 covers all of glibc's.
PROVIDERS = {"libgcc_s.so.1": "libgcc-s1"}
GLIBC = re.compile(r"(lib(c|m|dl|rt|pthread|util)|ld-linux-.*)\.so\.\d")
APACHE = re.compile(r" *Apache License\s+Version 2\.0, January 2004.*?END OF TERMS AND CONDITIONS", re.S)
ALL_IN = "On Debian systems, the text of the Apache License, version 2.0, is in /usr/share/common-licenses/Apache-2.0."


@dataclass(frozen=True)
class Package:
    name: str
    files: tuple
    """Patterns below the root."""
    binary: str
    """The file whose libraries become dependencies; empty if there is none."""
    depends: tuple
    section: str
    same: bool
    """True if packages of several processors can be installed together."""
    synopsis: str
    description: str


STORY = """
 All processes of a host share one store of access tokens. The first process
 that needs a token fetches it, and the others read it from the store.
 ."""
PACKAGES = (
    Package(
        name="libwxtoken0",
        files=("{libdir}/libwxtoken.so.*",),
        binary="{libdir}/libwxtoken.so.0",
        depends=(),
        section="libs",
        same=True,
        synopsis="WeChat access tokens for every process of a host - shared library",
        description="""
 This package contains the shared library, which the bindings for Go, PHP,
 Python, Node and Java load.
""",
    ),
    Package(
        name="libwxtoken-dev",
        files=(
            "{libdir}/libwxtoken.so",
            "{libdir}/libwxtoken.a",
            "{libdir}/pkgconfig/wxtoken.pc",
            "usr/include/wxtoken.h",
            "usr/share/man/man3/*",
            "usr/share/man/man7/*",
        ),
        binary="",
        depends=("libwxtoken0 (= {version})",),
        section="libdevel",
        same=True,
        synopsis="WeChat access tokens for every process of a host - development files",
        description="""
 This package contains the header, which is the manual, its man pages, the
 static library and the file for pkg-config.
""",
    ),
    Package(
        name="wxtoken",
        files=("usr/bin/*", "usr/share/man/man1/*", "usr/share/*/*completions*/*", "lib/systemd/system/*", "etc/wxtoken"),
        binary="usr/bin/wxtoken",
        # procps has the `kill` of ExecReload.
        depends=("adduser", "procps"),
        section="admin",
        same=False,
        synopsis="WeChat access tokens for every process of a host - command and services",
        description="""
 This package contains the command, which registers accounts and manages the
 store, and two services for systemd. The keeper holds the secrets and
 refreshes every token before it expires. The server hands tokens to other
 hosts. Installation enables neither, because the store has no account yet.
""",
    ),
)


def build(target, revision, folder):
    with tempfile.TemporaryDirectory() as temporary:
        whole, libdir = Path(temporary, "whole"), f"usr/lib/{target.cpu}-linux-gnu"
        system.install(target, whole, libdir, "lib/systemd/system", "vendor-completions")
        debs = [Deb(target, package, f"{system.version()}-{revision}", libdir) for package in PACKAGES]
        # All lists are made before any package takes its files: a link without its file is not found.
        found = {deb: list(deb.files(whole)) for deb in debs}
        for deb, files in found.items():
            print(deb.build(whole, files, Path(temporary), folder))
        if left := [str(path.relative_to(whole)) for path in whole.rglob("*") if not path.is_dir() or path.is_symlink()]:
            raise SystemExit(f"deb.py: no package takes {', '.join(left)}: name it in PACKAGES")


class Deb:
    def __init__(self, target, package, version, libdir):
        self.target, self.package, self.version, self.libdir = target, package, version, libdir

    def files(self, whole):
        for pattern in self.package.files:
            found = list(whole.glob(pattern.format(libdir=self.libdir)))
            if not found:
                raise SystemExit(f"deb.py: {self.package.name}: the tree of {self.target.triple} has no {pattern}")
            yield from found

    def build(self, whole, files, temporary, folder):
        self.root = temporary / self.package.name
        for file in files:
            goal = self.root / file.relative_to(whole)
            goal.parent.mkdir(parents=True, exist_ok=True)
            file.rename(goal)
        self._papers()
        self._control()
        self._fix_modes()
        file = folder / f"{self.package.name}_{self.version}_{self.target.deb_arch}.deb"
        env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch())}
        # Every Debian's dpkg reads xz. With one thread, the bytes do not depend on the number of processors.
        run("dpkg-deb", "--build", "--root-owner-group", "-Zxz", "--threads-max=1", self.root, file, env=env)
        return file

    def _papers(self):
        folder = self.root / "usr/share/doc" / self.package.name
        folder.mkdir(parents=True)
        given = system.papers(self.target)
        (folder / "copyright").write_text(copyright_of(given))
        (folder / "changelog.gz").write_bytes(zipped((given / "CHANGELOG.md").read_bytes()))
        what = f"  * Built by the project from its release {system.version()}; see changelog.gz."
        entry = f"{NAME} ({self.version}) unstable; urgency=medium\n\n{what}\n\n -- {MAINTAINER}  {formatdate(epoch())}\n"
        (folder / "changelog.Debian.gz").write_bytes(zipped(entry.encode()))

    def _control(self):
        control = self.root / "DEBIAN"
        control.mkdir()
        for name in ("postinst", "prerm", "postrm", "triggers"):
            if (script := HERE / f"{self.package.name}.{name}").exists():
                (control / name).write_bytes(script.read_bytes())
        if self.package.name == "libwxtoken0":
            self._symbols(control)
        fields = {
            "Package": self.package.name,
            "Source": "" if self.package.name == NAME else NAME,
            "Version": self.version,
            "Architecture": self.target.deb_arch,
            "Multi-Arch": "same" if self.package.same else "",
            "Maintainer": MAINTAINER,
            "Installed-Size": str(self._size()),
            "Depends": ", ".join(sorted({*(what.format(version=self.version) for what in self.package.depends), *self._libraries()})),
            "Section": self.package.section,
            "Priority": "optional",
            "Homepage": REPOSITORY,
            "Description": f"{self.package.synopsis}{STORY}{self.package.description.rstrip()}",
        }
        (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields.items() if value))
        sums = [f"{md5(file.read_bytes()).hexdigest()}  {file.relative_to(self.root)}\n" for file in self._files()]
        (control / "md5sums").write_text("".join(sums))

    def _symbols(self, control):
        """Write since which version each function exists, from which programs get their dependency. The list must be complete."""
        listed = HERE / "libwxtoken0.symbols"
        (control / "shlibs").write_text(f"libwxtoken 0 libwxtoken0 (>= {system.version()})\n")
        env = {**os.environ, "DEB_HOST_ARCH": self.target.deb_arch}
        library = self.root / self.libdir / "libwxtoken.so.0"
        words = [f"-p{self.package.name}", f"-v{self.version}", f"-P{self.root}", f"-I{listed}", f"-e{library}"]
        run("dpkg-gensymbols", "-c4", *words, f"-O{control / 'symbols'}", env=env)

    def _libraries(self):
        if not self.package.binary:
            return
        libraries, glibc = system.needs(self.target, self.root / self.package.binary.format(libdir=self.libdir))
        yield f"libc6 (>= {'.'.join(map(str, glibc))})"
        for library in libraries:
            if not GLIBC.fullmatch(library):
                if library not in PROVIDERS:
                    raise SystemExit(f"deb.py: {self.package.name} needs {library}: name the package that has it in PROVIDERS")
                yield PROVIDERS[library]

    def _files(self):
        return sorted(path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink() and "DEBIAN" not in path.parts)

    def _size(self):
        """Return the size in KiB, each file and each folder rounded up, as Debian counts."""
        others = sum(1 for path in self.root.rglob("*") if path.is_dir() or path.is_symlink())
        return others + sum(-(-file.stat().st_size // 1024) for file in self._files())

    def _fix_modes(self):
        for path in [self.root, *self.root.rglob("*")]:
            if path.is_symlink():
                continue
            runs = path.is_dir() or path.parent.name == "bin" or path.name in ("postinst", "prerm", "postrm")
            path.chmod(0o755 if runs else 0o644)


def copyright_of(papers):
    """Return Debian's machine-readable form, with the licences of linked code. Debian has the Apache License once for all."""
    mit = (papers / "LICENSE-MIT").read_text().partition("\n\n")[2].partition("\n\n")
    third = APACHE.sub(ALL_IN, (papers / "THIRD-PARTY-LICENSES.txt").read_text())
    linked = "The packages are binaries. What is linked into them has licences of its own: see third-party."
    stanzas = [
        f"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: {NAME}\nSource: {REPOSITORY}",
        f"Files: *\n{mit[0].replace('t (c)', 't: ©')}\nLicense: Expat or Apache-2.0\nComment: {linked}",
        f"License: Expat\n{indented(mit[2])}",
        f"License: Apache-2.0\n{indented(ALL_IN)}",
        f"License: third-party\n{indented(third)}",
    ]
    return "\n\n".join(stanzas) + "\n"


def indented(text):
    return "\n".join(f" {line.rstrip()}" if line.strip() else " ." for line in text.strip().splitlines())


if __name__ == "__main__":
    system.pack(__doc__, "revision", build)
