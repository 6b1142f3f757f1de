# SPDX-License-Identifier: Apache-2.0
"""Verdicts of made-up experiments: states, what they say in both languages, and how often they are right."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from personalization.experiments.sentences import Told, sentence
from personalization.experiments.statistics.bands import Guardrail
from personalization.experiments.statistics.bootstrap import resampled
from personalization.experiments.statistics.checks import Facts, Period
from personalization.experiments.statistics.effects import Metric
from personalization.experiments.statistics.sequential import looks as bounds_of
from personalization.experiments.statistics.sums import Sums
from personalization.experiments.statistics.verdicts import Day, Design, Look, Scale, Verdict, judge
from personalization.reports import pages
from scipy import stats

from benchmarks.verdicts import made_up, shares, uneven

ORDERS = Metric(name="orders", value="orders", past=("past.orders", "users"))
RETURNS = Metric(name="returns", value="returned", per="revenue", better="less")
REVENUE = (Metric(name="revenue", value="revenue"), Metric(name="revenueWinsorized", value="capped"))
DESIGN = Design(
    control="A",
    variants=("B",),
    goal=ORDERS,
    guardrails=(Guardrail(metric=RETURNS, margin=0.2),),
    revenue=REVENUE,
    planned=20_000,
)
TOLD = Told(end="2026-12-12", currency="KRW")
WEEKS = 4
COLUMNS = ("users", "known", "buyers", "orders", "past.orders", "revenue", "capped", "returned")


@cache
def arm(seed: int, users: int, lifts: tuple[float, ...], returned: float) -> tuple[Sums, ...]:
    """The sums of users who come in the first week and order in each, by a lift of that week."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.5, 0.06, users)
    orders, money, back = np.zeros(users), np.zeros(users), np.zeros(users)
    tables: list[np.ndarray] = []
    past = rng.poisson(rate * 2).astype(float)
    for lift in lifts:
        count = rng.poisson(rate * (1 + lift)).astype(float)
        amount = count * np.round(rng.lognormal(10, 0.7, users), -2)
        orders, money = orders + count, money + amount
        back = back + amount * (rng.random(users) < returned)
        ones = np.ones(users)
        figures = (ones, ones, orders > 0, orders, past, money, np.minimum(money, 300_000), back)
        tables.append(np.column_stack(figures))
    weeks = []
    for number, now in enumerate(tables):
        before = tables[number - 1].T @ now if number else np.zeros((0, 0))
        products, since = (tuple(map(tuple, matrix.tolist())) for matrix in (now.T @ now, before))
        weeks.append(Sums(columns=COLUMNS, products=products, since=since))
    return tuple(weeks)


def judged(
    lifts: Mapping[str, Sequence[float]],
    *,
    weeks: int = WEEKS,
    users: int = 10_000,
    returned: float = 0.05,
    **facts: int,
) -> tuple[Verdict, Design]:
    """The verdict after some weeks in which the variants had some lifts."""
    arms = {"A": arm(1, users, (0.0,) * WEEKS, 0.05)}
    for number, (name, weekly) in enumerate(lifts.items()):
        arms[name] = arm(number + 2, users, tuple(weekly), returned)
    looks = [Look(week=week + 1, sums={name: sums[week] for name, sums in arms.items()}) for week in range(weeks)]
    days = [Day(day=f"2026-11-{7 * look.week + 7:02}", sums=look.sums) for look in looks]
    counted = {name: sums[0].users for name, sums in arms.items()}
    period = Period(weights=dict.fromkeys(counted, 1.0), users=counted)
    design = replace(DESIGN, variants=tuple(lifts))
    facts_ = Facts(periods=[period], **facts)  # type: ignore[arg-type]
    return judge(design, looks, days, facts_, Scale(users_a_month=30_000)), design


def spoken(verdict: Verdict, design: Design) -> tuple[str, str]:
    """The sentence in English and in Korean."""
    text = sentence(verdict, design, TOLD)
    return str(text), text.rendered(pages.sentences("ko"))


def test_a_gain_is_shipped_with_its_money() -> None:
    verdict, design = judged({"B": (0.15,) * 4})
    result = verdict.of("B")
    assert (verdict.state, verdict.variant, result.outcome) == ("ship", "B", "better")
    assert result.interval is not None
    assert 0 < result.interval[0] < (result.lift or 0) < result.interval[1]
    assert result.reduction > 0.005
    assert all(abs(look.z) <= look.bound for look in result.looks[:-1])
    assert result.looks[-1].z > result.looks[-1].bound
    whole, winsorized = result.money
    assert whole.interval[0] < whole.estimate < whole.interval[1]
    assert winsorized.interval[1] - winsorized.interval[0] < whole.interval[1] - whole.interval[0]
    english, korean = spoken(verdict, design)
    assert english.startswith(f"B brings {result.lift:.1%} more orders per user (+")
    assert "about ₩" in english
    assert "a month at today's traffic" in english
    assert ". Ship." in english
    assert korean.startswith(f"B 적용 시 고객당 주문 {result.lift:.1%} 증가")
    assert "적용하세요." in korean


