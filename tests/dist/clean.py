"""A clean Debian in which packages are tried. mmdebstrap makes it once. It boots as a throw-away machine of
tests/deploy, with a simulator of WeChat, in a network without a route out. It must contain everything that a package
needs, because no registry can be reached.
"""

import argparse
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from checks import ROOT, Checks  # first: it sets the import path

import not_run
from common import TARGETS, WORK, chosen
from machine import Failure, Machine, not_given

ROOTS = WORK / "roots"
OURS = WORK / "tried"
"""The directory for a test's files."""
HERE = TARGETS[f"{platform.machine()}-unknown-linux-gnu"]
"""The target that runs on this machine. The others run in an emulator."""
# A C compiler for users of the library, and a viewer for man pages.
PACKAGES = ("systemd", "adduser", "procps", "gcc", "libc6-dev", "pkg-config", "man-db", "rpm")
UNREACHED = re.compile(r"could not resolve|failed to fetch|unable to connect|connection (timed out|refused)|name resolution", re.I)
# The files of package managers, caches and logs, and mounts.
NOT_COMPARED = "/var/lib/dpkg /var/lib/apt /var/lib/rpm /root/.rpmdb /var/cache /var/log /var/backups /tmp /run /srv /root/.bash_history"
# The leftovers of adduser and useradd: the files before the last change, and their lock.
LEFT_BY_OTHERS = re.compile(r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-|/etc/\.pwd\.lock")
LONG_S = 300


class NotRun(Exception):
    """This machine cannot run the test."""


class Trial:
    """The inputs of a test: the simulator, the targets whose packages it tries, and the release of Debian to try
    them in."""

    def __init__(self, manual):
        parser = argparse.ArgumentParser(description=manual, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("simulator", metavar="SIMULATOR", help="target/debug/wechat-sim")
        parser.add_argument("triples", nargs="*", metavar="TRIPLE", help="all that have a tree, unless some are named")
        parser.add_argument("--release", default="", help="a release of Debian, as bullseye; this machine's by default")
        given = parser.parse_args()
        self.simulator, self.release = given.simulator, given.release
        self.targets = [target for target in chosen(given.triples) if target.libc == "gnu"]
        self.others = [target for target in self.targets if target != HERE]

    def tell(self, file, before, story):
        """Runs `before` here and the story in the clean machine. Both receive the checks; the story also receives
        the machine."""
        if os.geteuid() != 0 and shutil.which("sudo") and not subprocess.run(["sudo", "-n", "true"], check=False).returncode:
            os.execvp("sudo", ["sudo", "-n", "-E", sys.executable, "-B", *sys.argv])
        # Everything is then ended as well.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        if "WXSIM_CONTROL" in os.environ:
            return _told(lambda check: self._in_machine(story, check))
        failed = _told(before)
        if failed or HERE not in self.targets:
            return failed
        name = f"test-dist/{Path(file).stem}"
        if reason := not_given():
            return not_run.say(name, reason)
        try:
            self.root()
        except NotRun as reason:
            return not_run.say(name, str(reason))
        except Failure as reason:
            print(f"not ok - {reason}")
            return 1
        inside = ["unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$0" "$@"', self.simulator, "exec", "--quiet", "--"]
        return subprocess.run([*inside, sys.executable, "-B", *sys.argv], check=False).returncode

    def _in_machine(self, story, check):
        machine = Machine(lower=self.root())
        try:
            story(check, machine)
        finally:
            if check.failed:
                print("# the machine's journal:")
                for line in machine.run("journalctl --no-pager -o cat -n 60 -u 'wxtoken-*'").said.splitlines():
                    print(f"#   {line}")
            machine.end()

    def root(self):
        """The clean Debian, from this machine's sources. It is made again when its inputs change."""
        lines = Path("/etc/os-release").read_text().splitlines()
        own = dict(line.split("=", 1) for line in lines if "=" in line)["VERSION_CODENAME"]
        release = self.release or own
        sources = _sources() if release == own else _mirrors()[:1]
        architectures = [target.deb_arch for target in (HERE, *self.others)]
        packages = [*PACKAGES, *(f"libc6:{target.deb_arch}" for target in self.others)]
        made_of = "\0".join([*packages, *(source.read_text() if isinstance(source, Path) else source for source in sources)])
        name = "-".join([release, *architectures])
        made = ROOTS / f"{name}.{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
        if made.exists():
            return made
        print(f"# making {made.relative_to(ROOT)}: about a minute, once", flush=True)
        for old in ROOTS.glob(f"{name}.*"):
            shutil.rmtree(old)
        ROOTS.mkdir(parents=True, exist_ok=True)
        new = Path(f"{made}.new")
        words = ["mmdebstrap", "--variant=minbase", f"--architectures={','.join(architectures)}", f"--include={','.join(packages)}"]
        done = subprocess.run([*words, release, new, *sources], capture_output=True, text=True, check=False)
        if done.returncode and UNREACHED.search(done.stderr):
            raise NotRun("the registry of Debian packages is not reached from here")
        if done.returncode:
            raise Failure(f"mmdebstrap cannot make a clean {release}: {done.stderr.strip()[-1000:]}")
        new.rename(made)
        return made


def _told(story):
    check = Checks()
    try:
        story(check)
    except (Failure, OSError, ValueError, subprocess.SubprocessError) as reason:
        check(f"the story gets to its end: {type(reason).__name__}: {reason}", False)
    return check.end()


def _sources():
    apt = Path("/etc/apt")
    files = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list")), *sorted(apt.glob("sources.list.d/*.sources"))]
    return [file for file in files if file.exists() and file.read_text().strip()]


def _mirrors():
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


# --- actions of stories in the machine ---


def well(machine, script, user=None, stdin="", environment=None):
    """The output of the script, which must succeed."""
    done = machine.run(script, user, stdin, environment, LONG_S)
    if done.code:
        raise Failure(f"{script.strip()}: {done}")
    return done.output


def in_machine(path):
    """A file of the project, by its path in the machine."""
    return f"/srv/libwxtoken/{Path(path).relative_to(ROOT)}"


def state(machine):
    """Everything that an installation may change: every file with its owner and mode, every user and every group."""
    pruned = " -o ".join(f"-path {path}" for path in NOT_COMPARED.split())
    files = well(machine, f"find / -xdev \\( {pruned} \\) -prune -o ! -path / -printf '%p %M %u:%g %l\\n'")
    people = well(machine, "tail -n +1 /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/subuid /etc/subgid")
    return {line for line in (files + people).splitlines() if not LEFT_BY_OTHERS.match(line)}


def differences(before, after):
    return sorted([f"- {line}" for line in before - after] + [f"+ {line}" for line in after - before])
