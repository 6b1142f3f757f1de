# SPDX-License-Identifier: Apache-2.0
"""Check a drop in a child process, since a file may end it."""

from typing import Any

from personalization.core.bounded import parent


def _share(event: dict[str, Any]) -> float:
    """Return the share of the time that reading may take: where files are imported together, others need the rest."""
    return 0.5 if event.get("also") else 1.0


handler = parent.handler(__name__, again=True, share=_share)
