# SPDX-License-Identifier: Apache-2.0
"""Streamed events as columns (numpy only): some forty bytes an event, where an object with texts takes a thousand."""

import hashlib
import json
from array import array
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from personalize_local.data.records import StreamedEvent
from personalize_local.data.schemas import Schema, contexts

Positions = npt.NDArray[np.int64]
_NONE = -1


class Owned(NamedTuple):
    """Events with an item whose user is known, each once, in the order of arrival."""

    rows: Positions
    """Of the events, by number."""
    users: npt.NDArray[np.int32]
    """Their users, as codes."""


class Texts:
    """Texts of events as codes, by the order in which they were first seen."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._codes = array("i")

    def add(self, text: object) -> None:
        self._codes.append(self._numbers.setdefault(text, len(self._numbers)))

    def add_none(self) -> None:
        self._codes.append(_NONE)

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        return np.frombuffer(self._codes, np.int32)

    def all(self) -> list[Any]:
        return list(self._numbers)


class EventColumns:
    """What trainings read of events, which are added in the order of arrival.

    Ids of events and of sessions are 64 bits of a digest: among ten million, two are taken for one by a chance of one
    in several hundred thousand.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._ids, self._sessions = array("Q"), array("Q")
        self._times, self._values = array("q"), array("f")
        self.users, self.items, self.types, self.shown = Texts(), Texts(), Texts(), Texts()
        self._shown_sizes = array("i")
        self.context = {name: Texts() for name in contexts(schema)}

    @classmethod
    def of(cls, events: Iterable[StreamedEvent], schema: Schema) -> Self:
        """Return events of interactions with a schema as columns."""
        columns = cls(schema)
        columns.add(events)
        return columns

    def add(self, events: Iterable[StreamedEvent]) -> None:
        """Add events that came later."""
        with_impressions = "IMPRESSION" in self._schema.names
        for event in events:
            self._ids.append(_digest(event.event_id))
            self._sessions.append(_digest(event.session_id))
            self._times.append(int(event.sent_at))
            self._values.append(float("nan") if event.event_value is None else event.event_value)
            for texts, text in ((self.users, event.user_id), (self.items, event.item_id)):
                if text:
                    texts.add(text)
                else:
                    texts.add_none()
            self.types.add(event.event_type)
            for name, texts in self.context.items():
                texts.add(event.properties.get(name))
            if with_impressions:
                shown = "|".join(event.impression).split("|") if event.impression else ()
                self._shown_sizes.append(len(shown))
                for item in shown:
                    self.shown.add(item)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """Whole Unix epoch seconds."""
        return np.frombuffer(self._times, np.int64)

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """Values of events, NaN for none."""
        return np.frombuffer(self._values, np.float32)

    def owned(self) -> Owned:
        """Return the events with an item and a user; a log-in gives its session's earlier events a user too.

        Of those with the same id the first counts.
        """
        first = np.unique(np.frombuffer(self._ids, np.uint64), return_index=True)[1]
        rows = np.sort(first[self.items.codes[first] >= 0])
        users = self.users.codes[rows]
        nobody = users == _NONE
        if nobody.any() and not nobody.all():
            sessions = np.frombuffer(self._sessions, np.uint64)[rows]
            log_ins, begin = np.unique(sessions[~nobody], return_index=True)
            owners, wanted = users[~nobody][begin], sessions[nobody]
            spots = np.searchsorted(log_ins, wanted) % len(log_ins)
            users[nobody] = np.where(log_ins[spots] == wanted, owners[spots], _NONE)
        has_user = users != _NONE
        return Owned(rows[has_user], users[has_user])

    def shown_by(self, rows: Positions) -> dict[str, int]:
        """Return how often each item was shown with some of the events."""
        among = np.zeros(len(self), bool)
        among[rows] = True
        codes = self.shown.codes[np.repeat(among, np.frombuffer(self._shown_sizes, np.int32))]
        texts = self.shown.all()
        return dict(zip(texts, np.bincount(codes, minlength=len(texts)).tolist(), strict=True))

    def digest(self) -> str:
        """Return a digest of all that a training reads."""
        columns = [self.users, self.items, self.types, self.shown, *self.context.values()]
        seen = hashlib.sha256(repr([len(self), *self.context]).encode())
        for numbers in (self._ids, self._sessions, self._times, self._values, self._shown_sizes):
            seen.update(numbers)
        for texts in columns:
            seen.update(texts.codes.tobytes())
        for texts in columns:
            for text in texts.all():
                seen.update(f"{json.dumps(text)}\n".encode())
            seen.update(b"\n")
        return seen.hexdigest()


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
