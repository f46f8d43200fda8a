#!/usr/bin/env python3
"""Plays the jicofo of 2020, which is a component of Prosody's (XEP-0114): answers every request for a conference.

  focus.py DOMAIN SECRET_FILE    prints "ready" once Prosody knows it; runs until it is ended

It joins no room: in the templates of 2020, anybody may open one.
"""

import hashlib
import socket
import sys
import xml.etree.ElementTree as xml
from xml.sax.saxutils import quoteattr

COMPONENT, FOCUS = "jabber:component:accept", "http://jitsi.org/protocol/focus"


def answer(stanza, domain):
    to, number = (quoteattr(stanza.get(name, "")) for name in ("from", "id"))
    head = f"<iq from='focus.{domain}' to={to} id={number}"
    asked = stanza.find(f"{{{FOCUS}}}conference")
    if asked is None:
        return (f"{head} type='error'><error type='cancel'><feature-not-implemented "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
    room = quoteattr(asked.get("room", ""))
    return (f"{head} type='result'><conference xmlns='{FOCUS}' room={room} ready='true' "
            f"focusjid='focus@auth.{domain}'/></iq>")


def main():
    domain, secret = sys.argv[1], open(sys.argv[2], encoding="utf-8").read().strip()
    connection = socket.create_connection(("127.0.0.1", 5347))
    connection.sendall(f"<stream:stream xmlns='{COMPONENT}' xmlns:stream='http://etherx.jabber.org/streams' "
                       f"to='focus.{domain}'>".encode())
    parser, depth = xml.XMLPullParser(["start", "end"]), 0
    while piece := connection.recv(65536):
        parser.feed(piece)
        for event, element in parser.read_events():
            depth += 1 if event == "start" else -1
            if event == "start" and depth == 1:
                proof = hashlib.sha1((element.get("id") + secret).encode()).hexdigest()
                connection.sendall(f"<handshake>{proof}</handshake>".encode())
            elif event == "end" and depth == 1:
                if element.tag == f"{{{COMPONENT}}}handshake":
                    print("ready", flush=True)
                elif element.tag == f"{{{COMPONENT}}}iq" and element.get("type") in ("get", "set"):
                    connection.sendall(answer(element, domain).encode())


if __name__ == "__main__":
    main()
