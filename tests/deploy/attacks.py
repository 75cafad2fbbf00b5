"""Stories of readers and other users with bad intentions."""

import json
import os
import subprocess

from machine import IN_MACHINE, Failure, until
from place import STORE

FLOOD = f"""
import os, time
mailbox = os.open("{STORE}.mailbox", os.O_WRONLY | os.O_NONBLOCK)
pieces = [b"\\0" * 4096, b'{{"want":"shop"}}\\n' * 200, b"x" * 300, os.urandom(4096), b"[" * 4000 + b"\\n",
    b"\\n" * 4096, b'{{"want":"nobody"}}\\n', b'{{"reject":"shop","fingerprint":"0"}}\\n']
sent, end = 0, time.monotonic() + 2
while time.monotonic() < end:
    for piece in pieces:
        try:
            sent += os.write(mailbox, piece)
        except BlockingIOError:
            pass
print(sent)
"""
GARBLE = f"""
import os, select, sys
mailbox = os.open("{STORE}.mailbox", os.O_WRONLY | os.O_NONBLOCK)
while not select.select([sys.stdin], [], [], 0.001)[0]:
    os.write(mailbox, b"x" * 10)
    print("x", flush=True)
"""
HOLD = f"""
import sqlite3, sys
store = sqlite3.connect("file:{STORE}?mode=ro", uri=True, isolation_level=None)
store.execute("BEGIN")
store.execute("SELECT * FROM weixin_token").fetchall()
print("held", flush=True)
sys.stdin.read()
"""
OUTSIDE = f"""
for try in "ls /var/lib/wxtoken" "cat {STORE}" "stat {STORE}" "wxtoken get shop" "wxtoken status" "wxtoken reject shop" \\
    "wxtoken account list" "wxtoken backup /var/tmp/outsider.db" "echo > {STORE}.mailbox"; do
  if eval "$try" >/dev/null 2>&1; then echo "$try"; fi
done"""


def readers_try_their_worst(place, user):
    before, pid = state(place), place.keeper_pid()
    done = place.machine.run(f"/usr/bin/python3 -B {IN_MACHINE}/tests/deploy/intruder.py {STORE} {pid}", user)
    if done.code:
        raise Failure(f"the intruder did not get through as {user}: {done}")
    said = json.loads(done.output)
    if os.environ.get("DEPLOY_VERBOSE"):
        for name, answer in said["refused"].items():
            print(f"#   {name}: {answer}")
    got = [f"{name}: {answer}" for name, answer in said["refused"].items() if answer.startswith("got ")]
    changed = [] if (state(place), place.keeper_pid()) == (before, pid) else ["files, accounts or the keeper have changed"]
    name = f"{user}, a reader, is refused {len(said['refused'])} ways to the secrets, the store and the keeper"
    place.checks(name, not got and not changed, "", got + changed)
    leaks = [f"{where} holds {what}" for where, text in said["free"].items() for what in place.leaks(text)]
    place.checks(f"the files that {user} may read contain no secret", not leaks, ", ".join(said["free"]), leaks)


def state(place):
    """The state that a reader must not change: inode, owner, mode and links of each file, and the accounts with
    their sealed secrets."""
    files = {}
    for path in sorted((place.machine.root / "var/lib/wxtoken").iterdir()):
        # The journal comes and goes with the keeper's writes.
        if not path.name.endswith("-journal"):
            stat = path.stat()
            files[path.name] = (stat.st_ino, stat.st_uid, stat.st_gid, stat.st_mode, stat.st_nlink)
    return files, place.root(f"sqlite3 -cmd '.timeout 5000' {STORE} 'SELECT name, appid, hex(secret) FROM weixin_account'")


def outsiders_get_nothing(place):
    done = place.machine.run(OUTSIDE, "outsider")
    place.checks("a user outside the group gets nothing", done.code == 0 and not done.output, done.output)


def the_mailbox_is_flooded(place):
    pid, minted = place.keeper_pid(), place.shop.minted()
    flooding = place.machine.start(["/usr/bin/python3", "-c", FLOOD], "eve", stdout=subprocess.PIPE, text=True)
    sent = int(flooding.communicate(timeout=30)[0])
    after = place.reader("wxtoken get brief/card_ticket")
    until(lambda: place.shop.minted() > minted, "a refresh after the flood")
    good = place.keeper_pid() == pid and after.code == 0
    name = "a flood of the mailbox stops neither the keeper nor a later reader"
    place.checks(name, good, f"{sent >> 20} MiB in 2 s", [] if good else [after])


def half_lines_spoil_no_message(place):
    garbling = place.machine.start(
        ["/usr/bin/python3", "-c", GARBLE], "eve", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    garbling.stdout.readline()
    asked = place.reader("wxtoken get brief/jsapi_ticket")
    rejected = place.reader("wxtoken reject late")
    garbling.communicate("over\n", timeout=10)
    good = asked.code == rejected.code == garbling.returncode == 0
    name = "a reader that leaves half lines in the mailbox spoils no message of others"
    place.checks(name, good, "" if good else f"{asked}; {rejected}")


def a_reader_locks_the_store(place):
    """As the guide says, any reader of an SQLite file can block writers. The block ends when the reader lets go."""
    holding = place.machine.start(
        ["/usr/bin/python3", "-c", HOLD], "eve", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    holding.stdout.readline()
    until(lambda: place.reader("wxtoken -o timeout_ms=50 get brief").code, "the end of a token that cannot be replaced")
    kept = place.reader("wxtoken get late")
    holding.communicate(timeout=10)
    again = place.reader("wxtoken get brief")
    good = kept.code == again.code == 0
    name = "a reader that holds a lock stops the keeper's writes until it lets go"
    place.checks(name, good, "" if good else f"{kept}; {again}")
