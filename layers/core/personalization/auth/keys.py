# SPDX-License-Identifier: Apache-2.0
"""The keys that tokens are checked and signed with: looked up when a token asks for one, and kept for a while.

An OIDC issuer shows its public keys as OpenID Connect Discovery 1.0 says. Sessions are signed with the two newest
versions of one secret of Secrets Manager: a new value makes the one before it AWSPREVIOUS, so that the tokens which it
signed stay good until the next change.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

import urllib3

from personalization.auth import tokens
from personalization.auth.caller import Caller
from personalization.auth.tokens import Policy, Refused
from personalization.core.aws import clients
from personalization.core.aws.errors import ClientError, is_missing, translate_errors
from personalization.core.environment import Environment
from personalization.core.errors import Broken, PersonalizationError, RetryLater

if TYPE_CHECKING:
    from joserfc.jwk import Key
    from mypy_boto3_secretsmanager import SecretsManagerClient

K = TypeVar("K")
SHORTEST = 32
"""Bytes of a secret (RFC 7518: no less than the hash has)."""
MOST_BYTES = 256 * 1024
"""Bytes of a document of an issuer."""
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_HTTP = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=1.0, read=2.0), maxsize=2)


class Keyring(Generic[K]):
    """Keys by id, as `fetch` gives them.

    Attributes:
        fresh: seconds for which keys are taken as they are.
        pause: seconds between two looks for keys that nobody knows, so that made-up ids cost next to nothing.
        stale: seconds for which old keys will do while nobody tells the new ones.
    """

    def __init__(
        self,
        fetch: Callable[[], Mapping[str, K]],
        clock: Callable[[], float],
        fresh: float = 3600,
        pause: float = 10,
        stale: float = 86400,
    ) -> None:
        self.fresh, self.pause, self.stale = fresh, pause, stale
        self._fetch, self._clock = fetch, clock
        self._keys: Mapping[str, K] = {}
        self._fetched = self._tried = float("-inf")

    def find(self, kid: str) -> K | None:
        """The key of that id; None where there is none.

        Raises:
            PersonalizationError: nobody tells the keys, and those that are known are too old.
        """
        keys = self.all()
        if kid not in keys and self._clock() - self._tried >= self.pause:
            keys = self._look()
        return keys.get(kid)

    def all(self) -> Mapping[str, K]:
        """All keys, in the order in which they came.

        Raises:
            PersonalizationError: as for `find`.
        """
        now = self._clock()
        old = now - self._fetched >= self.fresh
        return self._look() if old and (not self._keys or now - self._tried >= self.pause) else self._keys

    def _look(self) -> Mapping[str, K]:
        self._tried = self._clock()
        try:
            self._keys = self._fetch()
            self._fetched = self._tried
        except PersonalizationError:
            if not self._keys or self._tried - self._fetched >= self.stale:
                raise
        return self._keys


@dataclass(frozen=True, slots=True)
class Trust:
    """What the functions that check tokens trust.

    Attributes:
        policy: which tokens of an issuer name users; None where there is no issuer.
        public: the issuer's public keys by id.
        secret: the secrets of sessions by id.
    """

    policy: Policy | None
    public: Callable[[str], "Key | None"]
    secret: Callable[[str], bytes | None]

    def caller(self, token: str, now: int) -> Caller:
        """Whom a token names.

        Raises:
            Refused: it is worth nothing.
            PersonalizationError: nobody tells the keys.
        """
        if tokens.is_session(token):
            found = tokens.session(token, self.secret, now)
            return Caller(found.user, found.id, found.shop, found.expires)
        user, expires = self.login(token, now)
        return Caller(user, "", "", expires + tokens.LEEWAY)

    def login(self, token: str, now: int) -> tuple[str, int]:
        """The user whom an issuer's token names, and until when.

        Raises:
            Refused: it is worth nothing, or there is no issuer.
            PersonalizationError: nobody tells the keys.
        """
        if self.policy is None:
            raise Refused("issuer")
        return tokens.login(token, self.policy, self.public, now)


def trust() -> Trust:
    """What the environment says, with keys that are looked up when a token asks for them."""
    environment = Environment()
    return Trust(policy(environment), public, session_keys(environment.session_keys).find)


def policy(environment: Environment) -> Policy | None:
    """Which tokens of the issuer are taken; None where there is no issuer.

    Raises:
        Broken: the template's parameters do not say enough.
    """
    if not environment.token_issuer:
        return None
    named = (environment.token_issuer, environment.token_audience)
    return Policy(*named, environment.token_algorithms, environment.token_user_claim).check()


def public(kid: str) -> "Key | None":
    """The issuer's key of that id; a token that names none takes the only one."""
    keyring = issuer_keys(Environment().token_issuer)
    found = keyring.find(kid)
    if found is None and not kid and len(keyring.all()) == 1:
        return next(iter(keyring.all().values()))
    return found


