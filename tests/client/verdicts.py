#!/usr/bin/env python3
"""Logs in with the tokens of shapes.py and enters the room tea; says where a server answers otherwise than the table.

Prints one JSON object: how many shapes were tried, and for each that differs what was expected and what came. Exits 0
if none does. Waits up to --timeout for the answer to a token.
"""

import argparse
import csv
import json
import pathlib
import re
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True  # leave no __pycache__ in the checkout
import login  # noqa: E402
import shapes  # noqa: E402

TABLE = pathlib.Path(__file__).resolve().parent.parent / "fixtures/verdicts/verdicts.tsv"
ROOM = "tea"


def table(path, column):
    """Shape -> the answer expected for it."""
    with open(path, newline="") as file:
        return {row["shape"]: row[column] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def seen(options, token):
    """One login and one room, in the words of the table."""
    attempt = argparse.Namespace(**vars(options), host=options.domain, room=ROOM, join=ROOM)
    result = login.attempt(attempt, token)

    def text(key):
        # The number of seconds differs from run to run.
        return re.sub(r" \([\d.]+ sec since expired(, valid for:-?[\d.]+ sec)?\)", " (seconds)", result[key] or result["condition"] or "")

    if result["login"] == "refused":
        return "refused: " + text("text")
    if result["login"] in ("no-answer", "broken"):
        return "no answer: neither accepted nor refused"
    if result["login"] != "accepted":
        return f"{result['login']}: {result['text']}"
    if result["join"] == "refused":
        return "accepted; refused: " + (result["join_text"] or result["join_condition"] or "")
    if result["join"] in ("no-answer", "broken"):
        return "accepted; no answer: neither entered nor refused"
    return f"accepted; {result['join']}"


def main():
    parser = login.client_parser(__doc__, "domain", "app_id", "secret_file")
    parser.add_argument("--column", required=True, help="the server's column of the table")
    parser.add_argument("--table", default=TABLE)
    parser.add_argument("--only", metavar="SHAPE", nargs="+", help="these shapes alone")
    parser.add_argument("--at-once", type=int, default=8, help="logins side by side (%(default)s)")
    options = parser.parse_args()

    secret = login.read_secret(options.secret_file).decode()
    made = shapes.shapes(secret, options.app_id, options.domain)
    wanted = table(options.table, options.column)
    if made.keys() != wanted.keys():
        sys.exit(f"the table and the shapes are not the same: {made.keys() ^ wanted.keys()}")
    names = options.only or list(made)
    with ThreadPoolExecutor(options.at_once) as pool:
        # As with $(cat FILE), a newline at the end is not part of the token.
        answers = dict(zip(names, pool.map(lambda name: seen(options, made[name].rstrip("\n")), names)))
    differ = {name: {"wanted": wanted[name], "seen": answer} for name, answer in answers.items() if answer != wanted[name]}
    print(json.dumps({"shapes": len(names), "differ": differ}, indent=1, ensure_ascii=False))
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
