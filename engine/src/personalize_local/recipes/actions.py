# SPDX-License-Identifier: Apache-2.0
"""Next-Best-Action: the probability that a user takes each action, by counts shrunk towards the average.

An action has a probability of its own once it was taken, and not taken, often enough in the latest weeks; the others
get 0.0 and are explored after them. The odds move by how often the user takes actions, and this action, and by what
users with the same metadata do.
"""

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
PRIOR = 10.0
"""Pseudo-counts of the average in every estimate."""
DAY = 86_400.0


class ActionModel(Model):
    """Log odds of each action, and what moves them."""

    def __init__(self, files: Arrays, facts: Mapping[str, Any]) -> None:
        self._files, self._facts = files, facts
        self.item_ids = StringTable.from_arrays(files, "actions").all()
        self._position = {key: position for position, key in enumerate(self.item_ids.tolist())}
        self._codes: dict[str, int] = facts["codes"]

    def recommend(self, query: Query, allowed: Mask | None, limit: int) -> list[Scored]:
        """Return the most likely actions, similar ones by VALUE; then explored ones, in turns from day to day."""
        probability = self.probabilities(query.history, query.user)
        turn = f"{query.user_id}/{int(query.now // DAY)}/"
        explored = np.fromiter(
            (crc32((turn + key).encode()) for key in self.item_ids.tolist()), np.float64, len(self.item_ids)
        )
        order = np.lexsort((explored, -self._files["value"], -np.round(probability, 2)))
        chosen = [place for place in order.tolist() if allowed is None or allowed[place]][:limit]
        return [Scored(str(self.item_ids[place]), round(float(probability[place]), 7)) for place in chosen]

    def rank(self, query: Query, item_ids: Sequence[str]) -> list[Scored]:
        known = [self._position[key] for key in item_ids if key in self._position]
        mask = np.zeros(len(self.item_ids), np.bool_)
        mask[known] = True
        unknown = [Scored(key) for key in item_ids if key not in self._position]
        return self.recommend(query, mask, len(known)) + unknown

    def probabilities(self, history: Sequence[Interaction], user: Mapping[str, object]) -> Floats:
        """[actions] probability that the user takes each; 0.0 for actions with too little data."""
        base: Floats = self._files["odds"]
        odds = base + self._tilt(user)
        usual = self._facts["usual"]
        rows = [
            (self._position[row.item_id], taken(row.event_type)) for row in history if row.item_id in self._position
        ]
        if rows:
            actions = np.array([row[0] for row in rows])
            took = np.array([row[1] for row in rows], np.float64)
            odds = odds + (_odds((took.sum() + PRIOR * usual) / (len(took) + PRIOR)) - _odds(usual))
            times = np.bincount(actions, minlength=len(base))
            own = np.bincount(actions, took, len(base))
            odds = odds + (_odds((own + PRIOR * _chance(base)) / (times + PRIOR)) - base)
        return np.where(self._files["known"], np.clip(_chance(odds), 1e-6, 1 - 1e-6), 0.0)

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
            "known": np.concatenate((self._files["known"], np.zeros(count, np.bool_))),
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
    action: Ints = snapshot.item_index[mask].astype(np.int64)
    took = _took(snapshot)[mask]
    count = len(snapshot.items)
    times = np.bincount(action, minlength=count).astype(np.float64)
    takes = np.bincount(action, took, count)
    usual = float((took.sum() + 1.0) / (len(took) + 2.0))
    base = (takes + PRIOR * usual) / (times + PRIOR)
    codes: dict[str, int] = {}
    tilts: list[Floats] = []
    for name, column in snapshot.user_columns.items():
        if column.dtype == object:
            cells = column[snapshot.user_index[mask]]
            for value in sorted({cell for cell in cells if cell is not None}):
                of_value = cells == value
                seen = np.bincount(action[of_value], minlength=count)
                own = np.bincount(action[of_value], took[of_value], count)
                codes[f"{name}={value}"] = len(tilts)
                tilts.append(_odds((own + PRIOR * base) / (seen + PRIOR)) - _odds(base))
    files: dict[str, npt.NDArray[Any]] = {
        "odds": _odds(base),
        "known": (takes >= MIN_TIMES) & (times - takes >= MIN_TIMES),
        "value": _worth(snapshot),
        "tilt": np.array(tilts) if tilts else np.zeros((0, count)),
        **StringTable.of(snapshot.items.tolist()).arrays("actions"),
    }
    return ActionModel(files, {"usual": usual, "codes": codes})


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
    found = [probabilities[user][a] for user, a in zip(users.tolist(), snapshot.item_index[mask].tolist(), strict=True)]
    probability = np.array(found, np.float64)
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


def _chance(odds: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-odds)), np.float64)
