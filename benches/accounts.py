"""What a store of 1,000, 10,000 and 100,000 accounts costs, by the command: seconds of processor time, and of the clock.

    accounts.py build/or/target/release/wxtoken [COUNT...]

Each account is an authorizer of one component, with a token that is fresh, so nothing is fetched and nobody is asked.
"""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNTS = (1_000, 10_000, 100_000)
# Nobody listens there, and nobody is to be asked.
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
    """A store of so many accounts."""
    store = Path(directory, "tokens.db")
    add = ["account", "add", "zzz", "--kind", "component", "--id", "wxcomponent"]
    run(tool, store, *add, stdin="0123456789abcdef0123456789abcdef\n")
    with sqlite3.connect(store) as database:
        database.execute(ACCOUNTS, [count])
        database.execute(TOKENS, [BASE_URL])
    database.close()
    return store


def environment(store):
    return {**os.environ, "WXTOKEN_STORE": str(store), "WXTOKEN_API_BASE_URL": BASE_URL, "WXTOKEN_TIMEOUT_MS": "60000"}


def run(tool, store, *words, stdin=None, fails=False):
    """Seconds of processor time and of the clock."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ran = subprocess.run([tool, *words], input=stdin, text=True, env=environment(store), capture_output=True)
    if (ran.returncode != 0) != fails:
        sys.exit(f"{' '.join(words)}: {ran.returncode}: {ran.stderr}")
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, took


def kept(tool, store):
    """How long a keeper takes: to be ready, for a flood of mail, and to end after SIGTERM; in seconds of the clock."""
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
    # In the middle of a pass, as the change of a store makes one.
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
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    tool, *counts = sys.argv[1:]
    rows = {}
    counts = [int(count) for count in counts] or COUNTS
    for count in counts:
        with tempfile.TemporaryDirectory() as directory:
            store = filled(tool, directory, count)
            measured = {
                "wxtoken status": run(tool, store, "status"),
                "wxtoken status --prometheus": run(tool, store, "status", "--prometheus"),
                "wxtoken get of one": run(tool, store, "get", "shop-7"),
                "wxtoken get of an unknown name": run(tool, store, "get", "nobody", fails=True),
                "wxtoken account add": run(
                    tool, store, "account", "add", "new", "--kind", "official", "--id", "wxnew", stdin="f" * 32 + "\n"
                ),
                "wxtoken account remove": run(tool, store, "account", "remove", "new", "--yes"),
                "wxtoken account list": run(tool, store, "account", "list"),
            }
            ready, mail, ended = kept(tool, store)
            told = {name: f"{cpu_s:.3f} s ({clock_s:.3f})" for name, (cpu_s, clock_s) in measured.items()}
            told["a keeper is ready"] = f"({ready:.3f})"
            told[f"a keeper reads {MESSAGES} messages of unknown names"] = f"{mail:.3f} s"
            told["a keeper ends after SIGTERM"] = f"({ended:.3f})"
            for name, text in told.items():
                rows.setdefault(name, []).append(text)
    print(f"| processor time (clock) | {' | '.join(f'{count:,} accounts' for count in counts)} |")
    print("|---" * (len(counts) + 1) + "|")
    for name, texts in rows.items():
        print(f"| {name} | {' | '.join(texts)} |")


if __name__ == "__main__":
    main()
