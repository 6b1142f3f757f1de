# SPDX-License-Identifier: Apache-2.0
"""One valid call of every operation of the three services, in an order in which each finds what it needs.

Tests make these calls by several clients, and `benchmarks/studies/emulators.py` against other emulators. A text `$name`
in a request stands for an ARN or id that an earlier call returned.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.model import OperationModel
from personalize_local.wire.protocol import load_services

from engine.tests.names import ACCOUNT, RECIPE, ROLE, arn_member, member
from engine.tests.shop_data import avro, columns, write_csv, write_shop

Json = dict[str, Any]
Perform = Callable[[str, Json], Json]
"""Makes one call by the name of its operation; returns the answer's members, or raises what its client raises."""

MODELS: Mapping[str, OperationModel] = {
    name: operation for service in load_services() for name, operation in service.items()
}
"""All 79 operations, by name."""
BUCKET = "journey"
ITEM = '{"price": 9.5, "categoryL1": "books"}'
"""Properties of an item that has all that its schema wants."""
_SETTLED = {"ACTIVE", "COMPLETED", "INACTIVE", "CREATE FAILED", "FAILED", ""}
_NEW_ITEMS = {"name": "COLOUR", "type": ["null", "string"], "categorical": True}


class Refused(Exception):
    """A service error, as a client saw it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Call:
    """One call: what it asks, what its answer gives to later calls, and whether its work has to end first."""

    operation: str
    request: Json
    keeps: Mapping[str, str]
    """Names for `$name`, by members of the answer."""
    waits: bool = False

    @property
    def noun(self) -> str:
        """What a Create, Update, Delete, Start or Stop is about: `DatasetGroup`."""
        return self.operation.removeprefix("Create").removeprefix("Update").removeprefix("Start").removeprefix("Stop")


def _call(operation: str, keeps: str = "", /, *, waits: bool = False, **request: Any) -> Call:  # noqa: ANN401
    """`keeps`: `member=name`, or the name for the one ARN in the answer."""
    pairs = [part.rpartition("=") for part in keeps.split()]
    return Call(
        operation, request, {member_path or _only_arn(operation): name for member_path, _, name in pairs}, waits
    )


def _only_arn(operation: str) -> str:
    shape = MODELS[operation].output_shape
    return next(name for name in shape.members if name.endswith("Arn")) if shape else ""


def _seen(noun: str, name: str) -> Iterator[Call]:
    """Describe one and list all."""
    which: Json = {arn_member(noun): f"${name}"}
    yield _call(f"Describe{noun}", **which)
    yield _call(f"List{noun}s")


def _made(noun: str, name: str, /, **request: Any) -> Iterator[Call]:  # noqa: ANN401
    """Create one and wait until it is ACTIVE."""
    yield _call(f"Create{noun}", name, waits=True, **request)


def _dataset(kind: str, group: str, name: str, /, **schema: Any) -> Iterator[Call]:  # noqa: ANN401
    yield _call("CreateSchema", f"schema-{name}", name=f"journey-{name}", schema=avro(kind.replace("_", "")), **schema)
    where = {"datasetGroupArn": f"${group}", "schemaArn": f"$schema-{name}"}
    yield from _made("Dataset", name, name=f"journey-{name}", datasetType=kind, **where)


def _import(dataset: str, file: str) -> Iterator[Call]:
    source = {"dataLocation": f"s3://{BUCKET}/{file}.csv"}
    common = {"jobName": f"journey-{dataset}", "datasetArn": f"${dataset}", "dataSource": source, "roleArn": ROLE}
    yield from _made("DatasetImportJob", f"import-{dataset}", **common)


def _deployed(recipe: str, name: str, *, campaign: bool = True) -> Iterator[Call]:
    common = {"datasetGroupArn": "$group", "recipeArn": RECIPE + recipe, "performAutoTraining": False}
    yield from _made("Solution", f"solution-{name}", name=f"journey-{name}", **common)
    yield from _made("SolutionVersion", f"version-{name}", solutionArn=f"$solution-{name}")
    if campaign:
        version = {"solutionVersionArn": f"$version-{name}", "minProvisionedTPS": 1}
        yield from _made("Campaign", f"campaign-{name}", name=f"journey-{name}", **version)


def _data() -> Iterator[Call]:
    yield from _made("DatasetGroup", "group", name="journey", tags=[{"tagKey": "team", "tagValue": "shop"}])
    yield from _seen("DatasetGroup", "group")
    yield from _dataset("Interactions", "group", "interactions")
    yield from _dataset("Items", "group", "items")
    yield from _dataset("Users", "group", "users")
    yield from _dataset("Actions", "group", "actions")
    yield from _dataset("Action_Interactions", "group", "taken")
    yield from _seen("Schema", "schema-items")
    yield from _seen("Dataset", "items")
    for name in ("interactions", "items", "users", "actions", "taken"):
        yield from _import(name, name)
    yield from _seen("DatasetImportJob", "import-items")
    yield _call("CreateSchema", "schema-colours", name="journey-colours", schema=avro("Items", _NEW_ITEMS))
    yield _call("UpdateDataset", waits=True, datasetArn="$items", schemaArn="$schema-colours")
    yield _call("CreateEventTracker", "eventTrackerArn=tracker trackingId=tracking", waits=True, name="journey",
                datasetGroupArn="$group")  # fmt: skip
    yield from _seen("EventTracker", "tracker")
    expression = 'INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ("books")'
    yield from _made("Filter", "filter", name="journey", datasetGroupArn="$group", filterExpression=expression)
    yield from _seen("Filter", "filter")
    event = {"eventType": "View", "itemId": "i3", "sentAt": 1_700_000_000}
    yield _call("PutEvents", trackingId="$tracking", userId="u1", sessionId="s1", eventList=[event])
    yield _call("PutItems", datasetArn="$items", items=[{"itemId": "i3", "properties": ITEM}])
    yield _call("PutUsers", datasetArn="$users", users=[{"userId": "u1", "properties": '{"ageGroup": "old"}'}])
    yield _call("PutActions", datasetArn="$actions", actions=[{"actionId": "a1", "properties": '{"value": 3}'}])
    yield _call("DescribeDataset", "dataset.trackingId=tracking-actions", datasetArn="$taken")
    took = {"actionId": "a1", "userId": "u1", "sessionId": "s1", "timestamp": 1_700_000_000, "eventType": "Taken"}
    yield _call("PutActionInteractions", trackingId="$tracking-actions", actionInteractions=[took])


def _models() -> Iterator[Call]:
    yield _call("ListRecipes")
    yield _call("DescribeRecipe", "recipe.algorithmArn=algorithm recipe.featureTransformationArn=features",
                recipeArn=RECIPE + "aws-user-personalization")  # fmt: skip
    yield _call("DescribeAlgorithm", algorithmArn="$algorithm")
    yield _call("DescribeFeatureTransformation", featureTransformationArn="$features")
    yield from _deployed("aws-popularity-count", "popular")
    yield from _seen("Solution", "solution-popular")
    yield from _seen("SolutionVersion", "version-popular")
    yield _call("GetSolutionMetrics", solutionVersionArn="$version-popular")
    yield from _seen("Campaign", "campaign-popular")
    yield _call("UpdateSolution", waits=True, solutionArn="$solution-popular", performAutoTraining=False)
    yield _call("UpdateCampaign", waits=True, campaignArn="$campaign-popular", minProvisionedTPS=2)
    yield _call("GetRecommendations", campaignArn="$campaign-popular", userId="u1", filterArn="$filter")
    yield from _deployed("aws-personalized-ranking", "ranking")
    ranked: Json = {"userId": "u1", "inputList": ["i1", "i2", "i30"]}
    yield _call("GetPersonalizedRanking", campaignArn="$campaign-ranking", **ranked)
    yield _call("CreateSolutionVersion", "stopped", solutionArn="$solution-ranking", name="journey-stopped")
    yield _call("StopSolutionVersionCreation", solutionVersionArn="$stopped")
    yield from _deployed("aws-next-best-action", "actions")
    yield _call("GetActionRecommendations", campaignArn="$campaign-actions", userId="u1")
    yield from _deployed("aws-item-affinity", "segments", campaign=False)


def _jobs() -> Iterator[Call]:
    output = {"s3DataDestination": {"path": f"s3://{BUCKET}/out/"}}
    for noun, name, file in (("BatchInferenceJob", "popular", "users"), ("BatchSegmentJob", "segments", "asked")):
        source = {"s3DataSource": {"path": f"s3://{BUCKET}/{file}.json"}}
        common = {"solutionVersionArn": f"$version-{name}", "jobInput": source, "jobOutput": output, "roleArn": ROLE}
        yield from _made(noun, f"batch-{name}", jobName="journey", **common)
        yield from _seen(noun, f"batch-{name}")
    export: Json = {"datasetArn": "$items", "roleArn": ROLE, "jobOutput": output}
    yield from _made("DatasetExportJob", "export", jobName="journey", **export)
    yield from _seen("DatasetExportJob", "export")
    viewed: Json = {"eventType": "View", "metricName": "views", "expression": "SAMPLECOUNT()"}
    config: Json = {"metrics": [viewed], "metricsOutputConfig": {"roleArn": ROLE}}
    yield from _made("MetricAttribution", "attribution", name="journey", datasetGroupArn="$group", **config)
    yield from _seen("MetricAttribution", "attribution")
    yield _call("UpdateMetricAttribution", waits=True, metricAttributionArn="$attribution",
                addMetrics=[viewed | {"metricName": "worth", "expression": "SUM(Items.PRICE)"}])  # fmt: skip
    yield _call("ListMetricAttributionMetrics", metricAttributionArn="$attribution")
    gone: Json = {
        "datasetGroupArn": "$group",
        "roleArn": ROLE,
        "dataSource": {"dataLocation": f"s3://{BUCKET}/gone.csv"},
    }
    yield from _made("DataDeletionJob", "deletion", jobName="journey", **gone)
    yield from _seen("DataDeletionJob", "deletion")
    yield _call("TagResource", resourceArn="$group", tags=[{"tagKey": "stage", "tagValue": "test"}])
    yield _call("ListTagsForResource", resourceArn="$group")
    yield _call("UntagResource", resourceArn="$group", tagKeys=["stage"])


def _recommender() -> Iterator[Call]:
    yield from _made("DatasetGroup", "domain", name="journey-domain", domain="ECOMMERCE")
    yield from _dataset("Interactions", "domain", "events", domain="ECOMMERCE")
    yield from _import("events", "interactions")
    recipe = RECIPE + "aws-ecomm-popular-items-by-views"
    yield from _made("Recommender", "recommender", name="journey", datasetGroupArn="$domain", recipeArn=recipe)
    yield from _seen("Recommender", "recommender")
    throughput = {"minRecommendationRequestsPerSecond": 2}
    yield _call("UpdateRecommender", waits=True, recommenderArn="$recommender", recommenderConfig=throughput)
    yield _call("StopRecommender", waits=True, recommenderArn="$recommender")
    yield _call("StartRecommender", waits=True, recommenderArn="$recommender")


def _deletions() -> Iterator[Call]:
    for noun, names in (
        ("Recommender", "recommender"),
        ("Campaign", "campaign-popular campaign-ranking campaign-actions"),
        ("Filter", "filter"),
        ("Solution", "solution-popular solution-ranking solution-actions solution-segments"),
        ("EventTracker", "tracker"),
        ("MetricAttribution", "attribution"),
        ("Dataset", "interactions items users actions taken events"),
        ("Schema", "schema-interactions schema-items schema-users schema-actions schema-taken schema-colours"),
        ("DatasetGroup", "group domain"),
    ):
        for name in names.split():
            which: Json = {arn_member(noun): f"${name}"}
            yield _call(f"Delete{noun}", waits=noun != "Schema", **which)


CALLS: tuple[Call, ...] = (*_data(), *_models(), *_jobs(), *_recommender(), *_deletions())
WORLD: tuple[Call, ...] = tuple(call for call in CALLS if not call.operation.startswith("Delete"))
"""What leaves one resource of every kind behind."""


def write_files(folder: Path) -> None:
    """Write what the calls read from S3 into the folder of their bucket."""
    write_shop(folder)
    write_csv(folder / "actions.csv", columns("Actions"), [(f"a{n}", "offer", n, "", "") for n in range(1, 9)])
    taken = [(f"u{n % 60}", f"a{n % 8 + 1}", ("Taken", "Viewed")[n % 2], 1_600_000_000 + n) for n in range(1200)]
    write_csv(folder / "taken.csv", columns("ActionInteractions"), taken)
    write_csv(folder / "gone.csv", ["USER_ID"], [("u59",)])
    (folder / "users.json").write_text("".join(f'{{"userId": "u{n}"}}\n' for n in range(3)))
    (folder / "asked.json").write_text('{"itemId": "i1"}\n')


def filled(value: Any, made: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Put ARNs and ids for `$name`; one that no call returned becomes one that nothing has."""
    if isinstance(value, dict):
        return {name: filled(member, made) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(member, made) for member in value]
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    return made.get(value[1:], f"{ACCOUNT}campaign/none")


