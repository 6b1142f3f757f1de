# SPDX-License-Identifier: Apache-2.0
"""The bench of questions: known figures, cuts that nothing later crosses, rules that find what is planted."""

from dataclasses import replace

import numpy as np
import pytest
from personalize_local.data.frames import pl
from personalize_local.data.schemas import Field

from benchmarks.questions import actions, lists, planted, purchases, relations, segments, trends
from benchmarks.questions.cases import BUILDERS, Case, following
from benchmarks.questions.catalogue import ANSWERED, QUESTIONS
from benchmarks.questions.figures import Gain, Sums, failing, gain
from benchmarks.questions.kinds import Kinds
from benchmarks.questions.sets import SETS
from benchmarks.questions.shop import Half, Shop
from benchmarks.questions.table import Part, Row, failed

BY_TIME = ("next-basket", "rest-of-basket", "buy-again", "something-new", "similar-next", "also-bought", "ranking",
           "new-user", "new-user-known")  # fmt: skip


def shop(name: str, *, first: int = 0, held: bool = False) -> Shop:
    return Shop(SETS[name], planted.made(name, 1), Half(held), first)


@pytest.fixture(scope="module")
def few() -> Shop:
    """Sixty users; newcomers are looked for in two windows."""
    made = shop("few-users")
    return replace(made, spec=replace(made.spec, newcomers="arriving", windows=(2, 14.0)))


def sums(*values: float) -> Sums:
    return Sums.means(values, values)


def test_a_gain_is_a_share_of_the_rules_figure() -> None:
    interval = gain(sums(*[0.2, 0.4] * 50), sums(*[0.1, 0.2] * 50))
    assert interval is not None
    assert interval.value == pytest.approx(1.0)
    assert interval.low == pytest.approx(1.0)
    assert gain(sums(1.0), sums(0.0)) is None


def test_of_a_loss_less_is_a_gain() -> None:
    interval = gain(sums(*[0.5] * 9), sums(*[1.0] * 9), loss=True)
    assert interval is not None
    assert interval.value == pytest.approx(0.5)


def test_users_weigh_as_much_as_their_answers() -> None:
    assert Sums(np.array([1.0, 9.0]), np.array([1.0, 3.0]), np.zeros(2)).mean() == 2.5


@pytest.mark.parametrize(
    ("gain", "fails"),
    [
        (Gain(-0.105, -0.188, -0.004), True),
        (Gain(-0.105, -0.25, 0.02), False),
        (Gain(-0.01, -0.019, -0.001), False),
        (Gain(-0.03, -0.035, -0.025), True),
        (Gain(0.1, 0.05, 0.15), False),
    ],
)
def test_a_row_fails_where_it_is_surely_behind_and_far(gain: Gain, fails: bool) -> None:
    assert failing([gain]) == [fails]


def test_a_small_loss_against_the_rule_is_no_failure() -> None:
    worse, same = (np.random.default_rng(1).normal(mean, 0.01, 400) for mean in (0.95, 0.99))
    rule = np.full(400, 1.0)
    behind, level = (gain(sums(*values), sums(*rule)) for values in (worse, same))
    assert behind
    assert level
    assert failing([behind, level]) == [True, False]


def test_each_recipe_has_one_primary_question() -> None:
    primary = [
        recipe for question in QUESTIONS.values() for recipe in question.primary if question.name != "next-basket"
    ]
    assert sorted({*primary, "aws-popularity-count"}) == list(ANSWERED)
    assert len(primary) == len(set(primary))
    assert {name for set_ in SETS.values() for name in set_.questions} == set(QUESTIONS)


@pytest.mark.parametrize("question", BY_TIME)
def test_no_later_event_reaches_a_training(few: Shop, question: str) -> None:
    times = few.tables.interactions["TIMESTAMP"]
    for case in BUILDERS[question](few, 0):
        cut = case.past.split.cut
        assert case.past.rows.time.max() <= cut < times.max()  # type: ignore[operator]
        told = [row.timestamp for question in case.questions for row in question.query.history]
        assert max(told, default=0) <= cut + (question == "rest-of-basket")
        later = few.tables.interactions.filter(pl.col("TIMESTAMP") > cut)
        after = set(later.select("USER_ID", "ITEM_ID").iter_rows())
        assert all((question.user, item) in after for question in case.questions for item in question.relevant)


