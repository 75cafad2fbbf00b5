"""`wxtoken serve` against nginx with a static file of the same bytes, and against GET of Redis. Measures gets per
second, p99, processor time per get, and the cost of 10,000 idle connections.

Run under `wechat-sim exec` and `peers/with_redis.py`. Argument: the command wxtoken. All servers run at the same time,
and each gets the load of h2load in turn (redis-benchmark for Redis), so that a disturbance affects all of them. The
load takes a processor too. Therefore the servers' own processor time counts in addition to gets per second.
"""

import json
import os
import re
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stores import NAME, Account

ROUNDS, SECONDS, CONNECTIONS = 5, 2, 64
IDLE = 10_000
CALL = f"/v1/token/{NAME}"
TICKS = os.sysconf("SC_CLK_TCK")
# nginx at its best: no log, no limit of calls per connection, and a worker for each processor.
NGINX = """
worker_processes {workers};
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  default_type application/json;
  {paths}
  server {{
    listen unix:{directory}/nginx.sock;
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    root {directory}/www;
  }}
}}
"""


class Server:
    """A process and its children."""

    def __init__(self, argv, ready, **more):
        self.process = subprocess.Popen([str(word) for word in argv], **more)
        until(ready, f"{argv[0]} is ready", self.process)

    def pids(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def cpu_s(self):
        return cpu_s(self.pids())

    def resident_kb(self):
        statuses = (Path(f"/proc/{pid}/status").read_text() for pid in self.pids())
        return sum(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) for status in statuses)

    def end(self):
        self.process.terminate()
        self.process.wait()


def cpu_s(pids):
    stats = (Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids)
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / TICKS


def until(is_so, what, process):
    end = time.monotonic() + 30
    while not is_so():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"server.py: gave up waiting until {what}")
        time.sleep(0.01)


def connects(path):
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


def main(wxtoken):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 2 * IDLE:
        sys.exit(f"server.py: {hard} descriptors are too few for {IDLE} connections: raise `ulimit -Hn`")
    with tempfile.TemporaryDirectory(prefix="wxtoken-bench-") as name:
        directory = Path(name)
        cert, key = certificate(directory)
        bearer = client_of(wxtoken, directory)

        def start(name):
            return start_serve(wxtoken, directory / name, cert, key)

        serve, path, https = start("serve")
        nginx = None
        try:
            body = get_on(path, bearer)
            nginx, nginx_https = start_nginx(directory, cert, key, body)
            redis = int(os.environ["WXBENCH_REDIS_PID"])
            ask_redis("SET", NAME, body.decode())
            turns = {
                "serve-unix": lambda: load(serve.pids(), "http://localhost", bearer, path),
                "nginx-unix": lambda: load(nginx.pids(), "http://localhost", bearer, directory / "nginx.sock"),
                "redis-unix": lambda: load_redis([redis]),
                "serve-tls": lambda: load(serve.pids(), https, bearer),
                "nginx-tls": lambda: load(nginx.pids(), nginx_https, bearer),
            }
            measure(turns)
            idle("unix", start, lambda path, _: connect_unix(path), bearer)
            idle("tls", start, lambda _, https: connect_tls(https, cert), bearer)
        finally:
            for server in filter(None, [nginx, serve]):
                server.end()


def measure(turns):
    p99 = {name: [] for name in turns}
    for _ in range(ROUNDS):
        for name, turn in turns.items():
            done = turn()
            say(bench=f"server-{name}", ns=done["ns"])
            say(bench=f"server-{name}-cpu", ns=done["cpu_ns"])
            p99[name].append(done["p99_ms"])
    for name, rounds in p99.items():
        say(fact=f"server-{name}-p99-ms", value=round(statistics.median(rounds), 3))


