"""Stories of later operation: a stopped keeper, backups, the script's file, metrics."""

import re

from business import Worker
from machine import Failure, until
from place import STORE
from wechat import Account, base_url, connections

WHO = ["no keeper is running on this store", "`wxtoken keep` as wxtoken"]
DROP_IN = "/etc/systemd/system/wxtoken-keep.service.d/test.conf"
FOREBEAR = """sqlite3 /srv/odbp/.odbp_db.sqlite3 "
    CREATE TABLE weixin_account (id INTEGER PRIMARY KEY, name, corpid, secret, current);
    CREATE TABLE weixin_token (id INTEGER PRIMARY KEY, access_token, expires_in, expires_on, is_expired);
    INSERT INTO weixin_account VALUES (1, 'odbp', '{id}', '{secret}', 1);" """


def the_keeper_is_down(place):
    worker = Worker(place.machine, "c", "brief", place.environment)
    try:
        worker.wait_until_ready()
        place.root("systemctl stop wxtoken-keep")
        result = place.root("systemctl show wxtoken-keep -p Result -p ExecMainCode -p ExecMainStatus --value").split()
        place.checks("the keeper ends with 0 when systemd stops it", result == ["success", "1", "0"], " ".join(result))
        until(lambda: worker.problems, "the end of a token that lasts two seconds")
        is_told(place, "get brief", 14)
        is_told(place, "get late/card_ticket", 14)
        kept = place.reader("wxtoken get late")
        place.checks("a token outlives the keeper", kept.code == 0, "" if kept.code == 0 else str(kept))
        is_told(place, "reject late", 13, "cannot record that the token of late was refused")
        place.root("systemctl start wxtoken-keep")
        had = len(worker.tokens)
        until(lambda: len(worker.tokens) > had, "the worker to go on")
    finally:
        worker.end()
    others = [problem for problem in worker.problems if "keeper" not in problem]
    told = f"{len(worker.problems)} gets failed meanwhile"
    place.checks("a reader continues by itself when the keeper is back", not others, told, others)


def is_told(place, words, code, besides=""):
    done = place.reader(f"wxtoken {words}")
    good = done.code == code and all(part in done.said for part in [*WHO, besides])
    place.checks(f"without a keeper, a reader's `{words}` says which user should run one", good, "" if good else str(done))


def the_keeper_hangs(place):
    place.machine.write(DROP_IN, "[Service]\nWatchdogSec=3\n")
    place.root("systemctl daemon-reload; systemctl restart wxtoken-keep")
    pid = place.keeper_pid()
    place.root(f"kill -STOP {pid}")
    until(lambda: place.keeper_pid() not in (0, pid), "the watchdog")
    until(lambda: place.reader("wxtoken get brief").code == 0, "a token from the next keeper")
    place.root(f"rm {DROP_IN}; systemctl daemon-reload; systemctl restart wxtoken-keep")
    place.checks("a keeper that hangs is replaced by the watchdog", True)


def the_operator_says_who_reads(place):
    """The keeper follows the store's mode at any time."""
    place.root(f"systemctl stop wxtoken-keep; chmod 600 {STORE}; systemctl start wxtoken-keep; chmod 640 {STORE}")
    follows(place, 0o640, 0o620, "a keeper that runs already lets the group in when the store does")
    place.root(f"chmod 600 {STORE}")
    follows(place, 0o600, 0o600, "the operator shuts the group out while the keeper runs")
    place.root(f"chmod 640 {STORE}; systemctl restart wxtoken-keep")


def follows(place, store_mode, mailbox_mode, name):
    store = place.machine.root / STORE[1:]
    mailbox = store.with_name(f"{store.name}.mailbox")
    problem = ""
    try:
        until(lambda: mailbox.stat().st_mode & 0o777 == mailbox_mode, "the mailbox's mode", patience_s=10)
    except Failure as reason:
        problem = str(reason)
    if store.stat().st_mode & 0o777 != store_mode:
        problem = f"the store's mode is {store.stat().st_mode & 0o777:o} again"
    place.checks(name, not problem, problem)


def a_lost_store_comes_back(place):
    place.root(f"rm {STORE}")
    until(lambda: place.reader("wxtoken get late").code == 0, "the accounts to be put back, for readers too")
    place.modes_are_those_of_the_picture("when the keeper has recreated a lost store")


