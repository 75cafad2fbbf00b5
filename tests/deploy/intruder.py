"""Attacks that a reader of the store may think of, tried for real. Runs in the machine as that user. Prints as JSON how the
system answered each attempt; "got …" means that it succeeded.

    intruder.py STORE KEEPER_PID
"""

import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

STORE, KEEPER = Path(sys.argv[1]), sys.argv[2]
DIRECTORY = STORE.parent
KEY, LOCK, MAILBOX = (Path(f"{STORE}.{end}") for end in ("key", "lock", "mailbox"))
OWN = Path(f"/var/tmp/{os.geteuid()}")
LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD, SYS_PROCESS_VM_READV = 434, 438, 310
said = {}


def attempt(name, action):
    try:
        got = action()
        said[name] = f"got {got!r}"[:200]
    except OSError as reason:
        said[name] = errno.errorcode.get(reason.errno, str(reason))


def call(function, *words):
    ctypes.set_errno(0)
    result = function(*words)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def opened(path, flags):
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    try:
        return os.read(descriptor, 16) if flags & 3 == os.O_RDONLY else "a descriptor"
    finally:
        os.close(descriptor)


def run(*words, stdin="", **environment):
    done = subprocess.run(
        words, input=stdin, capture_output=True, text=True, env={**os.environ, **environment}, timeout=20, check=False
    )
    if done.returncode == 0:
        return done.stdout
    raise OSError(None, f"exit code {done.returncode}: {' '.join((done.stderr or done.stdout).split())}"[:300])


def tool(*words, **environment):
    return run("wxtoken", *words, stdin="x\n", **environment)


OWN.mkdir(exist_ok=True)
os.chdir(OWN)

KEPT_ELSEWHERE = [Path("/root/wxtoken.key"), Path("/var/backups/wxtoken/accounts.db")]
for path in [KEY, Path(f"{KEY}.bak"), LOCK, *DIRECTORY.glob("*.new"), *KEPT_ELSEWHERE]:
    attempt(f"read {path.name}", lambda path=path: opened(path, os.O_RDONLY))
attempt("read the mailbox", lambda: opened(MAILBOX, os.O_RDONLY))
attempt("read and write the mailbox", lambda: opened(MAILBOX, os.O_RDWR))
attempt("read /etc/wxtoken/keeper.env", lambda: opened("/etc/wxtoken/keeper.env", os.O_RDONLY))

for name in ("mem", "environ", "maps", "auxv", "stack", "io", "syscall", "pagemap", "clear_refs"):
    flags = os.O_WRONLY if name == "clear_refs" else os.O_RDONLY
    attempt(f"/proc/KEEPER/{name}", lambda name=name, flags=flags: opened(f"/proc/{KEEPER}/{name}", flags))
for name in ("fd", "map_files"):
    attempt(f"/proc/KEEPER/{name}", lambda name=name: os.listdir(f"/proc/{KEEPER}/{name}"))
for name in ("root", "cwd", "exe"):
    attempt(f"/proc/KEEPER/{name}", lambda name=name: os.readlink(f"/proc/{KEEPER}/{name}"))
buffer = ctypes.create_string_buffer(16)
here, there = ((ctypes.c_void_p * 2)(address, 16) for address in (ctypes.addressof(buffer), 0x400000))
for request, name in ((PTRACE_ATTACH, "attach"), (PTRACE_SEIZE, "seize")):
    attempt(f"ptrace {name}", lambda request=request: call(LIBC.ptrace, request, int(KEEPER), None, None))
attempt("gdb", lambda: "a core" if Path(run("gcore", "-o", "core", KEEPER)).exists() else 1)
attempt("process_vm_readv", lambda: call(LIBC.syscall, SYS_PROCESS_VM_READV, int(KEEPER), here, 1, there, 1, 0))
attempt(
    "pidfd_getfd",
    lambda: call(LIBC.syscall, SYS_PIDFD_GETFD, call(LIBC.syscall, SYS_PIDFD_OPEN, int(KEEPER), 0), 3, 0),
)
for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGHUP, signal.SIGQUIT):
    attempt(f"signal {number.name}", lambda number=number: os.kill(int(KEEPER), number))

for path in (STORE, KEY, LOCK):
    attempt(f"open {path.name} for writing", lambda path=path: opened(path, os.O_WRONLY))
    attempt(f"append to {path.name}", lambda path=path: opened(path, os.O_RDWR | os.O_APPEND))
