"""Makes pages of include/wxtoken.h, which is the manual of the C API. It needs Python alone.

    manual.py man            Write docs/c/wxtoken.3, and the generated parts of docs/c/libwxtoken.7.
    manual.py man --check    Fail unless they are up to date.
    manual.py doxygen DIR    Write the input of Doxygen into DIR.
    manual.py html DIR       Fail unless the HTML of Doxygen in DIR is whole and needs no network.
"""

import re
import sys
import textwrap
from dataclasses import dataclass, field
from datetime import datetime, timezone
from html import unescape
from itertools import takewhile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
HEADER = PROJECT / "include/wxtoken.h"
EXAMPLES = PROJECT / "examples-c"
PAGE = PROJECT / "docs/c/wxtoken.3"
CONCEPTS = PROJECT / "docs/c/libwxtoken.7"
# The header does not repeat these two in each function.
HANDLE, REASON = "The handle.", "Receives the reason of a failure. It may be NULL."


# --- the header, read ---


@dataclass
class Block:
    """A piece of a comment. Its kind is para, table, code, entry, param or retval; an entry has pieces of its own."""

    kind: str
    text: str
    name: str = ""
    inside: list = field(default_factory=list)


@dataclass
class Item:
    """A documented declaration: a macro, a type, a field, a constant or a function."""

    declared: str
    blocks: list

    @property
    def is_function(self):
        return self.declared.endswith(");")

    @property
    def is_member(self):
        """Whether it belongs to the struct or enum before it."""
        return not self.is_function and not self.declared.startswith(("#define", "typedef", "enum"))

    @property
    def name(self):
        if self.is_function:
            return re.search(r"(\w+)\(", self.declared)[1]
        if found := re.match(r"#define (\w+)", self.declared):
            return found[1]
        if found := re.match(r"typedef (?:struct|enum) (\w+)", self.declared):
            return found[1]
        return "" if self.declared.startswith("enum {") else re.search(r"(\w+)(?:\[\d+\];| = \d+,?|;)$", self.declared)[1]

    @property
    def parameters(self):
        """Each parameter as C declares it."""
        inside = self.declared.partition("(")[2].rpartition(")")[0]
        return [] if inside == "void" else re.split(r",\s+", inside)


class Header:
    """The introduction in sections, and every documented declaration in its order."""

    def __init__(self, text):
        self.text = text
        introduction, self.rest = text[2:].split("*/", 1)
        self.title, self.sections = self._sections(introduction)
        self.items = [Item(declared, blocks_of(lines_of(comment))) for comment, declared in declarations(self.rest)]
        missing = set(re.findall(r"^\w[\w *]*?\b(wxtoken_\w+)\(", self.rest, re.M)) - {item.name for item in self.functions}
        if missing or not self.functions:
            raise SystemExit(f"include/wxtoken.h: no doc comment stands before {', '.join(sorted(missing)) or 'any function'}")

    @property
    def functions(self):
        return [item for item in self.items if item.is_function]

    def item(self, name):
        return next(item for item in self.items if item.name == name)

    def _sections(self, introduction):
        """The title, and each section as (its title, its blocks); the first section has no title."""
        lines = lines_of(introduction)
        sections = [("", [])]
        for line in lines[1:]:
            if re.fullmatch(r"[A-Z][A-Z ]+", line):
                sections.append((line.capitalize(), []))
            else:
                sections[-1][1].append(line)
        # The last line says how the header is made.
        sections[-1] = (sections[-1][0], [line for line in sections[-1][1] if not line.startswith("cbindgen")])
        return lines[0].partition(": ")[2].rstrip("."), [(title, blocks_of(lines)) for title, lines in sections]


def declarations(text):
    """Each doc comment with the declaration below it. A body's members have comments, and declarations, of their own."""
    for comment, below in re.findall(r"/\*\*(.*?)\*/\n([^/]*)", text, re.S):
        lines = below.splitlines()
        is_function = re.match(r"\w.*\(", lines[0])
        yield comment, re.sub(r"\s+", " ", re.match(r".*?\);", below, re.S)[0]) if is_function else lines[0].strip()