def test_a_loss_keeps_the_control() -> None:
    verdict, design = judged({"B": (-0.2,) * 4})
    assert (verdict.state, verdict.variant) == ("keep", "A")
    english, korean = spoken(verdict, design)
    assert english.startswith("B lowers orders per user by ")
    assert english.endswith("Keep A.")
    assert korean.endswith("A를 유지하세요.")


@pytest.mark.parametrize(("weeks", "words"), [(2, "Nothing proven yet: a difference under"), (4, "Nothing proven: a")])
def test_what_is_not_proven_says_what_could_be(weeks: int, words: str) -> None:
    verdict, design = judged({"B": (0.005,) * 4}, weeks=weeks)
    assert (verdict.state, verdict.ended) == ("undecided", weeks == 4)
    english, korean = spoken(verdict, design)
    assert english.startswith(words)
    assert english.endswith(" be seen by 2026-12-12.")
    assert "2026-12-12까지" in korean
    assert 0.03 < (verdict.of("B").least or 0) < 0.15


def test_harm_stops() -> None:
    verdict, design = judged({"B": (0.15,) * 4}, returned=0.12)
    assert (verdict.state, verdict.variant) == ("stopped", "B")
    english, korean = spoken(verdict, design)
    assert english.startswith("B is stopped for harm: it raises the returned share of revenue by ")
    assert korean.startswith("B는 해로워서 중단되었습니다. 매출 대비 반품 비율을 최소")
    assert judged({"B": (0.15,) * 4, "C": (-0.3,) * 4}, returned=0.12)[0].state == "stopped"


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        ({"double": 900}, "doubleExposure", "were in two variants"),
        ({"shown": 20_000, "unexposed": 800}, "lostExposures", "4.0% of the users"),
        ({"users": 500}, "tooLittleData", "150 conversions"),
    ],
)
def test_a_check_hides_the_verdict_and_is_named(options: dict[str, int], name: str, words: str) -> None:
    verdict, design = judged({"B": (0.15,) * 4}, **options)
    assert (verdict.state, [finding.name for finding in verdict.findings]) == ("hidden", [name])
    english, korean = spoken(verdict, design)
    assert english.startswith("No verdict")
    assert words in english
    assert "판정하지 않습니다" in korean


def test_several_variants_are_tested_by_holm_s_steps() -> None:
    verdict, design = judged({"B": (0.0,) * 4, "C": (0.15,) * 4, "D": (0.15,) * 4})
    assert (verdict.state, verdict.of("B").outcome) == ("ship", "open")
    lifts = {name: verdict.of(name).lift or 0 for name in ("C", "D")}
    assert verdict.variant == max(lifts, key=lambda name: lifts[name])
    times, parts = [1.0, 2.0, 3.0, 4.0], [0.25, 0.5, 0.75, 1.0]
    levels = {3: 0.05 / 3, 1: 0.05}
    bounds = {left: bounds_of(times, parts, level).bounds[0] for left, level in levels.items()}
    assert verdict.of("C").looks[0].bound == pytest.approx(bounds[3])
    assert verdict.of("B").looks[0].bound == pytest.approx(bounds[1])
    assert "Ship." in spoken(verdict, design)[0]


def test_a_missed_look_does_no_harm() -> None:
    arms = {"A": arm(1, 10_000, (0.0,) * 4, 0.05), "B": arm(2, 10_000, (0.15,) * 4, 0.05)}
    looks = [Look(week=week + 1, sums={name: sums[week] for name, sums in arms.items()}) for week in (0, 1, 2)]
    whole = judge(DESIGN, looks, [], Facts(periods=[]), Scale()).of("B").looks
    late = judge(DESIGN, looks[1:], [], Facts(periods=[]), Scale()).of("B").looks
    assert late[0].week == 2
    assert late[0].bound < whole[1].bound


def test_the_first_week_s_novelty_is_flagged() -> None:
    verdict, _ = judged({"B": (0.9, 0.3, 0.1, 0.0)})
    assert [(finding.name, finding.hides) for finding in verdict.findings] == [("novelty", False)]
    assert (verdict.of("B").first_week or 0) > 0.5
    assert judged({"B": (0.15,) * 4})[0].findings == ()


def test_the_curve_is_wider_than_the_last_look() -> None:
    result = judged({"B": (0.02,) * 4})[0].of("B")
    point, look = result.curve[-1], result.looks[-1]
    assert point.interval is not None
    assert look.interval is not None
    assert point.interval[0] < look.interval[0] < look.lift < look.interval[1] < point.interval[1]


