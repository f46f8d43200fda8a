#!/usr/bin/env python3
"""The logins that tell whether token authentication is really on.

Prints one JSON object with each outcome and whether it is as it should be, and
exits 0 only if all are. With `--expect open` it wants the opposite: a login
without any token gets in and enters a room.
"""

import argparse
import json
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True  # leave no __pycache__ in the checkout
import login  # noqa: E402


def refused(result):
    return result["login"] == "refused"


def entered(result):
    return result["login"] == "accepted" and result["join"] == "entered"


def kept_out(result):
    return result["login"] == "accepted" and result["join"] == "refused"


def token_cases(options, room, other):
    """name -> (token, room to enter, what must come of it)"""
    key = login.read_secret(options.secret_file)

    def token(secret=key, iss=options.app_id, expires_in=60, **more):
        return login.mint(secret, login.claims_for(iss, options.domain, room, expires_in=expires_in, **more))

    return {
        "good": (token(), room, entered),
        "other-room": (token(), other, kept_out),
        "none": (None, room, refused),
        "wrong-secret": (token(secret=b"not the secret " + secrets.token_hex(8).encode()), room, refused),
        "expired": (token(expires_in=-60), room, refused),
        "wrong-issuer": (token(iss="somebody-else"), room, refused),
    }


def run(options):
    room, other = ("probe-" + secrets.token_hex(5) for _ in range(2))
    if options.expect == "open":
        cases = {"none": (None, room, entered)}
    else:
        cases = token_cases(options, room, other)

    def attempt(case):
        token, to_enter, wanted = case
        options_of_case = argparse.Namespace(**vars(options), host=options.domain, room=room, join=to_enter)
        result = login.attempt(options_of_case, token)
        return {"ok": wanted(result), "wanted": wanted.__name__.replace("_", "-"), **result}

    with ThreadPoolExecutor(len(cases)) as pool:
        outcomes = dict(zip(cases, pool.map(attempt, cases.values())))
    return {"ok": all(outcome["ok"] for outcome in outcomes.values()), "expect": options.expect, "cases": outcomes}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    login.connection_options(parser)
    parser.add_argument("domain")
    parser.add_argument("app_id", nargs="?")
    parser.add_argument("secret_file", nargs="?")
    parser.add_argument("--expect", choices=["tokens", "open"], default="tokens")
    options = parser.parse_args()
    if options.expect == "tokens" and not options.secret_file:
        parser.error("APP_ID and SECRET_FILE are needed unless --expect open")
    report = run(options)
    print(json.dumps(report, indent=1))
    sys.exit(0 if report["ok"] else 1)


if __name__ == "__main__":
    main()
