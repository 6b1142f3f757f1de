# SPDX-License-Identifier: Apache-2.0
"""Training on users' metadata and the context of interactions: lifts, and the values of each interaction."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personalize_local.data.snapshots import Column, Snapshot
from personalize_local.recipes.common import seasons
from personalize_local.recipes.common.attributes import Vocabulary, lifts
from personalize_local.recipes.common.rows import Rows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.popularity.training import Timeline, row_codes

LIFTED = 4000
"""Most popular items for which lifts are learned."""
SHRINKAGE = 50.0


class Metadata:
    """The values of metadata and context that may train, and the rows that have each."""

    def __init__(self, snapshot: Snapshot, rows: Rows, config: TrainingConfig) -> None:
        """`rows` number items by popularity."""
        self._rows, self._count = rows, len(snapshot.users)
        self.seasons = seasons.seen(rows.time)
        users = config.trainable(snapshot.user_columns, "USERS")
        columns = config.trainable(snapshot.context, "INTERACTIONS")
        context: dict[str, Column] = {name: column[rows.source] for name, column in columns.items()}
        if self.seasons:
            context[seasons.COLUMN] = seasons.months(rows.time)
        self.users, self.context = Vocabulary.of(users), Vocabulary.of(context)
        self._of_user, self._of_row = self.users.pairs(users), self.context.pairs(context)

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        once, (user, code) = self._rows.once(), self._of_user
        taken = _incidence(once.user, once.item, self._count, once.items)
        by_user = _incidence(code, user, self.users.size, self._count) @ taken
        row, code = self._of_row
        by_row = _incidence(code, self._rows.item[row], self.context.size, self._rows.items)
        return {"user_lift": _lifts(by_user), "context_lift": _lifts(by_row)}

    def facts(self) -> dict[str, object]:
        return {"users": self.users.facts(), "context": self.context.facts()}

    def timeline(self, *, clock: bool) -> Timeline:
        """Return the rows in the order of time; all at one time if times are no clock."""
        rows = self._rows if clock else replace(self._rows, time=np.zeros(len(self._rows), np.int64))
        codes = row_codes(rows, self._of_user, self._of_row, self.users.size)
        of_user, of_row = (np.array(each.spans(), np.int64).reshape(-1, 2) for each in (self.users, self.context))
        return Timeline(rows, codes, np.concatenate((of_user, of_row + self.users.size)), len(of_row))


def _incidence(row: npt.NDArray[Any], column: npt.NDArray[Any], height: int, width: int) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(row), np.float32), (row, column)), shape=(height, width)).tocsr()


def _lifts(chosen: sparse.csr_array) -> npt.NDArray[np.float32]:
    return lifts(chosen[:, : min(LIFTED, chosen.shape[1])].toarray().astype(np.float64), SHRINKAGE)