def play(perform: Perform, calls: tuple[Call, ...] = CALLS, seconds: float = 600) -> Iterator[tuple[Call, Json]]:
    """Make the calls, and wait where one says so; yields each with its answer, or with `{"error": exception}`."""
    made: dict[str, str] = {}
    for call in calls:
        try:
            answer = perform(call.operation, filled(call.request, made))
        except Exception as error:  # noqa: BLE001 — whatever a client raises counts as no answer
            yield call, {"error": error}
            continue
        made |= references(call, answer)
        if call.waits:
            _wait(perform, call, filled(call.request, made) | answer, seconds)
        yield call, answer


def prepare(perform: Perform, calls: tuple[Call, ...]) -> dict[str, str]:
    """Make calls that all have to succeed; returns ARNs and ids by their names."""
    made: dict[str, str] = {}
    for call, answer in play(perform, calls):
        assert "error" not in answer, (call, answer)
        made |= references(call, answer)
    return made


def references(call: Call, answer: Json) -> dict[str, str]:
    """Return the ARNs and ids that later calls need of an answer, by their names."""
    return {name: str(_value_at(answer, path)) for path, name in call.keeps.items()}


def _value_at(answer: Json, path: str) -> object:
    value: Any = answer
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _wait(perform: Perform, call: Call, references: Json, seconds: float) -> None:
    noun = call.noun.removeprefix("Delete")
    arn = references.get(arn_member(noun), "")
    deadline = time.monotonic() + seconds
    while True:
        try:
            body = perform(f"Describe{noun}", {arn_member(noun): arn})[member(noun)]
        except Exception:  # noqa: BLE001 — it is gone, or there is no Describe to ask
            return
        states = [body, *(state for name, state in body.items() if name.startswith("latest") and "Version" not in name)]
        if all(state.get("status", "") in _SETTLED for state in states):
            return
        assert time.monotonic() < deadline, f"{call.operation} had not settled after {seconds} s"
        time.sleep(0.01)


def requests_of(calls: tuple[Call, ...] = CALLS) -> dict[str, Json]:
    """Return the first request of each operation."""
    requests: dict[str, Json] = {}
    for call in calls:
        requests.setdefault(call.operation, call.request)
    return requests
