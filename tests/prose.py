"""Fails on prose that breaks a rule of CONTRIBUTING.md, as far as a script can see it.

    prose.py [FILE]...    every tracked file of the kinds below by default
    prose.py --self-test

What it reads: English and Chinese documents (Markdown), comments of Rust, C, Go, PHP, Python, JavaScript and Java, and the words
of man pages. What it does not read: code, code spans, tables' rulers, URLs, and records of what others wrote.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
LONGEST = 30  # words of a sentence. The rule says 25; a script counts names and numbers too
FRONT_PAGES, FRONT_PAGE = ("README.md", "README.zh-CN.md"), 250
# Generated, or somebody else's words.
NOT_READ = re.compile(r"^(tests/mutants/.*\.patch|tests/prose\.py|fuzz/corpus/|LICENSE|benches/record/|\.github/)")

IS_NO = re.compile(r"\b(?<![Tt]here )(?:is|are|was|were) no\b(?! (?:longer|more|sooner|later|one|better|worse|older|newer|larger|smaller|shorter))")
FIRST_WORDS = re.compile(r"(?:Who|Whoever|Whom|Whose|What|Whatever|The same|So is|So are|As above|And|One that|Those who|One's)\b")
STIFF = re.compile(r"\b(?:be it|for whom|of which|in vain|at hand|anew)\b")

HAN = "\u3400-\u9fff"
# A mark of ASCII between Chinese characters; a full-width mark stands there.
HALF_WIDTH = re.compile(f"[{HAN}][,;:!?](?=\\s|[{HAN}]|$)|[{HAN}]\\([^)]*[{HAN}]|[{HAN}]\\.(?=\\s|[{HAN}]|$)")

C_LIKE = {".rs", ".c", ".h", ".go", ".php", ".js", ".cjs", ".mjs", ".ts", ".cts", ".java"}
READ = C_LIKE | {".py", ".md"}
# A comment of a program, after its indentation.
LINE_COMMENT = {**{suffix: re.compile(r"^\s*//[/!]?(?: |$)(.*)") for suffix in C_LIKE}, ".py": re.compile(r"^\s*# (.*)")}
DOC_COMMENT = re.compile(r"^\s*//[/!]")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    files = [name for name in sys.argv[1:] or tracked() if Path(name).suffix in READ and not NOT_READ.search(name)]
    flaws = [flaw for name in files for flaw in flaws_of(name, Path(PROJECT, name).read_text())]
    if not sys.argv[1:]:
        flaws += [f"{name}: it is longer than {FRONT_PAGE} lines" for name in FRONT_PAGES if too_long(Path(PROJECT, name))]
    for flaw in flaws:
        print(flaw)
    print(f"prose: {len(flaws)} flaws")
    return 1 if flaws else 0


def too_long(page):
    return len(page.read_text().splitlines()) > FRONT_PAGE


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.splitlines() if Path(PROJECT, name).is_file()]


def flaws_of(name, text):
    """Each flaw as file:line: rule: words."""
    suffix = Path(name).suffix
    if name.endswith(".zh-CN.md"):
        for line, words in paragraphs_of_markdown(text):
            if found := HALF_WIDTH.search(without_code(words)):
                yield f"{name}:{line}: a half-width mark in Chinese: {around(without_code(words), found)}"
        return
    if suffix == ".md":
        units = [(line, words, False) for line, words in paragraphs_of_markdown(text)]
    elif suffix == ".py":
        units = [*docstrings(text), *comments(text, suffix)]
    else:
        units = [*block_comments(text), *comments(text, suffix)]
    for line, words, documents in units:
        words = without_code(words)
        if documents and (found := FIRST_WORDS.match(words)) and not words.split(".")[0].endswith("?"):
            yield f"{name}:{line}: a doc comment begins with “{found[0]}”: {words[:60]}"
        if found := IS_NO.search(words):
            yield f"{name}:{line}: “is not a”, never “is no”: {around(words, found)}"
        if found := STIFF.search(words):
            yield f"{name}:{line}: rewrite “{found[0]}”: {around(words, found)}"
        for sentence in sentences(words):
            count = len(re.findall(r"[A-Za-z0-9_'’§$%/.-]*[A-Za-z0-9§][A-Za-z0-9_'’§$%/.-]*", sentence))
            if count > LONGEST:
                yield f"{name}:{line}: {count} words in a sentence: {sentence[:70]}…"


def around(words, found):
    return words[max(0, found.start() - 25) : found.end() + 25].strip()


def without_code(words):
    """A code span counts as one word, and a link as its text. The words of a quotation are somebody else's."""
    words = re.sub(r"``.+?``|`[^`]*`", "CODE", words)
    words = re.sub(r"!?\[([^\]]*)\]\([^)\s]*\)", r"\1", words)
    return re.sub(r"https?://\S+", "URL", words)


def sentences(words):
    """A list after a colon or between semicolons is read in pieces, and so is what stands in brackets."""
    words = re.sub(r"\([^()]*\)", "", words)
    return re.split(r"(?<=[.!?:;…。])[\"”’*_)]*\s+|\s[│|]\s|\s-> ", words)


