"""The Python in both READMEs, run unchanged, with only the names that the text around it mentions."""

from __future__ import annotations

import ast
import asyncio
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from clients import options_of_httpx, through_proxy
from simulator import Account, Simulator
from test_compat import account_row, make_database

from wxtoken import Store

PROJECT = Path(__file__).parents[2]

SNIPPETS = (
    "first-use", "refusal", "tickets", "wechatpy-before", "wechatpy-after", "requests-before", "requests-after",
    "httpx-before", "httpx-after", "script",
)  # fmt: skip

Opener = Callable[..., Store]


@pytest.fixture(params=["README.md", "README.zh-CN.md"])
def readme(request: pytest.FixtureRequest) -> dict[str, str]:
    return snippets(request.param)


def snippets(name: str) -> dict[str, str]:
    """Returns the code blocks of a README, in its order."""
    found = re.findall(r"^```python\n(.*?)^```", (PROJECT / name).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(found) == len(SNIPPETS)
    return dict(zip(SNIPPETS, found))


def run(code: str, **names: Any) -> dict[str, Any]:
    """Runs the code and returns all names that it leaves."""

    async def story() -> None:
        running = eval(compile(code, "README", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if running is not None:
            await running
            await names["client"].aclose()

    asyncio.run(story())
    return names


def test_both_languages_have_the_same() -> None:
    def parsed(name: str) -> list[str]:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return [ast.dump(compile(code, name, "exec", flags)) for code in snippets(name).values()]

    assert parsed("README.md") == parsed("README.zh-CN.md")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("library", ["wechatpy", "requests", "httpx"])
def test_an_adapter_before_and_after(
    library: str, when: str, readme: dict[str, str], sim: Simulator, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At WeChat's own addresses, which the simulator serves.
    session = through_proxy(requests.Session())
    monkeypatch.setattr(requests, "Session", lambda: session)
    if library == "httpx":
        import httpx

        monkeypatch.setattr(httpx, "AsyncClient", functools.partial(httpx.AsyncClient, **options_of_httpx()))
    account = sim.account()
    store = open_store(account)
    names: dict[str, Any] = {"store": store}
    if when == "before":
        names = {"secret": account.secret} if library == "wechatpy" else {"token": store.token("shop").value}
    if library == "wechatpy":
        names["appid"] = account.id
    with session:
        done = run(readme[f"{library}-{when}"], **names)
        assert done["addresses"] if library == "wechatpy" else done["reply"].json()["ip_list"]
    assert sim.counters(account.id)["minted"] == 1


def test_the_first_use(readme: dict[str, str], sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WXTOKEN_API_BASE_URL", sim.http)
    account = sim.account()
    done = run(readme["first-use"], appid=account.id, secret=account.secret)
    assert sim.errcode("official", done["token"].value) == 0
    assert done["url"].endswith(f"={done['token'].value}")


def test_a_refusal(readme: dict[str, str], sim: Simulator, open_store: Opener, revoke: Callable[..., None]) -> None:
    account = sim.account()
    store = open_store(account)
    token = store.token("shop")
    assert run(readme["refusal"], store=store, token=token, reply={"ip_list": []})["token"] is token
    revoke(account)
    done = run(readme["refusal"], store=store, token=token, reply={"errcode": 40001})
    assert sim.errcode("official", done["token"].value) == 0


def test_tickets_and_third_party_platforms(readme: dict[str, str], sim: Simulator, open_store: Opener) -> None:
    platform, customer = Account("official"), Account("official")
    sim.post("/accounts", {"kind": "component", "id": platform.id, "secret": platform.secret})
    sim.post("/accounts", {"kind": "authorizer", "id": customer.id, "secret": customer.secret, "parent": platform.id})
    store = open_store()
    store.register("platform", "component", platform.id, platform.secret)
    pushed = sim.post("/push", {"id": platform.id})["ticket"]
    names = {"customer_appid": customer.id, "refresh_token": customer.secret, "pushed": pushed}
    done = run(readme["tickets"], store=store, **names)
    assert done["ticket"] == store.token("customer/jsapi_ticket")
    assert [sim.counters(account.id)["minted"] for account in (platform, customer)] == [1, 2]


def test_the_class_of_the_script(
    readme: dict[str, str], sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WXTOKEN_WORK_BASE_URL", sim.http)
    account = sim.account("work")
    database = tmp_path / "path" / "to" / ".odbp_db.sqlite3"
    database.parent.mkdir(parents=True)
    make_database(database, [account_row("app", account, 1)], [])
    assert sim.errcode("work", run(readme["script"])["access_token"]) == 0
