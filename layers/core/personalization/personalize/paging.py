# SPDX-License-Identifier: Apache-2.0
"""Pages without repeats: a token tells which items a list has shown, and for whom.

It is the next request's own memory: nothing is stored, and events between two pages may change the order of the list
without bringing an item back. An item is remembered by its CRC-32: with 500 items shown, one new item in 8 million
is taken for one of them and left out. The signature keeps tokens of other lists and users out; it is made with
the event tracker's id, which no answer shows.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

from personalization.core.problems import FieldError, Problem

MOST = 500
"""Items over all pages: Personalize answers no more to one request."""
_SIGNATURE = 12


@dataclass(frozen=True, slots=True)
class Hidden:
    """Items that an answer does not show."""

    items: frozenset[str] = frozenset()
    """Their ids."""
    shown: frozenset[int] = frozenset()
    """The marks of those of earlier pages."""

    def __len__(self) -> int:
        return len(self.items) + len(self.shown)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self.items or (bool(self.shown) and mark(item_id) in self.shown)

    def and_also(self, items: Iterable[str]) -> "Hidden":
        """These and further ids."""
        return Hidden(self.items.union(items), self.shown)


NOTHING = Hidden()


def mark(item_id: str) -> int:
    """What a token remembers of an item."""
    return crc32(item_id.encode(errors="replace"))


def token(secret: str, scope: Sequence[str], shown: Iterable[int]) -> str:
    """The token of the next page.

    Args:
        secret: what signs it.
        scope: the shop, the user and everything else that the list depends on.
        shown: marks of the items so far.
    """
    marks = sorted(shown)
    content = struct.pack(f">{len(marks)}I", *marks)
    return base64.urlsafe_b64encode(_signature(secret, scope, content) + content).decode().rstrip("=")


def read(secret: str, scope: Sequence[str], text: str) -> frozenset[int]:
    """The marks of the items that a list has shown.

    Raises:
        Problem: 400, the token is not of this list, or not of us.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    signature, content = data[:_SIGNATURE], data[_SIGNATURE:]
    good = hmac.compare_digest(signature, _signature(secret, scope, content))
    if not good or len(content) % 4 or not content:
        told = "is not of this list: ask the first page again, and every page with the same parameters"
        raise Problem(400, "The page is unknown.", [FieldError("next", told)])
    return frozenset(struct.unpack(f">{len(content) // 4}I", content))


def _signature(secret: str, scope: Sequence[str], content: bytes) -> bytes:
    parts = [each.encode(errors="replace") for each in scope]
    # With the lengths in front, no two scopes look alike, whatever characters their ids have.
    lengths = struct.pack(f">{len(parts) + 1}I", len(parts), *map(len, parts))
    return hmac.digest(secret.encode(), b"".join((lengths, *parts, content)), hashlib.sha256)[:_SIGNATURE]
