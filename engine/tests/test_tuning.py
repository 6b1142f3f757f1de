# SPDX-License-Identifier: Apache-2.0
"""The search for hyperparameters and for a recipe: what was planted wins, and what AWS refuses is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from personalize_local.data import arrays
from personalize_local.data.records import Interaction
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes import tuning
from personalize_local.recipes.base import Query
from personalize_local.recipes.common.rows import training_rows
from personalize_local.recipes.config import Range, Search, TrainingConfig
from personalize_local.recipes.definitions import RECIPES
from personalize_local.recipes.ltr.trees import Rankers
from personalize_local.recipes.training import train
from personalize_local.recipes.user_personalization.training import Decisions, PersonalTrainer, SharedCounts

from engine.tests.harness import Argument, Aws
from engine.tests.names import RECIPE
from engine.tests.planted import BEGIN, Row, snapshot
from engine.tests.shop import Shop

USER, USER_V2, SIMS, SIMILAR = (
    "aws-user-personalization",
    "aws-user-personalization-v2",
    "aws-sims",
    "aws-similar-items",
)
POPULAR = "aws-popularity-count"
GAIN = "normalized_discounted_cumulative_gain_at_25"
MASK = Range("recency_mask", "categorical", values=("true", "false"))
BPTT = Range("bptt", "integer", 2, 32)


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Everybody walks in a circle and often jumps: only the newest interaction tells what comes next."""
    random = np.random.default_rng(9)
    rows: list[Row] = []
    for user in range(120):
        item = int(random.integers(90))
        for step in range(20):
            item = (item + 1) % 90 if random.random() < 0.6 else int(random.integers(90))
            rows.append((f"u{user}", f"i{item}", BEGIN + step * 3600 + user, "View"))
    items = [(f"i{n}", f"part {n // 10}", 1.0) for n in range(90)]
    return snapshot(tmp_path_factory.mktemp("drifting"), rows, items=items)


def searching(*ranges: Range, recipe: str = USER, trials: int = 8) -> TrainingConfig:
    return TrainingConfig(hyperparameters={"tier": "fast"}, search=Search({recipe: ranges}, trials, GAIN))


def test_few_combinations_are_all_tried_and_the_given_values_first() -> None:
    ranges = (Range("bptt", "integer", 2, 4), MASK)
    candidates = tuning.candidates(ranges, {"bptt": "32", "recency_mask": "True"}, 8)
    assert candidates[0] == {"bptt": "4", "recency_mask": "true"}
    assert len(candidates) == len({tuple(values.items()) for values in candidates}) == 6


def test_large_spaces_are_sampled_evenly_within_their_ranges() -> None:
    ranges = (BPTT, Range("discount", "continuous", 0.25, 0.5), MASK)
    given = {"bptt": "32", "discount": "0.9", "recency_mask": "False"}
    candidates = tuning.candidates(ranges, given, 12)
    assert candidates == tuning.candidates(ranges, given, 12)
    assert candidates[0] == {"bptt": "32", "discount": "0.5", "recency_mask": "false"}
    assert len(candidates) == 12
    assert all(2 <= int(values["bptt"]) <= 32 and 0.25 <= float(values["discount"]) <= 0.5 for values in candidates)
    assert {values["recency_mask"] for values in candidates} == {"true", "false"}


def test_the_winner_measures_best_and_is_what_trains(drifting: Snapshot) -> None:
    tuned = train(USER, drifting, searching(MASK, BPTT, trials=3))
    assert tuned.tuned is not None
    assert tuned.tuned["hidden_dimension"] == "149"
    assert "tier" not in tuned.tuned
    fixed = train(USER, drifting, TrainingConfig(hyperparameters={"tier": "fast", **tuned.tuned}))
    assert tuned.metrics == fixed.metrics


def test_a_search_may_minimize_and_repeats_itself(drifting: Snapshot) -> None:
    least = Search({USER: (MASK,)}, 2, GAIN, maximize=False)
    searches = (least, Search({USER: (MASK,)}, 2, GAIN), least)
    candidates = [
        train(USER, drifting, TrainingConfig(hyperparameters={"tier": "fast"}, search=search)).tuned
        for search in searches
    ]
    worst, best, again = (tuned or {} for tuned in candidates)
    assert {worst["recency_mask"].lower(), best["recency_mask"].lower()} == {"true", "false"}
    assert worst == again


