# SPDX-License-Identifier: Apache-2.0
"""The `listId` of an answer: a signed token that says which list was shown, so that nothing is stored for a read.

It has 56 characters at most: the key, the time, the shop, the variant, the release, a digest of the user, the placement
or route, and the signature. All but the user can be read in it. It proves no caller's identity.
"""

import base64
import binascii
import hmac
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Literal
from zlib import crc32

DAYS = 31
"""How long a key signs, and how old a list may be that an event follows: as long again the key before checks."""
MOST_CHARACTERS = 56
"""The longest listId."""
NOBODY = bytes(4)
"""The digest in a list that is the same for all users."""
PLACEMENT = "placement/"
"""The start of the name of a placement's list."""
Refusal = Literal["malformed", "forged", "anotherShop", "tooOld", "anotherUser", "unchecked"]
"""Why an event does not keep its listId; `unchecked`: the keys could not be read."""

_FORMAT = 1
_HEAD = struct.Struct(">H5sH3sI4s")
"""Format (4 bits) and key (12), hundredths of a second, shop, variant, release and user."""
_SIGNATURE = 8
PLACES = {"at": (2, 7), "variant": (9, 12), "release": (12, 16), "name": (_HEAD.size, -_SIGNATURE)}
"""The bytes that say something, from and to: the time in hundredths of a second, and the name as it is packed."""
_LETTERS = "-0123456789abcdefghijklmnopqrstuvwxyz"
_LONGEST_NAME = 20


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key."""

    id: int
    """12 bits of a hash of the secret's version."""
    secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a listId says of its list."""

    name: str
    """`placement/` and the placement's name, or the operation of the route."""
    at: float
    """When the list was answered, in epoch seconds, exact to a hundredth."""
    release: int
    """When the release was promoted, in epoch seconds."""
    variant: int = 0
    """See `variant_number`."""
    user: bytes = NOBODY
    """See `digest`."""


def key_of(version: str, secret: bytes) -> Key:
    """Return the key in a version of the secret."""
    number = int.from_bytes(blake2b(version.encode(), digest_size=2).digest())
    return Key(number & 0xFFF, secret[: blake2b.MAX_KEY_SIZE])


def variant_number(name: str) -> int:
    """Return what stands for a variant, named `experiment.variant`: 24 bits of a hash, 0 for none.

    Two variants of a shop's placement have one number with a chance of one in 16 million.
    """
    return int.from_bytes(blake2b(name.encode(), digest_size=3).digest()) or 1 if name else 0


def digest(key: Key, shop: str, user: str) -> bytes:
    """Return the digest of a user, which cannot be reversed and is another one by the next key."""
    named = f"{shop}\0{user}".encode(errors="replace")
    return blake2b(named, digest_size=len(NOBODY), key=key.secret, person=b"user").digest()


def of(key: Key, shop: str, user: str | None, shown: Shown) -> str:
    """Return the listId of a list that is shown to a user, or to everybody where `user` is None."""
    return sign(key, shop, shown if user is None else replace(shown, user=digest(key, shop, user)))


def sign(key: Key, shop: str, shown: Shown) -> str:
    """Return the listId of a list.

    Raises:
        ValueError: no placement and no route has such a name.
    """
    first = (_FORMAT << 12 | key.id, int(shown.at * 100).to_bytes(5), _mark(shop))
    content = _HEAD.pack(*first, shown.variant.to_bytes(3), shown.release, shown.user) + _packed(shown.name)
    return _text(content + _signature(key, shop, content))


def read(keys: Iterable[Key], shop: str, token: str, now: float) -> Shown | Refusal:
    """Return what a listId says, or why it names no list that this shop has shown lately.

    Args:
        keys: the current key and the one before. shop: the shop that the token must be of.
        token, now: the listId, and epoch seconds.
    """
    opened = _opened(keys, shop, token, now)
    return opened[1] if isinstance(opened, tuple) else opened


