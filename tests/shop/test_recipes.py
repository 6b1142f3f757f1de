# SPDX-License-Identifier: Apache-2.0
"""The recipes that a shop may name: what their settings mean, and which contradictions are refused with a way out."""

import pytest
from personalization.core.errors import Rejected
from personalization.shop.settings.recipes import TRAINABLE
from personalization.shop.settings.settings import parse

OF_ITEMS = tuple(alias for alias in TRAINABLE if alias != "next-best-action")
ALL = f"recipes: [{', '.join(OF_ITEMS)}]\n"
RISING = "recipes: [popularity-count, trending-now]\n"
READING = "recipes: [popularity-count, semantic-similarity]\n"
ACTING = """
domain: custom
recipes: [user-personalization, popularity-count, next-best-action]
filters: {mails: 'include ActionID where Actions.TYPE in ("mail")'}
"""


def test_five_campaigns_are_made_of_all_recipes() -> None:
    settings = parse("settings.yaml", ALL)
    assert settings.deployed == tuple(alias for alias in OF_ITEMS if alias != "popularity-count")
    assert [settings.billed(alias).tps for alias in OF_ITEMS] == [1, 1, 1, None, 1, 1]


def test_more_campaigns_need_a_higher_quota() -> None:
    text = f"{ALL}campaigns: {{popularity-count: {{}}}}\n"
    with pytest.raises(Rejected) as refused:
        parse("settings.yaml", text)
    assert "recipes: 6 campaigns (user-personalization, " in refused.value.reason
    assert "more than the 5 that Personalize allows a dataset group: leave a recipe out, or" in refused.value.reason
    assert len(parse("settings.yaml", f"{text}most_campaigns: 6\n").deployed) == 6
    assert parse("settings.yaml", f"{text}deploy: false\n").deployed == ()


def test_campaigns_on_the_engine_need_no_quota() -> None:
    text = f"{ALL}campaigns: {{popularity-count: {{}}}}\nplacements: {{a: {{recipe: user-personalization}}}}\n"
    assert len(parse("settings.yaml", f"{text}backend: engine\ngate: {{ramp: true}}\n").deployed) == 6
    split = text.replace("[user-personalization,", "[{name: user-personalization, backend: engine},")
    assert len(parse("settings.yaml", f"{split}gate: {{ramp: true}}\n").deployed) == 6


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("placements: {now: {recipe: trending-now}}", "now.recipe: trending-now is left out of the shop's recipes"),
        ("placements: {a: {recipe: semantic-similarity}}", "a.recipe: semantic-similarity is left out of the shop's"),
        ("lists: {popular: trending-now}", "lists.popular: trending-now is left out of the shop's recipes"),
        ("lists: {similar: popularity-count}", "lists.similar: must be 'similar-items' or 'semantic-similarity'"),
        (f"{RISING}deploy: false\nlists: {{popular: trending-now}}", "needs the campaign of trending-now, and deploy"),
        (f"{RISING}placements: {{a: {{recipe: trending-now, context: {{X: y}}}}}}", "trending-now does not look at it"),
        (f"{RISING}placements: {{a: {{recipe: trending-now, because: similarTo}}}}", "and trending-now has none"),
        (
            f"{RISING}placements: {{a: {{recipe: trending-now, diversity: {{strength: 0.5}}}}}}",
            "a.diversity: trending-now shows what grows, in the order of growth: leave it out",
        ),
        (f"{RISING}batch: {{a: {{recipe: trending-now}}}}", "a.recipe: Trending-Now has no batch jobs: take user-pers"),
        (
            f"{RISING}campaigns: {{trending-now: {{ranking_influence: {{popularity: 1}}}}}}",
            "semantic-similarity has it",
        ),
        (
            f"{READING}campaigns: {{semantic-similarity: {{ranking_influence: {{popularity: 2}}}}}}",
            "less than or equal",
        ),
        (f"{READING}campaigns: {{semantic-similarity: {{metadata: false}}}}", "can't turn it off: leave it out"),
        (f"{READING}campaigns: {{semantic-similarity: {{exploration_weight: 0.1}}}}", "doesn't explore"),
        (f"{READING}batch: {{a: {{recipe: semantic-similarity, users: all}}}}", "takes the shop's items and no users"),
        (f"{READING}batch: {{a: {{recipe: semantic-similarity, output: mail}}}}", "a mail goes to users"),
        ("gate: {metric: trend_prediction_accuracy}", "gate.metric: is a metric of trending-now alone: write it under"),
        (
            "gate: {recipes: {similar-items: {metric: average_similarity_at_25}}}",
            "gate.recipes.similar-items.metric: is a metric of semantic-similarity alone",
        ),
        (
            f"{READING}gate: {{recipes: {{semantic-similarity: {{metric: precision_at_5}}}}}}",
            "semantic-similarity learns from no user: take average_similarity_at_25 or ",
        ),
        (ACTING.replace("domain: custom", ""), "recipes: the next best action needs domain: custom"),
        (f"{ACTING}placements: {{a: {{recipe: next-best-action}}}}", "placements.a.recipe: must be"),
        (f"{ACTING}lists: {{popular: next-best-action}}", "lists.popular: must be"),
        (f"{ACTING}batch: {{a: {{recipe: next-best-action}}}}", "Next-Best-Action has no batch jobs: take user-pers"),
        (f"{ACTING}placements: {{a: {{filter: mails}}}}", "placements.a.filter: the filter mails chooses actions"),
        (f"{ACTING}batch: {{a: {{filter: mails}}}}", "batch.a.filter: the filter mails chooses actions: name one that"),
        (f"{ACTING}gate: {{metric: recall}}", "gate.metric: is a metric of next-best-action alone"),
        (
            f"{ACTING}gate: {{recipes: {{next-best-action: {{metric: coverage}}}}}}",
            "next-best-action recommends no items: take area_under_curve or precision or recall",
        ),
        (
            f"{ACTING}training: {{next-best-action: {{parameters: {{action_optimization_period: 6}}}}}}",
            "action_optimization_period: must be out of 7 to 28",
        ),
    ],
)
def test_contradictions_are_refused_with_a_way_out(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse("settings.yaml", text)
    assert reason in refused.value.reason


def test_lists_that_start_from_an_item_may_be_of_either_recipe() -> None:
    settings = parse(
        "settings.yaml",
        f"{READING}placements: {{a: {{recipe: semantic-similarity}}}}\nlists: {{similar: semantic-similarity}}\n"
        "campaigns: {semantic-similarity: {ranking_influence: {popularity: 0.2, freshness: 1}}}\n"
        "batch: {a: {recipe: semantic-similarity}}\n",
    )
    assert settings.placements["a"].starts_from_item
    assert settings.batch["a"].takes_items
    assert settings.lists.record == {"similar": "semantic-similarity"}
    influence = {"POPULARITY": 0.2, "FRESHNESS": 1.0}
    assert settings.campaigns["semantic-similarity"].config == {"rankingInfluence": influence}
