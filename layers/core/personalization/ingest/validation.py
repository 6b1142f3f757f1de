# SPDX-License-Identifier: Apache-2.0
"""What a drop is held against, and what is left of it when it was accepted. `intake` does the looking."""

from collections.abc import Mapping
from dataclasses import dataclass

from personalization.shop.keys import DataKind, Mode
from personalization.shop.schema import Schema
from personalization.shop.settings import ShopSettings
from personalization.shop.streamed import Group


@dataclass(frozen=True, slots=True)
class Checked:
    """A drop that was accepted."""

    schema: Schema
    rows: int
    notes: tuple[str, ...]
    changed: bool = False
    """Whether the dataset is to get this schema in place of the one that it has."""
    report: str = ""
    """The key of the report as a page."""
    rejects: int = 0
    """Rows that were left out."""
    events: Mapping[str, int] | None = None
    """How many interactions there are of each event type, where the drop is the shop's whole history of them."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a drop is held against."""

    resource: str
    """What the messages name: the key."""
    kind: DataKind
    mode: Mode
    settings: ShopSettings
    existing: Schema | None = None
    """The schema of the dataset, if it is there already."""
    now: int = 2**33
    """Seconds since 1970: no interaction is of much later."""
    group: Group | None = None
    """The dataset group, if it is there already: what was streamed to it must not be imported as well."""
