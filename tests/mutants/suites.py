"""Builds and runs the tests that the patches name.

`processes::NAME` is a test of tests/processes.rs, `lib::NAME` a unit test anywhere in src, `model::NAME` a test of the model
checker. A NAME may include modules.

The others run on a staged library: `api::STORY`, `fork::STORY`, `handlers::STORY`, `copies::main`, `unload::main` and
`faults::STORY` are in tests/c; `servers::NAME` and `soak::NAME` are arguments of run.py in that folder.
"""

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass

ON_THE_LIBRARY = {
    "api": "tests/c/stories.h",
    "copies": "tests/c/copies.c",
    "fork": "tests/c/fork.c",
    "handlers": "tests/c/handlers.c",
    "unload": "tests/c/unload.c",
    "faults": "tests/c/faults.h",
    "servers": "tests/servers/run.py",
    "soak": "tests/soak/run.py",
}
IN_SRC = ("lib", "model")
# Enough for a build from nothing on a slow machine.
BUILD_S = 1800
PKG_CONFIG = "Name: wxtoken\nDescription: a debug build\nVersion: 0\nLibs: -L{0}/lib -lwxtoken\nCflags: -I{0}/include\n"


@dataclass
class Result:
    code: int
    output: str
    timed_out: bool

    @property
    def told(self):
        return "it hung" if self.timed_out else f"it ended with {self.code}"


def source_of(test):
    """The file or folder of a test, and its name there."""
    suite, _, name = test.partition("::")
    words = name.split("::")
    if suite == "lib":
        return "src", words[-1]
    if suite == "model":
        return "src/process/model.rs", words[-1]
    if suite == "tool":
        return f"cli/tests/tool/{'/'.join(words[:-1])}.rs", words[-1]
    return ON_THE_LIBRARY.get(suite, f"tests/{suite}.rs"), words[-1]


class Suites:
    def __init__(self, tree, build):
        self._tree, self._stage, self._programs = tree, build / "stage", build / "programs"
        self._logs, self._target = build / "logs", build / "target"
        self._sim = self._target / "debug" / "wechat-sim"
        self._environment = {
            **os.environ,
            "RUST_BACKTRACE": "0",
            "TEST_PATIENCE_S": "10",
            "CARGO_TARGET_DIR": str(self._target),
            "LD_LIBRARY_PATH": str(self._stage / "lib"),
            "WXTOKEN_LIBRARY": str(self._stage / "lib" / "libwxtoken.so"),
            "PKG_CONFIG_PATH": str(self._stage / "lib" / "pkgconfig"),
        }
        shutil.rmtree(self._logs, ignore_errors=True)
        for folder in (self._logs, self._programs):
            folder.mkdir(exist_ok=True)

    def log_to(self, name):
        self.log = self._logs / f"{name}.log"

    def build(self, test):
        """Builds a test. Returns None if it is ready to run, or else the failed result."""
        suite = test.partition("::")[0]
        if suite not in ON_THE_LIBRARY:
            return self._do_all([[*self._cargo_test(suite), "--no-run"]])
        library = [
            ["cargo", "build", "--locked", "-p", "wechat-sim"],
            ["cargo", "rustc", "--locked", "--lib", "--crate-type", "cdylib"],
        ]
        problem = self._do_all(library)
        if problem is None:
            self._stage_library()
            problem = self._do_all(self._program_builds(suite))
        return problem

    def run(self, test, seconds):
        return self._do(self._run_command(*test.split("::", 1)), seconds)

    def has_run(self, output):
        """Whether at least one test ran, because a name that matches no test passes too."""
        return re.search(r"\b[1-9]\d* passed", output) is not None

    def _stage_library(self):
        """As `make stage`, but with a debug build."""
        for folder in ("lib/pkgconfig", "include"):
            (self._stage / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(self._tree / "include" / "wxtoken.h", self._stage / "include")
        for name in ("libwxtoken.so", "libwxtoken.so.0"):
            # As a new file, because the old one may be in use.
            (self._stage / "lib" / name).unlink(missing_ok=True)
            shutil.copy(self._target / "debug" / "libwxtoken.so", self._stage / "lib" / name)
        (self._stage / "lib" / "pkgconfig" / "wxtoken.pc").write_text(PKG_CONFIG.format(self._stage))

    def _program_builds(self, suite):
        if suite == "servers":
            return []
        if suite == "soak":
            return [
                ["sh", "-c", f"cc -pthread tests/soak/worker.c -o {self._programs}/c $(pkg-config --cflags --libs wxtoken)"],
                ["go", "build", "-C", "tests/soak/go", "-o", self._programs / "go", "."],
            ]
        words = [f"STAGE={self._stage}", f"SIM={self._sim}", f"BUILD={self._programs}"]
        programs = ["faults", "shim.so"] if suite == "faults" else [suite]
        return [["make", "-C", "tests/c", *words, *(self._programs / name for name in programs)]]

    def _run_command(self, suite, name):
        if suite in IN_SRC:
            return [*self._cargo_test(suite), "--", f"::{name.rpartition('::')[2]}"]
        if suite not in ON_THE_LIBRARY:
            return [*self._cargo_test(suite), "--", "--exact", name]
        command = {
            "faults": ["env", f"LD_PRELOAD={self._programs}/shim.so", self._programs / "faults", name],
            "servers": ["python3", "tests/servers/run.py", name],
            "soak": ["python3", "tests/soak/run.py", self._programs, self._target / "debug" / "wxtoken", "--only", name],
        }
        return [self._sim, "exec", "--quiet", "--", *command.get(suite, [self._programs / suite, name])]

    def _cargo_test(self, suite):
        # The model checker replaces types of the whole library, which needs a separate build.
        loom = ["env", "RUSTFLAGS=--cfg loom", f"CARGO_TARGET_DIR={self._target / 'loom'}"]
        command = ["cargo", "test", "--locked"]
        which = {
            "lib": [*command, "-p", "wxtoken", "--lib"],
            "model": [*loom, *command, "-p", "wxtoken", "--lib"],
            "tool": [*command, "-p", "wxtoken-cli", "--test", "tool"],
        }
        return which.get(suite, [*command, "-p", "wxtoken-tests", "--test", suite])

    def _do_all(self, commands):
        for command in commands:
            result = self._do(command, BUILD_S)
            if result.code != 0:
                return result
        return None

    def _do(self, command, seconds):
        """Runs a command in a separate session, and ends everything that is left of it."""
        words = [str(word) for word in command]
        with open(self.log, "a+", errors="replace") as log:
            log.write(f"\n$ {' '.join(words)}\n")
            log.flush()
            start = log.tell()
            process = subprocess.Popen(
                words,
                cwd=self._tree,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            timed_out = False
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                timed_out = True
            finally:
                _end(process)
            log.seek(start)
            return Result(process.returncode, log.read(), timed_out)


def _end(process):
    """With SIGTERM first, because some tests have servers to end."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
