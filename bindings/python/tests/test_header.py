"""The binding's layouts, signatures and numbers are those of the C header."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import build_native
import wxtoken
from wxtoken import _library

HEADER = Path(__file__).parents[3] / "include" / "wxtoken.h"


def ask_compiler(directory: Path, expressions: list[str]) -> list[int]:
    """Returns the values of C expressions that use the header."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.fail("there is no C compiler: install one, as with apt-get install gcc libc6-dev")
    prints = "".join(f'printf("%zu\\n", (size_t)({expression}));' for expression in expressions)
    source = directory / "layout.c"
    source.write_text(f"#include <stdio.h>\n#include <wxtoken.h>\nint main(void) {{ {prints} return 0; }}\n")
    program = directory / "layout"
    subprocess.run([compiler, "-I", HEADER.parent, "-o", program, source], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return [int(line) for line in output.split()]


@pytest.mark.parametrize(("name", "struct"), [("wxtoken_error", _library.CError), ("wxtoken_token", _library.CToken)])
def test_a_struct_has_the_layout_of_the_compiler(
    name: str, struct: type[ctypes.Structure], tmp_path: Path
) -> None:
    expressions, ours = [f"sizeof({name})"], [ctypes.sizeof(struct)]
    for field, _ in struct._fields_:
        expressions += [f"offsetof({name}, {field})", f"sizeof((({name} *)0)->{field})"]
        ours += [getattr(struct, field).offset, getattr(struct, field).size]
    assert ours == ask_compiler(tmp_path, expressions)


def test_the_structs_of_the_extension_have_the_layout_of_the_header(tmp_path: Path) -> None:
    pairs = {"error": _library.CError, "token": _library.CToken}
    checks = []
    for name, struct in pairs.items():
        theirs, ours = f"wxtoken_{name}", f"struct {name}"
        checks.append(f"sizeof({theirs}) == sizeof({ours})")
        for field, _ in struct._fields_:
            checks.append(f"offsetof({theirs}, {field}) == offsetof({ours}, {field})")
            checks.append(f"sizeof((({theirs} *)0)->{field}) == sizeof((({ours} *)0)->{field})")
    asserts = "".join(f'_Static_assert({check}, "{check}");\n' for check in checks)
    source = tmp_path / "native.c"
    source.write_text(f'#include <wxtoken.h>\n#include "{build_native.SOURCE}"\n{asserts}')
    headers = build_native.headers(tmp_path)
    command = ["cc", "-std=c11", "-fsyntax-only", "-Wno-unused", "-I", HEADER.parent, "-I", headers, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_sizes_are_those_of_the_header(tmp_path: Path) -> None:
    ours = [_library.CError.message.size, _library.CToken.value.size]
    assert ours == ask_compiler(tmp_path, ["WXTOKEN_MESSAGE_SIZE", "WXTOKEN_TOKEN_SIZE"])


def test_every_function_of_the_header_is_declared_with_as_many_parameters() -> None:
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text("utf-8"), flags=re.DOTALL)
    declared = {}
    for name, parameters in re.findall(r"\b(wxtoken_\w+)\(([^)]*)\);", text):
        declared[name] = 0 if parameters.strip() == "void" else parameters.count(",") + 1
    assert {name: len(takes) for name, (_, takes) in _library.SIGNATURES.items()} == declared


def test_every_status_of_the_header_has_its_exception() -> None:
    statuses = dict(re.findall(r"\bWXTOKEN_E_(\w+) = (\d+)", HEADER.read_text("utf-8")))
    ours = {}
    for status in statuses.values():
        error = _library.failure(int(status), 0, 0, "")
        ours[type(error).__name__.replace("Error", "").upper()] = str(error.status)
    assert ours == statuses


def test_the_versions_of_header_library_and_package_agree() -> None:
    found = re.search(r'#define WXTOKEN_VERSION "(.*)"', HEADER.read_text("utf-8"))
    assert found is not None
    assert wxtoken.version() == found[1]
    assert wxtoken.__version__ == found[1]
