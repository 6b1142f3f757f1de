# SPDX-License-Identifier: Apache-2.0
"""``python -m local.cli.log_role ENV``: the parameters with which `make deploy` deploys.

An account has one role for the logs of all its APIs. A stack that sets it replaces what another stack has set, so it
does so only where nobody has.
"""

import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local.cloud.environments import REPOSITORY

PARAMETER = "ManageApiGatewayLogRole"
RESOURCE = "ApiGatewayLogRole"
"""The role in the template."""
Client = Any
"""A client of API Gateway, IAM or CloudFormation."""


def overrides(environment: str, of_another_stack: Callable[[str], str]) -> str:
    """Return the parameter overrides of samconfig.toml's environment, and that of the role where it needs one.

    Args:
        environment: its name in samconfig.toml.
        of_another_stack: returns the ARN of the account's role if a stack other than the named one has set it, or "".
    """
    settings = tomllib.loads((REPOSITORY / "samconfig.toml").read_text()).get(environment, {})
    given = str(_section(settings, "deploy").get("parameter_overrides", ""))
    if PARAMETER in given:
        return given
    stack = str(_section(settings, "global").get("stack_name") or _section(settings, "deploy").get("stack_name", ""))
    try:
        role = of_another_stack(stack)
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"Whether another stack has set API Gateway's role for logs could not be seen: {error}\n")
        return given
    if not role:
        return given
    sys.stderr.write(f"API Gateway writes this account's logs with {role}: deploying with {PARAMETER}=false\n")
    return f"{given} {PARAMETER}=false".strip()


def role_of_another_stack(gateway: Client, roles: Client, stacks: Client, stack: str) -> str:
    """Return the account's role for the logs of APIs, if it exists and is not the stack's; otherwise ""."""
    arn = str(gateway.get_account().get("cloudwatchRoleArn") or "")
    name = arn.rpartition("/")[2]
    if not arn or name == _role(stacks, stack):
        return ""
    try:
        roles.get_role(RoleName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return ""
        raise
    return arn


def _role(stacks: Client, stack: str) -> str:
    """Return the name of the stack's role; "" where the stack is not there or has none."""
    try:
        resource = stacks.describe_stack_resource(StackName=stack, LogicalResourceId=RESOURCE)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return ""
        raise
    return str(resource["StackResourceDetail"].get("PhysicalResourceId", ""))


def _section(settings: Mapping[str, Any], command: str) -> Mapping[str, Any]:
    parameters: Mapping[str, Any] = settings.get(command, {}).get("parameters", {})
    return parameters


if __name__ == "__main__":
    clients = boto3.client("apigateway"), boto3.client("iam"), boto3.client("cloudformation")
    sys.stdout.write(overrides(sys.argv[1], partial(role_of_another_stack, *clients)) + "\n")
