#!/usr/bin/env python3
"""Follows a guest who comes to a room first, and somebody with a token who comes later.

Prints one JSON object with the outcome of each in turn: the guest alone; somebody with a token for another room; the
guest again; somebody with a token for this room; the guest again; somebody without a token on the site's own host.
"""

import argparse
import json
import secrets
import sys

sys.dont_write_bytecode = True  # leave no __pycache__ in the checkout
import login  # noqa: E402


class Person:
    """Somebody who logs in once and may try rooms again and again."""

    def __init__(self, options, host, token=None, account=None):
        self.options = options
        connection = argparse.Namespace(**vars(options), host=host, http_host=options.domain, room=options.place)
        self.session = login.Session(connection, token)
        self.result = {"login": None, "condition": None, "text": None}
        self.is_in = login.authenticate(self.session, self.result, account)

    def enter(self):
        """The outcome of the login, or of entering the room."""
        if not self.is_in:
            return f"{self.result['login']}: {self.result['text']}"
        address = f"{self.options.place}@conference.{self.options.domain}"
        if self.options.ask_focus:
            login.ask_focus(self.session, self.options.domain, address)
        result = {}
        login.enter(self.session, address, result, stay=True)
        if result["join"] != "refused":
            return result["join"]
        extra = [tag.rpartition("}")[2] for tag in result.get("join_extra", [])]
        return " ".join(["refused:", result["join_text"] or result["join_condition"], *extra])


def main():
    options = login.client_parser(__doc__, "domain", "app_id", "secret_file").parse_args()
    options.place = "guests-" + secrets.token_hex(4)

    def token(room):
        secret = login.read_secret(options.secret_file)
        return login.mint(secret, login.claims_for(options.app_id, options.domain, room))

    seen = {}
    guest = Person(options, f"guest.{options.domain}")
    seen["guest alone"] = guest.enter()
    seen["other room's token"] = Person(options, options.domain, token("another")).enter()
    seen["guest still alone"] = guest.enter()
    seen["token"] = Person(options, options.domain, token(options.place)).enter()
    seen["guest with a host"] = guest.enter()
    seen["no token"] = Person(options, options.domain).enter()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
