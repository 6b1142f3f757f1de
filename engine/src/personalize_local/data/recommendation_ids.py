# SPDX-License-Identifier: Apache-2.0
"""Recommendation ids. An id ends in a keyed hash of the campaign or recommender that answered: nothing is stored."""

import uuid
from collections.abc import Iterable
from hashlib import blake2b

_PREFIX = "RID-"
_RANDOM = 10
"""Random bytes of an id, the key of the hash that follows."""


def recommendation_id(source: str) -> str:
    """Return a new id for an answer of a campaign or recommender, by its ARN."""
    random = uuid.uuid4().bytes[:_RANDOM]
    return f"{_PREFIX}{uuid.UUID(bytes=random + _hash(random, source))}"


def source_of(answer_id: str, sources: Iterable[str]) -> str | None:
    """Return the ARN among `sources` whose answer has an id; None if it is of none of them."""
    try:
        raw = uuid.UUID(answer_id.removeprefix(_PREFIX)).bytes
    except ValueError:
        return None
    random, digest = raw[:_RANDOM], raw[_RANDOM:]
    return next((source for source in sources if _hash(random, source) == digest), None)


def _hash(random: bytes, source: str) -> bytes:
    return blake2b(source.encode(), digest_size=16 - _RANDOM, key=random).digest()
