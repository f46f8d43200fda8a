#!/usr/bin/env python3
"""Plays servers that misbehave, each at a port of its own on 127.0.0.1.

  hostile_server.py PORT DOMAIN APP_ID SECRET_FILE [CERTIFICATES]

Prints one line of JSON once all of them listen: a list of {name, url, transport, insecure, good}. The port PORT itself
answers every connection with JSON: for each name, the number of connections and the most at any one time.
CERTIFICATES is a folder with PEM files, each a key and its chain: good, wrong-name, unknown, chain. Without it, the
ways that need a certificate are left out. Runs until it is ended. Uses only Python's standard library.
"""

import json
import os
import selectors
import socket
import ssl
import sys
import threading

sys.dont_write_bytecode = True  # leave no __pycache__ in the checkout
from hostile_ways import END, ways  # noqa: E402
from simulated_prosody import Site, close  # noqa: E402


class Counter:
    """The connections of one way."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = self.all = 0

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.all += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_):
        with self.lock:
            self.now -= 1


def serve(connection, way, context, counter):
    with counter:
        try:
            connection.settimeout(END)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context:
                connection = context.wrap_socket(connection, server_side=True)
            way.act(connection)
        except (OSError, ValueError):
            # The client has gone, or is not one.
            pass
        finally:
            close(connection)


def contexts(folder):
    """A TLS context for each certificate."""
    found = {None: None, "raw": None}
    for name in ("good", "wrong-name", "unknown", "chain") if folder else ():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, name + ".pem"))
        found[name] = context
    return found


def url(way, port):
    return f"{'https' if way.tls else 'http'}://127.0.0.1:{port}"


def main():
    first, domain, app_id, secret_file = int(sys.argv[1]), *sys.argv[2:5]
    with open(secret_file, "rb") as file:
        site = Site(domain, app_id, file.read().strip())
    known = contexts("".join(sys.argv[5:6]))
    selector = selectors.DefaultSelector()
    listed, counters = [], {}
    for way in ways(site):
        if way.tls not in known:
            continue
        port = first + 1 + len(listed)
        counters[way.name] = Counter()
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        selector.register(listener, selectors.EVENT_READ, (way, known[way.tls], counters[way.name]))
        listed.append({"name": way.name, "url": url(way, port), "transport": way.transport,
                       "insecure": way.insecure, "good": way.good})
    selector.register(socket.create_server(("127.0.0.1", first)), selectors.EVENT_READ, None)
    print(json.dumps(listed), flush=True)
    while True:
        for key, _ in selector.select():
            connection, _ = key.fileobj.accept()
            if key.data is None:
                seen = {name: {"all": each.all, "at_once": each.most} for name, each in counters.items()}
                connection.sendall(json.dumps(seen).encode())
                connection.close()
            else:
                threading.Thread(target=serve, args=(connection, *key.data), daemon=True).start()


if __name__ == "__main__":
    main()
