"""An issuer of assertions, written with a third-party library: it publishes its keys and signs tokens, as an app's existing login does.

It serves HTTP on a free port of 127.0.0.1 and reads commands from standard input, one JSON object per line, with one response each:

    {"do": "key", "kid": K, "kind": "EC" | "P-384" | "OKP" | "RSA" | "RSA-1024" | "oct"}   creates a key
    {"do": "publish", "keys": [{"kid": K, ...changes}]}         what /keys returns from now on
    {"do": "jwks"}                                             the same document, for a file
    {"do": "sign", "kid": K, "header": {...}, "claims": {...}}  to {"token": ...}; header and claims exactly as given
    {"do": "forge", "how": "none" | "hmac" | "key", "kid": K, "header": {...}, "claims": {...}}
    {"do": "behave", "as": "well" | "fail" | "lead_away" | "talk_too_much" | "talk_nonsense" | "hang"}
    {"do": "asked"}                                            how often /keys was fetched

The first line that it prints is {"url": ...}.
"""

import base64
import hashlib
import hmac
import json
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

# Weak keys are intended here.
warnings.simplefilter("ignore")

MAKERS = {
    "EC": (ECKey, "P-256"),
    "P-384": (ECKey, "P-384"),
    "OKP": (OKPKey, "Ed25519"),
    "RSA": (RSAKey, 2048),
    "RSA-1024": (RSAKey, 1024),
    "oct": (OctKey, 256),
}
ALGORITHMS = ["ES256", "ES384", "EdDSA", "RS256", "RS384", "PS256", "HS256"]


class Issuer:
    def __init__(self):
        self.keys, self.published, self.behaviour, self.asked = {}, [], "well", 0
        self.goes_on = threading.Event()

    def document(self):
        return json.dumps({"keys": self.published})

    def key(self, kid, kind):
        maker, size = MAKERS[kind]
        self.keys[kid] = maker.generate_key(size)
        return {}

    def publish(self, keys):
        def public(kid, **changes):
            shown = self.keys[kid].as_dict(private=False) if kid in self.keys else {}
            shown = {name: value for name, value in shown.items() if name != "kid"}
            return {**shown, "kid": kid, **changes}

        self.published = [public(**key) for key in keys]
        return {}

    def jwks(self):
        return {"jwks": self.document()}

    def sign(self, kid, header, claims):
        registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        token = jws.serialize_compact(header, json.dumps(claims), self.keys[kid], registry=registry)
        return {"token": token}

    def forge(self, how, kid, header, claims):
        """Assembled by hand: the library refuses to sign like this."""
        part = lambda value: base64.urlsafe_b64encode(value).rstrip(b"=")
        message = part(json.dumps(header).encode()) + b"." + part(json.dumps(claims).encode())
        signature = b""
        if how == "hmac":
            secret = self.keys[kid].as_pem(private=False)
            signature = part(hmac.new(secret, message, hashlib.sha256).digest())
        if how == "key":
            algorithm = jws.JWSRegistry(algorithms=ALGORITHMS).get_alg(header["alg"])
            signature = part(algorithm.sign(message, self.keys[kid]))
        return {"token": (message + b"." + signature).decode()}

    def behave(self, **as_):
        self.behaviour = as_["as"]
        if self.behaviour == "hang":
            self.goes_on.clear()
        else:
            self.goes_on.set()
        return {}


def handler_of(issuer):
    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, body, **headers):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self):
            url = f"http://{self.headers['Host']}"
            if self.path == "/.well-known/openid-configuration":
                return self.answer(200, json.dumps({"issuer": url, "jwks_uri": f"{url}/keys"}))
            if self.path == "/elsewhere":
                return self.answer(200, issuer.document())
            if self.path != "/keys":
                return self.answer(404, "{}")
            issuer.asked += 1
            if issuer.behaviour == "hang":
                issuer.goes_on.wait()
            match issuer.behaviour:
                case "fail":
                    self.answer(500, issuer.document())
                case "lead_away":
                    self.answer(302, issuer.document(), Location=f"{url}/elsewhere")
                case "talk_too_much":
                    self.answer(200, issuer.document() + " " * 300_000)
                case "talk_nonsense":
                    self.answer(200, "<html>It works!</html>")
                case _:
                    self.answer(200, issuer.document())

        def log_message(self, *_):
            pass

    return Handler


def main():
    issuer = Issuer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(issuer))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        do = order.pop("do")
        answer = {"asked": issuer.asked} if do == "asked" else getattr(issuer, do)(**order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
