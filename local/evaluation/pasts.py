# SPDX-License-Identifier: Apache-2.0
"""A past as recipes and simple rules read it, and the questions at its end: what users went on to take."""

import tempfile
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from personalize_local.data.frames import pl
from personalize_local.data.records import Interaction, Value
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.rows import Rows, hashes, training_rows
from personalize_local.recipes.config import TrainingConfig

from local.evaluation import splitting
from local.evaluation.files import Tables
from local.evaluation.splitting import Split

_OFF = {"explorationWeight": 0.0}
MOST = 2_000
"""The users of each kind to ask about, drawn at random where there are more."""


@dataclass(frozen=True, slots=True)
class Question:
    """One user at the end of the past."""

    user: str
    query: Query
    relevant: frozenset[str]
    """What was taken in the first basket after it."""
    seen: frozenset[str]
    """Items of the user's past."""


@dataclass(frozen=True)
class Past:
    split: Split
    snapshot: Snapshot
    rows: Rows
    """The rows that train."""

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {user: number for number, user in enumerate(self.snapshot.users.tolist())}

    @cached_property
    def places(self) -> dict[str, int]:
        """By id the number of an item in the rows."""
        return {item: number for number, item in enumerate(self.snapshot.items.tolist())}

    @cached_property
    def active(self) -> frozenset[str]:
        """The users with interactions in this past."""
        return frozenset(self.snapshot.users[np.diff(self.snapshot.starts) > 0].tolist())

    def question(self, user: str, relevant: frozenset[str]) -> Question:
        """Return what a campaign would be asked at the end of the past, without exploration."""
        snapshot, now = self.snapshot, self.split.cut
        number = self.numbers.get(user)
        if number is None:
            return Question(user, Query(user, now=now, exploration=_OFF), relevant, frozenset())
        rows = slice(snapshot.starts[number], snapshot.starts[number + 1])
        items = snapshot.items[snapshot.item_index[rows]].tolist()
        times = snapshot.timestamps[rows].tolist()
        types = [snapshot.event_types[code] if code >= 0 else None for code in snapshot.event_type[rows].tolist()]
        history = [Interaction(*cells) for cells in zip(items, times, types, strict=True)]
        last = items[-1] if items else None
        cells = {name: column[number] for name, column in snapshot.user_columns.items()}
        properties: dict[str, Value] = {name: cell for name, cell in cells.items() if cell is not None}
        query = Query(user, last, history, properties, now=now, exploration=_OFF)
        return Question(user, query, relevant, frozenset(items))


def prepared(tables: Tables, given: Split, config: TrainingConfig) -> Past:
    """Build a split's past. Raises TrainingRefused where it is under Personalize's minimums."""
    with tempfile.TemporaryDirectory(prefix="past-") as folder:
        made = splitting.snapshot(tables, given, Path(folder))
    return Past(given, made, training_rows(made, config))


def thinned(given: Split, share: float) -> Split:
    """Return the split with a share of the users in its past, chosen by a hash of their ids; the tests stay."""
    users = given.training["USER_ID"].unique().sort()
    chosen = users.filter(pl.Series(hashes(users.to_numpy()) < share * 2**32))
    return replace(given, training=given.training.filter(pl.col("USER_ID").is_in(chosen.implode())))


@dataclass(frozen=True, slots=True)
class Panel:
    """The questions of an evaluation."""

    active: list[Question]
    """About users with a past."""
    cold: list[Question]
    active_users: int
    """Users with a past who came back, also those that no question is about."""
    cold_users: int


def panel(past: Past, seed: int, most: int = MOST) -> Panel:
    tests = past.split.tests
    active, cold = tests.keys() & past.active, tests.keys() - past.active

    def questions(users: Iterable[str]) -> list[Question]:
        return [past.question(user, tests[user]) for user in drawn(users, most, seed)]

    return Panel(questions(active), questions(cold), len(active), len(cold))


def drawn(users: Iterable[str], most: int, seed: int) -> list[str]:
    """Return at most so many users, in a random order that the seed alone decides."""
    ordered = sorted(users)
    return [ordered[number] for number in np.random.default_rng(seed).permutation(len(ordered))[:most].tolist()]


def as_stranger(question: Question) -> Question:
    """Return the question of the same user as on a first visit: no past, only the Users data."""
    return replace(question, query=replace(question.query, history=(), item_id=None), seen=frozenset())


def only(question: Question, items: Container[str]) -> Question:
    return replace(question, relevant=frozenset(item for item in question.relevant if item in items))


def discoveries(questions: Iterable[Question]) -> list[Question]:
    """Return questions for what was new to the user, of those who took anything new."""
    new = (replace(question, relevant=question.relevant - question.seen) for question in questions)
    return [question for question in new if question.relevant]
