"""Draws a terminal's screen (text with color sequences, on standard input) as SVG.

usage: svg.py COLUMNS START; everything above the line that begins with START is left out.
"""

import html
import re
import sys

COLUMN, LINE, EDGE = 7.8, 17, 16
COLOURS = {31: "#f7768e", 32: "#9ece6a", 33: "#e0af68", 34: "#7aa2f7", 35: "#bb9af7", 36: "#7dcfff"}
STYLE = (
    "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
    "fill:#c0caf5;white-space:pre}.bold{font-weight:bold}.dim{opacity:.6}"
)


class Pen:
    """What the last sequences have switched on; it carries over to the next lines."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.bold = self.dim = False
        self.colour = None

    def take(self, codes):
        for code in (int(code or 0) for code in codes.split(";")):
            if code == 0:
                self.reset()
            elif code == 1:
                self.bold = True
            elif code == 2:
                self.dim = True
            elif code == 22:
                self.bold = self.dim = False
            elif code == 39:
                self.colour = None
            elif code in COLOURS:
                self.colour = COLOURS[code]

    def span(self, column, text):
        classes = " ".join(name for name, on in [("bold", self.bold), ("dim", self.dim)] if on)
        look = f' class="{classes}"' if classes else ""
        look += f' style="fill:{self.colour}"' if self.colour else ""
        # Every piece is placed at its own column, so a reader's font cannot move it.
        return f'<tspan x="{EDGE + column * COLUMN:.1f}"{look}>{html.escape(text)}</tspan>'


def spans(pen, line):
    found, column = [], 0
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        if piece.startswith("\x1b["):
            pen.take(piece[2:-1])
        elif piece:
            # Words separated by one space stay together; wider gaps separate columns.
            for words in re.finditer(r"\S+(?: \S+)*", piece):
                found.append(pen.span(column + words.start(), words.group()))
            column += len(piece)
    return "".join(found)


def main():
    columns, start = int(sys.argv[1]), sys.argv[2]
    lines = sys.stdin.read().rstrip().split("\n")
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    first = next(at for at, line in enumerate(plain) if line.startswith(start))
    last = max(at for at, line in enumerate(plain) if line.strip() not in ("", "#"))
    pen = Pen()
    for line in lines[:first]:
        spans(pen, line)
    drawn = [spans(pen, line) for line in lines[first : last + 1]]
    width, height = 2 * EDGE + columns * COLUMN, 2 * EDGE + len(drawn) * LINE
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">')
    print("<title>The end of a run of jitsi-tokens-setup install</title>")
    print(f"<style>{STYLE}</style>")
    print(f'<rect width="{width:.0f}" height="{height}" rx="8" fill="#1a1b26"/>')
    for at, line in enumerate(drawn):
        if line:
            print(f'<text y="{EDGE + at * LINE + 12}">{line}</text>')
    print("</svg>")


main()
