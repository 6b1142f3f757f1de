# SPDX-License-Identifier: Apache-2.0
"""Batch jobs of the engine, through the clients of the functions: answered part by part, and each line once."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from personalization.batch.plan import Job
from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.errors import Missing, Rejected, RetryLater
from personalization.engine import backend, batches
from personalization.engine.archive import Archive
from personalization.engine.live import LiveTable, LiveUser
from personalization.shop.plan import Resource
from personalization.shop.settings.batch import BatchJob

from functions.answer_batch.app import handler
from functions.count_events.app import handler as count_events
from tests.engine.engine_shop import ARN, GROUP, STREAMS, TABLES, trained
from tests.handlers.samples import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient


pytestmark = pytest.mark.usefixtures("table")
HASTY = batches.Sources(streams=STREAMS, part_bytes=1)
"""A part of a line."""
FOLDER = "exports/engine/mail/run/personalize/"


@pytest.fixture(autouse=True)
def _connected(table: object, shop: "PersonalizeClient") -> None:
    """Calls have time again, whatever the test before made of them."""
    assert table is not shop
    assert shop.list_dataset_groups()["datasetGroups"]
    backend.connect(clients.dynamodb, environment, *TABLES, batches.operations(HASTY))


def job_of(name: str, version: str, *lines: dict[str, str], **more: object) -> dict[str, Any]:
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
    request = job_of("like", version, *({"itemId": item} for item in items_asked), filterArn=chosen)
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


def test_a_call_that_is_killed_or_answers_beside_another_loses_nothing_and_doubles_nothing(
    shop: "PersonalizeClient", popular: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"userId": f"u{n}"} for n in range(5)]
    arn = shop.create_batch_inference_job(**job_of("slow", popular, *lines))["batchInferenceJobArn"]
    s3, stored = clients.s3(), list[str]()
    put = s3.put_object

    def killed(**parameters: Any) -> object:  # noqa: ANN401 - as of put_object
        stored.append(parameters["Key"])
        answer = put(**parameters)
        if len(stored) == 2:
            raise RetryLater("the function", "it was killed")
        return answer

    monkeypatch.setattr(s3, "put_object", killed)
    with pytest.raises(RetryLater):
        shop.describe_batch_inference_job(batchInferenceJobArn=arn)
    # The part that was stored stays, whatever a repetition answers with.
    first_part = s3.get_object(Bucket=BUCKET, Key=stored[1])["Body"].read()
    other = replace(HASTY, part_bytes=1 << 20)
    backend.connect(clients.dynamodb, environment, batches.operations(other))
    assert shop.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]["status"] == "ACTIVE"
    assert s3.get_object(Bucket=BUCKET, Key=stored[1])["Body"].read() == first_part
    assert [row["input"] for row in answers("slow")] == lines
    # What is answered is not answered again.
    before = len(stored)
    shop.describe_batch_inference_job(batchInferenceJobArn=arn)
    assert len(stored) == before == 3


def test_calls_side_by_side_answer_each_line_once_and_in_its_order(shop: "PersonalizeClient", popular: str) -> None:
    # Ids of many lengths: lines begin and end anywhere in the stretches, and some are longer than one.
    lines = [{"userId": "u" * (1 + 17 * n % 40) + str(n)} for n in range(20)]
    arn = shop.create_batch_inference_job(**job_of("beside", popular, *lines))["batchInferenceJobArn"]
    stretches = replace(HASTY, stretches=100, stretch_bytes=32, seconds=0.0)
    # A call without time answers a part of one stretch; each call begins at the other end.
    ends = (lambda left: left[0]), (lambda left: left[-1]), (lambda left: left[len(left) // 2])
    answered: list[int] = []
    for choose in itertools.cycle(ends):
        backend.connect(clients.dynamodb, environment, batches.operations(replace(stretches, choose=choose)))
        job: Any = shop.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]
        if job["status"] == "ACTIVE":
            break
        answered.append(job["answeredBytes"])
    assert answered == sorted(answered)
    assert [row["input"] for row in answers("beside")] == lines


def test_a_call_that_comes_too_late_to_a_part_goes_on_behind_it(
    shop: "PersonalizeClient", popular: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"userId": f"u{n}"} for n in range(4)]
    arn = shop.create_batch_inference_job(**job_of("late", popular, *lines))["batchInferenceJobArn"]
    s3, put, faster = clients.s3(), clients.s3().put_object, [True]

    def beside(**parameters: Any) -> object:  # noqa: ANN401 - as of put_object
        if faster.pop() if faster else False:
            shop.describe_batch_inference_job(batchInferenceJobArn=arn)
        return put(**parameters)

    monkeypatch.setattr(s3, "put_object", beside)
    assert shop.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]["status"] == "ACTIVE"
    assert [row["input"] for row in answers("late")] == lines


def test_users_of_the_next_lines_are_read_while_one_is_answered(
    shop: "PersonalizeClient", popular: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two reads wait for each other: one after the other, they would wait for ever."""
    together, read = threading.Barrier(2, timeout=60), LiveTable.of_user

    def of_user(table: LiveTable, group: str, user: str, cut: int) -> LiveUser:
        if user in {"u0", "u1"}:
            together.wait()
        return read(table, group, user, cut)

    monkeypatch.setattr(LiveTable, "of_user", of_user)
    lines = [{"userId": f"u{n}"} for n in range(2)]
    arn = shop.create_batch_inference_job(**job_of("ahead", popular, *lines))["batchInferenceJobArn"]
    backend.connect(clients.dynamodb, environment, batches.operations(replace(HASTY, part_bytes=1 << 20)))
    assert shop.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]["status"] == "ACTIVE"
    assert [row["input"] for row in answers("ahead")] == lines


