"""A call that `wxtoken serve` forwards, against nginx with `proxy_pass` to the same platform. Measures the time of a
call on one connection, the calls per second on 64, and the processor time per call.

Run under `wechat-sim exec`. Argument: the command wxtoken. The platform is another nginx, plain and over TLS. It
answers the business call itself and passes calls for tokens to the simulator. nginx passes the query on unchanged. The
server looks up the client, the account and its token, and searches the reply. All servers run at the same time, and
each gets the load of h2load in turn.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from server import ROUNDS, Server, certificate, load, say
from stores import NAME, Account

USER_INFO = "/cgi-bin/user/info"
REPLY = '{"subscribe":1,"openid":"o6_bmjrPTlm6_2sgVt7hMZOPfL2M","language":"zh_CN","subscribe_time":1382694957,"unionid":"o6_bmasdasdsad6_2sgVt7hMZOPfL"}'
NGINX = """
worker_processes {workers};
daemon off;
pid {directory}/pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  default_type application/json;
  {paths}
  {servers}
}}
"""
PLATFORM = """
  server {{
    listen 127.0.0.1:{plain};
    listen 127.0.0.1:{tls} ssl;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    location = /cgi-bin/user/info {{ return 200 '{reply}'; }}
    location / {{ proxy_pass {simulator}; }}
  }}
"""
DOOR = """
  upstream platform-{port} {{ server 127.0.0.1:{to}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass {scheme}://platform-{port};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host localhost;
      proxy_ssl_session_reuse on;
    }}
  }}
"""


def main(wxtoken):
    with tempfile.TemporaryDirectory(prefix="wxtoken-bench-") as name:
        directory = Path(name)
        cert, key = certificate(directory)
        plain, tls, plain_door, tls_door = (free_port() for _ in range(4))
        simulator = os.environ["WXSIM_HTTP"]
        platform = PLATFORM.format(plain=plain, tls=tls, cert=cert, key=key, reply=REPLY, simulator=simulator)
        doors = DOOR.format(port=plain_door, to=plain, scheme="http") + DOOR.format(port=tls_door, to=tls, scheme="https")
        servers = []
        try:
            servers.append(start_nginx(directory / "platform", platform, plain))
            nginx = start_nginx(directory / "nginx", doors, plain_door)
            servers.append(nginx)
            turns = {}
            for sort, url, door in (("plain", f"http://127.0.0.1:{plain}", plain_door), ("tls", f"https://localhost:{tls}", tls_door)):
                serve, address, call = start_serve(servers, wxtoken, directory / sort, url, cert)
                turns[f"serve-{sort}"] = (serve, address, call)
                turns[f"nginx-{sort}"] = (nginx, f"http://127.0.0.1:{door}", call)
            measure(turns)
        finally:
            for server in reversed(servers):
                server.end()


def measure(turns):
    for _ in range(ROUNDS):
        for name, (server, url, call) in turns.items():
            one = load(server.pids(), url, "User-Agent: h2load", call=call, connections=1)
            say(bench=f"forward-{name}-p50", ns=one["p50_ns"])
        for name, (server, url, call) in turns.items():
            many = load(server.pids(), url, "User-Agent: h2load", call=call)
            say(bench=f"forward-{name}", ns=many["ns"])
            say(bench=f"forward-{name}-cpu", ns=many["cpu_ns"])


def start_serve(servers, wxtoken, directory, platform, cert):
    """A server that forwards to this platform, added to `servers`. Returns it, its address, and a call with a
    stand-in."""
    directory.mkdir()
    log, account = directory / "log", Account()
    environment = os.environ | {
        "WXTOKEN_STORE": str(directory / "tokens.db"),
        "WXTOKEN_API_BASE_URL": platform,
        "WXTOKEN_CA_FILE": str(cert),
    }
    more = {"env": environment, "text": True, "check": True, "stdout": subprocess.PIPE}
    add = [wxtoken, "account", "add", NAME, "--kind", "official", "--id", account.id]
    subprocess.run(add, input=account.secret, **more)
    added = subprocess.run([wxtoken, "client", "add", "web", "--allow", "forward"], stderr=subprocess.PIPE, **more).stdout
    key = re.search(r"wxk_\S+", added)[0]
    words = ["--listen", "http://127.0.0.1:0", "--rate", 2**31, "--audit", directory / "audit"]
    with open(log, "w") as out:
        serve = Server([wxtoken, "serve", *words], lambda: "ready: " in log.read_text(), stderr=out, env=environment)
    servers.append(serve)
    address = re.search(r"listening on (http://\S+)", log.read_text())[1]
    query = f"grant_type=client_credential&appid={account.id}&secret={key}"
    with urllib.request.urlopen(f"{address}/cgi-bin/token?{query}") as reply:
        stand_in = re.search(r"wxs_[\w-]+", reply.read().decode())[0]
    return serve, address, f"{USER_INFO}?access_token={stand_in}&openid=o6_bmjrPTlm6_2sgVt7hMZOPfL2M"


def start_nginx(directory, servers, port):
    directory.mkdir()
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{name}_temp_path {directory}/{name}; " for name in temporary)
    settings = directory / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""
    settings.write_text(user + NGINX.format(workers=os.cpu_count(), directory=directory, paths=paths, servers=servers))
    binary = "/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else "nginx"

    def listens():
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    return Server([binary, "-e", "stderr", "-p", directory, "-c", settings], listens)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
