# SPDX-License-Identifier: Apache-2.0
"""The stream of the live table counts what all users do, and put items are read: once, whatever is repeated."""

import json
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.core.errors import RetryLater
from personalization.engine import counting, live
from personalization.engine.archive import ArchivedEvent
from personalization.engine.counting import Learned, Learning
from personalization.engine.feeds import Changing, Counts, PutItems
from personalization.engine.live import LiveTable

from tests.engine.small_table import Item, SmallTable
from tests.engine.test_live import NOW, TABLE, Killed, Mortal, Shop

What = tuple[str, str | None, float | None]
NOTHING = Learned(0, {})
FIELDS = [{"name": "ITEM_ID", "type": "string"}, {"name": "PRICE", "type": "float"}]
ITEMS = json.dumps(
    {
        "type": "record",
        "name": "Items",
        "namespace": "com.amazonaws.personalize.schema",
        "fields": FIELDS,
        "version": "1.0",
    }
)


class Streaming(SmallTable):
    """A table with a stream."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []
        self.fails = False

    def _write(self, part: Item) -> Item:
        before = set(self.items)
        answer = super()._write(part)
        for key in self.items.keys() - before:
            image, number = self.items[key], len(self.records)
            self.records.append({"eventID": f"{number}", "eventName": "INSERT", "dynamodb": {"NewImage": image}})
        if "Delete" in part:
            self.records.append({"eventID": f"{len(self.records)}", "eventName": "REMOVE", "dynamodb": {}})
        return answer

    def _query(self, request: Any) -> Item:  # noqa: ANN401 - as boto3's
        if self.fails:
            raise RetryLater(TABLE, "throttled")
        return super()._query(request)

    def owned(self, group: str) -> Counter[What]:
        """The events of a group's users, by what they did."""
        events = (item for (p, _), item in self.items.items() if p.startswith(f"{group}#") and "item" in item)
        return Counter(
            (item["item"]["S"], item["type"]["S"], float(item["value"]["S"]) if "value" in item else None)
            for item in events
            if "nobody" not in item
        )


def counted(counts: Counts, shop: Shop) -> dict[What, int]:
    counts.read(LiveTable(shop.client, TABLE), shop.now, 0.0)
    return {part[:3]: part.interactions for part in counts.counted}


def shops() -> tuple[Streaming, list[Shop]]:
    table: Any = Streaming()
    return table, [Shop(table), Shop(table)]


@given(
    calls=st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from([None, "u", "v"]), st.sampled_from("st"), st.integers(0, 9)),
        min_size=1,
        max_size=12,
    ),
    deliveries=st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(["unheard", "heard", "saved", "forgotten"]), st.integers(0, 2)),
        max_size=12,
    ),
)
def test_whatever_is_killed_and_delivered_again_each_event_of_a_user_counts_once(
    calls: Sequence[tuple[int, str | None, str, int]], deliveries: Sequence[tuple[int, str, int]]
) -> None:
    """Lambda goes on behind a batch of which it heard, and from the last place that it saved when it forgot more."""
    table, both = shops()
    for number, user, session, name in calls:
        shop = both[number]
        shop.now += 20
        shop.put(str(name), user, session, itemId=f"i{name % 3}", **({"eventValue": 2} if name % 2 else {}))
    events, followed = list(table.records), [Counts(shop.group, NOTHING) for shop in both]
    done = saved = 0
    for size, fate, calls_before_the_kill in [*deliveries, (len(events), "saved", 9)]:
        client: Any = Mortal(both[0].client, calls_before_the_kill)
        both[0].now += 1
        try:
            counting.count(client, TABLE, events[done : done + size], lambda: both[0].now)
            done += size if fate != "unheard" else 0
            saved = done if fate == "saved" else saved
            done = saved if fate == "forgotten" else done
        except Killed:
            pass
        for shop, counts in zip(both, followed, strict=True):
            counted(counts, shop)
    for shop, counts in zip(both, followed, strict=True):
        assert counted(counts, shop) == counted(Counts(shop.group, NOTHING), shop) == table.owned(shop.group)


@pytest.mark.parametrize(
    "deliveries",
    [
        pytest.param([(0, 2), (2, 4), (0, 4)], id="joined"),
        pytest.param([(0, 4), (0, 2), (2, 4)], id="split"),
        pytest.param([(0, 2), (2, 4), (0, 3), (3, 4)], id="cut elsewhere"),
        pytest.param([(0, 1), (1, 2), (2, 4), (0, 3), (3, 4), (0, 2), (2, 4)], id="twice"),
    ],
)
def test_batches_that_are_repeated_as_others_count_once(deliveries: Sequence[tuple[int, int]]) -> None:
    table, (shop, _) = shops()
    for name in "abcd":
        shop.put(name, "u")
    events = [record for record in table.records if "item" in record["dynamodb"]["NewImage"]]
    counts = Counts(shop.group, NOTHING)
    for start, end in deliveries:
        shop.now += 1
        counting.count(shop.client, TABLE, events[start:end], lambda: shop.now)
        counted(counts, shop)
    expected = dict.fromkeys([(f"i-{name}", "View", None) for name in "abcd"], 1)
    assert counted(counts, shop) == counted(Counts(shop.group, NOTHING), shop) == expected


