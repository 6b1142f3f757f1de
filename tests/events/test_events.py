# SPDX-License-Identifier: Apache-2.0
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.core.problems import Problem, validate, validate_json
from personalization.events.models import Events, Put, accepted, calls, record

FORBIDDEN = ("eventtype", "impression", "recommendationid", "sessionid", "timestamp", "userid")
AHEAD = 86_400

NOW = 1_795_594_813
ids = st.text(
    st.characters(exclude_categories=["Cs", "Zl", "Zp"], exclude_characters="\n\v\f\r\x85"), min_size=1, max_size=20
)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
events = st.fixed_dictionaries(
    {"eventType": ids},
    optional={
        "itemId": ids,
        "eventId": ids,
        "eventValue": st.floats(allow_nan=False, allow_infinity=False),
        "sentAt": st.integers(0, NOW + AHEAD),
        "impression": st.lists(ids, min_size=1, max_size=25),
        "properties": st.dictionaries(st.just("STORE_NAME") | st.just("store"), texts | st.integers() | st.booleans()),
    },
)


@given(sent=st.lists(events, min_size=1, max_size=100), taken=st.integers(0, 100))
def test_a_split_request_keeps_every_event_in_order(sent: list[dict[str, object]], taken: int) -> None:
    made = calls(validate(Events, {"sessionId": "s", "userId": "u", "events": sent}), NOW, lambda: "made")
    delivered = [event for call in made for event in call.events]
    assert [event["eventType"] for event in delivered] == [event["eventType"] for event in sent]
    assert all(1 <= len(call.events) <= 10 for call in made)
    assert [event["sentAt"] for event in delivered] == [event.get("sentAt", NOW) for event in sent]
    ids = [event.get("eventId", "made") for event in sent][:taken]
    assert accepted(made, taken)["events"] == [{"eventId": id_, "status": "delivered"} for id_ in ids]


@given(late=st.integers(NOW + AHEAD + 1, 10**11 - 1))
def test_a_time_beyond_tomorrow_is_refused_by_the_place_of_its_event(late: int) -> None:
    events = validate(Events, {"sessionId": "s", "events": [{"eventType": "View", "sentAt": at} for at in (NOW, late)]})
    with pytest.raises(Problem) as problem:
        calls(events, NOW, lambda: "made")
    assert (problem.value.status, [error.field for error in problem.value.errors]) == (400, ["events.1.sentAt"])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | texts, st.lists, max_leaves=8))
def test_any_json_is_a_request_or_a_bad_request(value: object) -> None:
    for body in (value, {"sessionId": "s", "events": value}, {"sessionId": "s", "events": [value]}):
        with pytest.raises(Problem) as problem:
            validate_json(Events, json.dumps(body).encode())
        assert problem.value.status == 400


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (NOW, NOW),
        (NOW + 0.9, NOW),
        (str(NOW), NOW),
        ("2026-11-25T08:20:13Z", NOW),
        ("2026-11-25T17:20:13.5+09:00", NOW),
        ("2026-11-25 08:20:13", NOW),
        ("20261125T082013Z", NOW),
        (0, 0),
    ],
)
def test_times_are_iso_or_epoch_seconds(value: object, seconds: int) -> None:
    assert sent_at(value) == seconds


def sent_at(value: object) -> object:
    events = validate(Events, {"sessionId": "s", "events": [{"eventType": "View", "sentAt": value}]})
    ((event,),) = [call.events for call in calls(events, NOW, lambda: "made")]
    return event["sentAt"]


@pytest.mark.parametrize("value", [NOW * 1000, "1795594813000", -1, True, "", "soon", [], float("nan"), 1e300])
def test_other_times_are_refused(value: object) -> None:
    with pytest.raises(Problem) as problem:
        sent_at(value)
    assert (problem.value.errors[0].field, problem.value.status) == ("events.0.sentAt", 400)
    assert "must be" in problem.value.errors[0].message


@given(st.integers(0, NOW + AHEAD))
def test_any_iso_time_is_understood(seconds: int) -> None:
    assert sent_at(datetime.fromtimestamp(seconds, UTC).isoformat()) == seconds


@pytest.mark.parametrize("key", [*sorted(FORBIDDEN), "USER_ID", "sessionID", "TIMESTAMP"])
def test_keys_that_personalize_keeps_for_itself_are_no_properties(key: str) -> None:
    event = {"eventType": "View", "properties": {key: "x"}}
    with pytest.raises(Problem) as problem:
        validate(Events, {"sessionId": "s", "events": [event]})
    assert problem.value.errors[0].field == "events.0.properties"


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("CATEGORY_L1", "categoryL1"),
        ("PRICE", "price"),
        ("householdSize", "householdSize"),
        ("A__B_", "aB"),
        ("가", "가"),
    ],
)
def test_columns_are_spelt_as_properties(column: str, name: str) -> None:
    assert json.loads(record("u", validate(Put, {"properties": {column: 1}}), 1000).properties) == {name: 1}


def test_a_record_is_json_of_a_bounded_size() -> None:
    put = validate(Put, {"properties": {"AGE_GROUP": "가", "price": 1.5, "sale": True, "gone": None}})
    assert record("u", put, 1000).properties == '{"ageGroup":"가","price":1.5,"sale":true,"gone":null}'
    with pytest.raises(Problem, match="too large"):
        record("u", put, 20)
