# SPDX-License-Identifier: Apache-2.0
"""What settings must say for the next best action."""

from collections.abc import Collection, Mapping
from typing import Any

from table_intake.wording import Text

from personalization.shop.filters import chooses_actions
from personalization.shop.settings.recipes import NEXT_BEST_ACTION
from personalization.shop.settings.settings_errors import at

CUSTOM = Text(
    "settings.actions.custom",
    "the next best action needs domain: custom, which a shop chooses before its first drop: add it to the settings, or "
    "drop a second shop's files under another name",
)


def find_errors(settings: Mapping[Any, Any], recipes: Collection[str]) -> list[Text]:
    """Return why the shop cannot train Next-Best-Action; `recipes` are those that it trains."""
    if NEXT_BEST_ACTION not in recipes or settings.get("domain") == "custom":
        return []
    return [at("recipes", CUSTOM)]


def filters_no_items(name: str, expression: str) -> Text | None:
    """Return why a filter cannot be applied to items; None if it can."""
    text = "the filter {name} chooses actions: name one that chooses items"
    return Text("settings.filter.actions", text, name=name) if chooses_actions(expression) else None
