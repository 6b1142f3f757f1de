# SPDX-License-Identifier: Apache-2.0
"""Data that leaves: export jobs, users who are deleted, and reports of what events add up to."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.tests.harness import Argument, Aws, Engine, EngineHere
from engine.tests.names import ROLE
from engine.tests.shop import Shop, open_shop
from engine.tests.shop_data import avro, columns, interactions, write_csv

POPULAR, SEGMENTS, UP = "aws-popularity-count", "aws-item-affinity", "aws-user-personalization"
SEEN = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop of this module's own: users are taken out of it, some of them while other jobs are under way."""
    with EngineHere(tmp_path_factory.mktemp("exports"), step_seconds=0.01) as engine:
        yield open_shop(Aws(engine, "here"), [POPULAR])


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def exported(aws: Aws, dataset: str, name: str, mode: str | None = None) -> list[dict[str, str]]:
    more: Argument = {"ingestionMode": mode} if mode else {}
    output: Any = {"s3DataDestination": {"path": f"s3://out/{aws.region}/"}}
    made = aws.control.create_dataset_export_job(
        jobName=name, datasetArn=dataset, roleArn=ROLE, jobOutput=output, **more
    )
    aws.settle("DatasetExportJob", made["datasetExportJobArn"])
    return read(aws.engine.s3_root / f"out/{aws.region}/{name}.csv")


def dataset_of(shop: Shop, kind: str) -> str:
    return shop.group.replace("dataset-group", "dataset") + f"/{kind}"


def test_export_has_what_was_imported_or_streamed(shop: Shop) -> None:
    items = dataset_of(shop, "ITEMS")
    put: Any = [{"itemId": "i1", "properties": '{"price": 9.5, "categoryL1": "odd, \\"very\\""}'}]
    shop.aws.events.put_items(datasetArn=items, items=put)
    assert len(exported(shop.aws, items, "bulk", "BULK")) == 40
    new = {"ITEM_ID": "i1", "PRICE": "9.5", "CATEGORY_L1": 'odd, "very"'}
    assert exported(shop.aws, items, "put") == [new]
    everything = exported(shop.aws, items, "all", "ALL")
    assert len(everything) == 40
    assert [row for row in everything if row["ITEM_ID"] == "i1"] == [new]


def test_export_of_interactions_has_events_with_their_users(shop: Shop) -> None:
    shop.click("i7", user=None, session="s7")
    shop.click("i8", user="u-late", session="s7", impression=["i8", "i9"], properties='{"device": "tv"}')
    rows = exported(shop.aws, dataset_of(shop, "INTERACTIONS"), "events")
    late = [row for row in rows if row["USER_ID"] == "u-late"]
    assert [row["ITEM_ID"] for row in late] == ["i7", "i8"]
    assert [row["DEVICE"] for row in late] == ["", "tv"]
    assert set(late[0]) == set(columns("Interactions"))


def test_export_can_be_imported_again(shop: Shop) -> None:
    exported(shop.aws, dataset_of(shop, "INTERACTIONS"), "again", "BULK")
    shop.aws.imported(dataset_of(shop, "INTERACTIONS"), "s3://out/here/again.csv", "again")


def test_job_tells_why_it_failed(shop: Shop) -> None:
    made = shop.aws.control.create_dataset_export_job(
        jobName="nowhere",
        datasetArn=dataset_of(shop, "ITEMS"),
        roleArn=ROLE,
        jobOutput={"s3DataDestination": {"path": "s3://out/../../etc/"}},
    )
    arn = shop.aws.settle("DatasetExportJob", made["datasetExportJobArn"], "CREATE FAILED")
    job = shop.aws.control.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]
    assert job["failureReason"] == "Invalid S3 output path"
    listed = shop.aws.control.list_dataset_export_jobs(datasetArn=dataset_of(shop, "ITEMS"))["datasetExportJobs"]
    assert "nowhere" in {job["jobName"] for job in listed}


