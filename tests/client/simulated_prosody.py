"""A small stand-in for Prosody with Jitsi's token plugins of 2026 and a jicofo that opens rooms.

It speaks XMPP over BOSH and WebSocket, authenticates with SASL ANONYMOUS and checks HS256 tokens. Hostile servers are
subclasses that override one method, so that each of them is wrong in one way only. Uses only Python's standard library.
"""

import base64
import hashlib
import hmac
import itertools
import json
import re
import secrets
import socket
import struct
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

BOSH = "http://jabber.org/protocol/httpbind"
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
STREAM = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
CLIENT = "jabber:client"
MUC = "http://jabber.org/protocol/muc"
FOCUS = "http://jitsi.org/protocol/focus"
JITMEET = "http://jitsi.org/jitmeet"

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
LONGEST_REQUEST = 1 << 20


# ---- tokens -----------------------------------------------------------------


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Site:
    """The domain and its credentials. `lenient` names checks to leave out, `strict` valid tokens to reject."""

    def __init__(self, domain, app_id, secret, lenient=(), strict=()):
        self.domain, self.app_id, self.secret = domain, app_id, secret
        self.lenient, self.strict = frozenset(lenient), frozenset(strict)

    def changed(self, lenient=(), strict=()):
        return Site(self.domain, self.app_id, self.secret, lenient, strict)

    def claims(self, token):
        """The claims of a token, whatever its signature; None if it is not a token."""
        try:
            return json.loads(decoded(token.split(".")[1]))
        except (ValueError, IndexError, AttributeError):
            return None

    def objection(self, token):
        """Why a login with this token is refused, as the check's name and the plugin's words; None if it is not."""
        faults = (fault for fault in self._faults(token) if fault[0] not in self.lenient)
        return next(faults, None)

    def _faults(self, token):
        if token is None:
            yield "no token", "token required"
            return
        claims = self.claims(token)
        if not isinstance(claims, dict) or token.count(".") != 2:
            yield "malformed", "Invalid token"
            return
        yield from self._signature(token)
        now = time.time()
        if claims.get("iss") != self.app_id:
            yield "issuer", "invalid 'iss' claim"
        if now >= claims.get("exp", 0):
            yield "expired", "Not acceptable by exp"
        if now < claims.get("nbf", 0):
            yield "not yet", "Not acceptable by nbf"
        if "room" not in claims:
            yield "no room", "room claim is missing"
        if "every room" in self.strict and claims.get("room") == "*":
            yield "every room", "Invalid token"

    def _signature(self, token):
        head, payload, signature = token.split(".")
        algorithm = json.loads(decoded(head)).get("alg")

        def signed_with(name):
            made = hmac.new(self.secret, f"{head}.{payload}".encode(), HASHES[name]).digest()
            return hmac.compare_digest(made, decoded(signature))

        if algorithm == "none":
            yield "unsigned", "Invalid or incorrect alg"
        elif algorithm in ("HS384", "HS512") and signed_with(algorithm):
            yield "other algorithm", "Invalid or incorrect alg"
        elif algorithm not in HASHES and signed_with("HS256"):
            yield "secret as key", "Invalid or incorrect alg"
        elif algorithm != "HS256" or not signed_with("HS256"):
            yield "signature", "Invalid signature"

    def room_objection(self, token, room):
        """Why this token does not open this room; None if it does."""
        claims = self.claims(token) or {}
        if "wrong room" not in self.lenient and claims.get("room") not in ("*", room):
            return "Room and token mismatched"
        if "wrong domain" not in self.lenient and claims.get("sub") not in ("*", self.domain):
            return "Room and token mismatched"
        if "right room" in self.strict and claims.get("room") == room:
            return "Room and token mismatched"
        return None


# ---- HTTP -------------------------------------------------------------------


