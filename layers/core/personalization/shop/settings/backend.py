# SPDX-License-Identifier: Apache-2.0
"""Who trains and answers each of a shop's recipes, and what settings must say where the engine does."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Tag
from table_intake.wording import Text

from personalization.core.names import Backend
from personalization.shop.settings.campaigns import mapping, switched_off
from personalization.shop.settings.gate import FOR_USERS
from personalization.shop.settings.recipes import NEXT_BEST_ACTION, RECIPES, RecipeAlias
from personalization.shop.settings.settings_errors import at

_SECTIONS = ("metric_attribution", "recommenders")
"""Settings of what only Amazon Personalize has."""
_LACKING = Text("settings.engine", "the engine does not have this yet: leave it out, or set backend: personalize")
_AWAY = "the engine, which has {recipe}, does not have this yet: leave it out, or set backend: personalize for {recipe}"


class RecipeOn(BaseModel):
    """A recipe with a backend of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: RecipeAlias
    backend: Backend
    """Who trains the recipe and answers with it, whoever does for the shop's other recipes."""


def _form(given: object) -> str:
    return "[several]" if isinstance(given, Mapping | RecipeOn) else "[one]"


Recipe = Annotated[Annotated[RecipeAlias, Tag("[one]")] | Annotated[RecipeOn, Tag("[several]")], Discriminator(_form)]
"""A recipe by its name, or with a backend of its own."""


def home(backends: Iterable[str]) -> Backend:
    """Return the backend of what is the shop's and no recipe's: Amazon Personalize, if one of these is."""
    return "engine" if {*backends} == {"engine"} else "personalize"


def given_backends(settings: Mapping[Any, Any]) -> dict[str, str]:
    """Return the recipes that a file of settings names, each with its backend, good or bad as they are."""
    recipes = settings.get("recipes")
    usual = str(settings.get("backend", "personalize"))
    entries = recipes if isinstance(recipes, list) else RECIPES
    named = [(entry, {}) if not isinstance(entry, Mapping) else (entry.get("name"), entry) for entry in entries]
    return {str(name): str(entry.get("backend", usual)) for name, entry in named}


def find_errors(settings: Mapping[Any, Any]) -> list[Text]:
    """Return what the settings ask for and the engine, which has all or some of the recipes, does not have."""
    backends = given_backends(settings)
    problems = _fallback_errors(settings, home(backends.values()))
    on_engine = [alias for alias, backend in backends.items() if backend == "engine"]
    schedules = settings.get("schedules")
    modes = [mapping(schedule).get("training_mode") for schedule in schedules] if isinstance(schedules, list) else []
    updates = [f"schedules.{number}.training_mode" for number, mode in enumerate(modes) if mode == "UPDATE"]
    if home(backends.values()) == "engine":
        asked_for = [name for name in _SECTIONS if settings.get(name)]
        if mapping(settings.get("gate")).get("held_out"):
            asked_for.append("gate.held_out")
        if NEXT_BEST_ACTION in on_engine:
            asked_for.append("recipes")
        return problems + [at(name, _LACKING) for name in (*asked_for, *updates)]
    away = [("recipes", NEXT_BEST_ACTION)]
    away += [(name, "user-personalization") for name in updates]
    if mapping(settings.get("gate")).get("held_out") and {*FOR_USERS} & {*backends} <= {*on_engine}:
        away += [("gate.held_out", alias) for alias in FOR_USERS if alias in on_engine][:1]
    return problems + [
        at(name, Text("settings.recipe-on-engine", _AWAY, recipe=alias)) for name, alias in away if alias in on_engine
    ]


def _fallback_errors(settings: Mapping[Any, Any], of_shop: Backend) -> list[Text]:
    """Return what contradicts a fallback."""
    problems = []
    if settings.get("fallback") and of_shop == "engine":
        text = "the engine answers already: leave fallback out, or set backend: personalize"
        problems.append(at("fallback", Text("settings.fallback.itself", text)))
    if settings.get("fallback") and switched_off(settings.get("deploy")):
        text = "deploy: false leaves no campaign whose place the engine could take: leave one of the two out"
        problems.append(at("fallback", Text("settings.fallback.undeployed", text)))
    return problems
