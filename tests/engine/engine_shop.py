# SPDX-License-Identifier: Apache-2.0
"""A small shop on the engine, whose calls are answered in the process of the test."""

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.errors import Missing
from personalization.engine import (
    answering,
    backend,
    campaigns,
    deleting,
    describing,
    erasing,
    files,
    importing,
    recording,
    training,
)
from personalization.engine.container import Container, container
from personalization.engine.streamed import Streams

from tests.handlers.samples import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize.literals import ImportModeType
    from mypy_boto3_s3 import S3Client

    from tests.handlers.fakes import FakePersonalize

ARN = "arn:aws:engine:us-east-1:123456789012"
GROUP = f"{ARN}:dataset-group/retail-engine"
RECIPE = "arn:aws:personalize:::recipe/aws-"
STORE = files.Store(clients.s3, environment.bucket)
STREAMS = Streams(STORE, environment.live_table)
TABLES = (
    describing.OPERATIONS,
    importing.operations(STORE),
    training.operations(STREAMS),
    campaigns.OPERATIONS,
    deleting.operations(STORE),
    answering.operations(answering.Sources(STORE, environment.live_table, 30.0, 0.0)),
    recording.operations(environment.live_table),
    erasing.operations(STREAMS),
)
ITEMS = 40
FIELDS: dict[str, list[dict[str, object]]] = {
    "INTERACTIONS": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
        {"name": "EVENT_TYPE", "type": "string"},
    ],
    "ITEMS": [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "GENRE", "type": ["null", "string"], "categorical": True},
    ],
}


@pytest.fixture(scope="module")
def engine(aws: "FakePersonalize") -> "PersonalizeClient":
    """A control plane all of whose calls the engine answers, in an account without any of its resources."""
    assert not aws.operations()
    container.cache_clear()  # it knows what was put in the account before, by the same names
    backend.connect(clients.dynamodb, environment, *TABLES)
    return clients.engine()


@pytest.fixture(scope="module")
def shop(engine: "PersonalizeClient", _bucket: "S3Client") -> "PersonalizeClient":
    """A dataset group with interactions, items and a filter."""
    engine.create_dataset_group(name="retail-engine")
    for kind, text in (("INTERACTIONS", interactions(1200)), ("ITEMS", items())):
        imported(engine, kind, text, "first")
    engine.create_event_tracker(name="retail-engine-events", datasetGroupArn=GROUP)
    expression = 'INCLUDE ItemID WHERE Items.GENRE IN ("g1")'
    engine.create_filter(name="retail-engine-g1", datasetGroupArn=GROUP, filterExpression=expression)
    return engine


def interactions(rows: int, start: int = 0) -> str:
    """A history of 60 users, in which each item is followed by the one after it."""
    chance = random.Random(7)  # noqa: S311 - rows
    lines = [["USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"]]
    for row in range(start, start + rows):
        item = (chance.randrange(ITEMS // 2) + row) % ITEMS
        lines.append([f"u{row % 60}", f"i{item}", str(1_700_000_000 + row * 60), "Purchase"])
    return written(lines)


def items() -> str:
    return written([["ITEM_ID", "GENRE"], *([f"i{item}", f"g{item % 4}"] for item in range(ITEMS))])


def written(lines: list[list[str]]) -> str:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(lines)
    return target.getvalue()


def imported(engine: "PersonalizeClient", kind: str, text: str, job: str, mode: "ImportModeType" = "FULL") -> str:
    """Import a file, into a dataset that is made where there is none; return the job's ARN."""
    name, dataset = f"retail-{kind.lower()}", f"{ARN}:dataset/retail-engine/{kind}"
    namespace = "com.amazonaws.personalize.schema"
    schema = {"type": "record", "name": kind.title(), "namespace": namespace, "fields": FIELDS[kind], "version": "1.0"}
    try:
        engine.describe_dataset(datasetArn=dataset)
    except Missing:
        engine.create_schema(name=name, schema=json.dumps(schema))
        engine.create_dataset(name=name, schemaArn=f"{ARN}:schema/{name}", datasetGroupArn=GROUP, datasetType=kind)
    clients.s3().put_object(Bucket=BUCKET, Key=f"imports/engine/{job}/{kind}/part-0.csv", Body=text.encode())
    return engine.create_dataset_import_job(
        jobName=f"{name}-{job}",
        datasetArn=dataset,
        dataSource={"dataLocation": f"s3://{BUCKET}/imports/engine/{job}/{kind}/"},
        roleArn="arn:aws:iam::123456789012:role/personalize",
        importMode=mode,
    )["datasetImportJobArn"]


def trained(engine: "PersonalizeClient", recipe: str, version: str = "v1") -> str:
    """Train a recipe, whose solution is made where there is none; return the version's ARN."""
    name = f"retail-engine-{recipe}"
    solution = f"{ARN}:solution/{name}"
    try:
        engine.describe_solution(solutionArn=solution)
    except Missing:
        engine.create_solution(name=name, datasetGroupArn=GROUP, recipeArn=f"{RECIPE}{recipe}")
    return engine.create_solution_version(name=f"{name}-{version}", solutionArn=solution)["solutionVersionArn"]


@pytest.fixture(scope="module")
def campaign(shop: "PersonalizeClient") -> str:
    version = trained(shop, "similar-items")
    return shop.create_campaign(name="retail-engine-similar", solutionVersionArn=version)["campaignArn"]


def account(clock: Callable[[], float]) -> backend.Account:
    return backend.Account(
        dynamodb=clients.dynamodb, table=environment.table, names=environment.engine_names, clock=clock
    )


def containing(folder: Path, clock: Callable[[], float]) -> Container:
    return Container(account(clock), STORE, folder)


def wait_for(here: Container, campaign: str) -> None:
    """Wait until a look at a campaign has ended."""
    fetch = here._campaigns[campaign].fetch
    assert fetch is not None
    fetch.join(30.0)
