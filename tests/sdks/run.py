"""Unmodified SDKs, with a token of `wxtoken serve` through configuration alone, in WeChat's own format.

    wechat-sim exec --quiet -- python3 tests/sdks/run.py BUILD TOOL SDK...

BUILD has clock.so and the files that the SDKs' programs need; TOOL is the command wxtoken. Each SDK has a program in java, go,
node, python or php in a folder here. For each line that it reads, it makes one business call to the simulator. This driver
lets tokens expire, revokes them, and lets another client refresh them. It counts mints, and the requests of each client.

forward-… are the stories of forwarding.py. There, the SDKs make all their calls through the server.

`papers` checks the sections of docs/server.md that show the configuration: each line is in a tested program.
"""

import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import forwarding
from world import LIFETIME_MS, Account, Failure, Place, Program, until

HERE = Path(__file__).resolve().parent
DOCS = HERE.parents[1] / "docs"
LIFETIME_S = LIFETIME_MS // 1000
# go-workwx fetches again half an hour before the end.
SHORT_MS = (30 * 60 + 1) * 1000


@dataclass
class Sdk:
    command: list
    """`BUILD/…` is a built file."""
    kind: str = "official"
    in_c: bool = True
    """Whether it reads the time from the C library, and thus from clock.c."""
    asks_again: bool = True
    """Whether it asks for another token after a refused call."""
    min_life_s: int = 300


PHP_SDKS = HERE.parents[1] / "bindings/php/tests/sdks/vendor/autoload.php"
JAVA = ["java", "-cp", "BUILD/java/classes:BUILD/java/dependency/*", "Program"]

SDKS = {
    "wxjava": Sdk(JAVA),
    "wxjava-stable": Sdk([*JAVA, "stable"]),
    "powerwechat": Sdk(["BUILD/go", "powerwechat"], in_c=False),
    # It subtracts 1500 s. If nothing remains, Redis keeps no entry.
    "silenceper": Sdk(["BUILD/go", "silenceper"], "official_classic", in_c=False, asks_again=False, min_life_s=1500),
    "silenceper-stable": Sdk(["BUILD/go", "silenceper-stable"], in_c=False, asks_again=False),
    "go-workwx": Sdk(["BUILD/go", "go-workwx"], "work", in_c=False),
    "wechatpy": Sdk(["BUILD/python/bin/python", HERE / "python/program.py"]),
    "co-wechat-api": Sdk(["node", HERE / "node/program.js"]),
    "easywechat": Sdk(["php", HERE / "php/program.php", os.environ.get("WXTOKEN_PHP_SDKS") or PHP_SDKS], asks_again=False),
}

NAMES = {*SDKS, *forwarding.SETS, "papers"}


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, good, detail=""):
        self.passed += bool(good)
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} - {name}" + (f": {detail}" if detail else ""), flush=True)


