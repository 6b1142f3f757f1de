# SPDX-License-Identifier: Apache-2.0
"""What a retailer says of their tables: names, defaults, forms, and how much may be wrong."""

from operator import not_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from table_intake.kinds import DataKind
from table_intake.settings.changes import ChangeSettings
from table_intake.settings.exports import ExportSettings
from table_intake.settings.files import (
    ColumnName,
    FileSettings,
    InteractionFileSettings,
    Recognised,
    Returns,
    TheirName,
    merged,
)
from table_intake.settings.rejects import RejectSettings


def _is_none(value: object) -> bool:
    return value is None


class TableSettings(BaseModel):
    """How tables of all kinds are read and checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: Literal["ecommerce", "custom"] = "ecommerce"
    """The domain of the dataset group, fixed at the shop's first drop."""
    event_type: Annotated[str, StringConstraints(min_length=1, max_length=256)] = "Purchase"
    """The default event type."""
    columns: dict[str, ColumnName] = {}
    """The shop's column names, in any case, and Personalize's names of them."""
    defaults: dict[ColumnName, str | int | float] = {}
    """Values for missing columns, and for empty cells."""
    rejects: RejectSettings = RejectSettings()
    """The tolerance for bad rows in a drop."""
    changes: ChangeSettings = ChangeSettings()
    """From which difference on a drop looks wrong beside the last one, and whether it is then refused."""
    returns: Recognised | None = None
    """Which interactions are returns, by one condition or a list of them; none without it."""
    interactions: InteractionFileSettings | None = None
    """How files of interactions are read."""
    users: FileSettings | None = None
    """How files of users are read."""
    items: FileSettings | None = None
    """How files of items are read."""
    actions: Annotated[FileSettings | None, Field(exclude_if=_is_none)] = None
    """How files of actions are read."""
    action_interactions: Annotated[FileSettings | None, Field(exclude_if=_is_none)] = None
    """How files of action interactions are read."""
    hash: Annotated[tuple[TheirName, ...], Field(max_length=20, exclude_if=not_)] = ()
    """Columns, by the shop's names, whose values a keyed hash replaces wherever its files have them; the one of the
    user's id is among them."""
    export: ExportSettings | None = None
    """Which file of an export has what, and how its files are joined; the three sections above read what is joined."""

    def file_settings(self, kind: DataKind) -> FileSettings:
        """Return how files of a kind are read: its section over `columns` and `defaults`."""
        return merged(self.section(kind), self.columns, self.defaults)

    def own_file_settings(self, kind: DataKind) -> dict[str, Any]:
        """Return what the section of a kind sets, for digests: nothing where it changes nothing."""
        section = self.section(kind)
        return section.content() if section else {}

    def section(self, kind: DataKind) -> FileSettings | None:
        """Return what the settings say of one kind's files alone."""
        sections: dict[DataKind, FileSettings | None] = {
            "interactions": self.interactions,
            "users": self.users,
            "items": self.items,
            "actions": self.actions,
            "action-interactions": self.action_interactions,
        }
        return sections[kind]

    @property
    def recognised_returns(self) -> tuple[Returns, ...]:
        """Which interactions are returns: what their section says, or `returns`; any condition of several."""
        chosen = (self.interactions.returns if self.interactions else None) or self.returns
        return (chosen,) if isinstance(chosen, Returns) else chosen or ()

    @property
    def personalize_domain(self) -> Literal["ECOMMERCE"] | None:
        """The domain as Personalize writes it; None for a custom dataset group."""
        return "ECOMMERCE" if self.domain == "ecommerce" else None
