"""The processes under soak, and the directory of one soak: its store, its logs, and its workers' output.

This process itself never loads the library. It reads the store as any SQLite user would.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE_S = 30
"""Seconds after which a call counts as a hang. One call of the library may take 10 s."""


class Failure(Exception):
    """The soak cannot go on."""


class Place:
    """A directory with a store in it."""

    def __init__(self, soak, programs, accounts):
        self.programs = programs
        self.path = Path(tempfile.mkdtemp(prefix=f"wxtoken-soak-{soak}-"))
        self.store = self.path / "tokens.db"
        # The options are the built-in defaults, whatever the shell sets.
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("WXTOKEN_") or name == "WXTOKEN_LIBRARY"
        }
        self.environment |= {
            "WXTOKEN_STORE": str(self.store),
            "WXTOKEN_API_BASE_URL": os.environ["WXSIM_HTTP"],
            "WXTOKEN_WORK_BASE_URL": os.environ["WXSIM_HTTP"],
            # The log contains failures that the library makes up for without an error to the caller.
            "WXTOKEN_LOG": "error",
            "PYTHONPATH": str(HERE.parent.parent / "bindings" / "python"),
        }
        self.begin()
        words = [word for one in accounts for word in (one.name, one.kind, one.id, one.secret)]
        said = self.run_once("register", *words)
        if said:
            raise Failure(f"the accounts cannot be registered in {self.environment['WXTOKEN_STORE']}: {said}")

    def begin(self):
        """The first process creates a store that is a file."""

    def run_once(self, *words):
        """Runs the C worker to its end. Returns the flaw, if any."""
        command = [*self.programs["c"], *words]
        try:
            done = subprocess.run(
                command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{words[0]} hangs"
        said = " ".join((done.stdout + done.stderr).split())
        return said or (f"{words[0]} ended with {done.returncode}" if done.returncode else "")

    def query(self, sql, *values):
        """Rows of the store. It is opened for writing, as by most processes."""
        patience = time.monotonic() + PATIENCE_S
        while True:
            # SQLite would wait ever longer, and among busy writers seldom get its turn.
            connection = sqlite3.connect(f"{self.store.as_uri()}?mode=rw", uri=True, timeout=0)
            try:
                return connection.execute(sql, values).fetchall()
            except sqlite3.OperationalError as reason:
                if "locked" not in str(reason) or time.monotonic() > patience:
                    raise
            finally:
                connection.close()
            time.sleep(0.001)

    def unsoundness(self):
        """The flaws of the store. A leftover journal is rolled back."""
        wrong = [f"{path.name} was set aside" for path in self.path.glob("*.corrupt-*")]
        verdict = self.query("PRAGMA integrity_check")
        return wrong if verdict == [("ok",)] else [f"integrity_check says {verdict}", *wrong]

    def journal_size(self):
        try:
            return Path(f"{self.store}-journal").stat().st_size
        except FileNotFoundError:
            return 0

    def complaints(self):
        """The messages that workers and library have logged."""
        logs = sorted(self.path.glob("*.log"))
        return [f"{log.stem}: {line}" for log in logs for line in log.read_text(errors="replace").splitlines()]

    def remove(self):
        shutil.rmtree(self.path)


class Worker:
    """A process in a separate session. Ctrl-C reaches only the runner, which ends it."""

    def __init__(self, name, place, language, *words, on_line=None, **environment):
        self.name = name
        self._failures = Counter()
        self.heard_at = time.monotonic()
        self._on_line = on_line
        self._ready = threading.Event()
        with open(place.path / f"{name}.log", "ab") as log:
            self._process = subprocess.Popen(
                [*place.programs[language], *map(str, words)],
                env={**place.environment, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.heard_at = time.monotonic()
            what, _, rest = line.rstrip("\n").partition(" ")
            if what == "ready":
                self._ready.set()
            elif what == "failed":
                self._failures[rest] += 1
            # A killed process may leave half a line.
            elif line.endswith("\n"):
                self._hear(what, rest)

    def _hear(self, what, rest):
        try:
            self._on_line(self, what, rest)
        except Exception as reason:
            # An exception in this thread would not be seen.
            self._failures[f"{what}: {type(reason).__name__}: {reason}"] += 1

    def wait_until_ready(self):
        patience = time.monotonic() + PATIENCE_S
        while not self._ready.wait(0.1):
            self.require_alive()
            if time.monotonic() > patience:
                raise Failure(f"{self.name} is not ready after {PATIENCE_S} s")

    def require_alive(self):
        code = self._process.poll()
        if code is not None:
            raise Failure(f"{self.name} has ended with {code}: {'; '.join(self.failures()) or 'see its log'}")

    def failed(self):
        """The number of its failed calls so far."""
        return self._failures.total()

    def failures(self):
        """The failed calls, in words."""
        return [f"{self.name}: {count} x {message}" for message, count in self._failures.most_common()]

    def tell_to_end(self):
        self._process.stdin.close()

    def wait(self):
        """The flaw of its end, if any."""
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"{self.name} hangs"
        self._reader.join(PATIENCE_S)
        return f"{self.name} ended with {code}" if code else ""

    def send_kill(self):
        self._process.send_signal(signal.SIGKILL)

    def kill(self):
        """When this returns, all its output has been read. It may have ended by itself."""
        self.send_kill()
        self._process.wait()
        self._reader.join(PATIENCE_S)
        self._process.stdin.close()
        self._process.stdout.close()


def languages(c_worker, go_worker):
    """The command of each language's worker."""
    return {
        "c": [c_worker],
        "go": [go_worker],
        "php": ["php", str(HERE / "worker.php")],
        "python": [sys.executable, str(HERE / "worker.py")],
    }
