# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from personalization.core.pacing import TokenBucket
from personalization.events.models import Call
from personalization.events.queue import Message, delay_seconds, groups, text

calls = st.builds(
    Call,
    st.sampled_from(["s1", "s2"]),
    st.sampled_from([None, "u1", "u2"]),
    st.lists(
        st.fixed_dictionaries(
            {"eventType": st.text(min_size=1), "eventId": st.uuids().map(str), "sentAt": st.integers(0)}
        ),
        min_size=1,
        max_size=10,
    ),
)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), calls), max_size=20))
def test_every_event_comes_out_once_with_its_session_in_calls_of_ten(made: list[tuple[str, Call]]) -> None:
    messages = [Message(str(n), "", 1, text(shop, call)) for n, (shop, call) in enumerate(made)]
    whole_groups, foreign = groups(messages)
    assert foreign == []
    put_in = Counter(
        (shop, call.session_id, call.user_id, json.dumps(event), str(n))
        for n, (shop, call) in enumerate(made)
        for event in call.events
    )
    come_out = Counter(
        (group.shop, group.session_id, group.user_id, json.dumps(part.event), part.message)
        for group in whole_groups
        for part in group.parts
    )
    assert come_out == put_in
    assert all(1 <= len(group.parts) <= 10 for group in whole_groups)
    assert all(group.parts == sorted(group.parts, key=lambda part: part.event["sentAt"]) for group in whole_groups)


def test_sessions_are_filled_up_before_another_call_is_made() -> None:
    events = [{"eventId": str(number), "sentAt": number} for number in range(25)]
    messages = [Message(str(n), "", 1, text("a", Call("s", None, events[n : n + 5]))) for n in range(0, 25, 5)]
    whole_groups, _ = groups(messages)
    assert [len(group.parts) for group in whole_groups] == [10, 10, 5]


def test_a_message_has_no_character_that_sqs_refuses() -> None:
    told = text("a", Call("s", None, [{"eventType": "a\ufffe\uffff\x00\\\uffff", "sentAt": 1}]))
    assert not set("\ufffe\uffff\x00") & set(told)
    assert json.loads(told)["events"][0]["eventType"] == "a\ufffe\uffff\x00\\\uffff"


def test_pauses_grow_and_are_bounded() -> None:
    pauses = [delay_seconds(receives) for receives in range(1, 300)]
    assert (pauses[:3], pauses == sorted(pauses), pauses[-1]) == ([2, 4, 8], True, 900)


@given(st.floats(0.5, 2000), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_second_has_more_calls_than_the_rate_and_its_burst(rate: float, pauses: list[float]) -> None:
    bucket, now, calls = TokenBucket(rate), 0.0, []
    for pause in pauses:
        now += pause
        now += bucket.take(now)
        calls.append(now)
    burst = max(1.0, rate)
    for start in range(len(calls)):
        for end in range(start, len(calls)):
            assert end - start + 1 <= burst + rate * (calls[end] - calls[start]) + 1e-6


def test_a_bucket_that_is_full_makes_nobody_wait() -> None:
    bucket = TokenBucket(10)
    assert [bucket.take(0.0) for _ in range(10)] == [0.0] * 10
    assert bucket.take(0.0) > 0
