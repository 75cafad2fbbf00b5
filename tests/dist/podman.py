"""The containers of one test: podman with private storage, and crun for a root file system without further files."""

import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from machine import Failure, until

PATIENCE_S = 60
PROGRAMS = ("podman", "crun", "ip", "unshare")
ENTERED = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "--"]
# A network without a route out, the cgroups that crun needs, and the directories to which podman and crun always write.
PREPARED = """
ip link set lo up
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for place in /run /var/lib /dev/shm; do mount -t tmpfs tmpfs "$place"; done
exec "$0" "$@"
"""
NAMESPACES = ("pid", "mount", "uts", "ipc", "network")


def enter(simulator, *words):
    """Runs a program under a simulator, in namespaces that end with it. Returns the exit code, or None and the
    reason why it cannot run."""
    if os.geteuid():
        return None, "containers need root"
    tried = subprocess.run([*ENTERED, "sh", "-ec", PREPARED, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return None, f"containers need namespaces and mounts (CAP_SYS_ADMIN): {' '.join(tried.stderr.split())}"
    inside = ["sh", "-ec", PREPARED, simulator, "exec", "--quiet", "--", *words]
    return subprocess.run([*ENTERED, *map(str, inside)], check=False).returncode, ""


class Podman:
    def __init__(self, folder):
        self.folder = folder
        folders = {f"--{name}": folder / name for name in ("root", "runroot", "tmpdir")}
        self.words = ["podman", *(str(word) for pair in folders.items() for word in pair)]
        self.words += ["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]

    def __call__(self, *words):
        words = [*self.words, *map(str, words)]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    def ask(self, *words):
        code, output, errors = self(*words)
        if code:
            sys.exit(f"podman {' '.join(map(str, words))}: exit code {code}: {errors}")
        return output

    def words_of_run(self, image, command, *, name=None, network="none", user=None, groups=(), volumes=(), env=None):
        """A container as a careful operator runs it: a read-only root, and no capabilities."""
        words = ["run", "--rm", "--pull", "never", "--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--cgroups", "disabled"]
        # podman's default limits need a capability that a test may lack.
        words += ["--log-driver", "none", "--security-opt", "no-new-privileges", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
        words += ["--network", network, "--http-proxy=false"]
        words += ["--name", name, "--hostname", name] if name else []
        words += ["--user", user] if user else []
        words += [word for group in groups for word in ("--group-add", group)]
        words += [word for volume in volumes for word in ("--volume", volume)]
        words += [word for pair in (env or {}).items() for word in ("--env", f"{pair[0]}={pair[1]}")]
        return [*words, image, *command]

    def run(self, image, *command, **how):
        return self(*self.words_of_run(image, command, **how))

    def start(self, image, *command, name, **how):
        return Container(self, name, self.words_of_run(image, command, name=name, **how))

    def end(self):
        self("rm", "--all", "--force", "--time", "0")


class Container:
    """A running container, and its output."""

    def __init__(self, podman, name, words):
        self.podman, self.name = podman, name
        self.log = podman.folder / f"{name}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([*podman.words, *map(str, words)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def said(self):
        return self.log.read_text()

    def says(self, text):
        """Waits for a line that contains this text, and returns it."""

        def line():
            if self.process.poll() is not None:
                raise Failure(f"{self.name} has ended with {self.process.returncode}: {self.said}")
            return next((line for line in self.said.splitlines() if text in line), None)

        try:
            return until(line, f"{text!r} of {self.name}", PATIENCE_S)
        except Failure as e:
            raise Failure(f"{e}: {self.said}") from None

    @property
    def pid(self):
        return int(self.podman.ask("inspect", "--format", "{{.State.Pid}}", self.name))

    def exec(self, *words):
        return self.podman("exec", self.name, *words)

    def stop(self):
        """Ends it by SIGTERM, which reaches the first process of a container only if it has a handler. Returns the
        exit code and the seconds."""
        began = time.monotonic()
        self.podman.ask("kill", "--signal", "TERM", self.name)
        code = self.process.wait(PATIENCE_S)
        return code, time.monotonic() - began

    def kill(self):
        self.podman.ask("kill", "--signal", "KILL", self.name)
        self.process.wait(PATIENCE_S)


class Bare:
    """A container of crun with only the files of the image: no /etc, no /tmp, no /dev/shm."""

    def __init__(self, folder, archive, architecture):
        self.folder = folder
        self.root = folder / "rootfs"
        self.root.mkdir(parents=True)
        Index(archive).unpack(architecture, self.root)
        for place in ("proc", "dev"):
            (self.root / place).mkdir()

    def run(self, *command, user, env, volume, network=True):
        """The volume is mounted where the image has the store."""
        null = [{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}]
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc"}, *null]
        mounts += [{"destination": "/var/lib/wxtoken", "type": "bind", "source": str(volume), "options": ["bind"]}]
        spec = {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": user, "gid": 0},
                "args": ["/wxtoken", *command],
                "env": [f"{name}={value}" for name, value in env.items()],
                "cwd": "/",
                "noNewPrivileges": True,
            },
            "root": {"path": str(self.root), "readonly": True},
            "hostname": "bare",
            "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in NAMESPACES if kind != "network" or not network]},
        }
        (self.folder / "config.json").write_text(json.dumps(spec))
        words = ["crun", "--root", self.folder / "state", "--cgroup-manager=disabled", "run", "--bundle", self.folder, "bare"]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout.strip(), done.stderr.strip()


class Index:
    """The images of an OCI archive, by architecture."""

    def __init__(self, archive):
        self._blobs = tarfile.open(archive)
        (whole,) = json.load(self._blobs.extractfile("index.json"))["manifests"]
        manifests = json.load(self._read(whole))["manifests"]
        self.images = {manifest["platform"]["architecture"]: manifest for manifest in manifests}

    def _read(self, described):
        return self._blobs.extractfile(f"blobs/{described['digest'].replace(':', '/')}")

    def unpack(self, architecture, folder):
        """The files of one image, with their owners."""
        for layer in json.load(self._read(self.images[architecture]))["layers"]:
            with tarfile.open(fileobj=self._read(layer), mode="r:gz") as files:
                files.extractall(folder, numeric_owner=True, filter="fully_trusted")
        return Path(folder)
