"""Builds RPMs from the release trees of glibc: libwxtoken, libwxtoken-devel and wxtoken, for each processor.

    rpm.py [--out DIR] [--release N] [TRIPLE…]

They are for Fedora, and for RHEL 7 and later and its derivatives. redhat/wxtoken.spec has the files and the scriptlets.
"""

import os
import shutil
import tempfile
from pathlib import Path

import system
from common import epoch, run

HERE = Path(__file__).resolve().parent / "redhat"
DEFINED = {
    # The bytes depend only on the content.
    "_buildhost": "localhost",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
    # The rpm of RHEL 7 reads xz. With one thread, the bytes do not depend on the number of processors.
    "_binary_payload": "w7.xzdio",
    # The files are already built and stripped.
    "debug_package": "%{nil}",
    "__os_install_post": "%{nil}",
    "_build_id_links": "none",
    "_libdir": "/usr/lib64",
    "_unitdir": "/usr/lib/systemd/system",
    "_sysusersdir": "/usr/lib/sysusers.d",
    "_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
}


def build(target, release, folder):
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary, "root")
        lay_out(target, root)
        defined = {**DEFINED, "prebuilt": root, "wxtoken_version": system.version(), "wxtoken_release": release}
        defined |= {"_topdir": Path(temporary, "top"), "_dbpath": Path(temporary, "db"), "_rpmdir": Path(temporary, "made")}
        words = [word for name, value in defined.items() for word in ("--define", f"{name} {value}")]
        env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch()), "LC_ALL": "C.UTF-8"}
        run("rpmbuild", "-bb", "--target", f"{target.cpu}-linux", *words, HERE / "wxtoken.spec", env=env)
        for file in sorted(Path(temporary, "made").iterdir()):
            print(shutil.copy(file, folder))


def lay_out(target, root):
    system.install(target, root, "usr/lib64", "usr/lib/systemd/system", "site-functions")
    for library in (root / "usr/lib64").glob("*.so.*"):
        # rpm finds a library's dependencies only if the library is executable.
        library.chmod(0o755)
    papers = system.papers(target)
    folders = {"licenses": ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY-LICENSES.txt"), "doc": ("README.md", "CHANGELOG.md")}
    for package in ("libwxtoken", "wxtoken"):
        for place, names in folders.items():
            goal = root / "usr/share" / place / package
            goal.mkdir(parents=True)
            for name in names:
                shutil.copyfile(papers / name, goal / name)
    sysusers = root / "usr/lib/sysusers.d"
    sysusers.mkdir()
    shutil.copyfile(HERE / "wxtoken.sysusers", sysusers / "wxtoken.conf")


if __name__ == "__main__":
    system.pack(__doc__, "release", build)