@pytest.mark.parametrize(
    ("times", "parts", "level"),
    [((1.0, 1.7, 2.2, 3.9), (0.3, 0.55, 0.8, 1.0), 0.05), ((1.0, 6.0), (0.25, 0.6), 0.0125), ((1.0,), (0.1,), 0.05)],
)
def test_running_looks_spend_by_their_shares(times: Sequence[float], parts: Sequence[float], level: float) -> None:
    bounds = bounds_of(times, parts, level).bounds
    grid, density, before, passed = np.zeros(1), np.ones(1), 0.0, 0.0
    for time, bound in zip(times, bounds, strict=True):
        sd, edge = math.sqrt(time - before), bound * math.sqrt(time)
        passed += density @ (stats.norm.sf((edge - grid) / sd) + stats.norm.cdf((-edge - grid) / sd))
        after, before = np.linspace(-edge, edge, 2_001), time
        weights = np.r_[1.0, np.tile([4.0, 2.0], 999), 4.0, 1.0] * (after[1] - after[0]) / 3
        density = stats.norm.pdf(after[:, None], grid, sd) @ density * weights
        grid = after
    allowed = 4 * stats.norm.sf(stats.norm.isf(level / 4) / math.sqrt(parts[-1]))
    assert passed == pytest.approx(allowed, abs=1e-6)


@pytest.mark.parametrize("number", [80, pytest.param(250, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("drift", [0.0, 2.0, 4.0])
def test_half_of_the_median_unbiased_estimates_are_too_high(drift: float, number: int) -> None:
    rng, times = np.random.default_rng(4), np.array([0.25, 0.5, 0.75, 1.0])
    looks = bounds_of(list(times))
    high, naive = 0, 0
    for _ in range(number):
        z = (rng.normal(drift * 0.25, 0.5, 4).cumsum()) / np.sqrt(times)
        passed = np.flatnonzero(abs(z) > looks.bounds)
        last = int(passed[0]) if len(passed) else 3
        walked = replace(looks, times=looks.times[: last + 1], bounds=looks.bounds[: last + 1])
        growth = np.sqrt(times[: last + 1] / times[last])
        high += walked.median(float(z[last]), list(growth)) > drift * math.sqrt(times[last])
        naive += z[last] > drift * math.sqrt(times[last])
    # Two and a half standard errors of a half.
    assert high / number == pytest.approx(0.5, abs=1.2 / math.sqrt(number))
    assert naive >= high - 0.08 * number


def test_a_handful_of_users_without_an_order_is_no_harm() -> None:
    arms = {"A": arm(1, 10_000, (0.0,), 0.05), "B": arm(2, 60, (-1.0,), 0.05)}
    design = replace(DESIGN, guardrails=(Guardrail(metric=ORDERS, margin=0.1),))
    day = Day(day="2026-11-01", sums={name: sums[0] for name, sums in arms.items()})
    verdict = judge(design, [], [day], Facts(periods=[]), Scale())
    assert (verdict.state, verdict.of("B").curve) == ("hidden", ())
    assert sentence(replace(verdict, state="undecided"), design, TOLD).endswith("after a week.")


def test_few_orders_are_resampled() -> None:
    rng = np.random.default_rng(9)
    control, treated = (rng.lognormal(3, 0.5, size).tolist() for size in (150, 190))
    low, high = resampled((control, 2_000), (treated, 2_000))
    lift = sum(treated) / sum(control) - 1
    error = math.hypot(*(math.sqrt(sum(x * x for x in arm)) / sum(arm) for arm in (control, treated))) * (1 + lift)
    assert (low, high) == pytest.approx((lift - 1.96 * error, lift + 1.96 * error), abs=0.1)
    assert resampled((control, 2_000), (treated, 2_000)) == (low, high)


@pytest.mark.parametrize("number", [60, pytest.param(300, marks=pytest.mark.nightly)])
def test_looked_at_daily_neither_looks_nor_bands_are_often_wrong(number: int) -> None:
    worlds = made_up(3_000, "orders", 4)
    without = shares(worlds, 0.0, number)
    assert without.weekly <= 0.055 + 2 * math.sqrt(0.05 * 0.95 / number)
    assert max(without.band, without.harmed) <= 0.05
    planted = shares(worlds, 0.25, number * 2 // 5)
    assert planted.fixed > 0.6
    # Fewer experiments leave more to chance: 0.06 for 120 of them.
    assert planted.weekly >= planted.fixed - 0.06 * math.sqrt(300 / number)
    assert planted.band < planted.weekly


def test_users_who_spread_unevenly_are_noticed() -> None:
    assert uneven(20_000, 0.48, 4_000) >= 0.985
