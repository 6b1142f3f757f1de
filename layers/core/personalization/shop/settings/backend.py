# SPDX-License-Identifier: Apache-2.0
"""What settings must say where the engine trains and answers."""

from collections.abc import Collection, Mapping
from typing import Any

from table_intake.wording import Text

from personalization.shop.settings.campaigns import mapping, switched_off
from personalization.shop.settings.recipes import NEXT_BEST_ACTION
from personalization.shop.settings.settings_errors import at

_SECTIONS = ("metric_attribution", "recommenders")
"""Settings of what only Amazon Personalize has."""


def find_errors(settings: Mapping[Any, Any], recipes: Collection[str]) -> list[Text]:
    """Return what the settings ask for and the engine does not have; `recipes` are those that the shop trains."""
    problems = _fallback_errors(settings)
    if settings.get("backend") != "engine":
        return problems
    asked_for = [name for name in _SECTIONS if settings.get(name)]
    if mapping(settings.get("gate")).get("held_out"):
        asked_for.append("gate.held_out")
    if NEXT_BEST_ACTION in recipes:
        asked_for.append("recipes")
    schedules = settings.get("schedules")
    modes = [mapping(schedule).get("training_mode") for schedule in schedules] if isinstance(schedules, list) else []
    asked_for += [f"schedules.{number}.training_mode" for number, mode in enumerate(modes) if mode == "UPDATE"]
    text = "the engine does not have this yet: leave it out, or set backend: personalize"
    return problems + [at(name, Text("settings.engine", text)) for name in asked_for]


def _fallback_errors(settings: Mapping[Any, Any]) -> list[Text]:
    """Return what contradicts a fallback, and recipes that name a backend of their own."""
    problems = []
    if settings.get("fallback") and settings.get("backend") == "engine":
        text = "the engine answers already: leave fallback out, or set backend: personalize"
        problems.append(at("fallback", Text("settings.fallback.itself", text)))
    if settings.get("fallback") and switched_off(settings.get("deploy")):
        text = "deploy: false leaves no campaign whose place the engine could take: leave one of the two out"
        problems.append(at("fallback", Text("settings.fallback.undeployed", text)))
    recipes = settings.get("recipes")
    named = [mapping(recipe) for recipe in recipes] if isinstance(recipes, list) else []
    if any("backend" in recipe for recipe in named):
        text = "a recipe cannot have a backend of its own yet: write its name alone, and backend for the whole shop"
        problems.append(at("recipes", Text("settings.recipe-backend", text)))
    return problems
