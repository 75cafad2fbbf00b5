"""Carries out the table of cases that every language's binding must pass. See ``tests/CASES.md`` of the project."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from simulator import Simulator

import wxtoken
from wxtoken import Store, WxTokenError

# The socket of a redis-server. If set, the stores of the cases are on it.
REDIS = os.environ.get("WXTOKEN_CASES_REDIS")
# An address that starts a wxtoken server for each case. If set, the stores of the cases are such servers.
SERVER = os.environ.get("WXTOKEN_CASES_SERVER")

CASES = json.loads(Path(os.environ["WXTOKEN_CASES"]).read_text("utf-8"))["cases"]
if SERVER:
    CASES = [case for case in CASES if "not_over_a_server" not in case]

ERRORS = {
    "WXTOKEN_E_ARGUMENT": wxtoken.ArgumentError,
    "WXTOKEN_E_ACCOUNT": wxtoken.AccountError,
    "WXTOKEN_E_STORE": wxtoken.StoreError,
    "WXTOKEN_E_SECRET": wxtoken.SecretError,
    "WXTOKEN_E_NETWORK": wxtoken.NetworkError,
    "WXTOKEN_E_REPLY": wxtoken.ReplyError,
    "WXTOKEN_E_API": wxtoken.ApiError,
    "WXTOKEN_E_TIMEOUT": wxtoken.TimeoutError,
    "WXTOKEN_E_INTERNAL": wxtoken.InternalError,
}

# The keys of each verb: the required and the optional ones.
PLAIN_VERBS: dict[str, tuple[set[str], set[str]]] = {
    "sim": ({"path", "body"}, {"keep"}),
    "counters": ({"id", "has"}, set()),
    "business": ({"kind", "token", "errcode"}, set()),
    "file": ({"path", "change"}, set()),
}
LIBRARY_VERBS: dict[str, tuple[set[str], set[str]]] = {
    "open": (set(), {"handle", "store", "options"}),
    "close": (set(), {"handle"}),
    "set": ({"option", "value"}, {"handle"}),
    "account": ({"account", "kind", "id", "secret"}, {"handle"}),
    "put": ({"account", "field", "value"}, {"handle"}),
    "get": ({"name"}, {"handle", "as", "same_as", "other_than", "expires_in"}),
    "reject": ({"name", "token"}, {"handle"}),
    "report": (set(), {"handle", "has", "hides"}),
}
EXPECTATIONS = {"errcode", "retry_after_ms", "message_has", "message_hides"}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case: dict[str, Any], tmp_path: Path, sim: Simulator) -> None:
    assert set(case) - {"not_over_a_server"} == {"name", "steps"}, "a case with a key that this runner does not know"
    runner = Runner(tmp_path, sim)
    try:
        for number, step in enumerate(case["steps"], 1):
            try:
                runner.run(step)
            except Exception as e:
                raise AssertionError(f"step {number}, {step}: {type(e).__name__}: {e}") from e
    finally:
        for store in [*runner.stores.values(), *runner.operator]:
            store.close()


class Runner:
    def __init__(self, directory: Path, sim: Simulator) -> None:
        self.sim = sim
        self.stores: dict[str, Store] = {}
        self.server = start_server() if SERVER else None
        # The server's own store, opened as its operator does.
        self.operator = [self.opened(self.server["file"])] if self.server else []
        self.variables = {
            "DIR": str(directory),
            "STORE": self.store_in(directory),
            "ID": "wx" + secrets.token_hex(8),
            "CORP": "ww" + secrets.token_hex(8),
            "SECRET": secrets.token_hex(16),
            "HTTP": sim.http,
            "HTTPS": sim.https,
            "CA": sim.ca,
        }

    def store_in(self, directory: Path) -> str:
        if self.server:
            return self.server["store"]
        return f"redis+unix://{REDIS}?prefix={secrets.token_hex(8)}" if REDIS else str(directory / "tokens.db")

    def opened(self, path: str, options: dict[str, str] | None = None) -> Store:
        base_urls = {"api_base_url": self.sim.http, "work_base_url": self.sim.http}
        return Store(path, **{**base_urls, **(options or {})})

    def run(self, raw: dict[str, Any]) -> None:
        step = self.filled(raw)
        over_a_server = step.pop("over_a_server", {})
        if self.server:
            step |= over_a_server
        verb = step.pop("do")
        if verb in PLAIN_VERBS:
            required, optional = PLAIN_VERBS[verb]
            check_keys(verb, step, required, optional)
            getattr(self, "do_" + verb)(**step)
            return
        assert verb in LIBRARY_VERBS, f"unknown verb {verb}"
        status = step.pop("status", None)
        expected = {key: step.pop(key) for key in EXPECTATIONS & set(step)} if status else {}
        check_keys(verb, step, *LIBRARY_VERBS[verb])
        arguments = {key + "_" if key == "as" else key: value for key, value in step.items()}
        if status is None:
            getattr(self, "do_" + verb)(**arguments)
        else:
            with pytest.raises(WxTokenError) as caught:
                getattr(self, "do_" + verb)(**arguments)
            check_error(caught.value, status, **expected)

    def filled(self, value: Any) -> Any:
        """Returns `value` with the variables replaced in every string."""
        if isinstance(value, str):
            names = sorted(self.variables, key=len, reverse=True)
            pattern = r"\$(" + "|".join(map(re.escape, names)) + ")"
            return re.sub(pattern, lambda match: self.variables[match[1]], value)
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        return value

    def do_sim(self, path: str, body: dict[str, Any], keep: dict[str, str] | None = None) -> None:
        reply = self.sim.post(path, body)
        for variable, field in (keep or {}).items():
            self.variables[variable] = reply[field]

    def do_counters(self, id: str, has: dict[str, Any]) -> None:
        counters = self.sim.counters(id)
        assert {key: counters[key] for key in has} == has

    def do_business(self, kind: str, token: str, errcode: int) -> None:
        assert self.sim.errcode(kind, token) == errcode

    def do_file(self, path: str, change: str) -> None:
        {"delete": delete, "directory": os.mkdir}[change](path)

    def do_open(self, handle: str = "main", store: str | None = None, options: dict[str, str] | None = None) -> None:
        path = self.variables["STORE"] if store is None else store
        own = {"server_key": self.server["key"], "revalidate_ms": "0"} if self.server and store is None else {}
        self.stores[handle] = self.opened(path, {**own, **(options or {})})

    def do_close(self, handle: str = "main") -> None:
        self.stores.pop(handle).close()

    def do_set(self, option: str, value: str, handle: str = "main") -> None:
        self.stores[handle].set(option, value)

    def do_account(self, account: str, kind: str, id: str, secret: str | None, handle: str = "main") -> None:
        for operator in self.operator:
            operator.register(account, kind, id, secret)
        self.stores[handle].register(account, kind, id, secret)

    def do_put(self, account: str, field: str, value: str | None, handle: str = "main") -> None:
        is_operators = field in ("current", "parent")
        (self.operator[0] if self.operator and is_operators else self.stores[handle]).put(account, field, value)

    def do_get(
        self,
        name: str | None,
        handle: str = "main",
        as_: str | None = None,
        same_as: str | None = None,
        other_than: str | None = None,
        expires_in: list[int] | None = None,
    ) -> None:
        token = self.stores[handle].token(name)
        if as_ is not None:
            self.variables[as_] = token.value
        if same_as is not None:
            assert token.value == self.variables[same_as]
        if other_than is not None:
            assert token.value != self.variables[other_than]
        if expires_in is not None:
            assert expires_in[0] <= token.expires_in <= expires_in[1]

    def do_reject(self, name: str | None, token: str, handle: str = "main") -> None:
        self.stores[handle].reject(name, token)

    def do_report(
        self, handle: str = "main", has: dict[str, Any] | None = None, hides: list[str] | None = None
    ) -> None:
        report = self.stores[handle].report()
        for path, value in (has or {}).items():
            assert at(report, path) == value, path
        text = json.dumps(report, ensure_ascii=False)
        for hidden in hides or []:
            assert hidden not in text


def start_server() -> dict[str, str]:
    with urllib.request.urlopen(urllib.request.Request(f"{SERVER}/", b"")) as answer:
        return json.load(answer)


def delete(path: str) -> None:
    if REDIS and path.startswith("redis"):
        subprocess.run(["redis-cli", "-s", REDIS, "FLUSHALL"], check=True, stdout=subprocess.DEVNULL)
    else:
        os.unlink(path)


def check_keys(verb: str, step: dict[str, Any], required: set[str], optional: set[str]) -> None:
    keys = set(step)
    assert required <= keys, f"{verb} lacks {required - keys}"
    assert keys <= required | optional, f"{verb} does not know {keys - required - optional}"


def check_error(
    error: WxTokenError,
    status: str,
    errcode: int | None = None,
    retry_after_ms: list[int] | None = None,
    message_has: list[str] | None = None,
    message_hides: list[str] | None = None,
) -> None:
    assert type(error) is ERRORS[status], error
    if errcode is not None:
        assert error.errcode == errcode
    if retry_after_ms is not None:
        assert retry_after_ms[0] <= error.retry_after * 1000 <= retry_after_ms[1]
    for part in message_has or []:
        assert part in str(error)
    for hidden in message_hides or []:
        assert hidden not in str(error)


def at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value
