"""A release tree installed on a system: the code that the packagers for Debian and for RPM share."""

import argparse
import re
import shutil
from pathlib import Path

from common import DIST, NAME, VERSION, chosen, run, zipped

UNITS = ("wxtoken-keep.service", "wxtoken-serve.service", "wxtoken-serve.socket")
OLDEST_GLIBC = (2, 17)


def pack(manual, again, build):
    """Run a packager's command line. For each target of glibc, it calls `build` with the target, a number and the folder. The number
    counts packages that are built again from one release, and `again` is its option's name.
    """
    parser = argparse.ArgumentParser(description=manual, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("triples", nargs="*", metavar="TRIPLE", help="all that have a tree, unless some are named")
    parser.add_argument("--out", type=Path, default=DIST, metavar="DIR", help="the output folder")
    parser.add_argument(f"--{again}", dest="number", type=int, default=1, metavar="N", help="the number of the build, for packages that are built again from one release")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for target in chosen(given.triples):
        if target.libc == "gnu":
            build(target, given.number, given.out)


def install(target, root, libdir, unitdir, zsh):
    """Put the files of a target's tree below `root`, stripped. The directory for zsh differs between distributions."""
    tree, usr = target.tree, root / "usr"
    library = f"libwxtoken.so.{VERSION}"
    _copy(tree / "lib" / library, root / libdir / library)
    _strip(target, root / libdir / library, "--strip-unneeded")
    (root / libdir / "libwxtoken.so.0").symlink_to(library)
    (root / libdir / "libwxtoken.so").symlink_to("libwxtoken.so.0")
    _copy(tree / "lib/libwxtoken.a", root / libdir / "libwxtoken.a")
    _strip(target, root / libdir / "libwxtoken.a", "--strip-debug", "--enable-deterministic-archives")
    described = (tree / "lib/pkgconfig/wxtoken.pc").read_text()
    places = {"prefix": "/usr", "libdir": f"/{libdir}", "includedir": "${prefix}/include"}
    described = re.sub(r"^(\w+)=.*", lambda line: f"{line[1]}={places[line[1]]}", described, flags=re.M)
    _write(root / libdir / "pkgconfig/wxtoken.pc", described)
    _copy(tree / "include/wxtoken.h", usr / "include/wxtoken.h")
    _copy(tree / "bin/wxtoken", usr / "bin/wxtoken", 0o755)
    _strip(target, usr / "bin/wxtoken", "--strip-unneeded")
    for page in (tree / "share/man").glob("man?/*"):
        goal = usr / "share/man" / page.parent.name / f"{page.name}.gz"
        if page.is_symlink():
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.symlink_to(f"{page.readlink()}.gz")
        else:
            _write(goal, zipped(page.read_bytes()))
    for name in ("bash-completion/completions/wxtoken", "fish/vendor_completions.d/wxtoken.fish"):
        _copy(tree / "share" / name, usr / "share" / name)
    _copy(tree / "share/zsh/site-functions/_wxtoken", usr / "share/zsh" / zsh / "_wxtoken")
    for name in UNITS:
        unit = (tree / "lib/systemd/system" / name).read_text()
        _write(root / unitdir / name, re.sub(r"^(ExecStart=)\S*/wxtoken ", r"\1/usr/bin/wxtoken ", unit, flags=re.M))
    (root / "etc/wxtoken").mkdir(parents=True)


def papers(target):
    """Return the folder of a tree that has the licences, the changelog and the README."""
    return target.tree / "share/doc" / NAME


def needs(target, binary):
    """Return the libraries that a binary is linked with, and the oldest glibc that has all its symbols."""
    libraries = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", binary)))
    versions = {tuple(map(int, found.split("."))) for found in re.findall(r"\bGLIBC_([\d.]+)", run("readelf", "-VW", binary))}
    if max(versions) > OLDEST_GLIBC:
        newest, allowed = (".".join(map(str, version)) for version in (max(versions), OLDEST_GLIBC))
        raise SystemExit(f"{binary} needs glibc {newest}, and the packages promise {allowed}: make dist-trees TRIPLES={target.triple}")
    return libraries, max(versions)


def version():
    """Return the version as package managers order it, with a pre-release before its release."""
    return VERSION.replace("-", "~", 1)


def _strip(target, file, *how):
    run(f"{target.cpu}-linux-gnu-strip", *how, file)


def _copy(source, goal, mode=0o644):
    goal.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, goal)
    goal.chmod(mode)


def _write(goal, content):
    goal.parent.mkdir(parents=True, exist_ok=True)
    goal.write_bytes(content.encode() if isinstance(content, str) else content)
    goal.chmod(0o644)