def test_records_that_name_their_first_event_alone_count_until_a_repetition_replaces_them() -> None:
    """As stacks stored them before records named all of their events."""
    table, (shop, _) = shops()
    for name in "ab":
        shop.put(name, "u")
    events = [record for record in table.records if "item" in record["dynamodb"]["NewImage"]]
    for batch in (events[:1], events):
        shop.now += 1
        counting.count(shop.client, TABLE, batch, lambda: shop.now)
    rows: Any = table.items.values()
    for row in rows:
        if row.pop("events", None):
            row["first"] = {"S": events[0]["eventID"]}
    expected = dict.fromkeys([("i-a", "View", None), ("i-b", "View", None)], 1)
    counts = Counts(shop.group, NOTHING)
    assert counted(counts, shop) == expected
    shop.now += 1
    counting.count(shop.client, TABLE, events, lambda: shop.now)
    assert counted(counts, shop) == counted(Counts(shop.group, NOTHING), shop) == expected


def test_an_event_of_a_session_counts_from_its_log_in_on_and_stays_counted() -> None:
    table, (shop, _) = shops()
    shop.put("a")
    counting.count(shop.client, TABLE, table.records, lambda: shop.now)
    assert not counted(Counts(shop.group, NOTHING), shop)
    shop.now += 60
    shop.put("b", "u")
    done = counting.count(shop.client, TABLE, table.records, lambda: shop.now)
    expected = {("i-a", "View", None): 1, ("i-b", "View", None): 1}
    assert (done, counted(Counts(shop.group, NOTHING), shop)) == (2, expected)
    shop.now += 120
    shop.forget("u")
    assert counted(Counts(shop.group, NOTHING), shop) == expected


@given(
    events=st.lists(st.tuples(st.integers(-9000, 60), st.sampled_from(["", "u"]), st.booleans()), max_size=20),
    made=st.integers(-9000, 0),
)
def test_a_training_and_the_counts_after_it_have_each_event_once(
    events: Sequence[tuple[int, str, bool]], made: int
) -> None:
    """Events at seconds before or after a training, of which it knows some that are not older than an hour."""
    now, numbers = int(NOW), count()
    archived = [
        (ArchivedEvent(now + at, f"e{n}", f"s{n}", user, f"i{n % 3}", "View", now + at, None, "", "", ""), is_late)
        for n, (at, user, is_late) in zip(numbers, events, strict=False)
        if at >= made
    ]
    copied = [event for event, is_late in archived if event.accepted <= now and not is_late]
    learned = Learned.from_json(Learned.of(copied, now + made, now).as_json())
    table, (shop, _) = shops()
    for event, _ in archived:
        if event.user_id:
            shop.now = float(event.accepted)
            shop.put(event.event_id, event.user_id, itemId=event.item_id)
    shop.now = NOW + 120
    counting.count(shop.client, TABLE, table.records, lambda: shop.now)
    new = Counter(
        (event.item_id, "View", None)
        for event, _ in archived
        if event.user_id and event not in copied and event.accepted // 60 >= learned.minute
    )
    assert counted(Counts(shop.group, learned), shop) == new
    assert learned.minute <= now // 60


@pytest.mark.parametrize("accepted", [-7_200, -3_600, -60, 0])
def test_an_event_that_waited_counts_since_it_was_accepted(accepted: int) -> None:
    """A training in between knows it by its copy: it counts there, and nowhere else."""
    trained, (at, name) = int(NOW), (int(NOW) + accepted, "e")
    copied = ArchivedEvent(at, name, "s", "u", "i", "View", float(at), None, "", "", "")
    learned = Learned.of([copied], 0, trained)
    table, (shop, _) = shops()
    shop.now = NOW + 3_600
    shop.put(name, "u", itemId="i", acceptedAt=at + 0.9)
    counting.count(shop.client, TABLE, table.records, lambda: shop.now)
    assert (counted(Counts(shop.group, learned), shop), shop.ids("u")) == ({}, [name])
    assert counted(Counts(shop.group, NOTHING), shop) == {("i", "View", None): 1}