def forget(aws: Aws, group: str, users: list[str], name: str, header: str = "USER_ID") -> dict[str, Any]:
    """A deletion job and what came of it."""
    write_csv(aws.engine.s3_root / f"gone/{name}/deep/users.csv", [header], [[user] for user in users])
    made = aws.control.create_data_deletion_job(
        jobName=name, datasetGroupArn=group, dataSource={"dataLocation": f"s3://gone/{name}/"}, roleArn=ROLE
    )
    arn = made["dataDeletionJobArn"]
    aws.settle("DataDeletionJob", arn, "FAILED" if header != "USER_ID" else "COMPLETED")
    return dict(aws.control.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"])


def test_deleted_users_vanish_everywhere(shop: Shop) -> None:
    aws, campaign = shop.aws, shop.campaigns[POPULAR]
    seen = aws.filter(shop.group, SEEN, "seen")
    segments = aws.version(aws.solution(shop.group, SEGMENTS, performAutoTraining=False))
    shop.click("i30", user=None, session="visit")
    shop.click("i31", user="u2", session="visit")
    assert len(aws.recommended(campaign, userId="u2", numResults=40, filterArn=seen)) < 40
    job = forget(aws, shop.group, ["u2", "u4", "unknown"], "bye")
    assert job["numDeleted"] == 20 + 20 + 2 + 2
    assert len(aws.recommended(campaign, userId="u2", numResults=40, filterArn=seen)) == 40
    rows = exported(aws, dataset_of(shop, "INTERACTIONS"), "after", "ALL")
    rows += exported(aws, dataset_of(shop, "USERS"), "after-users", "ALL")
    assert {"u2", "u4"}.isdisjoint(row["USER_ID"] for row in rows)
    assert {"u2", "u4"}.isdisjoint(segment(aws, segments, "after", '{"itemId": "i2"}')[0]["output"]["usersList"])


def test_a_deletion_job_is_about_one_group_and_takes_items_of_nobody_else_away(aws: Aws, engine: Engine) -> None:
    rows = [*interactions(), *((f"leaver{n}", "theirs", "View", 1.0, 1_600_000_000, "phone") for n in range(30))]
    write_csv(engine.s3_root / aws.region / "a.csv", columns("Interactions"), rows)
    groups = [aws.group("one"), aws.group("other")]
    both = [aws.dataset(group, "Interactions") for group in groups]
    for number, dataset in enumerate(both):
        aws.imported(dataset, f"s3://{aws.region}/a.csv", f"rows-{number}")
    solution = aws.solution(groups[0], POPULAR, performAutoTraining=False)
    campaign = aws.campaign(aws.version(solution))
    assert "theirs" in aws.recommended(campaign, userId="u1", numResults=50)
    leavers = [f"leaver{n}" for n in range(30)]
    for name in ("first", "second"):  # the same input may be used again
        assert forget(aws, groups[0], leavers, name)["numDeleted"] == (30 if name == "first" else 0)
    aws.control.update_campaign(campaignArn=campaign, solutionVersionArn=aws.version(solution))
    aws.settled_update("Campaign", campaign)
    assert "theirs" not in aws.recommended(campaign, userId="u1", numResults=50)
    assert len(exported(aws, both[1], "kept", "ALL")) == len(rows)


def test_the_input_of_a_deletion_job_has_at_most_100_megabytes(aws: Aws, engine: Engine) -> None:
    folder = engine.s3_root / aws.region
    folder.mkdir()
    with (folder / "gone.csv").open("wb") as file:
        file.truncate(100 * 1024 * 1024 + 1)  # takes no room on the disk
    made = aws.control.create_data_deletion_job(
        jobName="large",
        datasetGroupArn=aws.group(),
        roleArn=ROLE,
        dataSource={"dataLocation": f"s3://{aws.region}/gone.csv"},
    )["dataDeletionJobArn"]
    aws.settle("DataDeletionJob", made, "FAILED")
    job = aws.control.describe_data_deletion_job(dataDeletionJobArn=made)["dataDeletionJob"]
    assert "at most 100 MB" in job["failureReason"]


@pytest.mark.parametrize("beside", ["import", "training"])
def test_a_deletion_beside_other_work_deletes_nobody(shop: Shop, beside: str) -> None:
    aws, users = shop.aws, dataset_of(shop, "USERS")
    if beside == "import":
        arn = aws.begin_import(users, "s3://bucket/users.csv", "beside")
    else:
        solution = aws.solution(shop.group, POPULAR, name="beside", performAutoTraining=False)
        arn = aws.control.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    job = forget(aws, shop.group, ["u8"], f"beside-{beside}")
    assert (job["status"], job["numDeleted"]) == ("COMPLETED", 0)
    aws.settle("DatasetImportJob" if beside == "import" else "SolutionVersion", arn)
    assert "u8" in {row["USER_ID"] for row in exported(aws, users, f"beside-{beside}", "ALL")}
    if beside == "training":
        assert forget(aws, shop.group, ["u8"], "alone")["numDeleted"] == 21


def test_what_is_streamed_about_a_user_during_a_deletion_stays(shop: Shop) -> None:
    shop.click("i30", user="u10", session="before")
    write_csv(shop.aws.engine.s3_root / "gone/streamed/users.csv", ["USER_ID"], [["u10"]])
    made = shop.aws.control.create_data_deletion_job(
        jobName="streamed", datasetGroupArn=shop.group, dataSource={"dataLocation": "s3://gone/streamed/"}, roleArn=ROLE
    )
    shop.click("i31", user="u10", session="during")
    shop.aws.settle("DataDeletionJob", made["dataDeletionJobArn"], "COMPLETED")
    rows = exported(shop.aws, dataset_of(shop, "INTERACTIONS"), "streamed", "ALL")
    assert [row["ITEM_ID"] for row in rows if row["USER_ID"] == "u10"] == ["i31"]


TWINS = [
    ("t1", "T1"),
    ("caf\u00e9", "cafe\u0301"),
    ("t\x1cx", "t x"),
    ('t"', "t"),
    ('t\\"', "t\\"),
    ("t,x", "t,"),
    (" t2", "t2"),
]
"""Two users whom one character tells apart."""


def test_of_two_users_whom_one_character_tells_apart_one_is_deleted(shop: Shop) -> None:
    aws, users = shop.aws, dataset_of(shop, "USERS")
    gone, left = zip(*TWINS, strict=True)
    for start, batch in enumerate((gone, left)):
        aws.events.put_users(
            datasetArn=users, users=[{"userId": user, "properties": '{"ageGroup": "x"}'} for user in batch]
        )
        for number, user in enumerate(batch):
            shop.click("i30", user=user, session=f"twin-{start}-{number}")
    folder = aws.engine.s3_root / "gone/twins"
    folder.mkdir(parents=True)
    lines = ['"' + user.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for user in gone]
    # A line of another kind within an id is a part of it: neither u12 nor u14 is asked for.
    (folder / "users.csv").write_text(
        "USER_ID\n" + "".join(lines) + "u12\u2028u14\nu12\x1eu14\n", encoding="utf-8", newline=""
    )
    made = aws.control.create_data_deletion_job(
        jobName="twins", datasetGroupArn=shop.group, dataSource={"dataLocation": "s3://gone/twins/"}, roleArn=ROLE
    )
    aws.settle("DataDeletionJob", made["dataDeletionJobArn"], "COMPLETED")
    for kind in ("INTERACTIONS", "USERS"):
        there = {row["USER_ID"] for row in exported(aws, dataset_of(shop, kind), f"twins-{kind.lower()}", "ALL")}
        assert there.isdisjoint(gone)
        assert {*left, "u12", "u14"} <= there


@pytest.mark.parametrize(
    ("line", "reason"), [('"u6\nu18"', "quotes do not match"), ("u6,u18", "2 values instead of 1")]
)
def test_a_list_whose_rows_are_not_one_id_each_deletes_nobody(shop: Shop, line: str, reason: str) -> None:
    name = f"odd-{len(line)}"
    folder = shop.aws.engine.s3_root / f"gone/{name}"
    folder.mkdir(parents=True)
    (folder / "users.csv").write_text(f"USER_ID\nu16\n{line}\n", newline="")
    made = shop.aws.control.create_data_deletion_job(
        jobName=name, datasetGroupArn=shop.group, dataSource={"dataLocation": f"s3://gone/{name}/"}, roleArn=ROLE
    )
    job = made["dataDeletionJobArn"]
    shop.aws.settle("DataDeletionJob", job, "FAILED")
    told = shop.aws.control.describe_data_deletion_job(dataDeletionJobArn=job)["dataDeletionJob"]
    assert reason in told["failureReason"]
    there = exported(shop.aws, dataset_of(shop, "USERS"), name, "ALL")
    assert {"u6", "u16", "u18"} <= {row["USER_ID"] for row in there}


def segment(aws: Aws, version: str, name: str, lines: str) -> list[dict[str, Any]]:
    (aws.engine.s3_root / "ask").mkdir(exist_ok=True)
    (aws.engine.s3_root / f"ask/{name}.json").write_text(lines)
    made = aws.control.create_batch_segment_job(
        jobName=name,
        solutionVersionArn=version,
        roleArn=ROLE,
        numResults=60,
        jobInput={"s3DataSource": {"path": f"s3://ask/{name}.json"}},
        jobOutput={"s3DataDestination": {"path": "s3://answers/"}},
    )
    aws.settle("BatchSegmentJob", made["batchSegmentJobArn"])
    text = (aws.engine.s3_root / f"answers/{name}.json.out").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_deletion_needs_a_list_of_users(shop: Shop) -> None:
    job = forget(shop.aws, shop.group, ["u6"], "wrong", "NAME")
    assert (job["status"], "single column USER_ID" in job["failureReason"]) == ("FAILED", True)
    names = [
        job["jobName"]
        for page in (shop.aws.control.list_data_deletion_jobs(datasetGroupArn=shop.group),)
        for job in page["dataDeletionJobs"]
    ]
    assert names[0] == "wrong"


def test_deletion_jobs_are_paged_newest_first(shop: Shop) -> None:
    for name in ("p1", "p2", "p3"):
        forget(shop.aws, shop.group, ["nobody"], name)
    first = shop.aws.control.list_data_deletion_jobs(maxResults=2)
    assert [job["jobName"] for job in first["dataDeletionJobs"]] == ["p3", "p2"]
    second = shop.aws.control.list_data_deletion_jobs(maxResults=2, nextToken=first["nextToken"])
    assert second["dataDeletionJobs"][0]["jobName"] == "p1"


METRICS: Any = [
    {"eventType": "View", "metricName": "views", "expression": "SAMPLECOUNT()"},
    {"eventType": "view", "metricName": "worth", "expression": "SUM(Items.price)"},
    {"eventType": "View", "metricName": "value", "expression": "sum(Interactions.EVENT_VALUE)"},
]


def attribution(aws: Aws, group: str, metrics: Argument = METRICS, name: str = "sums") -> str:
    output: Any = {"s3DataDestination": {"path": f"s3://reports/{aws.region}"}, "roleArn": ROLE}
    made = aws.control.create_metric_attribution(
        name=name, datasetGroupArn=group, metrics=metrics, metricsOutputConfig=output
    )
    return aws.settle("MetricAttribution", made["metricAttributionArn"])


def sourced(aws: Aws) -> str:
    """A dataset group whose interactions say which source they are due to."""
    source: Any = {"name": "EVENT_ATTRIBUTION_SOURCE", "type": ["string", "null"]}
    group, schema = (
        aws.group(),
        aws.control.create_schema(name="x", schema=avro("Interactions", source))["schemaArn"],
    )
    made = aws.control.create_dataset(name="x", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")
    aws.settle("Dataset", made["datasetArn"])
    return group


def test_import_publishes_what_its_events_add_up_to(aws: Aws, engine: Engine) -> None:
    group = sourced(aws)
    items = aws.dataset(group, "Items")
    rows: list[Argument] = [(*row, "mail" if row[0] == "u1" else "") for row in interactions()]
    bucket = engine.s3_root / aws.region
    write_csv(bucket / "a.csv", [*columns("Interactions"), "EVENT_ATTRIBUTION_SOURCE"], rows)
    write_csv(bucket / "i.csv", columns("Items"), [(f"i{n}", n, "x") for n in range(40)])
    aws.imported(items, f"s3://{aws.region}/i.csv", "items")
    attribution(aws, group)
    dataset = group.replace("dataset-group", "dataset") + "/INTERACTIONS"
    aws.imported(dataset, f"s3://{aws.region}/a.csv", "rows", publishAttributionMetricsToS3=True)
    (report,) = (engine.s3_root / "reports" / aws.region).iterdir()
    assert report.name.startswith("AggregatedAttributionMetrics - FULL - ")
    reports: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in read(report):
        reports.setdefault((row["METRIC_NAME"], row["EVENT_ATTRIBUTION_SOURCE"]), []).append(row)
    sums = {key: sum(float(row["VALUE"]) for row in rows) for key, rows in reports.items()}
    assert sums["views", "mail"] == 20
    assert sums["views", "SOURCE_NAME_UNDEFINED"] == 1180
    assert sums["worth", "mail"] == sum(int(str(row[1])[1:]) for row in interactions() if row[0] == "u1")
    assert reports["value", "mail"][0]["MATH_FUNCTION"] == "sum"
    quarters = [int(row["TIMESTAMP"]) for row in reports["views", "SOURCE_NAME_UNDEFINED"]]
    assert quarters == list(range(1_600_000_000 // 900 * 900, 1_600_006_000, 900))


def test_metrics_are_added_and_removed(aws: Aws) -> None:
    group = aws.group()
    for kind in ("Interactions", "Items"):
        aws.dataset(group, kind)
    arn = attribution(aws, group)
    more: Any = [{"eventType": "Buy", "metricName": "sold", "expression": "SAMPLECOUNT()"}]
    aws.control.update_metric_attribution(metricAttributionArn=arn, addMetrics=more, removeMetrics=["worth"])
    names: list[str] = []
    while names != ["views", "value", "sold"]:
        metrics = aws.control.list_metric_attribution_metrics(metricAttributionArn=arn)["metrics"]
        names = [metric["metricName"] for metric in metrics]
    assert aws.control.list_metric_attributions(datasetGroupArn=group)["metricAttributions"][0]["status"] == "ACTIVE"
    with pytest.raises(aws.control.exceptions.ResourceAlreadyExistsException):
        attribution(aws, group, name="second")
    aws.control.delete_metric_attribution(metricAttributionArn=arn)
    aws.settle("MetricAttribution", arn, "")


@pytest.mark.parametrize("expression", ["SUM(Items.CATEGORY_L1)", "AVG(Items.PRICE)", "SUM(Users.AGE)", "PRICE"])
def test_expression_must_be_a_count_or_a_sum_of_numbers(aws: Aws, expression: str) -> None:
    group = aws.group()
    for kind in ("Interactions", "Items"):
        aws.dataset(group, kind)
    metric: Any = {"eventType": "View", "metricName": "m", "expression": expression}
    with pytest.raises(aws.control.exceptions.InvalidInputException):
        attribution(aws, group, [metric])


def test_event_that_names_an_answer_has_what_it_showed(aws: Aws, engine: Engine) -> None:
    more: Any = [{"name": name, "type": ["string", "null"]} for name in ("IMPRESSION", "RECOMMENDATION_ID")]
    group, schema = aws.group(), aws.control.create_schema(name="x", schema=avro("Interactions", *more))["schemaArn"]
    made = aws.control.create_dataset(name="x", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")
    dataset, tracking_id = aws.settle("Dataset", made["datasetArn"]), aws.tracker(group)
    write_csv(
        engine.s3_root / aws.region / "a.csv",
        [*columns("Interactions"), "IMPRESSION", "RECOMMENDATION_ID"],
        [(*row, "i1|i2", "") for row in interactions()],
    )
    aws.imported(dataset, f"s3://{aws.region}/a.csv")
    campaign = aws.campaign(aws.version(aws.solution(group, UP, performAutoTraining=False)))
    answer = aws.runtime.get_recommendations(campaignArn=campaign, userId="u1", numResults=3)
    shown = [item["itemId"] for item in answer["itemList"]]
    aws.click(tracking_id, shown[0], recommendationId=answer["recommendationId"])
    aws.click(tracking_id, shown[0], recommendationId=answer["recommendationId"], impression=["other"])
    rows = exported(aws, dataset, "shown")
    assert [row["IMPRESSION"] for row in rows] == ["|".join(shown), "other"]
    assert {row["RECOMMENDATION_ID"] for row in rows} == {answer["recommendationId"]}
