"""WeiXinTokenClass, on an empty store and on the database of the script that this library descends from.

Only other processes read and write the store file here. In a process that uses the library, another SQLite would lose
its locks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from simulator import Account, Simulator

import wxtoken.compat
from wxtoken import AccountError, ArgumentError, Store, WeiXinTokenClass

MAKE_DATABASE = """
import json, sqlite3, sys
path, accounts, tokens = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
conn = sqlite3.connect(path)
conn.execute('CREATE TABLE "main"."weixin_token" ("id" INTEGER, "access_token" TEXT, "expires_in" TEXT,'
             ' "expires_on" TEXT, "is_expired" INTEGER)')
conn.execute('CREATE TABLE "main"."weixin_account" ("id" INTEGER, "name" TEXT, "corpid" TEXT, "secret" TEXT,'
             ' "current" INTEGER)')
conn.executemany('INSERT INTO weixin_account VALUES (?, ?, ?, ?, ?)', accounts)
conn.executemany('INSERT INTO weixin_token VALUES (?, ?, ?, ?, ?)', tokens)
conn.commit()
conn.close()
"""

READ_BYTES = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"


@pytest.fixture(autouse=True)
def _at_the_simulator(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    # A kept token belongs to the base URL that is set when the database is opened and converted.
    monkeypatch.setenv("WXTOKEN_WORK_BASE_URL", sim.http)


def make_database(path: Path, accounts: list[Any], tokens: list[Any]) -> None:
    """Creates the script's database with the script's own CREATE TABLE and INSERT statements."""
    arguments = [str(path), json.dumps(accounts), json.dumps(tokens)]
    subprocess.run([sys.executable, "-c", MAKE_DATABASE, *arguments], check=True)


def bytes_of(path: Path) -> bytes:
    return subprocess.run([sys.executable, "-c", READ_BYTES, path], check=True, capture_output=True).stdout


def token_row(token: str, seconds_left: int) -> list[Any]:
    # The script wrote the local time, and 1 in is_expired for the token in use.
    return [1, token, "7200", str(datetime.now() + timedelta(seconds=seconds_left)), 1]


def account_row(name: str, account: Account, current: int) -> list[Any]:
    return [1, name, account.id, account.secret, current]


def test_an_empty_store_with_corpid_and_secret_gives_a_token(sim: Simulator, tmp_path: Path) -> None:
    account = sim.account("work")
    path = tmp_path / "tokens.db"
    token = WeiXinTokenClass(path, corpid=account.id, secret=account.secret).get()
    assert isinstance(token, str)
    assert sim.errcode("work", token) == 0
    # From then on the store knows the account, which is the current one.
    assert WeiXinTokenClass(path).get() == token
    assert sim.counters(account.id)["requests"] == 1


def test_without_a_path_it_is_the_store_of_the_environment(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WXTOKEN_STORE", str(tmp_path / "tokens.db"))
    account = sim.account("work")
    with Store() as store:
        store.register("app", "work", account.id, account.secret)
    assert sim.errcode("work", WeiXinTokenClass().get()) == 0


def test_the_class_can_be_imported_from_two_places() -> None:
    assert wxtoken.compat.WeiXinTokenClass is WeiXinTokenClass


def test_two_apps_of_one_corporation_are_told_apart_by_name(sim: Simulator, tmp_path: Path) -> None:
    account = sim.account("work")
    other_secret = account.secret + "-2"
    sim.post("/accounts", {"kind": "work", "id": account.id, "secret": other_secret})
    path = tmp_path / "tokens.db"
    mail = WeiXinTokenClass(path, account.id, account.secret, "mail")
    crm = WeiXinTokenClass(path, account.id, other_secret, "crm", timeout_ms=5000)
    assert mail.get() != crm.get()
    assert WeiXinTokenClass(path, name="crm").get() == crm.get()
    assert WeiXinTokenClass(path).get() == mail.get()


def test_half_a_credential_and_an_empty_store_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="together"):
        WeiXinTokenClass(tmp_path / "tokens.db", corpid="ww0000000000000000")
    with pytest.raises(AccountError, match="no current account"):
        WeiXinTokenClass(tmp_path / "tokens.db").get()


def test_the_scripts_token_is_kept_and_costs_no_request(sim: Simulator, tmp_path: Path) -> None:
    account = sim.account("work")
    path = tmp_path / ".odbp_db.sqlite3"
    make_database(path, [account_row("odbp", account, 1)], [token_row("kept-token", 3600)])
    assert WeiXinTokenClass(path).get() == "kept-token"
    with Store(path) as store:
        assert 3590 < store.token("odbp").expires_in < 3601
    assert sim.counters(account.id)["requests"] == 0


def test_an_expired_token_of_the_script_is_fetched_again(sim: Simulator, tmp_path: Path) -> None:
    account = sim.account("work")
    path = tmp_path / ".odbp_db.sqlite3"
    make_database(path, [account_row("odbp", account, 1)], [token_row("spent-token", -60)])
    token = WeiXinTokenClass(path).get()
    assert token != "spent-token"
    assert sim.errcode("work", token) == 0
    assert sim.counters(account.id)["requests"] == 1


def test_the_scripts_accounts_and_the_current_one_are_kept(sim: Simulator, tmp_path: Path) -> None:
    first, second = sim.account("work"), sim.account("work")
    path = tmp_path / ".odbp_db.sqlite3"
    make_database(path, [account_row("first", first, 0), account_row("运维", second, 1)], [])
    with Store(path) as store:
        accounts = {
            account["name"]: (account["kind"], account["id"], account["current"])
            for account in store.report()["accounts"]
        }
        assert accounts == {"first": ("work", first.id, False), "运维": ("work", second.id, True)}
        current = store.token()
        assert current == store.token("运维")
        assert current != store.token("first")
    assert WeiXinTokenClass(path).get() == current.value


def test_the_clear_secret_is_gone_from_the_files_bytes(sim: Simulator, tmp_path: Path) -> None:
    account = sim.account("work")
    path = tmp_path / ".odbp_db.sqlite3"
    make_database(path, [account_row("odbp", account, 1)], [token_row("kept-token", 3600)])
    assert account.secret.encode() in bytes_of(path)
    WeiXinTokenClass(path).get()
    for file in tmp_path.iterdir():
        assert account.secret.encode() not in bytes_of(file), file.name
