"""Runs a command with a private redis-server on a Unix socket. The socket is in $WXBENCH_REDIS, and the process id
in $WXBENCH_REDIS_PID. For clients without support for Unix sockets, a port on loopback is in $WXBENCH_REDIS_PORT."""

import os
import socket as sockets
import subprocess
import sys
import tempfile
from pathlib import Path


def main(command):
    with tempfile.TemporaryDirectory() as directory:
        socket = str(Path(directory) / "redis.sock")
        port = str(free_port())
        settings = ["--port", port, "--bind", "127.0.0.1", "--unixsocket", socket, "--dir", directory, "--save", "", "--appendonly", "no"]
        server = subprocess.Popen(["redis-server", *settings], stdout=subprocess.PIPE, text=True)
        try:
            if not ready(server):
                return 1
            environment = os.environ | {"WXBENCH_REDIS": socket, "WXBENCH_REDIS_PORT": port, "WXBENCH_REDIS_PID": str(server.pid)}
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            server.terminate()
            server.communicate()


def free_port():
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


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
