#!/usr/bin/env python3
"""A bad mirror or captive portal: serves files of a folder over HTTP, some of them badly.

  bad_mirror.py PORT FOLDER FAULT [PART]

Requests whose path contains PART (all, if omitted) get the FAULT; all others are served correctly:

  none      nothing is wrong           truncate  half of the file, then the end
  drop      the connection is closed   lie       announces more bytes than it sends, and waits
  404, 503  this status                wrong     other bytes of the same length
  hang      never answers              portal    a web page, whatever was requested
  circle    redirects to itself        password  401, requires a name and a password

Prints "ready" once it listens; runs until it is ended.
"""

import http.server
import os
import sys
import time
import urllib.parse

PAGE = b"<!DOCTYPE html><html><body>Please log in to this network</body></html>"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = "/"
    fault = "none"
    part = ""

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.wfile.flush()
        self.close_connection = True

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        file = os.path.normpath(self.folder + path)
        body = None
        if file.startswith(self.folder) and os.path.isfile(file):
            with open(file, "rb") as opened:
                body = opened.read()
        fault = self.fault if self.part in path else "none"
        getattr(self, "be_" + fault, self.be_status)(fault, body)

    def be_none(self, _, body):
        self.answer(404) if body is None else self.answer(200, body)

    def be_status(self, fault, _):
        self.answer(int(fault), b"no\n")

    def be_drop(self, *_):
        self.close_connection = True

    def be_hang(self, *_):
        time.sleep(3600)

    def be_circle(self, *_):
        self.answer(302, Location=self.path)

    def be_truncate(self, _, body):
        body = body or b""
        self.answer(200, body[: len(body) // 2], len(body) or 10)

    def be_lie(self, _, body):
        self.answer(200, body or b"", len(body or b"") + 1000)
        time.sleep(3600)

    def be_wrong(self, _, body):
        self.answer(200, bytes(255 - byte for byte in body or b"no"))

    def be_portal(self, *_):
        self.answer(200, PAGE, Content_Type="text/html")

    def be_password(self, *_):
        self.answer(401, WWW_Authenticate='Basic realm="members"')


def main():
    port, folder, fault, *part = sys.argv[1:]
    Handler.folder, Handler.fault, Handler.part = os.path.realpath(folder), fault, (part or [""])[0]
    known = hasattr(Handler, "be_" + fault) and fault != "status"
    if not known and not fault.isdigit():
        sys.exit(f"unknown fault {fault}")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.daemon_threads = True
    print("ready", flush=True)
    server.serve_forever()


main()
