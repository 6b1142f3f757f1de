# SPDX-License-Identifier: Apache-2.0
"""What came of a user since a training, for answers of campaigns and of batch jobs alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from personalization.engine import put_records
from personalization.engine.live import LiveTable, LiveUser
from personalization.engine.records import Members

if TYPE_CHECKING:
    from personalize_local import library

_NOBODY = "\0"
"""Added to an id, it is nobody's: tables know nothing of who was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a version was trained on."""

    group: str
    """The name of its dataset group."""
    learned_at: float
    """When the oldest of the tables was imported, or the model was made if that was before, in seconds since 1970."""
    cut: int
    """Milliseconds until which what came was an earlier shop's of that name."""
    users: str
    """The schema of users; empty where the shop has none."""


def learned_at(version: Members, datasets: Iterable[Members]) -> float:
    """Return when the oldest table of a version's was imported, or its model was made if that was before."""
    return float(min([version["creationDateTime"], *(dataset["_at"] for dataset in datasets if "_at" in dataset)]))


def of_user(table: LiveTable, trained: Trained, user_id: str) -> "tuple[str, library.Live]":
    """Return a user's id, or nobody's if they were erased since the training, and what came of them.

    Raises:
        RetryLater: the table does not answer, and without it nobody knows whether the user was erased.
    """
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    user = table.of_user(trained.group, user_id, trained.cut)
    name = user_id
    if user.leaving or user.erased > trained.learned_at * 1000:
        name += _NOBODY
    if user.leaving:
        return name, library.Live()
    attributes = None if user.properties is None else put_records.columns(user.properties, trained.users)
    return name, library.Live(events=streamed(user, user_id, name), user=attributes)


def streamed(user: LiveUser, session_id: str, user_id: str) -> "list[library.StreamedEvent]":
    """Return a user's events as the library takes them, in one session."""
    from personalize_local import library  # noqa: PLC0415 - as above

    return [
        library.StreamedEvent(
            session_id=session_id,
            event_type=event.event_type,
            sent_at=event.at,
            event_id=event.event_id,
            user_id=user_id,
            item_id=event.item_id,
            event_value=event.event_value,
        )
        for event in user.events
    ]