def test_the_machine_goes_on_at_once_while_a_job_gets_on(popular: str) -> None:
    job = Job(
        name="steps", shop="engine", run="run", release="run", kind="lists", settings=BatchJob(items=5),
        resource=Resource(name="steps", arn=f"{ARN}:batch-inference-job/steps"), solution_version_arn=popular,
    )  # fmt: skip
    lines = [{"userId": f"u{n}"} for n in range(3)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    clients.s3().put_object(Bucket=BUCKET, Key=job.input_key, Body=text.encode())
    backend.connect(clients.dynamodb, environment, batches.operations(replace(HASTY, seconds=0.0)))
    steps: list[dict[str, Any]] = [{"made": {}}]
    while not steps[-1].get("ready"):
        steps.append(handler({"step": "answer", "job": job.as_json(), "made": steps[-1]["made"]}, None))
    # The first call makes the job.
    assert [step.get("more", False) for step in steps[1:]] == [False, True, True, False]
    rows = clients.s3().list_objects_v2(Bucket=BUCKET, Prefix=job.output)["Contents"]
    assert len(rows) == 3


def test_lists_know_what_users_did_and_what_was_put_since_the_training_as_the_campaign_does(
    shop: "PersonalizeClient",
) -> None:
    version = trained(shop, "user-personalization")
    campaign = shop.create_campaign(name="retail-engine-taste", solutionVersionArn=version)["campaignArn"]
    chosen = f"{ARN}:filter/retail-engine-g1"
    users = ["u1", "newcomer", "nobody"]

    def listed(name: str) -> list[list[str]]:
        arn = shop.create_batch_inference_job(
            **job_of(name, version, *({"userId": user} for user in users), filterArn=chosen)
        )["batchInferenceJobArn"]
        shop.describe_batch_inference_job(batchInferenceJobArn=arn)
        lists = [row["output"]["recommendedItems"] for row in answers(name)]
        for user, items_listed in zip(users, lists, strict=True):
            answer = clients.runtime().get_recommendations(
                campaignArn=campaign, userId=user, numResults=5, filterArn=chosen
            )
            assert items_listed == [item["itemId"] for item in answer["itemList"]]
        return lists

    before = listed("morning")
    events: Any = [{"eventType": "Purchase", "itemId": f"i{n}", "sentAt": 1_700_100_000} for n in (9, 13, 17)]
    for user in ("newcomer", *(f"fan{n}" for n in range(100))):
        clients.events().put_events(trackingId="engine:retail-engine", userId=user, sessionId=user, eventList=events)
    stored = clients.dynamodb().scan(TableName=environment.live_table())["Items"]
    count_events(
        {
            "Records": [
                {"eventID": str(number), "eventName": "INSERT", "dynamodb": {"NewImage": image}}
                for number, image in enumerate(stored)
            ]
        },
        None,
    )
    dataset = f"{ARN}:dataset/retail-engine/ITEMS"
    clients.events().put_items(datasetArn=dataset, items=[{"itemId": before[2][0], "properties": '{"genre": "g2"}'}])
    after = listed("evening")
    assert all(before[2][0] not in items_listed for items_listed in after)
    assert after[1] != after[2]
    assert after[2] != before[2][1:]
    assert set(after[2]) & {"i9", "i13", "i17"}


def test_a_table_that_does_not_answer_is_asked_again(
    shop: "PersonalizeClient", popular: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = shop.create_batch_inference_job(**job_of("outage", popular, {"userId": "u1"}))["batchInferenceJobArn"]
    with monkeypatch.context() as outage:
        outage.setattr(LiveTable, "page", refused)
        with pytest.raises(RetryLater, match="throttled"):
            shop.describe_batch_inference_job(batchInferenceJobArn=arn)
    assert not list(answers("outage"))
    assert shop.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]["status"] == "ACTIVE"
    assert len(list(answers("outage"))) == 1


def refused(_table: LiveTable, partition: str, _start: str) -> object:
    raise RetryLater(partition, "throttled")


def test_jobs_that_cannot_be_are_refused(shop: "PersonalizeClient", popular: str) -> None:
    themes: dict[str, Any] = {
        "batchInferenceJobMode": "THEME_GENERATION",
        "themeGenerationConfig": {"fieldsForThemeGeneration": {"itemName": "NAME"}},
    }
    with pytest.raises(Rejected, match="Themes are not for jobs of the library"):
        shop.create_batch_inference_job(**job_of("themes", popular, {"userId": "u1"}, **themes))
    with pytest.raises(Rejected, match="is not for batch segment jobs"):
        shop.create_batch_segment_job(**job_of("segment", popular, {"itemId": "i1"}))
    config: Any = {"itemExplorationConfig": {"explorationWeight": "0.3"}}
    with pytest.raises(Rejected, match="itemExplorationConfig"):
        shop.create_batch_inference_job(**job_of("explore", popular, {"userId": "u1"}, batchInferenceJobConfig=config))


def segmented(shop: "PersonalizeClient", version: str, name: str) -> list[str]:
    """The users of a segment of an item."""
    request = job_of(name, version, {"itemId": "i3"}, numResults=60)
    arn = shop.create_batch_segment_job(**request)["batchSegmentJobArn"]
    shop.describe_batch_segment_job(batchSegmentJobArn=arn)
    (answer,) = answers(name)
    return list(answer["output"]["usersList"])


def test_no_segment_has_a_user_who_was_erased_since_the_training(shop: "PersonalizeClient") -> None:
    version = trained(shop, "item-affinity")
    first, *others = segmented(shop, version, "before")
    Archive(clients.s3(), BUCKET, "engine").forget({first}, int(time.time()) + 60)
    assert segmented(shop, version, "after") == others


def test_models_that_name_users_go_with_an_erasure_and_are_trained_anew(shop: "PersonalizeClient") -> None:
    models = "engine/engine/models/retail-engine-item-affinity/"
    trained(shop, "item-affinity", "named")
    first = segmented(shop, trained(shop, "item-affinity", "named-again"), "named")[0]
    clients.s3().put_object(Bucket=BUCKET, Key="erasures/engine/batch.csv", Body=f"USER_ID\n{first}\n".encode())
    shop.create_data_deletion_job(
        jobName="retail-engine-leaving",
        datasetGroupArn=GROUP,
        dataSource={"dataLocation": f"s3://{BUCKET}/erasures/engine/batch.csv"},
        roleArn="arn:aws:iam::123456789012:role/personalize",
    )
    assert not clients.s3().list_objects_v2(Bucket=BUCKET, Prefix=models).get("Contents")
    assert first not in segmented(shop, trained(shop, "item-affinity", "named"), "anew")


def test_records_of_jobs_go_with_their_dataset_group(shop: "PersonalizeClient", popular: str) -> None:
    arn = shop.create_batch_inference_job(**job_of("last", popular, {"userId": "u1"}))["batchInferenceJobArn"]
    for solution in shop.list_solutions(datasetGroupArn=GROUP)["solutions"]:
        for campaign in shop.list_campaigns(solutionArn=solution["solutionArn"])["campaigns"]:
            shop.delete_campaign(campaignArn=campaign["campaignArn"])
        shop.delete_solution(solutionArn=solution["solutionArn"])
    for chosen in shop.list_filters(datasetGroupArn=GROUP)["Filters"]:
        shop.delete_filter(filterArn=chosen["filterArn"])
    for tracker in shop.list_event_trackers(datasetGroupArn=GROUP)["eventTrackers"]:
        shop.delete_event_tracker(eventTrackerArn=tracker["eventTrackerArn"])
    for dataset in shop.list_datasets(datasetGroupArn=GROUP)["datasets"]:
        shop.delete_dataset(datasetArn=dataset["datasetArn"])
    shop.delete_dataset_group(datasetGroupArn=GROUP)
    with pytest.raises(Missing):
        shop.describe_batch_inference_job(batchInferenceJobArn=arn)
