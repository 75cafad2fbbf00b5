"""The Debian packages of dist/, installed by apt in a clean Debian, used, upgraded, removed and purged.

Runs as root, or with passwordless sudo, after the packages are made. The services run under a separate systemd.
Packages for other processors are installed next to the native ones, and run in qemu's emulator.
"""

import subprocess
import sys

from clean import HERE, OURS, Trial, differences, in_machine, state, well

import system
from checks import ROOT
from common import DIST
from guide import Guide
from machine import Failure
from wechat import Account, base_url

NAMES = ("libwxtoken0", "libwxtoken-dev", "wxtoken")
UNITS = " ".join(system.UNITS)
# A package uploaded to Debian closes a bug there.
NOT_FOR_DEBIAN = "initial-upload-closes-no-bugs"
KEEPER = "/etc/wxtoken/keeper.env"
TEST_PROFILE = "/etc/profile.d/test.sh"
INSTALLED = f"""
/etc/wxtoken root:root drwxr-xr-x
/lib/systemd/system/wxtoken-keep.service root:root -rw-r--r--
/lib/systemd/system/wxtoken-serve.service root:root -rw-r--r--
/lib/systemd/system/wxtoken-serve.socket root:root -rw-r--r--
/usr/bin/wxtoken root:root -rwxr-xr-x
/usr/include/wxtoken.h root:root -rw-r--r--
/usr/lib/LIBDIR/libwxtoken.a root:root -rw-r--r--
/usr/lib/LIBDIR/libwxtoken.so root:root lrwxrwxrwx
/usr/lib/LIBDIR/libwxtoken.so.0 root:root lrwxrwxrwx
/usr/lib/LIBDIR/libwxtoken.so.{system.VERSION} root:root -rw-r--r--
/usr/lib/LIBDIR/pkgconfig/wxtoken.pc root:root -rw-r--r--
/usr/share/bash-completion/completions/wxtoken root:root -rw-r--r--
/usr/share/fish/vendor_completions.d/wxtoken.fish root:root -rw-r--r--
/usr/share/man/man1/wxtoken.1.gz root:root -rw-r--r--
/usr/share/man/man3/wxtoken.3.gz root:root -rw-r--r--
/usr/share/man/man3/wxtoken_get.3.gz root:root lrwxrwxrwx
/usr/share/man/man7/libwxtoken.7.gz root:root -rw-r--r--
/usr/share/zsh/vendor-completions/_wxtoken root:root -rw-r--r--
/var/lib/wxtoken wxtoken:wxtoken drwxr-s---
""".replace("LIBDIR", f"{HERE.cpu}-linux-gnu").split("\n")[1:-1]


def debs(target=HERE, revision=1, folder=DIST):
    return [folder / f"{name}_{system.version()}-{revision}_{target.deb_arch}.deb" for name in NAMES]


def before(check):
    missing = [file.name for target in trial.targets for file in debs(target) if not file.exists()]
    check.none("dist/ has the packages of every target: `make dist` makes them", missing)
    if missing:
        raise Failure("there is nothing to install")
    lintian_is_content(check, [file for target in trial.targets for file in debs(target)])
    for target in trial.targets:
        its_dependencies_are_old(check, target)
    if HERE in trial.targets:
        made_again("deb", "--revision")


