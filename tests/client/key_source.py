#!/usr/bin/env python3
"""Plays an identity provider's key source: a key set at /jwks, a file for each key below /keys.

Each line of JSON on standard input changes what it serves: {"kids": {NAME: PRIVATE-KEY-FILE}, "certificates": true,
"status": 302, "headers": {...}, "body": TEXT or null, "size": BYTES}. With certificates, the key set is an object that
maps each kid to one, as Jitsi's plugins of 2023 read it. Answers each line with "ready".
"""

import base64
import hashlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEFAULTS = {"kids": {}, "certificates": False, "status": 200, "headers": {"Cache-Control": "max-age=3600"}, "body": None,
            "size": None}
state = dict(DEFAULTS)


def openssl(*args):
    return subprocess.run(["openssl", *args], capture_output=True, check=True, text=True).stdout


def jwk(kid, key):
    modulus = openssl("rsa", "-in", key, "-noout", "-modulus").strip().split("=")[1]
    n = base64.urlsafe_b64encode(bytes.fromhex(modulus)).rstrip(b"=").decode()
    return {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": n, "e": "AQAB"}


def certificate(key):
    return openssl("req", "-x509", "-key", key, "-subj", "/CN=provider", "-days", "2")


def key_set():
    if state["certificates"]:
        return json.dumps({kid: certificate(key) for kid, key in state["kids"].items()})
    curve = {"kty": "EC", "kid": "curve", "crv": "P-256", "x": "AA", "y": "AA"}
    return json.dumps({"keys": [curve] + [jwk(*pair) for pair in state["kids"].items()]})


class Source(BaseHTTPRequestHandler):
    def do_GET(self):
        files = {hashlib.sha256(kid.encode()).hexdigest(): key for kid, key in state["kids"].items()}
        name = self.path.removeprefix("/keys/").removesuffix(".pem")
        if self.path == "/jwks":
            body = state["body"] if state["body"] is not None else key_set()
            status = state["status"]
        elif name in files:
            body, status = openssl("rsa", "-in", files[name], "-pubout"), 200
        else:
            body, status = "", 404
        data = body.encode()
        self.send_response(status)
        for header, value in state["headers"].items():
            self.send_header(header, value)
        size = state["size"] or 0
        self.send_header("Content-Length", str(len(data) + size))
        self.end_headers()
        self.wfile.write(data)
        while size > 0:
            self.wfile.write(b" " * min(size, 1 << 16))
            size -= 1 << 16

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Source)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        state.clear()
        state.update(DEFAULTS | json.loads(line))
        print("ready", flush=True)


main()
