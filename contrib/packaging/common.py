"""Code that all packagers share: the version, the targets, the places of their files, and archives of reproducible bytes."""

import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "dist"
TREES = WORK / "tree"
"""A tree for each target: the files that `make install` installs, under a prefix that is moved later."""
TOOLS = WORK / "tools"
"""A Python environment with requirements.txt, which build.py sets up."""
DIST = ROOT / "dist"
NAME = "libwxtoken"
THIRD_PARTY = "THIRD-PARTY-LICENSES.txt"


@dataclass(frozen=True)
class Target:
    cpu: str
    libc: str
    deb_arch: str

    @property
    def triple(self):
        return f"{self.cpu}-unknown-linux-{self.libc}"

    @property
    def tree(self):
        return TREES / self.triple

    @property
    def library(self):
        return self.tree / "lib" / f"libwxtoken.so.{VERSION}"

    @property
    def third_party(self):
        """The licences of the code that is linked into the library. Each package with the library has this file too."""
        return self.tree / "share" / "doc" / NAME / THIRD_PARTY

    @property
    def command(self):
        return self.tree / "bin" / "wxtoken"


def of_cargo(key):
    """Return a value of Cargo.toml's [workspace.package], the source of every version and licence."""
    section = (ROOT / "Cargo.toml").read_text().partition("[workspace.package]")[2].partition("\n[")[0]
    return re.search(rf'^{key} = "(.*)"$', section, re.M)[1]


VERSION = of_cargo("version")
REPOSITORY = of_cargo("repository")
# A link or an image of Markdown: the mark of an image, the text, and the target.
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
TARGETS = {
    target.triple: target
    for target in (
        Target("x86_64", "gnu", "amd64"),
        Target("x86_64", "musl", "amd64"),
        Target("aarch64", "gnu", "arm64"),
        Target("aarch64", "musl", "arm64"),
    )
}


def named(triples):
    """Return the targets that a command line names."""
    unknown = [triple for triple in triples if triple not in TARGETS]
    if unknown:
        sys.exit(f"{Path(sys.argv[0]).name}: unknown target {unknown[0]}: there are {', '.join(TARGETS)}")
    return [TARGETS[triple] for triple in triples]


def chosen(triples):
    """Return the targets to pack: those named, else all that have a tree."""
    targets = named(triples) or [target for target in TARGETS.values() if target.tree.is_dir()]
    missing = [target.triple for target in targets if not target.tree.is_dir()]
    if missing or not targets:
        sys.exit(f"{Path(sys.argv[0]).name}: no tree of {missing[0] if missing else 'any target'} in {TREES}: make dist-trees")
    return targets


@cache
def epoch():
    """Return the time of all packaged files: $SOURCE_DATE_EPOCH, else that of the last commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given or run("git", "log", "-1", "--format=%ct", cwd=ROOT))


def run(*command, cwd=None, env=None):
    """Run a program and return its output. If it fails, print its output and exit."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\n{' '.join(words)}: exit code {done.returncode}")
    return done.stdout


def write_tar_gz(file, folder, prefix):
    """Archive a folder with sorted names, one time and no owner, so that the same content gives the same bytes."""
    when = epoch()

    def plain(member):
        member.mtime, member.uid, member.gid, member.uname, member.gname = when, 0, 0, "root", "root"
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    plain_tar = io.BytesIO()
    with tarfile.open(fileobj=plain_tar, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(folder, prefix, recursive=False, filter=plain)
        for path in sorted(folder.rglob("*")):
            tar.add(path, f"{prefix}/{path.relative_to(folder)}", recursive=False, filter=plain)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(zipped(plain_tar.getvalue()))


def zipped(data):
    """Compress with gzip, without a name and a time."""
    return gzip.compress(data, 9, mtime=0)


def write_zip(file, members):
    """Write files, by name, into a zip whose bytes depend only on names and content."""
    when = time.gmtime(epoch())[:6]
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(members.items()):
            member = zipfile.ZipInfo(name, when)
            member.external_attr = 0o100644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)


def fresh(folder):
    """Replace a folder by an empty one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def with_whole_links(document, packed):
    """Return the text of a document for a package. A link to a file that is not in `packed` leads to the repository at this version."""

    def whole(found):
        mark, text, link = found.groups()
        path, hash_, heading = link.partition("#")
        target = (document.parent / path).resolve()
        if re.match(r"[a-z+]+:", link) or not path or target in packed:
            return found[0]
        place = "raw" if mark else "tree" if target.is_dir() else "blob"
        return f"{mark}[{text}]({REPOSITORY}/{place}/v{VERSION}/{target.relative_to(ROOT)}{hash_}{heading})"

    return LINK.sub(whole, document.read_text())
