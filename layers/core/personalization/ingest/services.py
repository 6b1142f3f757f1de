# SPDX-License-Identifier: Apache-2.0
"""What a preparation reads and writes with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from personalization.auth.hash_key import ImportedHashKey
from personalization.events.objections import Sets
from personalization.shop.records.dataset_groups import MadeOn

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Clients, and what is read of the shop's records."""

    s3: "S3Client"
    personalize: "PersonalizeClient"
    hash_key: ImportedHashKey
    objections: Sets
    """Reads users who object to personal lists."""
    made_on: MadeOn