class Scene:
    """An account at WeChat, a server with its secret, and clients a and b with keys."""

    def __init__(self, name, sdk, build, tool, checks):
        self.name, self.sdk, self._build, self._checks = name, sdk, build, checks
        lifetime = {"lifetime_ms": SHORT_MS} if sdk.kind == "work" else {}
        self.account = Account(sdk.kind, **lifetime)
        self.place = Place(build, tool)
        self.place.add_account(self.account)
        self.keys = {client: self.place.add_client(client) for client in "ab"}
        self.server = self.place.serve("--min-life-s", str(sdk.min_life_s))
        self._programs = []

    def program(self, key, identity=None):
        command = [str(word).replace("BUILD", str(self._build)) for word in self.sdk.command]
        told = {
            "SDKS_SERVER": self.server.url,
            "SDKS_WECHAT": os.environ["WXSIM_HTTP"],
            "SDKS_ID": identity or self.account.id,
            "SDKS_KEY": key,
        }
        made = Program(self.place, command, self.sdk.in_c, told)
        self._programs.append(made)
        return made

    def pass_time(self, seconds):
        self.place.clock.advance(seconds, self.account)

    def check(self, promise, answers, minted, asked=None, wanted="ok"):
        """Checks all answers, the number of mints, and the number of times each client asked since the start."""
        # The audit is written next to the answer. A surplus line may come after this check, and fails the next one.
        for client, times in (asked or {}).items():
            until(lambda: self.server.asked(client) >= times, f"{times} calls for a token by {client}: {promise}")
        seen = {client: self.server.asked(client) for client in asked or {}}
        counted = self.account.minted()
        good = all(self._is(answer, wanted) for answer in answers)
        good = good and counted == minted and seen == (asked or {})
        told = f"{counted} minted" + "".join(f", {client} asked {times}x" for client, times in seen.items())
        wrong = [answer for answer in answers if not self._is(answer, wanted)]
        self._checks(f"{self.name}: {promise}", good, told + (f"; {wrong[0][:300]}" if wrong else ""))

    @staticmethod
    def _is(answer, wanted):
        return answer.startswith("ok") if wanted == "ok" else re.search(rf"\b{wanted}\b", answer) is not None

    def end(self):
        """Ends everything, and searches the server's output for secrets."""
        tokens = self.account.tokens()
        written = self.server.end()
        secrets = {self.account.secret, *self.keys.values(), *tokens}
        self._checks(f"{self.name}: the server's output contains no key, secret or token", not any(s in written for s in secrets))

    def kill(self):
        for one in [*self._programs, self.server]:
            one.kill()


def official(scene):
    account, keys, sdk = scene.account, scene.keys, scene.sdk
    first, second = scene.program(keys["a"]), scene.program(keys["b"])
    answers = [first.call(), first.call(), second.call(), second.call()]
    scene.check("two clients share the first token, and each asks for it once", answers, 1, {"a": 1, "b": 1})

    scene.pass_time(LIFETIME_S + 1)
    answers = [first.call(), second.call(), first.call(), second.call()]
    scene.check("a token that has expired is minted once for both", answers, 2, {"a": 2, "b": 2})

    account.revoke()
    if sdk.asks_again:
        answers = [first.call(), second.call(), first.call(), second.call()]
        scene.check("a revoked token is replaced within the call that notices it", answers, 3, {"a": 3, "b": 3})
    else:
        answers = [first.call(), second.call()]
        scene.check("it keeps using a revoked token", answers, 2, {"a": 2, "b": 2}, wanted=40001)
        scene.pass_time(LIFETIME_S + 1)
        scene.check("it asks again at the end of that", [first.call(), second.call()], 3, {"a": 3, "b": 3})

    # Two rejections must be half a minute apart.
    scene.pass_time(60)
    account.revoke()
    forced = scene.server.force(account, keys["b"])
    promise = "a token that another client refreshed serves all clients"
    if sdk.asks_again:
        scene.check(promise, [first.call(), second.call()], 4, {"a": 4, "b": 5})
    else:
        scene.check(promise, [scene.program(keys["a"]).call(), scene.program(keys["b"]).call()], 4, {"a": 4, "b": 5})
    scene.check("WeChat accepts that one", ["ok" if forced in account.tokens(valid=True) else "another"], 4)

    asked = {"a": 4, "b": 5}
    scene.pass_time(LIFETIME_S - sdk.min_life_s + 10)
    late = scene.program(keys["a"])
    answers = [late.call(), late.call()]
    scene.check("a process that starts near the end gets a token that lasts", answers, 5, asked | {"a": 5})

    refusals(scene, first, wrong_key=40125, minted=5)