def lines_of(comment):
    """The lines of a comment without what draws it."""
    lines = [re.sub(r"^ *\* ?", "", line) if i else line.strip() for i, line in enumerate(comment.splitlines())]
    return [line.rstrip() for line in lines if line.strip() != "*/"]


def blocks_of(lines):
    blocks, i = [], 0
    while i < len(lines):
        line = lines[i]
        if not line:
            i += 1
            continue
        rest = lines[i:]
        if line.startswith("    "):
            length = next((n for n, line in enumerate(rest) if line and not line.startswith("    ")), len(rest))
            text = textwrap.dedent("\n".join(rest[:length])).strip("\n")
            blocks.append(Block("table" if re.match(r"\w+ {2,}\w", text) else "code", text))
        elif found := re.match(r" {2}(\S.*?)(?: {2,}(\S.*)|$)", line):
            length = next((n for n, line in enumerate(rest[1:], 1) if not line.startswith("    ")), len(rest))
            words = [found[2] or "", *(line.strip() for line in rest[1:length])]
            blocks.append(Block("entry", "", found[1], pieces_of(filter(None, words))))
        elif found := re.match(r"@(param|retval) (\w+) +(.*)", line):
            length = next((n for n, line in enumerate(rest[1:], 1) if not line.startswith("    ")), len(rest))
            blocks.append(Block(found[1], " ".join([found[3], *(line.strip() for line in rest[1:length])]), found[2]))
        else:
            length = next((n for n, line in enumerate(rest) if not line or line.startswith((" ", "@"))), len(rest))
            blocks.append(Block("para", " ".join(rest[:length])))
        i += length
    return blocks


def pieces_of(lines):
    """The pieces of an entry: commands of a shell, its words, and a fix for a caveat."""
    pieces = []
    for line in lines:
        kind = "code" if "$(" in line else "para"
        if pieces and pieces[-1].kind == kind and not line.startswith("Fix: "):
            pieces[-1].text += ("\n" if kind == "code" else " ") + line
        else:
            pieces.append(Block(kind, line))
    return pieces


def table_of(text):
    """The titles of a table's columns, and its rows. A row without a first cell goes on with the row before."""
    lines = text.splitlines()
    starts = [found.start() for found in re.finditer(r"(?:^|(?<=  ))\S", lines[0])]
    ends = [*starts[1:], None]
    titles, *rows = [[line[a:b].strip() for a, b in zip(starts, ends)] for line in lines]
    whole = []
    for row in rows:
        if row[0]:
            whole.append(row)
        elif len(row) > 2:
            whole.append([whole[-1][0], *row[1:]])
        else:
            whole[-1] = [" ".join(filter(None, cells)) for cells in zip(whole[-1], row)]
    return titles, whole


def sentence_of(words):
    """A cell as a sentence. The first word of a list of values stays as a program writes it."""
    words = re.sub(r"^(\d): ", r"with \1, ", words)
    first = words if re.match(r"\w+:?//|\S*_|\w+, ", words) else words[0].upper() + words[1:]
    return first if first.endswith((".", "?")) else first + "."


# --- man pages, in mdoc ---


def literal(text):
    """Code as roff prints it letter by letter."""
    for letter, escape in {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}.items():
        text = text.replace(letter, escape)
    return "\n".join("\\&" + line if line.startswith((".", "\\(aq")) else line for line in text.splitlines())


