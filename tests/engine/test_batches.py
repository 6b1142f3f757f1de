# SPDX-License-Identifier: Apache-2.0
"""Batch jobs of the engine, through the clients of the functions: answered part by part, and each line once."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from personalization.batch import answering
from personalization.batch.plan import AnswerRequest, Cursor, Job, Progressed
from personalization.batch.wanted import Clients
from personalization.core import environment
from personalization.core.aws import clients, objects, routing
from personalization.core.environment import Environment
from personalization.core.errors import Rejected, RetryLater
from personalization.core.names import ENGINE
from personalization.engine import backend, batches, describing
from personalization.engine.backend import Account, Engine
from personalization.shop.plan import Resource
from personalization.shop.settings.batch import BatchJob

from tests.engine.test_backend import ARN, GROUP, STREAMS, TABLES, imported, interactions, items, trained
from tests.handlers.samples import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

    from tests.handlers.fakes import FakePersonalize

pytestmark = pytest.mark.usefixtures("table")
HASTY = batches.Sources(streams=STREAMS, part_bytes=1)
"""A part of a line."""
FOLDER = "exports/engine/mail/run/personalize/"


@pytest.fixture(scope="module")
def shop(aws: "FakePersonalize", _bucket: "S3Client") -> "PersonalizeClient":
    """A dataset group, whose jobs are answered in parts of a line."""
    assert not aws.operations()
    backend.connect(clients.dynamodb, environment, *TABLES, batches.operations(HASTY))
    engine = clients.engine()
    engine.create_dataset_group(name="retail-engine")
    for kind, text in (("INTERACTIONS", interactions(1200)), ("ITEMS", items())):
        imported(engine, kind, text, "first")
    engine.create_filter(
        name="retail-engine-g1", datasetGroupArn=GROUP, filterExpression='INCLUDE ItemID WHERE Items.GENRE IN ("g1")'
    )
    return engine


@pytest.fixture(autouse=True)
def _connected(table: object, shop: "PersonalizeClient") -> None:
    """Calls have time again, whatever the test before made of them."""
    assert table is not shop
    assert shop
    backend.connect(clients.dynamodb, environment, *TABLES, batches.operations(HASTY))


def asked(name: str, version: str, *lines: dict[str, str], **more: object) -> dict[str, Any]:
    """The parameters of a job with these lines."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    clients.s3().put_object(Bucket=BUCKET, Key=f"{FOLDER}input/{name}.json", Body=text.encode())
    return {
        "jobName": name,
        "solutionVersionArn": version,
        "numResults": 5,
        "jobInput": {"s3DataSource": {"path": f"s3://{BUCKET}/{FOLDER}input/{name}.json"}},
        "jobOutput": {"s3DataDestination": {"path": f"s3://{BUCKET}/{FOLDER}output/{name}/"}},
        "roleArn": "arn:aws:iam::123456789012:role/personalize",
        **more,
    }


def answers(name: str) -> Iterator[dict[str, Any]]:
    s3 = clients.s3()
    for stored in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{FOLDER}output/{name}/").get("Contents", ()):
        for line in s3.get_object(Bucket=BUCKET, Key=stored["Key"])["Body"].read().splitlines():
            yield json.loads(line)


@pytest.fixture(scope="module")
def popular(shop: "PersonalizeClient") -> str:
    return trained(shop, "popularity-count")


def test_a_job_is_answered_part_by_part_as_the_campaign_answers(shop: "PersonalizeClient") -> None:
    version = trained(shop, "similar-items")
    made = shop.create_campaign(name="retail-engine-like", solutionVersionArn=version, minProvisionedTPS=1)
    items_asked = [f"i{n}" for n in range(4)]
    chosen = f"{ARN}:filter/retail-engine-g1"
    request = asked("like", version, *({"itemId": item} for item in items_asked), filterArn=chosen)
    arn = shop.create_batch_inference_job(**request)["batchInferenceJobArn"]
    job = shop.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]
    assert (job["status"], job["jobName"]) == ("ACTIVE", "like")
    answered = list(answers("like"))
    assert [row["input"]["itemId"] for row in answered] == items_asked
    for row in answered:
        of_campaign = clients.runtime().get_recommendations(
            campaignArn=made["campaignArn"], itemId=row["input"]["itemId"], numResults=5, filterArn=chosen
        )["itemList"]
        assert row["output"]["recommendedItems"] == [item["itemId"] for item in of_campaign]
        assert of_campaign