@pytest.mark.parametrize(
    ("recipe", "parameter", "values"),
    [
        (SIMS, "min_cointeraction_count", ("0", "10")),
        (SIMS, "popularity_discount_factor", ("0", "1")),
        (SIMILAR, "item_id_hidden_dim", ("30", "200")),
        (SIMILAR, "item_metadata_hidden_dim", ("30", "200")),
        (USER, "bptt", ("2", "32")),
    ],
)
def test_every_tunable_parameter_has_an_effect(
    drifting: Snapshot, recipe: str, parameter: str, values: tuple[str, str]
) -> None:
    tier = {"tier": "fast"} if recipe == USER else {}
    models = [train(recipe, drifting, TrainingConfig(hyperparameters={parameter: v, **tier})).model for v in values]
    history = [Interaction(f"i{n}", BEGIN + n) for n in range(0, 80, 9)]
    queries = [Query("u1", f"i{n}", history, exploration={"explorationWeight": 0.0}) for n in range(90)]
    answers = [[model.recommend(query, None, 90) for query in queries] for model in models]
    assert answers[0] != answers[1]


def test_hidden_dimensions_are_those_of_item_vectors(drifting: Snapshot, tmp_path: Path) -> None:
    lengths = {}
    for value in ("32", "149", "256"):
        config = TrainingConfig(hyperparameters={"hidden_dimension": value})
        trainer = PersonalTrainer(drifting, RECIPES[USER], config, SharedCounts())
        trainer.count(training_rows(drifting, config), Decisions(Rankers(), 1.0)).save(tmp_path / value)
        lengths[value] = arrays.load(tmp_path / value)[0]["factors"].shape[1]
    assert lengths == {"32": 10, "149": 48, "256": 82}


def test_automl_keeps_the_best_recipe(drifting: Snapshot) -> None:
    search = Search({POPULAR: (), USER: ()}, 2, GAIN)
    trained = train(POPULAR, drifting, TrainingConfig(hyperparameters={"tier": "fast"}, search=search))
    assert trained.recipe == USER


def hpo(**ranges: Argument) -> dict[str, Argument]:
    """Options of a solution that searches these ranges: a list of categories, or (least, most)."""
    rows: dict[str, list[Argument]] = {}
    for name, values in ranges.items():
        if isinstance(values, list):
            rows.setdefault("categoricalHyperParameterRanges", []).append({"name": name, "values": values})
        else:
            kind = "integer" if isinstance(values[0], int) else "continuous"
            row = {"name": name, "minValue": values[0], "maxValue": values[1]}
            rows.setdefault(f"{kind}HyperParameterRanges", []).append(row)
    config = {"algorithmHyperParameterRanges": rows, "hpoResourceConfig": {"maxNumberOfTrainingJobs": "3"}}
    return {"performHPO": True, "solutionConfig": {"hpoConfig": config}}


def test_hpo_reports_what_it_chose(shop: Shop) -> None:
    solution = shop.aws.solution(
        shop.group, SIMS, name="hpo", performAutoTraining=False, **hpo(min_cointeraction_count=(1, 5))
    )
    assert shop.aws.control.describe_solution(solutionArn=solution)["solution"]["performHPO"] is True
    version = shop.aws.version(solution)
    description = shop.aws.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    chosen = description["tunedHPOParams"]["algorithmHyperParameters"]
    assert 1 <= int(chosen["min_cointeraction_count"]) <= 5
    assert chosen["popularity_discount_factor"] == "0.5"
    shop.aws.delete("Solution", solution)


def test_an_update_keeps_what_the_full_training_chose(shop: Shop) -> None:
    options = hpo(recency_mask=["true", "false"])
    options["solutionConfig"]["algorithmHyperParameters"] = {"tier": "fast", "bptt": "20"}
    solution = shop.aws.solution(shop.group, USER, name="kept", performAutoTraining=False, **options)
    versions = [shop.aws.version(solution, trainingMode=mode) for mode in ("FULL", "UPDATE")]
    tuned = [
        shop.aws.control.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]["tunedHPOParams"]
        for arn in versions
    ]
    assert tuned[0] == tuned[1]
    assert tuned[0]["algorithmHyperParameters"]["bptt"] == "20"
    shop.aws.delete("Solution", solution)