class Request:
    """One HTTP request."""

    def __init__(self, head, body):
        line, *fields = head.decode("latin-1").split("\r\n")
        self.path = line.split(" ")[1]
        self.headers = {name.strip().lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        self.token = query.get("token", [None])[0]
        self.upgrade = self.headers.get("upgrade", "").lower() == "websocket"
        self.body = body


def read_request(connection):
    """The next request of a connection; None once the client has closed it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece or len(data) > LONGEST_REQUEST:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    length = min(int(length[1]), LONGEST_REQUEST) if length else 0
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            return None
        body += piece
    return Request(head, body)


def response(body, status="200 OK", kind="text/xml; charset=utf-8", headers=""):
    """A whole HTTP response."""
    if isinstance(body, str):
        body = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


# ---- WebSocket --------------------------------------------------------------


def accept_key(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def handshake(request, headers=""):
    """The answer that opens a WebSocket."""
    key = accept_key(request.headers.get("sec-websocket-key", ""))
    return (f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {key}\r\nSec-WebSocket-Protocol: xmpp\r\n{headers}\r\n").encode()


def frame(payload, kind=1, final=True, length=None):
    """One frame; it may claim another length than it has."""
    if isinstance(payload, str):
        payload = payload.encode()
    length = len(payload) if length is None else length
    first = (0x80 if final else 0) | kind
    if length < 126:
        head = struct.pack("!BB", first, length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, 126, length)
    else:
        head = struct.pack("!BBQ", first, 127, length)
    return head + payload


class Messages:
    """The messages that a WebSocket client sends."""

    def __init__(self, connection):
        self.connection = connection
        self.bytes = b""

    def _take(self, count):
        while len(self.bytes) < count:
            piece = self.connection.recv(65536)
            if not piece:
                raise EOFError
            self.bytes += piece
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def __iter__(self):
        text = b""
        while True:
            try:
                first, second = self._take(2)
                length = second & 0x7F
                if length == 126:
                    length, = struct.unpack("!H", self._take(2))
                elif length == 127:
                    length, = struct.unpack("!Q", self._take(8))
                mask = self._take(4) if second & 0x80 else bytes(4)
                payload = self._take(min(length, LONGEST_REQUEST))
            except EOFError:
                return
            payload = bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(mask)))
            kind = first & 0x0F
            if kind == 8:
                return
            if kind in (0, 1):
                text += payload
                if first & 0x80:
                    yield text
                    text = b""


# ---- XMPP -------------------------------------------------------------------


class Session:
    """One login."""

    def __init__(self, token):
        self.sid = secrets.token_hex(8)
        self.user = secrets.token_hex(8)
        self.token = token
        self.accepted = False
        self.wait = 5.0


def features(inner):
    return f"<stream:features xmlns:stream='{STREAM}'>{inner}</stream:features>"


def mechanisms(names):
    each = "".join(f"<mechanism>{escape(name)}</mechanism>" for name in names)
    return features(f"<mechanisms xmlns='{SASL}'>{each}</mechanisms>")


def failure(text, condition="not-allowed"):
    return f"<failure xmlns='{SASL}'><{condition}/><text>{escape(text)}</text></failure>"


SUCCESS = f"<success xmlns='{SASL}'/>"


class Prosody:
    """The good server. Each method that returns stanzas returns a list of XML texts."""

    #: Seconds before each answer.
    late = 0.0
    #: The longest time to hold an empty request, in seconds; None for as long as the client asked.
    hold = None

    def __init__(self, site):
        self.site = site
        self.sessions = {}
        self.lock = threading.Lock()

    # -- answers

    def stream(self, session):
        if session.accepted:
            return [features(f"<bind xmlns='{BIND}'/>")]
        return [mechanisms(["ANONYMOUS"])]

    def authenticate(self, session):
        objection = self.site.objection(session.token)
        if objection:
            return [failure(objection[1])]
        session.accepted = True
        return [SUCCESS]

    def bind(self, session, stanza):
        jid = f"{session.user}@{self.site.domain}/{session.user[:8]}"
        return [f"<iq xmlns='{CLIENT}' type='result' id={quoteattr(stanza.get('id', ''))}>"
                f"<bind xmlns='{BIND}'><jid>{jid}</jid></bind></iq>"]

    def open_room(self, _session, stanza):
        """Jicofo's answer."""
        room = stanza.find(f"{{{FOCUS}}}conference").get("room", "")
        return [f"<iq xmlns='{CLIENT}' type='result' id={quoteattr(stanza.get('id', ''))} "
                f"from={quoteattr(stanza.get('to', ''))}>"
                f"<conference xmlns='{FOCUS}' ready='true' room={quoteattr(room)}/></iq>"]

    def enter(self, session, stanza):
        place = stanza.get("to", "")
        room = place.partition("@")[0]
        objection = self.site.room_objection(session.token, room)
        if objection:
            bare = place.partition("/")[0]
            return [f"<presence xmlns='{CLIENT}' type='error' from={quoteattr(bare)}><error type='cancel'>"
                    f"<not-allowed xmlns='{STANZAS}'/><text xmlns='{STANZAS}'>{escape(objection)}</text>"
                    f"</error></presence>"]
        return [f"<presence xmlns='{CLIENT}' from={quoteattr(place)}><x xmlns='{MUC}#user'>"
                f"<item affiliation='none' role='participant'/><status code='110'/></x></presence>"]

    def news(self, _session):
        """What an empty request gets after it was held."""
        return []

    def answer(self, session, stanza):
        name = stanza.tag.rpartition("}")[2]
        if name == "auth":
            return self.authenticate(session)
        if name == "iq" and stanza.find(f"{{{BIND}}}bind") is not None:
            return self.bind(session, stanza)
        if name == "iq" and stanza.find(f"{{{FOCUS}}}conference") is not None:
            return self.open_room(session, stanza)
        if name == "presence" and stanza.get("type") is None:
            return self.enter(session, stanza)
        if name == "iq" and stanza.get("type") in ("get", "set"):
            return [f"<iq xmlns='{CLIENT}' type='result' id={quoteattr(stanza.get('id', ''))}/>"]
        return []

    # -- over BOSH

    def body(self, session, stanzas, attributes=""):
        return (f"<body xmlns='{BOSH}' xmlns:stream='{STREAM}' sid={quoteattr(session.sid)}{attributes}>"
                f"{''.join(stanzas)}</body>")

    def bosh(self, request):
        """The bytes that answer one BOSH request."""
        try:
            body = ET.fromstring(request.body)
        except ET.ParseError:
            return response("", "400 Bad Request")
        with self.lock:
            session = self.sessions.get(body.get("sid"))
        time.sleep(self.late)
        if body.get("sid") is None:
            session = Session(request.token)
            session.wait = min(float(body.get("wait", 5)), 60)
            with self.lock:
                self.sessions[session.sid] = session
            return response(self.body(session, self.stream(session)))
        if session is None:
            return response(f"<body xmlns='{BOSH}' type='terminate' condition='item-not-found'/>")
        stanzas = [said for stanza in body for said in self.answer(session, stanza)]
        if body.get("type") == "terminate":
            with self.lock:
                self.sessions.pop(session.sid, None)
            return response(self.body(session, [], " type='terminate'"))
        if any(name.endswith("restart") for name in body.keys()):
            stanzas += self.stream(session)
        if not stanzas:
            time.sleep(session.wait if self.hold is None else self.hold)
            stanzas = self.news(session)
        return response(self.body(session, stanzas))

    # -- over WebSocket

    def message(self, connection, text):
        connection.sendall(frame(text))

    def converse(self, connection, request):
        connection.sendall(handshake(request))
        session = Session(request.token)
        for text in Messages(connection):
            try:
                stanza = ET.fromstring(text)
            except ET.ParseError:
                break
            time.sleep(self.late)
            if stanza.tag == f"{{{FRAMING}}}open":
                self.message(connection, f"<open xmlns='{FRAMING}' from='{self.site.domain}' id='{session.sid}'/>")
                stanzas = self.stream(session)
            elif stanza.tag == f"{{{FRAMING}}}close":
                self.message(connection, f"<close xmlns='{FRAMING}'/>")
                break
            else:
                stanzas = self.answer(session, stanza)
            for stanza in stanzas:
                self.message(connection, stanza)

    # -- both

    def serve(self, connection, request=None):
        """Answers every request of a connection, beginning with the one that was read already, if any."""
        request = request or read_request(connection)
        while request is not None:
            if request.upgrade:
                self.converse(connection, request)
                return
            connection.sendall(self.bosh(request))
            request = read_request(connection)


def close(connection):
    """Ends a connection, whatever state it is in."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()