def told(token: str) -> Shown | None:
    """Return what a listId says that was checked before; None for a text that is none."""
    data = _decoded(token)
    if data is None:
        return None
    _, time, _, variant, release, user = _HEAD.unpack_from(data)
    at, name = int.from_bytes(time) / 100, unpacked(data[_HEAD.size : -_SIGNATURE])
    return Shown(name=name, at=at, release=release, variant=int.from_bytes(variant), user=user) if name else None


def check(keys: Sequence[Key], shop: str, token: str, users: Iterable[str | None], now: float) -> Refusal | None:
    """Return why an event cannot follow from a list; None if it can.

    Args:
        keys: as in `read`; none if they could not be read. shop: the event's.
        token, now: the event's listId, and epoch seconds.
        users: the event's user, and its session: before a login, the session is the user of a list.
    """
    if not keys:
        return "malformed" if _decoded(token) is None else "unchecked"
    opened = _opened(keys, shop, token, now)
    if not isinstance(opened, tuple):
        return opened
    key, shown = opened
    is_theirs = shown.user == NOBODY or shown.user in {digest(key, shop, user) for user in users if user}
    return None if is_theirs else "anotherUser"


def key_id(token: str) -> int | None:
    """Return the id of the key that a listId names; None if it is malformed."""
    data = _decoded(token)
    return None if data is None else _HEAD.unpack_from(data)[0] & 0xFFF


def _opened(keys: Iterable[Key], shop: str, token: str, now: float) -> tuple[Key, Shown] | Refusal:
    data = _decoded(token)
    if data is None:
        return "malformed"
    named, _, mark, *_ = _HEAD.unpack_from(data)
    content, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
    shown = told(token)
    if shown is None or named >> 12 != _FORMAT:
        return "malformed"
    if mark != _mark(shop):
        return "anotherShop"
    is_old = now - shown.at > DAYS * 86_400
    possible = [key for key in keys if key.id == named & 0xFFF]
    for key in possible:
        if hmac.compare_digest(_signature(key, shop, content), signature):
            return "tooOld" if is_old else (key, shown)
    # The key of an old list is gone, so nobody can say more of it.
    return "forged" if possible or not is_old else "tooOld"


def _decoded(token: str) -> bytes | None:
    """Return the bytes of a token; None unless it is the one way to write them."""
    if len(token) > MOST_CHARACTERS:
        return None
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) > _HEAD.size + _SIGNATURE and _text(data) == token else None


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _signature(key: Key, shop: str, content: bytes) -> bytes:
    # No shop's name has a zero byte, so that no two pairs of a shop and a content are the same bytes.
    signed = shop.encode() + b"\0" + content
    return blake2b(signed, digest_size=_SIGNATURE, key=key.secret, person=b"listId").digest()


@lru_cache(256)
def _mark(shop: str) -> int:
    return crc32(shop.encode(errors="replace")) & 0xFFFF


@lru_cache(1024)
def _packed(list_name: str) -> bytes:
    """Return a list's name in 14 bytes at most: a number with a digit for each letter, and whether a placement's."""
    name = list_name.removeprefix(PLACEMENT)
    if not 0 < len(name) <= _LONGEST_NAME or not set(name) <= set(_LETTERS):
        raise ValueError(f"{list_name!r} is neither a placement nor a route")
    number = 0
    for letter in name:
        number = number * len(_LETTERS) + _LETTERS.index(letter) + 1
    number = number << 1 | (name != list_name)
    return number.to_bytes((number.bit_length() + 7) // 8)


def unpacked(data: bytes) -> str:
    """Return the name in some bytes; empty if they hold none."""
    number = int.from_bytes(data)
    start = PLACEMENT if number & 1 else ""
    number >>= 1
    letters: list[str] = []
    while number:
        number, letter = divmod(number - 1, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return start + "".join(reversed(letters)) if 0 < len(letters) <= _LONGEST_NAME else ""
