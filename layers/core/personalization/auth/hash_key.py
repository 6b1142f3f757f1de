# SPDX-License-Identifier: Apache-2.0
"""The key of the hashes that stand for users' ids: one for all shops of a stack, in Secrets Manager.

The first import of a shop that hashes makes it, under a name of its own that a later stack of the same prefix finds
again. Nothing changes it: other hashes would be other users.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from table_intake.hashing import hash_id

from personalization.core.aws import errors
from personalization.core.errors import Broken, Missing, PersonalizationError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

Hash = Callable[[str], str]
"""Returns the hash of an id of one shop."""
SHORTEST = 32
"""The least characters of a key."""
LOST = "Bring back the secret with the value that it had, since other hashes would be other users; then continue"
"""The way out where the key of a shop's imports is gone, or another one is in its place."""
_DESCRIPTION = "Makes the hashes that stand for users' ids. Never change it: other hashes are other users."


def read_key(client: "SecretsManagerClient", name: str) -> str:
    """Return the key in a secret.

    Raises:
        Missing: there is none.
        Broken: it is too short.
    """
    key: str = client.get_secret_value(SecretId=name)["SecretString"]
    if len(key) < SHORTEST:
        raise Broken(name, f"the key for hashes of ids has fewer than {SHORTEST} characters")
    return key


def make_key(client: "SecretsManagerClient", name: str) -> str:
    """Return the key in a secret, which is made where it is missing; of two at once, the first makes it."""
    with suppress(Missing):
        return read_key(client, name)
    key = secrets.token_hex(32)
    try:
        client.create_secret(Name=name, SecretString=key, Description=_DESCRIPTION)
    except PersonalizationError as error:
        if errors.code(error) != "ResourceExistsException":
            raise
        return read_key(client, name)
    return key


def fingerprint(hashed: Hash) -> str:
    """Return what tells a key from any other one."""
    return hashed("the key")


class HashKey:
    """The key of a stack, read when it is first used and then kept.

    Args:
        client, name: return a client of Secrets Manager and the secret's name, on first use.
    """

    def __init__(self, client: "Callable[[], SecretsManagerClient]", name: Callable[[], str]) -> None:
        self._client = client
        self._name = name
        self._key = ""
        self._lock = Lock()

    def of(self, shop: str) -> Hash:
        """Return what hashes a shop's ids.

        Raises:
            Broken: there is no key, or it is too short.
            PersonalizationError: Secrets Manager does not answer.
        """
        with self._lock:
            self._key = self._key or self._first()
        return partial(hash_id, self._key, shop)

    def forget(self) -> None:
        """Read the key anew."""
        self._key = ""

    def _first(self) -> str:
        name = self._name()
        try:
            return read_key(self._client(), name)
        except Missing:
            raise Broken(name, f"there is no key for hashes of ids. {LOST}") from None


class ImportedHashKey(HashKey):
    """The key as imports use it, the first of which makes it."""

    def made_for(self, shop: str) -> Hash:
        """Return what hashes the ids of a shop that has none yet; a key is made where it is missing."""
        with self._lock:
            self._key = make_key(self._client(), self._name())
        return partial(hash_id, self._key, shop)
