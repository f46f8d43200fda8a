#!/usr/bin/env python3
"""Plays a web server in front of Prosody, or something else on a port.

  front.py PORT status CODE      answers every request with this status
  front.py PORT page             answers every request with a web page
  front.py PORT babble           answers with something that is not HTTP
  front.py PORT says FILE        answers every request with the bytes of this file
  front.py PORT proxy [CERT]     passes everything on to Prosody; over TLS if there is a certificate with its key

Prints "ready" once it listens; runs until it is ended.
"""

import socket
import ssl
import sys
import threading

PROSODY = ("127.0.0.1", 5280)
DOMAIN = b"meet.example.org"
PAGE = b"<!DOCTYPE html><html><body>Jitsi Meet</body></html>"


def head_of(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return None
        head += piece
    return head


def pump(source, target):
    try:
        while True:
            piece = source.recv(65536)
            if not piece:
                break
            target.sendall(piece)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def proxy(connection):
    head = head_of(connection)
    if head is None:
        return
    lines, _, rest = head.partition(b"\r\n\r\n")
    upgrade = b"upgrade: websocket" in lines.lower()
    kept = [line for line in lines.split(b"\r\n") if not line.lower().startswith(b"host:")]
    # One request per connection: the next one would have another host.
    kept += [b"Host: " + DOMAIN] + ([] if upgrade else [b"Connection: close"])
    behind = socket.create_connection(PROSODY)
    behind.sendall(b"\r\n".join(kept) + b"\r\n\r\n" + rest)
    threading.Thread(target=pump, args=(behind, connection), daemon=True).start()
    pump(connection, behind)


def answer(connection, mode, status):
    if head_of(connection) is None:
        return
    if mode == "says":
        with open(status, "rb") as file:
            connection.sendall(file.read())
        return
    if mode == "babble":
        connection.sendall(b"220 mail.example.org ESMTP\r\n")
        return
    body = PAGE if mode == "page" else b""
    code = b"200 OK" if mode == "page" else status.encode() + b" Sorry"
    connection.sendall(b"HTTP/1.1 " + code + b"\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: "
                       + str(len(body)).encode() + b"\r\n\r\n" + body)


def serve(connection, mode, more, context):
    try:
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        if mode == "proxy":
            proxy(connection)
        else:
            answer(connection, mode, more)
    except OSError:
        pass
    finally:
        connection.close()


def main():
    port, mode, more = int(sys.argv[1]), sys.argv[2], "".join(sys.argv[3:4])
    context = None
    if mode == "proxy" and more:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(more)
    listener = socket.create_server(("127.0.0.1", port))
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, mode, more, context), daemon=True).start()


if __name__ == "__main__":
    main()
