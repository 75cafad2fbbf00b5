"""SDKs that make all their calls to the server. It forwards them to WeChat with the token in the place of a stand-in.

A program reads lines, `SDK VERB WORDS`, and answers each with one line: `ok …`, or the errcode that it received.

    call                          Business calls, with a Chinese text if the SDK can send one.
    login                         A user's login, if the SDK has one.
    upload FILE                   `ok MEDIA_ID`.
    download MEDIA_ID FILE
    token                         `ok TOKEN`: the token in its store.

Its arguments are its SDKs, each with its account: wxjava-mp=wx1. The only address that it receives is the server's.
"""

import json
import os
import re
import secrets
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from world import LIFETIME_MS, PATIENCE_S, Account, Place, Program, request

HERE = Path(__file__).resolve().parent
PHP_SDKS = HERE.parents[1] / "bindings/php/tests/sdks/vendor/autoload.php"
# LONG is more than the server keeps of a body, and more than WeChat allows for images. SHORT fits into one read.
LONG, SHORT = 5 * 1024 * 1024 + 1, 60_000
# The server's own calls: to fetch a token, and to ask whether a refused one has expired.
OWN_CALLS = {"/cgi-bin/token", "/cgi-bin/stable_token", "/cgi-bin/gettoken", "/cgi-bin/get_api_domain_ip"}
REFUSED = r"\b(40001|40014|40125)\b"


@dataclass
class Set:
    """The SDKs of one program, by their kinds of account."""

    command: list
    """`BUILD/…` is a built file."""
    sdks: dict
    in_c: bool = True
    """Whether it reads the time from the C library, and thus from clock.c."""
    prefix: str = ""
    """The path after the server's address: the platform."""
    log_in: list = field(default_factory=list)
    timeless: list = field(default_factory=list)
    """SDKs that read the time from the kernel. Two hours do not pass for them."""


SETS = {
    "forward-wxjava": Set(
        ["java", "-XX:TieredStopAtLevel=1", "-cp", "BUILD/java/classes:BUILD/java/dependency/*", "Forwarding"],
        {"wxjava-mp": "official", "wxjava-cp": "work", "wxjava-miniapp": "official", "wxjava-channel": "official"},
        log_in=["wxjava-mp", "wxjava-miniapp"],
    ),
    "forward-go": Set(
        ["BUILD/go", "forward"],
        {"go-workwx": "work", "silenceper": "official", "powerwechat": "official"},
        in_c=False,
        timeless=["go-workwx"],
    ),
    "forward-wechatpy": Set(
        ["BUILD/python/bin/python", HERE / "python/forwarding.py"], {"wechatpy": "official"}, prefix="/weixin"
    ),
    "forward-co-wechat-api": Set(["node", HERE / "node/forwarding.js"], {"co-wechat-api": "official"}),
    "forward-easywechat": Set(
        ["php", HERE / "php/forwarding.php", os.environ.get("WXTOKEN_PHP_SDKS") or PHP_SDKS], {"easywechat": "official"}
    ),
}


class Scene:
    """An account at WeChat for each SDK, a server that forwards, and two clients with one program each."""

    def __init__(self, name, build, tool, checks):
        self.checks, self.set = checks, SETS[name]
        self.accounts = {sdk: Account(kind) for sdk, kind in self.set.sdks.items()}
        self.place = Place(build, tool)
        for sdk, account in self.accounts.items():
            self.place.add_account(account, sdk)
        self.keys = {client: self.place.add_client(client, "--allow", "forward") for client in "ab"}
        self.server = self.place.serve()
        self._programs = []
        self._before = Account.control("/counters")

    def program(self, client):
        command = [str(word).replace("BUILD", str(self.place.build)) for word in self.set.command]
        command += [f"{sdk}={account.id}" for sdk, account in self.accounts.items()]
        told = {"SDKS_SERVER": self.server.url + self.set.prefix, "SDKS_KEY": self.keys[client]}
        made = Program(self.place, command, self.set.in_c, told)
        self._programs.append(made)
        return made

    def begin(self):
        self.a, self.b = self.program("a"), self.program("b")

    def tokens(self, sdk):
        """The tokens in the clients' stores."""
        return [one.say(f"{sdk} token").removeprefix("ok ") for one in (self.a, self.b)]

    def pass_time(self, seconds):
        self.place.clock.advance(seconds, *self.accounts.values())

    def check(self, sdk, promise, good, detail=""):
        self.checks(f"{sdk}, forwarded: {promise}", good, detail)

    def reached(self):
        """The number of calls that reached WeChat, without the server's own."""
        before, now = self._before["by_path"], Account.control("/counters")["by_path"]
        return sum(count - before.get(path, 0) for path, count in now.items() if path not in OWN_CALLS)

    def check_that_no_sdk_knows_wechat(self):
        """Checks that no value held by the clients reached WeChat, and that no call used WeChat's own name."""
        journal = Account.control("/requests")
        strange = [one for one in journal if any(held in json.dumps(one) for held in ("wxs_", *self.keys.values()))]
        self.check("all", "no stand-in and no key reached WeChat", not strange, f"{[one['path'] for one in strange]}")
        strays = Account.control("/counters")["proxy_connects"]
        self.check("all", "no SDK has called WeChat by its own name", strays == self._before["proxy_connects"], f"{strays}")

    def end(self):
        """Ends everything, and searches the server's output for secrets."""
        held = {text for account in self.accounts.values() for text in (account.secret, *account.tokens())}
        written = self.server.end()
        held |= {*self.keys.values()}
        self.check("all", "no key, secret or token is in what the server writes", not any(text in written for text in held))

    def kill(self):
        for one in [*self._programs, self.server]:
            one.kill()


