# SPDX-License-Identifier: Apache-2.0
"""Who is asked about what: shoppers with what a recipe is told of them, and what they went on to take."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

import numpy as np
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes import Interaction, Query
from personalize_local.recipes.base import Value

from local.evaluation.splitting import Split

MOST = 2_000
"""Shoppers of each kind who are asked: drawn at random where there are more."""


@dataclass(frozen=True, slots=True)
class Question:
    """One shopper at the end of the past."""

    user: str
    query: Query
    relevant: frozenset[str]
    """What was taken in the first moment after it."""
    seen: frozenset[str]
    """Items of the shopper's past."""


class People:
    """The shoppers of a snapshot, asked about at a time (Unix epoch seconds)."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self._snapshot = snapshot
        self._now = now
        self._starts = snapshot.starts
        self.numbers = {user: number for number, user in enumerate(snapshot.users.tolist())}

    def question(self, user: str, relevant: frozenset[str]) -> Question:
        """Return what a campaign would be asked at the end of the past, without exploration."""
        known = self._snapshot
        number = self.numbers.get(user)
        if number is None:
            return Question(user, Query(user, now=self._now, exploration=_OFF), relevant, frozenset())
        rows = slice(self._starts[number], self._starts[number + 1])
        items = known.items[known.item_index[rows]].tolist()
        times = known.timestamps[rows].tolist()
        types = [known.event_types[code] if code >= 0 else None for code in known.event_type[rows].tolist()]
        history = [Interaction(*each) for each in zip(items, times, types, strict=True)]
        last = items[-1] if items else None
        query = Query(user, last, history, self._properties(number), now=self._now, exploration=_OFF)
        return Question(user, query, relevant, frozenset(items))

    def _properties(self, number: int) -> dict[str, Value]:
        cells = {name: column[number] for name, column in self._snapshot.user_columns.items()}
        return {name: cell for name, cell in cells.items() if cell is not None}


_OFF = {"explorationWeight": 0.0}


@dataclass(frozen=True, slots=True)
class Panel:
    """The questions of an evaluation."""

    known: list[Question]
    cold: list[Question]
    knowns: int
    """Shoppers with a past who came back, asked or not."""
    colds: int


def panel(given: Split, people: People, snapshot: Snapshot, seed: int, most: int = MOST) -> Panel:
    """Draw the users to ask about."""
    active = np.diff(snapshot.starts) > 0
    known = [user for user in given.tests if (number := people.numbers.get(user)) is not None and active[number]]
    cold = sorted(given.tests.keys() - set(known))

    def asked(users: Iterable[str]) -> list[Question]:
        return [people.question(user, given.tests[user]) for user in drawn(users, most, seed)]

    return Panel(asked(known), asked(cold), len(known), len(cold))


def drawn(users: Iterable[str], most: int, seed: int) -> list[str]:
    """Return at most so many users, in a random order that the seed alone decides."""
    ordered = sorted(users)
    return [ordered[place] for place in np.random.default_rng(seed).permutation(len(ordered))[:most].tolist()]


def as_stranger(question: Question) -> Question:
    """Return the question of the same user as on a first visit: no past, only the Users data."""
    return replace(question, query=replace(question.query, history=(), item_id=None), seen=frozenset())


def only(question: Question, items: Container[str]) -> Question:
    return replace(question, relevant=frozenset(item for item in question.relevant if item in items))


def discoveries(questions: Iterable[Question]) -> list[Question]:
    """Return questions for what was new to the user, of those who took anything new."""
    new = (replace(question, relevant=question.relevant - question.seen) for question in questions)
    return [question for question in new if question.relevant]
