"""The RPMs of dist/: their dependencies, their contents compared with the Debian packages, and their installation and
removal.

No registry of RPMs is available to make a Fedora from. Therefore rpm itself installs them in the clean Debian, without
their dependencies. The scriptlets, the user and the services are real; the distribution is not.
"""

import hashlib
import re
import subprocess
import sys
import tarfile

from clean import HERE, OURS, Trial, differences, in_machine, state

import debian
import system
from common import DIST
from machine import Failure
from wechat import base_url

NAMES = ("libwxtoken", "libwxtoken-devel", "wxtoken")
# The preset of Fedora and RHEL.
PRESET = ("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n")
# Directories that Fedora's own packages provide.
OF_FEDORA = "/usr/lib64/pkgconfig /usr/share/licenses /usr/share/man/man3 /usr/share/man/man7"
# Provided by rpm itself, and by every system.
OF_RPM = re.compile(r"rpmlib\(.*|rtld\(GNU_HASH\)|/bin/sh|/sbin/ldconfig|/usr/bin/pkg-config|shadow-utils")
GLIBC = re.compile(r"(?:lib(?:c|m|dl|pthread)|ld-linux-[\w-]+)\.so\.\d\((?:GLIBC_([\d.]+))?\)\(64bit\)")


def rpms(target=HERE, release=1, folder=DIST):
    return [folder / f"{name}-{system.version()}-{release}.{target.cpu}.rpm" for name in NAMES]


