# SPDX-License-Identifier: Apache-2.0
"""What settings must say where the engine trains and answers."""

from collections.abc import Collection, Mapping
from typing import Any

from table_intake.wording import Text

from personalization.shop.settings.campaigns import mapping
from personalization.shop.settings.recipes import NEXT_BEST_ACTION
from personalization.shop.settings.settings_errors import at

_SECTIONS = ("batch", "metric_attribution", "recommenders")
"""Settings of what only Amazon Personalize has."""


def find_errors(settings: Mapping[Any, Any], recipes: Collection[str]) -> list[Text]:
    """Return what the settings ask for and the engine does not have; `recipes` are those that the shop trains."""
    if settings.get("backend") != "engine":
        return []
    asked_for = [name for name in _SECTIONS if settings.get(name)]
    if mapping(settings.get("gate")).get("held_out"):
        asked_for.append("gate.held_out")
    if NEXT_BEST_ACTION in recipes:
        asked_for.append("recipes")
    schedules = settings.get("schedules")
    modes = [mapping(schedule).get("training_mode") for schedule in schedules] if isinstance(schedules, list) else []
    asked_for += [f"schedules.{number}.training_mode" for number, mode in enumerate(modes) if mode == "UPDATE"]
    text = "the engine does not have this yet: leave it out, or set backend: personalize"
    return [at(name, Text("settings.engine", text)) for name in asked_for]
