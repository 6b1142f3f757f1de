# SPDX-License-Identifier: Apache-2.0
"""A shop is removed with everything that it has, and another one whose name begins alike loses nothing."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from local.cloud.home import access
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import until

SETTINGS = """
recipes: [popularity-count]
schedules:
  - {name: weekly, every: rate(7 days)}
"""
SHORT, LONG = "corner", "corner-b"


def inventory(laptop: Laptop, shop: str) -> set[str]:
    """The names of what a shop has, by its dataset group."""
    group = next(
        (
            group["datasetGroupArn"]
            for group in laptop.listed("list_dataset_groups")
            if group["name"] == f"retail-{shop}"
        ),
        None,
    )
    if group is None:
        return set()
    solutions = laptop.personalize.list_solutions(datasetGroupArn=group)["solutions"]
    campaigns = [
        campaign
        for solution in solutions
        for campaign in laptop.personalize.list_campaigns(solutionArn=solution["solutionArn"])["campaigns"]
    ]
    filters = laptop.personalize.list_filters(datasetGroupArn=group)["Filters"]
    datasets = laptop.personalize.list_datasets(datasetGroupArn=group)["datasets"]
    trackers = laptop.personalize.list_event_trackers(datasetGroupArn=group)["eventTrackers"]
    resources: list[Any] = [*solutions, *campaigns, *filters, *datasets, *trackers]
    return {group, *(str(entry["name"]) for entry in resources)}


def schedules(laptop: Laptop) -> set[str]:
    """The schedules of the two shops that there are."""
    client, group = boto3.client("scheduler", **access(laptop.state)), laptop.state.outputs["ScheduleGroupName"]
    schedules = client.list_schedules(GroupName=group, NamePrefix=SHORT)["Schedules"]
    return {schedule["Name"] for schedule in schedules}


@pytest.fixture(scope="module")
def two_shops(laptop: Laptop) -> Iterator[Laptop]:
    """Two trained shops, one of whose names begins with the other's."""
    for shop in (SHORT, LONG):
        assert laptop.put(f"drops/{shop}/settings.yaml", SETTINGS).status == "SUCCEEDED"
        run = laptop.drop(shop, "interactions", retail.interactions())
        assert run.status == "SUCCEEDED", run.reason
    yield laptop
    laptop.command("teardown", LONG, "--yes", "--objects")


def test_a_dry_run_lists_everything_with_what_it_bills_and_removes_nothing(two_shops: Laptop) -> None:
    before = inventory(two_shops, SHORT)
    listed = two_shops.command_json("teardown", SHORT, "--dry-run")["has"]
    kinds = [resource["kind"] for resource in listed["resources"]]
    assert kinds == ["campaign", "filter", "solution", "eventTracker", "dataset", "datasetGroup"]
    assert "by the hour" in listed["resources"][0]["bills"]
    assert (listed["schedules"], len(listed["schemas"])) == (["corner.weekly"], 1)
    assert "release" in listed["records"]
    assert inventory(two_shops, SHORT) == before


def test_nothing_is_removed_without_a_yes(two_shops: Laptop) -> None:
    refused = two_shops.command("teardown", SHORT)
    assert refused.returncode == 1
    assert "nothing was removed" in refused.stderr
    assert "retail-corner-popularity-count" in refused.stdout


def test_a_teardown_removes_the_shop_and_nothing_of_another(two_shops: Laptop) -> None:
    other = inventory(two_shops, LONG)
    done = two_shops.command_json("teardown", SHORT, "--yes")
    assert done["outcome"] == "removed"
    # The other shop's interactions have the same columns, so its schema is the same.
    assert (done["schemas"]["removed"], len(done["schemas"]["kept"])) == ([], 1)
    assert inventory(two_shops, SHORT) == set()
    assert inventory(two_shops, LONG) == other
    assert schedules(two_shops) == {"corner-b.weekly"}
    assert two_shops.call("GET", f"/shops/{LONG}/popular").status == 200
    assert two_shops.call("GET", f"/shops/{SHORT}/popular").status == 404


def test_the_shops_files_stay_unless_they_are_asked_for(two_shops: Laptop) -> None:
    bucket, folder = two_shops.bucket, f"drops/{SHORT}/"
    assert two_shops.s3.list_objects_v2(Bucket=bucket, Prefix=folder)["KeyCount"] == 2
    assert two_shops.command("teardown", SHORT, "--yes", "--objects").returncode == 0
    assert "Versions" not in two_shops.s3.list_object_versions(Bucket=bucket, Prefix=folder)
    assert two_shops.s3.list_objects_v2(Bucket=bucket, Prefix=f"drops/{LONG}/")["KeyCount"] == 2


def test_a_shop_that_is_not_there_is_said_so(laptop: Laptop) -> None:
    missing = laptop.command("teardown", "nobody", "--yes")
    assert missing.returncode == 1
    assert "there is no shop nobody" in missing.stderr


def test_a_name_that_no_shop_can_have_is_refused(laptop: Laptop) -> None:
    refused = laptop.command("teardown", "No_Shop", "--dry-run")
    assert refused.returncode == 2
    assert "cannot be a shop's name" in refused.stderr


def test_a_schedule_follows_the_settings_and_starts_a_training(two_shops: Laptop) -> None:
    client = boto3.client("scheduler", **access(two_shops.state))
    group, name = two_shops.state.outputs["ScheduleGroupName"], f"{LONG}.nightly"
    two_shops.put(
        f"drops/{LONG}/settings.yaml",
        "recipes: [popularity-count]\nschedules: [{name: nightly, every: 'cron(0 3 * * ? *)'}]\n",
    )
    until(lambda: schedules(two_shops) == {name}, "the schedule is made")
    made = client.get_schedule(GroupName=group, Name=name)
    assert made["Target"]["Arn"] == two_shops.state.outputs["StateMachineArn"]
    # The same once more, but due at once.
    client.create_schedule(
        GroupName=group,
        Name=f"{LONG}.now",
        ScheduleExpression="at(2020-01-01T00:00:00)",
        FlexibleTimeWindow=made["FlexibleTimeWindow"],
        Target=made["Target"],
    )
    until(lambda: bool(retrainings(two_shops)), "a schedule has started a run")
    (arn,) = retrainings(two_shops)
    run = two_shops.ended(arn)
    assert (run.status, run.output["outcome"]) == ("SUCCEEDED", "promoted"), run.reason


def retrainings(laptop: Laptop) -> list[str]:
    """The executions that a schedule of the longer shop started."""
    return [run.arn for run in laptop.client.runs.newest(LONG, 100) if run.kind == "retrain"]
