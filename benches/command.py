"""The cost of `wxtoken get` as a process, in turns with `/bin/true` and the same SELECT by `sqlite3`.

Run under `wechat-sim exec`. Arguments: the command, a store, the account's name, base URL and appid.
"""

import json
import os
import subprocess
import sys
import time

ROUNDS = 100
SELECT = """SELECT access_token, expires_at FROM weixin_token
    WHERE endpoint = 'stable_token' AND base_url = '{}' AND appid = '{}' AND fingerprint = ''"""


def main(tool, store, name, base_url, appid):
    subjects = {
        "command-get": [tool, "--store", store, "get", name],
        "command-true": ["/bin/true"],
        "command-sqlite3": ["sqlite3", "-readonly", store, SELECT.format(base_url, appid)],
    }
    token = take(subjects["command-get"])
    if not token or not take(subjects["command-sqlite3"]).startswith(token):
        sys.exit("command: `wxtoken get` and the SELECT do not give the same token")
    for _ in range(ROUNDS):
        for bench, command in subjects.items():
            print(json.dumps({"bench": bench, "ns": timed(command)}))


def take(command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def timed(command):
    """Nanoseconds from the start of a process to its end, without a shell or a pipe."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    began = time.perf_counter_ns()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=quiet)
    _, ended = os.waitpid(child, 0)
    took = time.perf_counter_ns() - began
    if ended:
        sys.exit(f"command: {command[0]} ended with {ended}")
    return took


if __name__ == "__main__":
    main(*sys.argv[1:])
