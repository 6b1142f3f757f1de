# SPDX-License-Identifier: Apache-2.0
"""Recipes, algorithms and feature transformations: the service's own, the same in every account."""

from typing import Final

from personalize_local.engine import Call, Engine, Json, operation
from personalize_local.operations.common import page
from personalize_local.recipes.definitions import BUILT_IN, RECIPE, RECIPES, RecipeSpec, recipe_of
from personalize_local.wire.errors import ResourceNotFound

_SINCE: Final = 1560124800.0
"""10 June 2019, which the service shows for its first recipes."""
_DATES: Final = {"status": "ACTIVE", "creationDateTime": _SINCE, "lastUpdatedDateTime": _SINCE}


def _name(arn: str, word: str) -> str:
    return arn.removeprefix(f"{BUILT_IN}{word}/")


@operation("ListRecipes")
def list_recipes(_engine: Engine, _call: Call, request: Json) -> Json:
    domain = request.get("domain")
    specs = [spec for spec in RECIPES.values() if domain is None or spec.domain == domain]
    return page("recipes", list(enumerate(map(_recipe, specs))), request, f"recipes {domain}")


@operation("DescribeRecipe")
def describe_recipe(_engine: Engine, _call: Call, request: Json) -> Json:
    return {"recipe": _recipe(recipe_of(request["recipeArn"]))}


@operation("DescribeAlgorithm")
def describe_algorithm(_engine: Engine, _call: Call, request: Json) -> Json:
    arn = request["algorithmArn"]
    for spec in RECIPES.values():
        if spec.algorithm_name == _name(arn, "algorithm"):
            defaults = {name: parameter.default for name, parameter in spec.hyperparameters.items()}
            ranges = {"defaultHyperParameters": defaults, "defaultHyperParameterRanges": _ranges(spec)}
            return {"algorithm": {"name": spec.algorithm_name, "algorithmArn": arn} | ranges | _DATES}
    raise ResourceNotFound(f"Resource Arn {arn} does not exist.")


@operation("DescribeFeatureTransformation")
def describe_feature_transformation(_engine: Engine, _call: Call, request: Json) -> Json:
    """Describe the parameters of a feature transformation, which several recipes may share."""
    arn = request["featureTransformationArn"]
    name = _name(arn, "feature-transformation")
    specs = [spec for spec in RECIPES.values() if spec.feature_transformation == name]
    if not specs:
        raise ResourceNotFound(f"Resource Arn {arn} does not exist.")
    defaults = {key: parameter.default for spec in specs for key, parameter in spec.feature_parameters.items()}
    identity = {"name": name, "featureTransformationArn": arn, "defaultParameters": defaults}
    return {"featureTransformation": identity | _DATES}


def _recipe(spec: RecipeSpec) -> Json:
    return {
        "name": spec.name,
        "recipeArn": f"{RECIPE}{spec.name}",
        "algorithmArn": f"{BUILT_IN}algorithm/{spec.algorithm_name}",
        "featureTransformationArn": f"{BUILT_IN}feature-transformation/{spec.feature_transformation}",
        "description": spec.description,
        "recipeType": spec.recipe_type,
        "domain": spec.domain,
        **_DATES,
    }


def _ranges(spec: RecipeSpec) -> Json:
    ranges: Json = {}
    for name, parameter in spec.hyperparameters.items():
        values: Json = (
            {"values": list(parameter.values)}
            if parameter.values
            else {"minValue": parameter.low, "maxValue": parameter.high}
        )
        if parameter.kind == "integer":
            values = {"minValue": int(parameter.low), "maxValue": int(parameter.high)}
        row = {"name": name, "isTunable": parameter.tunable} | values
        ranges.setdefault(f"{parameter.kind}HyperParameterRanges", []).append(row)
    return ranges
