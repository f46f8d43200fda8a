"""The ways in which a server can misbehave towards a client that logs in.

A way is a function of the connection. `http` ways misbehave from the first byte on or once a request has come, `xml`
and `xmpp` ways inside a BOSH answer or a WebSocket message, `ws` ways in WebSocket frames, `tls` ways below HTTP; the
`good` ones are right in everything, the `only` ones in all but one login. Uses only Python's standard library.
"""

import base64
import gzip
import json
import random
import socket
import struct
import time

from simulated_prosody import (
    BOSH, CLIENT, FRAMING, JITMEET, MUC, SASL, STANZAS, STREAM, SUCCESS, Messages, Prosody, close, failure, features,
    frame, handshake, mechanisms, read_request, response)

#: Seconds; longer than any client may take.
END = 90
MIB = 1 << 20
#: Text that must not reach a terminal: C1 controls, bidirectional overrides, zero-width characters.
ODD = "\u009b31m\u202egnp.exe\u2066\u200b\u200f\u2028\ufeff\u0085\U000e0041"
#: The same in bytes, after the usual escape sequences; not allowed in XML.
ESCAPES = b"\x1b[2J\x1b]0;owned\x07\x1b[31m" + ODD.encode()


# ---- ways of sending --------------------------------------------------------


def drip(connection, data, pause=1.0):
    """Sends one byte at a time."""
    until = time.monotonic() + END
    for at in range(len(data)):
        if time.monotonic() > until:
            break
        connection.sendall(data[at:at + 1])
        time.sleep(pause)
    silence(connection)


