"""SDKs as they are, with a token of `wxtoken serve` by configuration alone, in WeChat's own format.

    wechat-sim exec --quiet -- python3 tests/sdks/run.py BUILD TOOL SDK...

BUILD has clock.so and what the SDKs' programs need; TOOL is the command wxtoken. Each SDK has a program in java, go, node,
python or php beside this file: it makes one business call of the simulator's for each line that it reads. This driver lets
tokens expire, revokes them, has another client refresh them, and counts what was minted and how often each client asked.

forward-… are the stories of forwarding.py: there, the SDKs have all their calls by the server.

The SDK `papers` is the sections of docs/server.md that show the configuration: each line is in the program that was tested.
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
# go-workwx asks again half an hour before the end.
SHORT_MS = (30 * 60 + 1) * 1000


@dataclass
class Sdk:
    command: list
    """`BUILD/…` is what was built."""
    kind: str = "official"
    in_c: bool = True
    """It asks the C library for the time, so clock.c reaches it."""
    asks_again: bool = True
    """It asks for another token when a call is refused."""
    min_life_s: int = 300


PHP_SDKS = HERE.parents[1] / "bindings/php/tests/sdks/vendor/autoload.php"
JAVA = ["java", "-cp", "BUILD/java/classes:BUILD/java/dependency/*", "Program"]

SDKS = {
    "wxjava": Sdk(JAVA),
    "wxjava-stable": Sdk([*JAVA, "stable"]),
    "powerwechat": Sdk(["BUILD/go", "powerwechat"], in_c=False),
    # It takes 1500 s off, and Redis keeps nothing of what is left then of a token with less.
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
    """An account at WeChat, a server with its secret, and clients a and b, which have keys."""

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
        """All that was answered is what was wanted; and so often WeChat minted, and each client asked, since the start."""
        # The audit is written beside the answer. A line too many may come after this, and fails the next check.
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
        """Ends all, and looks into what the server has written."""
        tokens = self.account.tokens()
        written = self.server.end()
        secrets = {self.account.secret, *self.keys.values(), *tokens}
        self._checks(f"{self.name}: no key, secret or token is in what the server writes", not any(s in written for s in secrets))

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
        scene.check("a token that was revoked is replaced within the call that finds out", answers, 3, {"a": 3, "b": 3})
    else:
        answers = [first.call(), second.call()]
        scene.check("it goes on with a token that was revoked", answers, 2, {"a": 2, "b": 2}, wanted=40001)
        scene.pass_time(LIFETIME_S + 1)
        scene.check("it asks again at the end of that", [first.call(), second.call()], 3, {"a": 3, "b": 3})

    # Two rejections want half a minute between them.
    scene.pass_time(60)
    account.revoke()
    forced = scene.server.force(account, keys["b"])
    promise = "the token that another client has had refreshed is there for all"
    if sdk.asks_again:
        scene.check(promise, [first.call(), second.call()], 4, {"a": 4, "b": 5})
    else:
        scene.check(promise, [scene.program(keys["a"]).call(), scene.program(keys["b"]).call()], 4, {"a": 4, "b": 5})
    scene.check("that is the one that WeChat takes", ["ok" if forced in account.tokens(valid=True) else "another"], 4)

    asked = {"a": 4, "b": 5}
    scene.pass_time(LIFETIME_S - sdk.min_life_s + 10)
    late = scene.program(keys["a"])
    answers = [late.call(), late.call()]
    scene.check("a process that starts near the end has a token that lasts", answers, 5, asked | {"a": 5})

    refusals(scene, first, wrong_key=40125, minted=5)


def work(scene):
    """go-workwx asks every five seconds of the real time here, and does nothing when a call is refused."""
    account, keys = scene.account, scene.keys
    first, second = scene.program(keys["a"]), scene.program(keys["b"])
    answers = [first.call(), first.call(), second.call()]
    scene.check("two clients share the first token", answers, 1)

    def both_get_on():
        # WeCom shuts out an address with 2,000 failed calls in an hour: here they are a few hundred at most.
        until(lambda: all(one.call() == "ok" for one in (first, second)), "a call that WeCom takes", pause=0.5)
        return ["ok"]

    scene.pass_time(SHORT_MS // 1000 + 1)
    scene.check("a token that has expired is minted once for both", both_get_on(), 2)

    scene.pass_time(60)
    account.revoke()
    scene.server.reject(scene.server.token(keys["b"]), keys["b"])
    scene.check("the token that another client has had refreshed is there for all", both_get_on(), 3)

    scene.pass_time(60)
    account.revoke()
    scene.check("a token that was revoked is replaced when it asks again", both_get_on(), 4)
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


# By their titles in both languages, and how many SDKs each shows at least.
SECTIONS = [
    ({"server.md": "With an SDK", "server.zh-CN.md": "用 SDK"}, len(SDKS)),
    (
        {"server.md": "One address on the allow list", "server.zh-CN.md": "白名单只登记一个地址"},
        sum(len(one.sdks) for one in forwarding.SETS.values()),
    ),
]


def papers(checks):
    """Each line of configuration in the guide is in a program that was tested, in both languages of the guide."""
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
    # So that everything is ended then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    checks = Checks()
    for name in names:
        run(name, Path(build).resolve(), Path(tool).resolve(), checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
