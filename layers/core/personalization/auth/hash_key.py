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


class HashKey:
    """The key of a stack, read when it is first used and then kept.

    Args:
        client, name: return a client of Secrets Manager and the secret's name, on first use.
        read: reads the key; see `make_key`.
    """

    def __init__(
        self,
        client: "Callable[[], SecretsManagerClient]",
        name: Callable[[], str],
        read: "Callable[[SecretsManagerClient, str], str]" = read_key,
    ) -> None:
        self._client = client
        self._name = name
        self._read = read
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
            return self._read(self._client(), name)
        except Missing:
            raise Broken(name, "there is no key for hashes of ids; the first import of a shop makes it") from None
