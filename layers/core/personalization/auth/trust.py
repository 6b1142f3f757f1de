# SPDX-License-Identifier: Apache-2.0
"""What the functions that check tokens trust: the issuer and the secrets that the template names."""

import time
from functools import cache
from typing import TYPE_CHECKING

from personalization.auth import issuers, secrets
from personalization.auth.authorizer import Trust
from personalization.auth.keyrings import Keyring
from personalization.auth.tokens import Policy
from personalization.core.aws import clients
from personalization.core.environment import Environment

if TYPE_CHECKING:
    from joserfc.jwk import Key


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
    return Keyring(lambda: secrets.versions(clients.secretsmanager(), secret), time.monotonic, fresh=300, stale=3600)


@cache
def issuer_keys(issuer: str) -> "Keyring[Key]":
    """The public keys of an issuer."""
    return Keyring(lambda: issuers.public_keys(issuer, issuers.fetch), time.monotonic)


def forget() -> None:
    """Drop every key: they are looked up anew."""
    session_keys.cache_clear()
    issuer_keys.cache_clear()
