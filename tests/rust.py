"""Runs `cargo test` with the given words. Tests that become another user run in a user namespace if this process is not
root.

    rust.py [--same-user] WORDS... [-- WORDS OF EACH TEST PROGRAM]

The test programs run two at a time per processor, since most of their time is waiting. A failed program does not stop the
others, and only its output is shown.

A test that must become another user writes its name to the file that the variable WXTOKEN_NOT_RUN names (common::needs_root).
It then runs again as the root of a namespace with other users. If no namespace can be made, tests/run.py is told. With
--same-user, such tests are left to another run.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import not_run

CARGO = os.environ.get("CARGO", "cargo").split()
PROGRAMS_OF_A_PROCESSOR = 2
# `nobody` must be a real user there, so mapping one user is not enough.
AS_ROOT = ["unshare", "--user", "--map-root-user", "--map-auto", "--"]
RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.MULTILINE)


def main():
    words, of_programs = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, of_programs = words[:at], words[at + 1 :]
    is_same_user = words[:1] == ["--same-user"]
    programs = build(words[is_same_user:])
    if programs is None:
        return 1
    with tempfile.NamedTemporaryFile("r", prefix="wxtoken-not-run-") as told:
        code = run(programs, of_programs, {**os.environ, "WXTOKEN_NOT_RUN": told.name})
        left = sorted(set(told.read().split()))
    return code if is_same_user or not left else run_as_root(left, code)


@dataclass
class Program:
    name: str
    executable: str
    folder: str


def build(words):
    """The test programs; None if one does not compile."""
    command = [*CARGO, "test", "--locked", *words, "--no-run", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if built.returncode:
        return None
    artifacts = [json.loads(line) for line in built.stdout.splitlines()]
    artifacts = [said for said in artifacts if said["reason"] == "compiler-artifact" and said["profile"]["test"] and said["executable"]]
    return [Program(said["target"]["name"], said["executable"], str(Path(said["manifest_path"]).parent)) for said in artifacts]


def run(programs, words, environment):
    began = time.monotonic()
    at_once = PROGRAMS_OF_A_PROCESSOR * (os.cpu_count() or 1)

    def run_one(program):
        own = {**environment, "CARGO_MANIFEST_DIR": program.folder}
        started = time.monotonic()
        with tempfile.TemporaryFile() as output:
            command = [program.executable, *words]
            code = subprocess.run(
                command, cwd=program.folder, env=own, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
            ).returncode
            output.seek(0)
            said = output.read().decode(errors="replace")
        found = RESULT.findall(said)
        passed, failed, ignored = found[-1] if found else ("?", "?", "?")
        line = f"{program.name:20} {time.monotonic() - started:5.0f} s  {passed} passed, {failed} failed, {ignored} ignored"
        print(line if code == 0 else f"{line}\n--- {program.name}: exit code {code}\n{said}", flush=True)
        return code

    with ThreadPoolExecutor(at_once) as pool:
        codes = list(pool.map(run_one, programs))
    failed = [program.name for program, code in zip(programs, codes) if code]
    took = time.monotonic() - began
    print(f"{len(programs)} test programs, {at_once} at a time, {len(failed)} failed{''.join(f' {name}' for name in failed)}; {took:.0f} s", flush=True)
    return 1 if failed or not programs else 0


def run_as_root(left, code):
    tried = subprocess.run([*AS_ROOT, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        say_not_run(left, " ".join(tried.stderr.split()))
        return code
    # A test's own path follows the name of its program.
    names = [name.partition("::")[2] for name in left]
    print(f"{len(names)} tests that become another user, in a user namespace:", flush=True)
    # Only the programs that contain some of them, because a program that contains none would pass too.
    programs = [word for name in sorted({name.partition("::")[0] for name in left}) for word in ("--test", name)]
    packages = ["-p", "wxtoken-tests", "-p", "wxtoken-cli"]
    again = [*AS_ROOT, *CARGO, "test", "--locked", *packages, *programs, "--", "--exact", *names]
    return code or subprocess.run(again, check=False).returncode


def say_not_run(left, why):
    reason = f"{len(left)} tests become another user; this is not root, and cannot make a namespace of users ({why})"
    not_run.say("test-rust/users", reason)
    print("", *left, sep="\n  ", flush=True)


if __name__ == "__main__":
    sys.exit(main())
