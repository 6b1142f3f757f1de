# SPDX-License-Identifier: Apache-2.0
"""Events as columns are the rows that their objects are: each id once, with the user whom a log-in tells."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from personalize_local.data.arrays import StringTable
from personalize_local.data.composing import compose
from personalize_local.data.event_columns import EventColumns
from personalize_local.data.records import StreamedEvent
from personalize_local.data.schemas import Field, Schema
from personalize_local.data.tables import Table, Tables

SCHEMA = Schema(
    "INTERACTIONS",
    (
        Field("USER_ID", "string"),
        Field("ITEM_ID", "string"),
        Field("TIMESTAMP", "long"),
        Field("EVENT_TYPE", "string"),
        Field("EVENT_VALUE", "float"),
        Field("IMPRESSION", "string"),
        Field("DEVICE", "string", categorical=True),
    ),
)
EVENTS = st.lists(
    st.builds(
        StreamedEvent,
        session_id=st.sampled_from("st"),
        event_type=st.sampled_from(["View", "Purchase"]),
        sent_at=st.sampled_from([1.5, 2.0, -(2.0**61), 2.0**61]),
        event_id=st.sampled_from("abcdefgh"),
        user_id=st.sampled_from([None, "", "u", "v"]),
        item_id=st.sampled_from([None, "i", "j"]),
        event_value=st.sampled_from([None, 0.5]),
        impression=st.sampled_from([(), ("i", "j"), ("j", "unseen")]),
        properties=st.sampled_from([{}, {"DEVICE": "phone"}]),
    ),
    max_size=12,
)
Row = tuple[str, int, str, str, float | None, str | None]


def rows(events: list[StreamedEvent]) -> list[tuple[str, StreamedEvent]]:
    """Return events and their users, from the objects."""
    distinct: dict[str, StreamedEvent] = {}
    for event in events:
        distinct.setdefault(event.event_id, event)
    with_item = [event for event in distinct.values() if event.item_id]
    users = {event.session_id: event.user_id for event in reversed(with_item) if event.user_id}
    owners = [event.user_id or users.get(event.session_id) for event in with_item]
    return [(owner, event) for owner, event in zip(owners, with_item, strict=True) if owner]


def table_of(rows_of_users: dict[str, list[tuple[str, int]]]) -> Table:
    """Return a table of items and times of users."""
    sizes = [len(history) for history in rows_of_users.values()]
    history = [row for history in rows_of_users.values() for row in history]
    items = sorted({item for item, _ in history})
    return Table(
        SCHEMA,
        {
            "history.start": np.cumsum([0, *sizes]),
            "history.item": np.array([items.index(item) for item, _ in history], np.int32),
            "history.time": np.array([time for _, time in history], np.int64),
            "history.type": np.full(len(history), -1, np.int16),
            "history.value": np.full(len(history), np.nan, np.float32),
            **StringTable.of(list(rows_of_users)).arrays("history.users"),
            **StringTable.of(items).arrays("history.items"),
        },
        {"event_types": [], "rows": len(history)},
    )


@given(EVENTS)
def test_events_are_merged_with_the_table(events: list[StreamedEvent]) -> None:
    imported = {"a": [("k", 1)], "u": [("i", 1), ("k", 2), ("i", 3)]}
    snapshot = compose(Tables(table_of(imported)), EventColumns.of(events, SCHEMA))
    expected: list[Row] = [(user, time, item, "", None, None) for user in imported for item, time in imported[user]]
    shown = {"i": 0, "j": 0}
    for user, event in rows(events):
        device = event.properties.get("DEVICE")
        row = (user, int(event.sent_at), str(event.item_id), event.event_type, event.event_value, device)
        expected.append(row)  # type: ignore[arg-type]
        for item in event.impression:
            shown[item] = shown.get(item, 0) + 1
    expected.sort(key=lambda row: row[:2])
    types = [*snapshot.event_types, ""]
    composed = [
        (
            snapshot.users[user],
            time,
            snapshot.items[item],
            types[kind],
            None if np.isnan(value) else value,
            device,
        )
        for user, time, item, kind, value, device in zip(
            snapshot.user_index.tolist(),
            snapshot.timestamps.tolist(),
            snapshot.item_index.tolist(),
            snapshot.event_type.tolist(),
            snapshot.event_values.tolist(),
            snapshot.context["DEVICE"],
            strict=True,
        )
    ]
    assert composed == expected
    assert snapshot.impressions is not None
    impressions = dict(zip(snapshot.items, snapshot.impressions.tolist(), strict=True))
    assert impressions == {item: shown.get(item, 0) for item in snapshot.items}


@given(EVENTS, EVENTS)
def test_a_digest_tells_what_trains_however_it_was_added(first: list[StreamedEvent], rest: list[StreamedEvent]) -> None:
    parts, whole = EventColumns.of(first, SCHEMA), EventColumns.of([*first, *rest], SCHEMA)
    assert (parts.digest() == whole.digest()) is not bool(rest)
    parts.add(rest)
    assert parts.digest() == whole.digest()
