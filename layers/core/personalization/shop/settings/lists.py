# SPDX-License-Identifier: Apache-2.0
"""The setting `lists`: which recipes answer the API's lists of similar and of popular items."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from table_intake.wording import Text

from personalization.shop.records.release import BASELINE
from personalization.shop.settings.campaigns import mapping, switched_off
from personalization.shop.settings.recipes import TRAINABLE
from personalization.shop.settings.settings_errors import at


class Lists(BaseModel):
    """The recipes that answer; those that a shop does not name are the usual ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    similar: Literal["similar-items", "semantic-similarity"] | None = None
    """similar-items by default, or semantic-similarity in a shop without it."""
    popular: Literal["popularity-count", "trending-now"] | None = None
    """Bestsellers by default; trending-now shows what is wanted more and more."""

    @property
    def record(self) -> dict[str, str]:
        """The chosen recipes in the release record's format, by the API's operations."""
        return {name: alias for name, alias in self.model_dump().items() if alias is not None}


USUAL_LISTS = Lists()
"""The lists of a shop that chooses none."""


def find_errors(settings: Mapping[Any, Any], recipes: Collection[str]) -> list[Text]:
    """Return lists that no campaign would answer; `recipes` are those that the shop trains."""
    errors: list[Text] = []
    for name, alias in mapping(settings.get("lists")).items():
        # Bestsellers are counted whatever is trained.
        if alias not in TRAINABLE or alias == BASELINE:
            continue
        if alias not in recipes:
            left_out = Text("settings.left-out", "{recipe} is left out of the shop's recipes", recipe=alias)
            errors.append(at(f"lists.{name}", left_out))
        elif switched_off(settings.get("deploy")):
            text = "needs the campaign of {recipe}, and deploy: false makes none"
            errors.append(at(f"lists.{name}", Text("settings.lists.undeployed", text, recipe=alias)))
    return errors
