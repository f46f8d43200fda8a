"""Puts three screenshots of a meeting side by side as SVG, with a caption above each.

usage: screens.py FOLDER, which has 1.png to 3.png and, in "seen", what the browser's driver printed. Fails if the
people did not see what the captions say.
"""

import base64
import json
import pathlib
import sys

WIDTH, HEIGHT, EDGE, CAPTION = 300, 200, 13, 26
CAPTIONS = ["Gus, a guest, comes first", "Ada comes, with a moderator's token", "Gus is let in"]
SEEN = [("Gus", "lobby", None), ("Ada", "joined", "moderator"), ("Gus", "joined", "participant")]


def main():
    folder = pathlib.Path(sys.argv[1])
    visits = json.loads((folder / "seen").read_text())
    seen = [(visit["who"], visit["state"], visit["role"]) for visit in (visits[1], visits[5], visits[6])]
    if seen != SEEN:
        sys.exit(f"screens.py: seen was {visits}")
    width, height = 3 * WIDTH + 4 * EDGE, HEIGHT + CAPTION + 2 * EDGE
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">')
    print("<title>A guest waits until a moderator comes, on a test page</title>")
    print("<style>text{font:13px 'DejaVu Sans',Verdana,sans-serif;fill:#c0caf5}</style>")
    print(f'<rect width="{width}" height="{height}" rx="8" fill="#292e42"/>')
    for at, caption in enumerate(CAPTIONS):
        x = EDGE + at * (WIDTH + EDGE)
        picture = base64.b64encode((folder / f"{at + 1}.png").read_bytes()).decode()
        print(f'<text x="{x}" y="{EDGE + 13}">{at + 1}. {caption}</text>')
        print(f'<image x="{x}" y="{EDGE + CAPTION}" width="{WIDTH}" height="{HEIGHT}" '
              f'href="data:image/png;base64,{picture}"/>')
    print("</svg>")


main()
