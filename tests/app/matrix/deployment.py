# SPDX-License-Identifier: Apache-2.0
"""A deployment of the stack whose new functions do not understand what the runs of one shop hand them."""

import io
import json
import zipfile
from typing import Any
from urllib.parse import urlsplit

import boto3
from samtranslator.yaml_helper import yaml_parse

from local.cloud.home import access
from tests.app.matrix.world import World
from tests.app.waiting import BOUND

BUCKET = "next-release"
NEXT = """

_handler = handler


def handler(event, context):
    if {shop!r} in json.dumps(event):
        raise RuntimeError("this code does not know the payload")
    return _handler(event, context)
"""
"""What the functions of the next release do besides."""
TEXT = "A run timed out"


def deploy(world: World, shop: str) -> None:
    """Update the stack and its nested one: functions that a state machine calls refuse what is about a shop."""
    stack = world.laptop.state.stack
    template = yaml_parse(as_text(world.stacks.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]))
    # Functions and machines are written one by one; the loops are CloudFormation's to write out.
    resources = {
        name: resource for name, resource in template["Resources"].items() if not name.startswith("Fn::ForEach::")
    }
    world.s3.create_bucket(Bucket=BUCKET)
    for name in called(resources):
        properties = resources[name]["Properties"]
        bucket, key = urlsplit(properties["CodeUri"]).netloc, urlsplit(properties["CodeUri"]).path[1:]
        code = world.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        world.s3.put_object(Bucket=BUCKET, Key=f"{shop}/{name}.zip", Body=changed(code, shop))
        properties["CodeUri"] = f"s3://{BUCKET}/{shop}/{name}.zip"
    # The nested stack is updated as well: the text of an alarm is another one.
    monitoring = resources["Monitoring"]["Properties"]
    bucket, _, key = urlsplit(monitoring["TemplateURL"]).path[1:].partition("/")
    nested = world.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    world.s3.put_object(Bucket=BUCKET, Key=f"{shop}/monitoring", Body=nested.replace(TEXT, f"{TEXT} ({shop})"))
    monitoring["TemplateURL"] = f"{world.laptop.state.endpoint}/{BUCKET}/{shop}/monitoring"
    world.s3.put_object(Bucket=BUCKET, Key=f"{shop}/template.json", Body=json.dumps(template))
    change = {"StackName": stack, "ChangeSetName": f"next-{shop}"}
    world.stacks.create_change_set(
        **change,
        TemplateURL=f"{world.laptop.state.endpoint}/{BUCKET}/{shop}/template.json",
        Parameters=[{"ParameterKey": name, "UsePreviousValue": True} for name in template["Parameters"]],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    often = {"Delay": 1, "MaxAttempts": int(BOUND)}
    world.stacks.get_waiter("change_set_create_complete").wait(**change, WaiterConfig=often)
    world.stacks.execute_change_set(**change)
    world.stacks.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig=often)
    described = world.stacks.describe_stack_resource(StackName=stack, LogicalResourceId="ClaimDropFunction")
    function = described["StackResourceDetail"]["PhysicalResourceId"]
    answer = world.functions.invoke(FunctionName=function, Qualifier="live", Payload=json.dumps({"shop": shop}))
    assert b"does not know the payload" in answer["Payload"].read()
    alarms = boto3.client("cloudwatch", **access(world.laptop.state)).describe_alarms()["MetricAlarms"]
    assert any(f"{TEXT} ({shop})" in alarm["AlarmDescription"] for alarm in alarms)


def as_text(body: str | dict[str, Any]) -> str:
    """A template as boto3 gives it: JSON comes parsed."""
    return body if isinstance(body, str) else json.dumps(body)


def called(resources: dict[str, Any]) -> set[str]:
    """The functions that the state machines call, by logical id."""
    machines = [
        resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::Serverless::StateMachine"
    ]
    return {name for machine in machines for name in machine["DefinitionSubstitutions"] if name in resources} & {
        name for name, resource in resources.items() if resource["Type"] == "AWS::Serverless::Function"
    }


def changed(code: bytes, shop: str) -> bytes:
    """A function's archive as the next release has it; without bytecode, which would still be the old code's."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(code)) as before, zipfile.ZipFile(made, "w") as after:
        for entry in before.infolist():
            content = before.read(entry)
            if entry.filename == "app.py":
                content = b"import json\n" + content + NEXT.format(shop=shop).encode()
            if not entry.filename.endswith(".pyc"):
                after.writestr(entry, content)
    return made.getvalue()
