# SPDX-License-Identifier: Apache-2.0
"""The keys of listIds in Secrets Manager: read beside requests, and renewed by the daily round."""

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Thread
from typing import TYPE_CHECKING

from personalization.auth import keyring, list_ids
from personalization.auth.list_ids import Key
from personalization.core.aws import errors
from personalization.core.errors import PersonalizationError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

REFRESH_SECONDS = 300.0
"""How long keys are used before the secret is read again."""
PAUSE_SECONDS = 10.0
"""The pause after a failure, and between two reads for unknown keys, so that invented ones cost little."""
WAIT_SECONDS = 0.25
"""The longest time that a request waits for keys."""
SIGNING = keyring.STAGES[:1]
"""What a function reads that only signs."""


def fetch(
    client: "Callable[[], SecretsManagerClient]", secret: Callable[[], str], stages: Sequence[str] = keyring.STAGES
) -> Callable[[], Sequence[Key]]:
    """Return the function that reads the keys, the newest first; its client is created on first use."""

    def read() -> Sequence[Key]:
        versions = keyring.secret_versions(client(), secret(), stages)
        return [list_ids.key_of(version, value) for version, value in versions.items()]

    return read


class ListIdKeys:
    """A cache of the keys, which a thread fills: requests wait for the first ones alone.

    While the secret cannot be read, the keys that were read before serve.

    Args:
        fetch: reads the keys, the newest first.
        clock: seconds.
    """

    def __init__(self, fetch: Callable[[], Sequence[Key]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: Sequence[Key] = ()
        self._tried = self._due = float("-inf")
        self._is_reading = False
        self._thread: Thread | None = None

    def begin(self) -> None:
        """Begin to read the secret if the keys are old."""
        if self._clock() >= self._due:
            self._read()

    def get(self, wanted: Iterable[int] = ()) -> Sequence[Key]:
        """Return the keys, the newest first; none if they do not come within WAIT_SECONDS.

        A `wanted` id that is unknown may be of a key that is newer than the last read.
        """
        self.begin()
        ids = {key.id for key in self._keys}
        if ids and ids.issuperset(wanted):
            return self._keys
        if ids and self._clock() >= self._tried + PAUSE_SECONDS:
            self._read()
        if self._thread is not None:
            self._thread.join(WAIT_SECONDS)
        return self._keys

    def _read(self) -> None:
        if self._is_reading:
            return
        self._is_reading = True
        self._tried = self._clock()
        self._due = self._tried + PAUSE_SECONDS
        self._thread = Thread(target=self._take, name="list keys", daemon=True)
        self._thread.start()

    def _take(self) -> None:
        keys = self._keys
        try:
            keys = self._fetch()
            self._due = self._tried + REFRESH_SECONDS
        except PersonalizationError:
            # Answers do without, and a request after the pause tries again.
            pass
        finally:
            self._is_reading = False
            # The last step: who sees new keys may ask for newer ones.
            self._keys = keys


def renew(client: "SecretsManagerClient", secret: str, now: datetime) -> bool:
    """Put a new key into the secret if the current one has signed long enough; return whether one was put.

    The one before stays for checks. Of two rounds at once one puts the key: a second one would end the checks of the
    lists of a month.
    """
    versions = client.list_secret_version_ids(SecretId=secret)["Versions"]
    current = next(version for version in versions if "AWSCURRENT" in version.get("VersionStages", ()))
    if now - current["CreatedDate"] < timedelta(days=list_ids.DAYS):
        return False
    token = sha256(current["VersionId"].encode()).hexdigest()
    try:
        client.put_secret_value(SecretId=secret, ClientRequestToken=token, SecretString=secrets.token_hex(32))
    except PersonalizationError as error:
        if errors.code(error) != "ResourceExistsException":
            raise
        return False
    return True
