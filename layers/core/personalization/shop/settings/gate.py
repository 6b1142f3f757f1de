# SPDX-License-Identifier: Apache-2.0
"""The settings `gate` and `probe`: requirements on a new solution version before and after its promotion."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from table_intake.wording import Text

from personalization.shop.records.release import BASELINE
from personalization.shop.settings.campaigns import mapping
from personalization.shop.settings.settings_errors import at

Metric = Literal[
    "coverage",
    "mean_reciprocal_rank_at_25",
    "normalized_discounted_cumulative_gain_at_5",
    "normalized_discounted_cumulative_gain_at_10",
    "normalized_discounted_cumulative_gain_at_25",
    "precision_at_5",
    "precision_at_10",
    "precision_at_25",
]
"""The metrics that Personalize computes for every recipe that we train; higher is better."""
Tolerance = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Lift = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
FOR_USERS = ("user-personalization", "personalized-ranking")
"""Recipes that must beat popularity; the others answer another question."""


class RecipeGate(BaseModel):
    """One recipe's exceptions from the gate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Metric | None = None
    tolerance: Tolerance | None = None
    minimum_over_popularity: Lift | None = None


class HeldOut(BaseModel):
    """A test on days that a separate training has not seen; see `releases.held_out`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Annotated[int, Field(ge=1, le=90)]
    """The days at the end of the history that are held out."""
    users: Annotated[int, Field(ge=20, le=10_000)] = 1_000
    """The most users of these days in the test: a sample, always the same."""
    minimum_users: Annotated[int, Field(ge=20, le=10_000)] = 50
    """With fewer users this test does not count, and the offline metrics decide."""
    minimum_lift: Lift = 1.0
    """The least lift over popularity, beyond chance; 0 disables it."""


class Gate(BaseModel):
    """The conditions under which a new solution version may serve; see `releases.gate`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    """Without the gate every version is promoted."""
    metric: Metric = "normalized_discounted_cumulative_gain_at_10"
    tolerance: Tolerance = 0.1
    """The share by which a version's lift may be below the required one."""
    minimum_over_popularity: Lift = 1.0
    """The least lift of a recipe for users; 0 disables it."""
    held_out: HeldOut | None = None
    """A test on held-out time, which costs a second training; none by default."""
    recipes: dict[str, RecipeGate] = {}
    """Exceptions, by recipe alias."""


class Probe(BaseModel):
    """Requirements on a campaign's answers right after its update; see `releases.probe`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    requests: Annotated[int, Field(ge=1, le=50)] = 20
    """Real requests to each campaign."""
    latency_ms: Annotated[float, Field(gt=0, le=60_000, allow_inf_nan=False)] = 1000
    """The highest median latency in milliseconds."""


_UNTRAINED = Text("settings.untrained", "the shop does not train this recipe")


def find_errors(settings: Mapping[Any, Any], recipes: Sequence[str]) -> list[Text]:
    """Return settings that no release can fulfil or that have no effect; `recipes` are those that the shop trains."""
    gate = mapping(settings.get("gate"))
    exceptions = mapping(gate.get("recipes"))
    strange = (alias for alias in exceptions if alias not in recipes)
    errors = [at(f"gate.recipes.{alias}", _UNTRAINED) for alias in strange]
    if gate.get("held_out") is not None:
        errors += _untestable(gate, recipes)
    if BASELINE not in recipes:
        places = {"gate": gate} | {f"gate.recipes.{alias}": gate for alias, gate in exceptions.items()}
        text = "needs the recipe {recipe}, which the shop does not train"
        needs = Text("settings.gate.baseline", text, recipe=BASELINE)
        errors += [
            at(f"{path}.minimum_over_popularity", needs)
            for path, gate in places.items()
            if isinstance(gate, Mapping) and gate.get("minimum_over_popularity")
        ]
    return errors


def _untestable(gate: Mapping[Any, Any], recipes: Sequence[str]) -> list[Text]:
    off = Text("settings.gate.off", "the gate is off, so the test could not matter")
    errors = [] if gate.get("enabled", True) else [at("gate.held_out", off)]
    if not set(FOR_USERS) & set(recipes):
        needs = Text("settings.gate.needs", "needs one of the recipes {recipes}", recipes=", ".join(FOR_USERS))
        errors.append(at("gate.held_out", needs))
    held_out, fields = mapping(gate["held_out"]), HeldOut.model_fields
    least, most = (held_out.get(name, fields[name].default) for name in ("minimum_users", "users"))
    if isinstance(least, int) and isinstance(most, int) and least > most:
        few = Text("settings.gate.users", "minimum_users is above users, so the test could never decide")
        errors.append(at("gate.held_out", few))
    return errors
