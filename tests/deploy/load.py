"""Stories under load: business processes in C, Go, PHP and Python keep working during any operation on keeper,
secret and key."""

import subprocess
import threading

from attacks import half_lines_spoil_no_message, outsiders_get_nothing, readers_try_their_worst, the_mailbox_is_flooded
from business import LANGUAGES, Pages, Worker
from machine import until
from wechat import Account


def business_goes_on(place):
    pages = Pages(place.machine)
    workers = [Worker(place.machine, language, "shop", place.environment) for language in LANGUAGES]
    everybody = [*workers, pages]
    try:
        pages.start()
        for one in everybody:
            one.wait_until_ready()
        before = place.shop.tokens()
        began = place.shop.counters()
        until_minted(place, 2)
        until_all_have_the_last(place, everybody)
        a_token_is_revoked(place, pages)
        readers_try_their_worst(place, "www-data")
        readers_try_their_worst(place, "eve")
        outsiders_get_nothing(place)
        the_mailbox_is_flooded(place)
        until_minted(place, 1)
        an_account_is_added(place)
        half_lines_spoil_no_message(place)
        the_keeper_is_killed(place)
        two_keepers_are_harmless(place)
        the_secret_is_changed(place)
        place.follow(9)
        until_minted(place, 1)
        until_all_have_the_last(place, everybody)
        counters, settled = place.shop.counters(), place.shop.tokens()
    finally:
        for one in everybody:
            one.end()
    since = [token for token in settled if token not in before]
    nothing_failed(place, everybody)
    all_had_the_same(place, everybody, set(since), set(before + place.shop.tokens()))
    minted, requests = (counters[what] - began[what] for what in ("minted", "requests"))
    told = f"{minted} minted by {requests} requests, {counters['max_in_flight']} at a time, errors: {counters['errors']}"
    good = minted == requests == len(since) and counters["max_in_flight"] == 1 and not counters["errors"]
    place.checks("each was minted once, by one request", good, told)


def nothing_failed(place, everybody):
    problems = [problem for one in everybody for problem in one.problems]
    gets = ", ".join(f"{one.language} {one.gets}" for one in everybody)
    place.checks("no get of a business process failed, in any language", not problems, f"gets: {gets}", problems)


def all_had_the_same(place, everybody, since, known):
    wrong = []
    for one in everybody:
        missed, made_up = since - set(one.tokens), set(one.tokens) - known
        if missed or made_up:
            wrong.append(f"{one.language} missed {len(missed)}, and had {len(made_up)} that are none of WeChat's")
    place.checks("all were served the same tokens, every one of them", since and not wrong, f"{len(since)} tokens", wrong)


def until_minted(place, more):
    goal = place.shop.minted() + more
    until(lambda: place.shop.minted() >= goal and not place.shop.counters()["in_flight"], f"{more} more mints")


def until_all_have_the_last(place, everybody):
    until(lambda: all(place.shop.tokens()[0] in one.tokens for one in everybody), "everybody to have the last token")


def a_token_is_revoked(place, pages):
    minted = place.shop.minted()
    refused = place.shop.tokens()[0]
    place.shop.revoke()
    answers = []
    askers = [threading.Thread(target=lambda: answers.append(pages.ask(f"reject={refused}"))) for _ in range(4)]
    for asker in askers:
        asker.start()
    told = place.reader(f"printf %s {refused} | wxtoken reject shop --token-file -")
    for asker in askers:
        asker.join()
    others = [answer for answer in answers if answer.get("token") in (None, refused)]
    good = told.code == 0 and not others and place.shop.minted() == minted + 1
    name = "five readers reject a token that WeChat refuses at once: one token is minted, and all get it"
    place.checks(name, good, "" if good else f"{place.shop.minted() - minted} minted; {told}", others)


def an_account_is_added(place):
    late = Account("late", "official", "wxlate0000000001", "late-secret-0123456789", lifetime_ms=7_200_000)
    place.register(late)
    until(late.minted, "the token of an account that nobody asks for")
    place.checks("the token of a new account is fetched before a caller asks", late.minted() == 1)


def the_keeper_is_killed(place):
    until_minted(place, 1)
    pid = place.keeper_pid()
    place.root(f"kill -KILL {pid}")
    until(lambda: place.keeper_pid() not in (0, pid), "systemd to start the keeper again")
    place.checks("systemd restarts a killed keeper, and no call fails", True)


def two_keepers_are_harmless(place):
    second = place.machine.start(
        ["wxtoken", "keep"],
        "wxtoken",
        place.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until_minted(place, 2)
        keepers = map(int, place.root("pgrep -u wxtoken -x wxtoken").split())
        place.root(f"kill -TERM {next(pid for pid in keepers if pid != place.keeper_pid())}")
        said, _ = second.communicate(timeout=20)
    finally:
        second.kill()
    # A fetch by the other keeper is not a failure, though it is reported as one.
    failed = [line for line in said.splitlines() if " failed " in line and "is being fetched" not in line]
    good = second.returncode == 0 and not failed
    place.checks("a second keeper is harmless, and ends with 0 at SIGTERM", good, f"exit code {second.returncode}", failed)


def the_secret_is_changed(place):
    # Right after a mint, the next refresh is far enough away for both sides to get this token.
    until_minted(place, 1)
    place.shop.secret = place.secrets["new"]
    place.shop.settings()
    place.follow(8, place.shop.secret)
    until_minted(place, 1)
    errors = place.shop.counters()["errors"]
    told = f"errors: {errors}" if errors else ""
    place.checks("a new app secret is used by the next refresh, with no restart", not errors, told)