class Mdoc:
    def __init__(self, header):
        self.header = header
        self.functions = {item.name for item in header.functions}
        self.lines = []

    def macro(self, *words):
        self.lines.append(" ".join(words))

    def prose(self, text):
        """A sentence begins a line. A name in it is marked as what it is."""
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z\"`])|(?<=[.!?]\")\s+(?=[A-Z])", text):
            plain = []
            for word in re.findall(r"\S*`[^`]+`\S*|\S+", sentence):
                marked = self._marked(word)
                if marked and plain:
                    self._fill(plain)
                    plain = []
                if marked:
                    self.macro(marked)
                else:
                    plain.append(word)
            self._fill(plain)

    def _fill(self, words):
        if not words:
            return
        text = " ".join(words).replace("\\", "\\e").replace("--", "\\-\\-").replace("~", "\\(ti").replace("`", "\\(ga")
        for line in textwrap.wrap(text, 78, break_long_words=False, break_on_hyphens=False):
            self.lines.append("\\&" + line if line.startswith((".", "'")) else line)

    def _marked(self, word):
        """The macro line of a word that has one, with the marks behind it as words of their own."""
        for pattern, macro in (
            (r"(\w+)\(\)", "Fn"),
            (rf"({'|'.join(sorted(self.functions, key=len, reverse=True))})", "Fn"),
            (r"(WXTOKEN_[A-Z_]+)", "Dv"),
            (r"\$([A-Z_]+)", "Ev"),
            (r"(wxtoken_(?:status|error|token))", "Vt"),
            (r"`([^`]+)`", "Ql"),
            (r"([a-z]+\(\d\))", "Xr"),
            (r"(https://[\w./-]+\w)", "Lk"),
        ):
            if found := re.fullmatch(pattern + r"([.,;:)]*)", word):
                name = found[1].replace("(", " ").rstrip(")") if macro == "Xr" else literal(found[1])
                return " ".join([f".{macro}", name, *found[2]])
        return None

    def code(self, text, indent="-offset indent"):
        self.macro(".Bd -literal", indent)
        self.lines.append(literal(text))
        self.macro(".Ed")

    def blocks(self, blocks, begin=True):
        """Paragraphs, tables, code and lists; `begin` where a heading stands before them."""
        listed = ""
        for block in [*blocks, Block("end", "")]:
            kind = block.kind if block.kind in ("entry", "param", "retval") else ""
            if listed and kind != listed:
                self.macro(".El")
            if kind and kind != listed:
                if kind == "retval":
                    self.macro(".Pp")
                    self.prose("It returns:")
                self.macro(".Bl -tag -width Ds")
            listed = kind
            if kind:
                sign = {"entry": "Sy", "param": "Fa", "retval": "Dv"}[kind]
                self.macro(".It", sign, literal(block.name))
                before = None
                for piece in block.inside or [Block("para", block.text)]:
                    if piece.kind == "code":
                        self.code(piece.text, "-compact")
                    else:
                        self.lines += [".Pp"] if before and before.kind == "para" else []
                        self.prose(piece.text)
                    before = piece
            elif block.kind == "para":
                if not begin:
                    self.macro(".Pp")
                self.prose(block.text)
            elif block.kind == "code":
                self.code(block.text)
            elif block.kind == "table":
                self.table(block.text)
            begin = False

    def table(self, text):
        titles, rows = table_of(text)
        self.macro(".Pp")
        self.prose(f"The columns are: {'; '.join(titles)}.")
        self.macro(".Bl -tag -width Ds")
        for row in rows:
            self.macro(".It Cm", literal(row[0]))
            cells = [cell if title == "what it is" else f"{title}: {cell}" for title, cell in zip(titles[1:], row[1:]) if cell]
            self.prose(" ".join(sentence_of(cell) for cell in cells))
        self.macro(".El")


