"""Follows docs/deploy.md and docs/server.md word by word on throw-away machines, then tests their promises.

    run.py SIMULATOR [deploy] [server]

Runs as root, or with passwordless sudo, after build/stage, build/soak and the command wxtoken are built. Each guide has its own
simulator and network, so that its ports are free and nothing connects to the outside. On a host without namespaces it says that
it was NOT RUN, and exits with 0.

Real: users, groups, modes and files; systemd with the installed units, their sandboxes, sockets, notify and
watchdog; PHP-FPM and nginx with Debian's units; Redis; the workers in C, Go and Python; the terminal at which secrets are typed.

Replaced:
  - WeChat, by the simulator on loopback. The machine sets WXTOKEN_API_BASE_URL and WXTOKEN_WORK_BASE_URL for all users.
  - cargo, by `true`. `make` and `make install` find the earlier build.
  - name servers, by /etc/hosts; ssh between hosts, by a copy of the file.
  - the kernel and the packages, by this host's.

DEPLOY_VERBOSE=1 shows the answer to each attempt of a reader; WXTOKEN_TOOL names another build of the command.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

import attacks
import elsewhere
import first_steps
import load
import server
import service
import upkeep
from hosts import Hosts
from machine import PROJECT, Failure, lacking, not_given
from place import Place, the_tool

sys.path.append(str(PROJECT / "tests"))

import not_run  # noqa: E402

OF_DEPLOY = [
    first_steps.the_guide_is_one_in_both_languages,
    first_steps.the_guide_is_followed,
    load.business_goes_on,
    upkeep.the_keeper_is_down,
    upkeep.the_keeper_hangs,
    upkeep.the_operator_says_who_reads,
    attacks.a_reader_locks_the_store,
    elsewhere.readers_in_containers,
    elsewhere.other_filesystems,
    upkeep.backups_are_restored,
    upkeep.a_lost_store_comes_back,
    upkeep.the_script_is_left,
    upkeep.metrics_are_written,
    upkeep.nobody_else_connected,
]
OF_SERVER = [
    server.the_guide_is_one_in_both_languages,
    server.the_first_server_is_set_up,
    server.a_business_server_is_set_up,
    server.each_call_is_made_with_curl,
    server.business_goes_on,
    service.the_unit_is_as_tight_as_the_keepers,
    service.the_server_lives_in_its_sandbox,
    service.calls_under_way_are_answered_first,
    service.a_call_starts_a_server_that_was_stopped,
    service.a_server_that_hangs_is_replaced,
    server.nginx_stands_in_front,
    server.a_second_server_makes_a_pair,
    server.a_client_is_removed,
    server.backups_are_made,
    server.nothing_was_written_that_is_secret,
]
GUIDES = {"deploy": (Place, OF_DEPLOY), "server": (Hosts, OF_SERVER)}


class Checks:
    def __init__(self):
        self.passed = self.failed = 0
        self._began = time.monotonic()

    def __call__(self, name, good, detail="", problems=()):
        self.passed += bool(good)
        self.failed += not good
        took = time.monotonic() - self._began
        print(f"{'ok' if good else 'not ok'} {took:5.1f} s - {name}" + (f": {detail}" if detail else ""), flush=True)
        for problem in list(problems)[:20]:
            print(f"#   {problem}", flush=True)


def main(simulator=None, *guides):
    if simulator is None or set(guides) - set(GUIDES):
        print("usage: run.py SIMULATOR [deploy] [server], or `make test-deploy`")
        return 2
    if os.geteuid() != 0 and shutil.which("sudo") and not subprocess.run(["sudo", "-n", "true"], check=False).returncode:
        os.execvp("sudo", ["sudo", "-n", "-E", sys.executable, "-B", *sys.argv])
    if reason := not_given():
        return not_run.say("test-deploy", reason)
    if "WXSIM_CONTROL" not in os.environ:
        return max(on_its_own(simulator, guide) for guide in guides or GUIDES)
    checks = Checks()
    lacks = lacking() or not_built()
    if lacks:
        checks("the machine can be made", False, f"this host lacks {lacks}")
    else:
        # Everything is then ended as well.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        tell(*GUIDES[guides[0]], checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


def on_its_own(simulator, guide):
    """Runs this file in a network namespace, under a simulator."""
    inside = ["sh", "-c", 'ip link set lo up && exec "$0" "$@"', simulator, "exec", "--quiet", "--"]
    run = [sys.executable, "-B", os.path.abspath(__file__), simulator, guide]
    print(f"=== docs/{guide}.md", flush=True)
    return subprocess.run(["unshare", "--net", "--", *inside, *run], check=False).returncode


def not_built():
    for path in ("build/stage/lib/libwxtoken.so.0", "build/stage/lib/libwxtoken.a", "build/soak/c", "build/soak/go"):
        if not (PROJECT / path).exists():
            return f"{path}: make stage soak-workers"
    return "" if the_tool() else "the command wxtoken: make tool"


def tell(make, stories, checks):
    place = None
    try:
        place = make(checks)
        for story in stories:
            story(place)
    except (Failure, OSError, ValueError, subprocess.SubprocessError) as reason:
        checks("the story completes", False, f"{type(reason).__name__}: {reason}")
    finally:
        if place:
            place.end()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
