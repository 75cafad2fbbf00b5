"""Runs a command with a redis-server of its own, on a Unix socket: its path is in $WXBENCH_REDIS, and its process in
$WXBENCH_REDIS_PID."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main(command):
    with tempfile.TemporaryDirectory() as directory:
        socket = str(Path(directory) / "redis.sock")
        settings = ["--port", "0", "--unixsocket", socket, "--dir", directory, "--save", "", "--appendonly", "no"]
        server = subprocess.Popen(["redis-server", *settings], stdout=subprocess.PIPE, text=True)
        try:
            if not ready(server):
                return 1
            environment = os.environ | {"WXBENCH_REDIS": socket, "WXBENCH_REDIS_PID": str(server.pid)}
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            server.terminate()
            server.communicate()


def ready(server):
    said = ""
    for line in server.stdout:
        said += line
        if "ready to accept connections" in line.lower():
            return True
    print(f"with_redis.py: redis-server ended before it was ready:\n{said}", file=sys.stderr)
    return False


if len(sys.argv) < 2:
    sys.exit("usage: python3 with_redis.py COMMAND…")
sys.exit(main(sys.argv[1:]))
