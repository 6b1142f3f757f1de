# SPDX-License-Identifier: Apache-2.0
"""What a client may keep of an answer, and how it asks whether that is still good (RFC 9110 and 9111)."""

import hashlib

NEVER = "private, no-store"
"""For what is one shopper's, and for every refusal."""
DESCRIPTION_SECONDS = 300
"""How long the API's description is good."""
SHARED_SECONDS = 60
"""How long a list is good that is the same for everybody."""


def keep(seconds: int) -> str:
    """For what is the same for everybody who may ask: only the client keeps it, because a proxy knows no keys."""
    return f"private, max-age={seconds}"


def tag(text: str, *, weak: bool = False) -> str:
    """The entity tag of a text; a weak one says that what matters is the same."""
    return f'{"W/" if weak else ""}"{hashlib.sha256(text.encode(errors="replace")).hexdigest()[:22]}"'


def matches(asked: str, known: str) -> bool:
    """Whether an If-None-Match names a tag, compared weakly as it has to be."""
    if asked.strip() == "*":
        return True
    return known.removeprefix("W/") in {each.strip().removeprefix("W/") for each in asked.split(",")}
