# SPDX-License-Identifier: Apache-2.0
"""The settings `gate` and `probe`: requirements on a new solution version before and after its promotion."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from table_intake.wording import Text

from personalization.core.messages import is_none
from personalization.shop.records.release import BASELINE
from personalization.shop.settings.campaigns import mapping, switched_off
from personalization.shop.settings.recipes import NEXT_BEST_ACTION, SEMANTIC, TRENDING, RecipeAlias
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
"""The metrics that Personalize computes for every recipe that learns from users; higher is better."""
OwnMetric = Literal[
    "trend_prediction_accuracy",
    "average_similarity_at_25",
    "average_popularity_at_25",
    "average_freshness_at_25",
    "area_under_curve",
    "precision",
    "recall",
]
"""Metrics of single recipes; higher is better."""
AnyMetric = Literal[Metric, OwnMetric]
RampGuardrail = Literal["orders", "clicks", "revenue", "returns"]
Tolerance = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Lift = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
OWN_METRICS: Mapping[str, tuple[OwnMetric, ...]] = {
    TRENDING: ("trend_prediction_accuracy",),
    SEMANTIC: ("average_similarity_at_25", "average_popularity_at_25", "average_freshness_at_25"),
    NEXT_BEST_ACTION: ("area_under_curve", "precision", "recall"),
}
"""By recipe, its own metrics; the first decides, unless settings name another one."""
OWN_TOLERANCE = 0.5
"""The usual tolerance of trending-now: the growth in a single window, which its metric is about, is mostly chance."""
PATIENCE = 2
"""How many times the days of its steps a ramp lasts at most; then it goes back."""
FOR_USERS = ("user-personalization", "personalized-ranking")
"""Recipes that must beat popularity; the others answer another question."""


class RecipeGate(BaseModel):
    """One recipe's exceptions from the gate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: AnyMetric | None = None
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


class Ramp(BaseModel):
    """A promotion in steps, to more and more users, which goes back by itself if they order or click less."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: RecipeAlias = "user-personalization"
    """The recipe whose new versions come in steps; those of the others come at once."""
    steps: Annotated[
        tuple[Annotated[float, Field(ge=1, le=50, allow_inf_nan=False)], ...], Field(min_length=1, max_length=3)
    ] = (5, 25, 50)
    """The percent of the users who get the new version, step by step; after the last step all get it."""
    days: Annotated[int, Field(ge=1, le=28, strict=True)] = 7
    """How long a step lasts."""
    guardrails: Annotated[tuple[RampGuardrail, ...], Field(min_length=1)] = ("orders", "clicks")
    """What must not get worse: orders or revenue per user, clicks per list that was seen, returns."""

    @field_validator("steps")
    @classmethod
    def _rise(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if any(later < step + 1 for step, later in pairwise(steps)):
            raise ValueError(Text("settings.ramp.steps", "each step has at least one percent more than the one before"))
        return steps


def _ramp(given: object) -> object:
    if given is True or str(given).lower() in {"on", "yes", "true"}:
        return {}
    return None if switched_off(given) else given


class Gate(BaseModel):
    """The conditions under which a new solution version may serve; see `releases.gate`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    """Without the gate every version is promoted."""
    metric: AnyMetric = "normalized_discounted_cumulative_gain_at_10"
    tolerance: Tolerance = 0.1
    """The share by which a version's lift may be below the required one."""
    minimum_over_popularity: Lift = 1.0
    """The least lift of a recipe for users; 0 disables it."""
    held_out: HeldOut | None = None
    """A test on held-out time, which costs a second training; none by default."""
    ramp: Annotated[Ramp | None, BeforeValidator(_ramp), Field(exclude_if=is_none)] = None
    """Steps in which one recipe's new versions come to serve; `true` for the usual ones, none by default."""
    recipes: dict[str, RecipeGate] = {}
    """Exceptions, by recipe alias."""

    def by_recipe(self, aliases: Iterable[str]) -> "dict[str, Gate]":
        """Return the gate of each recipe, with its exceptions."""
        return {alias: self._of(alias) for alias in aliases}

    def _of(self, alias: str) -> "Gate":
        usual: dict[str, object] = {"metric": OWN_METRICS[alias][0]} if alias in OWN_METRICS else {}
        if alias == TRENDING:
            usual["tolerance"] = max(self.tolerance, OWN_TOLERANCE)
        exceptions = self.recipes.get(alias, RecipeGate()).model_dump(exclude_none=True)
        return Gate.model_validate({**dict(self), **usual, **exceptions, "recipes": {}})


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
    chosen = {f"recipes.{alias}.": (alias, exception) for alias, exception in exceptions.items()} | {"": ("", gate)}
    for path, (alias, given) in chosen.items():
        if why := _foreign(alias, mapping(given).get("metric")):
            errors.append(at(f"gate.{path}metric", why))
    if gate.get("held_out") is not None:
        errors += _untestable(gate, recipes)
    if gate.get("ramp") and not switched_off(gate["ramp"]):
        errors += _unrampable(gate["ramp"], settings, recipes)
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


def _foreign(alias: str, metric: object) -> Text | None:
    """Return why a recipe (empty for all) has no such metric; None if it has, or if nothing has."""
    able = ", ".join(recipe for recipe, metrics in OWN_METRICS.items() if metric in metrics)
    if able and metric not in OWN_METRICS.get(alias, ()):
        text = "is a metric of {recipe} alone: write it under recipes.{recipe}"
        return Text("settings.gate.own-metric", text, recipe=able)
    if alias == SEMANTIC and metric in get_args(Metric) and metric != "coverage":
        text = "{recipe} learns from no user: take {metrics}"
        metrics = Text.any_of([*OWN_METRICS[SEMANTIC], "coverage"])
        return Text("settings.gate.no-users", text, recipe=alias, metrics=metrics)
    if alias == NEXT_BEST_ACTION and metric in get_args(Metric):
        text = "{recipe} recommends no items: take {metrics}"
        return Text("settings.gate.no-items", text, recipe=alias, metrics=Text.any_of([*OWN_METRICS[alias]]))
    return None


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


def ramped(given: object) -> str | None:
    """Return the recipe of the setting `ramp`, as it is in the file; None if there is none."""
    ramp = _ramp(given) if given is not None else None
    return str(mapping(ramp).get("recipe", Ramp.model_fields["recipe"].default)) if ramp is not None else None


def _unrampable(ramp: object, settings: Mapping[Any, Any], recipes: Sequence[str]) -> list[Text]:
    """Return why no release can be ramped."""
    recipe, placements = ramped(ramp), mapping(settings.get("placements"))
    if recipe not in recipes:
        return [at("gate.ramp.recipe", _UNTRAINED)]
    if switched_off(settings.get("deploy")):
        none = Text("settings.ramp.deploy", "needs a campaign of its own, and deploy is false")
        return [at("gate.ramp", none)]
    if not any(mapping(placement).get("recipe") == recipe for placement in placements.values()):
        text = "no placement shows {recipe}, so nobody could be compared: name one under placements"
        return [at("gate.ramp", Text("settings.ramp.placement", text, recipe=str(recipe)))]
    return []
