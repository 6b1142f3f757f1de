# SPDX-License-Identifier: Apache-2.0
"""The disk of a function's container."""

import hashlib
import os
import tempfile
from pathlib import Path


def folder(name: str) -> Path:
    """Return the folder of this container on the disk, for some use.

    A process that Lambda starts after a crash or a timeout of an earlier one has its disk: it goes on with the same
    folder, as nothing else would ever empty it.
    """
    stream = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
    if not stream:
        return Path(tempfile.mkdtemp(prefix=f"{name}-"))
    root = Path(tempfile.gettempdir()) / f"{name}-{hashlib.sha256(stream.encode()).hexdigest()[:16]}"
    root.mkdir(exist_ok=True)
    return root
