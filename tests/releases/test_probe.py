# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import pytest
from personalization.releases.probe import Pace, Reply, Sample, fault, questions, sample
from personalization.shop.settings.gate import Probe

MAX_PAUSE = 10.0
LENGTH = 10
UNKNOWN_USER = "nobody-yet"

SAMPLE = Sample(tuple(f"u{n}" for n in range(30)), tuple(f"i{n}" for n in range(30)))


def replies(*lists: str, milliseconds: float = 5.0) -> list[Reply]:
    return [Reply(f"u{n}", tuple(items), {}, milliseconds) for n, items in enumerate(lists)]


def test_a_sample_is_spread_over_the_head_of_the_file() -> None:
    rows = [f"u{n // 3},i{n % 70},{n}" for n in range(600)]
    drawn = sample("\n".join(["USER_ID,ITEM_ID,TIMESTAMP", *rows, "u9999,i9"]))
    assert len(drawn.users) == 50
    assert drawn.users[:2] == ("u0", "u4")
    assert "u9999" not in drawn.users
    assert drawn.items[:2] == ("i0", "i1")


@pytest.mark.parametrize("head", ["", "USER_ID,ITEM_ID\n", "no line end", "A,B\n1,2\n"])
def test_a_file_without_rows_gives_no_sample(head: str) -> None:
    assert sample(head) == Sample()


def test_quoted_ids_are_read_as_personalize_reads_them() -> None:
    assert sample('USER_ID,ITEM_ID\n"a,\\"b\\"",i\n').users == ('a,"b"',)


def test_each_recipe_is_asked_what_it_answers() -> None:
    by_alias = {
        alias: questions(alias, SAMPLE, 20) for alias in ("user-personalization", "similar-items", "popularity-count")
    }
    assert [len(asks) for asks in by_alias.values()] == [20, 20, 1]
    assert by_alias["user-personalization"][0].parameters == {"userId": "u0", "numResults": LENGTH}
    assert by_alias["similar-items"][0].parameters == {"userId": UNKNOWN_USER, "itemId": "i0", "numResults": LENGTH}
    assert by_alias["popularity-count"][0].parameters == {"userId": UNKNOWN_USER, "numResults": LENGTH}
    ranking = questions("personalized-ranking", SAMPLE, 20)[0]
    assert (ranking.call, ranking.parameters["inputList"]) == ("rank", [f"i{n}" for n in range(10)])


def test_without_a_sample_somebody_new_asks() -> None:
    assert [question.subject for question in questions("user-personalization", Sample(), 20)] == [UNKNOWN_USER]
    assert questions("similar-items", Sample(), 20) == questions("personalized-ranking", Sample(), 20) == []


def test_good_answers_have_no_fault() -> None:
    assert fault("user-personalization", replies("ab", "ba", "ab", "ca", "cb"), Probe()) is None
    assert fault("similar-items", [], Probe()) is None


def test_an_empty_answer_is_a_fault() -> None:
    assert fault("popularity-count", replies(""), Probe()) == "1 of 1 answer was empty"


def test_the_same_list_for_all_shoppers_is_a_fault_of_a_personal_recipe() -> None:
    same = replies(*["ab"] * 5)
    assert fault("user-personalization", same, Probe()) == "all 5 users got the same items in the same order"
    assert fault("similar-items", same, Probe()) is None
    assert fault("user-personalization", same[:4], Probe()) is None


def test_slow_answers_are_a_fault_and_one_slow_answer_is_not() -> None:
    slow = [*replies("ab", "ba"), *replies("ca", milliseconds=5000)]
    assert fault("user-personalization", slow, Probe()) is None
    told = fault("user-personalization", slow[1:], Probe())
    assert told == "the median answer took 2502.5 ms, and the shop's settings allow 1000 ms"


def times(pace: Pace, outcomes: str) -> list[float]:
    """When requests are made whose outcomes are answered (a) or throttled (t), in seconds after the first."""
    now, times = 1000.0, []
    for outcome in outcomes:
        pause = pace.pause(now)
        if pause is None:
            break
        now += pause
        times.append(round(now - 1000, 3))
        (pace.answered if outcome == "a" else pace.throttled)()
    return times


@pytest.mark.parametrize(("throughput", "last"), [(1, 23.75), (5, 4.75)])
def test_twenty_requests_stay_below_the_campaigns_throughput(throughput: int, last: float) -> None:
    made = times(Pace(0.8 * throughput), "a" * 20)
    assert made[-1] == last
    assert all(later - earlier >= 1 / throughput for earlier, later in pairwise(made))


def test_throttling_slows_down_and_ends_in_the_end() -> None:
    assert times(Pace(0.8), "atta") == [0, 1.25, 3.75, 8.75]
    assert len(times(Pace(0.8), "t" * 100)) == 6
    assert max(later - earlier for earlier, later in pairwise(times(Pace(0.8), "tttat" * 9))) <= MAX_PAUSE


def test_a_campaign_is_not_asked_for_longer_than_a_function_may_take() -> None:
    made = times(Pace(0.8), "ttta" * 100)
    assert len(made) < 50
    assert made[-1] <= 200.0
