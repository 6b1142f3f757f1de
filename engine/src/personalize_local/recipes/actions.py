# SPDX-License-Identifier: Apache-2.0
"""Next-Best-Action: the probability that a user takes each action, by rates with partial pooling and metadata.

Amazon Personalize gives an action a probability of its own once it was taken, and not taken, fifty times each in the
latest six weeks; the others get 0.0 and are explored after them (developer guide, "Next-Best-Action recipe"). How
probabilities are made isn't published. Here an action's rate is shrunk towards that of all actions as far as actions
are alike; metadata, the user, and the user's own past with the action then move its odds: see `action_effects`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from zlib import crc32

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays, StringTable
from personalize_local.data.records import Interaction
from personalize_local.data.snapshots import Snapshot, Strings
from personalize_local.recipes.action_effects import MOST_ROWS, Effects, Offers, drawn, fit_effects, fit_tilts
from personalize_local.recipes.base import Model, Query, Trained
from personalize_local.recipes.common.rows import Floats, Ints, Mask, hashes
from personalize_local.recipes.common.topk import Scored
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RecipeSpec
from personalize_local.wire.errors import TrainingRefused

WINDOW = 42 * 86_400
"""Seconds before the newest interaction that count."""
MIN_TIMES = 50
"""Times that an action must have been taken, and not taken, for a probability of its own."""
MOST_VALUES, LEAST_USERS = 100, 20
"""Values of metadata that have effects: the most usual ones, of so many users at least."""
USUAL = (0.6, 0.4)
"""Spreads of users' effects, of all actions and of one, where there are no interactions to fit them to."""
DAY = 86_400.0


class ActionModel(Model):
    """Log odds of each action, and what moves them."""

    def __init__(self, files: Arrays, facts: Mapping[str, Any]) -> None:
        self._files, self._facts = files, facts
        self.item_ids = StringTable.from_arrays(files, "actions").all()
        self._hashes = hashes(self.item_ids)
        self._position = {key: position for position, key in enumerate(self.item_ids.tolist())}
        self._codes: dict[str, int] = facts["codes"]
        self._effects = Effects(*facts["spreads"])

    def recommend(self, query: Query, allowed: Mask | None, limit: int) -> list[Scored]:
        """Return the most likely actions, similar ones by VALUE; then explored ones, in turns from day to day."""
        probability = self.probabilities(query.history, query.user)
        # An odd factor puts the hashes of the actions in another order for each user and day.
        explored = self._hashes * np.uint32(crc32(f"{query.user_id}/{int(query.now // DAY)}".encode()) | 1)
        order = np.lexsort((explored, -self._files["value"], -np.round(probability, 2)))
        chosen = [position for position in order.tolist() if allowed is None or allowed[position]][:limit]
        return [Scored(str(self.item_ids[position]), round(float(probability[position]), 7)) for position in chosen]

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        positions = [self._position[key] for key in item_ids if key in self._position]
        mask = np.zeros(len(self.item_ids), np.bool_)
        mask[positions] = True
        unknown = [Scored(key) for key in item_ids if key not in self._position]
        return self.recommend(query, mask, len(positions)) + unknown

    def probabilities(self, history: Sequence[Interaction], user: Mapping[str, object]) -> Floats:
        """[actions] probability that the user takes each; 0.0 for actions with too little data."""
        odds = self._files["odds"] + self._tilt(user)
        rows = [
            (self._position[row.item_id], taken(row.event_type)) for row in history if row.item_id in self._position
        ]
        action, took = np.array(rows, np.int64).reshape(-1, 2).T
        chance = self._effects.moved(odds, action, took.astype(np.float64))
        return np.where(self._files["enough"], np.clip(chance, 1e-6, 1 - 1e-6), 0.0)

    def save(self, directory: Path) -> None:
        arrays.save(directory, self._files, {**self._facts, "family": "actions"})

    def _tilt(self, user: Mapping[str, object]) -> Floats:
        codes = [self._codes[key] for name, value in user.items() if (key := f"{name}={value}") in self._codes]
        tilt: Floats = self._files["tilt"][codes].sum(axis=0, dtype=np.float64)
        return tilt

    def added(self, snapshot: Snapshot) -> Self:
        """Return the model with all actions of a newer snapshot; new ones are explored."""
        new = [key for key in snapshot.items.tolist() if key not in self._position]
        ids, count = [*self.item_ids.tolist(), *new], len(new)
        worth = dict(zip(snapshot.items.tolist(), _worth(snapshot).tolist(), strict=True))
        files = {
            "odds": np.concatenate((self._files["odds"], np.full(count, _odds(self._facts["usual"])))),
            "enough": np.concatenate((self._files["enough"], np.zeros(count, np.bool_))),
            "value": np.array([worth.get(key, 0.0) for key in ids], np.float64),
            "tilt": np.pad(self._files["tilt"], ((0, 0), (0, count))),
            **StringTable.of(ids).arrays("actions"),
        }
        return type(self)(files, self._facts)


def taken(event_type: str | None) -> bool:
    """Tell whether an event says that an action was taken: TAKEN in any case."""
    return (event_type or "").upper() == "TAKEN"


def train(snapshot: Snapshot, _spec: RecipeSpec, _config: TrainingConfig) -> Trained:
    """Count, and measure on a tenth of the users. The snapshot's items are the actions. Raises TrainingRefused."""
    if not len(snapshot.items):
        raise TrainingRefused("Create failed. The Actions dataset has no actions.")
    newest = int(snapshot.timestamps.max()) if len(snapshot.timestamps) else 0
    recent = snapshot.timestamps >= newest - WINDOW
    test = (hashes(snapshot.users) % 10 == 0)[snapshot.user_index]
    metrics = _measured(_fit(snapshot, recent & ~test), snapshot, recent & test)
    return Trained(_fit(snapshot, recent), metrics)


