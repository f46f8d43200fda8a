#!/usr/bin/env python3
"""Somebody with the old secret and somebody with the new one log in by turns, five times a second.

Prints a JSON list with the time (seconds since 1970) at which each login began, whose it was and its outcome.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True  # leave no __pycache__ in the checkout
import login  # noqa: E402

PER_SECOND = 5


def main():
    parser = login.client_parser(__doc__, "domain", "app_id", "old", "new")
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    options.timeout = 5
    secrets = {"old": login.read_secret(options.old), "new": login.read_secret(options.new)}

    def attempt(which):
        began = time.time()
        claims = login.claims_for(options.app_id, options.domain, "steady")
        of_login = argparse.Namespace(**vars(options), host=options.domain, room="steady", join=None)
        result = login.attempt(of_login, login.mint(secrets[which], claims))
        return {"at": began, "whose": which, "login": result["login"], "text": result["text"]}

    with ThreadPoolExecutor(64) as pool:
        started, planned = time.monotonic(), []
        while (at := len(planned) / PER_SECOND) < options.seconds:
            time.sleep(max(0, started + at - time.monotonic()))
            planned.append(pool.submit(attempt, ("old", "new")[len(planned) % 2]))
        print(json.dumps([one.result() for one in planned]))


if __name__ == "__main__":
    main()
