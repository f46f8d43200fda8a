#!/usr/bin/env python3
"""Follows a recorder: an account without a token that comes to a room in which somebody with a token is.

Prints one JSON object with the outcome of each in turn.
"""

import json
import secrets
import sys

sys.dont_write_bytecode = True  # leave no __pycache__ in the checkout
import login  # noqa: E402
from guests import Person  # noqa: E402


def main():
    options = login.client_parser(__doc__, "domain", "app_id", "secret_file", "account", "password").parse_args()
    options.place = "recorded-" + secrets.token_hex(4)
    secret = login.read_secret(options.secret_file)
    token = login.mint(secret, login.claims_for(options.app_id, options.domain, options.place))
    name, host = options.account.split("@")

    seen = {"token": (somebody := Person(options, options.domain, token)).enter()}
    recorder = Person(options, host, account=(name, options.password))
    seen["recorder"] = recorder.enter()
    recorder.session.close()
    somebody.session.close()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