def certificate(directory):
    """Makes one certificate for both servers: an elliptic curve, like those of public authorities."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(
        ["openssl", *words.split(), *names, "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL
    )
    return cert, key


def client_of(wxtoken, directory):
    """Makes the store with one account. Returns the header that identifies a client."""
    account = Account()
    os.environ |= {"WXTOKEN_STORE": str(directory / "tokens.db"), "WXTOKEN_API_BASE_URL": os.environ["WXSIM_HTTP"]}
    add = [wxtoken, "account", "add", NAME, "--kind", "official", "--id", account.id]
    subprocess.run(add, input=account.secret, text=True, check=True, stdout=subprocess.DEVNULL)
    added = subprocess.run([wxtoken, "client", "add", "web"], text=True, check=True, capture_output=True).stdout
    return f"Authorization: Bearer {re.search(r'wxk_[^ ]+', added)[0].strip()}"


def start_serve(wxtoken, directory, cert, key):
    """Starts a server. Returns it with its address. Its audit is not next to the store, because the keeper watches
    that directory."""
    directory.mkdir()
    path, log = directory / "socket", directory / "log"
    listen = ["--listen", f"unix:{path}", "--listen", "https://127.0.0.1:0"]
    words = [*listen, "--tls-cert", cert, "--tls-key", key, "--rate", 2**31, "--audit", directory / "audit"]
    with open(log, "w") as out:
        serve = Server([wxtoken, "serve", *words], lambda: "ready: " in log.read_text(), stderr=out)
    return serve, path, re.search(r"listening on (https://\S+)", log.read_text())[1]


def start_nginx(directory, cert, key, body):
    (directory / "www" / "v1" / "token").mkdir(parents=True)
    (directory / "www" / "v1" / "token" / NAME).write_bytes(body)
    directory.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{name}_temp_path {directory}/{name}; " for name in temporary)
    settings = directory / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""
    places = {"directory": directory, "port": port, "cert": cert, "key": key, "paths": paths}
    settings.write_text(user + NGINX.format(workers=os.cpu_count(), **places))
    binary = "/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else "nginx"
    argv = [binary, "-e", "stderr", "-p", directory, "-c", settings]
    return Server(argv, lambda: connects(directory / "nginx.sock")), f"https://127.0.0.1:{port}"


def load(pids, url, header, unix=None, call=CALL, connections=CONNECTIONS):
    """One turn of h2load, over HTTP/1.1 with kept connections."""
    where = ["-B", f"unix:{unix}"] if unix else []
    with tempfile.TemporaryDirectory(prefix="h2load-") as directory:
        log = Path(directory, "log")
        words = ["--h1", "-t", 1, "-c", connections, "-D", SECONDS, "--log-file", log, *where, "-H", header, f"{url}{call}"]
        before = cpu_s(pids)
        done = subprocess.run(["h2load", *map(str, words)], text=True, check=True, capture_output=True).stdout
        cpu = cpu_s(pids) - before
        # Start, status and microseconds of each call.
        calls = [line.split() for line in log.read_text().splitlines()]
    wrong = [call for call in calls if call[1] != "200"]
    if wrong or not calls:
        sys.exit(f"server.py: {len(wrong)} of {len(calls)} calls were not answered with 200:\n{done}")
    waits = sorted(int(call[2]) for call in calls)
    done = figures(len(calls), SECONDS, waits[len(waits) * 99 // 100] / 1000, cpu)
    return done | {"p50_ns": waits[len(waits) // 2] * 1000}


def load_redis(pids):
    calls = 100_000 * SECONDS
    before, began = cpu_s(pids), time.monotonic()
    words = ["-s", os.environ["WXBENCH_REDIS"], "-c", str(CONNECTIONS), "-n", str(calls), "--csv", "GET", NAME]
    done = subprocess.run(["redis-benchmark", *words], text=True, check=True, capture_output=True).stdout
    rows = [line.replace('"', "").rsplit(",", 7) for line in done.splitlines() if line]
    p99_ms = float(dict(zip(rows[0][1:], rows[-1][1:]))["p99_latency_ms"])
    return figures(calls, time.monotonic() - began, p99_ms, cpu_s(pids) - before)


def figures(calls, seconds, p99_ms, cpu):
    return {"ns": 1e9 * seconds / calls, "cpu_ns": 1e9 * cpu / calls, "p99_ms": p99_ms}


def ask_redis(*words):
    subprocess.run(
        ["redis-cli", "-s", os.environ["WXBENCH_REDIS"], *words], check=True, stdout=subprocess.DEVNULL
    )


def request(header):
    return f"GET {CALL} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode()


def answered(stream, header):
    """The body of a response, whose length is in its head."""
    stream.sendall(request(header))
    said = b""
    while True:
        head, _, body = said.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if length and len(body) == int(length[1]):
            break
        more = stream.recv(65536)
        if not more:
            sys.exit(f"server.py: the connection ended after {said!r}")
        said += more
    if b" 200 " not in head.split(b"\r\n")[0]:
        sys.exit("server.py: a get was not answered with 200")
    return body


def get_on(path, header):
    with connect_unix(path) as stream:
        return answered(stream, header)


def connect_unix(path):
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(str(path))
    return stream


def connect_tls(url, cert):
    host, port = url.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=cert)
    return context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host)


def idle(sort, start, connect, header):
    """Connections that have made one request, and are idle while others make theirs. They have their own server,
    because used memory is not given back."""
    serve, path, https = start(f"idle-{sort}")
    turn = {"unix": ("http://localhost", header, path), "tls": (https, header)}[sort]
    before, streams = serve.resident_kb(), []
    try:
        for _ in range(IDLE):
            streams.append(connect(path, https))
            answered(streams[-1], header)
        resident = serve.resident_kb()
        done = [load(serve.pids(), *turn) for _ in range(ROUNDS)]
    finally:
        serve.end()
    say(fact=f"server-{sort}-resident-kb", value=before)
    say(fact=f"server-{sort}-resident-with-{IDLE}-idle-kb", value=resident)
    for one in done:
        say(bench=f"server-serve-{sort}-with-{IDLE}-idle", ns=one["ns"])
    for stream in streams:
        stream.close()


def say(**what):
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
