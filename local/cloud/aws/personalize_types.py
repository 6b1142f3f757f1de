# SPDX-License-Identifier: Apache-2.0
"""CloudFormation's types of Amazon Personalize, by calls to the engine: all nine that AWS has.

Properties are those of the registry's schemas, and so is what replaces a resource. `Ref` is the ARN.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Personalize.html
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

import boto3
import botocore.exceptions
from botocore import xform_name
from botocore.model import ListShape, MapShape, Shape, StructureShape
from ministack.services.cloudformation import provisioners, stacks

from local.cloud.aws.patching import Function, Json, wrapping

PREFIX: Final = "AWS::Personalize::"
POLL_SECONDS: Final = 0.2
MOST_SECONDS: Final = 3600.0
"""How long a resource may take until it is ACTIVE or gone; an import can take long."""
HANDLER_ERRORS: Final = {
    "InvalidInputException": "InvalidRequest",
    "LimitExceededException": "ServiceLimitExceeded",
    "ResourceAlreadyExistsException": "AlreadyExists",
    "ResourceInUseException": "ResourceConflict",
    "ResourceNotFoundException": "NotFound",
}
"""CloudFormation's names of a service's errors."""


class Kind(NamedTuple):
    """A type and its properties: those that replace a resource when they change, and those that change in place."""

    noun: str
    replacing: tuple[str, ...]
    in_place: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    """Which of them a resource need not have."""
    read_only: tuple[str, ...] = ()
    """Further attributes beside the ARN."""
    has_status: bool = True

    @property
    def type(self) -> str:
        return PREFIX + self.noun

    @property
    def identifier(self) -> str:
        """The property that holds the ARN."""
        return f"{self.noun}Arn"

    @property
    def member(self) -> str:
        """The member of Describe's answer that holds the resource."""
        return f"{self.noun[0].lower()}{self.noun[1:]}"

    @property
    def arn(self) -> str:
        """The member of requests and answers that holds the ARN."""
        return f"{self.member}Arn"

    @property
    def properties(self) -> tuple[str, ...]:
        return (*self.replacing, *self.in_place)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(name for name in self.properties if name not in self.optional)


READ_ONLY: Final = ("Status", "CreationDateTime", "LastUpdatedDateTime")
KINDS: Final = (
    Kind(
        "Campaign",
        ("Name",),
        ("SolutionVersionArn", "CampaignConfig", "MinProvisionedTPS", "Tags"),
        ("CampaignConfig", "MinProvisionedTPS", "Tags"),
        READ_ONLY,
    ),
    Kind(
        "Dataset",
        ("DatasetGroupArn", "DatasetType", "Name", "SchemaArn", "Tags"),
        ("DatasetImportJob",),
        ("DatasetImportJob", "Tags"),
    ),
    Kind(
        "DatasetGroup",
        ("Domain", "KmsKeyArn", "Name", "RoleArn", "Tags"),
        optional=("Domain", "KmsKeyArn", "RoleArn", "Tags"),
    ),
    Kind("EventTracker", ("DatasetGroupArn", "Name"), ("Tags",), ("Tags",), ("TrackingId",)),
    Kind("Filter", ("DatasetGroupArn", "FilterExpression", "Name"), ("Tags",), ("Tags",), READ_ONLY),
    Kind(
        "MetricAttribution",
        ("DatasetGroupArn", "Metrics", "Name"),
        ("MetricsOutputConfig",),
        read_only=("Status",),
    ),
    Kind(
        "Recommender",
        ("DatasetGroupArn", "Name", "RecipeArn"),
        ("RecommenderConfig", "Tags"),
        ("RecommenderConfig", "Tags"),
        READ_ONLY,
    ),
    Kind("Schema", ("Domain", "Name", "Schema", "Tags"), optional=("Domain", "Tags"), has_status=False),
    Kind(
        "Solution",
        (
            "DatasetGroupArn",
            "EventType",
            "Name",
            "PerformAutoML",
            "PerformHPO",
            "RecipeArn",
            "SolutionConfig",
            "Tags",
        ),
        optional=("EventType", "PerformAutoML", "PerformHPO", "RecipeArn", "SolutionConfig", "Tags"),
    ),
)
IMPORT_JOB: Final = Kind("DatasetImportJob", ())
NESTED: Final = {
    "SolutionConfig": (
        "AlgorithmHyperParameters",
        "AutoMLConfig",
        "EventValueThreshold",
        "FeatureTransformationParameters",
        "HpoConfig",
    ),
    "DatasetImportJob": ("DataSource", "DatasetArn", "DatasetImportJobArn", "JobName", "RoleArn"),
    "RecommenderConfig": (
        "EnableMetadataWithRecommendations",
        "ItemExplorationConfig",
        "MinRecommendationRequestsPerSecond",
        "TrainingDataConfig",
    ),
    "RecommenderConfig/TrainingDataConfig": ("ExcludedDatasetColumns",),
}
"""By path: properties of which the registry knows less than the service."""
OF_A_JOB: Final = ("DataSource", "JobName", "RoleArn")
"""What a DatasetImportJob must have; its ARNs say nothing that the dataset does not."""
APART: Final = ("DatasetImportJob", "Tags")
"""What changes in place by an operation of its own."""
UNSET: Final[Json] = {"CampaignConfig": {}, "MinProvisionedTPS": 1, "RecommenderConfig": {}}
"""What an update sends for a property that a template no longer has."""


