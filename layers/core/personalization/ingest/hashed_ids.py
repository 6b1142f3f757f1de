# SPDX-License-Identifier: Apache-2.0
"""Whether the ids of a shop's users are hashes, which its first import decides for good.

Ids of two kinds in one dataset group would make two users of one, and live events of the old kind would stay.
"""

from collections.abc import Collection
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


def columns(s3: "S3Client", bucket: str, shop: str) -> tuple[str, ...]:
    """Return the columns of a shop's imports that have hashes, by Personalize's names; none where it hashes no ids."""
    document = objects.get_json(s3, bucket, _key(shop)) or {}
    return tuple(document.get("columns", ()))


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


def forget(s3: "S3Client", bucket: str, shop: str) -> tuple[str, ...]:
    """Forget the columns with hashes of a shop that has imported nothing, or that was removed; return none."""
    objects.remove(s3, bucket, _key(shop))
    return ()


def keep(s3: "S3Client", bucket: str, shop: str, hashed: Collection[str], new: Collection[str]) -> tuple[str, ...]:
    """Store the columns with hashes before they are imported, with those of the shop so far; return all of them."""
    together = tuple(sorted({*hashed, *new}))
    if set(together) != set(hashed):
        objects.put_json(s3, bucket, _key(shop), {"version": stored.VERSION, "columns": together})
    return together


def _key(shop: str) -> str:
    return f"catalogue/{shop}/hashed.json"
