# SPDX-License-Identifier: Apache-2.0
"""What a shop asks of a new solution version before and after it is promoted: the settings `gate` and `probe`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from personalization.shop.release import BASELINE

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
"""Recipes that have to do better than what everybody likes; the others answer another question."""


class RecipeGate(BaseModel):
    """What one recipe is held to instead; what is not given is the gate's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Metric | None = None
    tolerance: Tolerance | None = None
    minimum_over_popularity: Lift | None = None


class HeldOut(BaseModel):
    """A test on days that a training of its own has not seen; see `heldout`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Annotated[int, Field(ge=1, le=90)]
    """The days at the end of the history that are held out."""
    users: Annotated[int, Field(ge=20, le=10_000)] = 1_000
    """Users of these days who are asked about, at most: a sample, the same one every time."""
    minimum_users: Annotated[int, Field(ge=20, le=10_000)] = 50
    """With fewer of them nothing is judged by this test, and the offline metrics decide."""
    minimum_lift: Lift = 1.0
    """How many times as good as popularity a recipe must be, beyond what chance may have done; 0 asks for nothing."""


class Gate(BaseModel):
    """When a new solution version may serve; see `judging`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    """Without the gate every version is promoted that can be."""
    metric: Metric = "normalized_discounted_cumulative_gain_at_10"
    tolerance: Tolerance = 0.1
    """The share by which a version's lift over popularity may be under what is asked of it."""
    minimum_over_popularity: Lift = 1.0
    """The lift that a recipe for users must have at least; 0 asks for none."""
    held_out: HeldOut | None = None
    """A test on held-out time, which costs a second training; none unless it is asked for."""
    recipes: dict[str, RecipeGate] = {}
    """Exceptions, by recipe alias."""

    def of(self, alias: str) -> "Gate":
        """The gate that one recipe has to pass."""
        own = self.recipes.get(alias, RecipeGate()).model_dump(exclude_none=True)
        return self.model_copy(update={**own, "recipes": {}})


class Probe(BaseModel):
    """What a campaign must answer right after its update; see `probing`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    requests: Annotated[int, Field(ge=1, le=50)] = 20
    """Real requests that are sent to each campaign."""
    latency_ms: Annotated[float, Field(gt=0, le=60_000, allow_inf_nan=False)] = 1000
    """The most that the median request may take, in milliseconds."""


def impossible(document: object, recipes: Sequence[str]) -> list[str]:
    """What no release of the shop could ever fulfil, or what could never matter, each with its place.

    Args:
        document: the settings as they were written, of any shape.
        recipes: the recipes that the shop trains.
    """
    gate = document.get("gate") if isinstance(document, Mapping) else None
    if not isinstance(gate, Mapping):
        return []
    own = gate.get("recipes")
    exceptions: Mapping[object, object] = own if isinstance(own, Mapping) else {}
    found = [
        f"gate.recipes.{alias}: the shop does not train this recipe" for alias in exceptions if alias not in recipes
    ]
    if gate.get("held_out") is not None:
        found += _untestable(gate, recipes)
    if BASELINE not in recipes:
        places = {"gate": gate} | {f"gate.recipes.{alias}": each for alias, each in exceptions.items()}
        found += [
            f"{place}.minimum_over_popularity: needs the recipe {BASELINE}, which the shop does not train"
            for place, each in places.items()
            if isinstance(each, Mapping) and each.get("minimum_over_popularity")
        ]
    return found


def _untestable(gate: Mapping[object, object], recipes: Sequence[str]) -> list[str]:
    found = [] if gate.get("enabled", True) else ["gate.held_out: the gate is off, so the test could not matter"]
    if not set(FOR_USERS) & set(recipes):
        found.append(f"gate.held_out: needs one of the recipes {', '.join(FOR_USERS)}")
    asked = gate["held_out"]
    if isinstance(asked, Mapping):
        fields = HeldOut.model_fields
        least, most = (asked.get(name, fields[name].default) for name in ("minimum_users", "users"))
        if isinstance(least, int) and isinstance(most, int) and least > most:
            found.append("gate.held_out: minimum_users is above users, so the test could never decide")
    return found
