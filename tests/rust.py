"""`cargo test` with the words given; what has to become another user is run in a user namespace where root runs none of it.

A test that has to become another user says so in the file that the variable WXTOKEN_NOT_RUN names (common::needs_root),
and is run once more as the root of a namespace that has other users too. Where that cannot be made, tests/run.py is told.
"""

import os
import subprocess
import sys
import tempfile

CARGO = os.environ.get("CARGO", "cargo").split()
# `nobody` must be somebody else there, so one user who is mapped is not enough.
AS_ROOT = ["unshare", "--user", "--map-root-user", "--map-auto", "--"]


def main():
    test = [*CARGO, "test", "--locked", *sys.argv[1:]]
    with tempfile.NamedTemporaryFile("r", prefix="wxtoken-not-run-") as told:
        code = subprocess.run(test, env={**os.environ, "WXTOKEN_NOT_RUN": told.name}, check=False).returncode
        left = sorted(set(told.read().split()))
    if not left:
        return code
    tried = subprocess.run([*AS_ROOT, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        say_not_run(left, tried.stderr.strip().replace("\n", "; "))
        return code
    # A test's own path begins behind the name of its binary.
    names = [name.partition("::")[2] for name in left]
    print(f"{len(names)} tests that become another user, in a user namespace:", flush=True)
    again = subprocess.run([*AS_ROOT, *test, "--", "--exact", *names], check=False).returncode
    return code or again


def say_not_run(left, why):
    line = f"test-rust/users: {len(left)} tests become another user; this is not root, and has no namespace of users ({why})"
    print(line, *left, sep="\n  ", flush=True)
    with open(os.environ.get("WXTOKEN_NOT_RUN", os.devnull), "a") as told:
        print(line, file=told)


if __name__ == "__main__":
    sys.exit(main())
