# SPDX-License-Identifier: Apache-2.0
"""An optimization objective beside relevance: planted prices, and what a solution may ask for."""

import numpy as np
import pytest
from botocore.exceptions import ClientError
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes import offline_metrics
from personalize_local.recipes.common.rows import training_rows
from personalize_local.recipes.config import Objective, TrainingConfig
from personalize_local.recipes.training import train
from personalize_local.recipes.user_personalization.training import SharedCounts
from personalize_local.wire.errors import TrainingRefused

from engine.tests.harness import Argument, Aws
from engine.tests.planted import BEGIN, Row, snapshot
from engine.tests.shop import Shop
from engine.tests.shop_data import avro

USER, RANKING = "aws-user-personalization", "aws-personalized-ranking"
LEVELS = ("OFF", "LOW", "MEDIUM", "HIGH")
FAST = {"tier": "fast"}
TASTES, ITEMS = 4, 160
GAIN = "normalized_discounted_cumulative_gain_at_25"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Users of four tastes walk through the items of theirs; prices are drawn at random."""
    random = np.random.default_rng(5)
    rows: list[Row] = []
    for user in range(300):
        steps = random.integers(1, 4, 14).cumsum()
        rows += [
            (f"u{user}", f"i{user % TASTES + TASTES * int(step % (ITEMS / TASTES))}", BEGIN + 9000 * position, "View")
            for position, step in enumerate(steps.tolist())
        ]
    prices = random.permutation(ITEMS) + 1.0
    items = [(f"i{n}", "odd" if n % 2 else "even", float(prices[n])) for n in range(ITEMS)]
    return snapshot(tmp_path_factory.mktemp("market"), rows, items=items)


def test_sensitivity_buys_price_with_relevance(market: Snapshot) -> None:
    shared, price = SharedCounts(), dict(zip(market.items, market.item_columns["PRICE"], strict=True))
    plain = train(USER, market, TrainingConfig(hyperparameters=FAST), shared)
    rows = training_rows(market, TrainingConfig())
    questions = offline_metrics.questions(market, rows, offline_metrics.held_out_users(market))
    mean, gain = {}, {}
    for level in LEVELS:
        config = TrainingConfig(hyperparameters=FAST, objective=Objective("PRICE", level))  # type: ignore[arg-type]
        trained = train(USER, market, config, shared)
        answers = [trained.model.recommend(query, None, 25) for query, _ in questions]
        mean[level] = np.mean([price[scored.item_id] for answer in answers for scored in answer])
        gain[level] = trained.metrics[GAIN]
        assert 0 < trained.metrics["average_rewards_at_k"] <= 1
        if level == "OFF":
            assert answers == [plain.model.recommend(query, None, 25) for query, _ in questions]
            assert trained.metrics | plain.metrics == trained.metrics
    assert "average_rewards_at_k" not in plain.metrics
    assert mean["OFF"] < mean["LOW"] < mean["MEDIUM"] < mean["HIGH"]
    assert gain["LOW"] > 0.9 * gain["OFF"] > gain["HIGH"]


def test_rewards_are_the_share_in_the_most_rewarding_items() -> None:
    rewards = {f"i{n}": float(n) for n in range(100)}
    answer = [f"i{n}" for n in range(100)]
    answers = [(answer, {"i90", "i10"}), (answer, {"i99"}), (answer, {"elsewhere"})]
    assert offline_metrics.average_rewards(answers, rewards) == 0.95


def test_a_column_that_went_away_ends_the_training(market: Snapshot) -> None:
    config = TrainingConfig(hyperparameters=FAST, objective=Objective("WEIGHT", "LOW"))
    with pytest.raises(TrainingRefused, match="no numeric column WEIGHT"):
        train(USER, market, config)


def asking(attribute: str, level: str = "HIGH") -> dict[str, Argument]:
    return {
        "solutionConfig": {
            "algorithmHyperParameters": FAST,
            "optimizationObjective": {"itemAttribute": attribute, "objectiveSensitivity": level},
        }
    }


def test_a_ranking_serves_its_objective(shop: Shop) -> None:
    solution = shop.aws.solution(shop.group, RANKING, name="dear", performAutoTraining=False, **asking("PRICE"))
    config = shop.aws.control.describe_solution(solutionArn=solution)["solution"]["solutionConfig"]
    assert config["optimizationObjective"] == {"itemAttribute": "PRICE", "objectiveSensitivity": "HIGH"}
    version = shop.aws.version(solution)
    assert "average_rewards_at_k" in shop.aws.control.get_solution_metrics(solutionVersionArn=version)["metrics"]
    dear = shop.aws.campaign(version, "dear")

    def first(campaign: str, user: str) -> str:
        items = ["i1", "i39", "unknown"]
        answer = shop.aws.runtime.get_personalized_ranking(campaignArn=campaign, userId=user, inputList=items)
        return answer["personalizedRanking"][0]["itemId"]

    plain = shop.campaigns[RANKING]
    assert [first(plain, "u2"), first(plain, "u3")] == ["i1", "i39"]
    assert first(dear, "stranger") == "i39"
    shop.aws.delete("Campaign", dear)
    shop.aws.delete("Solution", solution)


@pytest.mark.parametrize(
    ("recipe", "attribute", "words"),
    [
        ("aws-user-personalization-v2", "PRICE", "aws-personalized-ranking"),
        ("aws-similar-items", "PRICE", "takes no optimizationObjective"),
        (USER, "WEIGHT", "has no column WEIGHT"),
        (USER, "CATEGORY_L1", "must be numeric"),
        (USER, "", "needs an itemAttribute"),
    ],
)
def test_objectives_that_are_refused(shop: Shop, recipe: str, attribute: str, words: str) -> None:
    named = {"itemAttribute": attribute} if attribute else {}
    options: dict[str, Argument] = {"solutionConfig": {"optimizationObjective": named}}
    with pytest.raises(ClientError, match=words) as refused:
        shop.aws.begin_solution(shop.group, recipe, name="refused", **options)
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"


def test_the_column_is_in_the_items_and_never_null(aws: Aws) -> None:
    group = aws.group()
    aws.dataset(group, "Interactions")
    with pytest.raises(ClientError, match="needs an Items dataset"):
        aws.begin_solution(group, USER, **asking("PRICE"))
    fields = avro("Items", {"name": "WEIGHT", "type": ["null", "float"]})
    schema = aws.control.create_schema(name="weighed", schema=fields)["schemaArn"]
    aws.control.create_dataset(name="items", schemaArn=schema, datasetGroupArn=group, datasetType="Items")
    with pytest.raises(ClientError, match="WEIGHT is float or null"):
        aws.begin_solution(group, USER, **asking("WEIGHT"))
