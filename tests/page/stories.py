"""The actions of people on the page, story by story."""

import re
import time

from browser import Browser, By, Keys, WebDriverException
from desk import Desk, control, tokens_of, until
from look import contrasts, overflowing

BrowserFailure = WebDriverException

def leaks(desk, browser, account_ids):
    """The secrets, keys and tokens in the browser's source."""
    source = browser.source()
    canaries = desk.secrets + [token for account_id in account_ids for token in tokens_of(account_id)]
    return [canary for canary in canaries if canary in source]


def first_view(check):
    with Desk() as desk:
        shop = desk.account("shop")
        desk.account("office", kind="work")
        key = desk.client("ops", "--allow", "status")
        web = desk.client("shop-web", "--accounts", "shop")
        server = desk.serve()
        until(server.is_ready, "every token")
        server.get("/v1/token/shop/jsapi_ticket", web)
        with Browser() as browser:
            browser.open(server.url)
            check("a stranger is asked to sign in, and sees no account", browser.all("#sign-in") and "shop" not in browser.text())
            browser.sign_in(server.url, key)
            check("the headline summarizes all accounts", browser.text("h1") == "Every account has a valid token", browser.text("h1"))
            check("it is green", browser.attributes("#summary", "class") == ["good"])
            names = browser.texts("section:first-of-type .name")
            check("every account is listed", names == ["office", "shop"], str(names))
            bars = shares(browser)
            check("each token has a bar, full at first", len(bars) == 3 and min(bars) > 95, str(bars))
            drawn = browser.run("return document.querySelector('svg.bar').getBoundingClientRect().width")
            check("a bar is drawn", drawn > 50, f"{drawn} px")
            clients = browser.text("section[aria-labelledby=clients]")
            check("the clients and their last calls are listed", "get shop/jsapi_ticket ok" in clients, clients)
            facts = browser.text("section[aria-labelledby=server]")
            check("keeper and store are shown", "running" in facts and "tokens.db" in facts, facts)
            cookie = browser.cookies()["wxtoken"]
            left_h = (cookie["expires"] - time.time()) / 3600
            good = cookie["httpOnly"] and cookie["sameSite"] == "Strict" and 11 < left_h < 12.1
            check("the cookie is kept from scripts and other sites, for twelve hours", good, str({**cookie, "value": "…"}))
            check("the script does not see it", browser.run("return document.cookie") == "")
            check("no token, key or secret is in the page", not leaks(desk, browser, [shop]))
            check("it requests nothing from any other host", not browser.asked_elsewhere(server.url), str(browser.asked_elsewhere(server.url)))
            check("the console has no complaint", not browser.complaints(), str(browser.complaints()))
            browser.click("form[action='/sign-out'] button")
            until(lambda: browser.all("#sign-in"), "the form after signing out")
            check("signing out takes the cookie away", "wxtoken" not in browser.cookies())


def a_wrong_key(check):
    with Desk() as desk:
        desk.account("shop")
        key = desk.client("ops", "--allow", "status")
        server = desk.serve()
        with Browser() as browser:
            browser.open(server.url)
            browser.find("#key").send_keys(key[:-4] + "AAAA" + Keys.ENTER)
            said = until(lambda: browser.text("#notice"), "the refusal")
            check("it says that the key is unknown", said == "The server does not know this key.", said)
            check("there is no session", "wxtoken" not in browser.cookies())
            check("the typed text is not repeated", browser.find("#key").get_attribute("value") == "")


def failures(check):
    with Desk() as desk:
        desk.account("far", allow_ips=["10.0.0.1"])
        desk.account("stall", wrong_secret=True)
        desk.account("<img src=x onerror=alert(1)>")
        key = desk.client("ops", "--allow", "status")
        server = desk.serve()
        with Browser() as browser:
            browser.sign_in(server.url, key)
            check("the headline counts the accounts without a token", browser.text("h1") == "2 of 3 accounts have no valid token", browser.text("h1"))
            cards = browser.texts(".cards .card")
            check("each failure has a card", len(cards) == 2, str(cards))
            far = next(card for card in cards if card.startswith("far"))
            check("it shows the platform's words", "errcode 40164" in far and "not in whitelist" in far, far)
            check("it shows the remedy, with the command", "IP allow list" in far and "wxtoken retry far" in far, far)
            check("it shows the time of the next try", re.search(r"The next try is in \d+", far), far)
            stall = next(card for card in cards if card.startswith("stall"))
            check("another failure has another remedy", "The secret is wrong" in stall and "wxtoken account add stall" in stall, stall)
            check("the rows lead to the cards", len(browser.all("td.life a")) == 2)
            browser.click("td.life a")
            target = browser.run("return document.querySelector(':target')?.textContent ?? ''")
            check("a row's link leads to its card", target.startswith("far"), target)
            check("a hostile name is text", not browser.all("main img") and "<img src=x" in browser.text())
            check("the console has no complaint", not browser.complaints(), str(browser.complaints()))


