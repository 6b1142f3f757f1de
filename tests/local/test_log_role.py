# SPDX-License-Identifier: Apache-2.0
"""`make deploy` leaves the account's one role for API Gateway's logs to the stack that has set it."""

from contextlib import ExitStack

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from local.cli import log_role

ACCOUNT = "arn:aws:iam::123456789012:role"
FOREIGN = f"{ACCOUNT}/theirs"


def of_another_stack(account_role: str, stacks_role: str = "", exists: bool = True) -> str:
    """Return the role that stays, of an account that has set one, and whose stack may have one of its own."""
    session = boto3.Session("none", "none", region_name="eu-west-1")
    gateway, roles, stacks = session.client("apigateway"), session.client("iam"), session.client("cloudformation")
    with ExitStack() as stack:
        of_gateway, of_roles, of_stacks = (stack.enter_context(Stubber(client)) for client in (gateway, roles, stacks))
        of_gateway.add_response("get_account", {"cloudwatchRoleArn": account_role} if account_role else {})
        if stacks_role:
            resource = {"LogicalResourceId": "ApiGatewayLogRole", "ResourceType": "AWS::IAM::Role",
                        "LastUpdatedTimestamp": 0, "ResourceStatus": "CREATE_COMPLETE"}  # fmt: skip
            detail = {"StackResourceDetail": resource | {"PhysicalResourceId": stacks_role}}
            of_stacks.add_response("describe_stack_resource", detail)
        else:
            of_stacks.add_client_error("describe_stack_resource", "ValidationError")
        if exists:
            role = {"Path": "/", "RoleName": "theirs", "RoleId": "A" * 16, "Arn": FOREIGN, "CreateDate": 0}
            of_roles.add_response("get_role", {"Role": role})
        else:
            of_roles.add_client_error("get_role", "NoSuchEntity")
        return log_role.role_of_another_stack(gateway, roles, stacks, "retail-dev")


def test_the_role_of_another_stack_stays() -> None:
    assert of_another_stack(FOREIGN) == of_another_stack(FOREIGN, "retail-dev-ApiGatewayLogRole-1") == FOREIGN


def test_a_stack_sets_the_role_where_none_is_or_the_role_was_deleted() -> None:
    assert of_another_stack("") == of_another_stack(FOREIGN, exists=False) == ""


def test_a_stack_goes_on_with_its_own_role() -> None:
    assert of_another_stack(f"{ACCOUNT}/retail-dev-ApiGatewayLogRole-1", "retail-dev-ApiGatewayLogRole-1") == ""


def test_a_deployment_keeps_the_parameters_of_its_environment(capsys: pytest.CaptureFixture[str]) -> None:
    alone = log_role.overrides("dev", lambda _: "")
    assert "Prefix=retaildev" in alone
    assert log_role.overrides("dev", lambda _: FOREIGN) == f"{alone} ManageApiGatewayLogRole=false"
    assert log_role.overrides("default", lambda _: FOREIGN) == "ManageApiGatewayLogRole=false"
    assert FOREIGN in capsys.readouterr().err


def test_an_account_that_cannot_be_asked_is_deployed_to_as_it_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: str) -> str:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetAccount")

    assert log_role.overrides("dev", refuse) == log_role.overrides("dev", lambda _: "")
    assert "could not be seen" in capsys.readouterr().err
