# SPDX-License-Identifier: Apache-2.0
"""Semantic-Similarity: planted subjects come out of the items' texts, through campaigns and batch jobs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.config import TrainingConfig
from personalize_local.recipes.loading import load
from personalize_local.recipes.training import train
from personalize_local.recipes.updating import updated
from personalize_local.wire.errors import TrainingRefused

from engine.tests import shop_data
from engine.tests.harness import Argument, Aws, Engine
from engine.tests.names import ROLE
from engine.tests.planted import BEGIN, SUBJECT_ITEMS, SUBJECTS, subject_rows

RECIPE = "aws-semantic-similarity"


def world(rows: list[tuple[str, str, str, float]]) -> Snapshot:
    ids, names, texts, days = (np.array(column, object) for column in zip(*rows, strict=True))
    taken = np.repeat(np.arange(len(rows), dtype=np.int32), np.arange(len(rows)) % SUBJECT_ITEMS)
    return Snapshot(
        users=np.array(["u"], object),
        items=ids,
        user_index=np.zeros(len(taken), np.int32),
        item_index=taken,
        timestamps=np.arange(len(taken)) + BEGIN,
        event_type=np.full(len(taken), -1, np.int16),
        event_types=(),
        event_values=np.full(len(taken), np.nan, np.float32),
        item_columns={"CREATION_TIMESTAMP": BEGIN + 86_400.0 * days.astype(np.float64)},
        item_texts={"name": names, "description": texts},
    )


@pytest.fixture(scope="module")
def model() -> Model:
    return train(RECIPE, world(subject_rows()), TrainingConfig()).model


def subjects(model: Model, item: str, limit: int = SUBJECT_ITEMS - 1, **influence: float) -> list[str]:
    recommended = model.recommend(Query(item_id=item, influence=influence), None, limit)
    return [scored.item_id.partition("-")[0] for scored in recommended]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_items_of_the_same_subject_come_first(model: Model, subject: str) -> None:
    right = [subjects(model, f"{subject}-{n}").count(subject) for n in range(SUBJECT_ITEMS)]
    assert np.mean(right) > 0.95 * (SUBJECT_ITEMS - 1)


def test_subjects_that_share_words_are_the_next_nearest(model: Model) -> None:
    beyond = [subjects(model, f"shelter-{n}", SUBJECT_ITEMS + 3)[SUBJECT_ITEMS - 1 :] for n in range(SUBJECT_ITEMS)]
    assert sum(listed.count("boots") for listed in beyond) > 2 * sum(listed.count("tea") for listed in beyond)


def test_the_item_itself_is_left_out_and_strangers_are_popular(model: Model) -> None:
    assert "tea-3" not in [scored.item_id for scored in model.recommend(Query(item_id="tea-3"), None, 100)]
    popular = model.recommend(Query(item_id="unknown"), None, 4)
    assert {scored.item_id.partition("-")[2] for scored in popular} == {str(SUBJECT_ITEMS - 1)}


@pytest.mark.parametrize("influence", ["POPULARITY", "FRESHNESS"])
def test_influences_reorder_what_is_alike(model: Model, influence: str) -> None:
    def numbers(**weights: float) -> float:
        recommended = model.recommend(Query(item_id="tea-3", influence=weights), None, 5)
        assert all(scored.item_id.startswith("tea") for scored in recommended)
        return float(np.mean([int(scored.item_id.partition("-")[2]) for scored in recommended]))

    assert numbers() < numbers(**{influence: 1.0})


def test_a_saved_model_answers_alike(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    query = Query(item_id="boots-3")
    assert load(tmp_path / "model").recommend(query, None, 9) == model.recommend(query, None, 9)


def test_an_update_takes_new_texts_in(model: Model) -> None:
    rows = [*subject_rows(), ("new", "Espresso", "dark coffee beans", 30.0)]
    newer = updated(model, world(rows), TrainingConfig())
    assert subjects(newer, "new", 5) == ["coffee"] * 5
    assert "new" in [scored.item_id for scored in newer.recommend(Query(item_id="coffee-2"), None, SUBJECT_ITEMS)]


def test_nothing_to_compare_ends_the_training() -> None:
    empty: list[tuple[str, str, str, float]] = [(f"i{n}", "", "", 1.0) for n in range(30)]
    with pytest.raises(TrainingRefused, match="No item has a name or a description"):
        train(RECIPE, world(empty), TrainingConfig())
    apart: list[tuple[str, str, str, float]] = [(f"i{n}", chr(97 + n) * 3, "", 1.0) for n in range(9)]
    alike: list[tuple[str, str, str, float]] = [(f"i{n}", "tea", "green tea", 1.0) for n in range(9)]
    for rows in (apart, alike):
        with pytest.raises(TrainingRefused, match="each is in one text only, or in all"):
            train(RECIPE, world(rows), TrainingConfig())


FIELDS: list[dict[str, Any]] = [
    {"name": "ITEM_ID", "type": "string"},
    {"name": "NAME", "type": "string", "itemName": True},
    {"name": "TEXT", "type": ["null", "string"], "textual": True},
    {"name": "DAY", "type": "float"},
]


def items_schema(*fields: dict[str, Any]) -> str:
    head = {"type": "record", "name": "Items", "namespace": "com.amazonaws.personalize.schema", "version": "1.0"}
    return json.dumps(head | {"fields": list(fields)})


@pytest.fixture(scope="module")
def reading(engine: Engine) -> tuple[Aws, str, str]:
    """Clients, a dataset group with items only, and a version trained on their texts."""
    aws = Aws(engine, "ap-northeast-1")
    shop_data.write_csv(engine.s3_root / "reading" / "items.csv", [field["name"] for field in FIELDS], subject_rows())
    group = aws.group("reading")
    schema = aws.control.create_schema(name="reading", schema=items_schema(*FIELDS))["schemaArn"]
    made = aws.control.create_dataset(name="items", schemaArn=schema, datasetGroupArn=group, datasetType="Items")
    aws.imported(made["datasetArn"], "s3://reading/items.csv", "reading")
    return aws, group, aws.version(aws.solution(group, RECIPE, performAutoTraining=False))


def test_campaigns_and_batch_jobs_answer_from_texts(reading: tuple[Aws, str, str]) -> None:
    aws, _, version = reading
    metrics = aws.control.get_solution_metrics(solutionVersionArn=version)["metrics"]
    assert metrics["average_similarity_at_25"] > 0
    campaign = aws.campaign(version, "reading")
    recommended = aws.runtime.get_recommendations(
        campaignArn=campaign, itemId="coffee-1", numResults=5, metadataColumns={"ITEMS": ["NAME"]}
    )["itemList"]
    assert all(item["metadata"]["NAME"].startswith("Coffee") for item in recommended)
    assert all("score" not in item for item in recommended)
    folder = aws.engine.s3_root / "reading"
    (folder / "asked.json").write_text('{"itemId": "coffee-1"}\n')
    job = aws.control.create_batch_inference_job(
        jobName="reading",
        solutionVersionArn=version,
        numResults=5,
        jobInput={"s3DataSource": {"path": "s3://reading/asked.json"}},
        jobOutput={"s3DataDestination": {"path": "s3://reading/answers/"}},
        roleArn=ROLE,
    )["batchInferenceJobArn"]
    aws.settle("BatchInferenceJob", job)
    answer = json.loads((folder / "answers/asked.json.out").read_text())
    assert answer["output"] == {"recommendedItems": [item["itemId"] for item in recommended]}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"rankingInfluence": {"POPULARITY": 0.5}}, "needs an Interactions dataset"),
        ({"rankingInfluence": {"FRESHNESS": 0.5}}, "needs CREATION_TIMESTAMP"),
    ],
)
def test_influences_need_their_data(reading: tuple[Aws, str, str], config: Argument, words: str) -> None:
    aws, _, version = reading
    with pytest.raises(aws.control.exceptions.InvalidInputException, match=words):
        aws.campaign(version, "influenced", campaignConfig=config)


@pytest.mark.parametrize("left_out", ["NAME", "TEXT"])
def test_items_without_a_name_or_a_text_are_refused(aws: Aws, left_out: str) -> None:
    group = aws.group()
    solution = aws.solution(group, RECIPE, performAutoTraining=False, performIncrementalUpdate=True)
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="has no Items dataset"):
        aws.version(solution)
    fields = [field for field in FIELDS if field["name"] != left_out]
    schema = aws.control.create_schema(name="items", schema=items_schema(*fields))["schemaArn"]
    aws.control.create_dataset(name="items", schemaArn=schema, datasetGroupArn=group, datasetType="Items")
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="textual field and a string field with"):
        aws.version(solution)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([{**FIELDS[3], "itemName": True}], "only a string field can be the itemName"),
        ([FIELDS[1], {**FIELDS[1], "name": "OTHER"}], "NAME, OTHER are each the itemName"),
    ],
)
def test_one_string_names_the_item(aws: Aws, fields: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException, match=words):
        aws.control.create_schema(name="items", schema=items_schema(FIELDS[0], *fields, FIELDS[2]))