def lintian_is_content(check, files):
    words = ["lintian", "--fail-on", "error,warning", "--suppress-tags", NOT_FOR_DEBIAN, "--allow-root"]
    done = subprocess.run([*words, *files], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    check(f"lintian has neither an error nor a warning for {len(files)} packages", done.returncode == 0, *said)


def its_dependencies_are_old(check, target):
    """Debian 11, Ubuntu 20.04 and older ones have all of it."""
    depends = {}
    for name, file in zip(NAMES, debs(target)):
        depends[name] = subprocess.run(["dpkg-deb", "-f", file, "Depends"], capture_output=True, text=True, check=True).stdout.strip()
    own = f"libwxtoken0 (= {system.version()}-1)"
    expected = {"libwxtoken0": "libc6 (>= 2.17)", "libwxtoken-dev": own, "wxtoken": "adduser, libc6 (>= 2.17), procps"}
    name = f"the packages for {target.deb_arch} need glibc 2.17, and the command needs no library of ours"
    check(name, depends == expected, str(depends))


def made_again(packager, option):
    """Packages with the same files that count as newer."""
    words = [sys.executable, "-B", ROOT / f"contrib/packaging/{packager}.py", "--out", OURS, option, "2", HERE.triple]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{packager}.py: {done.stdout}{done.stderr}")


# --- in the clean machine ---


class Host:
    """The clean machine, and an operator's actions there."""

    def __init__(self, check, machine):
        self.check, self.machine = check, machine
        self.guide = Guide("deploy", check)
        self.guide.machines[None] = machine
        self.secret = "the-secret-of-the-shop-0123456789"
        self.shop = Account("shop", "official", "wx0123456789abcdef", self.secret)
        self.guide.words["the secret"] = self.secret
        self.environment = {"WXTOKEN_STORE": "/var/lib/wxtoken/tokens.db", "WXTOKEN_API_BASE_URL": base_url()}

    def root(self, script):
        return well(self.machine, script, environment=self.environment)

    def owner(self, script, stdin=""):
        return well(self.machine, script, "wxtoken", stdin, self.environment)

    def install(self, *files, options=""):
        self.apt(f"install {options}", *(in_machine(file) for file in files))

    def apt(self, *words):
        return self.root(f"DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 {' '.join(words)}")

    def show(self, unit, what):
        return self.root(f"systemctl show {unit} -p {what} --value").strip()

    def is_active(self, units=UNITS):
        return self.machine.run(f"systemctl is-active {units}").output.split()

    def is_enabled(self):
        return self.machine.run(f"systemctl is-enabled {UNITS}").output.split()


def packages_come_and_go(check, machine):
    host = Host(check, machine)
    clean_state = state(machine)
    without_systemd(host, clean_state)
    they_are_installed(host)
    a_program_is_built(host)
    the_command_is_used(host)
    the_guide_is_followed(host)
    an_upgrade_keeps_everything(host)
    a_remove_keeps_the_store(host)
    a_purge_leaves_nothing(host, clean_state)
    for target in trial.others:
        other_processors(host, target, clean_state)


def without_systemd(host, clean_state):
    """As in a container, nothing indicates that systemd is running."""
    files = " ".join(in_machine(file) for file in debs())
    by_hand = "\n".join(host.guide[2][0].text.splitlines()[:2])
    for before, where in {"": "", by_hand: ", next to the user and the directory that the guide makes by hand"}.items():
        host.root(f"""unshare -m sh -ec 'mount -t tmpfs tmpfs /run; export DEBIAN_FRONTEND=noninteractive; {before}
            apt-get -qq -y install {files}; wxtoken --version; runuser -u wxtoken -- test -w /var/lib/wxtoken
            apt-get -qq -y purge {" ".join(NAMES)}'""")
        left = differences(clean_state, state(host.machine))
        host.check.none(f"without a running systemd they install{where}, and a purge leaves nothing", left)


def they_are_installed(host):
    block = next(block for block in host.guide[1] if block.told("by") == "packages")
    host.root(f"cd {in_machine(DIST)}\n{block.text}")
    host.check("section 1 of docs/deploy.md installs them", True)
    paths = " ".join(line.split()[0] for line in INSTALLED)
    found = host.root(f"stat -c '%n %U:%G %A' {paths}").splitlines()
    host.check("owners and modes are right", found == INSTALLED, *sorted(set(found) ^ set(INSTALLED)))
    broken = host.root(f"dpkg --verify {' '.join(NAMES)}; dpkg --audit")
    host.check("dpkg finds every file unchanged", not broken, broken)
    user = host.root("getent passwd wxtoken; id -nG wxtoken").split("\n")
    good = user[0].endswith(":/var/lib/wxtoken:/usr/sbin/nologin") and int(user[0].split(":")[2]) < 1000 and user[1] == "wxtoken"
    host.check("the system user wxtoken has its own group and cannot log in", good, "; ".join(user))
    idle = (host.is_enabled(), host.is_active())
    host.check("no service is enabled or started", idle == (["disabled"] * 3, ["inactive"] * 3), str(idle))
    verified = host.machine.run(f"systemd-analyze verify {UNITS}")
    good = verified.code == 0 and not verified.said
    host.check("systemd verifies the units, and finds their manual and their command", good, verified.said)


def a_program_is_built(host):
    source = "/srv/libwxtoken/examples-c/first_get.c"
    environment = f"WXTOKEN_STORE=$PWD/tokens.db WXTOKEN_ID={host.shop.id} WXTOKEN_SECRET={host.secret}"
    flags = {"shared": "--libs wxtoken", "static": "--static --libs wxtoken | sed s/-lwxtoken/-l:libwxtoken.a/"}
    for kind, libs in flags.items():
        done = host.machine.run(f"""cd $(mktemp -d); cc -std=c99 $(pkg-config --cflags wxtoken) {source} $(pkg-config {libs}) -o first
            ldd first | grep -c libwxtoken || true; {environment} ./first""", environment=host.environment)
        lines = done.output.splitlines()
        good = done.code == 0 and lines[0] == ("1" if kind == "shared" else "0") and "chars" in lines[1]
        host.check(f"a C program is linked with the {kind} library by pkg-config, and gets a token", good, str(done))
    page = host.root("MANPAGER=cat man wxtoken_get; MANPAGER=cat man libwxtoken")
    host.check("man shows the pages of C, by the name of a function too", "WXTOKEN(3)" in page and "LIBWXTOKEN(7)" in page, page[:200])


def the_command_is_used(host):
    said = host.root("wxtoken --version").strip()
    host.check("the command says its version", said.split()[1] == system.VERSION, said)
    page = host.root("MANPAGER=cat man wxtoken; man -w wxtoken-keep wxtoken-account-add")
    host.check("man shows its manual", "WXTOKEN" in page.upper() and "wxtoken-keep.1.gz" in page)
    completed = host.root("source /usr/share/bash-completion/completions/wxtoken; complete -p wxtoken").strip()
    host.check("bash completes it", completed.endswith("wxtoken"), completed)


def the_guide_is_followed(host):
    """From section 2 on. The packages have done most of it."""
    host.machine.write(TEST_PROFILE, f"export WXTOKEN_API_BASE_URL={base_url()}\n")
    host.machine.write(KEEPER, f"WXTOKEN_API_BASE_URL={base_url()}\n", 0o600)
    host.root("\n".join(host.guide[2][0].text.splitlines()[-2:]))
    for section in (3, 4, 5):
        host.guide.follow(section)
    pid = host.show("wxtoken-keep", "MainPID")
    found = host.root(f"stat -c '%U' /proc/{pid}; readlink /proc/{pid}/exe").split()
    host.check("the keeper runs as the user wxtoken, by the packaged command", found == ["wxtoken", "/usr/bin/wxtoken"], " ".join(found))
    got = host.root("runuser -u www-data -- wxtoken get shop").strip()
    host.check("a reader in the group gets the keeper's token", got == host.shop.tokens()[0])


def an_upgrade_keeps_everything(host):
    pid, stored, minted = host.show("wxtoken-keep", "MainPID"), fingerprint(host), host.shop.minted()
    host.install(*debs(revision=2, folder=OURS))
    version = host.root("dpkg-query -W -f '${Version}' wxtoken")
    next_pid = host.show("wxtoken-keep", "MainPID")
    good = version.endswith("-2") and next_pid not in ("0", pid) and host.is_active() == ["active", "inactive", "inactive"]
    host.check("an upgrade restarts only the running service", good, f"{version}, {pid} → {next_pid}")
    kept = fingerprint(host) == stored and host.shop.minted() == minted and host.is_enabled() == ["enabled", "disabled", "disabled"]
    host.check("it keeps accounts, tokens, settings and what is enabled", kept, f"{minted} minted")
    host.root("systemctl disable --now wxtoken-keep")
    host.install(*debs(revision=2, folder=OURS), options="--reinstall")
    idle = (host.is_enabled(), host.is_active())
    host.check("an upgrade neither enables nor starts what an operator has stopped", idle == (["disabled"] * 3, ["inactive"] * 3), str(idle))


def fingerprint(host):
    """The contents and owners of the store and the settings."""
    return host.root(f"""wxtoken account list --json; runuser -u wxtoken -- wxtoken get shop
        sha256sum /var/lib/wxtoken/tokens.db.key {KEEPER}; stat -c '%n %U:%G %A' /var/lib/wxtoken /var/lib/wxtoken/tokens.db* {KEEPER}""")


def a_remove_keeps_the_store(host):
    host.root(f"mv {KEEPER} /etc/wxtoken/server.env; systemctl enable --now wxtoken-serve")
    pid = host.show("wxtoken-serve", "MainPID")
    host.apt("remove wxtoken")
    gone = not host.machine.run(f"test -e /proc/{pid}").code == 0 and not host.machine.run("test -e /run/wxtoken/serve.sock").code == 0
    host.check("a remove stops the server and its socket", gone and host.is_active() == ["inactive"] * 3, " ".join(host.is_active()))
    kept = host.root("ls /var/lib/wxtoken /etc/wxtoken; getent passwd wxtoken | cut -d: -f1").split()
    good = {"tokens.db", "tokens.db.key", "server.env", "wxtoken"} <= set(kept)
    host.check("it keeps the store, the key, the settings and the user", good, " ".join(kept))
    host.install(debs(revision=2, folder=OURS)[2])
    minted = host.shop.minted()
    got = host.owner("wxtoken get shop").strip()
    host.check("installed again, the command finds the store", got == host.shop.tokens()[0] and host.shop.minted() == minted)


def a_purge_leaves_nothing(host, clean_state):
    host.root(f"systemctl start wxtoken-serve; rm {TEST_PROFILE} /etc/profile.d/wxtoken.sh")
    host.apt("purge", *NAMES)
    host.check("a purge stops the server", host.is_active() == ["inactive"] * 3, " ".join(host.is_active()))
    left = differences(clean_state, state(host.machine))
    host.check.none("it leaves no file, no link of a unit, no user and no group", left)


def other_processors(host, target, clean_state):
    """The libraries of both are installed next to each other. The other one's command replaces the native one."""
    arch, cpu = target.deb_arch, target.cpu
    qemu = f"/srv/qemu-{cpu}"
    (host.machine.root / qemu[1:]).write_bytes(open(f"/usr/bin/qemu-{cpu}-static", "rb").read())
    (host.machine.root / qemu[1:]).chmod(0o755)
    host.install(*debs()[:2], *debs(target))
    host.check(f"apt installs the packages for {arch}, with both libraries next to each other", True)
    said = host.root(f"{qemu} /usr/bin/wxtoken --version").strip()
    host.check(f"the command for {arch} runs", said.split()[1] == system.VERSION, said)
    host.owner(f"{qemu} /usr/bin/wxtoken account add shop --kind official --id {host.shop.id} --secret-file -", host.secret)
    token = host.owner(f"{qemu} /usr/bin/wxtoken get shop").strip()
    host.check("it registers an account, and gets its token", token == host.shop.tokens()[0])
    host.root(f"{qemu} -E LD_BIND_NOW=1 -E LD_PRELOAD=/usr/lib/{cpu}-linux-gnu/libwxtoken.so.0 /usr/bin/wxtoken --version")
    host.check(f"the library for {arch} loads, with every symbol that it needs", True)
    host.apt("purge", *NAMES, *(f"{name}:{arch}" for name in NAMES))
    left = differences(clean_state, state(host.machine))
    host.check.none(f"a purge of {arch} leaves nothing", left)


if __name__ == "__main__":
    trial = Trial(__doc__)
    sys.exit(trial.tell(__file__, before, packages_come_and_go))
