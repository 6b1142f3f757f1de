# SPDX-License-Identifier: Apache-2.0
import random
from collections.abc import Sequence
from typing import Any

import pytest
from personalization.releases.gate import Measured, judge_release
from personalization.releases.held_out.judging import Exam, judged, leak
from personalization.releases.held_out.trials import Imported, Result, Split, Trial, label
from personalization.shop.keys import is_shop
from personalization.shop.settings.gate import Gate, HeldOut

ITEMS = [f"i{number}" for number in range(50)]
SPLIT = Split(
    enough=True,
    reason="",
    cut_off=1_700_000_000,
    rows=1_000,
    held_out_rows=100,
    event_type="Purchase",
    shoppers=100,
    new_shoppers=2,
    digest="d",
)
IMPORTED = Imported(rows=1_000, last=1_700_000_000, digest="d", files=1, bought_again=0.1)
PERSONAL, RANKING = "user-personalization", "personalized-ranking"


def trial(**settings: float) -> Trial:
    held_out = HeldOut.model_validate({"days": 7, "users": 500, "minimum_users": 30} | settings)
    none: dict[str, Any] = dict.fromkeys(("sources", "imports", "questions"), ())
    return Trial(run="run", shop="shop", attempt="a", event_type="Purchase", held_out=held_out, parameters={}, **none)


def exam(users: int = 100) -> Exam:
    """Every shopper has one item of the 50; the five most popular ones are as popular as the rest."""
    return Exam({f"u{n}": frozenset([ITEMS[n % 50]]) for n in range(users)}, ITEMS[:25], 50)


def decided(
    lists: dict[str, Sequence[str]], exam_given: Exam, alias: str = PERSONAL, **settings: float
) -> dict[str, Any]:
    result, document = judged(trial(**settings), SPLIT, IMPORTED, exam_given, {alias: lists})
    (recipe,) = document["recipes"]
    (told,) = result.recipes
    assert (told.alias, told.decision, told.reason) == (alias, recipe["decision"], recipe["reason"])
    return dict(recipe)


def foretold(exam_given: Exam, share: float = 1.0) -> dict[str, Sequence[str]]:
    """Lists that begin with the right item for a share of the shoppers, and with a wrong one for the others."""
    users = sorted(exam_given.baskets)
    right = set(users[: round(share * len(users))])
    return {user: [*(exam_given.baskets[user] if user in right else ()), "other"] for user in users}


def test_who_foretells_is_approved_and_its_figures_are_told() -> None:
    recipe = decided(foretold(exam()), exam())
    assert recipe["decision"] == "approved"
    assert recipe["measures"]["ndcg"]["new"] == recipe["measures"]["hitRate"]["new"] == 1.0
    assert recipe["measures"]["coverage"] == {"new": 1.02, "popularity": 0.2}
    assert recipe["lift"]["low"] <= recipe["lift"]["value"] <= recipe["lift"]["high"]


@pytest.mark.parametrize("name", ["popular", "nothing", "random"])
def test_who_knows_no_more_than_what_is_popular_is_refused(name: str) -> None:
    exam_given, chance = exam(), random.Random(5)  # noqa: S311 - no secret
    lists: dict[str, dict[str, Sequence[str]]] = {
        "popular": dict.fromkeys(exam_given.baskets, ITEMS[:25]),
        "nothing": {},
        "random": {user: chance.sample(ITEMS, 10) for user in exam_given.baskets},
    }
    recipe = decided(lists[name], exam_given)
    assert recipe["decision"] == "refused"
    assert "it must be above 1 times beyond chance" in recipe["reason"]


def test_a_better_mean_is_not_enough_if_chance_may_have_made_it() -> None:
    small = exam(users=30)
    few = decided(foretold(small, share=0.2), small)
    enough = decided(foretold(exam(users=3_000), share=0.14), exam(users=3_000), users=5_000)
    assert few["measures"]["ndcg"]["new"] > few["measures"]["ndcg"]["popularity"]
    assert few["lift"]["low"] < 1 < few["lift"]["high"]
    assert (few["decision"], enough["decision"]) == ("refused", "approved")


def test_too_few_shoppers_decide_nothing() -> None:
    recipe = decided(foretold(exam(20)), exam(20))
    assert recipe["decision"] == "unjudged"
    assert "only 20 users are in the test, and at least 30 are needed" in recipe["reason"]


def test_a_lift_of_nothing_asks_for_nothing_and_a_higher_one_for_more() -> None:
    assert decided({}, exam(), minimum_lift=0)["decision"] == "approved"
    assert decided(foretold(exam()), exam(), minimum_lift=50)["decision"] == "refused"


def test_a_ranking_is_asked_about_what_it_could_rank() -> None:
    recipe = decided({user: sorted(basket) for user, basket in exam().baskets.items()}, exam(), RANKING)
    assert recipe["shoppers"] == 50
    assert recipe["decision"] == "approved"


@pytest.mark.parametrize(
    ("imported", "location", "told"),
    [
        ({}, "here", None),
        ({}, None, "an unknown place"),
        ({}, "there", "from there and not from here"),
        ({"last": 1_700_000_001}, "here", "up to 2023-11-14T22:13:21Z, after the cut-off 2023-11-14T22:13:20Z"),
        ({"rows": 1_001}, "here", "1,001 rows in 1 file where 1,000 in one were written"),
        ({"digest": "e"}, "here", "is not the one that was cut off"),
        ({"files": 2}, "here", "in 2 files"),
    ],
)
def test_what_makes_a_test_none_is_said(imported: dict[str, object], location: str | None, told: str | None) -> None:
    refusal = leak(SPLIT, IMPORTED.model_copy(update=imported), location, "here")
    assert refusal is None if told is None else told in str(refusal)


def result(outcome: str, decision: str = "approved") -> Result:
    recipes = [{"alias": PERSONAL, "decision": decision, "reason": "1.4 times"}]
    return Result.model_validate({"outcome": outcome, "reason": "why", "recipes": recipes})


@pytest.mark.parametrize(
    ("alias", "offline", "test", "decision", "reason"),
    [
        (PERSONAL, "approved", result("judged"), "approved", "offline. Besides, 1.4 times."),
        (PERSONAL, "approved", result("judged", "unjudged"), "approved", "offline. Besides, 1.4 times."),
        (PERSONAL, "approved", result("judged", "refused"), "refused", "1.4 times"),
        (PERSONAL, "refused", result("judged"), "refused", "offline. Besides, 1.4 times."),
        (PERSONAL, "refused", result("judged", "refused"), "refused", "offline. Besides, 1.4 times"),
        (PERSONAL, "approved", result("leaked"), "refused", "why"),
        (PERSONAL, "approved", result("tooLittle"), "approved", "offline."),
        (PERSONAL, "approved", result("notAsked"), "approved", "offline."),
        (RANKING, "approved", result("judged", "refused"), "approved", "offline."),
        ("similar-items", "approved", result("leaked"), "approved", "offline."),
    ],
)
def test_both_judgements_must_approve(alias: str, offline: str, test: Result, decision: str, reason: str) -> None:
    good, bad, popular = ({str(Gate().metric): value} for value in (0.9, 0.0, 0.1))
    new, serving = {alias: Measured(good if offline == "approved" else bad, popular)}, {alias: Measured(good, popular)}
    (alone,), (combined,) = (judge_release(Gate(), new, serving, told) for told in (result("notAsked"), test))
    assert (alone.decision, combined.decision) == (offline, decision)
    assert combined.reason == reason.replace("offline.", alone.reason)


def test_no_shop_can_be_called_as_a_test_is() -> None:
    assert not is_shop(label("shop"))
