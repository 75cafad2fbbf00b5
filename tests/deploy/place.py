"""The machine on which the guide is followed: its accounts, its settings, and the users of its programs."""

import os
import shutil
from pathlib import Path

from guide import Guide
from machine import PROJECT, Failure, Machine
from wechat import Account, base_url, control

HERE = Path(__file__).resolve().parent
STORE = "/var/lib/wxtoken/tokens.db"
FILES = ("", ".key", ".lock", ".mailbox")
# Each story that begins with a new token must end before the next one is due, even if the machine stalls for some seconds.
LIFETIME_MS = 8000
OFTEN = {"lifetime_ms": LIFETIME_MS, "renew_window_ms": LIFETIME_MS // 2, "grace_ms": LIFETIME_MS // 2}
AS_IN_THE_PICTURE = [
    ". wxtoken wxtoken drwxr-s---",
    "tokens.db wxtoken wxtoken -rw-r-----",
    "tokens.db.key wxtoken wxtoken -rw-------",
    "tokens.db.lock wxtoken wxtoken -rw-------",
    "tokens.db.mailbox wxtoken wxtoken prw--w----",
]


class Place:
    def __init__(self, checks):
        self.checks = checks
        self.guide = Guide("deploy", checks)
        self.secrets = {name: f"{name}-{os.urandom(12).hex()}" for name in ("shop", "new", "brief", "platform", "script")}
        self.shop = Account("shop", "official", "wx0123456789abcdef", self.secrets["shop"], **OFTEN)
        everybody = {"WXTOKEN_API_BASE_URL": base_url(), "WXTOKEN_WORK_BASE_URL": base_url()}
        self.environment = {"WXTOKEN_STORE": STORE, **everybody}
        control("/switches", {"peer_uids": True})
        self.machine = self.guide.machines[None] = Machine()
        try:
            self._settle(everybody)
        except BaseException:
            self.machine.end()
            raise

    def _settle(self, everybody):
        """Prepares the host for the guide: the address of WeChat, a built library and command, and PHP-FPM."""
        machine = self.machine
        bring_what_is_built(machine, everybody)
        machine.write("/etc/wxtoken/keeper.env", "".join(f"{name}={value}\n" for name, value in everybody.items()), 0o600)
        pool = ["[www]\n", *(f"env[{name}] = {value}\n" for name, value in everybody.items())]
        for php in (machine.root / "etc/php").glob("*/fpm"):
            (php / "pool.d" / "test.conf").write_text("".join(pool))
        machine.write("/srv/app/page.php", (HERE / "page.php").read_text())
        self.root("systemctl start $(basename -a /lib/systemd/system/php*-fpm.service)")

    def end(self):
        if self.checks.failed:
            print("# the machine's journal:")
            for line in self.root("journalctl --no-pager -o cat -n 60 -u wxtoken-keep -u 'php*'").splitlines():
                print(f"#   {line}")
        self.machine.end()

    # --- the guide ---

    def follow(self, number, typed="", only=None):
        """Runs the commands of a section as printed, or one block of them. Its questions are answered at a terminal."""
        for block in self.guide[number]:
            if words := block.told("types"):
                self.guide.words[words] = typed
        self.guide.follow(number, only)

    def modes_are_those_of_the_picture(self, when):
        names = " ".join(f"tokens.db{end}" for end in FILES)
        found = self.root(f"cd /var/lib/wxtoken; stat -c '%n %U %G %A' . {names}").splitlines()
        wrong = [line for line in found if line not in AS_IN_THE_PICTURE]
        self.checks(f"owners and modes are those of the picture {when}", found == AS_IN_THE_PICTURE, "", wrong)

    # --- users and programs ---

    def root(self, script):
        return well(script, self.machine.run(script))

    def owner(self, script, stdin=""):
        return well(script, self.machine.run(script, "wxtoken", stdin))

    def reader(self, script, user="shop-c"):
        return self.machine.run(script, user)

    def register(self, account):
        words = f"{account.name} --kind {account.kind} --id {account.id}"
        self.owner(f"wxtoken account add {words} --secret-file -", account.secret)

    def keeper_pid(self):
        return int(self.root("systemctl show wxtoken-keep -p MainPID --value"))

    def leaks(self, text):
        """The names of the secrets that occur in a text."""
        key = self.machine.root / f"{STORE[1:]}.key"
        words = {**self.secrets, "the key": key.read_text().strip()} if key.exists() else self.secrets
        return [name for name, word in words.items() if word in text]


def bring_what_is_built(machine, everybody):
    """Lets `make` and `make install` find a built library and command, and every login shell find these settings."""
    built = machine.root / "srv/built/release"
    built.mkdir(parents=True)
    for library in ("libwxtoken.so", "libwxtoken.a"):
        shutil.copy(PROJECT / "build/stage/lib" / library, built)
    shutil.copy(the_tool(), built / "wxtoken")
    settings = {**everybody, "CARGO": "true", "CARGO_TARGET_DIR": "/srv/built"}
    machine.write("/etc/profile.d/test.sh", "".join(f"export {name}={value}\n" for name, value in settings.items()))


def well(script, done):
    if done.code:
        raise Failure(f"{script.strip()}: {done}")
    return done.output


def the_tool():
    target = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
    named = os.environ.get("WXTOKEN_TOOL")
    tools = [Path(named)] if named else [target / profile / "wxtoken" for profile in ("release", "debug")]
    return next((tool for tool in tools if tool.exists()), None)