def near_its_end(check):
    with Desk() as desk:
        shop = desk.account("shop")
        desk.account("office")
        key = desk.client("ops", "--allow", "status,get")
        server = desk.serve()
        until(server.is_ready, "every token")
        # The platform gives no other token, so this one runs out.
        control("/faults", {"kind": "errcode", "id": shop, "errcode": 45009, "times": 0})
        desk.age(shop, 7000)
        with Browser() as browser:
            browser.sign_in(server.url, key)
            until(lambda: server.get("/v1/token/shop", key) and browser.texts(".cards .card"), "the refresh that fails")
            seen = shares(browser)
            check("its bar is short, and the other one full", seen[1] <= 10 < 95 < seen[0], str(seen))
            label = browser.attributes("svg.bar", "aria-label")[1]
            check("a screen reader hears the remaining share", re.fullmatch(r"\d% of its life is left", label), label)
            bar = browser.attributes("svg.bar", "class")[1]
            check("it warns by its colour", "warning" in bar.split(), bar)
            row = browser.texts("section[aria-labelledby=accounts] tbody tr")[1]
            check("and by words", "refresh due" in row and "ago" in row, row)
            card = browser.text(".cards")
            check("the failure stands above, with its remedy", "errcode 45009" in card and "wxtoken retry shop" in card, card)
            check("the headline says that it needs attention", browser.text("h1").endswith("; 1 needs attention"), browser.text("h1"))
            desk.age(shop, 600)
            until(lambda: "expired" in browser.text("section[aria-labelledby=accounts]"), "the token's end")
            check("when the failure ends, the headline says so", browser.text("h1") == "1 of 2 accounts has no valid token", browser.text("h1"))
            check("and the card has the most severe style", browser.attributes(".cards .card", "class") == ["card bad"])


def shares(browser):
    """The drawn share of each life that is left, in percent."""
    return [int(width) for width in browser.attributes("svg.bar .fill", "width")]


def many_accounts(check):
    with Desk() as desk:
        ids = [desk.account(f"account-{number:03}") for number in range(499)]
        desk.account("stall", wrong_secret=True)
        key = desk.client("ops", "--allow", "status")
        server = desk.serve()
        with Browser() as browser:
            browser.sign_in(server.url, key)

            def settled():
                browser.driver.refresh()
                return browser.text("h1").startswith("1 of 500")

            until(settled, "the tokens of all accounts")
            began = time.monotonic()
            browser.open(server.url)
            took_ms = 1000 * (time.monotonic() - began)
            size_kb = len(browser.source()) / 1000
            rows = len(browser.all("section[aria-labelledby=accounts] tbody tr"))
            check("all are on the page", rows == 500, f"loaded in {took_ms:.0f} ms, {size_kb:.0f} kB")
            is_seen = browser.run("return document.querySelector('.cards .card').getBoundingClientRect().bottom < innerHeight")
            check("the failing account is visible without scrolling", is_seen and browser.text(".cards .card").startswith("stall"))
            browser.run("document.querySelector('section[aria-labelledby=accounts] tbody tr:last-child').scrollIntoView()")
            before = browser.run("window.mark = 1; return scrollY")
            as_of = browser.text("#as-of")
            until(lambda: browser.text("#as-of") != as_of, "a refresh")
            after = browser.run("return [scrollY, window.mark]")
            check("a refresh keeps the scroll position", after == [before, 1], f"{before} px, then {after[0]} px")
            check("no token, key or secret is in the page", not leaks(desk, browser, ids[:20]))
            check("the console has no complaint", not browser.complaints(), str(browser.complaints()))


def two_languages(check):
    with Desk() as desk:
        desk.account("店铺")
        desk.account("far", allow_ips=["10.0.0.1"])
        key = desk.client("ops", "--allow", "status")
        server = desk.serve()
        with Browser(language="zh-CN,zh") as browser:
            browser.open(server.url)
            check("a browser that asks for Chinese gets the form in it", browser.text("h1") == "登录", browser.text("h1"))
            browser.sign_in(server.url, key)
            check("and the page", browser.text("h1") == "2 个账号中有 1 个没有有效的 access_token", browser.text("h1"))
            tag = browser.run("return document.documentElement.lang")
            check("the page declares its language", tag == "zh-CN", tag)
            check("the remedy is in Chinese", "加入账号的 IP 白名单" in browser.text(".cards"), browser.text(".cards"))
            browser.click("a.language")
            until(lambda: browser.run("return document.documentElement.lang") == "en", "the page in English")
            check("a link leads to English", browser.text("h1") == "1 of 2 accounts has no valid token", browser.text("h1"))
            browser.driver.refresh()
            check("the choice is remembered", browser.run("return document.documentElement.lang") == "en")
        with Browser(language="en-US,en") as browser:
            browser.sign_in(server.url, key)
            check("a browser that asks for English gets it", browser.text("h1") == "1 of 2 accounts has no valid token", browser.text("h1"))
            check("the console has no complaint", not browser.complaints(), str(browser.complaints()))


