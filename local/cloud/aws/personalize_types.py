# SPDX-License-Identifier: Apache-2.0
"""CloudFormation's types of Amazon Personalize, by calls to the engine: dataset groups, schemas, datasets, solutions.

Properties are those of the registry's schemas, and so is what replaces a resource. `Ref` and the one attribute are the
ARN: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Personalize.html
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import boto3
import botocore.exceptions
from botocore import xform_name
from botocore.model import ListShape, MapShape, Shape, StructureShape
from ministack.services.cloudformation import provisioners, stacks

from local.cloud.aws.patching import Function, Json, around

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
    """A type: what it must have, what else replaces a resource when it changes, and what changes in place."""

    noun: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()
    has_status: bool = True

    @property
    def type(self) -> str:
        return PREFIX + self.noun

    @property
    def arn(self) -> str:
        """The member of requests and answers that holds the ARN."""
        return f"{self.noun[0].lower()}{self.noun[1:]}Arn"

    @property
    def properties(self) -> tuple[str, ...]:
        return (*self.required, *self.optional, *self.in_place)


KINDS: Final = (
    Kind("DatasetGroup", ("Name",), ("Domain", "KmsKeyArn", "RoleArn", "Tags")),
    Kind("Schema", ("Name", "Schema"), ("Domain", "Tags"), has_status=False),
    Kind("Dataset", ("DatasetGroupArn", "DatasetType", "Name", "SchemaArn"), ("Tags",), ("DatasetImportJob",)),
    Kind(
        "Solution",
        ("DatasetGroupArn", "Name"),
        ("EventType", "PerformAutoML", "PerformHPO", "RecipeArn", "SolutionConfig", "Tags"),
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
}
"""Properties of which the registry knows less than the service."""
OF_A_JOB: Final = ("DataSource", "JobName", "RoleArn")
"""What a DatasetImportJob must have; its ARNs say nothing that the dataset does not."""


def install() -> None:
    for kind in KINDS:
        handlers = Handlers(kind)
        provisioners._RESOURCE_HANDLERS[kind.type] = {
            "create": handlers.create,
            "update": handlers.update,
            "delete": handlers.delete,
        }
        provisioners._REPLACING_PROPERTIES[kind.type] = (*kind.required, *kind.optional)
        provisioners._CUSTOM_NAME_REPLACEMENT[kind.type] = {"name": "Name"}

    @around(stacks, "_runs_on_worker_thread")
    def on_worker_thread(stock: Function, kind: str) -> bool:
        # The engine asks this server for the caller's rights before it answers.
        return kind.startswith(PREFIX) or bool(stock(kind))


class Handlers:
    """What CloudFormation does with a resource of one type."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def create(self, logical_id: str, props: Json, _stack: str) -> tuple[str, dict[str, str]]:
        """Create a resource and wait until it is ACTIVE; one that fails is deleted again."""
        kind, personalize = self._kind, Personalize()
        checked(kind, logical_id, props)
        job = props.get("DatasetImportJob")
        asked = {name: value for name, value in props.items() if name not in kind.in_place}
        arn = str(personalize.call(f"Create{kind.noun}", asked)[kind.arn])
        try:
            if kind.has_status:
                personalize.wait(kind, arn)
            if job:
                personalize.import_data(arn, job)
        except Exception:
            with suppress(HandlerError):
                self.delete(arn, props)
            raise
        return arn, {f"{kind.noun}Arn": arn}

    def update(self, arn: str, old: Json, new: Json, *_stack: str) -> tuple[str, dict[str, str]]:
        """Import what a changed DatasetImportJob names; everything else replaces the resource."""
        job = new.get("DatasetImportJob")
        if job and job != old.get("DatasetImportJob"):
            checked(self._kind, arn, new)
            Personalize().import_data(arn, job)
        return arn, {f"{self._kind.noun}Arn": arn}

    def delete(self, arn: str, _props: Json) -> None:
        """Delete a resource and wait until it is gone; one that is gone already is no error."""
        personalize = Personalize()
        try:
            personalize.call(f"Delete{self._kind.noun}", {self._kind.arn: arn})
            if self._kind.has_status:
                personalize.wait(self._kind, arn, gone=True)
        except HandlerError as error:
            if error.code != "NotFound":
                raise


class HandlerError(ValueError):
    """An error of a resource's handler, in CloudFormation's words."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(f'Resource handler returned message: "{message}" (HandlerErrorCode: {code})')
        self.code = code


class Personalize:
    """The engine's control plane, with the rights of the local cloud's owner."""

    def __init__(self) -> None:
        self._client: Any = boto3.session.Session().client("personalize")

    def call(self, operation: str, properties: Mapping[str, Any]) -> Json:
        """Call an operation with the properties of a template. Raises HandlerError."""
        shape: Shape = self._client.meta.service_model.operation_model(operation).input_shape
        try:
            answer: Json = getattr(self._client, xform_name(operation))(**translated(properties, shape, "#"))
        except botocore.exceptions.ClientError as error:
            told = error.response["Error"]
            code = HANDLER_ERRORS.get(told["Code"], "GeneralServiceException")
            raise HandlerError(told["Message"], code) from None
        except botocore.exceptions.BotoCoreError as error:
            raise HandlerError(str(error), "InvalidRequest") from None
        return answer

    def import_data(self, dataset: str, job: Json) -> None:
        """Import data and wait for the end."""
        asked = {name: job[name] for name in OF_A_JOB} | {"DatasetArn": dataset}
        self.wait(IMPORT_JOB, self.call("CreateDatasetImportJob", asked)[IMPORT_JOB.arn])

    def wait(self, kind: Kind, arn: str, *, gone: bool = False) -> None:
        """Wait until a resource is ACTIVE, or `gone`. Raises HandlerError: NotFound when it is gone, NotStabilized."""
        deadline = time.monotonic() + MOST_SECONDS
        while time.monotonic() < deadline:
            found = self.call(f"Describe{kind.noun}", {kind.arn: arn})[kind.arn.removesuffix("Arn")]
            if found["status"] == "ACTIVE" and not gone:
                return
            if found["status"].endswith("FAILED"):
                raise HandlerError(f"{arn} is {found['status']}: {found.get('failureReason', '')}", "NotStabilized")
            time.sleep(POLL_SECONDS)
        raise HandlerError(f"{arn} did not settle in {MOST_SECONDS:.0f} s", "NotStabilized")


def checked(kind: Kind, resource: str, props: Json) -> None:
    """Check the names of properties, as CloudFormation does before it calls a handler. Raises ValueError."""
    wrong = [f"#: required key [{name}] not found" for name in kind.required if name not in props]
    wrong += [f"#: extraneous key [{name}] is not permitted" for name in props if name not in kind.properties]
    for name in NESTED.keys() & props.keys():
        inside = props[name] if isinstance(props[name], dict) else {}
        wrong += [f"#/{name}: extraneous key [{each}] is not permitted" for each in inside if each not in NESTED[name]]
    for name in OF_A_JOB if "DatasetImportJob" in props else ():
        if name not in props["DatasetImportJob"]:
            wrong.append(f"#/DatasetImportJob: required key [{name}] not found")
    if wrong:
        raise ValueError(f"Properties validation failed for resource {resource} with message:\n" + "\n".join(wrong))


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
        return [translated(each, shape.member, f"{path}/{place}") for place, each in enumerate(value)]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {name: translated(each, shape.value, f"{path}/{name}") for name, each in value.items()}
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
