# SPDX-License-Identifier: Apache-2.0
"""Keys that are fetched on demand and cached, and signing keys in Secrets Manager.

Those are the two newest versions of one secret: a new value makes the earlier one AWSPREVIOUS, with which what it
signed is still checked until the next change.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from personalization.core.errors import Broken, Missing, PersonalizationError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

K = TypeVar("K")
SHORTEST = 32
"""The least bytes of a secret (RFC 7518: the length of the hash)."""
STAGES = ("AWSCURRENT", "AWSPREVIOUS")
"""The versions of a secret that sign and check, the newest first."""


class Keyring(Generic[K]):
    """A cache of keys by id.

    Attributes:
        fresh: seconds for which keys are used without another fetch.
        pause: seconds between two fetches for unknown ids, so that invented ids cost little.
        stale: seconds for which old keys serve while a fetch fails.
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
        """Return the key of an id; None if there is none.

        Raises:
            PersonalizationError: the fetch failed, and the cached keys are stale.
        """
        keys = self.all()
        if kid not in keys and self._clock() - self._tried >= self.pause:
            keys = self._look()
        return keys.get(kid)

    def all(self) -> Mapping[str, K]:
        """Return all keys in the issuer's order; raise as `find`."""
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


def secret_versions(client: "SecretsManagerClient", secret: str, stages: Sequence[str] = STAGES) -> dict[str, bytes]:
    """Return a secret's values by version id, the current one first; raise Broken if one is too short."""
    values: dict[str, bytes] = {}
    for stage in stages:
        try:
            answer = client.get_secret_value(SecretId=secret, VersionStage=stage)
        except PersonalizationError as error:
            if stage == "AWSPREVIOUS" and isinstance(error, Missing):
                continue
            raise
        value = answer["SecretString"].encode()
        if len(value) < SHORTEST:
            raise Broken(secret, f"its {stage} value has fewer than {SHORTEST} bytes")
        values[answer["VersionId"]] = value
    return values
