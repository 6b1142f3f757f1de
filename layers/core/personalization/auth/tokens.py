# SPDX-License-Identifier: Apache-2.0
"""Signed tokens (JWT, RFC 7519): those of the shop's OIDC issuer are checked, those of sessions made and checked.

A kind of token has one kind of key and a fixed set of algorithms, which are chosen by us and never by the token: what
its header says (`alg`, `kid`, `typ`) selects among them or is refused, and `jku`, `jwk`, `x5u` and `x5c` are not
looked at (RFC 8725). Keys and signatures are joserfc's.
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
"""What an issuer may sign with; never a secret that both sides know, and never nothing."""
MOST_CHARACTERS = 8192
"""Of a token; API Gateway takes 10 KB of headers in all."""
LEEWAY = 30
"""Seconds by which the issuer's clock may differ from ours."""
SESSION = "session+jwt"
"""What the header of a session's token says that it is."""
ISSUER = "retail-personalization"
"""Who issues the tokens of sessions."""
_RSA_CHARACTERS = 342
"""Of the modulus of an RSA key with 2048 bits, in base64: smaller keys are not safe any more (NIST SP 800-131A)."""
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth"}
"""Members of a key that no set should show; they are not needed here."""
_USER = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
_SESSION_ID = re.compile(r"s-[\w-]{22}")
_KIDS = 256


class Refused(Exception):
    """A token that is worth nothing; `reason` is a word for the log: malformed, key, signature, expired or claims."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Policy:
    """Which tokens of an OIDC issuer are taken.

    Attributes:
        issuer: what `iss` must be, to the letter.
        audience: what `aud` must be, or name among others.
        algorithms: those that the issuer signs with.
        user_claim: the claim that is the user's id.
    """

    issuer: str
    audience: str
    algorithms: Collection[str]
    user_claim: str = "sub"

    def check(self) -> "Policy":
        """This, where it is safe.

        Raises:
            Broken: it names no issuer or audience, or an algorithm that is not asymmetric.
        """
        if not (self.issuer and self.audience and self.user_claim and self.algorithms):
            raise Broken("TokenIssuer", "TokenAudience, TokenAlgorithms and TokenUserClaim are needed with it")
        if not set(self.algorithms) <= ASYMMETRIC:
            raise Broken("TokenAlgorithms", f"must be of {', '.join(sorted(ASYMMETRIC))}")
        return self


@dataclass(frozen=True, slots=True)
class Session:
    """What a session's token says.

    Attributes:
        id: random; the sessionId of its events.
        shop: the only one that it is for.
        user: the user who logged in during it; "" before.
        until: epoch seconds at which the login ends; 0 before.
        begun: epoch seconds.
        expires: epoch seconds.
    """

    id: str
    shop: str
    user: str
    until: int
    begun: int
    expires: int


def is_session(token: str) -> bool:
    """Whether a token says of itself that it is a session's. Both kinds are checked in full afterwards.

    Raises:
        Refused: it is no signed token at all.
    """
    return _header(token).get("typ") == SESSION


def login(token: str, policy: Policy, key: Callable[[str], Key | None], now: int) -> tuple[str, int]:
    """The user whom an issuer's token names, and until when.

    Args:
        token: as it came.
        policy: what it must be.
        key: the issuer's public keys by their ids; "" for a token that names none.
        now: epoch seconds.

    Raises:
        Refused: it is not a token of this issuer for us, now.
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
    """What one of our sessions' tokens says.

    Raises:
        Refused: it is none, or no longer.
    """

    def key(kid: str) -> Key | None:
        found = secret(kid)
        return OctKey.import_key(found) if found else None

    if not is_session(token):
        raise Refused("malformed")
    claims = _verified(token, ("HS256",), key)
    registry = jwt.JWTClaimsRegistry(
        now=now, iss={"essential": True, "value": ISSUER}, aud={"essential": True}, exp={"essential": True}
    )
    _validate(registry, claims)
    try:
        found = Session(
            str(claims["sid"]), str(claims["aud"]), str(claims.get("user") or ""),
            int(claims.get("until") or 0), int(claims["begun"]), int(claims["exp"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise Refused("claims") from None
    if not _SESSION_ID.fullmatch(found.id):
        raise Refused("claims")
    return found


def signed(made: Session, kid: str, secret: bytes, now: int) -> str:
    """A session's token."""
    header = {"alg": "HS256", "typ": SESSION, "kid": kid}
    claims: dict[str, Any] = {"iss": ISSUER, "aud": made.shop, "sid": made.id, "begun": made.begun}
    claims |= {"user": made.user, "until": made.until} if made.user else {}
    key = OctKey.import_key(secret)
    return jwt.encode(header, {**claims, "iat": now, "exp": made.expires}, key, ["HS256"], default_type=None)


def public_keys(document: Mapping[str, Any]) -> dict[str, Key]:
    """The keys of a JWK set (RFC 7517) with which signatures can be checked, by id; what is none is left out."""
    listed = document.get("keys")
    found: dict[str, Key] = {}
    for each in listed[:_KIDS] if isinstance(listed, list) else ():
        kid = each.get("kid", "") if isinstance(each, dict) else None
        made = _public(each) if isinstance(kid, str) else None
        if made is not None and isinstance(kid, str):
            found.setdefault(kid, made)
    return found


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
    """The claims of a token whose signature is good."""
    header = _header(token)
    kid = header.get("kid", "")
    if header.get("alg") not in algorithms:
        raise Refused("algorithm")
    found = key(kid) if isinstance(kid, str) and len(kid) <= _KIDS else None
    if found is None:
        raise Refused("key")
    try:
        found.check_use("sig")
        found.check_alg(header["alg"])
        return jwt.decode(token, found, algorithms, registry=_registry(algorithms)).claims
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
    # Header members that nobody knows are to be ignored (RFC 7515), unless `crit` names them: those are refused.
    return jws.JWSRegistry(algorithms=algorithms, strict_check_header=False)