def test_a_call_that_has_no_more_time_or_is_killed_loses_nothing_and_doubles_nothing(
    shop: "PersonalizeClient", popular: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"userId": f"u{n}"} for n in range(5)]
    arn = shop.create_batch_inference_job(**asked("slow", popular, *lines))["batchInferenceJobArn"]
    stored = objects.put_first
    calls: list[str] = []

    def put(*arguments: Any) -> Mapping[str, str]:  # noqa: ANN401 - as of put_first
        said = stored(*arguments)
        calls.append(arguments[2])
        if len(calls) == 2:
            raise RetryLater("the function", "it was killed")
        return said

    monkeypatch.setattr(objects, "put_first", put)
    with pytest.raises(RetryLater):
        shop.describe_batch_inference_job(batchInferenceJobArn=arn)
    assert status_without_time(shop, arn) == "CREATE IN_PROGRESS"
    assert len(calls) == 2
    backend.connect(clients.dynamodb, environment, batches.operations(HASTY))
    assert shop.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]["status"] == "ACTIVE"
    assert [row["input"] for row in answers("slow")] == lines
    # What is answered is not answered again.
    before = len(calls)
    shop.describe_batch_inference_job(batchInferenceJobArn=arn)
    assert len(calls) == before == 6


def status_without_time(shop: "PersonalizeClient", arn: str) -> str:
    over = batches.Sources(streams=STREAMS, seconds=0.0)
    backend.connect(clients.dynamodb, environment, batches.operations(over))
    return shop.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]["status"]


def test_the_machine_goes_on_at_once_while_a_job_gets_on(shop: "PersonalizeClient", popular: str) -> None:
    job = Job(
        name="steps", shop="engine", run="run", release="run", kind="lists", settings=BatchJob(items=5),
        resource=Resource(name="steps", arn=f"{ARN}:batch-inference-job/steps"), solution_version_arn=popular,
    )  # fmt: skip
    lines = [{"userId": f"u{n}"} for n in range(3)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    clients.s3().put_object(Bucket=BUCKET, Key=job.input_key, Body=text.encode())
    # Each look at the clock takes a second, so that a call has time for one part.
    account = Account(
        dynamodb=clients.dynamodb,
        table=environment.table,
        names=environment.engine_names,
        clock=partial(next, count(1_800_000_000)),
    )
    hasty = replace(HASTY, seconds=2.5)
    routing.connect(ENGINE, Engine(account, {**describing.OPERATIONS, **batches.operations(hasty)}))
    aws, made, told = Clients(shop, clients.s3(), clients.dynamodb()), Cursor(), list[Progressed]()
    while not told or not told[-1].ready:
        request = AnswerRequest(step="answer", job=job, made=made)
        told.append(answering.answer(aws, request, Environment(), datetime.now(UTC)))
        made = told[-1].made
    assert [step.more for step in told[1:-1]] == [True] * len(told[1:-1])
    rows = clients.s3().list_objects_v2(Bucket=BUCKET, Prefix=job.output)["Contents"]
    assert len(rows) == 3


def test_jobs_that_cannot_be_are_refused(shop: "PersonalizeClient", popular: str) -> None:
    themes: dict[str, Any] = {
        "batchInferenceJobMode": "THEME_GENERATION",
        "themeGenerationConfig": {"fieldsForThemeGeneration": {"itemName": "NAME"}},
    }
    with pytest.raises(Rejected, match="Themes are not for jobs of the library"):
        shop.create_batch_inference_job(**asked("themes", popular, {"userId": "u1"}, **themes))
    with pytest.raises(Rejected, match="is not for batch segment jobs"):
        shop.create_batch_segment_job(**asked("segment", popular, {"itemId": "i1"}))
    config: Any = {"itemExplorationConfig": {"explorationWeight": "0.3"}}
    with pytest.raises(Rejected, match="itemExplorationConfig"):
        shop.create_batch_inference_job(**asked("explore", popular, {"userId": "u1"}, batchInferenceJobConfig=config))


def segmented(shop: "PersonalizeClient", version: str, name: str) -> list[str]:
    """The users of a segment of an item."""
    request = asked(name, version, {"itemId": "i3"}, numResults=60)
    arn = shop.create_batch_segment_job(**request)["batchSegmentJobArn"]
    shop.describe_batch_segment_job(batchSegmentJobArn=arn)
    (answer,) = answers(name)
    return list(answer["output"]["usersList"])


def test_no_segment_has_a_user_who_was_erased_since_the_training(shop: "PersonalizeClient") -> None:
    version = trained(shop, "item-affinity")
    segment = segmented(shop, version, "before")
    first, *others = segment
    clients.s3().put_object(Bucket=BUCKET, Key="erasures/engine/batch.csv", Body=f"USER_ID\n{first}\n".encode())
    shop.create_data_deletion_job(
        jobName="retail-engine-leaving",
        datasetGroupArn=GROUP,
        dataSource={"dataLocation": f"s3://{BUCKET}/erasures/engine/batch.csv"},
        roleArn="arn:aws:iam::123456789012:role/personalize",
    )
    segment = segmented(shop, version, "after")
    assert segment == others
