# SPDX-License-Identifier: Apache-2.0
"""Offline metrics of a solution version, as GetSolutionMetrics defines them.

A tenth of the users (by a hash of the id) is held out of the training of the model that is measured. The model gets the
oldest nine tenths of each such user's interactions; the items of the newest tenth are the relevant ones. At most SAMPLE
of these users are asked about, which bounds the time; `coverage` counts the items in their answers.
"""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from personalize_local.data.records import Interaction
from personalize_local.data.snapshots import Snapshot, Strings
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common.rows import Mask, Rows, hashes

SAMPLE = 500
DEPTHS = (5, 10, 25)
"""The depths that lists are measured at."""
REWARDED = 100
"""Items of the answers that an objective's rewards are measured at."""


Question = tuple[Query, frozenset[str]]
"""What a model knows of a held-out user, and the items that the user took next."""


def held_out_users(snapshot: Snapshot, fold: int = 0) -> Mask:
    """[users] one user in ten, always the same ones; another draw for another fold."""
    hashed = hashes(snapshot.users) // 10**fold
    mask: Mask = hashed % 10 == 0
    if not mask.any():
        mask[int(np.argmin(hashed))] = True
    return mask


def questions(snapshot: Snapshot, rows: Rows, users: Mask) -> list[Question]:
    """Make a question of each of the given users with at least two interactions."""
    starts = np.searchsorted(rows.user, np.arange(len(snapshot.users) + 1))
    chosen: npt.NDArray[np.intp] = np.flatnonzero(users & (np.diff(starts) >= 2))
    chosen = chosen[np.argsort(hashes(snapshot.users[chosen]), kind="stable")][:SAMPLE]
    held_out_questions = []
    for user in chosen.tolist():
        span = slice(starts[user], starts[user + 1])
        items = snapshot.items[rows.item[span]].tolist()
        newest = max(1, len(items) // 10)
        history = list(map(Interaction, items[:-newest], rows.time[span].tolist()))
        properties = {name: column[user] for name, column in snapshot.user_columns.items() if column[user] is not None}
        exploration = {"explorationWeight": 0.0}
        query = Query(snapshot.users[user], history[-1].item_id, history, properties, exploration=exploration)
        held_out_questions.append((query, frozenset(items[-newest:])))
    return held_out_questions


def measure(
    model: Model, questions: Sequence[Question], rewards: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the metrics of a model that has not seen the users.

    With `rewards` of items, those of an objective, `average_rewards_at_k` too.
    """
    depth = DEPTHS[-1] if rewards is None else REWARDED
    lists = [
        ([scored.item_id for scored in model.recommend(query, None, depth)], relevant) for query, relevant in questions
    ]
    metrics = summary([(items[: DEPTHS[-1]], relevant) for items, relevant in lists], len(model.item_ids))
    return metrics if rewards is None else {"average_rewards_at_k": average_rewards(lists, rewards)} | metrics


def average_rewards(answers: Sequence[tuple[Sequence[str], Collection[str]]], rewards: Mapping[str, float]) -> float:
    """Return which share of the reward of the items that users took lies in each answer's most rewarding 25.

    The guide's "Measuring optimization performance" leaves open how long the answers are: here they have REWARDED
    items. Users who took nothing of their answer don't count.
    """
    shares = []
    for items, relevant in answers:
        best = set(sorted(items, key=lambda item: -rewards[item])[: DEPTHS[-1]])
        taken = [item for item in items if item in relevant]
        total = sum(rewards[item] for item in taken)
        if total > 0:
            shares.append(sum(rewards[item] for item in taken if item in best) / total)
    return round(_mean(shares), 4)


def popularity(rows: Rows, items: Strings, questions: Sequence[Question]) -> dict[str, float]:
    """Return the metrics of the plain rule: to everybody the items (ids by index) that most users have in `rows`."""
    users = np.bincount(rows.item[rows.first_of_pair()], minlength=rows.items)
    top = np.argsort(-users, kind="stable")[: DEPTHS[-1]]
    answer = items[top[users[top] > 0]].tolist()
    return summary([(answer, relevant) for _, relevant in questions], rows.items)


def summary(answers: Sequence[tuple[Sequence[str], Collection[str]]], catalogue: int) -> dict[str, float]:
    """Return the metrics of lists (best first) and their relevant items, in four decimals, in alphabetical order.

    The names and definitions are those of the developer guide, "Evaluating a solution version with metrics". Places
    that a short list leaves empty count.
    """
    named = {item for items, _ in answers for item in items}
    metrics = {"coverage": len(named) / catalogue if catalogue else 0.0}
    reciprocal_ranks: list[float] = []
    gains: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    precisions: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    for items, relevant in answers:
        hits = [rank for rank, item in enumerate(items[: DEPTHS[-1]], 1) if item in relevant]
        reciprocal_ranks.append(1.0 / hits[0] if hits else 0.0)
        for depth in DEPTHS:
            within = [rank for rank in hits if rank <= depth]
            ideal = _discounted(range(1, min(depth, len(relevant)) + 1))
            gains[depth].append(_discounted(within) / ideal if ideal else 0.0)
            precisions[depth].append(len(within) / depth)
    metrics["mean_reciprocal_rank_at_25"] = _mean(reciprocal_ranks)
    metrics |= {f"normalized_discounted_cumulative_gain_at_{depth}": _mean(gains[depth]) for depth in DEPTHS}
    metrics |= {f"precision_at_{depth}": _mean(precisions[depth]) for depth in DEPTHS}
    return {name: round(metrics[name], 4) for name in sorted(metrics)}


def _discounted(places: Collection[int]) -> float:
    return sum(1.0 / math.log2(1 + rank) for rank in places)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
