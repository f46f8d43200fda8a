#!/usr/bin/env python3
"""Knocks without a token at the hosts of a Prosody, 20 times a second until standard input ends.

Prints one JSON object: the number of attempts, for how long, and for each login that was accepted the host and the
SHA-256 of a file (the configuration) at that moment.
"""

import argparse
import hashlib
import json
import sys
import threading
import time

sys.dont_write_bytecode = True  # leave no __pycache__ in the checkout
import login  # noqa: E402

RATE = 20


def knock(options, host, accepted):
    options = argparse.Namespace(**vars(options), host=host)
    if login.attempt(options, None)["login"] == "accepted":
        with open(options.file, "rb") as file:
            accepted.append({"host": host, "file": hashlib.sha256(file.read()).hexdigest()})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    login.connection_options(parser)
    parser.add_argument("--file", required=True, help="the file to look at")
    parser.add_argument("hosts", nargs="+", help="the XMPP domains, in turn")
    options = parser.parse_args()
    options.room, options.join = "probe", None

    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    accepted, knocking, started = [], [], time.monotonic()
    while not ended.is_set():
        tried = len(knocking)
        thread = threading.Thread(target=knock, args=(options, options.hosts[tried % len(options.hosts)], accepted))
        thread.start()
        knocking.append(thread)
        time.sleep(max(0, started + len(knocking) / RATE - time.monotonic()))
    seconds = time.monotonic() - started
    for thread in knocking:
        thread.join()
    print(json.dumps({"tried": len(knocking), "seconds": round(seconds, 3), "accepted": accepted}))


if __name__ == "__main__":
    main()
