"""The library is found where the README says, and the installed package works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from simulator import Simulator

from wxtoken import Store

PROJECT = Path(__file__).parents[1]


def library_path() -> Path:
    """Returns the file that this process has loaded, however it was found."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "/libwxtoken.so" in line:
            return Path(line.split(maxsplit=5)[5])
    pytest.fail("libwxtoken is not mapped")


def environment(**variables: str) -> dict[str, str]:
    """Returns this process's environment without the variables that lead to the package and the library."""
    ways = ("LD_LIBRARY_PATH", "PYTHONPATH", "WXTOKEN_LIBRARY", "WXTOKEN_PYTHON")
    return {**{name: value for name, value in os.environ.items() if name not in ways}, **variables}


def copy_package(directory: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.so*")
    return Path(shutil.copytree(PROJECT / "wxtoken", directory / "wxtoken", ignore=ignored))


def import_it(directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    program = "import wxtoken; print(wxtoken._library.LIBRARY._name)"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env=environment(**variables),
        capture_output=True,
        text=True,
    )


def test_the_library_is_found_by_its_variable(tmp_path: Path) -> None:
    copy_package(tmp_path)
    found = import_it(tmp_path, WXTOKEN_LIBRARY=str(library_path()))
    assert found.stdout.strip() == str(library_path()), found.stderr


def test_the_library_is_found_inside_the_package(tmp_path: Path) -> None:
    inside = copy_package(tmp_path) / "libwxtoken.so.0"
    shutil.copy(library_path(), inside)
    found = import_it(tmp_path)
    assert found.stdout.strip() == str(inside), found.stderr


def test_the_library_is_found_by_the_loader(tmp_path: Path) -> None:
    copy_package(tmp_path)
    libraries = tmp_path / "lib"
    libraries.mkdir()
    shutil.copy(library_path(), libraries / "libwxtoken.so.0")
    found = import_it(tmp_path, LD_LIBRARY_PATH=str(libraries))
    assert found.stdout.strip() == "libwxtoken.so.0", found.stderr


def test_a_missing_library_is_an_import_error_with_a_remedy(tmp_path: Path) -> None:
    copy_package(tmp_path)
    missing = import_it(tmp_path, WXTOKEN_LIBRARY=str(tmp_path / "nowhere.so"))
    assert missing.returncode == 1
    last = missing.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: wxtoken cannot use the C library")
    assert "nowhere.so" in last
    assert "WXTOKEN_LIBRARY names it" in last


def test_a_different_library_is_an_import_error_that_says_so(tmp_path: Path) -> None:
    copy_package(tmp_path)
    wrong = import_it(tmp_path, WXTOKEN_LIBRARY="libc.so.6")
    last = wrong.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: wxtoken cannot use the C library libc.so.6")
    assert "wxtoken_init" in last


def test_a_python_without_ctypes_is_an_import_error_with_a_remedy(tmp_path: Path) -> None:
    copy_package(tmp_path)
    program = "import sys; sys.modules['_ctypes'] = None; import wxtoken"
    command = [sys.executable, "-c", program]
    lacking = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert lacking.returncode == 1
    last = lacking.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: wxtoken cannot use ctypes: ")
    assert "_ctypes" in last
    assert "libffi-dev" in last


def run(*command: object, **options: object) -> str:
    """Runs a command, and shows its output if it fails."""
    result = subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    said = f"{command}: {result.stdout}{result.stderr}"
    assert result.returncode == 0, said
    return result.stdout


@pytest.mark.parametrize(("compiler", "way"), [("cc", "native"), ("there-is-none", "ctypes")])
def test_installed_by_pip_into_a_fresh_venv_the_example_gets_a_token(
    compiler: str, way: str, sim: Simulator, tmp_path: Path
) -> None:
    """Needs python3-venv on Debian, and PyPI or a mirror for setuptools. Without a compiler the package uses ctypes."""
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", ".*", "*.so*")
    source = shutil.copytree(PROJECT, tmp_path / "source", ignore=ignored)
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    install = ["-m", "pip", "--disable-pip-version-check", "install", source]
    run(python, *install, cwd=tmp_path, env=environment(CC=compiler))

    account = sim.account()
    variables = environment(
        WXTOKEN_LIBRARY=str(library_path()),
        WXTOKEN_STORE=str(tmp_path / "tokens.db"),
        WXTOKEN_API_BASE_URL=sim.http,
        WXTOKEN_ID=account.id,
        WXTOKEN_SECRET=account.secret,
    )
    program = "import wxtoken; print(wxtoken.implementation, wxtoken.__file__)"
    found, where = run(python, "-c", program, cwd=tmp_path, env=variables).split()
    assert found == way
    assert Path(where).is_relative_to(tmp_path / "venv")
    assert Path(where).with_name("py.typed").exists()
    assert not Path(where).with_name("_native.c").exists()
    line = run(python, PROJECT / "examples" / "first_get.py", cwd=tmp_path, env=variables)
    assert line.count("\n") == 1
    assert line.startswith("python  ")
    assert "chars  expires in 7" in line
    assert account.secret not in line
    assert sim.counters(account.id)["minted"] == 1


@pytest.mark.parametrize("kind", ["official", "work"])
def test_the_js_sdk_example_signs_a_page_as_wechat_checks_it(kind: str, sim: Simulator, tmp_path: Path) -> None:
    account = sim.account(kind)
    variables = environment(
        PYTHONPATH=str(PROJECT),
        WXTOKEN_LIBRARY=str(library_path()),
        WXTOKEN_STORE=str(tmp_path / "tokens.db"),
        WXTOKEN_API_BASE_URL=sim.http,
        WXTOKEN_WORK_BASE_URL=sim.http,
        WXTOKEN_KIND=kind,
        WXTOKEN_ID=account.id,
    )
    url = "https://shop.example/页?from=menu&q=1#top"
    nonces = set()
    # The second time, the store has the secret.
    for more in ({"WXTOKEN_SECRET": account.secret}, {}):
        line = run(sys.executable, PROJECT / "examples" / "jssdk.py", url, env={**variables, **more})
        config = json.loads(line)
        assert set(config) == {"appId", "timestamp", "nonceStr", "signature"}
        assert config["appId"] == account.id
        nonces.add(config["nonceStr"])
        question = {"appid": account.id, "url": url, "noncestr": config["nonceStr"]}
        question |= {"timestamp": config["timestamp"], "signature": config["signature"]}
        assert sim.post("/js_config", question) == {"ok": True}
        with Store(tmp_path / "tokens.db", api_base_url=sim.http, work_base_url=sim.http) as store:
            assert store.token("demo/jsapi_ticket").value not in line
    assert len(nonces) == 2


def test_the_example_says_why_it_failed(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, PROJECT / "examples" / "first_get.py"],
        env=environment(
            PYTHONPATH=str(PROJECT),
            WXTOKEN_LIBRARY=str(library_path()),
            WXTOKEN_STORE=str(tmp_path / "tokens.db"),
        ),
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert 'account "demo" not found' in result.stderr
    assert "Traceback" not in result.stderr
