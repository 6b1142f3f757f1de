# SPDX-License-Identifier: Apache-2.0
"""Variables of the environment, which containers read once."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from personalization.core import environment


@contextmanager
def changed(name: str, value: str) -> Iterator[None]:
    """Let a variable have another value while the block runs."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, value)
            environment.forget()
            yield
    finally:
        environment.forget()
