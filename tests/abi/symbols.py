"""The functions that the linker's map lists, and those that a library exports, each as NAME@VERSION."""

import re

from checks import ROOT
from common import run

MAP = ROOT / "src/ffi/libwxtoken.map"


def exported_by_map():
    """The functions of src/ffi/libwxtoken.map."""
    text = re.sub(r"/\*.*?\*/", "", MAP.read_text(), flags=re.S)
    nodes = re.findall(r"(\w+)\s*\{([^}]*)\}", text)
    return {f"{name}@{node}" for node, names in nodes for name in re.findall(r"\bwxtoken_\w+(?=;)", names)}


def exported(library):
    """The functions that a library exports. GNU ld adds a symbol for each version, which is not one of them."""
    lines = (line.split() for line in run("readelf", "--dyn-syms", "-W", library).splitlines() if re.match(r" +\d+:", line))
    return {line[7].replace("@@", "@") for line in lines if len(line) > 7 and line[6] not in ("UND", "ABS") and line[4] in ("GLOBAL", "WEAK")}
