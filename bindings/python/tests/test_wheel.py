"""Wheels that contain the library: built, checked by auditwheel, and used on their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from simulator import Simulator
from test_install import PROJECT, environment, library_path, run
from venvs import python_with

from wxtoken import __version__

NATIVE, ANY = "cp310-abi3", "py3-none"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Builds both wheels, by the Python tag in their names."""
    python = python_with(PROJECT / "wheel-requirements.txt")
    directory = tmp_path_factory.mktemp("wheels")
    said = run(python, PROJECT / "build_wheel.py", library_path(), directory)
    built = by_tag(directory)
    assert set(said.split()) == {str(wheel) for wheel in built.values()}
    return built


def by_tag(directory: Path) -> dict[str, Path]:
    built = {"-".join(file.name.split("-")[2:4]): file for file in directory.iterdir()}
    assert set(built) == {NATIVE, ANY}
    return built


@pytest.mark.parametrize("tag", [NATIVE, ANY])
def test_its_tag_is_what_auditwheel_finds(tag: str, wheels: dict[str, Path]) -> None:
    python = python_with(PROJECT / "wheel-requirements.txt")
    wheel = wheels[tag]
    said = " ".join(run(python, "-m", "auditwheel", "show", wheel).split())
    found = re.search(r'consistent with the following platform tag: "(\w+)"', said)
    assert found is not None, said
    assert found[1].startswith("manylinux_")
    assert wheel.name.startswith(f"wxtoken-{__version__}-{tag}-")
    assert found[1] in wheel.stem.rpartition("-")[2].split(".")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (tags,) = [archive.read(name).decode() for name in names if name.endswith(".dist-info/WHEEL")]
    assert "Root-Is-Purelib: false" in tags
    assert f"Tag: {tag}-{found[1]}" in tags.splitlines()
    assert {"wxtoken/libwxtoken.so.0", "wxtoken/py.typed", "wxtoken/httpx.py"} <= set(names)
    assert [name for name in names if "_native." in name and name.endswith(".so")] == (
        ["wxtoken/_native.abi3.so"] if tag == NATIVE else []
    )
    assert not [name for name in names if name.endswith(".c")]
    assert sum("LICENSE" in name for name in names) == 2


@pytest.mark.parametrize(("tag", "way"), [(NATIVE, "native"), (ANY, "ctypes")])
def test_it_needs_no_other_library(tag: str, way: str, wheels: dict[str, Path], sim: Simulator, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", wheels[tag], env=environment())
    account = sim.account()
    variables = environment(
        WXTOKEN_STORE=str(tmp_path / "tokens.db"),
        WXTOKEN_API_BASE_URL=sim.http,
        WXTOKEN_ID=account.id,
        WXTOKEN_SECRET=account.secret,
    )
    program = "import wxtoken; print(wxtoken.implementation, wxtoken._library.LIBRARY._name)"
    found, loaded = run(python, "-c", program, cwd=tmp_path, env=variables).split()
    assert found == way
    assert Path(loaded).is_relative_to(tmp_path / "venv")
    assert run(python, PROJECT / "examples" / "first_get.py", cwd=tmp_path, env=variables).startswith("python  ")
    assert sim.counters(account.id)["minted"] == 1


def test_pip_prefers_the_one_with_the_extension(wheels: dict[str, Path]) -> None:
    python = python_with(PROJECT / "wheel-requirements.txt")
    directory = wheels[NATIVE].parent
    options = ["--disable-pip-version-check", "download", "--no-index", "--no-deps", "--find-links", directory]
    run(python, "-m", "pip", *options, "-d", directory / "taken", "wxtoken", env=environment())
    (taken,) = (directory / "taken").iterdir()
    assert taken.name == wheels[NATIVE].name


def test_wheels_for_another_platform_have_the_given_tag_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    python = python_with(PROJECT / "wheel-requirements.txt")
    built = []
    for directory in (tmp_path / "first", tmp_path / "second"):
        variables = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
        command = [PROJECT / "build_wheel.py", library_path(), directory, "musllinux_1_2_aarch64"]
        run(python, *command, env=variables)
        built.append(by_tag(directory))
    for tag, first in built[0].items():
        assert first.name == f"wxtoken-{__version__}-{tag}-musllinux_1_2_aarch64.whl"
        assert first.read_bytes() == built[1][tag].read_bytes()


def test_a_source_distribution_has_the_sources_of_the_extension(tmp_path: Path) -> None:
    python = python_with(PROJECT / "wheel-requirements.txt")
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", ".*", "*.so*")
    source = shutil.copytree(PROJECT, tmp_path / "source", ignore=ignored)
    program = f"from setuptools.build_meta import build_sdist; build_sdist({str(tmp_path / 'out')!r})"
    run(python, "-c", program, cwd=source)
    (packed,) = (tmp_path / "out").iterdir()
    run(python, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path / "wheels", packed)
    (wheel,) = (tmp_path / "wheels").iterdir()
    assert wheel.name.startswith(f"wxtoken-{__version__}-{NATIVE}-")


def test_without_a_compiler_no_wheel_is_built(tmp_path: Path) -> None:
    python = python_with(PROJECT / "wheel-requirements.txt")
    command = [python, PROJECT / "build_wheel.py", library_path(), tmp_path / "out"]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "CC": "there-is-none"})
    assert result.returncode == 1
    assert "install a C compiler" in result.stderr
    assert not (tmp_path / "out").exists()


def test_its_extras_allow_the_tested_sdks(wheels: dict[str, Path]) -> None:
    wheel = wheels[NATIVE]
    python = python_with(PROJECT / "tests" / "sdks" / "requirements.txt")
    options = ["--disable-pip-version-check", "install", "--dry-run", "--no-index"]
    said = run(python, "-m", "pip", *options, f"{wheel}[requests,httpx,wechatpy]", env=environment())
    assert f"Would install wxtoken-{__version__}" in said
    extras = ["requests", "httpx", "wechatpy"]
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode().splitlines()
    assert [line for line in metadata if line.startswith("Provides-Extra: ")] == [
        f"Provides-Extra: {e}" for e in extras
    ]


def test_a_file_that_is_not_a_library_is_refused_with_the_words_of_auditwheel(tmp_path: Path) -> None:
    python = python_with(PROJECT / "wheel-requirements.txt")
    wrong = tmp_path / "libwxtoken.so.0"
    wrong.write_text("no library")
    command = [python, PROJECT / "build_wheel.py", wrong, tmp_path / "out"]
    result = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert result.returncode == 1
    assert "auditwheel" in result.stderr
    assert not (tmp_path / "out").exists()
