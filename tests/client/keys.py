#!/usr/bin/env python3
"""The logins that tell whether a server goes by public keys: which are accepted, and that nothing else is.

Prints one JSON object with each outcome and whether it is as expected. Signatures are openssl's.
"""

import argparse
import json
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True  # leave no __pycache__ in the checkout
import login  # noqa: E402


def signed(key_file, claims, kid=None, alg="RS256"):
    header = {"typ": "JWT", "alg": alg} | ({"kid": kid} if kid is not None else {})
    text = ".".join(login.url64(json.dumps(part).encode()) for part in (header, claims))
    digest = {"RS256": "-sha256", "RS512": "-sha512"}[alg]
    command = ["openssl", "dgst", digest, "-sign", key_file]
    signature = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
    return text + "." + login.url64(signature)


def shared(secret, claims, kid=None, alg="HS256", says=None):
    """A token signed with an HMAC, whatever its header says."""
    header = {"typ": "JWT", "alg": says or alg} | ({"kid": kid} if kid is not None else {})
    text = ".".join(login.url64(json.dumps(part).encode()) for part in (header, claims))
    return text + "." + login.url64(login.hmac.new(secret, text.encode(), login.HASHES[alg]).digest())


def public(key_file):
    """The public half in PEM form."""
    return subprocess.run(["openssl", "pkey", "-in", key_file, "-pubout"], capture_output=True, check=True).stdout


def unsigned(claims, kid):
    parts = ({"typ": "JWT", "alg": "none", "kid": kid}, claims)
    return ".".join([*(login.url64(json.dumps(part).encode()) for part in parts), ""])


def cases(options, room):
    """name -> (token, whether it is accepted)"""
    key, kid = options.key, options.kid

    def claims(expires_in=60):
        return login.claims_for(options.app_id, options.domain, room, expires_in=expires_in)

    all_cases = {
        "good": (signed(key, claims(), kid), True),
        "wrong key": (signed(options.other_key, claims(), kid), False),
        "unknown kid": (signed(key, claims(), "nobody"), False),
        "a kid that is a path": (signed(key, claims(), "../" + kid), False),
        "a kid that is a number": (signed(key, claims(), 7), False),
        "no kid": (signed(key, claims()), False),
        "RS512": (signed(key, claims(), kid, "RS512"), False),
        "public key as secret": (shared(public(key), claims(), kid), False),
        "public key as secret, says RS256": (shared(public(key), claims(), kid, says="RS256"), False),
        "alg none": (unsigned(claims(), kid), False),
        "expired": (signed(key, claims(-60), kid), False),
        "no token": (None, False),
    }
    if options.secret_file:
        secret = login.read_secret(options.secret_file)
        all_cases["old secret"] = (shared(secret, claims()), False)
        all_cases["old secret with the kid"] = (shared(secret, claims(), kid), False)
    return all_cases


def main():
    # PEM files: the private key, and one that is not accepted.
    parser = login.client_parser(__doc__, "domain", "app_id", "key", "other_key")
    parser.add_argument("--kid", required=True)
    parser.add_argument("--secret-file", help="a secret that was accepted once")
    options = parser.parse_args()
    room = "probe-" + secrets.token_hex(5)

    def attempt(case):
        token, accepted = case
        of_case = argparse.Namespace(**vars(options), host=options.domain, room=room, join=room if accepted else None)
        result = login.attempt(of_case, token)
        entered = result["login"] == "accepted" and result["join"] == "entered"
        return {"ok": entered if accepted else result["login"] == "refused", **result}

    planned = cases(options, room)
    with ThreadPoolExecutor(len(planned)) as pool:
        outcomes = dict(zip(planned, pool.map(attempt, planned.values())))
    report = {"ok": all(outcome["ok"] for outcome in outcomes.values()), "cases": outcomes}
    print(json.dumps(report, indent=1))
    sys.exit(0 if report["ok"] else 1)


if __name__ == "__main__":
    main()
