"""The container image runs under strict rules: no root, no writable root, no user database, no network, no shell.

    containers.py SIMULATOR [STORY…]

The image is from `make dist`. podman runs it, with its storage in a temporary directory. crun alone runs it with only the image's
files. Everything is in namespaces that end with the test. Without them it says that it was NOT RUN.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

from checks import ROOT, Checks  # first: it says where the others are

import not_run
from common import TARGETS, VERSION, run
from machine import until
from places import ID, SECRET
from podman import Index, enter
from pods import ANYBODY, ARCHIVE, GROUP, HERE, IMAGE, KEEPER, READER, STATE, Place, control, counters, tokens

ADD = ("account", "add", "shop", "--kind", "official", "--id", ID, "--secret-file")
SMALL_KIB = 64 * 1024
# A server waits fifteen seconds for calls that are under way.
QUICK_S = 10
C_PROGRAM = """
#include <stdio.h>
#include <wxtoken.h>
int main(int argc, char **argv) {
    wxtoken *wx;
    wxtoken_token token;
    wxtoken_error err;
    if (argc != 2 || wxtoken_init(argv[1], &wx, &err) || wxtoken_get(wx, "shop", &token, &err)) return fprintf(stderr, "%s\\n", err.message), 1;
    printf("%s", token.value);
    wxtoken_free(wx);
}
"""


SCRIPTS_TABLES = """
    CREATE TABLE weixin_account (id, name, corpid, secret, current);
    CREATE TABLE weixin_token (id, access_token, expires_in, expires_on, is_expired);"""


def main(simulator, *names):
    if "WXSIM_CONTROL" not in os.environ:
        code, why_not = enter(simulator, sys.executable, "-B", __file__, simulator, *names)
        return code if code is not None else not_run.say("test-dist/containers", why_not)
    check = Checks()
    with tempfile.TemporaryDirectory(prefix="wxtoken-containers-") as temporary:
        place = Place(Path(temporary))
        try:
            place.podman.ask("pull", "--quiet", "--arch", HERE.deb_arch, f"oci-archive:{ARCHIVE}")
            for story in STORIES:
                if not names or story.__name__ in names:
                    story(check, place)
        finally:
            place.podman.end()
    return check.end()


def the_image_matches_its_description(check, place):
    architectures = set(Index(ARCHIVE).images)
    known = {target.deb_arch for target in TARGETS.values()}
    check("the archive has an image for this processor, and only for known ones", {HERE.deb_arch} <= architectures <= known, architectures)
    for architecture in sorted(architectures):
        place.podman.ask("pull", "--quiet", "--arch", architecture, f"oci-archive:{ARCHIVE}")
        (about,) = json.loads(place.podman.ask("inspect", IMAGE))
        config = about["Config"]
        check(f"the archive has an image for {architecture}", about["Architecture"] == architecture, about["Architecture"])
        check("its user is a number, not root's", config["User"].replace(":", "").isdigit() and config["User"] != "0", config["User"])
        check("it runs /wxtoken, and SIGTERM stops it", (config["Entrypoint"], config["StopSignal"]) == (["/wxtoken"], "SIGTERM"), config)
        check("the store is a volume, and the port of https is named", config["Volumes"] == {STATE: {}} and "8443/tcp" in config["ExposedPorts"])
        labels = {name.rpartition(".")[2] for name in config["Labels"]}
        check("labels describe it", labels >= {"title", "version", "source", "licenses", "description", "created"}, labels)
    place.podman.ask("pull", "--quiet", "--arch", HERE.deb_arch, f"oci-archive:{ARCHIVE}")
    files = {str(path.relative_to(place.bare.root)) for path in place.bare.root.rglob("*") if path.is_file()}
    papers = {f"usr/share/doc/libwxtoken/{name}" for name in ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY-LICENSES.txt")}
    check("it holds the command and its licences, and no other file", files == {"wxtoken", *papers}, files)
    said = place.podman.run(IMAGE, "--version")
    check("podman runs it", said == (0, f"wxtoken {VERSION}", ""), said)


def it_needs_no_file_but_its_own(check, place):
    """A user without a name, no /etc, no /tmp, no /dev/shm, and a read-only root."""
    volume = place.volume("bare-store", ANYBODY, 0, 0o700)
    secret = volume / "secret"
    secret.write_text(SECRET)
    env = {**place.env, "WXTOKEN_STORE": f"{STATE}/tokens.db"}
    added = place.bare.run(*ADD, f"{STATE}/secret", user=ANYBODY, env=env, volume=volume, network=True)
    check("an account is added by a user without a name, in a root without /etc, /tmp and /dev/shm", added[0] == 0, added)
    got = place.bare.run("get", "shop", user=ANYBODY, env=env, volume=volume)
    check("and gets a token", got[0] == 0 and got[1] in tokens(), got)
    status = place.bare.run("status", "--check", user=ANYBODY, env=env, volume=volume)
    check("status --check says that it is valid", status[0] == 0, status)
    doctor = place.bare.run("doctor", "--offline", user=ANYBODY, env=env, volume=volume)
    check("the doctor finds no problem", doctor[0] == 0, doctor)
    nowhere = {**env, "WXTOKEN_API_BASE_URL": "https://api.weixin.qq.com", "WXTOKEN_STORE": f"{STATE}/other.db"}
    place.bare.run(*ADD, f"{STATE}/secret", user=ANYBODY, env=nowhere, volume=volume)
    lost = place.bare.run("get", "shop", user=ANYBODY, env=nowhere, volume=volume, network=False)
    check("without /etc/resolv.conf a failure says that no name server is known", lost[0] == 15 and "resolv.conf" in lost[2], lost)
    homeless = {name: value for name, value in env.items() if name != "WXTOKEN_STORE"}
    asked = place.bare.run("account", "list", user=ANYBODY, env=homeless, volume=volume)
    check("without a store and a home directory it asks for the path of a store", asked[0] not in (0, 19) and "WXTOKEN_STORE" in asked[2], asked)


def the_scripts_dates_are_read_without_tzdata(check, place):
    """The script wrote local time. The time zone here is that of TZ, and UTC without TZ."""
    for zone, hours in {"": 0, "CST-8": 8}.items():
        volume = place.volume(f"script{hours}", ANYBODY, 0, 0o700)
        end = datetime.now(timezone.utc) + timedelta(hours=hours + 1)
        with closing(sqlite3.connect(volume / "tokens.db")) as store:
            store.executescript(SCRIPTS_TABLES)
            store.execute("INSERT INTO weixin_account VALUES (1, 'crm', 'ww1', ?, 1)", [SECRET])
            store.execute("INSERT INTO weixin_token VALUES (1, 'the-token-in-use', 7200, ?, 1)", [f"{end:%Y-%m-%d %H:%M:%S.%f}"])
            store.commit()
        os.chown(volume / "tokens.db", ANYBODY, 0)
        env = {"WXTOKEN_STORE": f"{STATE}/tokens.db", **({"TZ": zone} if zone else {})}
        got = place.bare.run("get", "crm", user=ANYBODY, env=env, volume=volume, network=False)
        check(f"the script's token is good in the time zone {zone or 'that no file names'}", got == (0, "the-token-in-use", ""), got)
        report = json.loads(place.bare.run("status", "--json", user=ANYBODY, env=env, volume=volume)[1])
        left = report["accounts"][0]["tokens"][0]["expires_at"] - report["now"]
        check("and expires when the script said", 3000 < left <= 3600, left)


def a_server_hands_tokens_out(check, place):
    volume, client = place.volume("server-store", ANYBODY, 0, 0o700), {"user": f"{ANYBODY}:{GROUP}"}
    added = place.run(volume, *ADD, "/secrets/shop", **client)
    check("the secret is read through the kubelet's links, from a file of root's that the group reads", added[0] == 0, added)
    code, key, said = place.run(volume, "client", "add", "web", "--accounts", "shop", "--allow", "get,reject,status", **client)
    check("a client is added", code == 0, said)
    sockets = place.volume("sockets", ANYBODY, GROUP)
    listen = ["serve", "--listen", "http://127.0.0.1:0", "--listen", "unix:/sockets/serve.sock", "--audit", "/dev/null"]
    server = place.start("server", volume, *listen, user=f"{ANYBODY}:{GROUP}", more=[f"{sockets}:/sockets"])
    url = server.says("listening on http://").split()[-1]
    server.says("ready: ")
    keys = place.mounted_secret("client-key", {"key": key.split()[-1]})
    curl = ["curl", "-sS", "--fail-with-body", "-H", f"@{place.folder}/header"]
    (place.folder / "header").write_text(f"Authorization: Bearer {key.split()[-1]}")
    minted = tokens()
    answered = json.loads(run(*curl, f"{url}/v1/token/shop"))["token"]
    check("curl gets the token", answered in minted, answered)
    check("and by the Unix socket in a shared volume", answered in run(*curl, "--unix-socket", sockets / "serve.sock", "http://x/v1/token/shop"))
    env = {**os.environ, "WXTOKEN_SERVER_KEY_FILE": str(keys / "key"), "WXTOKEN_LIBRARY": str(library()), "PYTHONPATH": str(ROOT / "bindings/python")}
    line = "import sys, wxtoken; print(wxtoken.Store(sys.argv[1]).token('shop'))"
    check("a Python program of the host gets it", answered == run(sys.executable, "-B", "-c", line, url, env=env).strip())
    check("a C program of the host gets it", answered == run(c_program(place), url, env=env))
    asker = {"user": f"{READER}:{GROUP}", "more": [f"{sockets}:/sockets", f"{keys}:/key:ro"]}
    probe = place.run(place.volume("empty"), "--store", "unix:/sockets/serve.sock", "-o", "server_key_file=/key/key", "get", "shop", network="none", **asker)
    check("a container without a network gets it by that socket", probe == (0, answered, ""), probe)
    health = [run(*curl, f"{url}/{path}").strip() for path in ("healthz", "readyz")]
    check("the probes of Kubernetes are answered", health == ["ok", "ready"], health)
    first_key = key.split()[-1]
    code, key, said = place.run(volume, "client", "rotate", "web", **client)
    place.run(volume, "client", "rotate", "web", "--finish", **client)
    asked = ["--store", "unix:/sockets/serve.sock", "-o", "server_key_file=/key/key", "get", "shop"]
    refused = place.run(place.folder / "empty", *asked, network="none", **asker)
    place.fill_secret(keys, {"key": key.split()[-1]})
    taken = place.run(place.folder / "empty", *asked, network="none", **asker)
    check("a key that the kubelet replaces takes effect", refused[0] and taken[:2] == (0, answered), refused, taken)
    check("the server's log contains no key", first_key not in server.said and SECRET not in server.said and answered not in server.said)
    status = Path(f"/proc/{server.pid}/status").read_text()
    used = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    check(f"the server fits into 64 MiB: it used {used // 1024}", used < SMALL_KIB, used)
    before = counters()["minted"]
    code, took = server.stop()
    check("SIGTERM ends the first process of a container with 0 and at once", code == 0 and took < QUICK_S, code, took, server.said)
    again = place.start("server-again", volume, *listen, user=f"{ANYBODY}:{GROUP}", more=[f"{sockets}:/sockets"])
    again.says("ready: ")
    (place.folder / "header").write_text(f"Authorization: Bearer {key.split()[-1]}")
    answered_again = json.loads(run(*curl, "--unix-socket", sockets / "serve.sock", "http://x/v1/token/shop"))["token"]
    check("a restarted server returns the same token without a fetch", answered_again == answered and counters()["minted"] == before)
    again.kill()
    third = place.start("server-third", volume, *listen, user=f"{ANYBODY}:{GROUP}", more=[f"{sockets}:/sockets"])
    third.says("ready: ")
    check("a server killed by SIGKILL, which leaves its socket behind, restarts too", answered in run(*curl, "--unix-socket", sockets / "serve.sock", "http://x/v1/token/shop"))
    third.stop()


def library():
    return TARGETS[f"{os.uname().machine}-unknown-linux-gnu"].library


def c_program(place):
    tree = library().parents[1]
    (place.folder / "get.c").write_text(C_PROGRAM)
    program = place.folder / "get"
    run("cc", "-o", program, place.folder / "get.c", f"-I{tree}/include", f"-L{tree}/lib", "-lwxtoken", f"-Wl,-rpath,{tree}/lib")
    return program


def a_keeper_stands_beside_readers(check, place):
    """As in one pod: an emptyDir of root's with fsGroup, a keeper with the secret, a reader with neither secret nor
    network."""
    volume = place.volume("pod", mode=0o2777)
    keeper_is, reader_is = {"user": f"{KEEPER}:{GROUP}"}, {"user": f"{READER}:{GROUP}", "network": "none", "access": ":ro"}
    early = place.run(volume, "status", **reader_is)
    check("a reader that starts first says that the store does not exist yet", early[0] == 13 and "tokens.db" in early[2], early)
    added = place.run(volume, "--mode", "640", *ADD, "/secrets/shop", **keeper_is)
    check("an init container adds the account", added[0] == 0, added)
    again = place.run(volume, "--mode", "640", *ADD, "/secrets/shop", **keeper_is)
    check("and again, when the pod's containers restart", again[0] == 0, again)
    keeper = place.start("keeper", volume, "keep", **keeper_is)
    keeper.says("ready: 1 account, 1 credential, all valid")
    got = place.run(volume, "get", "shop", **reader_is)
    check("a reader without a network, on a read-only volume, gets the token", got[:2] == (0, tokens()[0]), got)
    ticket = place.run(volume, "get", "shop/jsapi_ticket", **reader_is)
    check("it gets a ticket that no caller had asked for before", ticket[0] == 0 and ticket[1], ticket)
    control("/revoke", {"id": ID, "which": "all"})
    place.run(volume, "reject", "shop", **reader_is)
    replaced = place.run(volume, "get", "shop", **reader_is)
    check("it rejects a token that the platform refuses, and gets another", replaced[0] == 0 and replaced[1] not in (got[1], ""), replaced)
    sealed = place.run(volume, *ADD, "/secrets/none", **reader_is)
    check("it cannot change the store", sealed[0] != 0, sealed)
    probed = [keeper.exec("/wxtoken", "status", "--check")[0], keeper.exec("wxtoken", "status", "--check", "shop")[0]]
    check("an exec probe finds the command, and every token valid", probed == [0, 0], probed)
    code, took = keeper.stop()
    check("SIGTERM ends the keeper with 0 and at once", code == 0 and took < QUICK_S, code, took, keeper.said)
    alone = place.run(volume, "get", "shop", **reader_is)
    check("the reader still gets the stored token", alone[:2] == (0, replaced[1]), alone)


def containers_take_turns_on_one_volume(check, place):
    """Each has its own process ids and host name. The lock shows which process lives; no number does."""
    volume, both = place.volume("turns", mode=0o2770), {"user": f"{KEEPER}:{GROUP}"}
    place.run(volume, *ADD, "/secrets/shop", **both)
    before = counters()
    control("/faults", {"kind": "hang", "id": ID})
    leader = place.start("leader", volume, "-o", "timeout_ms=60000", "get", "shop", **both)
    until(lambda: counters()["requests"] > before["requests"], "a fetch of the first container")
    second = place.run(volume, "-o", "timeout_ms=500", "get", "shop", **both)
    check("a second container waits while the first fetches", second[0] == 18 and counters()["requests"] == before["requests"] + 1, second)
    leader.kill()
    taken = place.run(volume, "get", "shop", **both)
    check("it fetches as soon as the first is killed, although the first one's process id means nothing here", taken[:2] == (0, tokens()[0]), taken)
    names = ("keeper-1", "keeper-2")
    keepers = [place.start(name, volume, "keep", **both) for name in names]
    for keeper in keepers:
        keeper.says("ready: ")
    control("/revoke", {"id": ID, "which": "all"})
    minted = counters()["minted"]
    place.run(volume, "reject", "shop", **both)
    got = place.run(volume, "get", "shop", **both)
    check("two keepers and a caller fetch one token for all", got[0] == 0 and counters()["minted"] == minted + 1, got, counters())
    keepers[0].kill()
    check("readers work after the keeper is killed", place.run(volume, "status", "--check", **both)[0] == 0 and keepers[1].process.poll() is None)
    keepers[1].stop()


def a_keeper_and_its_readers_by_compose(check, place):
    """A named volume starts as the image's directory: its owner is the image's user. A reader is in that group."""
    secret = place.folder / "shop-secret"
    secret.write_text(SECRET)
    os.chown(secret, 0, 65532)
    secret.chmod(0o640)
    file = [f"{secret}:/run/secrets/shop:ro"]
    added = place.run("tokens", "--mode", "640", *ADD, "/run/secrets/shop", user="65532:65532", more=file, network="none")
    check("a named volume belongs to the image's user, who can add an account", added[0] == 0, added)
    keeper = place.start("by-compose", "tokens", "keep", user=None)
    keeper.says("ready: 1 account, 1 credential, all valid")
    check("its health check passes", keeper.exec("/wxtoken", "status", "--check")[0] == 0)
    got = place.run("tokens", "get", "shop", user="10001:10001", groups=["65532"], network="none", access=":ro")
    check("a program of another user gets the token by the group", got[:2] == (0, tokens()[0]), got)
    stranger = place.run("tokens", "get", "shop", user="10001:10001", network="none", access=":ro")
    check("and not without it", stranger[0] == 13, stranger)
    keeper.stop()


def servers_share_a_redis(check, place):
    """As in the Deployment of server.yaml: each pod has its own state directory, and the key and the password are
    secrets."""
    secrets = place.mounted_secret("of-redis", {"shop": SECRET, "key": "5e" * 32 + "\n", "redis-password": "a-password-of-redis\n"})
    settings = ["--port", "6379", "--save", "", "--requirepass", "a-password-of-redis", "--dir", place.folder]
    redis = subprocess.Popen(["redis-server", *map(str, settings)], stdout=subprocess.DEVNULL)
    try:
        redis_env = {"WXTOKEN_STORE": "redis://default@127.0.0.1:6379"}
        redis_env |= {"WXTOKEN_STORE_PASSWORD_FILE": "/of/redis-password", "WXTOKEN_KEY_FILE": "/of/key"}
        pods = [place.volume(f"state-{number}", 0, GROUP, 0o2777) for number in (1, 2)]
        how = {"user": f"{ANYBODY}:{GROUP}", "more": [f"{secrets}:/of:ro"], "env": redis_env}

        def added():
            return [place.run(pod, *ADD, "/of/shop", **how) for pod in pods]

        until(lambda: all(done[0] == 0 for done in added()), "a Redis that answers")
        before = counters()
        listen = ["serve", "--listen", "http://127.0.0.1:0", "--audit", "/dev/null"]
        servers = [place.start(f"of-redis-{number}", pod, *listen, **how) for number, pod in enumerate(pods)]
        for server in servers:
            server.says("ready: 1 account, 1 credential, all valid")
        ready = [run("curl", "-sS", f"{server.says('listening on').split()[-1]}/readyz").strip() for server in servers]
        new = counters()["requests"] - before["requests"]
        check("two servers on a Redis, with key and password as secrets, are ready after one fetch", (ready, new) == (["ready"] * 2, 1), ready, new)
        check("a probe by the command asks Redis", servers[0].exec("/wxtoken", "status", "--check")[0] == 0)
        ends = [server.stop() for server in servers]
        check("SIGTERM ends both with 0", [code for code, _ in ends] == [0, 0], ends)
    finally:
        redis.terminate()
        redis.wait()


def a_bridge_fills_a_nodes_directory(check, place):
    """As in the DaemonSet: a directory that the kubelet made for root, root without capabilities, and a reader in
    the group."""
    upstream = place.volume("upstream", ANYBODY, 0, 0o700)
    asks = {"user": f"{ANYBODY}:{GROUP}"}
    place.run(upstream, *ADD, "/secrets/shop", **asks)
    key = place.run(upstream, "client", "add", "bridge", "--allow", "get,reject", **asks)[1].split()[-1]
    server = place.start("upstream", upstream, "serve", "--listen", "http://127.0.0.1:0", "--audit", "/dev/null", **asks)
    url = server.says("listening on").split()[-1]
    keys = place.volume("bridge-key", 0, 0, 0o755)
    (keys / "client-key").write_text(key)
    node = place.volume("node", 0, 0, 0o755)
    how = {"user": "0:65532", "more": [f"{keys}:/key:ro"], "env": {"WXTOKEN_SERVER_KEY_FILE": "/key/client-key"}}
    bridge = place.start("bridge", node, "--mode", "640", "keep", "--from", url, **how)
    bridge.says("ready: 1 account, 1 credential, all valid")
    got = place.run(node, "get", "shop", user="10001:65532", network="none", access=":ro")
    check("a pod of the group reads the tokens brought by root's bridge, which has no capability", got[:2] == (0, tokens()[0]), got, bridge.said)
    check("the bridge's probe passes", bridge.exec("/wxtoken", "status", "--check")[0] == 0)
    for one in (bridge, server):
        one.stop()


STORIES = [
    the_image_matches_its_description,
    it_needs_no_file_but_its_own,
    the_scripts_dates_are_read_without_tzdata,
    a_server_hands_tokens_out,
    a_keeper_stands_beside_readers,
    containers_take_turns_on_one_volume,
    a_keeper_and_its_readers_by_compose,
    servers_share_a_redis,
    a_bridge_fills_a_nodes_directory,
]

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
