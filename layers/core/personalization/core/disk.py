# SPDX-License-Identifier: Apache-2.0
"""The disk of a function's container."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Lend an empty folder on the disk for some use, in one thread at a time.

    What a killed process left in it goes with the next use in the same container.
    """
    root = folder(name)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
