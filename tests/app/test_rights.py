# SPDX-License-Identifier: Apache-2.0
"""The laptop insists on what AWS asks of the functions' roles: a right that is missing shows in the whole."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from local.cloud.home import access
from tests.app import retail
from tests.app.conftest import Shop
from tests.app.laptop import Laptop
from tests.app.waiting import until

Statement = dict[str, Any]


@contextmanager
def changed(laptop: Laptop, function: str, change: Callable[[Statement], None]) -> Iterator[None]:
    """The statements of a function's role changed, for as long as the block lasts."""
    reach = access(laptop.state)
    role, policy = f"{function}Role", f"{function}RolePolicy0"
    resource = boto3.client("cloudformation", **reach).describe_stack_resource(
        StackName=laptop.state.stack, LogicalResourceId=role
    )
    named = {"RoleName": resource["StackResourceDetail"]["PhysicalResourceId"], "PolicyName": policy}
    iam = boto3.client("iam", **reach)
    document: Any = iam.get_role_policy(**named)["PolicyDocument"]
    less = json.loads(json.dumps(document))
    for statement in less["Statement"]:
        change(statement)
    assert less != document
    iam.put_role_policy(**named, PolicyDocument=json.dumps(less))
    try:
        yield
    finally:
        iam.put_role_policy(**named, PolicyDocument=json.dumps(document))


def test_a_run_fails_at_its_first_training_where_the_role_has_no_recipes(laptop: Laptop) -> None:
    def without_recipes(statement: Statement) -> None:
        if isinstance(statement["Resource"], list):
            statement["Resource"] = [arn for arn in statement["Resource"] if ":recipe/" not in arn]

    with changed(laptop, "TrainSolutionFunction", without_recipes):
        run = laptop.drop("norecipes", "interactions", retail.interactions())
    assert run.status == "FAILED"
    assert "personalize:CreateSolution on resource: arn:aws:personalize:::recipe/" in run.reason


def test_events_wait_where_the_role_may_put_them_on_trackers_alone(shop: Shop) -> None:
    view = {"eventType": "View", "itemId": "garden-03", "eventId": "by-rights", "sentAt": 1_700_500_000}

    def status() -> str:
        body = {"userId": "rights", "sessionId": "s-rights", "events": [view]}
        sent = shop.laptop.client.call("POST", f"/shops/{shop.name}/events", body=body)
        assert sent.status == 202, sent.body
        (event,) = sent.body["events"]
        return str(event["status"])

    def on_trackers(statement: Statement) -> None:
        if "personalize:PutEvents" in statement["Action"]:
            statement["Resource"] = "arn:aws:personalize:us-east-1:000000000000:event-tracker/*"

    with changed(shop.laptop, "RecordEventsFunction", on_trackers):
        until(lambda: status() == "queued", "an event is refused")
    until(lambda: status() == "delivered", "events are delivered again")
