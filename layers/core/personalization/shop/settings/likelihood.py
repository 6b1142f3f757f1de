# SPDX-License-Identifier: Apache-2.0
"""What a purchase likelihood predicts: the section `likelihood` of the settings."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Likelihood(BaseModel):
    """The target of the purchase likelihood."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    """Whether a fit follows a promotion."""
    horizon_days: Annotated[int, Field(ge=1, le=90)] = 7
    """The days within which the purchase is predicted."""
    event_type: Annotated[str, StringConstraints(min_length=1, max_length=256)] = "Purchase"
    """The predicted event type; other types are features."""