@cache
def session_keys(secret: str) -> Keyring[bytes]:
    """The secrets of sessions, looked up every five minutes: a new one signs everywhere by then."""
    return Keyring(lambda: secret_versions(clients.secretsmanager(), secret), time.monotonic, fresh=300, stale=3600)


@cache
def issuer_keys(issuer: str) -> "Keyring[Key]":
    """The public keys of an issuer."""
    return Keyring(lambda: public_keys(issuer, fetch), time.monotonic)


def forget() -> None:
    """Drop every key: they are looked up anew."""
    session_keys.cache_clear()
    issuer_keys.cache_clear()


def public_keys(issuer: str, get: Callable[[str], bytes]) -> dict[str, "Key"]:
    """The issuer's keys by their ids.

    Args:
        issuer: its address, as its tokens write it.
        get: fetches a document.

    Raises:
        RetryLater: it does not answer.
        Broken: it answers as something else, or with no key.
    """
    found = _document(issuer, get(issuer.rstrip("/") + "/.well-known/openid-configuration"))
    address = found.get("jwks_uri")
    if found.get("issuer") != issuer or not isinstance(address, str) or not is_safe(address):
        raise Broken(issuer, "its discovery document is another issuer's, or names no safe jwks_uri")
    keys = tokens.public_keys(_document(issuer, get(address)))
    if not keys:
        raise Broken(issuer, "it shows no public key that signatures can be checked with")
    return keys


def is_safe(address: str) -> bool:
    """Whether what comes from there is what was sent: HTTPS, or this very machine (a developer's)."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def fetch(address: str) -> bytes:
    """A document over HTTPS; no redirect is followed.

    Raises:
        RetryLater: no answer, or not this one.
        Broken: the address is not safe.
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
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Broken(issuer, "its documents are not JSON objects")
    return found


def secret_versions(client: "SecretsManagerClient", secret: str) -> dict[str, bytes]:
    """The values by the ids of their versions, the current one first.

    Raises:
        RetryLater, Broken: as `translate_errors` says; Broken as well where a value is too short.
    """
    found: dict[str, bytes] = {}
    for stage in ("AWSCURRENT", "AWSPREVIOUS"):
        found |= _version(client, secret, stage)
    return found


def current(keys: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The version that signs: its id and its value."""
    return next(iter(keys.items()))


def _version(client: "SecretsManagerClient", secret: str, stage: str) -> dict[str, bytes]:
    with translate_errors(secret):
        try:
            answer = client.get_secret_value(SecretId=secret, VersionStage=stage)
        except ClientError as error:
            if stage == "AWSPREVIOUS" and is_missing(error):
                return {}
            raise
    value = answer["SecretString"].encode()
    if len(value) < SHORTEST:
        raise Broken(secret, f"its {stage} value has fewer than {SHORTEST} bytes")
    return {answer["VersionId"]: value}
