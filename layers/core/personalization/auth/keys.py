# SPDX-License-Identifier: Apache-2.0
"""Keys that verify and sign tokens, fetched on demand and cached.

An OIDC issuer publishes its public keys by OpenID Connect Discovery 1.0. Sessions use the two newest versions of one
secret of Secrets Manager; see `keyring`.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3

from personalization.auth import tokens
from personalization.auth.caller import Caller
from personalization.auth.keyring import Keyring, secret_versions
from personalization.auth.tokens import Policy, Refused
from personalization.core.environment import Environment
from personalization.core.errors import Broken, RetryLater

if TYPE_CHECKING:
    from joserfc.jwk import Key
    from mypy_boto3_secretsmanager import SecretsManagerClient

MOST_BYTES = 256 * 1024
"""The most bytes of an issuer's document."""
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_HTTP = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=1.0, read=2.0), maxsize=2)


@dataclass(frozen=True, slots=True)
class Trust:
    """The policy and the keys for checks of tokens."""

    policy: Policy | None
    """None without an OIDC issuer."""
    public: Callable[[str], "Key | None"]
    """Returns the issuer's public key of an id."""
    secret: Callable[[str], bytes | None]
    """Returns the secret of sessions of an id."""

    def caller(self, token: str, now: int) -> Caller:
        """Return the caller that a token names.

        Raises:
            Refused: it is invalid.
            PersonalizationError: keys cannot be fetched.
        """
        if tokens.is_session(token):
            session = tokens.session(token, self.secret, now)
            return Caller(session.user, session.id, session.shop, session.expires)
        user, expires = self.login(token, now)
        return Caller(user, "", "", expires + tokens.LEEWAY)

    def login(self, token: str, now: int) -> tuple[str, int]:
        """Return the user of an issuer's token and its expiry in epoch seconds; raise as `caller`."""
        if self.policy is None:
            raise Refused("issuer")
        return tokens.login(token, self.policy, self.public, now)


def trust(environment: Environment, client: "Callable[[], SecretsManagerClient]") -> Trust:
    """Return a deployment's trust; raise Broken if the template's parameters are incomplete."""
    policy: Policy | None = None
    if environment.token_issuer:
        named = (environment.token_issuer, environment.token_audience)
        policy = Policy(*named, environment.token_algorithms, environment.token_user_claim).check()
    public = partial(_public, environment.token_issuer)
    return Trust(policy, public, session_keys(client, environment.session_keys).find)


def _public(issuer: str, kid: str) -> "Key | None":
    """Return the issuer's key of an id; for a token without an id, the only key."""
    keyring = issuer_keys(issuer)
    key = keyring.find(kid)
    if key is None and not kid and len(keyring.all()) == 1:
        return next(iter(keyring.all().values()))
    return key


@cache
def session_keys(client: "Callable[[], SecretsManagerClient]", secret: str) -> Keyring[bytes]:
    """Return the secrets of sessions, fetched every five minutes: by then all containers sign with a new one."""
    return Keyring(lambda: secret_versions(client(), secret), time.monotonic, fresh=300, stale=3600)


@cache
def issuer_keys(issuer: str) -> "Keyring[Key]":
    return Keyring(lambda: public_keys(issuer, fetch), time.monotonic)


def forget() -> None:
    """Drop all cached keys."""
    session_keys.cache_clear()
    issuer_keys.cache_clear()


def public_keys(issuer: str, get: Callable[[str], bytes]) -> dict[str, "Key"]:
    """Return an issuer's keys by id; `get` fetches a document.

    Raises:
        RetryLater: it does not answer.
        Broken: its documents are invalid, or have no key.
    """
    discovery = _document(issuer, get(issuer.rstrip("/") + "/.well-known/openid-configuration"))
    address = discovery.get("jwks_uri")
    if discovery.get("issuer") != issuer or not isinstance(address, str) or not is_safe(address):
        raise Broken(issuer, "its discovery document is another issuer's, or names no safe jwks_uri")
    keys = tokens.public_keys(_document(issuer, get(address)))
    if not keys:
        raise Broken(issuer, "it shows no public key that signatures can be checked with")
    return keys


def is_safe(address: str) -> bool:
    """Return whether nobody can change answers from an address: HTTPS, or a developer's own machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def fetch(address: str) -> bytes:
    """Fetch a document over HTTPS, without redirects.

    Raises:
        RetryLater: no answer, or an error.
        Broken: the address is unsafe.
    """
    if not is_safe(address):
        raise Broken(address, "an issuer must be asked over https")
    try:
        response = _HTTP.request("GET", address, redirect=False, preload_content=False)
        content = response.read(MOST_BYTES + 1)
        response.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise RetryLater(address, f"no answer: {type(error).__name__}") from error
    if response.status != 200 or len(content) > MOST_BYTES:
        raise RetryLater(address, f"answered {response.status} with {len(content)} bytes")
    return bytes(content)


def _document(issuer: str, content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Broken(issuer, "its documents are not JSON objects")
    return document
