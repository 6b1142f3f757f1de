# SPDX-License-Identifier: Apache-2.0
"""Offline metrics of a solution version, as GetSolutionMetrics defines them.

A tenth of the users (by a hash of the id) is kept out of the training of the model that is measured. It is given the
oldest nine tenths of each such user's interactions; the items of the newest tenth are the relevant ones. At most SAMPLE
of these users are asked, which bounds the time; `coverage` counts the items in their answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from personalization.releases.ranking_metrics import DEEPEST, Answer, summary

from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Interaction, Model, Query
from personalize_local.recipes.common.rows import Mask, Rows, hashes

SAMPLE = 500


@dataclass(frozen=True, slots=True)
class Case:
    """One test user: what the model is told, and what the user went on to interact with."""

    query: Query
    relevant: frozenset[str]


def test_users(snapshot: Snapshot) -> Mask:
    """[users] one user in ten, the same ones every time."""
    hashed = hashes(snapshot.users)
    mask: Mask = hashed % 10 == 0
    if not mask.any():
        mask[int(np.argmin(hashed))] = True
    return mask


def cases(snapshot: Snapshot, rows: Rows, users: Mask) -> list[Case]:
    """What to ask about the given users; those with fewer than two interactions say nothing."""
    starts = np.searchsorted(rows.user, np.arange(len(snapshot.users) + 1))
    chosen: npt.NDArray[np.intp] = np.flatnonzero(users & (np.diff(starts) >= 2))
    chosen = chosen[np.argsort(hashes(snapshot.users[chosen]), kind="stable")][:SAMPLE]
    return [_case(snapshot, rows, int(user), int(starts[user]), int(starts[user + 1])) for user in chosen]


def measure(model: Model, questions: Sequence[Case]) -> dict[str, float]:
    """Ask a model that has not seen the users, and sum up its answers."""
    answers = [
        Answer([scored.item_id for scored in model.recommend(case.query, None, DEEPEST)], case.relevant)
        for case in questions
    ]
    return summary(answers, len(model.item_ids))


def _case(snapshot: Snapshot, rows: Rows, user: int, start: int, stop: int) -> Case:
    newest = max(1, (stop - start) // 10)
    items: npt.NDArray[np.object_] = snapshot.items[rows.item[start:stop]]
    history = [
        Interaction(key, time) for key, time in zip(items[:-newest], rows.time[start:stop].tolist(), strict=False)
    ]
    properties = {name: column[user] for name, column in snapshot.user_columns.items() if column[user] is not None}
    query = Query(
        snapshot.users[user], history[-1].item_id, history, properties, exploration={"explorationWeight": 0.0}
    )
    return Case(query, frozenset(items[-newest:]))
