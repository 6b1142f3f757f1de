# SPDX-License-Identifier: Apache-2.0
"""The secrets that sessions are signed with: the two newest versions of one secret of Secrets Manager.

A new value makes the one before it AWSPREVIOUS, so that tokens which it signed stay good until the next change.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from personalization.core.aws.errors import ClientError, is_missing, translate_errors
from personalization.core.errors import Broken

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SHORTEST = 32
"""Bytes of a secret (RFC 7518: no less than the hash has)."""


def versions(client: "SecretsManagerClient", secret: str) -> dict[str, bytes]:
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
            told = client.get_secret_value(SecretId=secret, VersionStage=stage)
        except ClientError as error:
            if stage == "AWSPREVIOUS" and is_missing(error):
                return {}
            raise
    value = told["SecretString"].encode()
    if len(value) < SHORTEST:
        raise Broken(secret, f"its {stage} value has fewer than {SHORTEST} bytes")
    return {told["VersionId"]: value}
