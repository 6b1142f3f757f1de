# SPDX-License-Identifier: Apache-2.0
"""What is known at the end of a past, in the forms that recipes and simple rules read."""

import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from personalize_local.data.frames import pl
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes import TrainingConfig
from personalize_local.recipes.common.rows import Rows, hashes, training_rows

from local.evaluation import splitting
from local.evaluation.files import Tables
from local.evaluation.questions import People
from local.evaluation.rules import Rules, Tuning
from local.evaluation.splitting import Split


@dataclass(frozen=True)
class Past:
    """A past, and who is in it."""

    split: Split
    snapshot: Snapshot
    rows: Rows
    """Those that train."""

    @cached_property
    def people(self) -> People:
        return People(self.snapshot, self.split.cut)

    @cached_property
    def active(self) -> frozenset[str]:
        """Return the users with interactions in this past."""
        return frozenset(self.snapshot.users[np.diff(self.snapshot.starts) > 0].tolist())

    def rules(self, tuning: Tuning) -> Rules:
        return Rules(self.rows, self.snapshot.items, self.people.numbers, self.split.cut, tuning)


def prepared(tables: Tables, given: Split, config: TrainingConfig) -> Past:
    """Build a split's past. Raises TrainingRefused where it is under Personalize's minimums."""
    with tempfile.TemporaryDirectory(prefix="past-") as folder:
        made = splitting.snapshot(tables, given, Path(folder))
    return Past(given, made, training_rows(made, config))


def thinned(given: Split, share: float) -> Split:
    """Return the split with a share of the users in its past, chosen by a hash of their ids; the tests stay."""
    users = given.training["USER_ID"].unique().sort()
    kept = users.filter(pl.Series(hashes(users.to_numpy()) < share * 2**32))
    return replace(given, training=given.training.filter(pl.col("USER_ID").is_in(kept.implode())))
