# SPDX-License-Identifier: Apache-2.0
import pytest
from personalization.core.errors import Rejected
from personalization.shop.settings.settings import ShopSettings, parse


def test_the_gate_has_sane_defaults() -> None:
    gate = ShopSettings().gate
    assert (gate.enabled, gate.tolerance, gate.minimum_over_popularity) == (True, 0.1, 1.0)
    assert gate.metric == "normalized_discounted_cumulative_gain_at_10"
    assert gate.held_out is None


def test_a_test_on_held_out_time_needs_only_its_days() -> None:
    held_out = parse("settings.yaml", "gate: {held_out: {days: 14}}").gate.held_out
    assert held_out is not None
    assert (held_out.days, held_out.users, held_out.minimum_users, held_out.minimum_lift) == (14, 1_000, 50, 1.0)


def test_every_mistake_is_told_at_once_with_its_place() -> None:
    text = """
recipes: [user-personalization]
gate:
  metric: accuracy
  tolerance: 1
  minimum_over_popularity: 2
  strict: true
  held_out: {days: 0, users: 100, minimum_users: 10, weeks: 2}
  recipes:
    similar-items: {tolerance: -1}
    user-personalization: {minimum_over_popularity: .nan}
probe: {latency_ms: 0, requests: 51, sleep: 1}
"""
    with pytest.raises(Rejected) as refused:
        parse("settings.yaml", text)
    told = refused.value.reason
    for problem in (
        "gate.metric: must be ",
        "gate.tolerance: must be less than 1",
        "gate.recipes.similar-items.tolerance: must be greater than or equal to 0",
        "gate.recipes.user-personalization.minimum_over_popularity: must be a finite number",
        "gate.strict is not a setting (did you mean metric? the settings are enabled, metric, ",
        "gate.held_out.days: must be greater than or equal to 1",
        "gate.held_out.minimum_users: must be greater than or equal to 20",
        "gate.held_out.weeks is not a setting (the settings are days, users, minimum_users, minimum_lift)",
        "probe.requests: must be less than or equal to 50",
        "probe.latency_ms: must be greater than 0",
        "probe.sleep is not a setting (the settings are enabled, requests, latency_ms)",
        "gate.recipes.similar-items: the shop does not train this recipe",
        "gate.minimum_over_popularity: needs the recipe popularity-count",
    ):
        assert problem in told


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("recipes: [similar-items]\ngate: {minimum_over_popularity: 1.2}", "needs the recipe popularity-count"),
        ("gate: {recipes: {sims: {}}}", "gate.recipes.sims: the shop does not train this recipe"),
        ("gate: 3", "gate: "),
        ("gate: {recipes: [a]}", "gate.recipes: "),
        ("gate: {held_out: {}}", "gate.held_out.days: is missing"),
        ("gate: {held_out: {days: 7, users: 40}}", "gate.held_out: minimum_users is above users"),
        ("gate: {enabled: false, held_out: {days: 7}}", "gate.held_out: the gate is off"),
        ("recipes: [popularity-count, similar-items]\ngate: {held_out: {days: 7}}", "gate.held_out: needs one of"),
        (
            "gate: {recipes: {similar-items: {enabled: true}}}",
            "settings are metric, tolerance, minimum_over_popularity",
        ),
    ],
)
def test_an_impossible_gate_is_refused_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        parse("settings.yaml", text)


def test_a_shop_without_popularity_may_still_judge() -> None:
    chosen = parse("settings.yaml", "recipes: [similar-items]\ngate: {tolerance: 0.3, minimum_over_popularity: 0}")
    assert chosen.gate.tolerance == 0.3
