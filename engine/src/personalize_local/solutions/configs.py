# SPDX-License-Identifier: Apache-2.0
"""What a solution may ask of its training, and the settings that follow for the training."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from personalize_local.data.schemas import Schema
from personalize_local.recipes.config import EventParameters, Objective, TrainingConfig
from personalize_local.recipes.definitions import RecipeSpec, check_parameters
from personalize_local.solutions.searches import candidates, search_of
from personalize_local.wire.errors import InvalidInput

Json = Mapping[str, Any]
"""A JSON object of a request."""
Schemas = Mapping[str, Schema]
"""Those of a dataset group, by dataset type."""
_NEEDED: Final = {"actions": "ACTIONS", "semantic": "ITEMS"}
"""The dataset without which there is nothing to train, by family; INTERACTIONS for all others."""
_ALWAYS_TRAINED: Final = frozenset({"USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"})
"""Columns that no configuration can exclude; an `includedDatasetColumns` need not name them."""
_NEVER_TRAINED: Final = "IMPRESSION"


def check_solution(request: Json, schemas: Schemas) -> bool:
    """Check the members of CreateSolution; returns whether its trainings search for hyperparameters or a recipe.

    Raises InvalidInput, ResourceNotFound.
    """
    if "recipeArn" in request and request.get("performAutoML"):
        raise InvalidInput("recipeArn and performAutoML exclude each other: AutoML chooses the recipe.")
    specs, config = candidates(request), request.get("solutionConfig", {})
    for spec in specs:
        check_recipe(spec, request)
        check_config(spec, config, automatic=request.get("performAutoTraining", True))
        _check_objective(schemas, spec, config)
        check_training_data(schemas, spec, config)
    return search_of(specs, request) is not None


def check_recipe(spec: RecipeSpec, request: Json) -> None:
    """Check that a solution may have a recipe. Raises InvalidInput."""
    if spec.domain:
        raise InvalidInput(f"{spec.name} is a domain use case: it is for recommenders, not for solutions.")
    if spec.retired:
        raise InvalidInput(f"{spec.name} is retired: new solutions take aws-user-personalization or its -v2.")
    if request.get("performIncrementalUpdate") and spec.family != "semantic":
        raise InvalidInput("performIncrementalUpdate is for aws-semantic-similarity only.")


def check_datasets(spec: RecipeSpec, schemas: Schemas, group: str) -> None:
    """Check that a dataset group, `group` in messages, has what a recipe learns from. Raises InvalidInput."""
    needed = _NEEDED.get(spec.family, "INTERACTIONS")
    if needed not in schemas:
        raise InvalidInput(f"{group} has no {needed.capitalize()} dataset to train from.")
    schema = schemas[needed]
    if needed == "ITEMS" and not (schema.marked("textual") and schema.marked("item_name")):
        raise InvalidInput(
            "aws-semantic-similarity needs an Items schema with a textual field and a string field with itemName."
        )


def check_config(spec: RecipeSpec, config: Json, *, automatic: bool) -> None:
    """Check a configuration for a recipe. Raises InvalidInput."""
    check_parameters(config, "algorithmHyperParameters", spec.hyperparameters, spec.name)
    check_parameters(config, "featureTransformationParameters", spec.feature_parameters, spec.name)
    if "eventsConfig" in config and not spec.events_config:
        raise InvalidInput(f"{spec.name} takes no eventsConfig: it is for the -v2 recipes.")
    if "autoTrainingConfig" in config:
        if not automatic:
            raise InvalidInput("autoTrainingConfig needs performAutoTraining.")
        days = re.search(r"\d+", config["autoTrainingConfig"].get("schedulingExpression") or "rate(7 days)")
        if days is None or not 1 <= int(days[0]) <= 30:
            raise InvalidInput("schedulingExpression is rate(1 day) to rate(30 days).")
    if threshold := config.get("eventValueThreshold"):
        try:
            float(threshold)
        except ValueError:
            raise InvalidInput(f"eventValueThreshold is a number, not {threshold}.") from None


def _check_objective(schemas: Schemas, spec: RecipeSpec, config: Json) -> None:
    """Check an `optimizationObjective` against a recipe and the Items schema of a dataset group.

    The rules are those of the guide's "Optimizing a solution for an additional objective". Raises InvalidInput.
    """
    objective = config.get("optimizationObjective")
    if objective is None:
        return
    if not spec.objectives:
        raise InvalidInput(
            f"{spec.name} takes no optimizationObjective: it is for aws-user-personalization and "
            "aws-personalized-ranking."
        )
    if "itemAttribute" not in objective:
        raise InvalidInput("optimizationObjective needs an itemAttribute.")
    schema, name = schemas.get("ITEMS"), objective["itemAttribute"]
    if schema is None:
        raise InvalidInput("optimizationObjective needs an Items dataset, which the dataset group doesn't have.")
    column = next((field for field in schema.fields if field.name == name), None)
    if column is None:
        raise InvalidInput(f"The Items dataset has no column {name} for the optimizationObjective.")
    if not column.numeric or column.nullable:
        kind = f"{column.type}{' or null' if column.nullable else ''}"
        raise InvalidInput(f"itemAttribute {name} is {kind} in the schema: it must be numeric, and never null.")


def check_training_data(schemas: Schemas, spec: RecipeSpec, config: Json) -> None:
    """Check a `trainingDataConfig` against a recipe and the schemas of a dataset group.

    The rules are those of the guide's "Configuring columns used when training". Raises InvalidInput.
    """
    chosen = config.get("trainingDataConfig", {})
    if not any(chosen.values()):
        return
    if spec.recipe_type == "PERSONALIZED_ACTIONS":
        raise InvalidInput(f"{spec.name} takes no trainingDataConfig: it is for items and segments of users.")
    if all(chosen.get(member) for member in ("excludedDatasetColumns", "includedDatasetColumns")):
        raise InvalidInput("trainingDataConfig has excludedDatasetColumns or includedDatasetColumns, not both.")
    for member, datasets in chosen.items():
        kinds_named = [name.upper() for name in datasets]
        for name, columns in datasets.items():
            kind = name.upper()
            if kind not in {"INTERACTIONS", "ITEMS", "USERS"}:
                raise InvalidInput(f"{member} names dataset {name}: it is Interactions, Items or Users.")
            if kinds_named.count(kind) > 1:
                raise InvalidInput(f"{member} names dataset {kind} more than once.")
            if kind not in schemas:
                raise InvalidInput(f"{member} names dataset {name}, which the dataset group doesn't have.")
            if unknown := [column for column in columns if column not in schemas[kind].names]:
                raise InvalidInput(f"{member}: the {name} dataset has no column {unknown[0]}.")
            if member == "includedDatasetColumns":
                _check_included(name, columns)
            else:
                _check_excluded(spec, name, schemas[kind], columns)


def _check_included(dataset: str, columns: Sequence[str]) -> None:
    if not columns:
        raise InvalidInput(f"includedDatasetColumns includes no column of {dataset}: name at least one.")
    if _NEVER_TRAINED in columns:
        raise InvalidInput(f"{_NEVER_TRAINED} cannot be included in training.")


def _check_excluded(spec: RecipeSpec, dataset: str, schema: Schema, columns: Sequence[str]) -> None:
    texts = {field.name for field in schema.fields if field.textual or field.item_name}
    needed = _ALWAYS_TRAINED | (texts if spec.family == "semantic" else frozenset())
    if refused := [column for column in columns if column in needed]:
        raise InvalidInput(f"Column {refused[0]} of {dataset} cannot be excluded from training with {spec.name}.")


def config_of(
    solution: Json,
    schemas: Schemas,
    *,
    tier: str,
    minimums: tuple[int, int],
    present: Mapping[str, Collection[str]] | None = None,
) -> TrainingConfig:
    """Return the settings of a training, from the members of a solution.

    `tier`: that of solutions which name none; `minimums`: the fewest interactions, and users with two interactions
    each; `present`: as of `excluded_columns`.
    """
    config = solution.get("solutionConfig", {})
    threshold = config.get("eventValueThreshold")
    events = config.get("eventsConfig", {}).get("eventParametersList", [])
    objective = config.get("optimizationObjective")
    return TrainingConfig(
        minimum_interactions=minimums[0],
        minimum_users=minimums[1],
        event_type=solution.get("eventType"),
        event_value_threshold=float(threshold) if threshold else None,
        hyperparameters={
            "tier": tier,
            **config.get("algorithmHyperParameters", {}),
            **config.get("featureTransformationParameters", {}),
        },
        events=tuple(
            EventParameters(event.get("eventType", ""), event.get("eventValueThreshold"), event.get("weight"))
            for event in events
        ),
        excluded_columns=excluded_columns(schemas, config, present),
        objective=objective and Objective(objective["itemAttribute"], objective.get("objectiveSensitivity", "OFF")),
        search=search_of(candidates(solution), solution),
    )


def excluded_columns(
    schemas: Schemas, config: Json, present: Mapping[str, Collection[str]] | None = None
) -> dict[str, frozenset[str]]:
    """Return the columns that must not train, by dataset type, from a configuration with a `trainingDataConfig`.

    Columns that are newer than the solution are among them: `present` has those that its schemas had then.
    """
    data_config = config.get("trainingDataConfig", {})
    excluded = {kind.upper(): set(columns) for kind, columns in data_config.get("excludedDatasetColumns", {}).items()}
    for kind, columns in data_config.get("includedDatasetColumns", {}).items():
        if kind.upper() in schemas:
            rest = set(schemas[kind.upper()].names) - set(columns)
            excluded.setdefault(kind.upper(), set()).update(rest)
    for kind, columns in (present or {}).items():
        if kind in schemas:
            excluded.setdefault(kind, set()).update(set(schemas[kind].names) - set(columns))
    return {kind: frozenset(columns) for kind, columns in excluded.items()}
