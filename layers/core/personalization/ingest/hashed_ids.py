# SPDX-License-Identifier: Apache-2.0
"""Whether the ids of a shop's users are hashes, which its first import decides for good.

Ids of two kinds in one dataset group would make two users of one, and live events of the old kind would stay.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from table_intake.wording import Text

from personalization.core import stored
from personalization.core.aws import objects
from personalization.core.errors import Rejected

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_WAY = (
    "Change it back; or remove the shop, which deletes all that was made of its data, and drop its files again under "
    "the new settings"
)


@dataclass(frozen=True, slots=True)
class Hashed:
    """What a shop hashes."""

    columns: tuple[str, ...] = ()
    """Columns, by Personalize's names and by those of the shop; none where it hashes no ids."""
    key: str = ""
    """The fingerprint of the key."""


def of_shop(s3: "S3Client", bucket: str, shop: str) -> Hashed:
    """Return what the imports of a shop have hashes for."""
    document = objects.get_json(s3, bucket, _key(shop))
    return Hashed(tuple(document["columns"]), document["key"]) if document else Hashed()


def mixed(resource: str, *, hashes: bool) -> Rejected:
    """Return the refusal of a drop whose ids are of another kind than those that the shop has imported.

    Args:
        resource: the drop.
        hashes: whether its settings hash.
    """
    if hashes:
        text = "the shop's ids are not hashes, and the setting hash is new: ids of two kinds do not match. {way}"
        return Rejected(resource, Text("import.hash-new", text, way=Text("import.hash-way", _WAY)))
    text = "the shop's ids are hashes, and the setting hash is gone: ids of two kinds do not match. {way}"
    return Rejected(resource, Text("import.hash-gone", text, way=Text("import.hash-way", _WAY)))


def forget(s3: "S3Client", bucket: str, shop: str) -> Hashed:
    """Forget what a shop hashes that has imported nothing, or that was removed; return nothing of it."""
    objects.remove(s3, bucket, _key(shop))
    return Hashed()


def keep(s3: "S3Client", bucket: str, shop: str, before: Hashed, *, new: Collection[str], key: str) -> Hashed:
    """Store columns with hashes before they are imported, with those of the shop so far; return all of them."""
    together = Hashed(tuple(sorted({*before.columns, *new})), key)
    if together != before and together.columns:
        document = {"version": stored.VERSION, "columns": together.columns, "key": key}
        objects.put_json(s3, bucket, _key(shop), document)
    return together


def _key(shop: str) -> str:
    return f"catalogue/{shop}/hashed.json"
