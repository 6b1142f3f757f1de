# SPDX-License-Identifier: Apache-2.0
"""Every error that the models name for an operation is provoked, or listed with the reason why nothing provokes it.

The pairs come from botocore's models. What a provocation needs stands beside it: most need one call, a quota needs as
many as it allows, and what is in use is a resource whose creation never ends.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import pytest
from personalize_local.testing import FaultDoor

from engine.tests.bare import Bare
from engine.tests.breaches import arn_members, breaches, whole
from engine.tests.calls import BUCKET, MODELS, WORLD, Json, filled, play, references, requests_of, write_files
from engine.tests.harness import Engine, EngineHere

Pair = tuple[str, str]
"""An operation and one of its errors."""
Provocation = tuple[str, str, Json]
"""An error, the operation, and a request that provokes it: the last of several if it is a quota."""

PAIRS: Final = {(name, error.name) for name, model in MODELS.items() for error in model.error_shapes}
REGION: Final = "errors"
IN_USE: Final = "ResourceInUseException"
LIMIT: Final = "LimitExceededException"
EXISTS: Final = "ResourceAlreadyExistsException"
TAGS: Final = [{"tagKey": f"k{n}", "tagValue": "v"} for n in range(51)]
_SINGLE = "a dataset group has one, so a second one exists already before any quota is reached"
UNPROVOKED: Final[Mapping[Pair, str]] = {
    ("CreateDataset", LIMIT): "a dataset group has one of each type, so another one exists already",
    ("CreateEventTracker", LIMIT): _SINGLE,
    ("CreateMetricAttribution", LIMIT): _SINGLE,
    ("TagResource", LIMIT): "tags have no quota but that of TooManyTagsException",
    ("UpdateSolution", LIMIT): "an update makes nothing that a quota counts",
    ("ListTagsForResource", IN_USE): "tags are read in every status",
    ("TagResource", IN_USE): "tags change in every status",
    ("UntagResource", IN_USE): "tags change in every status",
}
"""Errors that no document of the service explains, with the reason why nothing here raises them."""
MOST: Final = 501
"""Calls that use up the largest quota, that of schemas, and one more."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with EngineHere(tmp_path_factory.mktemp("errors"), options=["--faults", "--strict"]) as process:
        write_files(process.s3_root / BUCKET)
        yield process


@pytest.fixture(scope="module")
def provoked(engine: Engine) -> dict[Pair, list[str]]:
    """What came of each provocation, by pair: the code of the answer."""
    operations: dict[Pair, list[str]] = {}
    with Bare(engine, REGION) as bare:
        made: dict[str, str] = {}
        for call, answer in play(bare.perform, WORLD):
            made |= {} if "error" in answer else references(call, answer)
        made["empty"] = _made(bare, "CreateDatasetGroup", name="empty")
        _wait_for_group(bare, made["empty"])
        FaultDoor(engine.url).add("neverEnd")
        for error, operation, request in _provocations(bare, made):
            status, answer = _last(bare, operation, request, error)
            assert status in {400, 404, 409}
            operations.setdefault((operation, error), []).append(str(answer.get("__type")))
    return operations


def test_every_modelled_error_is_provoked(provoked: Mapping[Pair, list[str]]) -> None:
    wrong = {pair: codes for pair, codes in provoked.items() if set(codes) != {pair[1]}}
    assert wrong == {}
    assert PAIRS - set(provoked) == set(UNPROVOKED)


def test_what_is_not_provoked_is_modelled() -> None:
    assert set(UNPROVOKED) <= PAIRS


def _last(bare: Bare, operation: str, request: Json, error: str) -> tuple[int, Json]:
    """Send a request; if it is for a quota, under new names until it is refused."""
    if error != LIMIT:
        return bare.ask(operation, request)
    name = next((member_name for member_name in ("name", "jobName") if member_name in request), "")
    for number in range(MOST):
        status, answer = bare.ask(operation, request | ({name: f"more-{number}"} if name else {}))
        if status != 200:
            break
    return status, answer


def _provocations(bare: Bare, made: Mapping[str, str]) -> Iterator[Provocation]:
    for (operation, error), request in _by_rule(made).items():
        if (operation, error) in PAIRS:
            yield error, operation, request
    yield from _twice(made)
    yield from _in_use(bare, made)
    yield EXISTS, "CreateSolutionVersion", {"solutionArn": made["solution-popular"], "name": "mine"}
    yield from _over_quota(made)


