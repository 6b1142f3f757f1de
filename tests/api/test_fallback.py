# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.api.fallback import BUDGET_SECONDS, FallbackChain, Memory
from personalization.api.lists import ListAsk
from personalization.core.breaker import Breaker
from personalization.core.errors import Broken, PersonalizationError, RetryLater
from personalization.personalize import runtime
from personalization.personalize.runtime import Predicted
from personalization.shop.records.release import Release

ATTEMPT_SECONDS = 0.85

ARN = "arn:aws:personalize:us-east-1:123456789012:campaign/retail-demo"
RELEASE = Release(
    shop="demo",
    tracking_id="t",
    dataset_group_arn="g",
    campaigns={"user-personalization": f"{ARN}-up", "popularity-count": f"{ARN}-pop"},
)
ASK = ListAsk(f"{ARN}-up", {"numResults": 3, "userId": "u"})


class World:
    """A clock, a campaign that takes time and fails, and what stands in for it."""

    def __init__(self, best: Sequence[str] = ("b1", "b2", "b3", "b4")) -> None:
        self.now = 0.0
        self.script: list[tuple[float, Sequence[str] | PersonalizationError]] = []
        self.calls: list[str] = []
        listed = [{"itemId": item} for item in best]
        self.chain = FallbackChain(lambda _: "slow", lambda _shop, _now: listed, lambda: self.now)

    def predict(self, ask: ListAsk) -> Predicted:
        self.calls.append(ask.campaign_arn)
        seconds, answer = self.script.pop(0) if self.script else (ATTEMPT_SECONDS, RetryLater("c", "no answer"))
        self.now += min(seconds, ATTEMPT_SECONDS)
        if isinstance(answer, PersonalizationError):
            raise answer
        return Predicted("RID", [{"itemId": item} for item in answer])

    def fill(self, ask: ListAsk = ASK) -> dict[str, object]:
        return self.chain.fill(RELEASE, ask, self.predict)


def sources(answer: dict[str, object]) -> list[str]:
    items = answer["items"]
    assert isinstance(items, list)
    return [item["source"] for item in items]


Step = tuple[float, list[str] | PersonalizationError]
steps = st.lists(
    st.tuples(
        st.floats(0, 2),
        st.one_of(
            st.lists(st.sampled_from("abcdef"), unique=True, max_size=3),
            st.builds(RetryLater, st.just("c"), st.just("x")),
            st.builds(Broken, st.just("c"), st.just("x")),
        ),
    ),
    max_size=12,
)


@given(steps, st.integers(1, 12))
def test_whatever_personalize_does_the_list_is_filled_within_the_budget(script: list[Step], requests: int) -> None:
    world = World()
    world.script = list(script)
    for _ in range(requests):
        started = world.now
        answer = world.fill()
        assert answer["items"]
        assert len(sources(answer)) <= 3
        assert world.now - started <= BUDGET_SECONDS + ATTEMPT_SECONDS
        assert (set(sources(answer)) == {"campaign"}) == ("degraded" not in answer)
        items = answer["items"]
        assert isinstance(items, list)
        assert len({item["itemId"] for item in items}) == len(items)


def test_a_campaign_that_hangs_leaves_no_time_for_a_second_one_that_does() -> None:
    world = World()
    assert sources(world.fill()) == ["bestsellers"] * 3
    assert world.now <= BUDGET_SECONDS + 1e-9


def test_an_empty_answer_is_filled_up_unless_a_filter_made_it_empty() -> None:
    world = World()
    world.script = [(0.0, []), (0.0, ["p"])]
    answer = world.fill()
    assert (sources(answer), answer["degradedReason"]) == (["popular", "bestsellers", "bestsellers"], "empty")
    world.script = [(0.0, [])]
    assert world.fill(ListAsk(ASK.campaign_arn, {**ASK.parameters, "filterArn": "f"}))["items"] == []


def test_without_anything_to_show_the_failure_is_the_answer() -> None:
    with pytest.raises(RetryLater):
        World(best=()).fill()


