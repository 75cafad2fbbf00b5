"""The cost of a store with 1,000, 10,000 and 100,000 accounts, through the command: processor seconds, clock seconds,
and peak memory.

    accounts.py TOOL REGISTER [COUNT...]

TOOL is the command. REGISTER is the program that `make` builds from c/register.c. LD_LIBRARY_PATH must have libwxtoken.

Each account is an authorizer of one component, with a fresh token. Nothing is fetched, and no platform is asked.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNTS = (1_000, 10_000, 100_000)
# Nothing listens there, and nothing should be asked.
BASE_URL = "http://127.0.0.1:9"
MESSAGES = 1_000

ACCOUNTS = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO weixin_account (name, kind, appid, fingerprint, parent)
        SELECT 'shop-' || i, 'authorizer', 'wx' || i, '', 'zzz' FROM n"""
TOKENS = """
    INSERT INTO weixin_token (endpoint, base_url, appid, fingerprint, access_token, fetched_at, expires_at, refresh_at,
        fetched_boot, boot_id, fetched_by, fetches, rejects, rejected, reissued, reject_tried, reject_fetch_at, force_day,
        forces, failures, failed_at, backoff_ms, failed_budget_ms, last_status, last_errcode, last_error, lease_owner,
        lease_until, lease_slot, put, put_at, put_fingerprint)
        SELECT 'api_authorizer_token', ?, appid, 'wxcomponent', 'T' || appid, unixepoch() * 1000,
            unixepoch() * 1000 + 7200000, unixepoch() * 1000 + 6900000, 0, '', 'a bench', 1, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, '', 0, 0, 0, x'00', 1, 'f'
        FROM weixin_account WHERE kind = 'authorizer'"""


def filled(tool, directory, count):
    """A store with this many accounts."""
    store = Path(directory, "tokens.db")
    add = ["account", "add", "zzz", "--kind", "component", "--id", "wxcomponent"]
    run(store, tool, *add, stdin="0123456789abcdef0123456789abcdef\n")
    with sqlite3.connect(store) as database:
        database.execute(ACCOUNTS, [count])
        database.execute(TOKENS, [BASE_URL])
    database.close()
    return store


def environment(store):
    return {**os.environ, "WXTOKEN_STORE": str(store), "WXTOKEN_API_BASE_URL": BASE_URL, "WXTOKEN_TIMEOUT_MS": "60000"}


def run(store, *command, stdin="", codes=(0,)):
    """Processor seconds, clock seconds, and peak memory in MiB."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as told:
        given.write(stdin)
        given.seek(0)
        running = subprocess.Popen(command, stdin=given, text=True, env=environment(store), stdout=subprocess.DEVNULL, stderr=told)
        _, ended, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(ended)
        if running.returncode not in codes:
            told.seek(0)
            sys.exit(f"{' '.join(map(str, command))}: {running.returncode}: {told.read()}")
    return used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss / 1024


def kept(tool, store):
    """Clock seconds that a keeper needs to become ready, to process a flood of mail, and to end after SIGTERM."""
    began = time.monotonic()
    keeper = subprocess.Popen([tool, "keep"], env=environment(store), stderr=subprocess.PIPE, text=True)
    for line in keeper.stderr:
        if " ready: " in line:
            break
    ready = time.monotonic() - began
    used = cpu(keeper.pid)
    with open(f"{store}.mailbox", "wb", buffering=0) as mailbox:
        for i in range(MESSAGES):
            mailbox.write(json.dumps({"reject": f"unknown-{i}", "fingerprint": "0"}).encode() + b"\n")
    quiet, mail = 0, cpu(keeper.pid)
    while quiet < 3:
        time.sleep(0.3)
        now = cpu(keeper.pid)
        quiet, mail = (quiet + 1, mail) if now == mail else (0, now)
    mail -= used
    # During a pass, which a change of the store starts.
    os.utime(store)
    with sqlite3.connect(store) as database:
        database.execute("UPDATE weixin_account SET fingerprint = '1' WHERE name = 'shop-1'")
    database.close()
    time.sleep(0.25)
    began = time.monotonic()
    keeper.send_signal(signal.SIGTERM)
    keeper.stderr.read()
    if keeper.wait() != 0:
        sys.exit("the keeper has failed")
    return ready, mail, time.monotonic() - began


def cpu(pid):
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    tool, register, *counts = sys.argv[1:]
    rows = {}
    counts = [int(count) for count in counts] or COUNTS
    for count in counts:
        with tempfile.TemporaryDirectory() as directory:
            store = filled(tool, directory, count)
            doctor = [tool, "doctor", "--offline"]
            new = ["account", "add", "new", "--kind", "official", "--id", "wxnew"]
            measured = {
                "wxtoken get of one: start-up": run(store, tool, "get", "shop-7"),
                "wxtoken get of an unknown name": run(store, tool, "get", "nobody", codes=[12]),
                "init, register, a refused fetch, free": run(store, register, store, "by-library", "wxlib", "f" * 32, codes=[0, 1]),
                "wxtoken account add": run(store, tool, *new, stdin="f" * 32 + "\n"),
                "wxtoken account remove": run(store, tool, "account", "remove", "new", "--yes"),
                "wxtoken account list": run(store, tool, "account", "list"),
                "wxtoken status": run(store, tool, "status", codes=[0, 1]),
                "wxtoken status --prometheus": run(store, tool, "status", "--prometheus", codes=[0, 1]),
                "wxtoken doctor": run(store, *doctor, codes=[0, 1]),
            }
            ready, mail, ended = kept(tool, store)
            told = {name: f"{cpu_s:.3f} s ({clock_s:.3f}), {mib:.0f} MiB" for name, (cpu_s, clock_s, mib) in measured.items()}
            told["a keeper is ready"] = f"({ready:.3f})"
            told[f"a keeper reads {MESSAGES} messages of unknown names"] = f"{mail:.3f} s"
            told["a keeper ends after SIGTERM"] = f"({ended:.3f})"
            for name, text in told.items():
                rows.setdefault(name, []).append(text)
    print(f"| processor time (clock), memory | {' | '.join(f'{count:,} accounts' for count in counts)} |")
    print("|---" * (len(counts) + 1) + "|")
    for name, texts in rows.items():
        print(f"| {name} | {' | '.join(texts)} |")


if __name__ == "__main__":
    main()