def test_what_rules_are_chosen_on_lies_before_the_test(few: Shop) -> None:
    test, earlier = (few.split(back) for back in (0, 1))
    assert earlier.cut + earlier.days * 86_400 == pytest.approx(test.cut, abs=1)
    assert replace(few, first=1, _splits={}).split(0).cut == earlier.cut


def test_of_clicks_what_came_before_the_asked_one_is_told() -> None:
    given = replace(shop("one-day"), most=100)
    rows = given.tables.interactions.sort("TIMESTAMP")
    of_user = {
        user: list(zip(items, times, strict=True))
        for user, items, times in rows.group_by("USER_ID").agg("ITEM_ID", "TIMESTAMP").iter_rows()
    }
    [case] = BUILDERS["next-item"](given, 0)
    assert case.past.rows.time.max() <= case.past.split.cut
    for question in case.questions:
        told = len(question.query.history)
        assert [(row.item_id, row.timestamp) for row in question.query.history] == of_user[question.user][:told]
        item, time = of_user[question.user][told]
        assert question.relevant == {item}
        assert time > case.past.split.cut


def test_sessions_of_strangers_show_a_click_and_have_no_past() -> None:
    given = replace(shop("sessions"), most=100)
    [case] = BUILDERS["next-item"](given, 0)
    assert len(case.questions) == 100
    assert not {question.user for question in case.questions} & case.past.active
    for question in case.questions:
        assert case.past.split.cut < min(row.timestamp for row in question.query.history)


def test_in_positions_the_last_is_asked_for_and_the_rest_trains() -> None:
    given = shop("positions")
    [case] = BUILDERS["next-item"](given, 0)
    [before] = BUILDERS["next-item"](given, 1)
    lengths = given.tables.interactions.group_by("USER_ID").len()
    rows = dict(lengths.iter_rows())
    assert all(len(question.query.history) == rows[question.user] - 1 for question in case.questions)
    assert all(len(question.query.history) <= rows[question.user] - 2 for question in before.questions)


def test_the_halves_share_no_user(few: Shop) -> None:
    first, second = (
        {question.user for question in BUILDERS["next-basket"](which, 0)[0].questions}
        for which in (few, replace(few, half=Half(held=True)))
    )
    assert first
    assert second
    assert not first & second


def test_removed_users_are_in_both_halves() -> None:
    """A quarter of eight hundred users is removed."""
    of_half = [BUILDERS["new-user"](shop("drift", held=held), 0)[0].questions for held in (False, True)]
    assert all(80 < len(users) < 160 for users in of_half)


def test_removed_users_and_items_train_nothing() -> None:
    given = shop("long-tail")
    [case] = BUILDERS["new-item"](given, 0)
    assert isinstance(case.among, frozenset)
    trained = set(case.past.snapshot.items[np.unique(case.past.rows.item)].tolist())
    assert case.questions
    assert not trained & case.among
    assert all(question.relevant <= case.among for question in case.questions)


def test_windows_of_trends_lie_one_after_another() -> None:
    given = shop("one-day")
    tested, earlier = (list(trends._windows(given, at)) for at in (0, 24))
    assert min(window.end for window in tested) > max(window.end for window in earlier)
    rows = given.tables.interactions["TIMESTAMP"].to_numpy()
    for window in tested:
        assert window.counts[0].sum() == ((rows >= window.end - 1800) & (rows < window.end)).sum()
        assert window.following.sum() == ((rows >= window.end) & (rows < window.end + 1800)).sum()
        assert window.figures(window.following - window.counts[0])[0] == 1.0


def test_segments_count_who_takes_within_the_window(few: Shop) -> None:
    horizon = segments.Horizon(few, "segment-item", 0)
    perfect = [horizon.named(horizon.buyers(items).astype(float)) for _, items in horizon.segments]
    assert horizon.sums(perfect).mean() == 1.0


def test_users_columns_tell_who_takes_a_kind_where_they_decide() -> None:
    rules = {rule.rule.name: rule for rule in segments.rules(shop("demographics"), "segment-attribute")}
    assert rules[segments.BY_COLUMNS].sums.mean() > 1.3 * rules["activity"].sums.mean()
    assert not rules[segments.BY_COLUMNS].best


def test_a_chain_is_found_by_the_rule_of_chains() -> None:
    given = replace(shop("positions"), most=150)
    rules = {rule.rule.name: rule for rule in lists.rules(given, "similar-next")}
    assert rules["Markov chain"].best
    assert rules["Markov chain"].sums.mean() > 3 * rules["popularity"].sums.mean()