def install() -> None:
    for kind, handlers in HANDLERS.items():
        provisioners._RESOURCE_HANDLERS[kind.type] = {
            "create": handlers.create,
            "update": handlers.update,
            "delete": handlers.delete,
        }
        provisioners._REPLACING_PROPERTIES[kind.type] = kind.replacing
        provisioners._CUSTOM_NAME_REPLACEMENT[kind.type] = {"name": "Name"}

    @wrapping(stacks, "_runs_on_worker_thread")
    def on_worker_thread(stock: Function, kind: str) -> bool:
        # The engine asks this server for the caller's rights before it answers.
        return kind.startswith(PREFIX) or bool(stock(kind))


class Handlers:
    """What CloudFormation does with a resource of one type."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def create(self, logical_id: str, props: Json, _stack: str = "") -> tuple[str, dict[str, str]]:
        """Create a resource and wait until it is ACTIVE; one that fails is deleted again."""
        kind, personalize = self._kind, Personalize()
        checked(kind, logical_id, props)
        job = props.get("DatasetImportJob")
        members = {name: value for name, value in props.items() if name != "DatasetImportJob"}
        arn = str(personalize.call(f"Create{kind.noun}", members)[kind.arn])
        try:
            if kind.has_status:
                personalize.wait(kind, arn)
            if job:
                personalize.import_data(arn, job)
            return arn, self._attributes(arn)
        except Exception:
            with suppress(HandlerError):
                self.delete(arn, props)
            raise

    def update(self, arn: str, old: Json, new: Json, *_stack: str) -> tuple[str, dict[str, str]]:
        """Change in place what can be, and wait for the end; everything else replaces the resource."""
        kind, personalize = self._kind, Personalize()
        checked(kind, arn, new)
        changed = {name for name in kind.in_place if old.get(name) != new.get(name)}
        if "Tags" in changed:
            personalize.tag(arn, old.get("Tags") or [], new.get("Tags") or [])
        if "DatasetImportJob" in changed and new.get("DatasetImportJob"):
            personalize.import_data(arn, new["DatasetImportJob"])
        if changed - set(APART):
            told = {name: new.get(name, UNSET.get(name)) for name in kind.in_place if name not in APART}
            personalize.call(f"Update{kind.noun}", {kind.identifier: arn, **told})
            personalize.wait(kind, arn, updated=True)
        return arn, self._attributes(arn)

    def _attributes(self, arn: str) -> dict[str, str]:
        """Return what `Fn::GetAtt` can ask for."""
        kind = self._kind
        described = Personalize().described(kind, arn) if kind.read_only else {}
        return {kind.identifier: arn} | {name: str(described[name]) for name in kind.read_only if name in described}

    def delete(self, arn: str, _props: Json) -> None:
        """Delete a resource and wait until it is gone; one that is gone already is no error."""
        personalize = Personalize()
        try:
            personalize.call(f"Delete{self._kind.noun}", {self._kind.identifier: arn})
            if self._kind.has_status:
                personalize.wait(self._kind, arn, gone=True)
        except HandlerError as error:
            if error.code != "NotFound":
                raise


HANDLERS: Final = {kind: Handlers(kind) for kind in KINDS}


class HandlerError(ValueError):
    """An error of a resource's handler, in CloudFormation's words."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(f'Resource handler returned message: "{message}" (HandlerErrorCode: {code})')
        self.message = message
        self.code = code


