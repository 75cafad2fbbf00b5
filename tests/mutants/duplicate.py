"""A copy of the project that may be changed.

It stays between runs, and only files that differ are written, because cargo rebuilds files with a newer time.
"""

import io
import re
import subprocess
import tarfile

from catalogue import Flaw, git_apply


class Duplicate:
    def __init__(self, root, path, of_working_tree=False):
        self.path = path
        self._originals = {}
        files = _working_tree(root) if of_working_tree else _head(root)
        for old in [p for p in path.rglob("*") if p.is_file() and str(p.relative_to(path)) not in files]:
            old.unlink()
        for name, (content, mode) in files.items():
            self._write(name, content)
            (path / name).chmod(mode)

    def _write(self, name, content):
        file = self.path / name
        if not file.is_file() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def apply(self, patch):
        for name in re.findall(r"^--- a/(.+)$", patch.read_text(), re.MULTILINE):
            self._originals.setdefault(name, (self.path / name).read_text())
        misfit = git_apply(patch, self.path)
        if misfit:
            raise Flaw(f"{patch.name}: {misfit}")

    def restore(self):
        for name, text in self._originals.items():
            (self.path / name).write_text(text)
        self._originals.clear()


def _git(root, *words):
    return subprocess.run(["git", "-C", root, *words], stdout=subprocess.PIPE, check=True).stdout


def _head(root):
    with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "HEAD"))) as archive:
        members = [member for member in archive if member.isfile()]
        return {member.name: (archive.extractfile(member).read(), member.mode & 0o777) for member in members}


def _working_tree(root):
    names = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
    files = {name: root / name for name in names if (root / name).is_file()}
    return {name: (path.read_bytes(), path.stat().st_mode & 0o777) for name, path in files.items()}