def test_new_users_of_actions_train_nothing_and_are_asked_about_with_their_columns() -> None:
    trial = actions.Trial(shop("actions"), "new-action", 0)
    assert trial.offers
    assert not trial.offers.keys() & trial.past.active
    assert all(
        not history and {"AGE", "PLACE", "SEGMENT"} == columns.keys() for history, columns in trial.told.values()
    )
    means = {rule.rule.name: rule.sums.mean() for rule in actions.rules(shop("actions"), "new-action")}
    assert means["rates by group"] < means["the action's rate"]


def test_of_views_and_purchases_only_later_purchases_are_asked_for() -> None:
    given = shop("teasers")
    rows = given.tables.interactions
    [case] = BUILDERS["next-purchase"](given, 0)
    later = rows.filter((pl.col("TIMESTAMP") > case.past.split.cut) & (pl.col("EVENT_TYPE") == "Purchase"))
    after = set(later.select("USER_ID", "ITEM_ID").iter_rows())
    assert case.questions
    for question in case.questions:
        assert all((question.user, item) in after for item in question.relevant)
        assert max(row.timestamp for row in question.query.history) <= case.past.split.cut
    assert case.past.snapshot.timestamps.max() <= case.past.split.cut
    assert {row.event_type for question in case.questions for row in question.query.history} == {"View", "Purchase"}
    counts = purchases.Funnel(case.past, "Purchase")
    assert len(counts.rows) + len(counts.viewed.rows) == len(case.past.snapshot.timestamps)


def test_the_weight_of_views_is_chosen_on_the_cut_before(monkeypatch: pytest.MonkeyPatch) -> None:
    given, cuts = shop("teasers"), []

    def builder(which: Shop, back: int) -> list[Case]:
        cuts.append(back)
        return [replace(case, questions=case.questions[:150]) for case in following(which, back)]

    monkeypatch.setitem(BUILDERS, "next-purchase", builder)
    monkeypatch.setattr(purchases, "TRIED", (0.0, 1.0))
    equal, only, chosen = purchases.variants(given)
    assert set(cuts) == {1}
    assert [event.event_type for event in only.events] == ["Purchase"]
    assert {event.weight for event in equal.events} == {1.0}
    assert chosen.events == only.events
    assert [variant.decides for variant in (equal, only, chosen)] == [False, False, True]


@pytest.mark.parametrize("question", ["related", "same-session"])
def test_what_sells_is_worth_nothing_as_a_relation(question: str) -> None:
    figures = {rule.rule.name: rule.sums.mean() for rule in relations.rules(shop("complements"), question)}
    assert figures["popular"] < 0.1
    assert figures["same basket (cosine)"] > 0.3


def test_a_list_of_one_kind_shares_the_finest_category_and_words_that_tell() -> None:
    given = planted.made("long-tail", 1)
    assert given.items is not None
    kind = pl.col("CATEGORY").str.slice(1).cast(pl.Int64)
    letters = kind.map_elements(lambda number: f"word{chr(97 + number // 10)}{chr(97 + number % 10)}", pl.String)
    titles = (pl.lit("everything ") + letters).alias("TITLE")
    fields = (*given.schemas["items"].fields, Field("TITLE", "string"))
    schemas = {**given.schemas, "items": replace(given.schemas["items"], fields=fields)}
    named = replace(given, items=given.items.with_columns(titles), schemas=schemas)
    whole = Shop(SETS["long-tail"], named, Half())
    past = whole.past("whole", whole.split(0))
    kinds, categories = Kinds.of(past, named.items), past.snapshot.item_columns["CATEGORY"]
    same, others = (np.flatnonzero((categories == categories[0]) == alike)[1:11] for alike in (True, False))
    for listed, share in ((same, 1.0), (others, 0.0), (same[:5], 0.5), (same[:0], 0.0)):
        figures = kinds.sums(np.array([0]), [listed])
        assert (figures.mean(), figures.second_mean()) == (share, share)


@pytest.mark.parametrize(("figures", "exceeds"), [((0.03, 0.1), False), ((0.05, 0.1), True), ((0.03, 0.4), True)])
def test_lists_that_are_too_much_alike_fail(figures: tuple[float, float], exceeds: bool) -> None:
    same = Sums.means([figures[0]] * 3, [figures[1]] * 3)
    row = Row("different-lists", "dense", "aws-sims", "", same, None, primary=False, seconds=0.0, most=(0.04, 0.3))
    assert failed([Part("different-lists", "dense", [], [row])]) == ([row] if exceeds else [])