def narrow_screen(check):
    with Desk() as desk:
        desk.account("a-long-name-" + "without-an-end-" * 6)
        desk.account("店铺" * 12)
        desk.account("far", allow_ips=["10.0.0.1"])
        key = desk.client("ops", "--allow", "status")
        desk.client("n" * 64, "--accounts", "far")
        server = desk.serve()
        for language in ("en", "zh-CN"):
            with Browser(width=360, height=740, language=language) as browser:
                browser.open(server.url)
                wide = overflowing(browser)
                check(f"the form fits 360 pixels ({language})", not wide, str(wide))
                browser.sign_in(server.url, key)
                wide = overflowing(browser)
                check(f"the page fits 360 pixels ({language})", not wide, str(wide))
                row = browser.find("tbody [role=row]")
                good = row.find_elements(By.CSS_SELECTOR, "[role=cell][data-title]")
                check(f"a row is still a row of named cells ({language})", len(good) == 3)


def without_scripts(check):
    with Desk() as desk:
        desk.account("shop")
        key = desk.client("ops", "--allow", "status")
        server = desk.serve()
        until(server.is_ready, "every token")
        with Browser(scripts=False) as browser:
            browser.sign_in(server.url, key)
            check("the page is complete", browser.text("h1") == "Every account has a valid token", browser.text("h1"))
            check("it can be reloaded by a link", browser.find("noscript a[href='/']").is_displayed())
            reloads = browser.find("noscript meta[http-equiv=refresh]").get_attribute("content")
            check("and reloads by itself", reloads == "60", reloads)
            browser.click("a.language")
            until(lambda: browser.text("h1") == "所有账号都有有效的 access_token", "the page in Chinese")
            check("the language can be changed", True)
            browser.click("form[action='/sign-out'] button")
            until(lambda: browser.all("#sign-in"), "the form")
            check("one can sign out", "wxtoken" not in browser.cookies())


def by_keyboard(check):
    with Desk() as desk:
        desk.account("shop")
        desk.account("far", allow_ips=["10.0.0.1"])
        key = desk.client("ops", "--allow", "status")
        server = desk.serve()
        with Browser() as browser:
            browser.open(server.url)
            check("the field for the key has the focus first", browser.focused()["id"] == "key")
            browser.press(key, Keys.TAB)
            check("the button is next", browser.focused()["text"] == "Sign in", str(browser.focused()))
            browser.press(Keys.ENTER)
            until(lambda: browser.all("#live"), "the page")
            browser.press(Keys.TAB)
            skip = browser.focused()
            check("the first stop leads past the header, and becomes visible", skip["text"] == "Skip to the accounts" and skip["top"] >= 0, str(skip))
            browser.press(Keys.ENTER)
            check("it leads to the main part", browser.focused()["id"] == "main")
            browser.press(Keys.TAB)
            why = browser.focused()
            check("the next stop is inside it", why["text"].startswith("why"), str(why))
            outline = why["outline"]
            check("the focus is visible", outline[0] == "solid" and outline[1] >= 2, str(outline))
            as_of = browser.text("#as-of")
            until(lambda: browser.text("#as-of") != as_of, "a refresh")
            check("a refresh keeps the focus", browser.focused()["id"] == why["id"], str(browser.focused()))
            browser.press(Keys.ENTER)
            target = browser.run("return document.querySelector(':target')?.textContent ?? ''")
            check("Enter leads to the failure", target.startswith("far"), target)
            heads = browser.run("return [...document.querySelectorAll('th')].every(th => th.scope)")
            landmarks = [len(browser.all(name)) for name in ("header", "main", "h1")]
            check("tables have heads, and the page its landmarks", heads and landmarks == [1, 1, 1], str(landmarks))
            orphans = browser.run("return [...document.querySelectorAll('[aria-labelledby]')].filter(e => !document.getElementById(e.getAttribute('aria-labelledby'))).length")
            check("every referenced id exists", orphans == 0)