def reference(header, date):
    """wxtoken.3: every function, type and status."""
    page = Mdoc(header)
    section = dict(header.sections)
    page.macro('.\\" docs/c/manual.py makes this page of include/wxtoken.h: `make header` rewrites it.')
    page.macro(f".Dd {date}")
    page.macro(".Dt WXTOKEN 3")
    page.macro(".Os")
    page.macro(".nh")
    page.macro(".Sh NAME")
    for function in header.functions:
        page.macro(".Nm", function.name + (" ," if function is not header.functions[-1] else ""))
    page.macro(".Nd", header.title)
    page.macro(".Sh LIBRARY")
    page.lines.append("libwxtoken (\\-lwxtoken)")
    page.macro(".Sh SYNOPSIS")
    page.macro(".In wxtoken.h")
    for function in header.functions:
        page.macro(".Ft", function.declared.partition(function.name)[0].strip().replace('"', ""))
        page.macro(".Fo", function.name)
        for parameter in function.parameters or ["void"]:
            page.macro(f'.Fa "{parameter}"')
        page.macro(".Fc")
    page.macro(".Sh DESCRIPTION")
    page.blocks(section[""])
    page.macro(".Pp")
    page.prose("libwxtoken(7) has the words, the options, the environment and the files.")
    for function in header.functions:
        page.macro(".Ss", function.name)
        page.blocks(function.blocks)
    page.macro(".Ss Types")
    for item in header.items:
        if not item.declared.startswith("typedef struct"):
            continue
        page.macro(".Bd -literal -compact")
        page.lines.append(literal(item.declared))
        for member in members_of(header, item):
            page.lines.append("    " + literal(member.declared))
        if item.declared.endswith("{"):
            page.lines.append(f"}} {item.name};")
        page.macro(".Ed")
        page.macro(".Pp")
        page.blocks(item.blocks)
        described(page, "Fa", members_of(header, item))
        page.macro(".Pp")
    page.lines.pop()
    page.macro(".Ss Sizes and version")
    constants = [item for item in header.items if re.fullmatch(r"WXTOKEN_(?!E_|OK)\w+", item.name)]
    described(page, "Dv", constants)
    for title in ("Rules of the whole api", "Which calls wait"):
        page.macro(".Ss", title.replace("api", "API"))
        page.blocks(section[title])
    page.macro(".Sh RETURN VALUES")
    status = header.item("wxtoken_status")
    page.blocks(status.blocks[:1])
    described(page, "Dv", members_of(header, status), with_values=True)
    page.macro(".Pp")
    page.blocks(status.blocks[1:])
    page.macro(".Sh EXAMPLES")
    page.prose("This program registers an account and gets its token:")
    page.blocks(section["First use"])
    page.macro(".Sh SEE ALSO")
    page.macro(".Xr wxtoken 1 ,")
    page.macro(".Xr libwxtoken 7")
    page.macro(".Sh CAVEATS")
    page.blocks(section["Caveats"])
    return "\n".join(page.lines) + "\n"


def members_of(header, item):
    """The fields of a struct, or the constants of an enum."""
    later = header.items[header.items.index(item) + 1 :]
    return list(takewhile(lambda item: item.is_member, later))


def described(page, sign, items, with_values=False):
    if not items:
        return
    page.macro(".Bl -tag -width Ds")
    for item in items:
        value = re.search(r" = (\d+)", item.declared)
        page.macro(".It", sign, item.name, f"Pq {value[1]}" if with_values and value else "")
        page.lines[-1] = page.lines[-1].rstrip()
        page.blocks(item.blocks)
    page.macro(".El")


def concepts(header, text):
    """libwxtoken.7 with its generated parts, each between two comments."""
    words = Mdoc(header)
    words.blocks(dict(header.sections)["Words"])
    options = Mdoc(header)
    table = next(block for block in header.item("wxtoken_set").blocks if block.kind == "table")
    options.macro(".Bl -tag -width Ds")
    for name, default, allowed, help_text in table_of(table.text)[1]:
        options.macro(".It Cm", name, "Pq", literal(f"{default}; {allowed}" if default != "none" else allowed))
        options.lines.append(literal(sentence_of(help_text)))
    options.macro(".El")
    for name, lines in {"words": words.lines, "options": options.lines}.items():
        begin, end = f'.\\" {name}: begin, by manual.py\n', f'.\\" {name}: end\n'
        assert text.count(begin) == text.count(end) == 1, f"{CONCEPTS.name} lacks the marks of {name}"
        head, tail = text.partition(begin)[0], text.partition(end)[2]
        text = head + begin + "\n".join(lines) + "\n" + end + tail
    return text


