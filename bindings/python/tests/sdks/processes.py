"""A client in its own process; see clients.py."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from simulator import Account

HERE = Path(__file__).parent


class Process:
    """The process ends when its input ends."""

    def __init__(self, name: str, account: Account, path: Path | None) -> None:
        # With a store, the client has no secret.
        arguments = (name, account.kind, account.id, *(("", path) if path else (account.secret, "")))
        self.child = subprocess.Popen(
            [sys.executable, HERE / "clients.py", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE.parents[1])])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # Once the process is ready, the first call does not wait for imports.
        assert self.hear() == "", "the client does not start"

    def call(self) -> str:
        """Makes the business call, and returns its error or an empty string."""
        assert self.child.stdin is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return self.hear()

    def hear(self) -> str:
        assert self.child.stdout is not None
        said = self.child.stdout.readline()
        assert said, "the client's process has ended"
        return said.strip()

    def end(self) -> None:
        self.child.communicate()


Starter = Callable[..., Process]
