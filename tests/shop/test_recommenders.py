# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Mapping

import pytest
from personalization.core.errors import Rejected
from personalization.shop.settings.recommenders import possible, unmade, unnamed
from personalization.shop.settings.settings import parse

TOGETHER, VIEWED, YOU = parse(
    "settings.yaml",
    "recommenders: {a: {use_case: frequently-bought-together}, b: {use_case: most-viewed}, "
    "c: {use_case: recommended-for-you}}",
).recommenders.values()


def test_settings_name_use_cases_with_what_personalize_is_told() -> None:
    text = """
recommenders:
  together: {use_case: frequently-bought-together, minimum_rps: 3, metadata: true}
  best: {use_case: best-sellers}
"""
    together, best = parse("settings.yaml", text).recommenders.values()
    assert (together.recipe, best.recipe) == (
        "aws-ecomm-frequently-bought-together",
        "aws-ecomm-popular-items-by-purchases",
    )
    assert together.config == {"minRecommendationRequestsPerSecond": 3, "enableMetadataWithRecommendations": True}
    # What the settings don't name stays as it is, also where somebody raised it by hand.
    assert best.config == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("recommenders: {a: {}}", "recommenders.a.use_case: is missing"),
        ("recommenders: {a: {use_case: top-picks}}", "recommenders.a.use_case: must be 'recommended-for-you'"),
        ("recommenders: {Not OK: {use_case: best-sellers}}", "recommenders.Not OK: must be 1 to 20 characters"),
        ("recommenders: {a: {use_case: best-sellers, rps: 2}}", "recommenders.a.rps is not a setting .*minimum_rps"),
        (
            "recommenders: {a: {use_case: best-sellers, minimum_rps: 0}}",
            "a.minimum_rps: must be greater than or equal to 1",
        ),
        ("recommenders: {a: {use_case: best-sellers, minimum_rps: 1.5}}", "a.minimum_rps: must be a valid integer"),
        ("recommenders: {a: {use_case: best-sellers, minimum_rps: true}}", "a.minimum_rps: must be a valid integer"),
        ("recommenders: {a: {use_case: best-sellers, metadata: 1}}", "a.metadata: must be true or false"),
        ("recommenders: [best-sellers]", "recommenders: must be a mapping"),
        (
            "domain: custom\nrecommenders: {a: {use_case: best-sellers}}",
            "recommenders.a: a shop with domain: custom has none",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        parse("settings.yaml", text)


def test_six_are_too_many_and_every_error_is_told_at_once() -> None:
    document = {"recommenders": {f"r{n}": {"use_case": "best-sellers"} for n in range(6)}, "domain": "custom", "x": 1}
    with pytest.raises(Rejected) as refused:
        parse("settings.json", json.dumps(document))
    for told in ("x is not a setting", "recommenders: ", "recommenders.r0: a shop", "recommenders.r5: a shop"):
        assert told in refused.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "placements: {home: {recommender: mine, metadata: [PRICE]}}",
        "recommenders: {a: {use_case: best-sellers, metadata: true}}\n"
        "placements: {home: {recommender: a, metadata: [PRICE]}}",
        # The table of items has the columns.
        "recommenders: {a: {use_case: best-sellers}}\nplacements: {home: {recommender: a, metadata: [PRICE]}}",
    ],
)
def test_a_placement_may_show_what_its_recommender_gives(text: str) -> None:
    assert parse("settings.yaml", text).placements


@pytest.mark.parametrize(
    ("events", "made"),
    [
        (None, ["together", "viewed", "you"]),
        ({"Purchase": 1_000}, ["together", "you"]),
        ({"Purchase": 999, "View": 5_000}, ["viewed", "you"]),
        # Capitals make no other type.
        ({"purchase": 600, "PURCHASE": 400, "view": 999}, ["together", "you"]),
        ({}, ["you"]),
    ],
)
def test_what_the_whole_history_has_too_few_events_for_is_not_made(
    events: Mapping[str, int] | None, made: list[str]
) -> None:
    wanted = {"together": TOGETHER, "viewed": VIEWED, "you": YOU}
    made_recommenders, remarks = possible(wanted, events)
    assert (list(made_recommenders), len(remarks)) == (made, len(wanted) - len(made))


def test_the_remark_says_what_is_missing() -> None:
    (remark,) = possible({"viewed": VIEWED}, {"View": 999, "Purchase": 2_000})[1]
    assert remark.startswith(
        "the recommender viewed is not made: most-viewed needs 1,000 events of type View, and the file has 999."
    )


def test_what_bills_without_being_in_the_settings_is_told() -> None:
    there = {"together": "ACTIVE", "old": "ACTIVE", "rests": "INACTIVE", "retail-mine": "CREATE IN_PROGRESS"}
    there |= {"broke": "CREATE FAILED", "goes": "DELETE PENDING"}
    old, remark = unnamed({"together": TOGETHER}, there)
    assert old.startswith(
        "the recommender old is not in the settings: no run touches it, and it bills until it is deleted"
    )
    assert "recommender retail-mine is" in remark
    assert unnamed({}, {}) == []


def test_a_placement_of_a_recommender_that_no_run_makes_is_told_where_runs_make_some() -> None:
    (told,) = unmade({"together": TOGETHER}, iter(["together", "togehter", "togehter"]))
    assert "togehter" in told
    assert unmade({}, iter(["mine"])) == []
