# SPDX-License-Identifier: Apache-2.0
"""The setting `shelves`: how placements' figures are counted, and who is told of them each week."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from table_intake.settings.files import Timezone

from personalization.core.messages import is_none


class WeeklyMail(BaseModel):
    """A mail of the last week's figures, each Monday, to the stack's `NotifyEmail`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: Timezone = "UTC"
    """The time zone of the hour, such as Europe/Berlin."""
    hour: Annotated[int, Field(ge=0, le=23, strict=True)] = 8
    """The hour from which it is sent, once the week is over in UTC as well."""


class Shelves(BaseModel):
    """How the figures of placements are counted and told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Literal[1, 7, 30] = 7
    """Days after a click for which a purchase of the item belongs to its list."""
    weekly_mail: Annotated[WeeklyMail | None, Field(exclude_if=is_none)] = None
    """Whether last week's figures are mailed on Mondays; without it, nobody is mailed."""


USUAL_SHELVES = Shelves()
"""How the figures of a shop that sets nothing are counted."""
