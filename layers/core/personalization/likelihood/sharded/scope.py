# SPDX-License-Identifier: Apache-2.0
"""What all shards of a fit agree on: its time, its windows, and the share of users in its sample."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from personalization.core.messages import Part
from personalization.likelihood import training
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import NEWEST


class Scope(Part):
    """The scope of a fit.

    Attributes:
        since, end: epoch seconds of the events that count, inclusive; `end` is the last purchase.
        start: the first purchase. boundaries: the starts of the windows, the oldest first, and the end of the history.
        rate: the share of users in the sample. rows: events within the scope, with duplicates.
        wide: columns of users with too many values for groups.
    """

    since: int
    start: int
    end: int
    boundaries: tuple[int, ...]
    rate: float
    rows: int
    wide: tuple[str, ...] = ()

    @property
    def now(self) -> int:
        """Return the end of the history, up to which everything counts."""
        return self.end + 1


def scope(facts: Sequence[Mapping[str, Any]], horizon_days: int, sample_rows: int) -> Scope:
    """Return the scope from the facts of all byte ranges; the sample has about `sample_rows` events.

    Raises:
        TooLittle: the history is too short.
    """
    newest = sorted({tuple(row) for fact in facts for row in fact.get("newest", ())})[-NEWEST:]
    times = np.array([row[0] for row in newest], dtype=np.int64)
    since = int(times[0]) - training.reach(horizon_days) if len(times) == NEWEST else 0
    end = training.end_without_stragglers(times, horizon_days)
    if end is None:
        end = int(times[-1]) if len(times) else 0
    rows, start = 0, end + 1
    for day, events, purchases, first, last in (row for fact in facts for row in fact.get("days", ())):
        if day < since // DAY or day > end // DAY:
            continue
        rows += events
        if purchases and last >= since and first <= end:
            start = min(start, max(first, since))
    starts = training.window_starts(start, horizon_days * DAY, end + 1)
    wide = {name for fact in facts for name in fact.get("wide", ())}
    return Scope(
        since=max(since, 0),
        start=start,
        end=end,
        boundaries=(*reversed(starts), end + 1),
        rate=min(1.0, sample_rows / max(rows, 1)),
        rows=rows,
        wide=tuple(sorted(wide)),
    )


def is_sampled(user: str, rate: float) -> bool:
    """Tell whether a user is in a sample: by a hash that has nothing to do with the one that chooses the shard."""
    digest = hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=8, person=b"sample").digest()
    return int.from_bytes(digest, "big") < rate * 2.0**64
