"""Fails on a link between the project's documents that leads nowhere: a file, a heading, or a test that is not there.

    links.py [FILE]...    every tracked Markdown file by default
    links.py --self-test

A link whose text is a name in backticks (`a_test`) and that leads to a program promises that the program has this name. So does
each name of a test in docs/faults.md, of some program here.
"""

import re
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
TEST = re.compile(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`")
PROGRAMS = {".rs", ".c", ".py", ".go", ".php", ".js", ".java"}


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    flaws = [flaw for name in sys.argv[1:] or tracked("*.md") for flaw in broken(Path(name).resolve())]
    if not sys.argv[1:]:
        flaws += missing_tests(PROJECT / "docs/faults.md", tracked())
    for flaw in flaws:
        print(flaw)
    print(f"links: {len(flaws)} flaws")
    return 1 if flaws else 0


def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    return [PROJECT / name for name in listed.splitlines() if (PROJECT / name).is_file()]


def missing_tests(page, files):
    """Each name of a test on a page that no program has."""
    words = {word for file in files if file.suffix in PROGRAMS for word in re.findall(r"\w+", file.read_text())}
    for number, line in enumerate(page.read_text().splitlines(), 1):
        for name in TEST.findall(line):
            if name not in words:
                yield f"{page}:{number}: there is no test {name}"


def broken(page):
    """Each link of a page that leads nowhere, in words."""
    for number, line in enumerate(without_fences(page.read_text()), 1):
        for text, target in LINK.findall(line):
            if re.match(r"[a-z+]+:", target):
                continue
            path, _, heading = target.partition("#")
            file = (page.parent / path) if path else page
            if not file.exists():
                yield f"{page}:{number}: {target} is not there"
            elif heading and file.suffix == ".md" and heading not in headings(file):
                yield f"{page}:{number}: {file.name} does not have the heading #{heading}"
            elif file.suffix in PROGRAMS and (name := re.fullmatch(r"`(\w+)`", text)):
                if not re.search(rf"\b{name[1]}\b", file.read_text()):
                    yield f"{page}:{number}: {file.name} does not have {name[1]}"


def without_fences(text):
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            yield ""
        else:
            yield "" if fenced else line


def headings(file):
    """The anchors that GitHub gives to a page's headings."""
    found = {}
    for line in without_fences(file.read_text()):
        if heading := re.match(r"#+ (.*)", line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
            anchor = "".join(c for c in words if c in " -_" or unicodedata.category(c)[0] in "LNM").replace(" ", "-")
            found[anchor] = found.get(anchor, -1) + 1
    return {name if n == 0 else f"{name}-{n}" for name, last in found.items() for n in range(last + 1)}


def self_test():
    """A link to what is there passes; each other kind is found."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.md")
        Path(folder, "test.rs").write_text("fn a_promise() {}\n")
        page.write_text(
            "# One, `two`\n## 三：四\n[a](#one-two) [b](page.md#三四) [`a_promise`](test.rs) [c](https://a.b/c) ![d](page.md)\n"
            "```\n[in code](nowhere)\n```\n[e](nowhere.md) [f](#three) [`a_lie`](test.rs)\n"
        )
        found = list(broken(page))
        program = Path(folder, "test.rs")
        program.write_text("fn a_promise_of_four_words() {}\n")
        page.write_text("| 1 | `a_promise_of_four_words`, `a_promise_that_was_renamed` |\n")
        missing = list(missing_tests(page, [program]))
    assert len(missing) == 1 and "renamed" in missing[0], missing
    assert [flaw.split(": ")[1].split()[0] for flaw in found] == ["nowhere.md", "page.md", "test.rs"], found
    print("links: the self-test passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