def man(is_check):
    header = Header(HEADER.read_text())
    outdated = []
    for path, make in {PAGE: lambda _, date: reference(header, date), CONCEPTS: lambda old, _: concepts(header, old)}.items():
        old = path.read_text() if path.exists() else ""
        # A page has the date of its last change.
        date = re.search(r"^\.Dd (.*)$", old, re.M)
        new = make(old, date[1] if date else "")
        if new == old:
            continue
        outdated.append(path.name)
        if not is_check:
            today = datetime.now(timezone.utc)
            path.write_text(re.sub(r"^\.Dd.*$", f".Dd {today:%B} {today.day}, {today.year}", new, count=1, flags=re.M))
    if is_check and outdated:
        raise SystemExit(f"{' and '.join(outdated)} in docs/c: not what the header says; run `make header` and commit the pages")
    print(f"man pages: {', '.join(outdated) + ' written' if outdated else 'up to date'}")


# --- the input of Doxygen ---


class Dox:
    def __init__(self, header):
        types = ["wxtoken_status", "wxtoken_error", "wxtoken_token"]
        names = sorted([*types, *(item.name for item in header.functions)], key=len, reverse=True)
        self.names = re.compile(rf"\b({'|'.join(names)}|WXTOKEN_(?:E_[A-Z]+|OK|[A-Z]+_(?:MAX|SIZE|NUMBER)))\b(?!\.)(\(\))?")

    def prose(self, text):
        spans = re.split(r"(`[^`]+`)", text)
        return "".join(f"<code>{self._plain(s[1:-1])}</code>" if s.startswith("`") else self._linked(s) for s in spans)

    def _linked(self, text):
        return self.names.sub(lambda found: f'@ref {found[1]} "{found[1]}"', self._plain(text))

    @staticmethod
    def _plain(text):
        return re.sub(r"[\\@&$#<>%]", lambda found: "\\" + found[0], text).replace("--", "\\--").replace('"', "&quot;")

    def blocks(self, blocks):
        lines = []
        for before, block in zip([None, *blocks], blocks):
            if block.kind == "entry":
                if not before or before.kind != "entry":
                    lines.append("<dl>")
                lines.append(f"<dt>{self.prose(block.name)}</dt><dd>")
                lines += self.blocks(block.inside)
                lines.append("</dd>")
                if block is blocks[-1] or blocks[blocks.index(block) + 1].kind != "entry":
                    lines.append("</dl>")
            elif block.kind in ("param", "retval", "return"):
                lines.append(f"@{block.kind} {block.name} {self.prose(block.text)}")
            elif block.kind == "para":
                lines += ["", *textwrap.wrap(self.prose(block.text), 110, break_long_words=False, break_on_hyphens=False), ""]
            else:
                is_c = block.kind == "code" and "$(" not in block.text
                begin, end = ("@code{.c}", "@endcode") if is_c else ("@verbatim", "@endverbatim")
                lines += [begin, *block.text.splitlines(), end]
        return lines

    def comment(self, lines):
        return "/**\n" + "\n".join(lines) + "\n*/\n"


def doxygen(folder):
    """The header with every comment in Doxygen's words, and a page of the introduction and of each example."""
    header = Header(HEADER.read_text())
    dox = Dox(header)
    folder.mkdir(parents=True, exist_ok=True)
    text = dox.comment(["@file", dox.prose(header.title + ".")])
    opened = None
    for item in header.items:
        if opened and not item.is_member:
            text += f"}} {opened.name};\n"
            opened = None
        blocks = list(item.blocks)
        if item.is_function:
            blocks = with_all_parameters(item)
            if not item.declared.startswith(("void ", "wxtoken_status ")):
                blocks.append(Block("return", blocks[0].text.removeprefix("Returns ")))
        text += dox.comment(dox.blocks(blocks)) + item.declared + "\n"
        opened = item if item.declared.endswith("{") else opened
    (folder / "wxtoken.h").write_text(text)
    lines = [f"@mainpage libwxtoken {version(header)}"]
    for n, (title, blocks) in enumerate(header.sections):
        lines += [f"@section intro{n} {title.replace('api', 'API')}"] if title else ["", dox.prose(header.title + "."), ""]
        lines += dox.blocks(blocks)
    examples = sorted(EXAMPLES.glob("*.c"))
    lines += ["@section reference Reference", "<ul>", '<li><a href="wxtoken_8h.html">Functions, types and statuses</a></li>']
    lines += ['<li><a href="wxtoken.h">The header itself</a></li>']
    for path in examples:
        first = first_comment(path).partition(". ")[0].rstrip(".")
        lines.append(f'<li><a href="{example_page(path)}">{path.name}</a>: {dox.prose(first)}.</li>')
    lines.append("</ul>")
    pages = [dox.comment([f"@example {path.name}", dox.prose(first_comment(path))]) for path in examples]
    (folder / "manual.dox").write_text(dox.comment(lines) + "".join(pages))


