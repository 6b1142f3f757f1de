# SPDX-License-Identifier: Apache-2.0
"""A history in shards has the counts, the windows and the fit of the same history in one piece."""

import random
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest
from personalization.likelihood import shards, training
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Codes, Events, History, Reader, levels
from personalization.likelihood.sharded import partition, shard
from personalization.likelihood.sharded.counts import Counts, intervals
from personalization.likelihood.sharded.scope import Scope, scope
from personalization.likelihood.sharded.shard import Catalogue
from personalization.likelihood.tables import tables

from tests.likelihood import worlds

SHARDS = 4


class Sharded:
    """The world's history in shards, read from several files."""

    def __init__(self, files: Sequence[Iterable[worlds.Row]], sample_rows: int = 10**9, weeks: int = 1) -> None:
        made = [partition.of_interactions(_read(each), SHARDS) for each in files]
        self.scope: Scope = scope([facts for _, facts in made], 7 * weeks, sample_rows)
        about = Reader("Purchase", worlds.START * 2)
        about.items(worlds.items())
        about.users(worlds.users())
        people, _ = partition.of_users(about.about_users(), SHARDS)
        items = Codes()
        for name in [*(name for _, facts in made for name in facts["items"]), *about.about_items()]:
            items[name]
        self.catalogue = Catalogue(list(items), *levels(items, about.about_items()))
        self.parts: list[History] = []
        values = []
        for number in range(SHARDS):
            events = (partition.events_of(segments[number]) for segments, _ in made if segments[number])
            past, known = shard.history(events, _attributes(people[number]), self.catalogue, self.scope)
            self.parts.append(shard.unpack(shard.pack(past), self.catalogue, self.scope))
            values.append(known)
        groups = shard.agreed(values)
        self.parts = [shard.in_groups(each, groups) for each in self.parts]
        self._intervals = [list(intervals(each, self.scope.boundaries)) for each in self.parts]

    @property
    def whole(self) -> History:
        return shard.joined(self.parts)

    def counts(self) -> Counts:
        """The counts over all shards."""
        seen = [sum(users for _, users in each) for each in zip(*self._intervals, strict=True)]
        cells = [[each for each, _ in interval] for interval in zip(*self._intervals, strict=True)]
        return Counts(self.scope.boundaries, len(self.catalogue.items), seen, cells.__getitem__)


def _read(rows: Iterable[worlds.Row]) -> Events:
    reader = Reader("Purchase", worlds.START * 2)
    reader.interactions(worlds.interactions(rows))
    return reader.events()


def _attributes(data: bytes) -> Mapping[str, Mapping[str, str]]:
    found: Mapping[str, Mapping[str, str]] = shards.unpack(data) if data else {}
    return found


@pytest.fixture(scope="module")
def sharded() -> Sharded:
    every = list(worlds.rows(26))
    chance = random.Random(5)  # noqa: S311 - no secret
    chance.shuffle(every)
    # Rows that come twice, in two files.
    return Sharded([every[:3_000], every[2_500:]])


def test_shards_together_are_the_history(sharded: Sharded) -> None:
    one, other = worlds.history(worlds.rows(26)), sharded.whole

    def rows(each: History) -> set[tuple[str, str, int, bool]]:
        users, items = (
            [names[n] for n in codes.tolist()] for names, codes in ((each.users, each.user), (each.items, each.item))
        )
        return set(zip(users, items, each.time.tolist(), each.bought.tolist(), strict=True))

    assert rows(one) == rows(other)
    assert len(one.time) == len(other.time)
    assert (one.start, one.end, set(one.users), set(one.items)) == (
        other.start, other.end, set(other.users), set(other.items),
    )  # fmt: skip
    assert sharded.scope.boundaries == (*reversed(training.windows(one, 7 * DAY, one.end + 1)), one.end + 1)


def test_counts_of_shards_are_those_of_the_history_at_every_window(sharded: Sharded) -> None:
    counts = sharded.counts()
    for boundary in sharded.scope.boundaries:
        wanted = tables(sharded.whole, boundary)
        found = counts.at(boundary)
        assert found.users == wanted.population.sum()
        assert np.array_equal(found.events > 0, wanted.offered)
        for name, values in wanted.item.items():
            np.testing.assert_allclose(found.item[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_fit_with_a_sample_of_everybody_is_the_fit_in_one_piece(sharded: Sharded) -> None:
    past, now = sharded.whole, sharded.scope.now
    one, other = training.fit(past, 7, now), training.fit(past, 7, now, sharded.counts().at)
    for part in ("seen", "other", "stranger", "described"):
        mine, its = (getattr(each.formulas, part) for each in (one, other))
        assert mine.weights == pytest.approx(its.weights, rel=1e-6, abs=1e-8)
        assert mine.intercept == pytest.approx(its.intercept, rel=1e-6)
    assert one.tested.log_loss == pytest.approx(other.tested.log_loss, rel=1e-9)
    assert one.tested_strangers.log_loss == pytest.approx(other.tested_strangers.log_loss, rel=1e-9)
    assert one.newcomers == other.newcomers
