# SPDX-License-Identifier: Apache-2.0
"""The engine as a backend, through the clients of the functions: what AWS's API does, done in the account."""

import errno
import json
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core import environment
from personalization.core.aws import clients, objects
from personalization.core.errors import Broken, Missing, PersonalizationError, Rejected, RetryLater
from personalization.engine import (
    backend,
    files,
    records,
)
from personalization.engine.container import container
from personalization.engine.live import LiveTable
from personalization.personalize import removal
from personalization.shop.records import release_store
from personalization.shop.records.release import FALLBACK, HISTORY, ReleaseRecord, Served
from personalize_local import library

from functions.count_events.app import handler as count_events
from tests.engine.engine_shop import (
    ARN,
    FIELDS,
    GROUP,
    ITEMS,
    RECIPE,
    STORE,
    containing,
    imported,
    interactions,
    items,
    trained,
    wait_for,
    written,
)
from tests.handlers.samples import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient

    from tests.handlers.fakes import FakePersonalize

KINDS = {"DatasetGroup": "dataset-group"}
"""How ARNs spell kinds of resources, where it is not the same in lower case."""

pytestmark = pytest.mark.usefixtures("table")


def test_a_table_a_model_and_a_campaign_make_answers(shop: "PersonalizeClient", campaign: str) -> None:
    answer = clients.runtime().get_recommendations(campaignArn=campaign, itemId="i3", userId="u1", numResults=5)
    assert len({item["itemId"] for item in answer["itemList"]} - {"i3"}) == 5
    chosen = clients.runtime().get_recommendations(
        campaignArn=campaign, itemId="i3", userId="u1", numResults=5, filterArn=f"{ARN}:filter/retail-engine-g1"
    )
    assert {int(item["itemId"][1:]) % 4 for item in chosen["itemList"]} == {1}
    version = shop.describe_campaign(campaignArn=campaign)["campaign"]["solutionVersionArn"]
    assert set(shop.get_solution_metrics(solutionVersionArn=version)["metrics"]) >= {"coverage"}


def misfits(shape: Any, value: Any) -> Iterator[str]:  # noqa: ANN401 - a shape of botocore, and what it is about
    """Yield the members whose values are not of the types that boto3 gives."""
    if shape.type_name == "structure":
        for name, inner in shape.members.items():
            yield from misfits(inner, value[name]) if name in value else ()
    elif shape.type_name == "list":
        for part in value:
            yield from misfits(shape.member, part)
    elif shape.type_name == "timestamp" and not isinstance(value, datetime):
        yield shape.name


@pytest.mark.parametrize(
    ("kind", "name"),
    [("DatasetGroup", ""), ("Dataset", "/ITEMS"), ("Filter", "-g1"), ("Solution", "-similar-items"), ("Campaign", "")],
)
def test_what_is_described_has_times_as_boto3_gives_them(
    shop: "PersonalizeClient", campaign: str, kind: str, name: str
) -> None:
    version = shop.describe_campaign(campaignArn=campaign)["campaign"]["solutionVersionArn"]
    shop.update_campaign(campaignArn=campaign, solutionVersionArn=version)
    member = f"{kind[0].lower()}{kind[1:]}Arn"
    arn = campaign if kind == "Campaign" else f"{ARN}:{KINDS.get(kind, kind.lower())}/retail-engine{name}"
    described = shop._make_api_call(f"Describe{kind}", {member: arn})  # type: ignore[attr-defined]
    shape = shop.meta.service_model.operation_model(f"Describe{kind}").output_shape
    assert list(misfits(shape, described)) == []


@pytest.fixture(scope="module")
def unbought(shop: "PersonalizeClient", campaign: str) -> Callable[[str, int], list[str]]:
    """Return recommendations for a user, so many, without what they bought."""
    assert campaign
    version = trained(shop, "user-personalization")
    personal = shop.create_campaign(name="retail-engine-personal", solutionVersionArn=version)["campaignArn"]
    expression = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")'
    bought = shop.create_filter(name="retail-engine-bought", datasetGroupArn=GROUP, filterExpression=expression)

    def listed(user: str, limit: int) -> list[str]:
        answer = clients.runtime().get_recommendations(
            campaignArn=personal, userId=user, numResults=limit, filterArn=bought["filterArn"]
        )
        return [item["itemId"] for item in answer["itemList"]]

    return listed