def paragraphs_of_markdown(text):
    """(line, words) of each paragraph, item, heading and cell outside of code."""
    fenced = False
    paragraph, start = [], 0

    def ended():
        nonlocal paragraph
        words, paragraph = " ".join(paragraph), []
        return [(start, words)] if words else []

    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith(("```", "~~~")):
            fenced = not fenced
            yield from ended()
        elif fenced:
            continue
        elif line.startswith("    ") and not paragraph and not re.match(r"[-*\d]", bare):
            continue
        elif bare.startswith("|"):
            yield from ended()
            for cell in re.split(r"(?<!\\)\|", bare.strip("|")):
                if not re.fullmatch(r"[\s:-]*", cell):
                    yield number, cell.strip()
        elif not bare or bare.startswith(("#", "<")):
            yield from ended()
            if bare.startswith("#"):
                yield number, bare.lstrip("# ")
        else:
            if re.match(r"(?:[-*+]|\d+\.) ", bare):
                yield from ended()
                bare = re.sub(r"^(?:[-*+]|\d+\.) ", "", bare)
            if not paragraph:
                start = number
            paragraph.append(bare)
    yield from ended()


def comments(text, suffix):
    """(line, words, whether it documents an item) of each run of line comments."""
    pattern = LINE_COMMENT[suffix]
    run, start, documents, fenced, before = [], 0, False, False, ""
    for number, line in enumerate([*text.splitlines(), ""], 1):
        above, before = before, line
        found = pattern.match(line)
        words = found[1].strip() if found else None
        if words is not None and words.startswith("```"):
            fenced = not fenced
            words = ""
        # A drawing, a table, an example or a new item ends a paragraph.
        drawn = words is not None and (fenced or re.match(r"(?:    |\t)", found[1]) or re.search(r"[─│►┌└]|^\|", words))
        if not words or drawn or re.match(r"(?:[-*]|\d+\.) |# |SAFETY:", words):
            if run:
                yield start, " ".join(run), documents
            run = []
            if not words:
                fenced = fenced and words is not None
            if not words or drawn:
                continue
            words = re.sub(r"^(?:[-*]|\d+\.|#+) ", "", words)
        if not run:
            # The first paragraph alone is read by itself, in an editor's hover.
            start, documents = number, suffix == ".rs" and bool(DOC_COMMENT.match(line)) and not DOC_COMMENT.match(above)
        run.append(words)


def block_comments(text):
    """(line, words, whether it is the first) of each paragraph of /** … */ and /* … */ at the beginning of a line."""
    for found in re.finditer(r"^[ \t]*/\*\*?(.*?)\*/", text, re.MULTILINE | re.DOTALL):
        bare = [re.sub(r"^\s*\* ?", "", raw) if i else raw for i, raw in enumerate(found[1].splitlines())]
        lines = [None if re.match(r"\s{4}|@|[-*] ", line) else line.strip() for line in bare]
        yield from paragraphs(lines, text.count("\n", 0, found.start()) + 1)


def docstrings(text):
    """(line, words, whether it is the first) of each paragraph of a docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            raw = node.body[0].value.value.splitlines()
            # A table begins each line with a word of its own.
            lines = [None if i and re.match(r"\s{4,}\S+\s{2,}", line) else line.strip() for i, line in enumerate(raw)]
            yield from paragraphs(lines, node.body[0].lineno)


def paragraphs(lines, number):
    """(line, words, whether it is the first) of each run of lines that have words; the first line has this number."""
    run, start, first = [], 0, True
    for number, words in enumerate([*lines, None], number):
        if words:
            start = start if run else number
            run.append(words)
        elif run:
            yield start, " ".join(run), first
            run, first = [], False


def self_test():
    """Every rule finds its flaws, and passes the rest."""
    found = [
        ("a.md", "It is no token.", "never"),
        ("a.md", "word " * 31 + ".", "31 words"),
        ("a.md", "| a | " + "word " * 31 + "|", "31 words"),
        ("a.rs", "/// Who leads.\nfn a() {}", "begins with “Who”"),
        ("a.rs", "    // " + "word " * 16 + "\n    // " + "word " * 16, "32 words"),
        ("a.py", 'def a():\n    """What it is."""', "begins with “What”"),
        ("a.java", "/** The same, later. */", "begins with “The same”"),
        ("a.md", "It is in vain.", "rewrite"),
        ("a.zh-CN.md", "令牌,有效", "half-width"),
        ("a.zh-CN.md", "令牌(有效)", "half-width"),
    ]
    left = [
        ("a.md", "It is no longer valid. There is no token."),
        ("a.md", "`is no` " + "word " * 20 + ": " + "word " * 20),
        ("a.md", "```\nit is no token\n```"),
        ("a.py", 'def a():\n    """One."""\n    b = """\nWho leads?\n"""'),
        ("a.rs", "// Who leads\nlet a = \"is no token\";"),
        ("a.rs", "//! One.\n//!\n//! What follows from it."),
        ("a.zh-CN.md", "令牌，用 `a, b` 取，见 https://a.b/c?d"),
    ]
    for name, text, rule in found:
        flaws = list(flaws_of(name, text))
        assert len(flaws) == 1 and rule in flaws[0], (name, text, flaws)
    for name, text in left:
        assert not list(flaws_of(name, text)), (name, text, list(flaws_of(name, text)))
    print("prose: the self-test passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
