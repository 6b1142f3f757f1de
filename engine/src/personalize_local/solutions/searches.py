# SPDX-License-Identifier: Apache-2.0
"""`performHPO` and `performAutoML`: what a solution lets a search try."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from personalize_local.recipes.config import Range, Search
from personalize_local.recipes.definitions import METRICS, RECIPES, Parameter, RecipeSpec, recipe_of
from personalize_local.wire.errors import InvalidInput

Json = Mapping[str, Any]
"""A JSON object of a request."""
_MOST_TRIALS, _MOST_PARALLEL = 40, 10
_TRIALS: Final = 8
"""Trials of a recipe unless `maxNumberOfTrainingJobs` says otherwise."""
_METRIC: Final = "normalized_discounted_cumulative_gain_at_25"
_KINDS: Final = ("integer", "continuous", "categorical")
_DEFAULT_CANDIDATES: Final = ("aws-user-personalization", "aws-user-personalization-v2")
_NOT_BY_DEFAULT: Final = frozenset({"hidden_dimension"})
"""Has no effect on trials without a ranker: tried where a range is given only, since it makes each trial long."""


def candidates(solution: Json) -> list[RecipeSpec]:
    """Return the recipe of a solution or version, or those that its AutoML tries.

    Raises InvalidInput, ResourceNotFound.
    """
    if "recipeArn" in solution:
        return [recipe_of(solution["recipeArn"])]
    if not solution.get("performAutoML"):
        raise InvalidInput("A solution needs a recipeArn, or performAutoML.")
    named = solution.get("solutionConfig", {}).get("autoMLConfig", {}).get("recipeList", [])
    specs = [recipe_of(arn) for arn in dict.fromkeys(named)] or [RECIPES[name] for name in _DEFAULT_CANDIDATES]
    for spec in specs:
        if spec.recipe_type not in {"USER_PERSONALIZATION", "POPULAR_ITEMS"}:
            raise InvalidInput(f"AutoML chooses among recipes that recommend items to users: {spec.name} doesn't.")
    return specs


def search_of(specs: Sequence[RecipeSpec], solution: Json) -> Search | None:
    """Return what trainings of a solution try; None if they try nothing. Raises InvalidInput.

    An `hpoConfig` is checked even where nothing is tried.
    """
    config, automl = solution.get("solutionConfig", {}), bool(solution.get("performAutoML"))
    hpo = config.get("hpoConfig", {})
    ranges = _ranges(specs, hpo.get("algorithmHyperParameterRanges", {}))
    trials = _number(hpo, "maxNumberOfTrainingJobs", _TRIALS, _MOST_TRIALS)
    _number(hpo, "maxParallelTrainingJobs", 1, _MOST_PARALLEL)
    objective = hpo.get("hpoObjective", {})
    metric = objective.get("metricName") or config.get("autoMLConfig", {}).get("metricName") or _METRIC
    metrics = {*METRICS, *(["average_rewards_at_k"] if "optimizationObjective" in config else [])}
    if metric not in metrics:
        raise InvalidInput(f"metricName {metric} is none of this solution's metrics: {', '.join(sorted(metrics))}.")
    if (aim := objective.get("type", "Maximize").lower()) not in {"maximize", "minimize"}:
        raise InvalidInput(f"The type of an hpoObjective is Maximize or Minimize, not {objective['type']}.")
    if not automl and not solution.get("performHPO"):
        return None
    if not automl and not _tunable(specs[0]):
        raise InvalidInput(f"{specs[0].name} has no hyperparameters that HPO can tune: leave out performHPO.")
    fixed = config.get("algorithmHyperParameters", {})
    spaces = {spec.name: _space(spec, ranges, fixed) for spec in specs}
    return Search(spaces, trials, metric, maximize=aim == "maximize")


def _tunable(spec: RecipeSpec) -> dict[str, Parameter]:
    return {name: parameter for name, parameter in spec.hyperparameters.items() if parameter.tunable}


def _space(spec: RecipeSpec, ranges: Sequence[Range], fixed: Json) -> tuple[Range, ...]:
    """Return the ranges of a recipe; those of AWS where the solution gives none, but for what it sets itself."""
    if ranges:
        return tuple(range_ for range_ in ranges if range_.name in _tunable(spec))
    free = {name: parameter for name, parameter in _tunable(spec).items() if name not in _NOT_BY_DEFAULT | fixed.keys()}
    return tuple(
        Range(name, parameter.kind, parameter.low, parameter.high, parameter.values) for name, parameter in free.items()
    )


def _ranges(specs: Sequence[RecipeSpec], document: Json) -> list[Range]:
    """Read `algorithmHyperParameterRanges`; names may have the prefix that DescribeSolution shows on AWS."""
    ranges = [_range(specs, kind, row) for kind in _KINDS for row in document.get(f"{kind}HyperParameterRanges", [])]
    for range_ in ranges:
        if sum(other.name == range_.name for other in ranges) > 1:
            raise InvalidInput(f"algorithmHyperParameterRanges names {range_.name} more than once.")
    return ranges


def _range(specs: Sequence[RecipeSpec], kind: str, row: Json) -> Range:
    name = row.get("name", "").rpartition(".")[2]
    spec = next((spec for spec in specs if name in spec.hyperparameters), None)
    if spec is None:
        raise InvalidInput(
            f"Provide a hyperparameter that is used in the algorithm: arn:aws:personalize:::algorithm/"
            f"{specs[0].algorithm_name}, not {row.get('name')}."
        )
    parameter = spec.hyperparameters[name]
    if not parameter.tunable:
        raise InvalidInput(f"{name} of {spec.name} is not tunable: give it a value in algorithmHyperParameters.")
    if parameter.kind != kind:
        raise InvalidInput(f"{name} of {spec.name} is {parameter.kind}: its range is not {kind}.")
    if kind == "categorical":
        values = tuple(dict.fromkeys(row.get("values", ())))
        if not values or not all(parameter.accepts(value) for value in values):
            raise InvalidInput(f"The values of {name} are out of {', '.join(parameter.values)}.")
        return Range(name, "categorical", values=values)
    low, high = row.get("minValue", parameter.low), row.get("maxValue", parameter.high)
    if not parameter.low <= low <= high <= parameter.high:
        raise InvalidInput(
            f"The range of {name} lies within {parameter.low:g} and {parameter.high:g}, minValue first, not "
            f"{low} and {high}."
        )
    return Range(name, parameter.kind, low, high)


def _number(hpo: Json, name: str, default: int, most: int) -> int:
    text = hpo.get("hpoResourceConfig", {}).get(name, str(default))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
        raise InvalidInput(f"{name} is a whole number from 1 to {most}, not {text}.")
    return int(text)
