# SPDX-License-Identifier: Apache-2.0
"""Two rankers in one list, at the doors of the stack: the file, answers, and what their events say of either."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest
from personalization.auth import list_ids

from functions.follow_settings.app import handler as follow_settings
from functions.get_recommendations import app
from tests.experiments.test_experiments import answer_of, experiment, lines, refusal, shop, start
from tests.handlers.fakes import FakePersonalize
from tests.handlers.samples import Drop, body, described, load

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["shop", "start"]
pytestmark = pytest.mark.usefixtures("aws", "demo")
Start = Callable[[str], object]
PERSONAL = [f"own-{number}" for number in range(12)]
POPULAR = [f"other-{number}" for number in range(12)]
TWO = "{own: {}, other: {recipe: popularity-count}}"
SETTINGS = """
recipes: [user-personalization, similar-items, popularity-count, personalized-ranking]
campaigns: {popularity-count: {}}
filters:
  not-purchased: EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")
placements:
  home: {recipe: user-personalization, limit: 6}
  filtered: {recipe: user-personalization, limit: 6, filter: not-purchased}
  goes-with: {recipe: similar-items, limit: 6, fallback: none, because: goesWithBasket}
"""


def interleaved(variants: str = TWO, more: str = "", **changes: str) -> str:
    text = experiment(variants, more=f"    compare: interleaved\n{more}", **changes)
    return text if "goal" in changes else text.replace("goal: orders", "goal: clicks")


@pytest.fixture
def rankers(shop: Drop, personalize: FakePersonalize, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What each campaign answers, by the end of its ARN: ids of items, or the name of an error."""
    shop("drops/demo/settings.yaml", SETTINGS)
    answers: dict[str, object] = {
        "user-personalization": PERSONAL,
        "popularity-count": POPULAR,
        "similar-items": PERSONAL,
    }
    usual = personalize.answer

    def answer(operation: str, question: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        told = next((answers[name] for name in answers if question.get("campaignArn", "").endswith(name)), None)
        if operation != "GetRecommendations" or told is None:
            return usual(operation, question)
        personalize.calls.append((operation, question))
        if isinstance(told, str):
            return 400, {"__type": told, "message": "no"}
        name = question["campaignArn"].rpartition("demo-")[2]
        items = [{"itemId": item} for item in cast("list[str]", told)][: question["numResults"]]
        return 200, {"recommendationId": f"RID-{name}", "itemList": items}

    monkeypatch.setattr(personalize, "answer", answer)
    return answers


def shown(user: str, **query: str) -> Any:  # noqa: ANN401 - an answer's JSON
    return answer_of(user, queryStringParameters={"limit": "6", **query})


def sides(answer: Mapping[str, Any]) -> list[str]:
    """For which variant each item of an answer counts; empty for neither."""
    numbers = {list_ids.variant_number(f"own-list.{name}"): name for name in ("own", "other", "best", "interleaved")}
    told = [list_ids.told(item["listId"]) if "listId" in item else None for item in answer["items"]]
    return [numbers[entry.variant] if entry else "" for entry in told]


@pytest.mark.usefixtures("rankers")
def test_a_list_has_the_items_of_both_each_with_the_ids_of_its_ranker(
    start: Start, capsys: pytest.CaptureFixture[str], personalize: FakePersonalize
) -> None:
    assert start(interleaved()) == ["own-list"]
    personalize.calls.clear()
    answers = {user: shown(user) for user in [f"user-{number}" for number in range(60)]}
    assert personalize.operations() == ["GetRecommendations"] * 120
    first = Counter[str]()
    for answer in answers.values():
        assert answer["experiment"] == {"name": "own-list", "variant": "interleaved"}
        assert answer["recommendationId"] is None
        ids = {"own": "RID-user-personalization", "other": "RID-popularity-count"}
        for item, side in zip(answer["items"], sides(answer), strict=True):
            assert item["itemId"].startswith(side)
            assert item["recommendationId"] == ids[side]
        assert Counter(sides(answer)) == {"own": 3, "other": 3}
        first[sides(answer)[0]] += 1
    assert 15 < first["own"] < 45
    told = [json.loads(line)["exposure"] for line in lines(capsys.readouterr().out)]
    assert {exposure["variant"] for exposure in told} == {"interleaved"}
    assert len({exposure["unit"] for exposure in told}) == 60
    # The same user sees the same list again, and the next page goes on where this one ends.
    again = shown("user-7")
    assert [item["itemId"] for item in again["items"]] == [item["itemId"] for item in answers["user-7"]["items"]]
    more = shown("user-7", next=again["next"])
    assert len({item["itemId"] for item in again["items"] + more["items"]}) == 12
    assert Counter(sides(more)) == {"own": 3, "other": 3}


def test_what_both_begin_with_counts_for_neither(start: Start, rankers: dict[str, object]) -> None:
    rankers["popularity-count"] = [*PERSONAL[:2], *POPULAR]
    start(interleaved())
    answer = shown("user-1")
    assert sides(answer)[:2] == ["", ""]
    assert [item["itemId"] for item in answer["items"]][:2] == PERSONAL[:2]
    assert all(item["recommendationId"] for item in answer["items"])
    assert Counter(sides(answer)[2:]) == {"own": 2, "other": 2}


@pytest.mark.parametrize("failing", ["user-personalization", "popularity-count"])
@pytest.mark.parametrize("how", ["ResourceNotFoundException", []])
def test_while_one_ranker_has_no_list_the_other_ones_is_shown_and_counts_for_neither(
    failing: str, how: object, start: Start, rankers: dict[str, object]
) -> None:
    rankers[failing] = how
    start(interleaved())
    answer = shown("user-1")
    assert [item["itemId"] for item in answer["items"]] == (POPULAR if failing == "user-personalization" else PERSONAL)[
        :6
    ]
    assert sides(answer) == [""] * 6
    assert answer["recommendationId"].startswith("RID-")
    assert not any("recommendationId" in item for item in answer["items"])


def test_while_both_fail_the_fallback_is_shown(start: Start, rankers: dict[str, object]) -> None:
    rankers |= {"user-personalization": "ResourceNotFoundException", "popularity-count": "ResourceNotFoundException"}
    start(interleaved())
    answer = shown("user-1")
    assert answer["degraded"]
    assert len(answer["items"]) == 6
    assert sides(answer) == [""] * 6


@pytest.mark.usefixtures("rankers")
def test_bestsellers_are_a_ranker_without_a_recommendation_id(start: Start) -> None:
    start(interleaved("{own: {}, best: {show: bestsellers}}"))
    answer = shown("user-1")
    ids = {side: item["recommendationId"] for item, side in zip(answer["items"], sides(answer), strict=True)}
    assert set(ids) == {"own", "best"}
    assert ids["own"] == "RID-user-personalization"


@pytest.mark.usefixtures("rankers")
def test_a_page_mixes_the_placement_of_the_experiment_alone(start: Start) -> None:
    start(interleaved())
    event = load("api_placements")
    event["pathParameters"] |= {"userId": "user-1"}
    event["queryStringParameters"] = {}
    event["body"] = json.dumps({"placements": ["goes-with", "home"], "itemId": "i1"})
    page = app.handler(event, None)
    described("Page", page)
    before, mixed = body(page)["placements"]
    items = [item["itemId"] for item in before["items"] + mixed["items"]]
    assert len(set(items)) == len(items) == 5
    assert "experiment" not in before
    assert mixed["experiment"]["variant"] == "interleaved"
    assert Counter(filter(None, sides(mixed))).keys() == {"own", "other"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (interleaved("{own: {}, best: {show: bestsellers}, other: {recipe: popularity-count}}"), "it has 3 variants"),
        (interleaved("{own: {}, none: {show: off}}"), "none is off"),
        (interleaved("{own: {}, long: {limit: 4}}"), "long changes limit"),
        (interleaved("{own: {}, mix: {recipe: popularity-count, filter: not-purchased}}"), "mix changes filter"),
        (interleaved("{own: {weight: 10}, other: {recipe: popularity-count, weight: 20}}"), "the same weight"),
        (interleaved("{own: {}, same: {recipe: user-personalization}}"), "nobody can prefer"),
        (interleaved("{own: {}, interleaved: {recipe: popularity-count}}"), "may be called interleaved"),
        (interleaved(placements="[home, goes-with]"), "needs one placement"),
        (interleaved("{own: {}, best: {show: bestsellers}}", placements="[filtered]"), "which bestsellers do not have"),
        (interleaved(more="    guardrails: [orders]\n"), "has no guardrails"),
        (interleaved().replace("goal: clicks", "goal: revenue"), "clicks or orders"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("rankers")
def test_what_cannot_be_mixed_is_refused(text: str, reason: str, start: Start, bucket: "S3Client") -> None:
    assert start(text) is None
    assert reason in refusal(bucket)


@pytest.mark.usefixtures("rankers")
def test_settings_that_stop_a_list_from_being_mixed_are_told_as_they_arrive(
    shop: Drop, start: Start, bucket: "S3Client"
) -> None:
    assert start(interleaved())
    promotions = "placements:\n  home: {recipe: user-personalization, promotions: [{filter: new, percent: 20}]}\n"
    head, _, _ = SETTINGS.partition("placements:")
    shop("drops/demo/settings.yaml", f'{head}  new: INCLUDE ItemID WHERE Items.NEW IN ("yes")\n{promotions}')
    event = load("follow_settings")
    event["detail"]["object"]["key"] = "drops/demo/settings.yaml"
    assert follow_settings(event, None)["experiments"] is None
    assert "its placement promotes items" in refusal(bucket)
    assert sides(shown("u1"))
