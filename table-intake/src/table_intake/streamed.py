# SPDX-License-Identifier: Apache-2.0
"""Copies of events that a receiver has already, and must not import again."""

from collections.abc import Iterable
from dataclasses import dataclass

from table_intake.errors import Refused
from table_intake.wording import Text

MARK = "STREAMED_TO"
"""The column that marks a copy: `<receiver>/<epoch second at which the event was accepted>`."""
BESIDE = (MARK, "SESSION_ID", "EVENT_ID", "PROPERTIES", "LIST_ID", "VISITOR")
"""Columns of a copy that serve audits alone; an import leaves them out."""


@dataclass(frozen=True, slots=True)
class Group:
    """The receiver of a table's rows: a dataset group that may have got events as they happened."""

    name: str
    made: int
    """Epoch seconds; events of an earlier group of the same name were deleted with it."""

    def refuse(self, resource: str, marks: Iterable[str]) -> None:
        """Check the marks of a table against the group.

        Raises:
            Refused: an event of the table was streamed to this group.
        """
        for mark in marks:
            name, _, second = mark.rpartition("/")
            if name == self.name and second.isdecimal() and int(second) >= self.made:
                text = (
                    "it is a copy of events that {group} has already ({mark}): an import keeps streamed events, so "
                    "each would count twice. The copy is for a dataset group that is new (drop it under another "
                    "shop's name, or after this shop was removed) or for an audit"
                )
                raise Refused(resource, Text("file.event-copy", text, group=self.name, mark=MARK))
