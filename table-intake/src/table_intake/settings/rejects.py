# SPDX-License-Identifier: Apache-2.0
"""How many bad rows a table may have: the section `rejects` of the settings."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class RejectSettings(BaseModel):
    """The tolerance for bad rows in a drop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.01
    """The share of a drop's rows that may be bad and are left out; with more of them the drop is refused."""
