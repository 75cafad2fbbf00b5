"""docs/deploy.md, word by word, on a throw-away machine; then what it promises.

Run under `wechat-sim exec` as root, or with passwordless sudo, with build/stage, build/soak and the command wxtoken built.
On a host that gives no namespaces it says that it was NOT RUN, and ends well.

What is real: users, groups, modes and files; systemd with the unit as it is installed, its sandbox, notify and watchdog;
PHP-FPM with Debian's unit and pool; the workers in C, Go and Python; the terminal at which secrets are typed.

What is stood in for:
  - WeChat, by the simulator on loopback: so the machine sets WXTOKEN_API_BASE_URL and WXTOKEN_WORK_BASE_URL for everybody.
  - cargo, by `true`: `make` and `make install` find what was built before.
  - the kernel, the network and the packages, which are this host's.

DEPLOY_VERBOSE=1 shows what each attempt of a reader was answered; WXTOKEN_TOOL names another build of the command.
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
import upkeep
from machine import PROJECT, Failure, lacking, not_given
from place import Place, the_tool

STORIES = [
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


def main():
    if "WXSIM_CONTROL" not in os.environ:
        print("run this under `wechat-sim exec --quiet --`, or by `make test-deploy`")
        return 2
    if os.geteuid() != 0 and shutil.which("sudo") and not subprocess.run(["sudo", "-n", "true"], check=False).returncode:
        os.execvp("sudo", ["sudo", "-n", "-E", sys.executable, "-B", *sys.argv])
    if reason := not_given():
        return say_not_run(reason)
    checks = Checks()
    lacks = lacking() or not_built()
    if lacks:
        checks("the machine can be made", False, f"this host lacks {lacks}")
    else:
        # So that everything is ended then, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        tell(checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


def say_not_run(reason):
    """As tests/run.py wants it."""
    line = f"test-deploy: {reason}"
    print(line)
    with open(os.environ.get("WXTOKEN_NOT_RUN", os.devnull), "a") as told:
        print(line, file=told)
    return 0


def not_built():
    for path in ("build/stage/lib/libwxtoken.so.0", "build/stage/lib/libwxtoken.a", "build/soak/c", "build/soak/go"):
        if not (PROJECT / path).exists():
            return f"{path}: make stage soak-workers"
    return "" if the_tool() else "the command wxtoken: make tool"


def tell(checks):
    place = None
    try:
        place = Place(checks)
        for story in STORIES:
            story(place)
    except (Failure, OSError, ValueError, subprocess.SubprocessError) as reason:
        checks("the story gets to its end", False, f"{type(reason).__name__}: {reason}")
    finally:
        if place:
            place.end()


if __name__ == "__main__":
    sys.exit(main())
