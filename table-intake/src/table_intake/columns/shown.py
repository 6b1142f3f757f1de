# SPDX-License-Identifier: Apache-2.0
"""What a message may show of a file: more people read it than the file.

The first row of a file without names of columns is somebody's, and so is a key by which files are joined.
"""

import re
from collections.abc import Iterable

_PERSONAL = re.compile(r".*@.*|[+0(][\d\s()./-]{7,}", re.DOTALL)
"""An e-mail address or a phone number."""
HIDDEN = "…"


def shown(text: str) -> str:
    """Return a name of a column or a key; nothing of it if it is an e-mail address or a phone number."""
    return HIDDEN if _PERSONAL.fullmatch(text.strip()) else text


def shown_all(texts: Iterable[str]) -> list[str]:
    return [shown(text) for text in texts]
