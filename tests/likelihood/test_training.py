# SPDX-License-Identifier: Apache-2.0
"""Fits find planted effects, are calibrated, ignore the future, and refuse too little data."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from personalization.likelihood import logistic, training
from personalization.likelihood.features import features
from personalization.likelihood.histories import History
from personalization.likelihood.tables import ARRAYS, tables
from personalization.likelihood.training import TooLittle

from tests.likelihood import worlds
from tests.likelihood.worlds import World

DAY = 86_400


@cache
def world() -> World:
    return World(worlds.history(worlds.rows(26)))


def features_of(past: History, at: int, pairs: Sequence[tuple[str, str]]) -> dict[str, npt.NDArray[np.float64]]:
    """Return features as of a time, without factors, whose search begins elsewhere with other item numbers."""
    users, items = (np.array([list(names).index(name) for name in column]) for names, column in
                    zip((past.users, past.items), zip(*pairs, strict=True), strict=True))  # fmt: skip
    values_by_name = tables(past, at).features(users, items)
    return {name: values for name, values in values_by_name.items() if not name.startswith("near")}


def test_a_fit_is_better_than_the_base_rate_and_calibrated_on_days_it_has_not_seen() -> None:
    tested = world().fit.tested
    assert tested.log_loss < 0.9 * world().fit.base
    assert tested.auc > 0.75
    predicted, observed = (sum(bin_[column] for bin_ in tested.bins) for column in (1, 2))
    assert predicted == pytest.approx(observed, rel=0.25)
    # Fifteen bins of half a dozen purchases: chance alone makes about a third.
    assert tested.calibration_error < 0.45


def test_no_row_of_a_window_knows_of_what_comes_later() -> None:
    past, start = world().history, world().history.end - 14 * DAY
    before = worlds.history(row for row in worlds.rows(26) if row[3] < start)
    pairs = [(f"u{n}", f"i{n}") for n in range(40)]
    now, then = (features_of(tables_then, start, pairs) for tables_then in (past, before))
    for name, values in now.items():
        np.testing.assert_allclose(values, then[name], err_msg=name, rtol=1e-6, atol=1e-6)


def test_weights_learn_from_all_windows_but_the_newest_two() -> None:
    fit, end = world().fit, world().history.end + 1
    assert fit.calibrated_to == end
    assert fit.calibrated_from == end - 4 * 7 * DAY
    # Weights learn from all windows but the test and the one before it, which only calibrates: what is new counts.
    assert fit.windows == tuple(end - step * 7 * DAY for step in range(3, 3 + 8))


def test_a_sample_stands_for_all_pairs() -> None:
    table = tables(world().history, world().history.end - 7 * DAY)
    _, _, label, weight = training.pairs(table, table.at + 7 * DAY, np.random.default_rng(1))
    assert weight.sum() == pytest.approx(worlds.SHOPPERS * worlds.ITEMS)
    assert weight[label > 0].tolist() == [1.0] * int(label.sum())


@pytest.mark.parametrize("weeks", [0, 1, 4])
def test_a_short_history_is_refused_with_what_is_needed(weeks: int) -> None:
    past = worlds.history(worlds.rows(weeks))
    with pytest.raises(TooLittle, match="needs purchases over 35 days, and the history has them over"):
        training.fit(past, 7, past.end + 1)


def test_few_purchases_are_refused_with_what_is_needed() -> None:
    rows = [(f"u{n % 9}", f"i{n % 7}", "Purchase", worlds.START + n * DAY) for n in range(120)]
    past = worlds.history(rows)
    with pytest.raises(TooLittle, match="needs 100 purchases to fit on and 50 later ones to calibrate on"):
        training.fit(past, 7, past.end + 1)


def test_events_of_another_type_alone_are_no_purchases() -> None:
    past = worlds.history((user, item, "View", at) for user, item, _, at in worlds.rows(26))
    with pytest.raises(TooLittle):
        training.fit(past, 7, past.end + 1)


def test_a_clock_that_runs_ahead_and_a_bot_change_no_more_than_they_must() -> None:
    end = world().history.end
    bot = [("bot", f"i{n % 40}", "Purchase", worlds.START + 60 * n) for n in range(20_000)]
    ahead = [("u0", "i0", "Purchase", end * 2)]
    past = worlds.history([*worlds.rows(26), *bot, *ahead], until=end)
    assert past.end == end
    assert training.fit(past, 7, end + 1).tested.auc > 0.7


def test_a_few_events_long_after_all_others_are_no_part_of_the_history() -> None:
    stray = [("u0", "i0", "Purchase", world().history.end + 900 * DAY + step) for step in range(3)]
    past = training.without_stragglers(worlds.history([*worlds.rows(26), *stray], until=worlds.START * 2), 7)
    assert (past.end, len(past.time)) == (world().history.end, len(world().history.time))
    late = [(f"u{n}", "i0", "Purchase", world().history.end + 900 * DAY + n) for n in range(60)]
    assert training.without_stragglers(worlds.history([*worlds.rows(26), *late]), 7).end > past.end
    assert training.without_stragglers(world().history, 7) is world().history


def test_all_events_at_one_instant_one_user_and_one_item_are_refused_and_not_a_crash() -> None:
    for rows in ([(f"u{n}", f"i{n}", "Purchase", worlds.START) for n in range(9)], [("u", "i", "Purchase", 5)] * 5):
        past = worlds.history(rows)
        with pytest.raises(TooLittle):
            training.fit(past, 7, past.end + 1)


@pytest.mark.parametrize("size", [20_000, 60_000])
def test_a_logistic_fit_finds_planted_coefficients_and_ends_at_the_optimum_of_all_rows(size: int) -> None:
    chance = np.random.default_rng(2)
    design = np.stack([np.ones(size), chance.standard_normal(size)], 1)
    label = (chance.random(size) < sigmoid(design @ [-1.0, 2.0])).astype(float)
    weights = logistic.fit(design, label, np.ones(size), np.zeros(2), np.zeros(2))
    assert weights == pytest.approx([-1.0, 2.0], abs=0.1)
    assert design.T @ (label - sigmoid(design @ weights)) == pytest.approx(np.zeros(2), abs=1e-3)


def test_quality_of_hand_computed_cases() -> None:
    chance, label, ones = np.array([0.1, 0.4, 0.4, 0.9]), np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4)
    quality = logistic.quality(chance, label, ones)
    assert quality.auc == pytest.approx(3.5 / 4)
    assert quality.log_loss == pytest.approx(-np.log([0.9, 0.6, 0.4, 0.9]).mean())
    assert sum(bin_[2] for bin_ in quality.bins) == 2
    assert logistic.quality(chance, label, np.array([1.0, 2.0, 1.0, 1.0])).base_rate == pytest.approx(2 / 5)


def test_perfect_calibration_has_no_error() -> None:
    chance = np.repeat([0.1, 0.5], 1_000)
    label = np.concatenate([np.arange(1_000) % 10 == 0, np.arange(1_000) % 2 == 0]).astype(float)
    assert logistic.quality(chance, label, np.ones(2_000)).calibration_error < 0.35


def sigmoid(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits))


class Sold(dict[str, npt.NDArray[np.float64]]):
    """Statistics of items that only their sales tell apart."""

    def __init__(self, statistics: dict[str, npt.NDArray[np.float64]], sold: npt.NDArray[np.float64]) -> None:
        super().__init__(statistics)
        self._sold = sold

    def __missing__(self, name: str) -> npt.NDArray[np.float64]:
        return self._sold if name.startswith("item.") else 0.0 * self._sold


def test_odds_that_are_no_power_of_an_items_sales_are_found() -> None:
    chance, sold = np.random.default_rng(4), np.tile([0.05, 0.5, 2.0, 8.0, 32.0], 8_000)
    # Slow sellers sell alike, however slow; beyond them the odds grow with the square.
    true = 0.005 + 2e-4 * np.maximum(sold - 2.0, 0.0) ** 2
    columns = features(Sold({"span": 1.0 + 0.0 * sold}, sold), 0, ARRAYS)
    label, ones = (chance.random(len(sold)) < true).astype(float), np.ones(len(sold))
    rows = training.Rows(
        features=columns, label=label, weight=ones, seen=columns["seen"] > 0, user=np.arange(len(sold))
    )
    predicted = sigmoid(rows.logits(training.formulas(rows, rows, 0)))
    for rate in np.unique(sold):
        assert predicted[sold == rate].mean() == pytest.approx(true[sold == rate].mean(), rel=0.25)
