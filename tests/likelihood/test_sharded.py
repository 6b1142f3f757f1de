# SPDX-License-Identifier: Apache-2.0
"""A history in shards has the counts, the windows and the fit of the same history in one piece."""

import random
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.likelihood import shards, training
from personalization.likelihood.histories import Codes, Events, History, Reader, levels
from personalization.likelihood.sharded import partition, shard
from personalization.likelihood.sharded.counts import Counts, intervals
from personalization.likelihood.sharded.plan import Range, ranges
from personalization.likelihood.sharded.scope import Scope, is_sampled, scope
from personalization.likelihood.sharded.shard import Catalogue
from personalization.likelihood.tables import tables

from tests.likelihood import worlds

MOST_VALUES = 60

SHARDS = 4


class Sharded:
    """The world's history in shards, read from several files."""

    def __init__(self, files: Sequence[Iterable[worlds.Row]], sample_rows: int = 10**9, weeks: int = 1) -> None:
        made = [partition.of_interactions(_read(file), SHARDS) for file in files]
        self.scope: Scope = scope([facts for _, facts in made], 7 * weeks, sample_rows)
        reader = Reader("Purchase", worlds.START * 2)
        reader.items(worlds.items())
        reader.users(worlds.users())
        people, _ = partition.of_users(reader.about_users(), SHARDS)
        items = Codes()
        for name in [*(name for _, facts in made for name in facts["items"]), *reader.about_items()]:
            items[name]
        self.catalogue = Catalogue(list(items), *levels(items, reader.about_items()))
        self.parts: list[History] = []
        values = []
        for number in range(SHARDS):
            events = (partition.events_of(segments[number]) for segments, _ in made if segments[number])
            past, values_of_user = shard.history(events, _attributes(people[number]), self.catalogue, self.scope)
            self.parts.append(shard.unpack(shard.pack(past), self.catalogue, self.scope))
            values.append(values_of_user)
        groups = shard.agreed(values)
        self.parts = [shard.in_groups(part, groups) for part in self.parts]
        self._intervals = [list(intervals(part, self.scope.boundaries)) for part in self.parts]

    @property
    def whole(self) -> History:
        return shard.joined(self.parts)

    def counts(self) -> Counts:
        """The counts over all shards."""
        seen = [sum(users for _, users in users_of_part) for users_of_part in zip(*self._intervals, strict=True)]
        cells = [[bound for bound, _ in interval] for interval in zip(*self._intervals, strict=True)]
        return Counts(self.scope.boundaries, len(self.catalogue.items), seen, cells.__getitem__)


def _read(rows: Iterable[worlds.Row]) -> Events:
    reader = Reader("Purchase", worlds.START * 2)
    reader.interactions(worlds.interactions(rows))
    return reader.events()


def _attributes(data: bytes) -> Mapping[str, Mapping[str, str]]:
    entries: Mapping[str, Mapping[str, str]] = shards.unpack(data) if data else {}
    return entries


@pytest.fixture(scope="module")
def sharded() -> Sharded:
    every = list(worlds.rows(26))
    chance = random.Random(5)  # noqa: S311 - no secret
    chance.shuffle(every)
    # Rows that come twice, in two files.
    return Sharded([every[:3_000], every[2_500:]])


def test_shards_together_are_the_history(sharded: Sharded) -> None:
    whole, other = worlds.history(worlds.rows(26)), sharded.whole

    def rows(history: History) -> set[tuple[str, str, int, bool]]:
        users, items = (
            [names[n] for n in codes.tolist()]
            for names, codes in ((history.users, history.user), (history.items, history.item))
        )
        return set(zip(users, items, history.time.tolist(), history.bought.tolist(), strict=True))

    assert rows(whole) == rows(other)
    assert len(whole.time) == len(other.time)
    assert (whole.start, whole.end, set(whole.users), set(whole.items)) == (
        other.start, other.end, set(other.users), set(other.items),
    )  # fmt: skip
    assert sharded.scope.boundaries == (*reversed(training.windows(whole, 7 * 86_400, whole.end + 1)), whole.end + 1)


def test_counts_of_shards_are_those_of_the_history_at_every_window(sharded: Sharded) -> None:
    counts = sharded.counts()
    for boundary in sharded.scope.boundaries:
        wanted = tables(sharded.whole, boundary)
        state = counts.at(boundary)
        assert state.users == wanted.population.sum()
        assert np.array_equal(state.events > 0, wanted.offered)
        for name, values in wanted.item.items():
            np.testing.assert_allclose(state.item[name], values, rtol=1e-6, atol=1e-9, err_msg=name)


