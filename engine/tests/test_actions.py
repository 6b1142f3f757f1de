# SPDX-License-Identifier: Apache-2.0
"""Actions: their datasets, what is put into them, and the next best one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.tests.harness import Argument, Aws, Engine
from engine.tests.shop_data import avro, columns, write_csv
from engine.tests.test_exports import exported, forget

NOW = 1_700_000_000
TYPES = {"Actions": "Actions", "ActionInteractions": "Action_Interactions"}
ACTIONS: Sequence[tuple[object, ...]] = (
    ("coupon", "offer", 5, None, None),
    ("newsletter", "mail", 5, None, 30),
    ("app", "offer", 9, None, None),
    ("old", "offer", 9, NOW - 1, None),
    ("survey", "mail", 1, None, None),
)


def history() -> list[tuple[object, ...]]:
    """Old people take coupons, young ones newsletters; the app nobody knows, the survey hardly anybody takes."""
    rows: list[tuple[object, ...]] = []
    for user in range(300):
        young = user % 2
        for step, (action, likely) in enumerate((("coupon", not young), ("newsletter", young), ("old", True))):
            took = likely if user % 5 else not likely
            rows.append((f"u{user}", action, "Taken" if took else "NOT_TAKEN", NOW - 1000 + step))
        if user < 120:
            rows.append((f"u{user}", "survey", "TAKEN" if user < 55 else "VIEWED", NOW - 500))
    return rows


@dataclass(frozen=True)
class Deeds:
    """A dataset group with actions and a campaign that recommends them."""

    aws: Aws
    group: str
    datasets: Mapping[str, str]
    campaign: str

    def best(self, user: str, **more: Argument) -> dict[str, float]:
        answer = self.aws.runtime.get_action_recommendations(campaignArn=self.campaign, userId=user, **more)
        assert len(answer["recommendationId"]) == 40
        return {action["actionId"]: action["score"] for action in answer["actionList"]}

    def did(self, user: str, action: str, what: str = "Taken", when: float = NOW, **more: Argument) -> None:
        dataset = self.aws.control.describe_dataset(datasetArn=self.datasets["ActionInteractions"])["dataset"]
        event: Any = {"actionId": action, "userId": user, "sessionId": user, "timestamp": when, "eventType": what}
        self.aws.events.put_action_interactions(trackingId=dataset["trackingId"], actionInteractions=[event | more])


def make_dataset(aws: Aws, group: str, kind: str) -> str:
    schema = aws.control.create_schema(name=kind.lower(), schema=avro(kind))["schemaArn"]
    made = aws.control.create_dataset(
        name=kind.lower(), schemaArn=schema, datasetGroupArn=group, datasetType=TYPES[kind]
    )
    return aws.settle("Dataset", made["datasetArn"])


@pytest.fixture(scope="module")
def deeds(engine: Engine) -> Deeds:
    aws = Aws(engine, "deeds")
    folder = engine.s3_root / "deeds"
    write_csv(folder / "actions.csv", columns("Actions"), ACTIONS)
    write_csv(folder / "actioninteractions.csv", columns("ActionInteractions"), history())
    write_csv(folder / "users.csv", columns("Users"), [(f"u{n}", "young" if n % 2 else "old") for n in range(300)])
    group = aws.group()
    datasets = {kind: make_dataset(aws, group, kind) for kind in TYPES} | {"Users": aws.dataset(group, "Users")}
    for kind, dataset in datasets.items():
        aws.imported(dataset, f"s3://deeds/{kind.lower()}.csv", kind.lower())
    version = aws.version(aws.solution(group, "aws-next-best-action", performAutoTraining=False))
    return Deeds(aws, group, datasets, aws.campaign(version))


def test_arns_and_types_of_the_datasets(deeds: Deeds) -> None:
    dataset = deeds.aws.control.describe_dataset(datasetArn=deeds.datasets["ActionInteractions"])["dataset"]
    assert dataset["datasetArn"].endswith(":dataset/shop/ACTION_INTERACTIONS")
    assert (dataset["datasetType"], len(dataset["trackingId"])) == ("ACTION_INTERACTIONS", 36)
    other = deeds.aws.control.describe_dataset(datasetArn=deeds.datasets["Actions"])["dataset"]
    assert "trackingId" not in other


def test_probability_follows_what_people_alike_do(deeds: Deeds) -> None:
    old, young = deeds.best("u2"), deeds.best("u3")
    assert old["coupon"] - 0.2 > old["newsletter"]
    assert young["newsletter"] - 0.2 > young["coupon"]
    assert 0 < old["survey"] < 1


def test_unknown_action_is_explored_after_the_known_ones(deeds: Deeds) -> None:
    probabilities = deeds.best("stranger")
    assert list(probabilities)[-1] == "app"
    assert probabilities["app"] == 0.0
    assert all(probabilities[action] > 0 for action in ("coupon", "newsletter", "survey"))


def test_expired_action_is_left_out(deeds: Deeds) -> None:
    assert "old" not in deeds.best("u2", numResults=100)


def test_taken_action_rests_for_its_frequency(deeds: Deeds) -> None:
    now = deeds.aws.control.describe_campaign(campaignArn=deeds.campaign)["campaign"]["creationDateTime"].timestamp()
    assert "newsletter" in deeds.best("repeater")
    deeds.did("repeater", "newsletter", "Viewed", now)
    assert "newsletter" in deeds.best("repeater")
    deeds.did("repeater", "newsletter", "Taken", now - 29 * 86_400)
    assert "newsletter" not in deeds.best("repeater")


def test_own_deeds_move_the_odds(deeds: Deeds) -> None:
    before = deeds.best("mover")["coupon"]
    for number in range(5):
        deeds.did("mover", "coupon", "Not taken", NOW + number)
    assert deeds.best("mover")["coupon"] < before


def test_deleted_users_take_their_deeds_along(deeds: Deeds) -> None:
    now = deeds.aws.control.describe_campaign(campaignArn=deeds.campaign)["campaign"]["creationDateTime"].timestamp()
    deeds.did("leaver", "newsletter", "Taken", now)
    assert "newsletter" not in deeds.best("leaver")
    # One streamed deed; and four deeds and a row of their own in the files.
    assert forget(deeds.aws, deeds.group, ["leaver", "u9"], "bye")["numDeleted"] == 1 + 4 + 1
    assert "newsletter" in deeds.best("leaver")
    rows = exported(deeds.aws, deeds.datasets["ActionInteractions"], "after", "ALL")
    assert {"leaver", "u9"}.isdisjoint(users := {row["USER_ID"] for row in rows})
    assert len(users) >= 299


def test_put_action_is_filtered_by_its_new_values(deeds: Deeds) -> None:
    mail = deeds.aws.filter(deeds.group, 'INCLUDE ActionID WHERE Actions.TYPE IN ("mail")', "mail")
    assert set(deeds.best("u2", filterArn=mail)) == {"newsletter", "survey"}
    put: Any = [{"actionId": "app", "properties": '{"type": "mail", "value": 9}'}]
    deeds.aws.events.put_actions(datasetArn=deeds.datasets["Actions"], actions=put)
    assert set(deeds.best("u2", filterArn=mail)) == {"newsletter", "survey", "app"}
    done = deeds.aws.filter(deeds.group, 'EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("TAKEN")', "done")
    assert "survey" not in deeds.best("u1", filterArn=done, numResults=100)


def test_metrics_are_those_of_a_guess_that_can_be_wrong(deeds: Deeds) -> None:
    arn = deeds.aws.control.describe_campaign(campaignArn=deeds.campaign)["campaign"]["solutionVersionArn"]
    metrics = deeds.aws.control.get_solution_metrics(solutionVersionArn=arn)["metrics"]
    assert 0.6 < metrics["area_under_curve"] <= 1
    assert 0.5 < metrics["precision"] <= 1


@pytest.mark.parametrize(
    ("question", "reason"),
    [({}, "userId is required"), ({"userId": "u1", "numResults": 101}, "at most 100")],
)
def test_bad_question_is_refused(deeds: Deeds, question: Argument, reason: str) -> None:
    with pytest.raises(ClientError, match=reason):
        deeds.aws.runtime.get_action_recommendations(campaignArn=deeds.campaign, **question)


def test_items_cannot_be_asked_of_a_campaign_of_actions(deeds: Deeds) -> None:
    with pytest.raises(ClientError, match="GetActionRecommendations"):
        deeds.aws.recommended(deeds.campaign, userId="u1")


def test_unknown_event_type_or_tracker_is_refused(deeds: Deeds) -> None:
    with pytest.raises(ClientError, match="Taken, Not_Taken or Viewed"):
        deeds.did("u1", "coupon", "Clicked")
    event: Any = {"actionId": "a", "sessionId": "s", "timestamp": NOW, "eventType": "Taken"}
    with pytest.raises(deeds.aws.events.exceptions.ResourceNotFoundException):
        deeds.aws.events.put_action_interactions(trackingId="none", actionInteractions=[event])


def test_actions_are_for_custom_groups_only(aws: Aws) -> None:
    group = aws.group(domain="ECOMMERCE")
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="custom dataset group"):
        make_dataset(aws, group, "Actions")
