"""`cargo test` with the words given; what has to become another user is run in a user namespace where this is not root.

    rust.py [--at-once] WORDS...

A test that has to become another user says so in the file that the variable WXTOKEN_NOT_RUN names (common::needs_root),
and is run once more as the root of a namespace that has other users too. Where that cannot be made, tests/run.py is told.

With --at-once all test programs run side by side, since most of their time is waiting, and only a failing one's output is
shown.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import not_run

CARGO = os.environ.get("CARGO", "cargo").split()
# `nobody` must be somebody else there, so one user who is mapped is not enough.
AS_ROOT = ["unshare", "--user", "--map-root-user", "--map-auto", "--"]


def main():
    words = sys.argv[1:]
    run = side_by_side if "--at-once" in words else one_by_one
    test = [*CARGO, "test", "--locked", *(word for word in words if word != "--at-once")]
    with tempfile.NamedTemporaryFile("r", prefix="wxtoken-not-run-") as told:
        code = run(test, {**os.environ, "WXTOKEN_NOT_RUN": told.name})
        left = sorted(set(told.read().split()))
    if not left:
        return code
    tried = subprocess.run([*AS_ROOT, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        say_not_run(left, " ".join(tried.stderr.split()))
        return code
    # A test's own path begins behind the name of its program.
    names = [name.partition("::")[2] for name in left]
    print(f"{len(names)} tests that become another user, in a user namespace:", flush=True)
    # Only the programs that have some of them: one that has none would pass too.
    programs = [word for name in sorted({name.partition("::")[0] for name in left}) for word in ("--test", name)]
    packages = ["-p", "wxtoken-tests", "-p", "wxtoken-cli"]
    again = [*AS_ROOT, *CARGO, "test", "--locked", *packages, *programs, "--", "--exact", *names]
    return code or subprocess.run(again, check=False).returncode


def one_by_one(test, environment):
    """Each program, also after one that failed."""
    return subprocess.run([*test, "--no-fail-fast"], env=environment, check=False).returncode


def side_by_side(test, environment):
    built = subprocess.run([*test, "--no-run", "--message-format=json-render-diagnostics"], stdout=subprocess.PIPE, check=False)
    if built.returncode:
        return built.returncode
    began = time.monotonic()
    running = [Program(json.loads(line), environment) for line in built.stdout.splitlines() if is_test(json.loads(line))]
    failed = [program.name for program in running if not program.passes()]
    took = time.monotonic() - began
    print(f"{len(running)} test programs, {len(failed)} failed{''.join(f' {name}' for name in failed)}; {took:.0f} s", flush=True)
    return 1 if failed else 0


def is_test(message):
    return message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]


class Program:
    def __init__(self, artifact, environment):
        self.name = artifact["target"]["name"]
        folder = str(Path(artifact["manifest_path"]).parent)
        self._output = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [artifact["executable"]],
            cwd=folder,
            env={**environment, "CARGO_MANIFEST_DIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def passes(self):
        code = self._process.wait()
        self._output.seek(0)
        output = self._output.read().decode(errors="replace")
        if code:
            print(f"--- {self.name}: exit code {code}\n{output}", flush=True)
        return code == 0


def say_not_run(left, why):
    reason = f"{len(left)} tests become another user; this is not root, and cannot make a namespace of users ({why})"
    not_run.say("test-rust/users", reason)
    print("", *left, sep="\n  ", flush=True)


if __name__ == "__main__":
    sys.exit(main())
