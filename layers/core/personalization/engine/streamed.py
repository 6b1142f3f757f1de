# SPDX-License-Identifier: Apache-2.0
"""What came beside a shop's imports, for the engine's trainings: events, and put users and items."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from personalization.engine import live
from personalization.engine.archive import ArchivedEvent
from personalization.engine.backend import Account
from personalization.engine.counting import LATE_SECONDS, Learning
from personalization.engine.files import Store
from personalization.engine.folding import archive_of
from personalization.engine.live import LiveTable
from personalization.engine.put_records import columns, records
from personalization.engine.records import Members

if TYPE_CHECKING:
    from personalize_local import library


@dataclass(frozen=True, slots=True)
class Streams:
    """Where it is: the bucket with the copies of events, and the table of what came."""

    store: Store
    live_table: Callable[[], str]

    def since(
        self, account: Account, group: Members, schemas: Mapping[str, str]
    ) -> "tuple[library.Since, Callable[[], dict[str, Any]]]":
        """Take over the events that were copied meanwhile; return all that a training adds to its tables.

        The events are an iterator, which reads them from the bucket. Once a training has read it, the function returns
        the notes by which answers count what all users do afterwards.

        Args:
            account, group: the dataset group.
            schemas: the schemas of its datasets, by their types.
        """
        from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

        archive, table = archive_of(self.store, account, group), LiveTable(account.dynamodb(), self.live_table())
        archive.fold()
        name, now = str(group["name"]), account.clock()
        first = live.milliseconds(max(now - live.KEPT_SECONDS, group["creationDateTime"]))
        recent = archive.events(int(now), int(now) - LATE_SECONDS)
        learning = Learning(recent, int(group["creationDateTime"]), now)
        since = library.Since(
            events=streamed_events(learning.watched(archive.events(int(now))), schemas.get("INTERACTIONS", "")),
            users=list(records(table.puts_of_users(name, first, live.milliseconds(now)), schemas.get("USERS", ""))),
            items=list(records(table.puts_of_items(name, first), schemas.get("ITEMS", ""))),
        )
        return since, lambda: learning.learned().as_json()


def streamed_events(events: Iterable[ArchivedEvent], schema: str) -> "Iterator[library.StreamedEvent]":
    """Yield archived events as the library takes them, with properties by the columns of a schema."""
    from personalize_local import library  # noqa: PLC0415 - as above

    for event in events:
        yield library.StreamedEvent(
            session_id=event.session_id,
            event_type=event.event_type,
            sent_at=event.sent_at,
            event_id=event.event_id,
            user_id=event.user_id or None,
            item_id=event.item_id,
            event_value=event.event_value,
            recommendation_id=event.recommendation_id or None,
            impression=tuple(filter(None, event.impression.split("|"))),
            properties=(columns(json.loads(event.properties), schema) or {}) if event.properties else {},
        )