def test_answers_are_one_users_and_get_old() -> None:
    memory = Memory(most=2, seconds=10)
    first, second = Predicted("1", ()), Predicted("2", ())
    memory.keep("a", first, 0)
    memory.keep("b", second, 0)
    assert (memory.find("a", 5), memory.find("a", 10)) == (first, None)
    memory.keep("c", second, 5)
    assert (memory.find("a", 6), memory.find("b", 6)) == (first, None)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 10)), max_size=50))
def test_a_breaker_lets_calls_through_again_after_a_rest(history: list[tuple[bool, float]]) -> None:
    breaker, now, failures = Breaker(threshold=3, rest=5.0), 0.0, 0
    for well, pause in history:
        now += pause
        if not breaker.allows("c", now):
            assert failures >= 3
            assert pause < 5.0
            continue
        if well:
            breaker.succeeded("c")
        else:
            breaker.failed("c", now)
        failures = 0 if well else failures + 1
    assert breaker.allows("c", now + 5.0)
    assert breaker.allows("another", now)


ENGINE = "arn:aws:engine:us-east-1:123456789012:campaign/retail-demo-up"
BOTH = ListAsk(
    f"{ARN}-up",
    {
        "numResults": 3,
        "userId": "u",
        "filterArn": "arn:aws:personalize:us-east-1:123456789012:filter/retail-demo-new",
        "promotions": [{"name": "p", "filterArn": "arn:aws:personalize:us-east-1:123456789012:filter/retail-demo-own"}],
    },
    engine=ENGINE,
)


def test_the_engine_answers_in_personalizes_place() -> None:
    world = World()
    world.script = [(0.2, Broken("c", "x")), (0.02, ["e1", "e2"])]
    answer = world.fill(BOTH)
    assert (sources(answer), answer["recommendationId"], answer["degraded"]) == (["engine", "engine"], None, True)
    assert world.calls == [f"{ARN}-up", ENGINE]


def test_a_campaign_is_asked_with_the_filters_of_its_backend() -> None:
    asks = list[dict[str, Any]]()

    class Client:
        def get_recommendations(self, **parameters: object) -> dict[str, object]:
            asks.append(parameters)
            return {"recommendationId": None, "itemList": []}

    for arn in (ENGINE, BOTH.campaign_arn):
        runtime.recommend(cast(Any, Client()), replace(BOTH, campaign_arn=arn))
    parameters, usual = asks
    filters = "arn:aws:engine:us-east-1:123456789012:filter/retail-demo-"
    assert (parameters["campaignArn"], parameters["filterArn"]) == (ENGINE, f"{filters}new")
    assert parameters["promotions"] == [{"name": "p", "filterArn": f"{filters}own"}]
    assert usual == {"campaignArn": BOTH.campaign_arn, **BOTH.parameters}


def test_the_engine_answers_while_the_campaign_rests() -> None:
    world = World()
    world.script = [step for _ in range(3) for step in ((0.2, Broken("c", "x")), (0.02, ["e1"]))]
    for _ in range(3):
        world.fill(BOTH)
    world.script = [(0.02, ["e2"])]
    answer = world.fill(BOTH)
    assert (sources(answer), answer["degradedReason"]) == (["engine"], "resting")


def test_without_an_answer_of_the_engine_the_other_fallbacks_follow() -> None:
    world = World()
    world.script = [(0.85, Broken("c", "x")), (0.5, RetryLater("e", "no model yet"))]
    answer = world.fill(BOTH)
    assert (sources(answer), world.calls[:2]) == (["bestsellers"] * 3, [f"{ARN}-up", ENGINE])
    assert world.now <= BUDGET_SECONDS


def test_the_engine_is_not_asked_without_time_for_it() -> None:
    world = World()
    world.script = [(0.85, Broken("c", "x")), (0.02, ["e1"])]
    answer = world.chain.fill(RELEASE, BOTH, world.predict, since=-0.3)
    assert (sources(answer), world.calls) == (["bestsellers"] * 3, [f"{ARN}-up"])


def test_the_engine_ranks_in_personalizes_place() -> None:
    world = World()
    ask = ListAsk(f"{ARN}-rank", {"userId": "u", "inputList": ["a", "b"]}, engine=ENGINE)
    world.script = [(0.2, Broken("c", "x")), (0.02, ["b", "a"])]
    answer = world.chain.rank(ask, world.predict)
    assert (sources(answer), answer["degraded"]) == (["engine", "engine"], True)