def test_an_acknowledged_event_is_in_the_next_answer_and_counts_for_filters(
    unbought: Callable[[str, int], list[str]],
) -> None:
    before = unbought("newcomer", 5)
    event: Any = {"eventType": "Purchase", "itemId": before[0], "sentAt": 1_700_100_000, "eventId": "e1"}
    for _ in range(2):
        clients.events().put_events(
            trackingId="engine:retail-engine", userId="newcomer", sessionId="s1", eventList=[event]
        )
    after = unbought("newcomer", 5)
    assert before[0] not in after
    assert after != before[1:]
    assert len(after) == 5


def test_what_all_do_is_in_the_lists_of_strangers(unbought: Callable[[str, int], list[str]]) -> None:
    before = unbought("stranger", ITEMS)
    last = before[-1]
    event: Any = {"eventType": "Purchase", "itemId": last, "sentAt": 1_700_100_000}
    for user in range(300):
        clients.events().put_events(
            trackingId="engine:retail-engine", userId=f"fan{user}", sessionId=f"f{user}", eventList=[event]
        )
    assert unbought("stranger", ITEMS) == before
    stored = clients.dynamodb().scan(TableName=environment.live_table())["Items"]
    records = [
        {"eventID": str(number), "eventName": "INSERT", "dynamodb": {"NewImage": image}}
        for number, image in enumerate(stored)
    ]
    for _ in range(2):
        count_events({"Records": records}, None)
    assert unbought("stranger", 1) == [last]