class Personalize:
    """The engine's control plane, with the rights of the local cloud's owner."""

    def __init__(self) -> None:
        self._client: Any = boto3.session.Session().client("personalize")

    def call(self, operation: str, properties: Mapping[str, Any]) -> Json:
        """Call an operation with the properties of a template. Raises HandlerError."""
        try:
            answer: Json = getattr(self._client, xform_name(operation))(**self.members(operation, properties))
        except botocore.exceptions.ClientError as error:
            told = error.response["Error"]
            code = HANDLER_ERRORS.get(told["Code"], "GeneralServiceException")
            raise HandlerError(told["Message"], code) from None
        except botocore.exceptions.BotoCoreError as error:
            raise HandlerError(str(error), "InvalidRequest") from None
        return answer

    def members(self, operation: str, properties: Mapping[str, Any]) -> Json:
        """Return properties as the members of an operation's request. Raises ValueError."""
        shape: Shape = self._client.meta.service_model.operation_model(operation).input_shape
        members: Json = translated(properties, shape, "#")
        return members

    def described(self, kind: Kind, arn: str) -> Json:
        """Return what a resource has, as properties. Raises HandlerError."""
        operation = f"Describe{kind.noun}"
        shape = self._client.meta.service_model.operation_model(operation).output_shape.members[kind.member]
        properties: Json = as_properties(self.call(operation, {kind.identifier: arn})[kind.member], shape)
        if "Metrics" in kind.properties:
            pages = self._client.get_paginator("list_metric_attribution_metrics").paginate(metricAttributionArn=arn)
            metrics = [metric for page in pages for metric in page["metrics"]]
            properties["Metrics"] = [
                {f"{name[0].upper()}{name[1:]}": text for name, text in row.items()} for row in metrics
            ]
        if "Tags" in kind.properties and kind.has_status:  # schemas have none in the service
            tags = self.call("ListTagsForResource", {"ResourceArn": arn})["tags"]
            properties |= {"Tags": [{"Key": tag["tagKey"], "Value": tag["tagValue"]} for tag in tags]} if tags else {}
        names = (*kind.properties, *kind.read_only, kind.identifier)
        return {name: value for name, value in properties.items() if name in names}

    def tag(self, arn: str, old: Iterable[Json], new: Iterable[Json]) -> None:
        """Give a resource these tags in place of others."""
        tags = list(new)
        if gone := {str(tag["Key"]) for tag in old} - {str(tag["Key"]) for tag in tags}:
            self.call("UntagResource", {"ResourceArn": arn, "TagKeys": sorted(gone)})
        if tags:
            self.call("TagResource", {"ResourceArn": arn, "Tags": tags})

    def import_data(self, dataset: str, job: Json) -> None:
        """Import data and wait for the end."""
        request = {name: job[name] for name in OF_A_JOB} | {"DatasetArn": dataset}
        self.wait(IMPORT_JOB, self.call("CreateDatasetImportJob", request)[IMPORT_JOB.arn])

    def wait(self, kind: Kind, arn: str, *, gone: bool = False, updated: bool = False) -> None:
        """Wait until a resource, or its latest update, is ACTIVE; or until the resource is `gone`.

        Raises HandlerError: NotFound when it is gone, NotStabilized.
        """
        deadline = time.monotonic() + MOST_SECONDS
        while time.monotonic() < deadline:
            resource = self.call(f"Describe{kind.noun}", {kind.identifier: arn})[kind.member]
            if updated:
                resource = resource.get(f"latest{kind.noun}Update", resource)
            if resource["status"] == "ACTIVE" and not gone:
                return
            if resource["status"].endswith("FAILED"):
                raise HandlerError(
                    f"{arn} is {resource['status']}: {resource.get('failureReason', '')}", "NotStabilized"
                )
            time.sleep(POLL_SECONDS)
        raise HandlerError(f"{arn} did not settle in {MOST_SECONDS:.0f} s", "NotStabilized")


