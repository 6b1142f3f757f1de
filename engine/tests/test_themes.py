# SPDX-License-Identifier: Apache-2.0
"""Themes of batch recommendations: planted subjects are named, and what AWS refuses is refused."""

import json
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from personalize_local.data.live import LiveData
from personalize_local.jobs.themes import Themes

from engine.tests.harness import Argument, Aws, Engine
from engine.tests.names import ROLE
from engine.tests.planted import SUBJECT_ITEMS, SUBJECTS, subject_rows
from engine.tests.shop import Shop
from engine.tests.shop_data import columns, write_csv

FIELDS: list[dict[str, Any]] = [
    {"name": "ITEM_ID", "type": "string"},
    {"name": "TITLE", "type": "string"},
    {"name": "DESCRIPTION", "type": "string", "textual": True},
    {"name": "DAY", "type": "float"},
]
NAMED: dict[str, Argument] = {
    "batchInferenceJobMode": "THEME_GENERATION",
    "themeGenerationConfig": {"fieldsForThemeGeneration": {"itemName": "TITLE"}},
}


@pytest.fixture(scope="module")
def catalogue() -> Themes:
    live = LiveData()
    for item, name, text, _ in subject_rows():
        live.put_item(item, {"TITLE": name, "DESCRIPTION": text})
    live.put_item("bare", {})
    ids = np.array([row[0] for row in subject_rows()] + ["bare"], object)
    return Themes(live, ids, ("TITLE", "DESCRIPTION"))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_theme_is_what_the_items_share(catalogue: Themes, subject: str) -> None:
    items = [f"{subject}-{n}" for n in range(6)]
    theme, scored = catalogue.of([*items, "bare"])
    assert set(theme.lower().split(", ")) <= {subject, *SUBJECTS[subject].split()}
    assert theme[0].isupper()
    assert scored[-1] == ("bare", 0.0)
    scores = [score for _, score in scored]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[0] <= 1


def test_strangers_to_the_theme_come_last(catalogue: Themes) -> None:
    theme, scored = catalogue.of(["tea-1", "boots-2", "tea-3", "tea-5", "tea-7"])
    assert "tea" in theme.lower()
    assert scored[-1][0] == "boots-2"


def test_without_a_word_in_common_there_is_no_theme(catalogue: Themes) -> None:
    assert catalogue.of(["bare"]) == ("", [("bare", 0.0)])
    assert catalogue.of([]) == ("", [])


@pytest.fixture(scope="module")
def version(engine: Engine) -> tuple[Aws, str]:
    """A version of Similar-Items in a region that has themes: users look at the items of one subject."""
    aws = Aws(engine, "us-west-2")
    folder = engine.s3_root / "themes"
    names = list(SUBJECTS)
    rows = [
        (
            f"u{user}",
            f"{names[user % len(names)]}-{step * (1 + user % 5) % SUBJECT_ITEMS}",
            "View",
            1.0,
            10**9 + step,
            "phone",
        )
        for user in range(60)
        for step in range(20)
    ]
    write_csv(folder / "interactions.csv", columns("Interactions"), rows)
    write_csv(folder / "items.csv", [field["name"] for field in FIELDS], subject_rows())
    group = aws.group("themes")
    aws.imported(aws.dataset(group, "Interactions"), "s3://themes/interactions.csv", "interactions")
    head = {"type": "record", "name": "Items", "namespace": "com.amazonaws.personalize.schema"}
    schema = aws.control.create_schema(name="items", schema=json.dumps(head | {"fields": FIELDS}))["schemaArn"]
    made = aws.control.create_dataset(name="items", schemaArn=schema, datasetGroupArn=group, datasetType="Items")
    aws.imported(made["datasetArn"], "s3://themes/items.csv", "items")
    return aws, aws.version(aws.solution(group, "aws-similar-items", performAutoTraining=False))


def job(aws: Aws, version: str, name: str, lines: str, **options: Argument) -> str:
    path = aws.engine.s3_root / "themes" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(lines)
    request: dict[str, Argument] = {
        "jobName": name,
        "solutionVersionArn": version,
        "numResults": 5,
        "jobInput": {"s3DataSource": {"path": f"s3://themes/{name}.json"}},
        "jobOutput": {"s3DataDestination": {"path": "s3://themes/answers/"}},
        "roleArn": ROLE,
    }
    return str(aws.control.create_batch_inference_job(**request | options)["batchInferenceJobArn"])


def test_a_job_with_themes_answers_as_the_guide_shows(version: tuple[Aws, str]) -> None:
    aws, arn = version
    made = aws.settle("BatchInferenceJob", job(aws, arn, "ask", '{"itemId": "tea-2"}\n{"itemId": 5}\n', **NAMED))
    description = aws.control.describe_batch_inference_job(batchInferenceJobArn=made)["batchInferenceJob"]
    assert (description["batchInferenceJobMode"], description["themeGenerationConfig"]) == tuple(NAMED.values())
    lines = (aws.engine.s3_root / "themes/answers/ask.json.out").read_text().splitlines()
    answer, wrong = map(json.loads, lines)
    assert list(answer["output"]) == ["recommendedItems", "theme", "itemsThemeRelevanceScores"]
    assert "tea" in answer["output"]["theme"].lower()
    assert len(answer["output"]["recommendedItems"]) == len(answer["output"]["itemsThemeRelevanceScores"]) == 5
    assert wrong["error"].startswith("User error")


def test_a_file_of_more_than_a_hundred_items_fails(version: tuple[Aws, str]) -> None:
    aws, arn = version
    made = job(aws, arn, "many", '{"itemId": "tea-2"}\n' * 101, **NAMED)
    aws.settle("BatchInferenceJob", made, "CREATE FAILED")
    description = aws.control.describe_batch_inference_job(batchInferenceJobArn=made)["batchInferenceJob"]
    assert "more than 100 items" in description["failureReason"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batchInferenceJobMode": "THEME_GENERATION"}, "go together"),
        ({"themeGenerationConfig": NAMED["themeGenerationConfig"]}, "go together"),
        (NAMED | {"themeGenerationConfig": {"fieldsForThemeGeneration": {"itemName": "DAY"}}}, "DAY is not a string"),
        (NAMED | {"themeGenerationConfig": {"fieldsForThemeGeneration": {"itemName": "NONE"}}}, "NONE is not a string"),
    ],
)
def test_themes_that_are_refused(version: tuple[Aws, str], options: dict[str, Argument], words: str) -> None:
    aws, arn = version
    with pytest.raises(aws.control.exceptions.InvalidInputException, match=words):
        job(aws, arn, "refused", "", **options)


@pytest.mark.parametrize(
    ("recipe", "words"), [("aws-similar-items", "not in test-shop"), ("aws-popularity-count", "aws-similar-items only")]
)
def test_themes_are_for_some_regions_and_one_recipe(shop: Shop, recipe: str, words: str) -> None:
    with pytest.raises(ClientError, match=words) as refused:
        job(shop.aws, shop.versions[recipe], "elsewhere", "", **NAMED)
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"
