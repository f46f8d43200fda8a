"""XMPP over WebSocket (RFC 6455 and 7395) with nothing but Python's standard library: text frames, pings, closing."""

import base64
import os
import socket
import struct
import time
import urllib.parse
import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
STREAM = "http://etherx.jabber.org/streams"


def session_class(errors):
    """A session that raises the caller's own errors: (Down, Gone, Silent)."""
    down, gone, silent = errors

    class Session:
        """The same methods as the session over BOSH."""

        def __init__(self, options, token):
            query = {"room": options.room}
            if token is not None:
                query["token"] = token
            self.path = options.url_path.replace("/http-bind", "/xmpp-websocket") + "?" + urllib.parse.urlencode(query)
            self.address, self.port, self.host = options.address, options.port, options.host
            self.timeout = options.timeout
            self.sid = None
            self.bytes = b""

        def _connect(self):
            try:
                self.socket = socket.create_connection((self.address, self.port), self.timeout)
            except OSError as error:
                raise down(str(error)) from error
            key = base64.b64encode(os.urandom(16)).decode()
            self.socket.sendall((
                f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Origin: https://{self.host}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                "Sec-WebSocket-Protocol: xmpp\r\n\r\n").encode())
            while b"\r\n\r\n" not in self.bytes:
                self._more(time.monotonic() + self.timeout)
            head, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
            status = head.split(b" ", 2)[1].decode()
            if status != "101":
                raise gone(f"HTTP {status}")
            self.sid = "open"

        def _more(self, end):
            left = end - time.monotonic()
            if left <= 0:
                raise silent("no answer")
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(65536)
            except TimeoutError as error:
                raise silent("no answer") from error
            except OSError as error:
                raise gone(f"connection lost: {error}") from error
            if not piece:
                raise gone("connection closed")
            self.bytes += piece

        def _take(self, count, end):
            while len(self.bytes) < count:
                self._more(end)
            taken, self.bytes = self.bytes[:count], self.bytes[count:]
            return taken

        def _frame(self, kind, payload):
            mask = os.urandom(4)
            length = len(payload)
            if length < 126:
                head = struct.pack("!BB", 0x80 | kind, 0x80 | length)
            else:
                head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, length)
            masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
            self.socket.sendall(head + mask + masked)

        def _message(self, end):
            text = b""
            while True:
                first, second = self._take(2, end)
                length = second & 0x7F
                if length == 126:
                    length, = struct.unpack("!H", self._take(2, end))
                elif length == 127:
                    length, = struct.unpack("!Q", self._take(8, end))
                payload = self._take(length, end)
                kind = first & 0x0F
                if kind == 9:
                    self._frame(10, payload)
                elif kind == 8:
                    raise gone("connection closed")
                elif kind in (0, 1):
                    text += payload
                    if first & 0x80:
                        return text

        def send(self, stanza="", attributes="", timeout=None):
            if stanza:
                self._frame(1, stanza.encode())

        def until(self, wanted):
            end = time.monotonic() + self.timeout
            while True:
                try:
                    element = ET.fromstring(self._message(end))
                except ET.ParseError as error:
                    raise gone(f"not XML: {error}") from error
                if element.tag == f"{{{STREAM}}}error":
                    raise gone("stream error: " + " ".join(element.itertext()).strip())
                if element.tag == f"{{{FRAMING}}}close":
                    raise gone("session ended by the server")
                if wanted(element):
                    return element

        def open(self):
            self._connect()
            return self.restart()

        def restart(self):
            self.send(f"<open xmlns='{FRAMING}' to={quoteattr(self.host)} version='1.0'/>")
            return self.until(lambda element: element.tag == f"{{{STREAM}}}features")

        def close(self):
            try:
                self.send(f"<close xmlns='{FRAMING}'/>")
                self.socket.close()
            except OSError:
                pass

    return Session
