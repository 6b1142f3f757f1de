# SPDX-License-Identifier: Apache-2.0
"""Make docs/images/demo.svg from what the demo really printed; long stories of a run are folded, and say so.

FORCE_COLOR=1 COLUMNS=110 make demo ONCE=1 > demo.txt 2>&1
.venv/bin/python docs/images/render.py demo.txt docs/images/demo.svg "make demo ONCE=1"
"""

import io
import re
import sys
from itertools import groupby
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

WIDTH = 110
FIRST, LAST = 3, 4
"""Lines of a run's story that stay."""
MOVE = re.compile(r"\x1b\[(\d*)([ABGKJ])|\x1b\[\?\d+[hl]|\r")
MOMENT = re.compile(r"\s+\d+\.\d s  ")


def settled(output: str) -> list[str]:
    """The lines that a terminal shows in the end: progress that was drawn over is gone, colours stay."""
    lines, row = [""], 0
    for piece in output.replace("\r\n", "\n").split("\n"):
        text, start = lines[row], 0
        for move in MOVE.finditer(piece):
            text += piece[start : move.start()]
            start = move.end()
            if move[2] == "A":
                lines[row] = text
                row = max(0, row - int(move[1] or 1))
                text = lines[row]
            elif move[0] == "\r" or move[2] in {"K", "G"}:
                text = ""
        lines[row] = text + piece[start:]
        row += 1
        if row == len(lines):
            lines.append("")
    return lines[:-1]


def folded(lines: list[Text]) -> list[Text]:
    """The lines, with the middle of each run's story left out."""
    kept: list[Text] = []
    for moments, group in groupby(lines, lambda line: bool(MOMENT.match(line.plain))):
        story = list(group)
        if moments and len(story) > FIRST + LAST + 1:
            marker = Text(f"          … {len(story) - FIRST - LAST} lines more", "dim")
            story = [*story[:FIRST], marker, *story[-LAST:]]
        kept += story
    return kept


def main() -> None:
    """Read a captured output, write a picture of it."""
    source, target, title = sys.argv[1:4]
    lines = settled(Path(source).read_bytes().decode())
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for line in folded([Text.from_ansi(line) for line in lines]):
        console.print(line, no_wrap=True, overflow="ellipsis")
    # The fonts that rich would fetch from a server are left out: a picture of this repository needs nothing else.
    plain = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    Path(target).write_text(console.export_svg(title=title, code_format=plain), encoding="utf-8")


if __name__ == "__main__":
    main()