def _by_rule(made: Mapping[str, str]) -> dict[Pair, Json]:
    """Return what the shape of a request says: an error, and how to provoke it."""
    requests: dict[Pair, Json] = {}
    for operation, request in requests_of(WORLD).items():
        valid = filled(request, made)
        members = whole(operation)
        if breach := next(breaches(operation), None):
            requests[operation, "InvalidInputException"] = breach.request
        arns = arn_members(operation)
        for member in ([arn for arn in arns if arn in valid] or arns)[-1:]:
            requests[operation, "ResourceNotFoundException"] = valid | {member: made["group"] + "-none"}
        if "trackingId" in members:
            requests[operation, "ResourceNotFoundException"] = valid | {"trackingId": "none"}
        if "nextToken" in members:
            requests[operation, "InvalidNextTokenException"] = valid | {"nextToken": "bm9uc2Vuc2U="}
        if "tags" in members:
            new = {member_name: "tagged" for member_name in ("name", "jobName") if member_name in members}
            requests[operation, "TooManyTagsException"] = valid | new | {"tags": TAGS}
    for operation in (name for name in MODELS if name.startswith("Delete")):
        (member,) = arn_members(operation)
        requests[operation, "InvalidInputException"] = {member: "x"}
        requests[operation, "ResourceNotFoundException"] = {member: made["group"] + "-none"}
    requests["UntagResource", "TooManyTagKeysException"] = {
        "resourceArn": made["group"],
        "tagKeys": [f"k{n}" for n in range(51)],
    }
    return requests


def _twice(made: Mapping[str, str]) -> Iterator[Provocation]:
    """Make again what is there."""
    for operation, request in requests_of(WORLD).items():
        if (operation, EXISTS) in PAIRS and operation.startswith("Create") and operation != "CreateSolutionVersion":
            yield EXISTS, operation, filled(request, made)
    views = {"eventType": "View", "metricName": "views", "expression": "SAMPLECOUNT()"}
    yield EXISTS, "UpdateMetricAttribution", {"metricAttributionArn": made["attribution"], "addMetrics": [views]}


def _in_use(bare: Bare, made: Mapping[str, str]) -> Iterator[Provocation]:
    """Use what is being made, for ever; and delete what something needs."""
    valid = {operation: filled(request, made) for operation, request in requests_of(WORLD).items()}
    group = _made(bare, "CreateDatasetGroup", name="pending")
    for operation in ("CreateDataset", "CreateEventTracker", "CreateMetricAttribution", "CreateSolution"):
        yield IN_USE, operation, valid[operation] | {"name": "pending", "datasetGroupArn": group}
    yield IN_USE, "CreateDataDeletionJob", valid["CreateDataDeletionJob"] | {"jobName": "p", "datasetGroupArn": group}
    domain = _made(bare, "CreateDatasetGroup", name="pending-domain", domain="ECOMMERCE")
    yield IN_USE, "CreateRecommender", valid["CreateRecommender"] | {"name": "p", "datasetGroupArn": domain}
    yield IN_USE, "DeleteDatasetGroup", {"datasetGroupArn": made["group"]}
    yield IN_USE, "DeleteSchema", {"schemaArn": made["schema-users"]}
    yield from _datasets_in_use(bare, made, valid)
    yield from _models_in_use(bare, made, valid)
    empty = made["empty"]
    tracker = _made(bare, "CreateEventTracker", name="pending", datasetGroupArn=empty)
    yield IN_USE, "DeleteEventTracker", {"eventTrackerArn": tracker}
    pending = valid["CreateFilter"] | {"name": "pending"}
    yield IN_USE, "DeleteFilter", {"filterArn": _made(bare, "CreateFilter", **pending)}
    pending = valid["CreateMetricAttribution"] | {"name": "pending", "datasetGroupArn": made["domain"]}
    attribution = {"metricAttributionArn": _made(bare, "CreateMetricAttribution", **pending)}
    yield IN_USE, "DeleteMetricAttribution", attribution
    worth = {"eventType": "View", "metricName": "more", "expression": "SAMPLECOUNT()"}
    yield IN_USE, "UpdateMetricAttribution", attribution | {"addMetrics": [worth]}


