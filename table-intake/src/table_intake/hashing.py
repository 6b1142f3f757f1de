# SPDX-License-Identifier: Apache-2.0
"""Replace values by a keyed hash, as the setting `hash` says: HMAC-SHA256 (RFC 2104).

Whoever has the key can make the hash of a value, and nobody can read the value from its hash. It is a pseudonym, not
anonymous: the shop itself still knows whose it is.
"""

import hmac
import re

DIGITS = 40
"""Hexadecimal digits of a hash: 160 bits, of which two among any number of customers never agree by chance."""
_HASH = re.compile(rf"h-[0-9a-f]{{{DIGITS}}}")
_EDGES = " \t\n\v\f\r\u00a0\u3000\ufeff"
"""What is taken away around a value: the same list in every language, whose own notions of a space differ."""
_SMALL = {capital: capital + 32 for capital in range(ord("A"), ord("Z") + 1)}


def hash_id(key: str | bytes, shop: str, value: str) -> str:
    """Return the keyed hash of an id or of another value: `h-` and 40 hexadecimal digits.

    Spaces around the value do not count, and in a value with `@`, which is an e-mail address, capitals from A to Z do
    not differ from small letters. An empty value stays empty, and a hash stays as it is: hashing twice is harmless.

    Args:
        key: the secret of the stack.
        shop: the shop's name, so that hashes of two shops do not match.
        value: what the shop writes.

    Raises:
        ValueError: the key is empty.
    """
    if not key:
        raise ValueError("the key of hashes is empty")
    value = value.strip(_EDGES)
    if not value or _HASH.fullmatch(value):
        return value
    if "@" in value:
        value = value.translate(_SMALL)
    secret = key.encode() if isinstance(key, str) else key
    return f"h-{hmac.digest(secret, _encoded(f'{shop}/{value}'), 'sha256').hex()[:DIGITS]}"


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half a character of UTF-16 becomes U+FFFD, as in JavaScript.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
