"""docs/deploy.md as something to do: its sections, and the commands in each, as they are printed."""

import re
from dataclasses import dataclass

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
MARK = re.compile(r"<!-- test: (.*?) -->\s*$")


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    mark: str
    """What the comment right before it tells the test; the reader does not see it."""


def sections(path):
    """By number: the blocks of each section."""
    parts = re.split(r"^## (\d+)\. .*$", path.read_text(), flags=re.M)
    return {int(number): _blocks(text) for number, text in zip(parts[1::2], parts[2::2])}


def _blocks(text):
    found = []
    for fence in FENCE.finditer(text):
        mark = MARK.search(text[: fence.start()])
        found.append(Block(fence[1], fence[2], mark[1] if mark else ""))
    return found


def commands(path):
    """Every command of a guide, without what is meant for people: two languages have the same."""
    return [(number, block) for number, blocks in sections(path).items() for block in blocks if block.language]
