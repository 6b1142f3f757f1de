# SPDX-License-Identifier: Apache-2.0
"""Item-Affinity and Item-Attribute-Affinity: the users who are expected to take most of an item, or of a kind, soon.

A user's expected interactions with some items within the horizon are those of a gamma-Poisson model (Ehrenberg, "The
pattern of consumer purchases", 1959): the faded number of their own, plus the strength of the prior times what their
interest in other items predicts. Other items count by the cosine similarity of the users who took them. It is an
amount, not a share: it grows with how much a user takes at all. How fast interactions fade, and how strong the prior
is, are chosen by an earlier cut: on who took what in the newest horizon of the training, by precision among the first
percent of users. Worker process only: batch jobs make segments.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from personalize_local.data import arrays
from personalize_local.data.arrays import Arrays, StringTable
from personalize_local.data.snapshots import Snapshot, Strings
from personalize_local.recipes.base import Model, Trained
from personalize_local.recipes.common.rows import Floats, Ints, Mask, Rows, hashes, training_rows
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.definitions import RecipeSpec

HORIZON, LEAST_PART = 28 * 86_400, 4
"""Seconds ahead that interactions are expected within: at most this part of the data's span."""
FADING = 3.0
"""Horizons after which interactions have faded to a half, where they fade with the power 1."""
POWERS = (1.0, 0.5, 1.5, 0.0)
"""How fast interactions fade; the first where nothing can be chosen. Few half-lives fit all data, a power law does."""
STRENGTHS = (0.3, 0.1, 1.0, 0.0)
"""Strengths of the prior, in the same order."""
MEASURED = 300
"""Most items, or kinds, whose segments are measured."""
FEWEST = 5
"""Only items, or kinds, that so many users took decide, and only if there are so many of them."""
FEWEST_NAMED = 10
"""A segment is judged by its first percent of users, or by so many where a percent is fewer."""
MOST_USERS = 20_000
"""Most users, drawn by a hash, that fading and prior are chosen by."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """How interactions become an expectation."""

    power: float
    """Of the fading: 0 = all interactions count the same."""
    strength: float
    """Of the prior: 0 = only a user's own interactions count."""


