# SPDX-License-Identifier: Apache-2.0
"""Tokens that want to be taken for good ones; each begins as one that is."""

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.hostile.values import CANARY, flipped, text, value

Forger = Callable[[Random], str]
"""Makes one of a kind of forgeries."""


def encoded(part: object) -> str:
    """Base64 as tokens have it."""
    content = part if isinstance(part, bytes) else json.dumps(part).encode(errors="surrogatepass")
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Forge:
    """What a forger has: a good token, the issuer's public key, and keys of his own.

    Attributes:
        good: a token that the issuer has signed.
        session: one of a session.
        kinds: how to make forgeries, by what they are.
    """

    def __init__(self, key: RSAKey, claims: Mapping[str, Any], session: str) -> None:
        self._key, self._claims, self.session = key, dict(claims), session
        self._stranger_key = RSAKey.generate_key(2048, {"kid": str(key.kid)})
        self.good = self._signed(self._claims)
        self.kinds: Mapping[str, Forger] = {
            "no algorithm": self._none,
            "the public key taken for a secret": self._confused,
            "a key of one's own": self._foreign,
            "a key that the token brings along": self._brought,
            "wrong claims, well signed": self._wrong_claims,
            "a flipped bit": self._flipped_bit,
            "another part": self._swapped,
            "a header of any kind": self._header,
            "no token at all": self._noise,
            "a session, changed": self._changed_session,
            "a session of one's own secret": self._foreign_session,
            "more than signed": self._wrapped,
        }

    @classmethod
    def of_stranger(cls, claims: Mapping[str, Any], session: str) -> "Forge":
        """The forge of somebody who knows no key of the issuer's: what it signs is as false as the rest."""
        return cls(RSAKey.generate_key(2048, {"kid": "guessed"}), claims, session)

    def _signed(self, claims: Mapping[str, Any], key: RSAKey | None = None, **header: object) -> str:
        used = key or self._key
        return jwt.encode({"alg": "RS256", "kid": self._key.kid, **header}, dict(claims), used, ["RS256"])

    def _none(self, random: Random) -> str:
        header = {"alg": random.choice(("none", "None", "NONE", "nOnE", "", None, "null")), "kid": self._key.kid}
        end = random.choice(("", self.good.split(".")[2], "AA"))
        return f"{encoded(header)}.{encoded(self._claims)}.{end}"

    def _confused(self, random: Random) -> str:
        public = random.choice(
            (
                self._key.as_pem(private=False),
                self._key.as_der(private=False),
                json.dumps(self._key.as_dict(private=False)).encode(),
                b"",
            )
        )
        name, digest = random.choice((("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)))
        header = {"alg": name, "kid": self._key.kid} | random.choice(({}, {"typ": "session+jwt"}))
        start = f"{encoded(header)}.{encoded(self._claims)}"
        return f"{start}.{encoded(hmac.new(public, start.encode(), digest).digest())}"

    def _foreign(self, random: Random) -> str:
        return self._signed(
            self._claims,
            self._stranger_key,
            kid=random.choice((self._key.kid, self._stranger_key.kid, "x", text(random)[:200])),
        )

    def _brought(self, random: Random) -> str:
        key = self._stranger_key.as_dict(private=False)
        brought: dict[str, object] = {
            "jwk": dict(key),
            "jku": "http://127.0.0.1:1/keys",
            "x5u": "https://evil.example/cert",
            "x5c": [CANARY],
        }
        names = random.sample(list(brought), random.randrange(1, 4))
        header = {
            "alg": "RS256",
            "kid": random.choice((self._key.kid, "mine")),
            **{name: brought[name] for name in names},
        }
        start = f"{encoded(header)}.{encoded(self._claims)}"
        return f"{start}.{self.good.split('.')[2]}"

    def _wrong_claims(self, random: Random) -> str:
        wrong: list[dict[str, object]] = [
            {"aud": random.choice(("", None, [], {}, "other", ["other"], 7))},
            {
                "iss": random.choice(
                    ("", None, "https://evil.example", self._claims["iss"] + "/", [self._claims["iss"]])
                )
            },
            {"exp": random.choice((0, 1, -1, None, "9999999999", True, [], 1e300 - 1e301))},
            {"nbf": random.choice((9_999_999_999, "0", [], {}))},
            {"iat": random.choice((9_999_999_999, "0", {}))},
            {"sub": random.choice(("", None, 1, [], {}, "a" * 257, "u\n1", "null", "\x00"))},
        ]
        return self._signed({**self._claims, **random.choice(wrong)})

    def _flipped_bit(self, random: Random) -> str:
        parts = self.good.split(".")
        part = random.randrange(3)
        content = bytearray(base64.urlsafe_b64decode(parts[part] + "=="))
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        parts[part] = encoded(bytes(content))
        return ".".join(parts)

    def _swapped(self, random: Random) -> str:
        head, claims, signature = self.good.split(".")
        other = encoded({**self._claims, "sub": random.choice(("u2", "admin", "*"))})
        made = (
            f"{head}.{other}.{signature}",
            f"{head}..{signature}",
            f"{head}.{claims}.",
            f"{claims}.{head}.{signature}",
            f"{head}.{claims}.{signature}.{signature}",
            f"{head}.{claims}",
            self.good + "=",
            self.good + "\n",
            " " + self.good,
            self.good.replace(".", ".."),
            self.good.upper(),
            self.good[: random.randrange(len(self.good))],
        )
        return random.choice(made)

    def _header(self, random: Random) -> str:
        odd: dict[str, object] = {
            "alg": random.choice(("RS256", "RS384", "PS256", "ES256", "HS256", "dir", ["RS256"], {}, 1, None)),
            "kid": random.choice((self._key.kid, text(random), value(random), ["a"], None, "../../null", "a" * 5000)),
            "crit": random.choice((["exp"], ["b64"], [], None, "exp", [1])),
            "b64": random.choice((False, True, None)),
            "typ": random.choice(("JWT", "session+jwt", "at+jwt", 1, None)),
            "zip": "DEF",
            "cty": "JWT",
            "enc": "A128GCM",
            "p2c": 10**9,
        }
        names = random.sample(list(odd), random.randrange(1, 6))
        header = {"alg": "RS256", "kid": self._key.kid} | {name: odd[name] for name in names}
        return f"{encoded(header)}.{encoded(self._claims)}.{self.good.split('.')[2]}"

    def _noise(self, random: Random) -> str:
        made = (
            text(random),
            ".".join(text(random) for _ in range(3)),
            encoded(value(random)) + "." + encoded(value(random)) + ".AA",
            encoded(b"[" * 5000) + ".e30.AA",
            encoded(b'{"alg":' * 700) + ".e30.AA",
            "." * random.randrange(9000),
            "a" * 8193,
            encoded(b'{"alg":"RS256","alg":"none"}') + "." + encoded(self._claims) + ".",
            "e30.e30.e30",
        )
        return random.choice(made)

    def _changed_session(self, random: Random) -> str:
        head, claims, signature = self.session.split(".")
        told = json.loads(base64.urlsafe_b64decode(claims + "=="))
        changed = {
            **told,
            **random.choice(({"user": "u2"}, {"sid": "s-" + "B" * 22}, {"exp": 4e9}, {"aud": "other"}, {"until": 0})),
        }
        made = (
            f"{head}.{encoded(changed)}.{signature}",
            f"{head}.{claims}.",
            flipped(random, self.session),
            f"{head}.{claims}.{'A' * 43}",
            f"{encoded({'alg': 'none', 'typ': 'session+jwt'})}.{encoded(changed)}.",
        )
        token = random.choice(made)
        return token if token != self.session else "e30.e30.e30"

    def _foreign_session(self, random: Random) -> str:
        told = json.loads(base64.urlsafe_b64decode(self.session.split(".")[1] + "=="))
        kid = json.loads(base64.urlsafe_b64decode(self.session.split(".")[0] + "=="))["kid"]
        secret = OctKey.import_key(random.choice((b"0" * 64, b"secret" * 8, kid.encode(), b"null" * 8)))
        header = {
            "alg": "HS256",
            "typ": "session+jwt",
            "kid": random.choice((kid, "AWSCURRENT", "", text(random)[:200])),
        }
        return jwt.encode(header, {**told, "user": "u2"}, secret, ["HS256"], default_type=None)

    def _wrapped(self, random: Random) -> str:
        parts = {"alg": "RSA-OAEP", "enc": "A128GCM", "zip": "DEF"}
        made = (
            f"{encoded(parts)}.AA.AA.{encoded(zlib.compress(b'0' * 100_000))[:4000]}.AA",
            json.dumps({"payload": encoded(self._claims), "signatures": []}),
            f"{encoded(self.good.encode())}.e30.AA",
            f"{self.good},{self.good}",
            f"{self.good} {self.good}",
            f"Bearer {self.good}",
            f'"{self.good}"',
        )
        return random.choice(made)
