# SPDX-License-Identifier: Apache-2.0
"""What a drop may differ in from the last one of its kind, before it looks wrong or is refused."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Suspicion = Literal["rows", "days", "history", "numbers", "ids", "event_types", "columns"]
"""What may look wrong in a drop; each is a threshold of ChangeSettings, apart from an older history."""

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ChangeSettings(BaseModel):
    """From which difference on a drop looks wrong beside the last one, and whether it is then refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    refuse: tuple[Literal["all", Suspicion], ...] = ()
    """The suspicions that refuse a drop; the others only warn."""
    accept: Annotated[str, StringConstraints(pattern=r"^(drop-[0-9a-f]{8})?$")] = ""
    """The code of one refused drop, from its reason: these data are imported all the same."""
    rows: _Share = 0.5
    """The share of the last drop's rows below which some are missing."""
    days: Annotated[int, Field(ge=2, le=365)] = 7
    """Days in a row without any interaction that are too many."""
    numbers: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 5
    """The factor by which a median may rise or fall."""
    ids: _Share = 0.5
    """The share of ids that must be known: from the last drop, or in the shop's users and items."""
    event_types: _Share = 0.01
    """The share of the last drop's rows from which on an event type is missed."""
    columns: _Share = 0.5
    """The share of its former fill rate below which a column is too empty."""

    @property
    def refused(self) -> frozenset[str]:
        return frozenset(get_args(Suspicion) if "all" in self.refuse else self.refuse)