def story(scene):
    scene.begin()
    files = {}
    for name, length in (("short", SHORT), ("long", LONG)):
        files[name] = scene.place.path / f"{name}.png"
        files[name].write_bytes(secrets.token_bytes(length))
    held = {}
    for sdk in scene.accounts:
        held[sdk] = calls(scene, sdk)
        a_file_comes_back(scene, sdk, files)
    for sdk in scene.set.log_in:
        said = scene.a.say(f"{sdk} login")
        scene.check(sdk, "a user's login uses the client's key", said == "ok", said)
    scene.check_that_no_sdk_knows_wechat()
    every_call_was_forwarded(scene)
    scene.place.wxtoken("client", "remove", "a", "--yes")
    for sdk in scene.accounts:
        a_client_that_is_removed(scene, sdk)
    its_stand_in_is_refused(scene, held)
    scene.pass_time(LIFETIME_MS // 1000 + 1)
    for sdk in [sdk for sdk in scene.accounts if sdk not in scene.set.timeless]:
        a_stand_in_that_ends(scene, sdk, held[sdk])


def calls(scene, sdk):
    """The first calls, with a revocation between them. Returns the stand-ins of both clients."""
    account = scene.accounts[sdk]
    both = (scene.a, scene.b)

    def call_both(promise, minted):
        said = [one.say(f"{sdk} call") for one in both]
        good = all(answer.startswith("ok") for answer in said) and account.minted() == minted
        scene.check(sdk, promise, good, f"{account.minted()} minted; {said}")

    call_both("two clients share one token", 1)
    held = scene.tokens(sdk)
    real = account.tokens()
    good = all(token.startswith("wxs_") and token not in real for token in held) and len({*held}) == 2
    scene.check(sdk, "each client holds its own stand-in, and no token", good)
    account.revoke()
    call_both("a revocation is met by the server alone", 2)
    scene.check(sdk, "the clients keep using their stand-ins", scene.tokens(sdk) == held)
    return held


def a_file_comes_back(scene, sdk, files):
    for name, file in files.items():
        said = scene.a.say(f"{sdk} upload {file}")
        got = scene.place.path / f"{sdk}-{name}"
        said += "; " + scene.b.say(f"{sdk} download {said.removeprefix('ok ')} {got}")
        good = got.exists() and got.read_bytes() == file.read_bytes()
        scene.check(sdk, f"a file of {file.stat().st_size} bytes is uploaded and downloaded unchanged", good, said)


def every_call_was_forwarded(scene):
    """WeChat received as many calls as the server counts, and one more for each account, whose token was revoked
    once."""
    with urllib.request.urlopen(f"{scene.server.url}/metrics", timeout=PATIENCE_S) as reply:
        counted = re.findall(r"^wxtoken_forwarded_calls_total\{.*result=\"(\w+)\"\} (\d+)$", reply.read().decode(), re.M)
    forwarded = sum(int(count) for _, count in counted)
    reached, repeated = scene.reached(), len(scene.accounts)
    good = reached == forwarded + repeated and {result for result, _ in counted} == {"ok"}
    promise = "each call that reached WeChat is one that the server has forwarded"
    scene.check("all", promise, good, f"{reached} of {forwarded} and {repeated} repeated")


def a_client_that_is_removed(scene, sdk):
    said = scene.a.say(f"{sdk} call")
    scene.check(sdk, "a removed client is refused", re.search(REFUSED, said) is not None, said)
    said = scene.b.say(f"{sdk} call")
    minted = scene.accounts[sdk].minted()
    scene.check(sdk, "the other client still works", said.startswith("ok") and minted == 2, f"{minted} minted; {said}")


def its_stand_in_is_refused(scene, held):
    """With one SDK's account: an address with many wrong requests has to wait."""
    sdk, account = next(iter(scene.accounts.items()))
    path = "/cgi-bin/user/get?userid=zhangsan" if account.kind == "work" else "/cgi-bin/user/info?openid=oDemo"
    codes = [request(f"{scene.server.url}{path}&access_token={one}").get("errcode", 0) for one in held[sdk]]
    scene.check(sdk, "its stand-in is refused, and the other's is not", codes == [40001, 0], f"{codes}")


def a_stand_in_that_ends(scene, sdk, held):
    said = scene.b.say(f"{sdk} call")
    token, minted = scene.b.say(f"{sdk} token").removeprefix("ok "), scene.accounts[sdk].minted()
    good = said.startswith("ok") and token.startswith("wxs_") and token not in held and minted == 3
    scene.check(sdk, "after two hours it has another stand-in, and the server another token", good, f"{minted} minted; {said}")
