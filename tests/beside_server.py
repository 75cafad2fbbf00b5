"""Runs a suite with wxtoken servers: `beside_server.py WXTOKEN -- COMMAND`, under `wechat-sim exec`.

The command finds `WXTOKEN_CASES_SERVER`, an address on loopback. Each POST to it starts a server of `wxtoken serve` on
a new store, on a Unix socket. The answer has its `store` string, a client's `key` with every right, and the `file` of
the store. A client cannot register accounts, so the suite registers them there, as an operator does.
`WXTOKEN_CASES_TOOL` is the path of WXTOKEN, for a suite that opens no file itself. Servers end with the command, whose
exit code becomes this one's.
"""

import http.server
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

STARTS_WITHIN_S = 60
PLATFORMS = """API WORK QQ DOUYIN DINGTALK FEISHU QQBOT DOUYIN_OPEN DOUYIN_GAME LARK XIAOHONGSHU BAIDU QIDIAN""".split()


class Servers:
    def __init__(self, tool, directory):
        self._tool = tool
        self._directory = directory
        self._lock = threading.Lock()
        self._started = []
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WXTOKEN_")},
            **{f"WXTOKEN_{name}_BASE_URL": os.environ["WXSIM_HTTP"] for name in PLATFORMS},
        }

    def start(self):
        with self._lock:
            place = self._directory / str(len(self._started))
            place.mkdir()
            self._started.append(None)
            number = len(self._started) - 1
        file, socket, log = place / "tokens.db", place / "s.sock", place / "log"
        # The very next call of a case must see an operator's change.
        serve = [self._tool, "--store", file, "-o", "revalidate_ms=0", "serve", "--listen", f"unix:{socket}"]
        serve += ["--rate", "1000000", "--audit", place / "audit"]
        with open(log, "w") as err:
            process = subprocess.Popen(serve, env=self._environment, stdout=subprocess.DEVNULL, stderr=err)
        self._started[number] = process
        began = time.monotonic()
        while "ready: " not in log.read_text():
            if process.poll() is not None or time.monotonic() - began > STARTS_WITHIN_S:
                raise RuntimeError(f"wxtoken serve did not start: {log.read_text()}")
            time.sleep(0.005)
        client = [self._tool, "--store", file, "client", "add", "suite", "--allow", "get,reject,status,put"]
        key = subprocess.run(client, env=self._environment, check=True, capture_output=True, text=True).stdout.strip()
        return {"store": f"unix:{socket}", "key": key, "file": str(file)}

    def end(self):
        for process in filter(None, self._started):
            process.terminate()
        for process in filter(None, self._started):
            process.wait()


def control_of(servers):
    class Control(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                code, said = 200, servers.start()
            except (OSError, RuntimeError, subprocess.SubprocessError) as reason:
                code, said = 500, {"error": str(reason)}
            body = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Control)


def main():
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        sys.exit("usage: beside_server.py WXTOKEN -- COMMAND [ARGUMENT]...")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as directory:
        servers = Servers(sys.argv[1], Path(directory))
        control = control_of(servers)
        threading.Thread(target=control.serve_forever, daemon=True).start()
        try:
            address = f"http://127.0.0.1:{control.server_address[1]}"
            environment = {**os.environ, "WXTOKEN_CASES_SERVER": address, "WXTOKEN_CASES_TOOL": sys.argv[1]}
            return subprocess.run(sys.argv[3:], env=environment, check=False).returncode
        finally:
            servers.end()


if __name__ == "__main__":
    sys.exit(main())
