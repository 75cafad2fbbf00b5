"""Runs a command with a token of 512 bytes. Run this under `wechat-sim exec`.

The command finds the token in the store that $WXTOKEN_STORE names, as account "shop", and in $WXBENCH_TOKEN. The
simulator at $WXTOKEN_API_BASE_URL answers every fetch of $WXBENCH_APPID with it.
"""

import json
import os
import string
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

PYTHON_BINDING = Path(__file__).resolve().parents[2] / "bindings" / "python"
TOKEN = (string.ascii_letters + string.digits + "-_") * 8
# An account that exists in the simulator.
APPID, SECRET = "wxdemo0000000001", "demo-secret-0000000000000000000000001"
FETCH = "import sys; from wxtoken import Store; s = Store(); s.register(*sys.argv[1:]); print(s.token('shop'))"


def main(command):
    fault = json.dumps({"kind": "token", "value": TOKEN, "times": 0}).encode()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.open(os.environ["WXSIM_CONTROL"] + "/faults", fault).close()
    with tempfile.TemporaryDirectory() as directory:
        environment = dict(os.environ)
        environment["WXTOKEN_STORE"] = str(Path(directory) / "tokens.db")
        environment["WXTOKEN_API_BASE_URL"] = os.environ["WXSIM_HTTP"]
        environment |= {"WXBENCH_TOKEN": TOKEN, "WXBENCH_APPID": APPID, "WXBENCH_SECRET": SECRET}
        fetch = [sys.executable, "-c", FETCH, "shop", "official", APPID, SECRET]
        path = {"PYTHONPATH": str(PYTHON_BINDING), "PYTHONDONTWRITEBYTECODE": "1"}
        got = subprocess.run(fetch, env=environment | path, stdout=subprocess.PIPE, text=True, check=False)
        if got.returncode or got.stdout.strip() != TOKEN:
            print("warm.py: the store did not get the simulator's token", file=sys.stderr)
            return 1
        return subprocess.run(command, env=environment, check=False).returncode


if len(sys.argv) < 2:
    sys.exit("usage: wechat-sim exec --quiet -- python3 warm.py COMMAND…")
sys.exit(main(sys.argv[1:]))