attempt("truncate the store", lambda: os.truncate(STORE, 0))
for path in (STORE, KEY, LOCK, MAILBOX, DIRECTORY):
    attempt(f"chmod {path.name}", lambda path=path: os.chmod(path, 0o777))
    attempt(f"chown {path.name}", lambda path=path: os.chown(path, os.geteuid(), -1))
    attempt(f"utime {path.name}", lambda path=path: os.utime(path, (1, 1)))
    attempt(f"rename {path.name}", lambda path=path: os.rename(path, path.with_name("aside")))
    attempt(f"replace {path.name}", lambda path=path: os.rename(shutil.copy("/etc/hostname", OWN / "mine"), path))
    if path != DIRECTORY:
        attempt(f"delete {path.name}", lambda path=path: os.unlink(path))
        attempt(f"a hard link to {path.name}", lambda path=path: os.link(path, OWN / path.name))
for name in (f"{STORE.name}-journal", f"{STORE.name}-wal", f"{KEY.name}.1.new", "anything"):
    attempt(f"plant {name}", lambda name=name: opened(DIRECTORY / name, os.O_WRONLY | os.O_CREAT))
    attempt(f"a symbolic link as {name}", lambda name=name: os.symlink("/etc/passwd", DIRECTORY / name))
attempt("a FIFO in the directory", lambda: os.mkfifo(DIRECTORY / "fifo"))
attempt("a directory in the directory", lambda: os.mkdir(DIRECTORY / "directory"))

for sql in (
    "INSERT INTO weixin_account SELECT * FROM weixin_account",
    "UPDATE weixin_token SET access_token = 'planted'",
    "DELETE FROM weixin_token",
    "DROP TABLE weixin_account",
    "PRAGMA user_version = 99",
    "VACUUM",
):
    attempt(f"sqlite3: {sql}", lambda sql=sql: run("sqlite3", str(STORE), ".timeout 2000", f"{sql};"))


def change_the_journal():
    mode = run("sqlite3", str(STORE), "PRAGMA journal_mode = WAL;").strip()
    if mode != "wal":
        raise OSError(None, f"stays {mode}")
    return mode


attempt("sqlite3: PRAGMA journal_mode = WAL", change_the_journal)

own_key = OWN / "own.key"
own_key.write_text("00" * 32 + "\n")
own_key.chmod(0o600)
for key in ({}, {"WXTOKEN_KEY_FILE": str(own_key)}):
    by = " by a key of its own" if key else ""
    add = ("account", "add", "--kind", "official", "--id", "wx1")
    attempt(f"wxtoken account add{by}", lambda key=key: tool(*add, "mine", **key))
    attempt(f"wxtoken account add over another's{by}", lambda key=key: tool(*add, "shop", **key))
    attempt(f"wxtoken account remove{by}", lambda key=key: tool("account", "remove", "--yes", "shop", **key))
    attempt(f"wxtoken account use{by}", lambda key=key: tool("account", "use", "platform", **key))
    attempt(f"wxtoken put{by}", lambda key=key: tool("put", "platform", "verify_ticket", **key))
    attempt(f"wxtoken rekey{by}", lambda key=key: tool("rekey", **key))
    attempt(f"wxtoken keep{by}", lambda key=key: tool("keep", **key))
    attempt(f"wxtoken get platform/verify_ticket{by}", lambda key=key: tool("get", "platform/verify_ticket", **key))
    attempt(f"wxtoken restore{by}", lambda key=key: tool("restore", "--yes", str(STORE), **key))
attempt("systemctl stop", lambda: run("systemctl", "--no-ask-password", "stop", "wxtoken-keep"))
attempt("systemctl set-environment", lambda: run("systemctl", "--no-ask-password", "set-environment", "A=1"))

# These may succeed. The test searches their output for secrets.
free = {}
for name, words in {
    "wxtoken status": ["status", "--json"],
    "wxtoken status --prometheus": ["status", "--prometheus"],
    "wxtoken account list": ["account", "list", "--json"],
    "wxtoken doctor": ["doctor", "--offline"],
    "wxtoken backup": ["backup", str(OWN / "copy.db")],
}.items():
    try:
        free[name] = tool(*words)
    except OSError as reason:
        free[name] = reason.strerror
free["the store's bytes"] = STORE.read_bytes().decode("latin-1")
copy = OWN / "copy.db"
free["the backup's bytes"] = copy.read_bytes().decode("latin-1") if copy.exists() else ""
command_line = Path(f"/proc/{KEEPER}/cmdline")
free["the keeper's command line"] = command_line.read_text() if command_line.exists() else ""

print(json.dumps({"refused": said, "free": free}))