def test_an_event_that_comes_again_counts_since_its_first_time_and_the_answer_says_since_when() -> None:
    table, (shop, _) = shops()
    call: Any = {"trackingId": f"engine:{shop.group}", "sessionId": "s", "userId": "u"}
    for later in (0, 90):
        events = [
            {"eventId": name, "eventType": "View", "itemId": "i", "sentAt": 0, "acceptedAt": NOW + later}
            for name in ("ab" if later else "a")
        ]
        answer = shop.events().put_events(eventList=events, **call)
    assert answer == {"acceptedAt": {"a": NOW}}
    counting.count(shop.client, TABLE, table.records, lambda: shop.now)
    since = Learned(int(NOW) // 60 + 1, {})
    assert counted(Counts(shop.group, since), shop) == {("i", "View", None): 1}


@given(st.integers(0, 59_999), st.integers(1, 10))
def test_the_events_of_a_call_count_in_the_minute_of_their_acceptance(milliseconds: int, number: int) -> None:
    _, (shop, _) = shops()
    at = int(NOW) // 60 * 60 + milliseconds / 1000
    events = [
        {"eventId": f"e{n}", "eventType": "View", "itemId": "i", "sentAt": 0, "acceptedAt": at} for n in range(number)
    ]
    shop.events().put_events(trackingId=f"engine:{shop.group}", sessionId="s", userId="u", eventList=events)
    assert {int(key.partition("#")[0]) // 60_000 for key in shop.sorts("#u")} == {int(NOW) // 60}


@given(st.lists(st.tuples(st.integers(-9000, 0), st.sampled_from(["", "u"]), st.sampled_from("stv")), max_size=20))
def test_a_training_learns_the_last_hour_from_a_stream_of_all_events(drawn: Sequence[tuple[int, str, str]]) -> None:
    now = int(NOW)
    events = [
        ArchivedEvent(now + at, f"e{n}", session, user, f"i{n % 3}", "View", now + at, None, "", "", "")
        for n, (at, user, session) in enumerate(drawn)
    ]
    recent = [event for event in events if event.accepted >= now - 3660]
    learning = Learning(recent, 0, now)
    assert list(learning.watched(iter(events))) == events
    assert learning.learned() == Learned.of(events, 0, now)


def test_all_put_items_are_read_page_by_page_and_each_once() -> None:
    table, (shop, _) = shops()
    arn = shop.dataset("ITEMS")
    for price in range(3):
        for start in range(0, 30, 10):
            shop.now += 1
            items = [{"itemId": f"i{start + n}", "properties": f'{{"price": {price}}}'} for n in range(10)]
            shop.events().put_items(datasetArn=arn, items=items)
    assert len(shop.sorts("+items")) == 30
    reading, table.page = LiveTable(shop.client, TABLE), 12
    changing = Changing(items=PutItems(shop.group, ITEMS, 0), counts=None)
    shop.now += 1000
    reads = [(len(changing.read(reading, shop.now, 60.0).since.items), changing.age(shop.now)) for _ in range(3)]
    assert reads == [(0, float("inf")), (0, float("inf")), (30, 0.0)]
    changes = changing.read(reading, shop.now + 60, 60.0)
    assert {item.properties["PRICE"] for item in changes.since.items} == {2.0}
    shop.events().put_items(datasetArn=arn, items=[{"itemId": "i7", "properties": '{"price": 9}'}])
    assert changing.read(reading, shop.now + 61, 60.0) is changes
    later = changing.read(reading, shop.now + 120, 60.0)
    assert [item.properties["PRICE"] for item in later.since.items if item.id == "i7"] == [9.0]
    assert changing.read(reading, shop.now + 180, 60.0) is later


def test_a_table_that_does_not_answer_leaves_what_was_read_and_its_age_tells() -> None:
    table, (shop, _) = shops()
    shop.put("a", "u")
    counting.count(shop.client, TABLE, table.records, lambda: shop.now)
    changing = Changing(items=PutItems(shop.group, "", 0), counts=Counts(shop.group, NOTHING))
    reading = LiveTable(shop.client, TABLE)
    first = changing.read(reading, shop.now, 60.0)
    assert (len(first.counted), changing.age(shop.now)) == (1, 0.0)
    table.fails = True
    assert changing.read(reading, shop.now + 121, 60.0) is first
    assert changing.age(shop.now + 121) > 120
    table.fails = False
    changing.read(reading, shop.now + 181, 60.0)
    assert changing.age(shop.now + 181) == 0


def test_counts_that_came_late_are_old() -> None:
    table, (shop, _) = shops()
    shop.put("a", "u")
    shop.now += 600
    counting.count(shop.client, TABLE, table.records, lambda: shop.now)
    changing = Changing(items=PutItems(shop.group, "", 0), counts=Counts(shop.group, NOTHING))
    changing.read(LiveTable(shop.client, TABLE), shop.now, 60.0)
    assert changing.age(shop.now) > 120


def test_a_day_of_batches_takes_little_memory_beside_what_it_counts() -> None:
    _, (shop, _) = shops()
    did = [counting.What(f"i{number}", "View", None) for number in range(300)]
    minutes = {int(shop.now) // 60: dict.fromkeys(did, 1)}
    batches, size = 100, len(counting.packed(minutes))
    for number in range(batches):
        row = live.key(live.counts(shop.group), live.since(int(shop.now * 1000) + number, f"{number}"))
        row |= {"events": {"B": number.to_bytes(8)}, "counts": {"B": counting.packed(minutes)}}
        shop.client.put_item(TableName=TABLE, Item=row)
    counts = Counts(shop.group, NOTHING)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        assert sum(counted(counts, shop).values()) == batches * len(did)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What is counted, and a little for each batch; unpacked, each would take some 110,000 bytes.
    assert after - before < 300 * 1_000 + batches * (size + 1_000)
