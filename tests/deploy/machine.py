"""A throw-away machine: Debian's real systemd as the first process of private namespaces, over a copy-on-write view of
this host or of another root. Users, /etc, /usr/local and /var/lib really change there, and nothing remains on this
host.
"""

import ctypes
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import termios
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
IN_MACHINE = "/srv/libwxtoken"
PATIENCE_S = 30
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PR_SET_PDEATHSIG = 1
NAMESPACES = ["unshare", "-m", "-p", "-C", "-u", "-i", "--fork", "--kill-child", "--propagation", "private"]
# The programs that the guides and their stories run, and their packages.
PROGRAMS = {
    "sqlite3": "sqlite3",
    "gcore": "gdb",
    "nsenter": "util-linux",
    "useradd": "passwd",
    "ip": "iproute2",
    "openssl": "openssl",
    "curl": "curl",
    "nginx": "nginx",
    "redis-server": "redis-server",
    "cc": "gcc",
    "pkg-config": "pkg-config",
}
# The mounts of machine.sh that some hosts forbid.
MOUNTS = """
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
mount -t proc proc /mnt/root/proc
mount -t sysfs -o ro sysfs /mnt/root/sys
mount -t cgroup2 cgroup2 /mnt/root/sys/fs/cgroup
"""


class Failure(Exception):
    """The story cannot go on."""


def until(condition, what, patience_s=PATIENCE_S):
    patience = time.monotonic() + patience_s
    while not (come := condition()):
        if time.monotonic() > patience:
            raise Failure(f"gave up after {patience_s} s of waiting for {what}")
        time.sleep(0.02)
    return come


def not_given():
    """The features that this host lacks and no package provides, in words; empty if there are none."""
    if os.geteuid() != 0:
        return "it needs root, or sudo without a password"
    if not cgroup2():
        return "it needs a cgroup2 filesystem that may be written: mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    tried = subprocess.run([*NAMESPACES, "-n", "sh", "-ec", MOUNTS], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"it needs namespaces (CAP_SYS_ADMIN; in Docker --privileged): {' '.join(tried.stderr.split())}"
    return ""


def lacking():
    """The programs that this host lacks and a package provides."""
    if not Path("/lib/systemd/systemd").exists():
        return "systemd: apt-get install systemd (it need not be running)"
    for program, package in PROGRAMS.items():
        if not shutil.which(program, path=PATH):
            return f"{program}: apt-get install {package}"
    if not list(Path("/lib/systemd/system").glob("php*-fpm.service")):
        return "PHP-FPM with its unit: apt-get install php-fpm"
    return ""


def cgroup2():
    """The mount point of the unified hierarchy, or None."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(where, os.W_OK):
            return Path(where)
    return None


class Done:
    """The result of a command."""

    def __init__(self, code, output, errors=""):
        self.code, self.output, self.errors = code, output, errors

    @property
    def said(self):
        return f"{self.output}{self.errors}"

    def __str__(self):
        return f"exit code {self.code}: {' '.join(self.said.split())[-600:]}"


class Machine:
    def __init__(self, own_network=False, lower="/"):
        self._own_network = own_network
        self._place = Path(tempfile.mkdtemp(prefix="wxtoken-machine-"))
        self._cgroup = cgroup2() / self._place.name
        self._cgroup.mkdir()
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [*NAMESPACES, *(["-n"] if own_network else []), "sh", HERE / "machine.sh", self._place, PROJECT, lower],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=self._enter_cgroup,
            start_new_session=True,
        )
        try:
            self.pid = until(self._first_process, "the machine's first process")
            self.root = Path(f"/proc/{self.pid}/root")
            until(self._is_up, "systemd in the machine")
        except BaseException:
            self.end()
            raise

    def _enter_cgroup(self):
        # The child ends with this process, however this process ends.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        (self._cgroup / "cgroup.procs").write_text("0")

    def _first_process(self):
        if self._process.poll() is not None:
            self._log.seek(0)
            raise Failure(f"the machine did not start: {self._log.read().decode(errors='replace').strip()}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def _is_up(self):
        self._first_process()
        if not (self.root / "run/systemd/private").exists():
            return False
        return self.run("systemctl is-system-running").output.strip() in ("running", "degraded")

    def end(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        directories = [Path(path) for path, _, _ in os.walk(self._cgroup, topdown=False)]
        # The kernel takes its time to end the processes of a closed namespace.
        until(lambda: all(_removed(directory) for directory in directories), "the end of the machine's processes")
        self._place.rmdir()

    def command(self, words, user=None):
        """The command that runs `words` in the machine. A user gets all of the groups that the machine gives it."""
        entered = ["nsenter", "-t", str(self.pid), "-m", "-p", "-C", "-u", "-i", *(["-n"] if self._own_network else []), "--"]
        return [*entered, *(["runuser", "-u", user, "--"] if user else []), *map(str, words)]

    def start(self, words, user=None, environment=None, **options):
        where = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", **(environment or {})}
        return subprocess.Popen(self.command(words, user), env=where, start_new_session=True, **options)

    def run(self, script, user=None, stdin="", environment=None, patience_s=PATIENCE_S):
        """Runs lines of bash in a login shell, like a user who logs in. They end at the first failure."""
        words = ["bash", "--login", "-euo", "pipefail", "-c", script]
        process = self.start(
            words,
            user,
            environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        try:
            output, errors = process.communicate(stdin, timeout=patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failure(f"took more than {patience_s} s: {script.strip()}") from None
        return Done(process.returncode, output, errors)

    def run_on_terminal(self, script, typed):
        """Runs a script as root at a terminal, and answers the first question with `typed`."""
        terminal, its_end = pty.openpty()
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *self.command(["bash", "--login", "-euo", "pipefail", "-c", script])],
            env={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"},
            stdin=its_end,
            stdout=its_end,
            stderr=its_end,
        )
        os.close(its_end)
        output, has_answered = b"", False
        patience = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < patience:
                if not select.select([terminal], [], [], 0.1)[0]:
                    continue
                try:
                    output += os.read(terminal, 4096)
                except OSError:
                    # No process holds the other end any more.
                    break
                # Answers only when the question is complete. It appears a moment before the terminal stops echoing.
                if not has_answered and output.rstrip().endswith(b":"):
                    until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, "a terminal that shows nothing")
                    os.write(terminal, typed.encode() + b"\n")
                    has_answered = True
            else:
                raise Failure(f"took more than {PATIENCE_S} s: {script.strip()}")
            code = process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()
            os.close(terminal)
        return Done(code, output.decode(errors="replace"))

    def write(self, path, text, mode=0o644):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)


def _removed(directory):
    try:
        directory.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