def asked(*words):
    done = subprocess.run(["rpm", *words], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def before(check):
    missing = [file.name for target in trial.targets for file in [*rpms(target), *debian.debs(target)] if not file.exists()]
    check.none("dist/ has the packages of every target: `make dist` makes them", missing)
    if missing:
        raise Failure("there is nothing to install")
    for target in trial.targets:
        their_dependencies_are_old(check, target)
        they_hold_what_the_debian_packages_hold(check, target)
    if HERE in trial.targets:
        debian.made_again("rpm", "--release")


def their_dependencies_are_old(check, target):
    isa = "(x86-64)" if target.cpu == "x86_64" else "(aarch-64)"
    unknown, newest = [], (0,)
    for file in rpms(target):
        for need in asked("-qp", "--requires", file):
            if found := GLIBC.fullmatch(need):
                newest = max(newest, tuple(map(int, (found[1] or "0").split("."))))
            elif not OF_RPM.fullmatch(need.split(" ")[0]) and need != f"libwxtoken{isa} = {system.version()}-1":
                unknown.append(f"{file.name}: {need}")
    check(f"the packages for {target.cpu} need glibc 2.17 and nothing else", newest == (2, 17) and not unknown, f"glibc {newest}", *unknown)
    arch = {asked("-qp", "--qf", "%{ARCH}", file)[0] for file in rpms(target)}
    provided = asked("-qp", "--provides", rpms(target)[0])
    names = {"libwxtoken.so.0()(64bit)", "libwxtoken.so.0(WXTOKEN_0)(64bit)"}
    check(f"they are for {target.cpu}, and provide the library's name and version", arch == {target.cpu} and names <= set(provided))


def they_hold_what_the_debian_packages_hold(check, target):
    libdir = f"usr/lib/{target.cpu}-linux-gnu"
    # The Debian path of files that RPM has elsewhere.
    zsh = "/usr/share/zsh/"
    moved = {f"/{libdir}/": "/usr/lib64/", "/lib/": "/usr/lib/", f"{zsh}vendor-completions/": f"{zsh}site-functions/"}
    ours, theirs = {}, {}
    for file in rpms(target):
        for line in asked("-qp", "--qf", "[%{FILENAMES} %{FILEDIGESTS}\n]", file):
            name, _, digest = line.partition(" ")
            if digest:
                ours[name] = digest
    for file in debian.debs(target):
        unpacked = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", file], stdout=subprocess.PIPE)
        with tarfile.open(fileobj=unpacked.stdout, mode="r|") as tar:
            for member in tar:
                if member.isreg():
                    name = member.name[1:]
                    for there, here in moved.items():
                        name = name.replace(there, here, 1) if name.startswith(there) else name
                    theirs[name] = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
        unpacked.wait()
    own = re.compile(r"/usr/share/(doc|licenses)/|.*\.pc$|/usr/lib/sysusers\.d/")
    differ = sorted({name for name, _ in set(ours.items()) ^ set(theirs.items()) if not own.match(name)})
    check(f"the packages for {target.cpu} hold the files of the Debian packages", not differ and len(ours) > 30, f"{len(ours)} files", *differ)


def packages_come_and_go(check, machine):
    machine.write(*PRESET)
    host = debian.Host(check, machine)
    host.root(f"mkdir -p {OF_FEDORA}")
    clean_state = state(machine)
    rpm(host, "-i", *rpms())
    found = host.root("rpm -Va --nodeps; stat -c '%U:%G %A' /var/lib/wxtoken; ls /var/lib/wxtoken").split("\n")
    good = found[0] == "wxtoken:wxtoken drwxr-s---"
    check("rpm finds every file unchanged, except that the store's directory belongs to the user", good, *found)
    idle = (host.is_enabled(), host.is_active())
    check("no service is enabled or started", idle == (["disabled"] * 3, ["inactive"] * 3), str(idle))
    verified = machine.run(f"systemd-analyze verify {debian.UNITS}")
    good = verified.code == 0 and not verified.said
    check("systemd verifies the units, and finds their manual and their command", good, verified.said)
    made = host.root("""getent passwd wxtoken; cd $(mktemp -d); mkdir etc
        systemd-sysusers --root=$PWD /usr/lib/sysusers.d/wxtoken.conf; cat etc/passwd""")
    one, other = (line.split(":") for line in made.splitlines())
    good = (one[0], one[4:6]) == (other[0], other[4:6]) and all(line[6].endswith("/nologin") for line in (one, other))
    check("the user matches sysusers.d, and cannot log in", good, made.replace("\n", "; "))
    a_program_is_built(host)
    host.owner(f"wxtoken account add shop --kind official --id {host.shop.id} --secret-file -", host.secret)
    machine.write(debian.KEEPER, f"WXTOKEN_API_BASE_URL={base_url()}\n", 0o600)
    host.root("systemctl enable --now wxtoken-keep")
    pid, minted, stored = host.show("wxtoken-keep", "MainPID"), host.shop.minted(), debian.fingerprint(host)
    rpm(host, "-U", *rpms(release=2, folder=OURS))
    next_pid = host.show("wxtoken-keep", "MainPID")
    running = next_pid not in ("0", pid) and host.is_active() == ["active", "inactive", "inactive"]
    check("an upgrade restarts only the running service", running, f"{pid} → {next_pid}")
    kept = debian.fingerprint(host) == stored and host.shop.minted() == minted and host.is_enabled()[0] == "enabled"
    check("it keeps accounts, tokens, settings and what is enabled", kept, f"{minted} minted")
    host.root(f"rpm -e {' '.join(NAMES)}")
    check("an erase stops the service", host.is_active() == ["inactive"] * 3, " ".join(host.is_active()))
    kept = host.root("ls /var/lib/wxtoken /etc/wxtoken").split()
    check("it keeps the store, the key and the settings", {"tokens.db", "tokens.db.key", "keeper.env"} <= set(kept), " ".join(kept))
    host.root("rm -r /var/lib/wxtoken /etc/wxtoken; userdel wxtoken")
    left = differences(clean_state, state(machine))
    check.none("it leaves nothing except these and the user", left)


def rpm(host, how, *files):
    # Debian keeps its packages in another database, so rpm knows of none.
    host.root(f"rpm {how} --nodeps {' '.join(in_machine(file) for file in files)}")


def a_program_is_built(host):
    source = "/srv/libwxtoken/examples-c/first_get.c"
    done = host.machine.run(
        f"""cd $(mktemp -d); export PKG_CONFIG_PATH=/usr/lib64/pkgconfig LD_LIBRARY_PATH=/usr/lib64
        cc -std=c99 $(pkg-config --cflags wxtoken) {source} $(pkg-config --libs wxtoken) -o first
        WXTOKEN_STORE=$PWD/tokens.db WXTOKEN_ID={host.shop.id} WXTOKEN_SECRET={host.secret} ./first""",
        environment=host.environment,
    )
    host.check("a C program is linked by pkg-config, and gets a token", done.code == 0 and "chars" in done.output, str(done))


if __name__ == "__main__":
    trial = Trial(__doc__)
    sys.exit(trial.tell(__file__, before, packages_come_and_go))