def test_the_log_says_once_in_two_minutes_that_counts_and_put_items_are_old(
    campaign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Throttled(LiveTable):
        def page(self, partition: str, start: str) -> Any:  # noqa: ANN401 - it answers never
            raise RetryLater(partition, f"throttled from {start} on")

    now = time.time()
    here, table = containing(tmp_path, lambda: now), Throttled(clients.dynamodb(), environment.live_table())
    answering_version = here.answering(campaign, 30.0)
    for _ in range(3):
        here.changes(table, answering_version, 60.0)
        now += 50
    assert capsys.readouterr().out.count("more than two minutes old") == 1


def test_a_put_item_is_in_the_filters_of_answers(shop: "PersonalizeClient", campaign: str) -> None:
    def chosen() -> set[str]:
        answer = clients.runtime().get_recommendations(
            campaignArn=campaign, itemId="i3", numResults=40, filterArn=f"{ARN}:filter/retail-engine-g1"
        )
        return {item["itemId"] for item in answer["itemList"]}

    assert shop.list_campaigns(solutionArn=f"{ARN}:solution/retail-engine-similar-items")["campaigns"]
    before = chosen()
    assert "i2" not in before
    dataset = f"{ARN}:dataset/retail-engine/ITEMS"
    clients.events().put_items(datasetArn=dataset, items=[{"itemId": "i2", "properties": '{"genre": "g1"}'}])
    assert chosen() == before | {"i2"}


def test_a_training_knows_the_events_and_items_that_came_beside_imports(shop: "PersonalizeClient") -> None:
    now = int(time.time())
    rows = [[f"u{row}", "fresh", "View", str(now), "", "", "", f"retail-engine/{now}"] for row in range(200)]
    header = ["USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP", "EVENT_VALUE", "RECOMMENDATION_ID", "IMPRESSION"]
    beside = ["STREAMED_TO", "SESSION_ID", "EVENT_ID", "PROPERTIES", "LIST_ID", "VISITOR"]
    lines = [[*header, *beside], *([*row, "s", f"e{number}", "", "", ""] for number, row in enumerate(rows))]
    copy = f"events/engine/{datetime.fromtimestamp(now, UTC):%Y/%m/%d}/120000-1.csv"
    clients.s3().put_object(Bucket=BUCKET, Key=copy, Body=written(lines).encode())
    dataset = f"{ARN}:dataset/retail-engine/ITEMS"
    clients.events().put_items(datasetArn=dataset, items=[{"itemId": "fresh", "properties": '{"genre": "g1"}'}])
    version = trained(shop, "popularity-count")
    popular = shop.create_campaign(name="retail-engine-popular", solutionVersionArn=version)["campaignArn"]
    answer = clients.runtime().get_recommendations(campaignArn=popular, userId="u1", numResults=1)
    assert [item["itemId"] for item in answer["itemList"]] == ["fresh"]


def test_an_erased_user_is_in_no_table_and_no_answer_also_when_the_erasure_was_killed(
    shop: "PersonalizeClient", unbought: Callable[[str, int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    event: Any = {"eventType": "View", "itemId": "i1", "sentAt": 1_700_100_000, "eventId": "gone"}
    clients.events().put_events(trackingId="engine:retail-engine", userId="u7", sessionId="s7", eventList=[event])
    assert len(unbought("u7", 50)) < ITEMS
    clients.s3().put_object(Bucket=BUCKET, Key="erasures/engine/job.csv", Body=b"USER_ID\nu7\nstranger\n")
    job: Any = {
        "jobName": "retail-engine-erase",
        "datasetGroupArn": GROUP,
        "dataSource": {"dataLocation": f"s3://{BUCKET}/erasures/engine/job.csv"},
        "roleArn": "arn:aws:iam::123456789012:role/personalize",
    }
    with monkeypatch.context() as killed:
        killed.setattr(files, "delete", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            shop.create_data_deletion_job(**job)
    assert not shop.list_data_deletion_jobs(datasetGroupArn=GROUP)["dataDeletionJobs"]
    arn = shop.create_data_deletion_job(**job)["dataDeletionJobArn"]
    described = shop.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
    assert described["status"] == "COMPLETED"
    (listed,) = shop.list_data_deletion_jobs(datasetGroupArn=GROUP)["dataDeletionJobs"]
    assert listed["jobName"] == "retail-engine-erase"
    with pytest.raises(PersonalizationError, match="ResourceAlreadyExistsException"):
        shop.create_data_deletion_job(**job)
    assert len(unbought("u7", 50)) >= ITEMS
    keys = [listed["Key"] for listed in clients.s3().list_objects_v2(Bucket=BUCKET, Prefix="engine/")["Contents"]]
    tables = {key.split("/")[4] for key in keys if key.startswith("engine/engine/tables/INTERACTIONS/")}
    assert tables == {"retail-engine-erase"}


def test_events_for_nobody_are_refused(shop: "PersonalizeClient") -> None:
    assert shop.list_dataset_groups()["datasetGroups"]
    event: Any = {"eventType": "View", "itemId": "i1", "sentAt": 1_700_100_000}
    with pytest.raises(Rejected, match="does not exist"):
        clients.events().put_events(trackingId="engine:retail-other", sessionId="s1", eventList=[event])


@pytest.mark.usefixtures("campaign")
def test_what_is_made_twice_is_refused_and_made_once(shop: "PersonalizeClient") -> None:
    solution = f"{ARN}:solution/retail-engine-similar-items"
    before = shop.list_solution_versions(solutionArn=solution)["solutionVersions"]
    arn = before[0]["solutionVersionArn"]
    repetitions: list[Callable[[], object]] = [
        lambda: trained(shop, "similar-items"),
        lambda: imported(shop, "ITEMS", items(), "first"),
        lambda: shop.create_campaign(name="retail-engine-similar", solutionVersionArn=arn),
    ]
    for again in repetitions:
        with pytest.raises(PersonalizationError, match="ResourceAlreadyExistsException"):
            again()
    assert shop.list_solution_versions(solutionArn=solution)["solutionVersions"] == before


def test_an_import_that_is_killed_before_its_record_adds_its_rows_once(
    shop: "PersonalizeClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(shop, "INTERACTIONS", interactions(1200), "again")
    rows = interactions(1000, start=2000)
    with monkeypatch.context() as killed:
        killed.setattr(records, "replace", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            imported(shop, "INTERACTIONS", rows, "more", "INCREMENTAL")
    job = imported(shop, "INTERACTIONS", rows, "more", "INCREMENTAL")
    assert shop.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]["status"] == "ACTIVE"
    folder = f"engine/engine/tables/INTERACTIONS/{job.rpartition('/')[2]}/"
    facts = json.loads(clients.s3().get_object(Bucket=BUCKET, Key=f"{folder}facts.json")["Body"].read())
    assert facts["rows"] == 2200


def erased(engine: "PersonalizeClient", job: str, user: str) -> None:
    """Delete a user by a job of this name."""
    key = f"erasures/engine/{job}.csv"
    clients.s3().put_object(Bucket=BUCKET, Key=key, Body=f"USER_ID\n{user}\n".encode())
    engine.create_data_deletion_job(
        jobName=job,
        datasetGroupArn=GROUP,
        dataSource={"dataLocation": f"s3://{BUCKET}/{key}"},
        roleArn="arn:aws:iam::123456789012:role/personalize",
    )


OVERTAKING: dict[str, tuple[Callable[["PersonalizeClient"], object], int]] = {
    "import": (
        lambda engine: imported(engine, "INTERACTIONS", interactions(1000, start=4000), "faster", "INCREMENTAL"),
        3200,
    ),
    "erasure": (lambda engine: erased(engine, "retail-engine-new", "somebody"), 2200),
}
"""What may end while a function imports whose run was stopped, and the rows that are there after both. The table has
nobody of the erasure, who may be in what is imported."""


@pytest.mark.parametrize("case", OVERTAKING)
def test_an_import_that_is_overtaken_begins_again_with_what_is_there_then(
    shop: "PersonalizeClient", monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    act, expected = OVERTAKING[case]
    imported(shop, "INTERACTIONS", interactions(1200), f"before-{case}")
    upload, rows, slow = files.upload, interactions(1000, start=2000), f"slower-{case}"

    def overtaken(store: files.Store, folder: str, source: Path) -> None:
        upload(store, folder, source)
        monkeypatch.setattr(files, "upload", upload)
        act(shop)

    monkeypatch.setattr(files, "upload", overtaken)
    with pytest.raises(RetryLater, match="meanwhile"):
        imported(shop, "INTERACTIONS", rows, slow, "INCREMENTAL")
    imported(shop, "INTERACTIONS", rows, slow, "INCREMENTAL")
    folder = f"engine/engine/tables/INTERACTIONS/retail-interactions-{slow}/"
    facts = json.loads(clients.s3().get_object(Bucket=BUCKET, Key=f"{folder}facts.json")["Body"].read())
    assert facts["rows"] == expected


def test_tables_that_later_imports_replaced_do_not_pile_up(shop: "PersonalizeClient") -> None:
    for job in ("second", "third", "fourth"):
        imported(shop, "ITEMS", items(), job)
    stored = clients.s3().list_objects_v2(Bucket=BUCKET, Prefix="engine/engine/tables/ITEMS/")["Contents"]
    assert {content["Key"].split("/")[4] for content in stored} == {"retail-items-third", "retail-items-fourth"}


def test_a_change_of_the_schema_that_an_import_overtakes_leaves_its_table(
    shop: "PersonalizeClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, replace = f"{ARN}:dataset/retail-engine/ITEMS", records.replace
    schema = shop.describe_dataset(datasetArn=dataset)["dataset"]["schemaArn"]

    def overtaken(*change: Any) -> bool:  # noqa: ANN401 - whatever it is called with
        monkeypatch.setattr(records, "replace", replace)
        imported(shop, "ITEMS", items(), "between")
        return replace(*change)

    monkeypatch.setattr(records, "replace", overtaken)
    with pytest.raises(RetryLater, match="meanwhile"):
        shop.update_dataset(datasetArn=dataset, schemaArn=schema)
    shop.update_dataset(datasetArn=dataset, schemaArn=schema)
    after = records.Records(clients.dynamodb, environment.table).get("dataset", dataset)
    assert after
    assert after["_folder"].endswith("/retail-items-between/")


def test_a_dataset_takes_no_schema_that_aws_would_refuse_and_new_columns_that_allow_null(
    shop: "PersonalizeClient",
) -> None:
    head = {"type": "record", "name": "Items", "namespace": "com.amazonaws.personalize.schema", "version": "1.0"}
    brand: dict[str, object] = {"name": "BRAND", "type": ["null", "string"], "categorical": True}
    wished: dict[str, list[dict[str, object]]] = {
        "without-genre": [FIELDS["ITEMS"][0], brand],
        "whole-brand": [*FIELDS["ITEMS"], brand | {"type": "string"}],
        "brand": [*FIELDS["ITEMS"], brand],
    }
    arns = {
        name: shop.create_schema(name=f"retail-{name}", schema=json.dumps(head | {"fields": fields}))["schemaArn"]
        for name, fields in wished.items()
    }
    dataset, refused = f"{ARN}:dataset/retail-engine/ITEMS", f"{ARN}:schema/retail-interactions"
    for schema, said in {
        arns["without-genre"]: "leaves out field GENRE",
        arns["whole-brand"]: "New field BRAND must allow null",
        refused: "is for INTERACTIONS, not for ITEMS",
    }.items():
        with pytest.raises(Rejected, match=said):
            shop.update_dataset(datasetArn=dataset, schemaArn=schema)
    with pytest.raises(Rejected, match="is for INTERACTIONS, not for USERS"):
        shop.create_dataset(name="retail-users", schemaArn=refused, datasetGroupArn=GROUP, datasetType="USERS")
    shop.update_dataset(datasetArn=dataset, schemaArn=arns["brand"])
    assert shop.describe_dataset(datasetArn=dataset)["dataset"]["schemaArn"] == arns["brand"]
    branded = written([["ITEM_ID", "GENRE", "BRAND"], ["i1", "g1", "x"]])
    job = imported(shop, "ITEMS", branded, "branded", "INCREMENTAL")
    assert shop.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]["status"] == "ACTIVE"
    only = 'INCLUDE ItemID WHERE Items.BRAND IN ("x")'
    chosen = shop.create_filter(name="retail-engine-brand", datasetGroupArn=GROUP, filterExpression=only)["filterArn"]
    version = trained(shop, "popularity-count", "branded")
    popular = shop.create_campaign(name="retail-engine-branded", solutionVersionArn=version)["campaignArn"]
    answer = clients.runtime().get_recommendations(campaignArn=popular, userId="u1", numResults=5, filterArn=chosen)
    assert [item["itemId"] for item in answer["itemList"]] == ["i1"]


def test_rows_that_are_refused_fail_the_job_with_their_reason(shop: "PersonalizeClient") -> None:
    job = imported(shop, "INTERACTIONS", interactions(10), "few")
    described = shop.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]
    assert described["status"] == "CREATE FAILED"
    assert "1000" in described["failureReason"]


@pytest.mark.usefixtures("campaign")
def test_what_others_refer_to_stays(shop: "PersonalizeClient") -> None:
    solution = f"{ARN}:solution/retail-engine-similar-items"
    deletions: list[Callable[[], object]] = [
        lambda: shop.delete_solution(solutionArn=solution),
        lambda: shop.delete_dataset_group(datasetGroupArn=GROUP),
        lambda: shop.delete_schema(schemaArn=f"{ARN}:schema/retail-interactions"),
    ]
    for delete in deletions:
        with pytest.raises(PersonalizationError, match="ResourceInUseException"):
            delete()
    with pytest.raises(Missing):
        shop.delete_filter(filterArn=f"{ARN}:filter/retail-engine-none")


def test_a_removal_that_is_killed_leaves_no_file_to_the_next_one(
    shop: "PersonalizeClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = shop.create_dataset_group(name="retail-leaving")["datasetGroupArn"]
    clients.s3().put_object(Bucket=BUCKET, Key="engine/leaving/events/2026-11-25.jsonl.gz", Body=b"what users did")
    with monkeypatch.context() as killed:
        killed.setattr(objects, "remove", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            removal.remove(shop, leaving)
    assert removal.remove(shop, leaving).left
    assert not clients.s3().list_objects_v2(Bucket=BUCKET, Prefix="engine/leaving/").get("Contents")
    assert not removal.remove(shop, leaving).left


def test_what_the_engine_lacks_is_refused_by_name(shop: "PersonalizeClient") -> None:
    with pytest.raises(Rejected, match="CreateRecommender"):
        shop.create_recommender(name="x", datasetGroupArn=GROUP, recipeArn=f"{RECIPE}ecomm-popular-items-by-views")


@pytest.mark.parametrize("error", [Broken("model", "damaged"), KeyError("shape"), OSError(errno.EIO, "broken")])
def test_what_cannot_be_opened_is_left_alone_for_a_while(
    campaign: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, attempts = [1_900_000_000.0], list[str]()

    def fetched(_disk: files.Disk, folder: str, _but: object = ()) -> Path:
        attempts.append(folder)
        raise error

    monkeypatch.setattr(files.Disk, "fetched", fetched)
    here = containing(tmp_path, lambda: now[0])
    for _ in range(3):
        with pytest.raises((Broken, RetryLater), match=r"damaged|shape|broken"):
            here.answering(campaign, 9.0)
    assert len(attempts) == 1
    now[0] += 21
    with pytest.raises((Broken, RetryLater)):
        here.answering(campaign, 9.0)
    assert len(attempts) == 2


@pytest.mark.parametrize(("code", "forgets"), [(errno.ENOENT, False), (errno.ENOSPC, True)])
def test_only_a_full_disk_forgets_another_campaign(
    shop: "PersonalizeClient",
    campaign: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    code: int,
    forgets: bool,
) -> None:
    version = shop.describe_campaign(campaignArn=campaign)["campaign"]["solutionVersionArn"]
    other = shop.create_campaign(name=f"retail-engine-other-{code}", solutionVersionArn=version)["campaignArn"]
    here = containing(tmp_path, lambda: 1_900_000_000.0)
    here.answering(campaign, 30.0)

    def fetched(*_: object) -> Path:
        raise OSError(code, "trouble")

    monkeypatch.setattr(files.Disk, "fetched", fetched)
    with pytest.raises(RetryLater, match="trouble"):
        here.answering(other, 9.0)
    with pytest.raises(RetryLater) if forgets else nullcontext():
        here.answering(campaign, 9.0)


@pytest.mark.parametrize("role", ["served", "baseline", "baseline-beside"])
def test_models_of_old_versions_go_but_for_those_that_a_release_can_return_to(
    shop: "PersonalizeClient", monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setattr("personalization.engine.training.VERSIONS", 1)
    names = [f"{name}-{role}" for name in ("returned-to", "second", "third")]
    first = trained(shop, "popularity-count", names[0])
    arn, date = f"{ARN}:campaign/retail-engine-popular", "2026-11-30T00:00:00+00:00"
    # The baseline of what the engine answers in the place of Amazon Personalize has no campaign.
    alias, version = ("popularity-count", first) if role == "served" else (f"{FALLBACK}similar-items", f"{arn}/other")
    served = Served(arn=arn, solution_version_arn=version, run="r1", recipe="any", baseline_arn=first)
    # A popularity that serves may be another than that of the recipes' imports.
    popular = {"popularity-count": replace(served, solution_version_arn=f"{arn}/popular", baseline_arn=None)}
    release = ReleaseRecord(
        shop="engine",
        record=f"{HISTORY}{date}",
        run="r1",
        promoted_at=date,
        promoted_by="r1",
        tracking_id="engine:retail-engine",
        dataset_group_arn=GROUP,
        campaigns={alias: served, **(popular if role == "baseline-beside" else {})},
    )
    release_store.put(clients.dynamodb(), environment.table(), release.as_record())
    second, third = (trained(shop, "popularity-count", name) for name in names[1:])
    listed = shop.list_solution_versions(solutionArn=f"{ARN}:solution/retail-engine-popularity-count")
    versions = [version["solutionVersionArn"] for version in listed["solutionVersions"]]
    assert {first, third} <= {*versions}
    assert second not in versions
    for version, there in ((first, True), (second, False)):
        folder = f"engine/engine/models/retail-engine-popularity-count/{version.rpartition('/')[2]}/"
        assert ("Contents" in clients.s3().list_objects_v2(Bucket=BUCKET, Prefix=folder)) == there


@pytest.mark.parametrize(("room", "serves"), [(1 << 30, "later"), (1, "before")])
def test_an_old_model_gives_way_on_a_full_disk_only_to_a_new_one_that_fits(
    shop: "PersonalizeClient",
    campaign: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    room: int,
    serves: str,
) -> None:
    first = shop.describe_campaign(campaignArn=campaign)["campaign"]["solutionVersionArn"]
    versions = {"before": first, "later": trained(shop, "similar-items", f"room-{room}")}
    arn = shop.create_campaign(name=f"retail-engine-room-{room}", solutionVersionArn=first)["campaignArn"]
    now, fetched = [1_900_000_000.0], files.Disk.fetched
    here = containing(tmp_path, lambda: now[0])
    old = weakref.ref(here.answering(arn, 30.0).recommender)

    def full(disk: files.Disk, folder: str, but: Collection[str] = ()) -> Path:
        if old() and not (tmp_path / folder).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return fetched(disk, folder, but)

    monkeypatch.setattr(files.Disk, "fetched", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 40, 0, room))
    shop.update_campaign(campaignArn=arn, solutionVersionArn=versions["later"])
    for _ in range(3):
        now[0] += 61
        with suppress(RetryLater):
            here.answering(arn, 30.0)
        wait_for(here, arn)
    here.answering(arn, 30.0)
    folders = (tmp_path / "engine/engine/models/retail-engine-similar-items").iterdir()
    assert [folder.name for folder in folders] == [versions[serves].rpartition("/")[2]]


def test_a_filter_that_is_made_anew_by_its_name_is_seen_as_a_release_is(
    shop: "PersonalizeClient", campaign: str, tmp_path: Path
) -> None:
    made: Any = {"name": "retail-engine-anew", "datasetGroupArn": GROUP}
    arn = shop.create_filter(**made, filterExpression='INCLUDE ItemID WHERE Items.GENRE IN ("g1")')["filterArn"]
    now = [1_900_000_000.0]
    here = containing(tmp_path, lambda: now[0])
    here.answering(campaign, 30.0)
    first = here.filter(arn)
    shop.delete_filter(filterArn=arn)
    shop.create_filter(**made, filterExpression='INCLUDE ItemID WHERE Items.GENRE IN ("g2")')
    assert here.filter(arn) == first
    now[0] += 21
    here.answering(campaign, 30.0)
    wait_for(here, campaign)
    assert here.filter(arn) != first
    shop.delete_filter(filterArn=arn)
    now[0] += 21
    here.answering(campaign, 30.0)
    wait_for(here, campaign)
    with pytest.raises(library.Refused, match="does not exist"):
        here.filter(arn)


def test_a_look_is_made_within_a_request_after_a_time_without_any(
    campaign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personalization.engine.container.LOOK_SECONDS", 30.0)
    now, order = [1_900_000_000.0], list[str]()
    here = containing(tmp_path, lambda: now[0])
    here.answering(campaign, 30.0)
    looking, goes_on, read = threading.Event(), threading.Event(), records.Records.get

    def get(stored: records.Records, kind: str, arn: str, *, stale: bool = False) -> dict[str, Any] | None:
        looking.set()
        goes_on.wait(30.0)
        order.append("look")
        return read(stored, kind, arn, stale=stale)

    def ask() -> None:
        here.answering(campaign, 30.0)
        order.append("answer")

    monkeypatch.setattr(records.Records, "get", get)
    now[0] += 61
    request = threading.Thread(target=ask)
    request.start()
    looking.wait(30.0)
    request.join(0.1)
    goes_on.set()
    request.join(30.0)
    assert order[0] == "look"
    assert order[-1] == "answer"


def test_a_model_counts_as_old_as_it_is_though_tables_are_newer(
    shop: "PersonalizeClient", campaign: str, tmp_path: Path
) -> None:
    arn = shop.describe_campaign(campaignArn=campaign)["campaign"]["solutionVersionArn"]
    trained_at = shop.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]["creationDateTime"]
    imported(shop, "INTERACTIONS", interactions(1200), "after")
    imported(shop, "ITEMS", items(), "after")
    here = containing(tmp_path, time.time)
    # boto3 reads a time to the microsecond.
    assert here.answering(campaign, 30.0).trained.learned_at <= trained_at.timestamp() + 1e-6


def test_a_process_after_a_crash_has_the_disk_of_the_one_before(
    campaign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "2026/12/02/[$LATEST]1")
    for _ in range(2):
        container.cache_clear()
        here = container(backend.connect(clients.dynamodb, environment), STORE)
        here.answering(campaign, 30.0)
    container.cache_clear()
    assert len(list(tmp_path.glob("engine-*"))) == 1


@pytest.mark.usefixtures("engine")
def test_a_call_about_amazon_personalize_goes_to_it(personalize: "FakePersonalize") -> None:
    arn = "arn:aws:personalize:us-east-1:123456789012:campaign/retail-demo-similar-items"
    with pytest.raises(Missing):
        clients.personalize().describe_campaign(campaignArn=arn)
    assert personalize.operations() == ["DescribeCampaign"]


def test_a_version_that_cannot_be_fetched_leaves_the_one_before_it_answering(
    shop: "PersonalizeClient", campaign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personalization.engine.container.REMEMBER_SECONDS", 0.0)
    before = shop.describe_campaign(campaignArn=campaign)["campaign"]["solutionVersionArn"]

    def listed() -> list[str]:
        answer = clients.runtime().get_recommendations(campaignArn=campaign, itemId="i3", userId="u1", numResults=5)
        return [item["itemId"] for item in answer["itemList"]]

    usual = listed()
    broken = trained(shop, "similar-items", "cut-in-half")
    folder = f"engine/engine/models/retail-engine-similar-items/{broken.rpartition('/')[2]}/"
    clients.s3().delete_object(Bucket=BUCKET, Key=f"{folder}contents.json")
    shop.update_campaign(campaignArn=campaign, solutionVersionArn=broken)
    assert [listed() for _ in range(5)] == [usual] * 5
    shop.update_campaign(campaignArn=campaign, solutionVersionArn=before)
    assert listed() == usual


@pytest.mark.usefixtures("engine")
def test_a_user_whose_id_looks_like_an_arn_of_the_engine_stays_on_amazon_personalize(
    personalize: "FakePersonalize",
) -> None:
    user, event = f"{ARN}:campaign/x", {"eventType": "View", "itemId": "i1", "sentAt": 1_700_100_000}
    arn = "arn:aws:personalize:us-east-1:123456789012:campaign/retail-demo-similar-items"
    calls: list[Callable[[], object]] = [
        lambda: clients.runtime().get_recommendations(campaignArn=arn, userId=user),
        lambda: clients.events().put_events(trackingId="t", sessionId=user, userId=user, eventList=[event]),  # type: ignore[list-item]
    ]
    for call in calls:
        with suppress(PersonalizationError):
            call()
    assert personalize.operations() == ["GetRecommendations", "PutEvents"]
