# SPDX-License-Identifier: Apache-2.0
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from personalization.core.aws import clients
from personalization.core.errors import Broken

from functions.follow_settings.app import handler
from tests.handlers.samples import Drop, load
from tests.handlers.variables import VARIABLES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

pytestmark = pytest.mark.usefixtures("aws", "table")

KEY = "drops/demo/settings.yaml"
WEEKLY = "schedules: [{name: weekly, every: rate(7 days), recipes: [popularity-count]}]"
GROUP = VARIABLES["SCHEDULE_GROUP"]


def follow(drop: Drop, text: str, key: str = KEY) -> dict[str, object]:
    """Drop settings, and have the function told."""
    drop(key, text)
    event = load("follow_settings")
    event["detail"]["object"]["key"] = key
    return handler(event, None)


def test_a_schedule_starts_the_machine_with_what_the_settings_say(
    drop: Drop, scheduler: "EventBridgeSchedulerClient"
) -> None:
    assert follow(drop, WEEKLY)["created"] == ["demo.weekly"]
    made = scheduler.get_schedule(GroupName=GROUP, Name="demo.weekly")
    assert (made["ScheduleExpression"], made["FlexibleTimeWindow"]) == ("rate(7 days)", {"Mode": "OFF"})
    target = made["Target"]
    assert (target["Arn"], target["RoleArn"]) == (VARIABLES["RETRAIN_MACHINE_ARN"], VARIABLES["SCHEDULE_ROLE_ARN"])
    assert target["DeadLetterConfig"] == {"Arn": VARIABLES["CHORES_QUEUE_ARN"]}
    request = json.loads(target["Input"])
    assert (request["action"], request["shop"], request["trainingMode"]) == ("retrain", "demo", "FULL")
    assert request["recipes"] == ["popularity-count"]


def test_an_event_that_comes_twice_changes_nothing(drop: Drop, scheduler: "EventBridgeSchedulerClient") -> None:
    follow(drop, WEEKLY)
    before = scheduler.get_schedule(GroupName=GROUP, Name="demo.weekly")["LastModificationDate"]
    assert follow(drop, WEEKLY) == {
        "shop": "demo",
        "created": [],
        "updated": [],
        "deleted": [],
        "experiments": [],
    }
    assert scheduler.get_schedule(GroupName=GROUP, Name="demo.weekly")["LastModificationDate"] == before


def test_what_the_settings_no_longer_say_goes(drop: Drop, scheduler: "EventBridgeSchedulerClient") -> None:
    follow(drop, WEEKLY)
    follow(drop, WEEKLY, "drops/demo-b/settings.yaml")
    changed = "schedules: [{name: daily, every: 'cron(0 3 * * ? *)', timezone: Europe/Berlin}]"
    done = follow(drop, changed)
    assert (done["created"], done["deleted"]) == (["demo.daily"], ["demo.weekly"])
    assert {schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"]} == {"demo.daily", "demo-b.weekly"}
    assert follow(drop, changed.replace("0 3", "0 4"))["updated"] == ["demo.daily"]


@pytest.mark.usefixtures("scheduler")
def test_the_newest_settings_file_has_the_schedules(drop: Drop) -> None:
    assert follow(drop, "schedules: [{name: broken", KEY) == {}
    # Of the same second, by S3's clock, or later.
    assert follow(drop, WEEKLY, "drops/demo/settings.yml")["created"] == ["demo.weekly"]


def test_deleted_settings_leave_no_schedule(
    drop: Drop, bucket: "S3Client", scheduler: "EventBridgeSchedulerClient"
) -> None:
    follow(drop, WEEKLY)
    bucket.delete_object(Bucket=VARIABLES["BUCKET"], Key=KEY)
    assert handler(load("follow_settings"), None)["deleted"] == ["demo.weekly"]
    assert scheduler.list_schedules()["Schedules"] == []


@pytest.mark.parametrize("text", ["schedules: [{name: weekly, every: sometimes}]", "nonsense: 1", "schedules: ["])
def test_refused_settings_leave_the_schedules_as_they_are(
    text: str, drop: Drop, scheduler: "EventBridgeSchedulerClient"
) -> None:
    follow(drop, WEEKLY)
    assert follow(drop, text) == {}
    assert [schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"]] == ["demo.weekly"]


def test_a_refused_schedule_keeps_no_other_from_being_made_or_removed(
    drop: Drop, scheduler: "EventBridgeSchedulerClient"
) -> None:
    follow(drop, WEEKLY)
    calls: Any = clients.scheduler().meta.events

    def refuse(params: dict[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
        if "demo.first" not in params["url_path"]:
            return None
        error = {"Code": "ValidationException", "Message": "Invalid Schedule Expression."}
        return AWSResponse("", 400, HTTPHeaders(), None), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}

    calls.register("before-call.scheduler.CreateSchedule", refuse)
    try:
        with pytest.raises(Broken, match="refused the schedule: "):
            follow(drop, "schedules: [{name: first, every: rate(1 day)}, {name: second, every: rate(2 days)}]")
    finally:
        calls.unregister("before-call.scheduler.CreateSchedule", refuse)
    assert [timer["Name"] for timer in scheduler.list_schedules()["Schedules"]] == ["demo.second"]


@pytest.mark.usefixtures("scheduler")
@pytest.mark.parametrize("key", ["drops/demo/items/settings.yaml", "drops/demo/items/a.csv", "drops/Bad/settings.yaml"])
def test_what_is_no_settings_file_is_left_alone(key: str, drop: Drop) -> None:
    assert follow(drop, WEEKLY, key) == {}