def backups_are_restored(place):
    place.follow(10, only=0)
    saved = (place.machine.root / "var/backups/wxtoken/accounts.db").read_bytes().decode("latin-1")
    leaks = place.leaks(saved) + [token for token in place.shop.tokens() if token in saved]
    place.checks("a backup holds neither a secret nor a token", not leaks, "", leaks)
    twice = place.machine.run("runuser -u wxtoken -- wxtoken backup /var/backups/wxtoken/accounts.db")
    place.checks("a backup is not written over another", twice.code == 13, "" if twice.code == 13 else str(twice))
    a_wrong_key_is_refused(place)
    place.root("systemctl stop wxtoken-keep; rm -r /var/lib/wxtoken/*")
    asked = place.shop.counters()["requests"]
    place.follow(10, only=1)
    place.modes_are_those_of_the_picture("after a restore into an empty directory")
    done = place.reader("wxtoken get shop && wxtoken get platform")
    good = done.code == 0 and place.shop.counters()["requests"] > asked
    place.checks("the restored store serves readers, with pushed tickets", good, "" if good else str(done))


def a_wrong_key_is_refused(place):
    other = "/var/lib/wxtoken/other"
    place.owner(f"mkdir {other}; umask 077; head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \\n' > {other}/tokens.db.key")
    refused = place.machine.run(f"wxtoken --store {other}/tokens.db restore --yes /var/backups/wxtoken/accounts.db", "wxtoken")
    listed = place.owner(f"wxtoken --store {other}/tokens.db account list --json")
    place.root(f"rm -r {other}")
    good = refused.code == 14 and "another key" in refused.said and "shop" not in listed
    place.checks("a backup is not restored with a wrong key", good, "" if good else f"{refused}; {listed}")


def the_script_is_left(place):
    place.root("systemctl stop wxtoken-keep; rm -r /var/lib/wxtoken/*; install -d -m 700 /srv/odbp")
    corp = Account("odbp", "work", "ww0123456789abcdef", place.secrets["script"], lifetime_ms=7_200_000)
    place.root(FOREBEAR.format(id=corp.id, secret=corp.secret))
    clear = place.leaks((place.machine.root / "srv/odbp/.odbp_db.sqlite3").read_bytes().decode("latin-1"))
    place.follow(11, only=0)
    place.follow(4)
    place.modes_are_those_of_the_picture("after an import")
    got = place.reader("wxtoken get odbp", "shop-python")
    leaks = place.leaks((place.machine.root / STORE[1:]).read_bytes().decode("latin-1"))
    good = got.code == 0 and got.output.strip() in corp.tokens() and corp.minted() == 1
    good = good and clear == ["script"] and not leaks
    place.checks("the script's account serves readers, and its secret has left the store", good, "" if good else str(got), leaks)
    place.follow(11, only=1)
    place.checks("the script's file is gone", not (place.machine.root / "srv/odbp/.odbp_db.sqlite3").exists())


def metrics_are_written(place):
    place.follow(12)
    written = place.machine.root / "var/lib/prometheus/node-exporter/wxtoken.prom"
    text = until(lambda: written.exists() and written.read_text(), "the metrics")
    names = set(re.findall(r"^(wxtoken_\w+)", text, re.M))
    alerts = next(block.text for block in place.guide[12] if block.language == "yaml")
    used = set(re.findall(r"\bwxtoken_\w+", " ".join(re.findall(r"expr: (.*)", alerts))))
    good = used and used <= names and not place.leaks(text) and written.stat().st_mode & 0o777 == 0o644
    name = "every metric of the alerts is written, in a file that the node exporter may read"
    place.checks(name, good, ", ".join(sorted(used)), sorted(used - names))
    place.root(f"chmod 000 {STORE}; systemctl start wxtoken-metrics; chmod 640 {STORE}")
    up = re.findall(r"^wxtoken_up .*", written.read_text(), re.M)
    place.checks("an unreadable store has a metric", up == ["wxtoken_up 0"], " ".join(up))


def nobody_else_connected(place):
    keeper = place.root("id -u wxtoken").strip()
    came = connections()
    name = "only the keeper's user ever opened a connection to WeChat"
    place.checks(name, set(came) == {keeper}, f"by uid: {came}; the keeper's is {keeper}")
    port = int(base_url().rpartition(":")[2])
    place.reader(f"exec 3<>/dev/tcp/127.0.0.1/{port}; echo x >&3; timeout 1 cat <&3 || true", "outsider")
    outsider = place.root("id -u outsider").strip()
    place.checks("another's connection would have been counted", outsider in connections(), f"by uid: {connections()}")


