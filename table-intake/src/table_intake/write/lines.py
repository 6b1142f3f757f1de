# SPDX-License-Identifier: Apache-2.0
"""What takes the good rows of a table besides its copy."""

from collections.abc import Iterator
from typing import Protocol

import polars as pl


class Lines(Protocol):
    """The rows of a table of items, as lines that are spread over partitions by id."""

    columns: tuple[str, ...]

    @property
    def too_large(self) -> bool:
        """Whether there are more rows than a table of items takes."""

    def take(self, frame: pl.DataFrame) -> None:
        """Take some good rows."""

    def partitions(self) -> Iterator[tuple[int, list[bytes]]]:
        """Iterate over the lines by partition."""