def with_all_parameters(function):
    """The blocks of a function's comment, with every parameter in C's order, before the statuses."""
    order = [re.search(r"(\w+)$", one)[1] for one in function.parameters]
    described = {"wx": Block("param", HANDLE, "wx"), "err": Block("param", REASON, "err")}
    described |= {block.name: block for block in function.blocks if block.kind == "param"}
    if set(order) ^ (set(described) - ({"wx", "err"} - set(order))):
        raise SystemExit(f"the comment of {function.name} names other parameters than {', '.join(order)}")
    blocks = [block for block in function.blocks if block.kind != "param"]
    place = next((n for n, block in enumerate(function.blocks) if block.kind in ("param", "retval")), len(blocks))
    return [*blocks[:place], *(described[name] for name in order), *blocks[place:]]


def version(header):
    return re.search(r'#define WXTOKEN_VERSION "(.*)"', header.rest)[1]


def first_comment(path):
    comment = re.match(r"/\*(.*?)\*/", path.read_text(), re.S)[1]
    return " ".join(lines_of(comment)).strip()


def example_page(path):
    """The name that Doxygen gives to the page of an example."""
    return f"{path.name.replace('.', '_8')}-example.html"


def html(folder):
    """Doxygen leaves out without a word what it does not understand."""
    header = Header(HEADER.read_text())
    examples = sorted(EXAMPLES.glob("*.c"))
    flaws = [f"there is no page of {path.name}" for path in examples if not (folder / example_page(path)).exists()]
    reference = plain((folder / "wxtoken_8h.html").read_text())
    for item in header.items:
        for block in item.blocks:
            if item.is_function and block.kind in ("table", "code") and " ".join(block.text.split()) not in reference:
                flaws.append(f"wxtoken_8h.html lacks the {block.kind} of {item.name}")
        if (item.is_function or item.name.startswith("WXTOKEN_")) and not re.search(rf"\b{item.name}\b", reference):
            flaws.append(f"wxtoken_8h.html lacks {item.name}")
    for file in folder.rglob("*.html"):
        text = file.read_text()
        # A link may lead elsewhere. A file that a page loads must lie beside it.
        loaded = re.findall(r'<(?:script|link|img|iframe|object)\b[^>]*?\b(?:src|href|data)="([^"]*)"', text)
        local = [place for place in re.findall(r'<a\b[^>]*?\bhref="([^"#]+)', text) if not re.match(r"[a-z]+:", place)]
        for place in {*loaded, *local} - {"javascript:void(0)"}:
            if not (file.parent / place).exists():
                flaws.append(f"{file.name} needs {place}, which is not there")
    for file in folder.rglob("*.css"):
        flaws += [f"{file.name} loads {place}" for place in re.findall(r"url\(['\"]?(https?:[^)]*)", file.read_text())]
    if flaws:
        raise SystemExit("\n".join(sorted(set(flaws))))
    print(f"html: {len(header.functions)} functions and {len(examples)} examples, and nothing from a network")


def plain(text):
    """The words of a page, with one space between them."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", text)).split())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["man"]:
            man(False)
        case ["man", "--check"]:
            man(True)
        case ["doxygen", where]:
            doxygen(Path(where))
        case ["html", where]:
            html(Path(where))
        case _:
            raise SystemExit(__doc__)
