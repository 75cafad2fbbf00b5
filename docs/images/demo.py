"""Draws what `make demo` shows on a terminal, as demo.svg beside this file: `make demo-picture`.

Rich draws it, from what comes out of a pseudo-terminal. The picture asks nothing of the network: the font is the reader's own.
"""

import os
import pty
import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH = 92


def main():
    shown = on_a_terminal(sys.argv[1:])
    text = shown[shown.index("One store,") :].rstrip()
    lines = ["\x1b[1m$ make demo\x1b[0m", *re.sub(r"/tmp/tmp\.\w+/", "", text).splitlines()]
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w", encoding="utf-8"), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    fontless = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    fontless = fontless.replace("Fira Code", "ui-monospace, SFMono-Regular, Menlo, Consolas")
    svg = console.export_svg(title="libwxtoken", theme=MONOKAI, code_format=fontless, unique_id="demo")
    Path(__file__).with_name("demo.svg").write_text(svg, encoding="utf-8")


def on_a_terminal(command):
    """Returns the output of a command on a terminal of this width."""
    os.environ.update(COLUMNS=str(WIDTH), TERM="xterm-256color")
    seen = bytearray()

    def read(descriptor):
        some = os.read(descriptor, 4096)
        seen.extend(some)
        return some

    status = pty.spawn(["sh", "-c", f"stty cols {WIDTH} rows 40; exec \"$@\"", "sh", *command], read)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit("demo.py: the demo failed; nothing was drawn")
    return seen.decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main()
