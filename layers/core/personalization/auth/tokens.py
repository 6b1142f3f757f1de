# SPDX-License-Identifier: Apache-2.0
"""Signed tokens (JWT, RFC 7519): verify those of the shop's OIDC issuer; sign and verify those of sessions.

Each kind of token has one kind of key and a fixed set of algorithms. A token's header (`alg`, `kid`, `typ`) can only
select among them, and `jku`, `jwk`, `x5u` and `x5c` are ignored (RFC 8725). joserfc does the cryptography.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from personalization.core.errors import Broken

ASYMMETRIC = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"}
)
"""An issuer's possible algorithms: neither shared secrets nor `none`."""
MOST_CHARACTERS = 8192
"""The longest token; API Gateway accepts 10 KB of headers in all."""
LEEWAY = 30
"""Seconds by which the issuer's clock may differ from ours."""
SESSION = "session+jwt"
"""The `typ` of a session's token."""
ISSUER = "retail-personalization"
"""The issuer of sessions' tokens."""
_RSA_CHARACTERS = 342
"""Base64 characters of the modulus of an RSA key with 2048 bits; shorter keys are unsafe (NIST SP 800-131A)."""
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth"}
"""Private members of a key, which no set should show."""
_USER = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
_SESSION_ID = re.compile(r"s-[\w-]{22}")
_KIDS = 256


class Refused(Exception):
    """A token is invalid; `reason` is a word for the log: malformed, key, signature, expired or claims."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Policy:
    """Requirements on the tokens of an OIDC issuer."""

    issuer: str
    """The exact `iss`."""
    audience: str
    """A value of `aud`."""
    algorithms: Collection[str]
    user_claim: str = "sub"
    """The claim with the user's id."""

    def check(self) -> "Policy":
        """Return the policy; raise Broken if it is incomplete or has an algorithm that is not asymmetric."""
        if not (self.issuer and self.audience and self.user_claim and self.algorithms):
            raise Broken("TokenIssuer", "TokenAudience, TokenAlgorithms and TokenUserClaim are needed with it")
        if not set(self.algorithms) <= ASYMMETRIC:
            raise Broken("TokenAlgorithms", f"must be of {', '.join(sorted(ASYMMETRIC))}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The content of a session's token; times are in epoch seconds."""

    id: str
    """Random; the sessionId of its events."""
    shop: str
    user: str
    """The user who logged in; empty before."""
    until: int
    """The end of the login; 0 before."""
    begun: int
    expires: int


def is_session(token: str) -> bool:
    """Return whether a token claims to be a session's; it is verified afterwards. Raise Refused if it is no JWT."""
    return _header(token).get("typ") == SESSION


def login(token: str, policy: Policy, key: Callable[[str], Key | None], now: int) -> tuple[str, int]:
    """Return the user of an issuer's token, and its expiry in epoch seconds.

    Args:
        token, policy, now: the token, its requirements, and the epoch seconds.
        key: returns the issuer's public key of an id; "" is the id of a token without one.

    Raises:
        Refused: it is invalid.
    """
    claims = _verified(token, policy.algorithms, key)
    registry = jwt.JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY,
        iss={"essential": True, "value": policy.issuer},
        aud={"essential": True, "value": policy.audience},
        exp={"essential": True},
    )
    _validate(registry, claims)
    user = claims.get(policy.user_claim)
    if not isinstance(user, str) or not _USER.fullmatch(user) or user == "null":
        raise Refused("claims")
    return user, int(claims["exp"])


def session(token: str, secret: Callable[[str], bytes | None], now: int) -> Session:
    """Verify a session's token, and return its content; raise Refused if it is invalid."""

    def key(kid: str) -> Key | None:
        secret_bytes = secret(kid)
        return OctKey.import_key(secret_bytes) if secret_bytes else None

    if not is_session(token):
        raise Refused("malformed")
    claims = _verified(token, ("HS256",), key)
    registry = jwt.JWTClaimsRegistry(
        now=now, iss={"essential": True, "value": ISSUER}, aud={"essential": True}, exp={"essential": True}
    )
    _validate(registry, claims)
    try:
        verified = Session(
            id=str(claims["sid"]), shop=str(claims["aud"]), user=str(claims.get("user") or ""),
            until=int(claims.get("until") or 0), begun=int(claims["begun"]), expires=int(claims["exp"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise Refused("claims") from None
    if not _SESSION_ID.fullmatch(verified.id):
        raise Refused("claims")
    return verified


def signed(made: Session, kid: str, secret: bytes, now: int) -> str:
    """Return a session's token."""
    header = {"alg": "HS256", "typ": SESSION, "kid": kid}
    claims: dict[str, Any] = {"iss": ISSUER, "aud": made.shop, "sid": made.id, "begun": made.begun}
    claims |= {"user": made.user, "until": made.until} if made.user else {}
    key = OctKey.import_key(secret)
    return jwt.encode(header, {**claims, "iat": now, "exp": made.expires}, key, ["HS256"], default_type=None)


def public_keys(document: Mapping[str, Any]) -> dict[str, Key]:
    """Return the keys of a JWK set (RFC 7517) that can verify signatures, by id; others are left out."""
    listed = document.get("keys")
    keys: dict[str, Key] = {}
    for jwk in listed[:_KIDS] if isinstance(listed, list) else ():
        kid = jwk.get("kid", "") if isinstance(jwk, dict) else None
        made = _public(jwk) if isinstance(kid, str) else None
        if made is not None and isinstance(kid, str):
            keys.setdefault(kid, made)
    return keys


def _public(jwk: Mapping[str, Any]) -> Key | None:
    kinds: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    kind = kinds.get(str(jwk.get("kty")))
    weak = kind is RSAKey and len(str(jwk.get("n"))) < _RSA_CHARACTERS
    if kind is None or weak or jwk.get("use", "sig") != "sig":
        return None
    try:
        key = kind.import_key({name: value for name, value in jwk.items() if name not in _PRIVATE})
        key.check_key_op("verify")
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key


def _header(token: str) -> Mapping[str, Any]:
    if len(token) > MOST_CHARACTERS or not token.isascii():
        raise Refused("malformed")
    try:
        header = jws.extract_compact(token.encode(), registry=_registry(())).headers()
    except (JoseError, ValueError, TypeError, RecursionError):
        raise Refused("malformed") from None
    if not isinstance(header, dict):
        raise Refused("malformed")
    return header


def _verified(token: str, algorithms: Collection[str], key: Callable[[str], Key | None]) -> dict[str, Any]:
    """Return the claims of a token after verifying its signature."""
    header = _header(token)
    kid = header.get("kid", "")
    if header.get("alg") not in algorithms:
        raise Refused("algorithm")
    verifying = key(kid) if isinstance(kid, str) and len(kid) <= _KIDS else None
    if verifying is None:
        raise Refused("key")
    try:
        verifying.check_use("sig")
        verifying.check_alg(header["alg"])
        return jwt.decode(token, verifying, algorithms, registry=_registry(algorithms)).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        raise Refused("signature") from None


def _validate(registry: jwt.JWTClaimsRegistry, claims: dict[str, Any]) -> None:
    try:
        registry.validate(claims)
    except ExpiredTokenError:
        raise Refused("expired") from None
    except (JoseError, ValueError, TypeError, OverflowError):
        raise Refused("claims") from None


def _registry(algorithms: Collection[str]) -> jws.JWSRegistry:
    # RFC 7515: unknown header members are ignored, but refused if `crit` names them.
    return jws.JWSRegistry(algorithms=algorithms, strict_check_header=False)