class AffinityModel(Model):
    """[users, items] faded interactions, as sparse rows."""

    def __init__(self, files: Arrays, facts: Mapping[str, Any]) -> None:
        from scipy import sparse  # noqa: PLC0415 — not in the serving process

        self._files, self._facts = files, facts
        self.user_ids = StringTable.from_arrays(files, "users").all()
        self.item_ids = StringTable.from_arrays(files, "items").all()
        shape = (len(self.user_ids), len(self.item_ids))
        index = (files["interest.item"], files["interest.start"])
        self._counts = sparse.csr_array((files["interest.data"], *index), shape=shape)
        self._interest = sparse.csr_array((np.log1p(files["interest.data"]), *index), shape=shape)
        squares = np.bincount(files["interest.item"], self._interest.data.astype(np.float64) ** 2, shape[1])
        self._length = np.sqrt(np.maximum(squares, 1e-12))
        self._strength = float(facts["strength"])
        self._chance = hashes(self.user_ids)

    def of_item(self, item_id: str) -> Floats:
        """[users] expected interactions with an item; 0 for one that the training did not know."""
        return self.of_items(np.asarray(self.item_ids == item_id, np.bool_))

    def of_items(self, wanted: Mask) -> Floats:
        """[users] expected interactions with the items of a mask."""
        of_user, others = self.parts(wanted)
        return of_user + self._strength * others

    def parts(self, wanted: Mask) -> tuple[Floats, Floats]:
        """[users] own interactions with the items of a mask, and the mean of the prior, scaled to the same sum."""
        mask = wanted.astype(np.float64)
        of_user = np.asarray(self._counts @ mask, np.float64)
        similar = np.asarray(self._interest.T @ (self._interest @ mask), np.float64) / self._length
        others = np.asarray(self._counts @ np.where(wanted, 0.0, similar), np.float64)
        return of_user, others * (float(of_user.sum()) / max(float(others.sum()), 1e-12))

    def segment(self, interest: Floats, allowed: Mask | None, limit: int) -> list[str]:
        """Return the most interested users, most interested first; none without interest."""
        interest = interest if allowed is None else np.where(allowed, interest, 0.0)
        order = np.lexsort((self._chance, -interest))[:limit]
        return [str(self.user_ids[user]) for user in order[interest[order] > 0].tolist()]

    def first(self, interest: Floats, least: int = 1) -> Ints:
        """Return the positions of the most interested percent of users, at least so many."""
        return np.lexsort((self._chance, -interest))[: max(least, len(interest) // 100)]

    def without_users(self, user_ids: Collection[str]) -> "AffinityModel":
        stays = np.array([key not in user_ids for key in self.user_ids.tolist()], np.bool_)
        return _made(self._counts[stays], self.user_ids[stays], self.item_ids, self._facts)

    def save(self, directory: Path) -> None:
        arrays.save(directory, self._files, {**self._facts, "family": "segments"})


def train(snapshot: Snapshot, spec: RecipeSpec, config: TrainingConfig) -> Trained:
    """Train and measure: four fifths of each user's interactions against the newest fifth."""
    rows = training_rows(snapshot, config)
    newest = _newest_fifth(rows)
    kinds = _Kinds.of(snapshot, spec)
    metrics = _measured(_fit(snapshot, rows.where(~newest), kinds), rows.where(newest), kinds)
    return Trained(_fit(snapshot, rows, kinds), metrics)


def _fit(snapshot: Snapshot, rows: Rows, kinds: "_Kinds") -> AffinityModel:
    return _counted(snapshot, rows, _horizon(rows), _chosen(snapshot, rows, kinds))


def _horizon(rows: Rows) -> float:
    span = int(rows.time.max()) - int(rows.time.min()) if len(rows) else 0
    return float(min(HORIZON, span // LEAST_PART))


def _counted(snapshot: Snapshot, rows: Rows, horizon: float, chosen: Expectation) -> AffinityModel:
    from scipy import sparse  # noqa: PLC0415

    age = rows.time.max() - rows.time if len(rows) else rows.time
    decay = (1.0 + age / (FADING * max(horizon, 1.0))) ** -chosen.power
    shape = (len(snapshot.users), len(snapshot.items))
    counts = sparse.coo_array((rows.weight * decay, (rows.user, rows.item)), shape=shape).tocsr()
    return _made(counts, snapshot.users, snapshot.items, {"strength": chosen.strength})


def _made(counts: Any, users: Strings, items: Strings, facts: Mapping[str, Any]) -> AffinityModel:  # noqa: ANN401 — scipy has no types
    files: dict[str, npt.NDArray[Any]] = {
        "interest.data": counts.data.astype(np.float32),
        "interest.item": counts.indices.astype(np.int32),
        "interest.start": counts.indptr.astype(np.int64),
        **StringTable.of(users.tolist()).arrays("users"),
        **StringTable.of(items.tolist()).arrays("items"),
    }
    return AffinityModel(files, facts)


def _chosen(snapshot: Snapshot, rows: Rows, kinds: "_Kinds") -> Expectation:
    """Return the fading and the prior that find most takers of the newest horizon by what came before."""
    best = Expectation(POWERS[0], STRENGTHS[0])
    if len(snapshot.users) > MOST_USERS:
        drawn = np.sort(np.argsort(hashes(snapshot.users), kind="stable")[:MOST_USERS])
        position = np.full(len(snapshot.users), -1, np.int64)
        position[drawn] = np.arange(len(drawn))
        rows = rows.where(position[rows.user] >= 0)
        snapshot, rows = replace(snapshot, users=snapshot.users[drawn]), replace(rows, user=position[rows.user])
    horizon = _horizon(rows)
    late = rows.time > int(rows.time.max()) - horizon if len(rows) else np.zeros(0, np.bool_)
    questions = list(kinds.questions(rows.where(late), len(snapshot.users), max(FEWEST, len(snapshot.users) // 100)))
    if len(questions) < FEWEST:
        return best
    most = -1
    for power in POWERS:
        model = _counted(snapshot, rows.where(~late), horizon, Expectation(power, 0.0))
        hits = np.zeros(len(STRENGTHS), np.int64)
        for items, took in questions:
            of_user, others = model.parts(items)
            hits += [int(took[model.first(of_user + strength * others, FEWEST_NAMED)].sum()) for strength in STRENGTHS]
        if hits.max() > most:
            most, best = int(hits.max()), Expectation(power, STRENGTHS[int(hits.argmax())])
    return best


@dataclass(frozen=True, slots=True)
class _Kinds:
    """What segments are made of: items, or the values of their columns."""

    names: Sequence[str]
    item: Ints
    """[memberships] position of an item."""
    kind: Ints
    """[memberships] position of its kind in `names`; an item has one for each column."""

    @classmethod
    def of(cls, snapshot: Snapshot, spec: RecipeSpec) -> "_Kinds":
        if spec.name == "aws-item-affinity":
            every = np.arange(len(snapshot.items))
            return cls(snapshot.items.tolist(), every, every)
        names: list[str] = []
        items, kinds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for name, column in snapshot.item_columns.items():
            if column.dtype == object:
                named = np.flatnonzero([bool(value) for value in column.tolist()])
                values, codes = np.unique(column[named].astype(str), return_inverse=True)
                items.append(named)
                kinds.append(codes.astype(np.int64) + len(names))
                names += [f"{name}={value}" for value in values.tolist()]
        return cls(names, np.concatenate(items), np.concatenate(kinds))

    def questions(self, rows: Rows, users: int, least: int) -> Iterator[tuple[Mask, Mask]]:
        """Yield masks of the items of a kind, and of the users who took one in these rows.

        At most MEASURED kinds that at least so many users took, drawn by their names.
        """
        from scipy import sparse  # noqa: PLC0415

        ones = np.ones(len(rows)), np.ones(len(self.item))
        taken = sparse.coo_array((ones[0], (rows.user, rows.item)), shape=(users, rows.items)).tocsr()
        shape = (rows.items, len(self.names))
        members = sparse.coo_array((ones[1], (self.item, self.kind)), shape=shape).tocsc()
        took = (taken @ members).tocsc()
        often = np.flatnonzero(np.diff(took.indptr) >= least).tolist()
        for kind in sorted(often, key=lambda kind: crc32(self.names[kind].encode()))[:MEASURED]:
            masks = np.zeros(rows.items, np.bool_), np.zeros(users, np.bool_)
            for matrix, mask in zip((members, took), masks, strict=True):
                mask[matrix.indices[matrix.indptr[kind] : matrix.indptr[kind + 1]]] = True
            yield masks


def _newest_fifth(rows: Rows) -> Mask:
    ends = np.searchsorted(rows.user, rows.user, side="right")
    starts = np.searchsorted(rows.user, rows.user, side="left")
    return np.asarray(ends - np.arange(len(rows)) <= (ends - starts) // 5, np.bool_)


def _measured(model: AffinityModel, held: Rows, kinds: _Kinds) -> dict[str, float]:
    """Return the hits and the recall of the first percent of each segment."""
    users = len(model.user_ids)
    hits, recall, named = [], [], set[int]()
    for items, took in kinds.questions(held, users, 1):
        interest = model.of_items(items)
        first = model.first(interest)
        first = first[interest[first] > 0]
        hits.append(float(took[first].sum()))
        recall.append(hits[-1] / float(took.sum()))
        named.update(first.tolist())
    figures = {"coverage": len(named) / max(users, 1), "hits_at_1_percent": _mean(hits)}
    figures["recall_at_1_percent"] = _mean(recall)
    return {name: round(value, 4) for name, value in figures.items()}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