def flood(connection, piece):
    """Sends the same bytes again and again, about 30 MB a second."""
    piece = piece * max(1, 65536 // len(piece))
    until = time.monotonic() + END
    while time.monotonic() < until:
        connection.sendall(piece)
        time.sleep(0.002)


def silence(connection):
    """Sends nothing until the client has closed the connection."""
    until = time.monotonic() + END
    while time.monotonic() < until:
        if not connection.recv(65536):
            break


def reset(connection):
    """Ends the connection as a crash does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


# ---- below and in HTTP ------------------------------------------------------


def after_request(act):
    """A way that starts once a request has come."""
    def way(connection):
        request = read_request(connection)
        if request is not None:
            act(connection, request)
    return way


def says(data):
    """Answers with these bytes and keeps the connection open."""
    def act(connection, _request):
        connection.sendall(data)
        silence(connection)
    return act


def says_and(data, then):
    def act(connection, _request):
        connection.sendall(data)
        then(connection)
    return act


def answers(*args, **more):
    """Answers every request with the same response."""
    data = response(*args, **more)

    def act(connection, request):
        while request is not None:
            connection.sendall(data)
            request = read_request(connection)
    return act


def never_reads(connection):
    time.sleep(END)


def storm(data, pause):
    def act(connection, _request):
        until = time.monotonic() + END
        while time.monotonic() < until:
            connection.sendall(data)
            time.sleep(pause)
    return act


def gigabyte(connection, _request):
    connection.sendall(HEAD + b"Content-Length: 1073741824\r\n\r\n")
    for _ in range(1024):
        connection.sendall(b" " * MIB)
        time.sleep(0.02)


def gzip_bomb(connection, _request):
    member = gzip.compress(bytes(64 * MIB), 9)
    body = member * 64
    connection.sendall(response(body, headers="Content-Encoding: gzip\r\n"))
    silence(connection)


def redirect(to, status="302 Found"):
    return answers("", status=status, headers=f"Location: {to}\r\n")


def redirect_to_itself(connection, request):
    while request is not None:
        connection.sendall(response("", "307 Temporary Redirect", headers=f"Location: {request.path}\r\n"))
        request = read_request(connection)


def repeats_the_first_answer(site):
    """Repeats its very first answer to every request on every connection."""
    prosody, first = Prosody(site), []

    def act(connection, request):
        while request is not None:
            first.append(prosody.bosh(request) if not first else first[0])
            connection.sendall(first[0])
            request = read_request(connection)
    return act


HTTP = {
    "http-never-answers": after_request(lambda connection, _: silence(connection)),
    "http-never-reads": never_reads,
    "http-head-drip": after_request(lambda connection, _: drip(connection, HEAD + b"X-Slow: " + b"a" * 200)),
    "http-endless-headers": after_request(says_and(HEAD, lambda c: flood(c, b"X-Header: 1\r\n"))),
    "http-endless-header-line": after_request(says_and(HEAD + b"X-Long: ", lambda c: flood(c, b"a"))),
    "http-endless-status-line": after_request(says_and(b"HTTP/1.1 200 ", lambda c: flood(c, b"OK"))),
    "http-endless-body": after_request(says_and(HEAD + b"\r\n", lambda c: flood(c, b"<body>"))),
    "http-body-drip": after_request(
        lambda connection, _: (connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n"), drip(connection, b" " * 99))),
    "http-gigabyte-announced": after_request(says(HEAD + b"Content-Length: 1073741824\r\n\r\n<body")),
    "http-gigabyte-sent": after_request(gigabyte),
    "http-negative-length": after_request(says(HEAD + b"Content-Length: -1\r\n\r\n")),
    "http-two-lengths": after_request(says(HEAD + b"Content-Length: 5\r\nContent-Length: 50000000\r\n\r\n<body")),
    "http-endless-chunks": after_request(says_and(CHUNKED, lambda c: flood(c, b"1000\r\n" + b" " * 4096 + b"\r\n"))),
    "http-chunk-drip": after_request(
        lambda connection, _: (connection.sendall(CHUNKED), drip(connection, b"1\r\n \r\n" * 20))),
    "http-wrong-chunk-size": after_request(says(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n")),
    "http-huge-chunk-size": after_request(says_and(CHUNKED + b"ffffffffffffffff\r\n", lambda c: flood(c, b" "))),
    "http-endless-chunk-extension": after_request(says_and(CHUNKED + b"1;", lambda c: flood(c, b"x=y;"))),
    "http-endless-trailers": after_request(says_and(CHUNKED + b"0\r\n", lambda c: flood(c, b"X-Trailer: 1\r\n"))),
    "http-gzip-bomb": after_request(gzip_bomb),
    "http-continue-storm": after_request(storm(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.002)),
    "http-continue-drip": after_request(storm(b"HTTP/1.1 100 Continue\r\n\r\n", 0.2)),
    "http-early-hints-drip": after_request(storm(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0.2)),
    "http-switches-protocols": after_request(
        says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n")),
    "http-redirect-loop": after_request(redirect_to_itself),
    "http-redirect-to-a-file": after_request(redirect("file:///etc/shadow")),
    "http-redirect-elsewhere": after_request(redirect("http://192.0.2.1:9/http-bind", "301 Moved Permanently")),
    "http-0.9": after_request(says_and(b"<body xmlns='http://jabber.org/protocol/httpbind' sid='a'/>", close)),
    "http-nul-bytes": after_request(says_and(bytes(100_000), close)),
    "http-escapes-in-the-status": after_request(
        says_and(b"HTTP/1.1 500 " + ESCAPES + b"\r\nContent-Length: 0\r\n\r\n", close)),
    "http-odd-status": after_request(says_and(b"HTTP/1.1 99999 Odd\r\nContent-Length: 0\r\n\r\n", close)),
    "http-web-page": after_request(answers("<!DOCTYPE html><html></html>", kind="text/html")),
    "http-bad-gateway": after_request(answers("", status="502 Bad Gateway")),
    "http-reset-at-once": reset,
    "http-reset-after-the-request": after_request(lambda connection, _: reset(connection)),
    "http-reset-in-the-head": after_request(says_and(HEAD, lambda c: (time.sleep(0.2), reset(c)))),
    "http-reset-in-the-body": after_request(
        says_and(HEAD + b"Content-Length: 100\r\n\r\n<body", lambda c: (time.sleep(0.2), reset(c)))),
    "http-closed-at-once": close,
    "http-closed-after-the-request": after_request(lambda connection, _: close(connection)),
    "http-closed-in-the-body": after_request(says_and(HEAD + b"Content-Length: 100\r\n\r\n<body", close)),
}


# ---- documents in place of keys ---------------------------------------------


def keys(document, headers="Cache-Control: max-age=3600\r\n"):
    """Answers every request with this document as JSON."""
    text = document if isinstance(document, str) else json.dumps(document)
    return after_request(answers(text, kind="application/json", headers=headers))


def key(kid, **more):
    """An RSA key of 2048 bits whose private half nobody has."""
    return {"kty": "RSA", "kid": kid, "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xc5" * 256).decode().strip("=")} | more


KEYS = {
    "keys-odd-kid": keys({"keys": [key("\x1b[2J\x1b]0;owned\x07" + ODD)]}),
    "keys-long-kid": keys({"keys": [key("k" * 200_000)]}),
    "keys-kid-that-is-a-path": keys({"keys": [key("../../../../etc/shadow")]}),
    "keys-many": keys({"keys": [key(f"k{at}") for at in range(500)]}),
    "keys-many-of-no-use": keys({"keys": [{"kty": "EC", "kid": f"curve {at}"} for at in range(5000)]}),
    "keys-nested": keys('{"keys": ' + "[" * 100_000),
    "keys-odd-member": keys({ODD * 1000: 5}),
    "keys-odd-certificate": keys({"one": "-----BEGIN CERTIFICATE-----\n" + ODD * 1000}),
    "keys-huge-numbers": keys({"keys": [key("one", n="A" * 200_000), key("two", e="_" * 20_000)]}),
    "keys-odd-max-age": keys({"keys": [key("one")]}, "Cache-Control: max-age=" + "x" * 10_000 + "\r\n"),
    "keys-odd-issuer": keys({"issuer": ODD * 10_000}),
    "keys-odd-location": after_request(answers("", status="302 Found", headers="Location: http://" + "a" * 10_000 + "\r\n")),
}


# ---- XML in a BOSH answer or a WebSocket message ----------------------------

START = f"<body xmlns='{BOSH}' xmlns:stream='{STREAM}' sid='a'>"


def nested(count, namespaces=False):
    if namespaces:
        opening = "".join(f"<n{at}:a xmlns:n{at}='urn:n{at}'>" for at in range(count))
        return opening + "".join(f"</n{at}:a>" for at in reversed(range(count)))
    return "<a>" * count + "</a>" * count


def attributes(count):
    return "<a " + " ".join(f"a{at:x}=''" for at in range(count)) + "/>"


def declarations(count):
    return "<a " + " ".join(f"xmlns:n{at}='urn:n{at}'" for at in range(count)) + "/>"


def entities():
    lines = ["<!ENTITY a0 'ha'>"] + [f"<!ENTITY a{at} '{f'&a{at - 1};' * 10}'>" for at in range(1, 12)]
    return f"<!DOCTYPE body [{''.join(lines)}]>{START}&a11;</body>"


def quadratic_entities():
    return f"<!DOCTYPE body [<!ENTITY a '{'ha' * 20_000}'>]>{START}{'&a;' * 20_000}</body>"


def in_body(inner):
    return lambda: START + inner() + "</body>"


XML = {
    "xml-nested-15000": in_body(lambda: nested(15_000)),
    # As many as fit into a megabyte.
    "xml-nested-140000": in_body(lambda: nested(140_000)),
    "xml-nested-200000": in_body(lambda: nested(200_000)),
    "xml-nested-namespaces-20000": in_body(lambda: nested(20_000, True)),
    "xml-attributes-80000": in_body(lambda: attributes(80_000)),
    "xml-namespaces-on-one-20000": in_body(lambda: declarations(20_000)),
    "xml-elements-80000": in_body(lambda: "<a/>" * 80_000),
    "xml-comments": in_body(lambda: "<!---->" * 100_000),
    "xml-instructions": in_body(lambda: "<?a b?>" * 100_000),
    "xml-megabyte-of-text": in_body(lambda: "a" * (MIB - 1000)),
    "xml-megabyte-of-a-name": in_body(lambda: f"<{'a' * (MIB - 1000)}/>"),
    "xml-entities": entities,
    "xml-quadratic-entities": quadratic_entities,
    "xml-external-entity": lambda: (f"<!DOCTYPE body [<!ENTITY a SYSTEM 'file:///etc/shadow'>]>{START}"
                                    f"{features('<mechanisms>&a;</mechanisms>')}</body>"),
    "xml-invalid-utf-8": lambda: START.encode() + b"\xff\xfe\x80" * 10_000 + b"</body>",
    "xml-utf-16": lambda: ("<?xml version='1.0' encoding='utf-16'?>" + START + "</body>").encode("utf-16"),
    "xml-unterminated": lambda: START + "<a b='" + "c" * 100_000,
    "xml-huge-session-id": lambda: f"<body xmlns='{BOSH}' sid='{'a' * (MIB - 200)}'>{mechanisms(['ANONYMOUS'])}</body>",
    "xml-odd-session-id": lambda: f"<body xmlns='{BOSH}' sid=\"{ODD}&amp;'&lt;\">{mechanisms(['ANONYMOUS'])}</body>",
    "xml-terminates-oddly": lambda: f"<body xmlns='{BOSH}' type='terminate' condition='{ODD}'/>",
    "xml-terminates-at-length": lambda: f"<body xmlns='{BOSH}' type='terminate' condition='{'why ' * 100_000}'/>",
    "xml-stream-error": lambda: (f"{START[:-1]} type='terminate' condition='remote-stream-error'><stream:error>"
                                 f"<undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                                 f"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{ODD}&#10;Done: all is well"
                                 f"{'a' * 100_000}</text></stream:error></body>"),
    "xml-escapes": lambda: START.encode() + b"<a>" + ESCAPES + b"</a></body>",
}


def as_bytes(text):
    return text.encode() if isinstance(text, str) else text


def in_bosh(make):
    """Answers every request with this XML."""
    def act(connection, request):
        data = response(as_bytes(make()))
        while request is not None:
            connection.sendall(data)
            request = read_request(connection)
    return act


def in_message(make):
    """Answers every message with this XML."""
    def act(connection, request):
        connection.sendall(handshake(request))
        data = frame(as_bytes(make()))
        for _ in Messages(connection):
            connection.sendall(data)
    return act


# ---- XMPP -------------------------------------------------------------------


class NoFeatures(Prosody):
    def stream(self, session):
        return []


class EmptyAtOnce(NoFeatures):
    hold = 0


class EmptySoon(NoFeatures):
    hold = 0.15


class FeaturesForEver(Prosody):
    hold = 0

    def authenticate(self, session):
        return self.stream(session)

    def news(self, session):
        return self.stream(session)


class NoMechanism(Prosody):
    def stream(self, session):
        return [mechanisms([])]

    def authenticate(self, session):
        return [failure("", "invalid-mechanism")]


class OddMechanisms(NoMechanism):
    def stream(self, session):
        return [mechanisms([ODD, "PLAIN", "X" * 10_000])]


class ManyMechanisms(NoMechanism):
    def stream(self, session):
        return [mechanisms(["PLAIN"] * 20_000)]


class SuccessFirst(Prosody):
    """Sends success before anybody asks for it, and a failure to those who do."""

    def stream(self, session):
        return [*super().stream(session), SUCCESS]

    def authenticate(self, session):
        return [failure("Invalid signature")]


class SuccessAndFailure(Prosody):
    def authenticate(self, session):
        session.accepted = True
        return [SUCCESS, failure("Invalid signature")]


class EverybodyIsIn(Prosody):
    def authenticate(self, session):
        session.accepted = True
        return [SUCCESS]


class OddRefusal(Prosody):
    def authenticate(self, session):
        return [failure(ODD + "\nDone: a valid token opens its room" + "a" * 100_000, "not-allowed")]


class OddCondition(Prosody):
    def authenticate(self, session):
        return [f"<failure xmlns='{SASL}'><{'a' * 50_000}/><text>{'Invalid iss ' * 1000}</text></failure>"]


class SilentAtLogin(Prosody):
    def authenticate(self, session):
        return []


class NeverBinds(Prosody):
    def bind(self, session, stanza):
        return []


class OddAddress(Prosody):
    """The address becomes part of the client's name in rooms."""

    def bind(self, session, stanza):
        return [f"<iq xmlns='{CLIENT}' type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                f"<jid>{ODD}'/&gt;&lt;presence&gt;@{'a' * 100_000}</jid></bind></iq>"]

    def enter(self, session, stanza):
        return []


class OddJicofo(Prosody):
    def open_room(self, session, stanza):
        return [f"<iq xmlns='{CLIENT}' type='error' id='{stanza.get('id')}'><error type='cancel'>"
                f"<not-acceptable xmlns='{STANZAS}'/><text xmlns='{STANZAS}'>{ODD}{'a' * 50_000}</text></error></iq>"]

    def enter(self, session, stanza):
        return refused_room(stanza, ODD)


class JicofoIsNeverReady(Prosody):
    def open_room(self, session, stanza):
        return [text.replace("ready='true'", "ready='false'") for text in super().open_room(session, stanza)]

    def enter(self, session, stanza):
        return refused_room(stanza, "Room creation is restricted")


class AnswersForOthers(Prosody):
    """Each answer has the ID of another request, or comes from another room."""

    def open_room(self, session, stanza):
        return [text.replace("id=", "id='x' other=") for text in super().open_room(session, stanza)]

    def enter(self, session, stanza):
        return [f"<presence xmlns='{CLIENT}' from='other-{random.random()}@conference.{self.site.domain}/me'>"
                f"<x xmlns='{MUC}#user'><status code='110'/></x></presence>"]


class PresenceStorm(Prosody):
    """Other people keep entering the room, without end."""

    hold = 0
    each = 2000

    def others(self):
        return [f"<presence xmlns='{CLIENT}' from='tea@conference.{self.site.domain}/guest{at}'/>"
                for at in range(self.each)]

    def enter(self, session, stanza):
        return self.others()

    def news(self, session):
        return self.others()


class NewSessionEachTime(Prosody):
    """Every answer names another session, and the old one is forgotten."""

    def body(self, session, stanzas, attributes=""):
        session.sid += "x"
        return super().body(session, stanzas, attributes)


class RefusesWithRubbish(Prosody):
    def enter(self, session, stanza):
        return refused_room(stanza, ODD * 1000, f"<{'b' * 20_000} xmlns='{JITMEET}'/>")


def refused_room(stanza, text, more=""):
    room = stanza.get("to", "").partition("/")[0]
    return [f"<presence xmlns='{CLIENT}' type='error' from='{room}'><error type='cancel'>"
            f"<not-allowed xmlns='{STANZAS}'/><text xmlns='{STANZAS}'>{text}</text>{more}</error></presence>"]


XMPP = {
    "xmpp-no-features": NoFeatures,
    "xmpp-empty-answers-at-once": EmptyAtOnce,
    "xmpp-empty-answers-for-ever": EmptySoon,
    "xmpp-features-for-ever": FeaturesForEver,
    "xmpp-no-mechanism": NoMechanism,
    "xmpp-odd-mechanisms": OddMechanisms,
    "xmpp-many-mechanisms": ManyMechanisms,
    "xmpp-success-first": SuccessFirst,
    "xmpp-success-and-failure": SuccessAndFailure,
    "xmpp-everybody-is-in": EverybodyIsIn,
    "xmpp-odd-refusal": OddRefusal,
    "xmpp-odd-condition": OddCondition,
    "xmpp-silent-at-login": SilentAtLogin,
    "xmpp-never-binds": NeverBinds,
    "xmpp-odd-address": OddAddress,
    "xmpp-odd-jicofo": OddJicofo,
    "xmpp-jicofo-is-never-ready": JicofoIsNeverReady,
    "xmpp-answers-for-others": AnswersForOthers,
    "xmpp-presence-storm": PresenceStorm,
    "xmpp-new-session-each-time": NewSessionEachTime,
    "xmpp-rooms-refuse-with-rubbish": RefusesWithRubbish,
}


# ---- WebSocket --------------------------------------------------------------


def shaken(act):
    """A way that starts once a WebSocket is open and the client has sent something."""
    def way(connection, request):
        connection.sendall(handshake(request))
        for _ in Messages(connection):
            act(connection)
            return
    return way


def masked(payload):
    return bytes([0x81, 0x80 | len(payload)]) + b"abcd" + bytes(b ^ b"abcd"[at % 4] for at, b in enumerate(payload))


OPEN = f"<open xmlns='{FRAMING}' from='meet.example.org' id='a'/>".encode()


def big_message(fragments):
    def act(connection):
        if not fragments:
            connection.sendall(frame(b"", length=64 * MIB))
        for at in range(64):
            piece = b" " * MIB
            connection.sendall(frame(piece, kind=0 if at else 1, final=False) if fragments else piece)
        silence(connection)
    return act


def ping_drip(connection):
    until = time.monotonic() + END
    while time.monotonic() < until:
        connection.sendall(frame(b"p", kind=9))
        time.sleep(0.2)


WS = {
    "ws-never-answers": lambda connection, _: silence(connection),
    "ws-handshake-drip": lambda connection, request: drip(connection, handshake(request)),
    "ws-endless-handshake-headers": says_and(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n", lambda c: flood(c, b"X-Header: 1\r\n")),
    "ws-endless-handshake-line": says_and(b"HTTP/1.1 101 ", lambda c: flood(c, b"a")),
    "ws-continue-storm": storm(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.002),
    "ws-wrong-key": lambda connection, request: says(
        handshake(request).replace(b"Accept: ", b"Accept: AAAA"))(connection, request),
    "ws-web-page": answers("<!DOCTYPE html><html></html>", kind="text/html"),
    "ws-refused-endlessly": says_and(b"HTTP/1.1 403 Forbidden\r\n\r\n", lambda c: flood(c, b"no ")),
    "ws-escapes-in-the-status": says_and(b"HTTP/1.1 500 " + ESCAPES + b"\r\nContent-Length: 0\r\n\r\n", close),
    "ws-reset-in-the-handshake": says_and(b"HTTP/1.1 101 Swi", lambda c: (time.sleep(0.2), reset(c))),
    "ws-silent-once-open": shaken(silence),
    "ws-frame-drip": shaken(lambda c: drip(c, frame(OPEN))),
    "ws-frame-header-drip": shaken(lambda c: drip(c, frame(b"", length=MIB))),
    "ws-endless-fragments": shaken(
        lambda c: (c.sendall(frame(b"<a>", final=False)), flood(c, frame(b"<a>", kind=0, final=False)))),
    "ws-endless-empty-fragments": shaken(
        lambda c: (c.sendall(frame(b"", final=False)), flood(c, frame(b"", kind=0, final=False)))),
    "ws-endless-pings": shaken(lambda c: flood(c, frame(b"p" * 100, kind=9))),
    "ws-ping-drip": shaken(ping_drip),
    "ws-endless-pongs": shaken(lambda c: flood(c, frame(b"", kind=10))),
    "ws-endless-empty-messages": shaken(lambda c: flood(c, frame(b""))),
    "ws-endless-messages": shaken(lambda c: flood(c, frame(b"<message xmlns='jabber:client'/>"))),
    "ws-length-2^63": shaken(lambda c: (c.sendall(frame(b"<a", length=1 << 63)), silence(c))),
    "ws-length-2^63-and-bytes": shaken(lambda c: (c.sendall(frame(b"<a", length=(1 << 63) - 1)), flood(c, b" "))),
    "ws-64-mib-frame": shaken(big_message(False)),
    "ws-64-mib-fragments": shaken(big_message(True)),
    "ws-binary": shaken(lambda c: (c.sendall(frame(OPEN, kind=2)), silence(c))),
    "ws-endless-binary": shaken(lambda c: flood(c, frame(OPEN, kind=2))),
    "ws-masked": shaken(lambda c: (c.sendall(masked(OPEN)), silence(c))),
    "ws-unknown-frames": shaken(lambda c: (c.sendall(frame(OPEN, kind=7)), silence(c))),
    "ws-invalid-utf-8": shaken(lambda c: (c.sendall(frame(b"\xff\xfe<a/>")), silence(c))),
    "ws-closes-without-end": shaken(lambda c: (c.sendall(frame(b"", kind=8)), silence(c))),
    "ws-closes-oddly": shaken(lambda c: (c.sendall(frame(b"\x03\xe8" + ODD.encode()[:120], kind=8)), close(c))),
    "ws-closed-at-once": shaken(close),
    "ws-reset": shaken(reset),
    "ws-stream-error": shaken(lambda c: (c.sendall(frame(
        f"<stream:error xmlns:stream='{STREAM}'><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        f"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{ODD}&#10;Done: all is well</text></stream:error>")),
        silence(c))),
}


# ---- below TLS: the first bytes are not decrypted ---------------------------


def record(kind, payload, version=b"\x03\x03"):
    return bytes([kind]) + version + struct.pack("!H", len(payload)) + payload


def once_greeted(act):
    """A way that starts once the client's first TLS bytes have come."""
    def way(connection):
        if connection.recv(65536):
            act(connection)
    return way


TLS = {
    "tls-never-answers": silence,
    "tls-drip": once_greeted(lambda c: drip(c, record(22, b"\x02\x00\x00\x50" + bytes(80)))),
    "tls-endless-handshake": once_greeted(
        lambda c: (c.sendall(record(22, b"\x02\xff\xff\xff" + bytes(1000))), flood(c, record(22, bytes(16_000))))),
    "tls-endless-empty-records": once_greeted(lambda c: flood(c, record(22, b""))),
    "tls-endless-warnings": once_greeted(lambda c: flood(c, record(21, b"\x01\x5a"))),
    "tls-warning-drip": once_greeted(lambda c: storm(record(21, b"\x01\x5a"), 0.5)(c, None)),
    "tls-huge-record": once_greeted(lambda c: (c.sendall(b"\x16\x03\x03\xff\xff"), flood(c, b"a"))),
    "tls-fatal-alert": once_greeted(lambda c: (c.sendall(record(21, b"\x02\x28")), close(c))),
    "tls-plain-http": once_greeted(lambda c: (c.sendall(response("", "400 Bad Request")), close(c))),
    "tls-garbage": once_greeted(lambda c: (c.sendall(ESCAPES * 100), close(c))),
    "tls-reset": once_greeted(reset),
    "tls-closed": once_greeted(close),
}


# ---- good ones --------------------------------------------------------------


class Late(Prosody):
    late = 0.3


#: Logins that are wrongly accepted or rejected, and what makes the server do so: (lenient, strict).
ONLY = {
    "only-no-token": (["no token"], []),
    "only-malformed": (["malformed"], []),
    "only-unsigned": (["unsigned"], []),
    "only-other-algorithm": (["other algorithm"], []),
    "only-secret-as-key": (["secret as key"], []),
    "only-signature": (["signature"], []),
    "only-expired": (["expired"], []),
    "only-not-yet": (["not yet"], []),
    "only-issuer": (["issuer"], []),
    "only-no-room": (["no room"], []),
    "only-wrong-room": (["wrong room"], []),
    "only-wrong-domain": (["wrong domain"], []),
    "only-every-room": ([], ["every room"]),
    "only-right-room": ([], ["right room"]),
}


class OnlyGoodTokens(Prosody):
    """Good to those whose login has to succeed; misbehaves toward all others."""

    def __init__(self, site, misbehave):
        super().__init__(site)
        self.misbehave = misbehave

    def serve(self, connection, request=None):
        request = request or read_request(connection)
        while request is not None:
            if self.site.objection(request.token):
                self.misbehave(connection, request)
                return
            if request.upgrade:
                self.converse(connection, request)
                return
            connection.sendall(self.bosh(request))
            request = read_request(connection)


class OverBoshAlone(Prosody):
    """Good over BOSH; silent over WebSocket."""

    def converse(self, connection, request):
        silence(connection)


#: How the server treats every login that must fail, while it serves valid tokens well.
OTHERS = {
    "others-are-not-answered": ("bosh", lambda connection, _: silence(connection)),
    "others-get-nested-elements": ("bosh", in_bosh(XML["xml-nested-140000"])),
    "others-get-elements": ("bosh", in_bosh(XML["xml-elements-80000"])),
    "others-get-attributes": ("bosh", in_bosh(XML["xml-attributes-80000"])),
    "others-get-a-gigabyte": ("bosh", gigabyte),
    "others-are-reset": ("bosh", lambda connection, _: reset(connection)),
    "others-get-64-mib-frames": ("websocket", shaken(big_message(False))),
    "others-get-endless-pings": ("websocket", shaken(lambda c: flood(c, frame(b"p" * 100, kind=9)))),
    "others-get-a-frame-drip": ("websocket", shaken(lambda c: drip(c, frame(OPEN)))),
}


# ---- the list ---------------------------------------------------------------


class Way:
    """A way, and how a client has to connect to it."""

    def __init__(self, name, act, transport="bosh", tls=None, insecure=False, good=False):
        self.name, self.act, self.transport = name, act, transport
        #: The certificate that encrypts what the way sends; None for none, "raw" if it speaks below TLS itself.
        self.tls = tls
        self.insecure = insecure
        self.good = good


def misbehaving(site):
    for name, act in (HTTP | KEYS).items():
        yield Way(name, act)
    yield Way("http-repeats-the-first-answer", after_request(repeats_the_first_answer(site)))
    for name, make in XML.items():
        yield Way(name, after_request(in_bosh(make)))
    for name in ("xml-nested-15000", "xml-nested-200000", "xml-nested-namespaces-20000", "xml-attributes-80000",
                 "xml-elements-80000", "xml-entities", "xml-megabyte-of-text", "xml-escapes"):
        yield Way(f"ws-{name}", after_request(in_message(XML[name])), "websocket")
    for name, kind in XMPP.items():
        yield Way(name, kind(site).serve)
    for name in ("xmpp-no-features", "xmpp-success-first", "xmpp-success-and-failure", "xmpp-odd-refusal",
                 "xmpp-never-binds", "xmpp-presence-storm", "xmpp-answers-for-others"):
        yield Way(f"ws-{name}", XMPP[name](site).serve, "websocket")
    for name, act in WS.items():
        yield Way(name, after_request(act), "websocket")
    for name, act in TLS.items():
        yield Way(name, act, tls="raw", insecure=True)
    for name in ("tls-never-answers", "tls-drip", "tls-endless-handshake", "tls-fatal-alert"):
        yield Way(f"ws-{name}", TLS[name], "websocket", tls="raw", insecure=True)
    yield Way("tls-chain-of-a-megabyte", Prosody(site).serve, tls="chain", insecure=True)
    yield Way("tls-wrong-name", Prosody(site).serve, tls="wrong-name")
    yield Way("tls-unknown-authority", Prosody(site).serve, tls="unknown")
    yield Way("ws-tls-wrong-name", Prosody(site).serve, "websocket", tls="wrong-name")
    for name in ("http-head-drip", "http-endless-headers", "http-endless-body", "http-reset-in-the-body"):
        yield Way(f"tls-{name}", HTTP[name], tls="good", insecure=True)
    yield Way("tls-ws-frame-drip", after_request(WS["ws-frame-drip"]), "websocket", tls="good", insecure=True)


def ways(site):
    """All ways."""
    yield from misbehaving(site)
    for transport in ("bosh", "websocket"):
        yield Way(f"good-{transport}", Prosody(site).serve, transport, good=True)
        yield Way(f"good-late-{transport}", Late(site).serve, transport, good=True)
        yield Way(f"good-tls-{transport}", Prosody(site).serve, transport, tls="good", good=True)
    yield Way("good-over-bosh-alone", OverBoshAlone(site).serve, "both")
    for name, (lenient, strict) in ONLY.items():
        yield Way(name, Prosody(site.changed(lenient, strict)).serve)
    for name, (transport, misbehave) in OTHERS.items():
        yield Way(name, OnlyGoodTokens(site, misbehave).serve, transport)
