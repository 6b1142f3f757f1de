# SPDX-License-Identifier: Apache-2.0
"""The setting `diversity`: variety in lists, for the shop and for each placement."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from table_intake.settings.files import ColumnName
from table_intake.wording import Text

from personalization.shop.records.release import Value
from personalization.shop.settings.campaigns import switched_off
from personalization.shop.settings.recipes import TRENDING

STRENGTH, SIMILAR = 0.5, 0.15
"""The defaults, chosen on validation cuts (docs/decisions/variety.md): of lists for a user, and of lists that start
from an item, which are varied by themselves, and whose repeats are bought more often than what would replace them."""
CATEGORIES = ("CATEGORY_L3", "CATEGORY_L2")
"""The columns that lists are varied by without `by`: of each item the first that is not empty. A department, as
CATEGORY_L1 is in most shops, is too coarse: what goes with a pan may all be for the kitchen."""
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_AGAIN = re.compile(r"\bINCLUDE\b[^|]*\bInteractions\.\w+\s+(?!NOT\b)", re.IGNORECASE)


class Diversity(BaseModel):
    """Variety in lists; `off` is short for `{enabled: false}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: StrictBool = True
    """Whether lists are varied."""
    by: ColumnName | None = None
    """The column of Items whose repeats count for less; CATEGORY_L3 by default, or CATEGORY_L2 of items without it."""
    strength: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """The share of its worth, the reciprocal of its rank, that an item loses if one of the same value comes before it:
    0.5 by default, 0.15 in lists that start from an item; with 0 only repeats of a name are left out."""

    @model_validator(mode="before")
    @classmethod
    def _off(cls, given: object) -> object:
        return {"enabled": False} if switched_off(given) else given


USUAL = Diversity()
"""The variety of a shop that sets none."""


def variety_record(shop: Diversity, placement: Diversity | None, usual: float) -> Mapping[str, Value] | None:
    """Return the variety of a list in the release record's format; None without any.

    An answer uses those of the columns that the table of items has by then: items may come later than the release.

    Args:
        shop, placement: the shop's setting, and the placement's, which takes precedence.
        usual: the strength where neither names one.
    """
    if not (placement or shop).enabled:
        return None
    chosen = (placement and placement.by) or shop.by
    strength = next(
        (diversity.strength for diversity in (placement, shop) if diversity and diversity.strength is not None), usual
    )
    return {"by": [chosen] if chosen else list(CATEGORIES), "strength": f"{strength:g}"}


def fixed(placement: Mapping[str, Any], expression: str | None) -> Text | None:
    """Return why a placement (by its settings' names) shows its list as it is; None if it may vary.

    Args:
        placement: with `recipe` and `promotions`.
        expression: that of its filter, if it has one.
    """
    if placement.get("recipe") == "popularity-count":
        return Text("settings.fixed.popular", "popularity-count shows what sells, in the order of sales")
    if placement.get("recipe") == TRENDING:
        return Text("settings.fixed.trending", "trending-now shows what grows, in the order of growth")
    if placement.get("promotions"):
        return Text("settings.fixed.promoted", "Personalize places promoted items, and they stay there")
    if expression and _AGAIN.search(_QUOTED.sub("", expression)):
        text = "its filter includes what the user has had before, which repeats itself"
        return Text("settings.fixed.again", text)
    return None
