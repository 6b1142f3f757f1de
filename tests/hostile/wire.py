# SPDX-License-Identifier: Apache-2.0
"""The same requests over a socket, to both APIs of a local cloud: raw, as no client library would send them."""

import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse
from random import Random
from urllib.parse import quote, unquote, urlsplit

from tests.hostile.cases import Case, request
from tests.hostile.forgeries import Forge
from tests.hostile.world import SECRETS

SECONDS = 20.0
"""After which an answer counts as none."""


@dataclass
class Wire:
    """Sends, counts and holds.

    Attributes:
        servers: address of the servers' API, and its key.
        browsers: address of the browsers' API, and tokens by whose they are: the user's id and the token.
        shop: the shop that there is.
    """

    servers: tuple[str, str]
    browsers: tuple[str, Mapping[str, str]]
    shop: str
    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def request(self, random: Random) -> None:
        """One hostile request."""
        case = request(random)
        user, proof, base = "", f"x-api-key: {self.servers[1]}", self.servers[0]
        if case.caller is not None or case.route == "api_sessions":
            user, token = random.choice(list(self.browsers[1].items()))
            proof, base = f"authorization: Bearer {token}", self.browsers[0]
        target = self._target(case)
        status, body = self._send(base, case.event["httpMethod"], target, proof, case)
        self.statuses[status] += 1
        if status >= 500 or status == 0 or (SECRETS.search(body) and '"openapi"' not in body):
            self.broken.append(f"{status} {case.event['httpMethod']} {target[:300]} {case.kind}: {body[:300]}")
        # The local gateway takes a slash at the end of an id for one between parts of the path: the id is the caller's.
        if user and status == 200 and "/users/" in target and decoded(target.split("/")[4]).strip("/") != user:
            self.broken.append(f"{user} read {target[:300]}: {body[:300]}")

    def token(self, random: Random, forge: Forge) -> None:
        """One forged token."""
        kind = random.choice(list(forge.kinds))
        token = forge.kinds[kind](random).encode(errors="replace").replace(b"\r", b"").replace(b"\n", b"")
        line = b"authorization: Bearer " + token
        status, body = self._raw(self.browsers[0], b"GET", f"/shops/{self.shop}/popular".encode(), [line], b"")
        self.statuses[status] += 1
        if status not in {400, 401, 431}:
            self.broken.append(f"{kind} {token!r}: {status} {body[:200]}")

    def _target(self, case: Case) -> str:
        path = str(case.event["resource"])
        for name, value in (case.event["pathParameters"] or {}).items():
            part = self.shop if value == "demo" else quote(value, safe="%/.*~\\;:@", errors="replace")
            path = path.replace("{" + name + "}", part)
        query = case.event["queryStringParameters"] or {}
        pairs = [f"{quote(name, errors='replace')}={quote(value, errors='replace')}" for name, value in query.items()]
        return (path + ("?" + "&".join(pairs) if pairs else ""))[:7000]

    def _send(self, base: str, method: str, target: str, proof: str, case: Case) -> tuple[int, str]:
        lines = [proof.encode(), b"content-type: application/json"]
        taken = {"host", "content-length", "authorization", "x-api-key", "content-type", "transfer-encoding"}
        sent = [(name, value) for name, value in (case.event["headers"] or {}).items() if name.lower() not in taken]
        lines += [f"{name}: {value}"[:4000].encode(errors="replace") for name, value in sent if name]
        content = (case.event["body"] or "").encode(errors="replace")
        return self._raw(base, method.encode(), target.encode(), lines, content)

    def _raw(self, base: str, method: bytes, target: bytes, lines: list[bytes], content: bytes) -> tuple[int, str]:
        where = urlsplit(base)
        head = [method + b" " + where.path.encode() + target + b" HTTP/1.1", b"host: " + where.netloc.encode(), *lines]
        head += [b"content-length: %d" % len(content), b"connection: close", b"", b""]
        try:
            with socket.create_connection((str(where.hostname), int(where.port or 80)), SECONDS) as connection:
                connection.sendall(b"\r\n".join(head) + content)
                answer = HTTPResponse(connection)
                answer.begin()
                return answer.status, answer.read().decode(errors="replace")
        except ConnectionError as error:
            # A server may hang up on what is no HTTP.
            return 400, type(error).__name__


def decoded(part: str) -> str:
    """A part of a path, decoded until nothing is left to decode."""
    while (once := unquote(part)) != part:
        part = once
    return part