def test_a_fit_with_a_sample_of_everybody_is_the_fit_in_one_piece(sharded: Sharded) -> None:
    past, now = sharded.whole, sharded.scope.now
    whole, other = training.fit(past, 7, now), training.fit(past, 7, now, sharded.counts().at)
    for part in ("seen", "other", "stranger", "described"):
        formula, its = (getattr(fitted.formulas, part) for fitted in (whole, other))
        assert formula.weights == pytest.approx(its.weights, rel=1e-3, abs=1e-4)
        assert formula.intercept == pytest.approx(its.intercept, rel=1e-4)
    assert whole.tested.log_loss == pytest.approx(other.tested.log_loss, rel=1e-6)
    assert whole.tested_strangers.log_loss == pytest.approx(other.tested_strangers.log_loss, rel=1e-6)
    assert whole.newcomers == other.newcomers


def test_a_sample_of_users_has_the_level_and_the_quality_of_all_of_them() -> None:
    rows = [(f"{seed}{user}", item, kind, at) for seed in range(5) for user, item, kind, at in worlds.rows(14, seed)]
    shop, rate = Sharded([rows]), 0.5
    every = training.fit(shop.whole, 7, shop.scope.now)
    sampled = shard.joined([shard.sample(part, rate) for part in shop.parts], 1.0 / rate)
    assert 0.4 < len(sampled.time) / len(shop.whole.time) < 0.6
    fitted = training.fit(sampled, 7, shop.scope.now, shop.counts().at)
    for quality, other in ((fitted.tested, every.tested), (fitted.tested_strangers, every.tested_strangers)):
        predicted, observed = (sum(bin_[column] for bin_ in quality.bins) for column in (1, 2))
        # A tenth of them by chance, in a sample of some hundred purchases.
        assert quality.pairs == pytest.approx(other.pairs, rel=0.3)
        assert quality.base_rate == pytest.approx(other.base_rate, rel=0.25)
        assert predicted == pytest.approx(observed, rel=0.35)
        assert quality.log_loss == pytest.approx(other.log_loss, rel=0.2)
    assert fitted.calibrated.purchases == pytest.approx(every.calibrated.purchases, rel=0.2)
    assert fitted.newcomers.told == every.newcomers.told


@given(st.lists(st.text("aé,\r x", max_size=5), max_size=8), st.integers(1, 9), st.integers(1, 7))
def test_every_line_is_in_one_byte_range_wherever_it_is_cut(texts: list[str], most: int, chunk: int) -> None:
    data = "".join(f"{text}\n" for text in ["h", *texts]).encode()
    every = Range(kind="users", key="k", version="", header="h\n", start=0, end=len(data))
    lines: list[str] = []
    for part in ranges(every, 2, most):
        begin = max(part.start - 1, 0)
        chunks = (data[number : number + chunk] for number in range(begin, len(data), chunk))
        lines += partition.lines_of(chunks, part.start, part.end)
    assert lines == [f"{text}\n" for text in texts]


def test_a_last_line_without_its_end_is_a_line() -> None:
    assert list(partition.lines_of([b"h\nab"], 0, 4)) == ["h\n", "ab"]
    assert list(partition.lines_of([b"\nab"], 2, 4)) == ["ab"]


def test_samples_are_of_the_share_that_is_asked_for_and_grow_with_it() -> None:
    users = [f"u{number}" for number in range(4_000)]
    few, some = ({user for user in users if is_sampled(user, rate)} for rate in (0.1, 0.3))
    assert few < some
    assert len(few) / len(users) == pytest.approx(0.1, abs=0.02)
    by_shard = [sum(shards.shard_of(user, SHARDS) == number for user in few) for number in range(SHARDS)]
    assert min(by_shard) > 0.15 * len(few)
    assert all(is_sampled(user, 1.0) for user in users)


def test_a_column_with_many_values_in_one_shard_is_no_group_in_any() -> None:
    values = [str(number) for number in range(MOST_VALUES + 1)]
    agreed = shard.agreed([{"AGE": ["a"], "CITY": values}, {"AGE": ["b"], "CITY": ["x"], "ONE": ["1"]}])
    assert agreed == {"AGE": ["a", "b"]}


@pytest.mark.parametrize(("values", "wide"), [(MOST_VALUES, []), (MOST_VALUES + 1, ["CITY"])])
def test_a_column_of_users_is_split_unless_it_has_too_many_values(values: int, wide: list[str]) -> None:
    attributes = {f"u{number}": {"CITY": f"c{number}", "AGE": "a"} for number in range(values)}
    split, facts = partition.of_users(attributes, SHARDS)
    assert facts == {"wide": wide}
    split_attributes = {
        user: attributes_of_user for data in split for user, attributes_of_user in _attributes(data).items()
    }
    assert split_attributes == {
        user: {name: attributes_of_user[name] for name in attributes_of_user if name not in wide}
        for user, attributes_of_user in attributes.items()
    }
    groups = [{"CITY": [attributes_of_user["CITY"] for attributes_of_user in attributes.values()]}]
    assert [*shard.agreed(groups)] == ([] if wide else ["CITY"])