def _datasets_in_use(bare: Bare, made: Mapping[str, str], valid: Mapping[str, Json]) -> Iterator[Provocation]:
    common = {"datasetGroupArn": made["empty"], "name": "pending"}
    datasets = {
        kind: _made(bare, "CreateDataset", datasetType=kind, schemaArn=made[f"schema-{name}"], **common)
        for kind, name in (
            ("Items", "items"),
            ("Users", "users"),
            ("Actions", "actions"),
            ("Action_Interactions", "taken"),
        )
    }
    _, taken = bare.ask("DescribeDataset", {"datasetArn": datasets["Action_Interactions"]})
    tracking = {"trackingId": taken["dataset"]["trackingId"]}
    for operation in ("PutItems", "PutUsers", "PutActions"):
        yield IN_USE, operation, valid[operation] | {"datasetArn": datasets[operation.removeprefix("Put")]}
    yield IN_USE, "PutActionInteractions", valid["PutActionInteractions"] | tracking
    items = {"datasetArn": datasets["Items"]}
    for operation in ("CreateDatasetImportJob", "CreateDatasetExportJob"):
        yield IN_USE, operation, valid[operation] | items | {"jobName": "pending"}
    yield IN_USE, "UpdateDataset", valid["UpdateDataset"] | items
    yield IN_USE, "DeleteDataset", items


def _models_in_use(bare: Bare, made: Mapping[str, str], valid: Mapping[str, Json]) -> Iterator[Provocation]:
    solution = {"solutionArn": _made(bare, "CreateSolution", **valid["CreateSolution"] | {"name": "pending"})}
    for operation in ("CreateSolutionVersion", "UpdateSolution", "DeleteSolution"):
        yield IN_USE, operation, solution | ({"performAutoTraining": True} if operation == "UpdateSolution" else {})
    named = {"solutionArn": made["solution-popular"], "name": "mine"}
    version = {"solutionVersionArn": _made(bare, "CreateSolutionVersion", **named)}
    yield IN_USE, "GetSolutionMetrics", version
    yield IN_USE, "CreateCampaign", valid["CreateCampaign"] | version | {"name": "pending"}
    yield IN_USE, "CreateBatchInferenceJob", valid["CreateBatchInferenceJob"] | version | {"jobName": "pending"}
    segments = {"solutionVersionArn": _made(bare, "CreateSolutionVersion", solutionArn=made["solution-segments"])}
    yield IN_USE, "CreateBatchSegmentJob", valid["CreateBatchSegmentJob"] | segments | {"jobName": "pending"}
    yield IN_USE, "StopSolutionVersionCreation", {"solutionVersionArn": made["version-popular"]}
    campaign = {"campaignArn": _made(bare, "CreateCampaign", **valid["CreateCampaign"] | {"name": "pending"})}
    yield IN_USE, "DeleteCampaign", campaign
    yield IN_USE, "UpdateCampaign", campaign | {"minProvisionedTPS": 3}
    request = valid["CreateRecommender"] | {"name": "pending"}
    recommender = {"recommenderArn": _made(bare, "CreateRecommender", **request)}
    for operation in ("DeleteRecommender", "StartRecommender", "StopRecommender"):
        yield IN_USE, operation, recommender
    yield IN_USE, "UpdateRecommender", recommender | {"recommenderConfig": {}}


def _over_quota(made: Mapping[str, str]) -> Iterator[Provocation]:
    """Make one more than is allowed: nothing that was made since the clock stopped is ever finished."""
    for operation, request in requests_of(WORLD).items():
        if operation.startswith("Create") and (operation, LIMIT) in PAIRS and (operation, LIMIT) not in UNPROVOKED:
            yield LIMIT, operation, filled(request, made)


def _made(bare: Bare, operation: str, **request: object) -> str:
    """Make something; returns its ARN."""
    answer = bare.perform(operation, request)
    return str(next(value for name, value in answer.items() if name.endswith("Arn")))


def _wait_for_group(bare: Bare, arn: str) -> None:
    for _ in range(1000):
        if bare.perform("DescribeDatasetGroup", {"datasetGroupArn": arn})["datasetGroup"]["status"] == "ACTIVE":
            return
