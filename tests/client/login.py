#!/usr/bin/env python3
"""Logs in to a Jitsi Prosody over BOSH or WebSocket and tries to enter a room.

An independent witness for the tests: it uses only Python's standard library and
no code of the product. Prints one JSON object and exits 0 whenever it could
report; what is good or bad is for the caller to judge (see matrix.py).
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import random
import secrets
import sys
import time
import urllib.parse
import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

sys.dont_write_bytecode = True  # leave no __pycache__ in the checkout
import websocket  # noqa: E402

BOSH = "http://jabber.org/protocol/httpbind"
STREAM = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
CLIENT = "jabber:client"
MUC = "http://jabber.org/protocol/muc"
FOCUS = "http://jitsi.org/protocol/focus"

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


class Down(Exception):
    """Nobody answers on the port."""


class Gone(Exception):
    """The server ended the session or answered nonsense."""


class Silent(Exception):
    """No answer within the time given."""


# ---- tokens -----------------------------------------------------------------


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def mint(secret, claims, alg="HS256", typ="JWT", says=None):
    """A signed token; with alg none the signature is empty. `says` is the header's algorithm, if different."""
    header = {"alg": says or alg, "typ": typ} if typ else {"alg": says or alg}
    parts = [url64(json.dumps(part).encode()) for part in (header, claims)]
    text = ".".join(parts)
    if alg == "none":
        return text + "."
    signature = hmac.new(secret, text.encode(), HASHES[alg]).digest()
    return text + "." + url64(signature)


def claims_for(iss, sub, room, aud="jitsi", expires_in=60, not_before_in=None):
    """The claims that are not None."""
    now = int(time.time())
    claims = {"iss": iss, "aud": aud, "sub": sub, "room": room}
    if expires_in is not None:
        claims["exp"] = now + expires_in
    if not_before_in is not None:
        claims["nbf"] = now + not_before_in
    return {name: value for name, value in claims.items() if value is not None}


# ---- BOSH -------------------------------------------------------------------