def work(scene):
    """go-workwx asks every five seconds of real time here, and does nothing after a refused call."""
    account, keys = scene.account, scene.keys
    first, second = scene.program(keys["a"]), scene.program(keys["b"])
    answers = [first.call(), first.call(), second.call()]
    scene.check("two clients share the first token", answers, 1)

    def both_get_on():
        # WeCom bans an address after 2,000 failed calls in an hour. Here they are a few hundred at most.
        until(lambda: all(one.call() == "ok" for one in (first, second)), "a call that WeCom takes", pause=0.5)
        return ["ok"]

    scene.pass_time(SHORT_MS // 1000 + 1)
    scene.check("a token that has expired is minted once for both", both_get_on(), 2)

    scene.pass_time(60)
    account.revoke()
    scene.server.reject(scene.server.token(keys["b"]), keys["b"])
    scene.check("a token that another client refreshed serves all clients", both_get_on(), 3)

    scene.pass_time(60)
    account.revoke()
    scene.check("a revoked token is replaced when it asks again", both_get_on(), 4)
    refusals(scene, None, wrong_key=40001, minted=4)


def refusals(scene, program, wrong_key, minted):
    wrong = scene.program("not-a-key").call()
    scene.check("a wrong key is WeChat's own errcode", [wrong], minted, wanted=wrong_key)
    wrong = scene.program(scene.keys["a"], "wx0000000000000000").call()
    scene.check("an unknown appid is WeChat's own errcode", [wrong], minted, wanted=40013)
    if program is None:
        return
    scene.account.refuse_the_server()
    scene.pass_time(LIFETIME_S + 1)
    answers = [program.call(), program.call()]
    scene.check("a failure that stands is shown by its errcode", answers, minted, wanted=40164)


# The titles of a section in both languages, and the least number of SDKs that it shows.
SECTIONS = [
    ({"server.md": "With an SDK", "server.zh-CN.md": "用 SDK"}, len(SDKS)),
    (
        {"server.md": "One address on the allow list", "server.zh-CN.md": "白名单只登记一个地址"},
        sum(len(one.sdks) for one in forwarding.SETS.values()),
    ),
]


def papers(checks):
    """Each line of configuration in the guide is in a tested program, in both languages of the guide."""
    programs = ["java/src/main/java/*.java", "go/*.go", "node/*.js", "python/*.py", "php/*.php"]
    sources = [path.read_text() for pattern in programs for path in HERE.glob(pattern)]
    for titles, least in SECTIONS:
        shown = {}
        for page, title in titles.items():
            section = (DOCS / page).read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
            shown[page] = re.findall(r"^\| [^|]+ \| `([^`]+)` \|", section, re.MULTILINE)
            strange = [line for line in shown[page] if not any(line in source for source in sources)]
            good = len(shown[page]) >= least and not strange
            told = f"{len(shown[page])} lines {strange or ''}"
            checks(f"{page}, {title}: each line of configuration is in a tested program", good, told)
        checks(f"{title}: both languages show the same lines", len({tuple(lines) for lines in shown.values()}) == 1)


def run(name, build, tool, checks):
    if name == "papers":
        papers(checks)
        return
    before, scene = checks.failed, None
    try:
        if name in forwarding.SETS:
            scene = forwarding.Scene(name, build, tool, checks)
            forwarding.story(scene)
        else:
            scene = Scene(name, SDKS[name], build, tool, checks)
            (work if scene.sdk.kind == "work" else official)(scene)
        scene.end()
    except (Failure, OSError) as reason:
        checks(f"{name}: the story gets to its end", False, str(reason))
    finally:
        if scene:
            scene.kill()
    if scene and checks.failed == before:
        scene.place.remove()
    elif scene:
        print(f"# what was written is in {scene.place.path}")


def main(build, tool, *names):
    if "WXSIM_CONTROL" not in os.environ or not names or set(names) - NAMES:
        print("usage: wechat-sim exec --quiet -- python3 tests/sdks/run.py BUILD TOOL " + "|".join(sorted(NAMES)) + "…")
        return 2
    # Everything is then ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    checks = Checks()
    for name in names:
        run(name, Path(build).resolve(), Path(tool).resolve(), checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