def light_and_dark(check):
    with Desk() as desk:
        desk.account("shop")
        desk.account("far", allow_ips=["10.0.0.1"])
        key = desk.client("ops", "--allow", "status")
        server = desk.serve()
        for dark in (False, True):
            name = "dark" if dark else "light"
            with Browser(dark=dark) as browser:
                browser.open(server.url)
                faint = contrasts(browser)
                check(f"the form is readable ({name})", not faint, str(faint))
                browser.sign_in(server.url, key)
                back = browser.run("return getComputedStyle(document.body).backgroundColor")
                brightness = sum(int(part) for part in re.findall(r"\d+", back)[:3]) / 3
                check(f"the page is {name}", (brightness < 60) == dark and (brightness > 200) != dark, back)
                faint = contrasts(browser)
                check(f"every text has enough contrast ({name})", not faint, str(faint))


def it_refreshes(check):
    with Desk() as desk:
        shop = desk.account("shop")
        key = desk.client("ops", "--allow", "status")
        server = desk.serve()
        until(server.is_ready, "every token")
        with Browser() as browser:
            browser.sign_in(server.url, key)
            browser.run("window.mark = 1")
            desk.account("office", kind="work")
            until(lambda: "office" in browser.text("section[aria-labelledby=accounts]"), "the new account")
            desk.account("far", allow_ips=["10.0.0.1"])
            until(lambda: "errcode 40164" in browser.text(), "the failure")
            check("changes appear by themselves, without a reload", browser.run("return window.mark") == 1)
            check("the headline has changed too", "1 of 3" in browser.text("h1"), browser.text("h1"))
            browser.run("getSelection().selectAllChildren(document.querySelector('.cards code'))")
            browser.run("const of = getSelection(); window.was_marked = () => of.toString()")
            marked = browser.run("return was_marked()")
            # The script checks for a selection in each round.
            browser.run("window.rounds = 0; const was = getSelection; window.getSelection = () => { window.rounds++; return was(); }")
            browser.run("const was = fetch; window.fetched = 0; window.fetch = (...a) => { window.fetched++; return was(...a); }")
            as_of = browser.text("#as-of")
            until(lambda: browser.run("return window.rounds") >= 3, "three rounds")
            left_alone = browser.run("return window.fetched") == 0 and browser.text("#as-of") == as_of
            check("a selection in progress is left alone", left_alone and marked == browser.run("return was_marked()"))
            browser.run("getSelection().removeAllRanges()")
            until(lambda: browser.text("#as-of") != as_of, "a refresh after that")
            check("no complaint so far", not browser.complaints(), str(browser.complaints()))
            check("nothing is requested from any other host", not browser.asked_elsewhere(server.url))
            address = server.url
            server.stop()
            until(lambda: browser.find("#stale").is_displayed(), "a word that the server is away")
            check("while the server is unreachable the page stays, and says so", "shop" in browser.text("#live") and browser.run("return window.mark") == 1)
            desk.serve(listen=address)
            until(lambda: browser.all("#sign-in"), "the form")
            check("a restarted server asks to sign in", "The session has ended" in browser.text("#notice"), browser.text())
            check("no token, key or secret is in the page", not leaks(desk, browser, [shop]))


def the_session_ends(check):
    with Desk() as desk:
        desk.account("shop")
        key = desk.client("ops", "--allow", "status")
        server = desk.serve()
        with Browser() as browser:
            browser.sign_in(server.url, key)
            desk.tool("client", "remove", "ops", "--yes")
            until(lambda: browser.all("#sign-in"), "the form")
            check("an open page closes by itself when its client is removed", "shop" not in browser.text(), browser.text())


def the_policy_holds(check):
    with Desk() as desk:
        desk.account("shop")
        key = desk.client("ops", "--allow", "status")
        server = desk.serve()
        with Browser() as browser:
            browser.sign_in(server.url, key)
            check("there is no complaint at first", not browser.complaints(), str(browser.complaints()))
            browser.run("const s = document.createElement('script'); s.textContent = 'window.evil = 1'; document.body.append(s)")
            check("a script injected into the page does not run", browser.run("return window.evil ?? null") is None)
            browser.run("const i = new Image(); i.src = 'http://127.0.0.2:9/x'; document.body.append(i)")
            until(lambda: len(browser.complaints()) >= 2, "the browser's complaints")
            said = "\n".join(browser.complaints())
            check("the browser enforces the policy, and this suite would see a violation", "script-src" in said and "img-src" in said, said)


ALL = {
    "first-view": first_view,
    "wrong-key": a_wrong_key,
    "failures": failures,
    "near-its-end": near_its_end,
    "many-accounts": many_accounts,
    "two-languages": two_languages,
    "narrow-screen": narrow_screen,
    "without-scripts": without_scripts,
    "by-keyboard": by_keyboard,
    "light-and-dark": light_and_dark,
    "it-refreshes": it_refreshes,
    "session-ends": the_session_ends,
    "policy": the_policy_holds,
}