def automl(*recipes: str, **options: Argument) -> dict[str, Argument]:
    config = {"autoMLConfig": {"recipeList": [RECIPE + name for name in recipes], "metricName": GAIN}}
    return {"performAutoML": True, "solutionConfig": config | options}


def test_automl_names_the_recipe_that_it_chose(shop: Shop) -> None:
    made = shop.aws.control.create_solution(
        name="automl", datasetGroupArn=shop.group, performAutoTraining=False, **automl(POPULAR, USER_V2)
    )
    solution = shop.aws.settle("Solution", made["solutionArn"])
    before = shop.aws.control.describe_solution(solutionArn=solution)["solution"]
    assert (before["performAutoML"], before["performHPO"], "recipeArn" in before) == (True, True, False)
    version = shop.aws.version(solution)
    after = shop.aws.control.describe_solution(solutionArn=solution)["solution"]
    chosen = shop.aws.control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert after["autoMLResult"] == {"bestRecipeArn": RECIPE + USER_V2} == {"bestRecipeArn": chosen["recipeArn"]}
    shop.aws.control.update_solution(solutionArn=solution, performAutoTraining=True)
    shop.aws.settled_update("Solution", solution)
    campaign = shop.aws.campaign(version, "automl")
    assert shop.aws.recommended(campaign, userId="u1", numResults=3)
    shop.aws.delete("Campaign", campaign)
    shop.aws.delete("Solution", solution)


@pytest.mark.parametrize(
    ("recipe", "options", "words"),
    [
        (USER_V2, {"performHPO": True}, "no hyperparameters that HPO can tune"),
        (POPULAR, {"performHPO": True}, "no hyperparameters"),
        ("aws-trending-now", {"performHPO": True}, "no hyperparameters"),
        ("aws-item-affinity", hpo(hidden_dimension=(32, 64)), "not tunable"),
        (SIMILAR, hpo(popularity_discount_factor=(0.0, 0.5)), "not tunable"),
        (SIMS, hpo(bptt=(2, 9)), "Provide a hyperparameter that is used in the algorithm: .*aws-sims, not bptt"),
        (USER, hpo(bptt=(2, 33)), "within 2 and 32"),
        (USER, hpo(bptt=(9, 8)), "minValue first"),
        (USER, hpo(bptt=(2.0, 9.0)), "its range is not continuous"),
        (USER, hpo(recency_mask=["perhaps"]), "out of True, False"),
        (USER, hpo(**{"bptt": (2, 9), "training.bptt": (2, 8)}), "bptt more than once"),
    ],
)
def test_searches_that_are_refused(aws: Aws, recipe: str, options: dict[str, Argument], words: str) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException, match=words):
        aws.begin_solution(aws.group(), recipe, **options)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"hpoResourceConfig": {"maxNumberOfTrainingJobs": "41"}}, "maxNumberOfTrainingJobs .* from 1 to 40, not 41"),
        ({"hpoResourceConfig": {"maxParallelTrainingJobs": "many"}}, "maxParallelTrainingJobs .* not many"),
        ({"hpoObjective": {"metricName": "beauty"}}, "metricName beauty"),
        ({"hpoObjective": {"type": "Guess"}}, "Maximize or Minimize"),
    ],
)
def test_search_configurations_that_are_refused(aws: Aws, config: dict[str, Argument], words: str) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException, match=words):
        aws.begin_solution(aws.group(), USER, performHPO=True, solutionConfig={"hpoConfig": config})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recipeArn": RECIPE + USER}, "exclude each other"),
        (automl("aws-sims"), "aws-sims doesn't"),
        (automl("aws-hrnn"), "retired"),
        (automl(USER, USER_V2, algorithmHyperParameters={"bptt": "9"}), "-v2 has no algorithmHyperParameters named"),
        ({"solutionConfig": {"autoMLConfig": {"metricName": "beauty"}}}, "metricName beauty"),
    ],
)
def test_automl_that_is_refused(aws: Aws, options: dict[str, Any], words: str) -> None:
    request: dict[str, Any] = {"performAutoML": True} | options
    with pytest.raises(ClientError, match=words) as refused:
        aws.control.create_solution(name="automl", datasetGroupArn=aws.group(), **request)
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"