def _fit(snapshot: Snapshot, mask: Mask) -> ActionModel:
    rows = np.flatnonzero(mask)
    rows, count = rows[drawn(snapshot.user_index[rows].astype(np.int64), MOST_ROWS)], len(snapshot.items)
    action, took = snapshot.item_index[mask], _took(snapshot)[mask]
    times = np.bincount(action, minlength=count).astype(np.float64)
    takes = np.bincount(action, took, count).astype(np.float64)
    usual = float((took.sum() + 1.0) / (len(took) + 2.0))
    base = np.asarray(_odds(_pooled(takes, times, usual)), np.float64)
    enough = (takes >= MIN_TIMES) & (times - takes >= MIN_TIMES)
    codes, columns = _values(snapshot, rows)
    tilts, effects = np.zeros((len(codes), count)), Effects(*USUAL)
    if len(rows):
        user = snapshot.user_index[rows].astype(np.int64)
        offers = Offers(snapshot.item_index[rows].astype(np.int64), _took(snapshot)[rows], columns)
        tilts = fit_tilts(offers, base, np.flatnonzero(enough), (hashes(snapshot.users) // 10 % 5 == 0)[user])
        effects = fit_effects(offers.odds(base, tilts), offers.action, user, offers.took)
    files: dict[str, npt.NDArray[Any]] = {
        "odds": base,
        "enough": enough,
        "value": _worth(snapshot),
        "tilt": tilts,
        **StringTable.of(snapshot.items.tolist()).arrays("actions"),
    }
    return ActionModel(files, {"usual": usual, "codes": codes, "spreads": [effects.user, effects.pair]})


def _pooled(takes: Floats, times: Floats, usual: float) -> Floats:
    """[actions] rates, shrunk towards the usual one by how little they differ from it (beta-binomial, by moments)."""
    seen = times > 0
    between = float((times[seen] * (takes[seen] / times[seen] - usual) ** 2).sum())
    chance = usual * (1.0 - usual)
    spread = (between - int(seen.sum()) * chance) / max(float(times.sum()), 1.0)
    prior = min(max(chance / max(spread, 1e-9) - 1.0, 1.0), 1000.0)
    return np.asarray((takes + prior * usual) / (times + prior), np.float64)


def _values(snapshot: Snapshot, rows: Ints) -> tuple[dict[str, int], Any]:
    """Return the column of each value of metadata, by `NAME=value`, and the sparse matrix [rows, values]."""
    from scipy import sparse  # noqa: PLC0415 — not in the serving process

    users = np.unique(snapshot.user_index[rows])
    counts: dict[str, int] = {}
    for name, column in snapshot.user_columns.items():
        if column.dtype == object:
            of_column = Counter(value for value in column[users].tolist() if value is not None)
            counts |= {f"{name}={value}": number for value, number in of_column.items()}
    usual = sorted(
        (key for key, number in counts.items() if number >= LEAST_USERS), key=lambda key: (-counts[key], key)
    )
    codes = {key: code for code, key in enumerate(usual[:MOST_VALUES])}
    cells = [
        (user, codes[key])
        for name, column in snapshot.user_columns.items()
        if column.dtype == object
        for user, value in enumerate(column.tolist())
        if (key := f"{name}={value}") in codes and value is not None
    ]
    of_user = sparse.coo_array(
        (np.ones(len(cells)), np.array(cells, np.int64).reshape(-1, 2).T), shape=(len(snapshot.users), len(codes))
    ).tocsr()
    return codes, of_user[snapshot.user_index[rows]]


def _worth(snapshot: Snapshot) -> Floats:
    """[actions] VALUE; 0 where it is missing."""
    worth = snapshot.item_columns.get("VALUE")
    return np.zeros(len(snapshot.items)) if worth is None else np.nan_to_num(worth.astype(np.float64))


def _measured(model: ActionModel, snapshot: Snapshot, mask: Mask) -> dict[str, float]:
    """Return precision and recall of a probability above a half, and the area under the curve, for held-out users."""
    took = _took(snapshot)[mask] > 0
    users: Strings = snapshot.users[snapshot.user_index[mask]]
    columns = {name: column for name, column in snapshot.user_columns.items() if column.dtype == object}
    probabilities: dict[str, Floats] = {}
    for user, position in zip(users.tolist(), snapshot.user_index[mask].tolist(), strict=True):
        if user not in probabilities:
            probabilities[user] = model.probabilities((), {name: column[position] for name, column in columns.items()})
    chances = [
        probabilities[user][a] for user, a in zip(users.tolist(), snapshot.item_index[mask].tolist(), strict=True)
    ]
    probability = np.array(chances, np.float64)
    hits = float((took & (probability > 0.5)).sum())
    figures = {
        "area_under_curve": _area(probability, took),
        "precision": hits / max(float((probability > 0.5).sum()), 1.0),
        "recall": hits / max(float(took.sum()), 1.0),
    }
    return {name: round(value, 4) for name, value in figures.items()}


def _area(chance: Floats, took: Mask) -> float:
    """Return the area under the ROC curve; ties count half."""
    positive, negative = np.sort(chance[took]), np.sort(chance[~took])
    if not len(positive) or not len(negative):
        return 0.5
    below = np.searchsorted(negative, positive, side="left") + np.searchsorted(negative, positive, side="right")
    return float(below.sum() / (2.0 * len(positive) * len(negative)))


def _took(snapshot: Snapshot) -> Floats:
    of_type = [float(taken(name)) for name in snapshot.event_types]
    return np.array([*of_type, 0.0])[snapshot.event_type]


def _odds(chance: Any) -> Any:  # noqa: ANN401 — a number or an array, as it is given
    clipped = np.clip(chance, 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))
