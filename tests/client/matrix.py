#!/usr/bin/env python3
"""The logins that tell whether token authentication is really on.

Prints one JSON object with each outcome and whether it is as expected, and
exits 0 only if all are. With `--all` it makes all the logins that can tell
something, and reports only the outcome of each. With `--expect open` it expects the opposite: a login
without any token gets in and enters a room.
"""

import argparse
import json
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True  # leave no __pycache__ in the checkout
import keys  # noqa: E402
import login  # noqa: E402


def refused(result):
    return result["login"] == "refused"


def entered(result):
    return result["login"] == "accepted" and result["join"] == "entered"


def kept_out(result):
    return result["login"] == "accepted" and result["join"] == "refused"


def token_cases(options, room, other):
    """name -> (token, room to enter, required outcome)"""
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


def by_secret(options, claims):
    """The signing function, and the logins that exist only with an HMAC."""
    key = login.read_secret(options.secret_file)

    def token(claims, key=key, alg="HS256", **more):
        return login.mint(key, claims, alg, **more)

    return token, {
        "wrong-secret": token(claims, b"not the secret"),
        # The HMAC of HS256 under a header that says RS256.
        "secret-as-public-key": token(claims, says="RS256"),
        "other-algorithm": token(claims, alg="HS384"),
        "unsigned": token(claims, alg="none"),
    }


def by_key(options, claims):
    """The same for a server with public keys."""
    def token(claims, key=options.key, kid=options.kid, alg="RS256"):
        return keys.signed(key, claims, kid, alg)

    return token, {
        "wrong-key": token(claims, options.other_key),
        "unknown-kid": token(claims, kid="nobody"),
        "no-kid": token(claims, kid=None),
        "public-key-as-secret": keys.shared(keys.public(options.key), claims, options.kid),
        "other-algorithm": token(claims, alg="RS512"),
        "unsigned": keys.unsigned(claims, options.kid),
    }


def all_cases(options, room, other):
    """ID in the report -> (token, room to enter or None, the room's ID)"""
    def claims(iss=options.app_id, sub=options.domain, to=room, expires_in=60, **more):
        return login.claims_for(iss, sub, to, expires_in=expires_in, **more)

    sign, forged = (by_key if options.key else by_secret)(options, claims())

    def token(**more):
        return sign(claims(**more))

    header, _, signature = token().split(".")
    tampered = ".".join([header, token(to="*").split(".")[1], signature])
    return {
        "valid-token": (token(), room, "right-room"),
        "valid-token-again": (token(), other, "wrong-room"),
        "token-for-every-room": (token(to="*"), room, "every-room"),
        "no-token": (None, None, None),
        "malformed-token": ("not-a-token", None, None),
        "tampered-payload": (tampered, None, None),
        "expired": (token(expires_in=-60), None, None),
        "not-yet-valid": (token(not_before_in=3600, expires_in=7200), None, None),
        "wrong-issuer": (token(iss="somebody-else"), None, None),
        "no-room-claim": (token(to=None), None, None),
        "wrong-audience": (token(aud="somebody-else"), None, None),
        "other-site": (token(sub="other.invalid"), room, "other-site-room"),
    } | {name: (token, None, None) for name, token in forged.items()}


def run_all(options):
    """The outcome of each login and room, by ID."""
    seen = {}
    # A room for each login: one that was opened for another login would prove nothing.
    for name in all_cases(options, "", ""):
        room, other = ("probe-" + secrets.token_hex(5) for _ in range(2))
        token, to_enter, line = all_cases(options, room, other)[name]
        options_of_case = argparse.Namespace(**vars(options), host=options.domain, room=room, join=to_enter)
        result = login.attempt(options_of_case, token)
        seen.setdefault(name, result["login"])
        if line:
            seen[line] = result["join"]
    return {"ok": True, "seen": seen}


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
    parser = login.client_parser(__doc__, "domain")
    parser.add_argument("app_id", nargs="?")
    parser.add_argument("secret_file", nargs="?")
    parser.add_argument("--id-file", help="in place of APP_ID, for one that looks like an option")
    parser.add_argument("--key", help="for --all in place of the secret: PEM file of the private key")
    parser.add_argument("--kid", help="its name")
    parser.add_argument("--other-key", help="PEM file of one that is not accepted")
    parser.add_argument("--expect", choices=["tokens", "open"], default="tokens")
    parser.add_argument("--all", action="store_true", help="all logins, without a judgement")
    options = parser.parse_args()
    if options.id_file is not None:
        with open(options.id_file, "rb") as file:
            options.app_id = file.read().decode()
    if options.expect == "tokens" and not (options.secret_file or options.key):
        parser.error("APP_ID and SECRET_FILE (or --key) are needed unless --expect open")
    report = run_all(options) if options.all else run(options)
    print(json.dumps(report, indent=1))
    sys.exit(0 if report["ok"] else 1)


if __name__ == "__main__":
    main()