class Session:
    """One BOSH session: `send` sends a stanza, `until` waits for an answer of interest."""

    def __init__(self, options, token):
        query = {"room": options.room}
        if token is not None:
            query["token"] = token
        self.path = options.url_path + "?" + urllib.parse.urlencode(query)
        self.address, self.port, self.host = options.address, options.port, options.host
        # A web server forwards its own name, whichever host the page logs in to.
        self.http_host = getattr(options, "http_host", None) or options.host
        self.timeout = options.timeout
        self.rid = random.randrange(1 << 31)
        self.sid = None
        self.waiting = []  # elements received and not looked at yet

    def _post(self, body, timeout):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=timeout)
        headers = {"Host": self.http_host, "Content-Type": "text/xml; charset=utf-8"}
        try:
            connection.connect()
        except OSError as error:
            raise Down(str(error)) from error
        try:
            connection.request("POST", self.path, body.encode(), headers)
            answer = connection.getresponse()
            text = answer.read()
        except TimeoutError as error:
            raise Silent("no answer to the request") from error
        except (OSError, http.client.HTTPException) as error:
            raise Gone(f"connection lost: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise Gone(f"HTTP {answer.status}")
        try:
            return ET.fromstring(text)
        except ET.ParseError as error:
            raise Gone(f"not XML: {error}") from error

    def send(self, stanza="", attributes="", timeout=None):
        self.rid += 1
        session = f" sid={quoteattr(self.sid)}" if self.sid else ""
        body = f"<body xmlns='{BOSH}' rid='{self.rid}'{session} {attributes}>{stanza}</body>"
        root = self._post(body, timeout or self.timeout)
        self.sid = self.sid or root.get("sid")
        self.waiting.extend(root)
        if root.get("type") in ("terminate", "error"):
            raise Gone(root.get("condition") or "session ended by the server")

    def until(self, wanted):
        """The first element that `wanted` accepts; polls until time is up."""
        end = time.monotonic() + self.timeout
        while True:
            while self.waiting:
                element = self.waiting.pop(0)
                if wanted(element):
                    return element
            left = end - time.monotonic()
            if left <= 0:
                raise Silent("no answer")
            self.send(timeout=left)

    def open(self):
        self.send(attributes=(
            f"to={quoteattr(self.host)} wait='2' hold='1' ver='1.6' content='text/xml; charset=utf-8' "
            "xml:lang='en' xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'"))
        return self.until(lambda element: element.tag == f"{{{STREAM}}}features")

    def restart(self):
        self.send(attributes=(
            f"to={quoteattr(self.host)} xml:lang='en' xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true'"))
        return self.until(lambda element: element.tag == f"{{{STREAM}}}features")

    def close(self):
        try:
            self.send(f"<presence xmlns='{CLIENT}' type='unavailable'/>", "type='terminate'", timeout=2)
        except (Down, Gone, Silent):
            pass


# ---- what is tried ----------------------------------------------------------


def condition_of(element):
    """The condition's name and the text of an <error/> or a <failure/>."""
    name = text = None
    for child in element:
        local = child.tag.rpartition("}")[2]
        if local == "text":
            text = child.text
        elif name is None:
            name = local
    return name, text


def authenticate(session, result, account=None):
    """Fills in login, condition and text; True if accepted. `account` is a name and a password, for recorders."""
    mechanisms = [element.text for element in session.open().iter(f"{{{SASL}}}mechanism")]
    wanted = "PLAIN" if account else "ANONYMOUS"
    if wanted not in mechanisms:
        result.update(login="no-mechanism", text="offered: " + (", ".join(mechanisms) or "nothing"))
        return False
    answers = (f"{{{SASL}}}success", f"{{{SASL}}}failure")
    try:
        said = base64.b64encode("\0".join(["", *account]).encode()).decode() if account else ""
        session.send(f"<auth xmlns='{SASL}' mechanism='{wanted}'>{said}</auth>")
        answer = session.until(lambda element: element.tag in answers)
    except Silent:
        result.update(login="no-answer")
        return False
    if answer.tag.endswith("failure"):
        condition, text = condition_of(answer)
        result.update(login="refused", condition=condition, text=text)
        return False
    session.restart()
    session.send(f"<iq xmlns='{CLIENT}' type='set' id='bind'><bind xmlns='{BIND}'/></iq>")
    bound = session.until(lambda element: element.get("id") == "bind")
    jid = bound.find(f"{{{BIND}}}bind/{{{BIND}}}jid")
    if jid is None:
        raise Gone("no address was bound")
    session.send(f"<iq xmlns='{CLIENT}' type='set' id='session'>"
                 "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
    session.until(lambda element: element.get("id") == "session")
    result.update(login="accepted", jid=jid.text)
    return True


def ask_focus(session, host, address):
    """Asks jicofo to open the room, as the web page does before it enters."""
    session.send(f"<iq xmlns='{CLIENT}' type='set' id='focus' to={quoteattr('focus.' + host)}>"
                 f"<conference xmlns='{FOCUS}' room={quoteattr(address)} machine-uid='{secrets.token_hex(8)}'/></iq>")
    answer = session.until(lambda element: element.get("id") == "focus")
    error = answer.find(f"{{{CLIENT}}}error")
    if error is not None:
        return condition_of(error)[0]
    conference = answer.find(f"{{{FOCUS}}}conference")
    return "ready" if conference is not None and conference.get("ready") == "true" else "not ready"


def enter(session, address, result, stay=None):
    """Fills in join, join_condition and join_text; leaves the room at once, after `stay` seconds, or never (True)."""
    nick = "probe-" + secrets.token_hex(4)
    occupant = f"{address}/{nick}"
    session.send(f"<presence xmlns='{CLIENT}' to={quoteattr(occupant)}><x xmlns='{MUC}'/></presence>")

    def answers(element):
        if element.tag != f"{{{CLIENT}}}presence":
            return False
        sender = element.get("from", "")
        return sender.lower() == occupant.lower() or (
            element.get("type") == "error" and sender.partition("/")[0].lower() == address.lower())

    try:
        answer = session.until(answers)
    except Silent:
        result.update(join="no-answer")
        return
    error = answer.find(f"{{{CLIENT}}}error")
    if error is not None:
        condition, text = condition_of(error)
        result.update(join="refused", join_condition=condition, join_text=text)
        extra = [child.tag for child in error if not child.tag.startswith(f"{{{STANZAS}}}")]
        if extra:
            result["join_extra"] = extra
        return
    result.update(join="entered")
    standing(answer, result)
    if stay is True:
        return
    if stay:
        linger(session, occupant, stay, result)
    session.send(f"<presence xmlns='{CLIENT}' to={quoteattr(occupant)} type='unavailable'/>")


def standing(presence, result):
    """Fills in the role and affiliation that the room gives the occupant."""
    item = presence.find(f"{{{MUC}#user}}x/{{{MUC}#user}}item")
    if item is not None:
        result.update(role=item.get("role"), affiliation=item.get("affiliation"))


def linger(session, occupant, seconds, result):
    """Stays that long, and records the occupant's last role and affiliation."""
    end, patience = time.monotonic() + seconds, session.timeout
    while time.monotonic() < end:
        session.timeout = max(0.1, end - time.monotonic())
        try:
            standing(session.until(lambda element: element.get("from", "").lower() == occupant.lower()), result)
        except Silent:
            break
    session.timeout = patience


def attempt(options, token):
    """Makes one login and enters one room; always returns a result."""
    result = {"login": None, "condition": None, "text": None,
              "join": None, "join_condition": None, "join_text": None}
    kind = websocket.session_class((Down, Gone, Silent)) if options.transport == "websocket" else Session
    session = kind(options, token)
    started = time.monotonic()
    try:
        if authenticate(session, result) and options.join:
            address = f"{options.join}@{options.muc or 'conference.' + options.host}"
            if options.ask_focus:
                result["focus"] = ask_focus(session, options.host, address)
            enter(session, address, result, getattr(options, "stay", None))
    except Down as reason:
        result.update(login="down", text=str(reason))
    except Silent as reason:
        if result["login"] is None:
            result.update(login="no-answer", text=str(reason))
        else:
            result.update(join="no-answer", join_text=str(reason))
    except Gone as reason:
        if result["login"] is None:
            result.update(login="broken", text=str(reason))
        else:
            result.update(join="broken", join_text=str(reason))
    if session.sid:
        session.close()
    result["seconds"] = round(time.monotonic() - started, 3)
    return result


# ---- command line -----------------------------------------------------------


def connection_options(parser):
    parser.add_argument("--address", default="127.0.0.1", help="where to connect (%(default)s)")
    parser.add_argument("--port", type=int, default=5280)
    parser.add_argument("--url-path", default="/http-bind")
    parser.add_argument("--transport", choices=["bosh", "websocket"], default="bosh")
    parser.add_argument("--muc", help="the rooms' domain (conference.HOST)")
    parser.add_argument("--ask-focus", action="store_true", help="have jicofo open the room first")
    parser.add_argument("--timeout", type=float, default=8, help="seconds to wait for each answer (%(default)s)")


def client_parser(doc, *names):
    """A parser for a client's arguments: how to connect, and these."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    connection_options(parser)
    for name in names:
        parser.add_argument(name)
    return parser


def read_secret(path):
    with open(path, "rb") as file:
        return file.read().rstrip(b"\r\n")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    connection_options(parser)
    parser.add_argument("--host", required=True, help="the XMPP domain")
    parser.add_argument("--http-host", help="the name of the web server (HOST)")
    parser.add_argument("--room", default="probe", help="room named in the address of the connection")
    parser.add_argument("--join", metavar="ROOM", help="room to enter after the login")
    parser.add_argument("--token", help="a finished token")
    parser.add_argument("--secret-file", help="file with the key to sign a token with")
    parser.add_argument("--iss")
    parser.add_argument("--aud", default="jitsi", help="'' leaves the claim out (%(default)s)")
    parser.add_argument("--sub", help="default: the host; '' leaves the claim out")
    parser.add_argument("--claim-room", help="default: the room; '' leaves the claim out")
    parser.add_argument("--exp-in", type=int, default=60, help="seconds from now, may be negative")
    parser.add_argument("--nbf-in", type=int)
    parser.add_argument("--alg", default="HS256", choices=[*HASHES, "none"])
    parser.add_argument("--moderator", action="store_true", help="says that its bearer moderates")
    parser.add_argument("--stay", type=float, metavar="SECONDS", help="stay in the room, and say what one is there then")
    parser.add_argument("--no-typ", action="store_true", help="leave 'typ' out of the header")
    options = parser.parse_args(arguments)
    if options.secret_file and options.token:
        parser.error("--token and --secret-file exclude each other")
    return options


def token_of(options):
    if not options.secret_file:
        return options.token

    def claim(given, default):
        return default if given is None else (given or None)

    claims = claims_for(options.iss, claim(options.sub, options.host), claim(options.claim_room, options.room),
                        options.aud or None, options.exp_in, options.nbf_in)
    if options.moderator:
        claims["context"] = {"user": {"moderator": True}}
    return mint(read_secret(options.secret_file), claims, options.alg, None if options.no_typ else "JWT")


def main():
    options = parse(sys.argv[1:])
    print(json.dumps(attempt(options, token_of(options))))


if __name__ == "__main__":
    main()