def checked(kind: Kind, resource: str, props: Json) -> None:
    """Check the names of properties, as CloudFormation does before it calls a handler. Raises ValueError."""
    if wrong := problems(kind, props):
        raise ValueError(f"Properties validation failed for resource {resource} with message:\n" + "\n".join(wrong))


def problems(kind: Kind, props: Json) -> list[str]:
    """Return what is wrong with the names of properties, in CloudFormation's words."""
    wrong = [f"#: required key [{name}] not found" for name in kind.required if name not in props]
    wrong += [f"#: extraneous key [{name}] is not permitted" for name in props if name not in kind.properties]
    for path, members in NESTED.items():
        inside: object = props
        for name in path.split("/"):
            inside = inside.get(name) if isinstance(inside, Mapping) else None
        unknown = [name for name in inside if name not in members] if isinstance(inside, Mapping) else []
        wrong += [f"#/{path}: extraneous key [{name}] is not permitted" for name in unknown]
    for name in OF_A_JOB if isinstance(props.get("DatasetImportJob"), Mapping) else ():
        if name not in props["DatasetImportJob"]:
            wrong.append(f"#/DatasetImportJob: required key [{name}] not found")
    return wrong


def as_properties(value: object, shape: Shape) -> Any:  # noqa: ANN401 - JSON
    """Return a part of an answer of the API as properties."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        return {
            f"{name[0].upper()}{name[1:]}": as_properties(value[name], inner)
            for name, inner in shape.members.items()
            if name in value
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [as_properties(part, shape.member) for part in value]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {key: as_properties(part, shape.value) for key, part in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value


def translated(value: object, shape: Shape, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return a property as the API takes it; templates write numbers and booleans as strings too. Raises ValueError."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        tag = {"Key": "tagKey", "Value": "tagValue"} if shape.name == "Tag" else {}
        members: Json = {}
        for name, given in value.items():
            member = tag.get(name, f"{name[:1].lower()}{name[1:]}")
            if member not in shape.members:
                raise ValueError(f"{path}: extraneous key [{name}] is not permitted")
            members[member] = translated(given, shape.members[member], f"{path}/{name}")
        return members
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [translated(element, shape.member, f"{path}/{index}") for index, element in enumerate(value)]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {name: translated(member, shape.value, f"{path}/{name}") for name, member in value.items()}
    if isinstance(value, (Mapping, list)) or isinstance(shape, (StructureShape, ListShape, MapShape)):
        raise ValueError(f"{path}: expected type: {shape.type_name.capitalize()}, found: {type(value).__name__}")  # noqa: TRY004
    return scalar(value, shape.type_name, path)


def scalar(value: object, kind: str, path: str) -> object:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "boolean" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        return {"integer": int, "long": int, "float": float, "double": float, "string": str}[kind](text)
    except (KeyError, ValueError):
        raise ValueError(f"{path}: expected type: {kind.capitalize()}, found: {text}") from None
