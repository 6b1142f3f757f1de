# SPDX-License-Identifier: Apache-2.0
"""An OIDC issuer on this machine, whose keys a test rotates, and the tokens that it signs."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

AUDIENCE = "shop-front"


class Issuer:
    """Serves its discovery document and its public keys; counts who asks for them."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.down = False
        self.keys: list[RSAKey] = []
        self.rotate()
        handler = type("Handler", (_Handler,), {"issuer": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/realm"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def rotate(self) -> RSAKey:
        """Sign with a new key from now on; the one before is still shown."""
        key = RSAKey.generate_key(2048, {"kid": f"key-{len(self.keys)}", "use": "sig", "alg": "RS256"})
        self.keys.append(key)
        return key

    def claims(self, user: str = "shopper-1", **changes: object) -> dict[str, Any]:
        """What a good token says."""
        now = int(time.time())
        told = {"iss": self.url, "aud": AUDIENCE, "sub": user, "iat": now, "nbf": now, "exp": now + 600}
        return {name: value for name, value in (told | changes).items() if value is not None}

    def token(self, user: str = "shopper-1", **changes: object) -> str:
        """A good token, but for these changes of its claims (None: without)."""
        key = self.keys[-1]
        return jwt.encode({"alg": "RS256", "kid": key.kid}, self.claims(user, **changes), key, ["RS256"])

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """What the server answers."""
        self.paths.append(path)
        if self.down:
            return 503, {}
        if path == "/realm/.well-known/openid-configuration":
            return 200, {"issuer": self.url, "jwks_uri": self.url + "/keys"}
        return 200, {"keys": [dict(key.as_dict(private=False)) for key in self.keys[-2:]]}

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer one request."""
        status, document = self.issuer.answer(self.path)
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""
