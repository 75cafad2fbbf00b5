"""A guide as a script: its numbered sections, and the commands in each, as printed.

A comment right before a block, invisible on the page, tells the test what a person does in addition:

    on NAME           The block is for this machine, not for the first one.
    types WORDS       The value of WORDS is typed at a terminal, at the first question.
    pastes WORDS      The value of WORDS is the whole stdin.
    prints WORDS      From now on the value of WORDS is the output of the block.
    by WORDS          The block is an alternative that another test follows: `by packages` is in tests/dist.
"""

import re
from dataclasses import dataclass

from machine import IN_MACHINE, PROJECT, Failure

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
MARK = re.compile(r"<!-- test: (.*?) -->\s*$")


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    mark: str

    def told(self, verb):
        """The words after a verb in the mark."""
        told = [part[len(verb) + 1 :] for part in self.mark.split("; ") if part.startswith(f"{verb} ")]
        return told[0] if told else None


class Guide:
    """docs/NAME.md, followed on machines. They are keyed by their names in it, and the first one by None."""

    def __init__(self, name, checks):
        self.name, self.checks = name, checks
        self.machines, self.words = {}, {}
        self._sections = _sections(self._page(""))

    def __getitem__(self, number):
        return self._sections[number]

    def _page(self, language):
        return (PROJECT / "docs" / f"{self.name}{language}.md").read_text()

    def is_one_in_both_languages(self):
        english, chinese = (_commands(self._page(language)) for language in ("", ".zh-CN"))
        differ = [f"section {number}: {block.text}" for (number, block) in english if (number, block) not in chinese]
        told = f"{len(english)} blocks"
        self.checks(f"docs/{self.name}.md has the same commands in both languages", english == chinese, told, differ)

    def follow(self, number, only=None):
        """Runs the commands of a section as printed, or one block of them."""
        blocks = [block for block in self[number] if block.language == "sh" and not block.told("by")]
        for block in blocks if only is None else [blocks[only]]:
            self._do(number, block)

    def _do(self, number, block):
        machine = self.machines[block.told("on")]
        if unknown := {block.told("types"), block.told("pastes")} - {None, *self.words}:
            raise Failure(f"section {number} of docs/{self.name}.md: nothing is known as {', '.join(unknown)}")
        script = f"cd {IN_MACHINE}\n{block.text}"
        typed = self.words.get(block.told("types"), "").rstrip("\n")
        if typed:
            print(f"# section {number}: {block.mark}", flush=True)
            done = machine.run_on_terminal(script, typed)
        else:
            done = machine.run(script, stdin=self.words.get(block.told("pastes"), ""))
        good = done.code == 0 and not (typed and typed in done.said)
        told = "" if good else f"{block.text.strip()} … {done}"
        self.checks(f"section {number} of docs/{self.name}.md: {block.text.splitlines()[0]}", good, told)
        if not good:
            raise Failure(f"section {number} of docs/{self.name}.md cannot be followed")
        if words := block.told("prints"):
            self.words[words] = done.output


def _sections(page):
    """The blocks of each section, by number. Text under a head without a number is for people."""
    parts = re.split(r"^## (.*)$", page, flags=re.M)
    heads = [re.match(r"(\d+)\. ", head) for head in parts[1::2]]
    return {int(head[1]): _blocks(text) for head, text in zip(heads, parts[2::2]) if head}


def _blocks(text):
    found = []
    for fence in FENCE.finditer(text):
        mark = MARK.search(text[: fence.start()])
        found.append(Block(fence[1], fence[2], mark[1] if mark else ""))
    return found


def _commands(page):
    """Every command of a guide, without the text for people. Both languages have the same commands."""
    return [(number, block) for number, blocks in _sections(page).items() for block in blocks if block.language]
