# SPDX-License-Identifier: Apache-2.0
"""What is stored says the version of its form, so that a later release knows what it reads."""

from collections.abc import Mapping
from typing import Any

from personalization.core.errors import Rejected

VERSION = 1
"""The version of stored records, and of plans in running executions. What is from before 0.1.0 has none."""


def refused(document: Mapping[str, Any], resource: str, remedy: str) -> Rejected:
    """Return the error for a document of another version; nothing of it changes.

    Args:
        document: as it is stored.
        resource: what it belongs to.
        remedy: what to do, as the end of a sentence.
    """
    what = f"its record {document['record']}" if "record" in document else "what is stored of it"
    return Rejected(resource, f"{what} is not from version 0.1.0 or later: {remedy}")
