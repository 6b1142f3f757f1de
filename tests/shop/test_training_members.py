# SPDX-License-Identifier: Apache-2.0
"""Every member of CreateSolution is reached by settings, or docs/settings/training.md says why not.

A new botocore that has another member fails here, until somebody decides on it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from personalization.core.errors import Rejected
from personalization.shop.settings.recipes import TRAINABLE, recipe
from personalization.shop.settings.settings import parse
from personalize_local.recipes import definitions

from tests.docs.pages import ROOT

OURS = {"name", "recipeArn", "datasetGroupArn", "performAutoTraining"}
"""What runs decide: names, and that no training begins by itself."""
NOT_OFFERED = {
    "performAutoML",
    "solutionConfig.autoMLConfig",
    "solutionConfig.autoTrainingConfig",
    "solutionConfig.hpoConfig.hpoObjective",
    "tags",
}
"""What the page says is left out, and why."""
EVERYTHING = (
    "training: {user-personalization: {event_type: View, threshold: 1, exclude: {items: [A]}, objective: {column: P}, "
    "parameters: {bptt: 2}, features: {min_user_history_length_percentile: 0.1}, "
    "tune: {ranges: {hidden_dimension: [32, 64], recency_mask: [true]}}}, "
    "personalized-ranking: {include: {users: [B]}}}",
    "generation: v2\nevents: {View: {weight: 1, threshold: 1}}",
    "recipes: [semantic-similarity]\ntraining: {semantic-similarity: {incremental_updates: true}}",
)
FOR_OTHER_RECIPES = {"solutionConfig.hpoConfig.algorithmHyperParameterRanges.continuousHyperParameterRanges"}
"""What none of these recipes takes: sims alone has it."""


def members(shape: Shape | None, path: str = "") -> Iterator[str]:
    """Yield the paths of a request, without names in maps and numbers in lists."""
    if isinstance(shape, StructureShape):
        for name, inner in shape.members.items():
            yield from members(inner, f"{path}.{name}".removeprefix("."))
    elif isinstance(shape, ListShape) and path != "tags":
        yield from members(shape.member, path)
    elif isinstance(shape, MapShape) and isinstance(shape.value, StructureShape):
        yield from members(shape.value, path)
    else:
        yield path


def reached(document: object, path: str = "") -> Iterator[str]:
    if isinstance(document, Mapping) and not path.endswith(("Columns", "Parameters")):
        for name, inner in document.items():
            yield from reached(inner, f"{path}.{name}".removeprefix("."))
    elif isinstance(document, list) and document and isinstance(document[0], Mapping):
        for inner in document:
            yield from reached(inner, path)
    else:
        yield path


def below(paths: set[str], roots: set[str]) -> set[str]:
    return {path for path in paths if any(path == root or path.startswith(f"{root}.") for root in roots)}


def test_every_member_of_a_solution_is_reached_or_left_out_for_a_reason() -> None:
    model = botocore.session.get_session().get_service_model("personalize").operation_model("CreateSolution")
    offered = set(members(model.input_shape))
    got: set[str] = set()
    for text in EVERYTHING:
        settings = parse("settings.yaml", text)
        got |= {path for alias in settings.trained for path in reached(settings.solution_members(alias))}
    got.discard("")
    assert got <= offered
    left = offered - got - OURS - below(offered, NOT_OFFERED) - below(offered, FOR_OTHER_RECIPES)
    assert left == set(), "reach it by a setting, or say in docs/settings/training.md why not"


def test_the_page_says_what_is_left_out() -> None:
    page = (ROOT / "docs/settings/training.md").read_text()
    assert [path for path in NOT_OFFERED if f"`{path.rpartition('.')[2]}`" not in page] == []


@pytest.mark.parametrize("generation", ["v1", "v2"])
@pytest.mark.parametrize("alias", TRAINABLE)
def test_what_settings_take_for_a_recipe_is_what_the_engine_takes(alias: Any, generation: Any) -> None:  # noqa: ANN401
    spec = definitions.RECIPES[recipe(alias, generation)]
    first = "" if generation == "v1" else "generation: v2\n"
    public = {name for name in spec.hyperparameters if name not in {"tier", "deep_minutes"}}
    # What only a search may choose is no parameter on AWS.
    public -= {"item_id_hidden_dim", "item_metadata_hidden_dim"}
    tuned = {name for name, parameter in spec.hyperparameters.items() if parameter.tunable}
    writings = {
        "parameters": ("{parameters: {none: 1}}", public),
        "features": ("{features: {none: 1}}", {*spec.feature_parameters}),
        "tune": ("{tune: {ranges: {none: [1]}}}", tuned),
    }
    for text, names in writings.values():
        with pytest.raises(Rejected, match=r"none: is not a parameter|does not take it|nothing to tune") as refused:
            parse("settings.yaml", f"{first}recipes: [{alias}]\ntraining: {{{alias}: {text}}}")
        told = re.search(r"there are (.*)$", refused.value.reason)
        assert set(told[1].split(", ") if told else []) == names
