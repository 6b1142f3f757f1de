# SPDX-License-Identifier: Apache-2.0
"""template.yaml and its nested stacks: loops written out, compiled by the SAM translator, and values worked out.

All without network or credentials.
"""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from cfnlint.decode import cfn_yaml
from cfnlint.template import Template
from cfnlint.template.transforms._language_extensions import language_extension
from samtranslator.model import apigateway
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

Resource = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "template.yaml"
NESTED = sorted((ROOT / "stacks").glob("*.yaml"))
PSEUDO = {
    "AWS::StackName": "retail", "AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com", "AWS::NoValue": None,
    "AWS::StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/retail/51af3dc0-da77-11e4-872e-1234567db123",
}  # fmt: skip
MANAGED = {"AWSLambdaBasicExecutionRole": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}


OPTIONS = {
    "Browsers": "true",
    "WebAcl": "true",
    "Storefront": "true",
    "StorefrontDomain": "shop.example.com",
    "StorefrontCertificate": "00000000-0000-0000-0000-000000000000",
    "StorefrontWebAclArn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/shop/0",
    "StorefrontLogBucket": "logs.s3.amazonaws.com",
}
"""What a stack may have and need not: the tests look at it all."""


@dataclass(frozen=True)
class Stack:
    """`source` is the template without its loops, `resources` are CloudFormation's with their values worked out.

    Those of nested stacks are among them, under their own logical ids.

    A reference to a resource is worked out to its logical id, an attribute of one to ``Id.Attribute``.
    """

    source: Resource
    resources: dict[str, Resource]
    outputs: dict[str, Resource]

    def of(self, kind: str) -> dict[str, Resource]:
        """The properties of the resources of one type, such as ``Lambda::Function``, by logical id."""
        return {n: r.get("Properties", {}) for n, r in self.resources.items() if r["Type"] == f"AWS::{kind}"}


def compiled(
    parameters: dict[str, Any] | None = None, places: dict[str, str] | None = None, second: float = 0
) -> Stack:
    """The stack that the template makes with these parameters, its artefacts at these S3 addresses (by logical id)."""
    source = looped(FILE)
    values = defaults(source) | OPTIONS | (parameters or {})
    template = translated(packaged(source, places or {}), values, second)
    worked = Values(values | PSEUDO, template["Conditions"])
    made = {n: r for n, r in template["Resources"].items() if worked.condition(r.get("Condition"))}
    nested: dict[str, Resource] = {}
    for name, resource in made.items():
        if resource["Type"] == "AWS::CloudFormation::Stack":
            child = child_of(worked.out(resource["Properties"]))
            assert not set(child.resources) & {*made, *nested}
            nested |= child.resources
            outputs = {f"{name}.Outputs.{key}": output["Value"] for key, output in child.outputs.items()}
            worked = Values(worked.attributes | outputs, worked.conditions)
    return Stack(source, worked.out(made) | nested, worked.out(template["Outputs"]))


def child_of(properties: Resource) -> Stack:
    """The nested stack that a stack makes with these properties of its resource."""
    source = looped(ROOT / properties["TemplateURL"])
    given = properties["Parameters"]
    assert set(given) == set(source["Parameters"])
    worked = Values(given | PSEUDO | {"AWS::StackName": "retail-nested"}, source.get("Conditions", {}))
    parts = {
        part: {n: member for n, member in source[part].items() if worked.condition(member.get("Condition"))}
        for part in ("Resources", "Outputs")
    }
    return Stack(source, worked.out(parts["Resources"]), worked.out(parts["Outputs"]))


@cache
def looped(file: Path) -> Resource:
    """A template with its loops written out, as cfn-lint knows CloudFormation to do it."""
    problems, written = language_extension(Template(str(file), cfn_yaml.load(str(file)), [PSEUDO["AWS::Region"]]))
    assert not problems, problems
    plain = json.loads(json.dumps(written))
    source: Resource = yaml_parse(file.read_text())
    return source | {part: plain.get(part, {}) for part in ("Resources", "Outputs")}


def packaged(source: Resource, places: dict[str, str]) -> Resource:
    """A template as `sam package` makes it: every artefact has an address."""
    made = copy.deepcopy(source)
    functions = made["Globals"]["Function"].pop("CodeUri")
    for name, resource in made["Resources"].items():
        properties = resource.get("Properties", {})
        location = places.get(name, f"s3://artefacts/{name}")
        if resource["Type"] == "AWS::Serverless::Function":
            assert properties.setdefault("CodeUri", functions) == functions
        properties.update({key: location for key in ("CodeUri", "ContentUri", "DefinitionUri") if key in properties})
    return made


def watched(alarm: Resource) -> list[Resource]:
    """The metrics that an alarm looks at: its one, or those that it adds up."""
    if "Metrics" not in alarm:
        return [alarm]
    (total,) = [metric for metric in alarm["Metrics"] if "Expression" in metric]
    assert total["Expression"] == "SUM(METRICS())"
    added = [metric for metric in alarm["Metrics"] if metric is not total]
    assert all(metric["ReturnData"] is False and metric["MetricStat"]["Stat"] == "Sum" for metric in added)
    return [metric["MetricStat"]["Metric"] for metric in added]


def defaults(source: Resource) -> dict[str, Any]:
    """The parameters' defaults."""
    return {name: entry.get("Default") for name, entry in source["Parameters"].items()}


def translated(packaged: Resource, values: dict[str, Any], second: float = 0) -> Resource:
    """What SAM makes of a template at a time: it names the deployments of an API by that."""
    session = boto3.session.Session(region_name=PSEUDO["AWS::Region"])
    with mock.patch.object(apigateway, "time", SimpleNamespace(time=lambda: second)):
        made: Resource = Translator(MANAGED, Parser(), boto_session=session).translate(packaged, values)
    return made


@dataclass(frozen=True)
class Values:
    """CloudFormation's functions, as far as the template uses them."""

    attributes: dict[str, Any]
    conditions: dict[str, Any]

    def condition(self, name: str | None) -> bool:
        """Whether the condition of that name holds; no name, no condition."""
        return name is None or bool(self.out(self.conditions[name]))

    def out(self, node: Any) -> Any:  # noqa: ANN401 - any part of a template
        """`node` with every function in it worked out."""
        if isinstance(node, list):
            return [item for item in map(self.out, node) if item is not None]
        if not isinstance(node, dict):
            return node
        if len(node) == 1 and (key := next(iter(node))) in FUNCTIONS:
            return FUNCTIONS[key](self, node[key])
        worked = {key: self.out(value) for key, value in node.items()}
        return {key: value for key, value in worked.items() if value is not None}

    def ref(self, name: str) -> Any:  # noqa: ANN401 - a parameter may have any value
        """A parameter's value, a nested stack's output, or a resource's logical id or attribute."""
        return self.attributes.get(name, name)

    def sub(self, argument: str | list[Any]) -> str:
        """A text with its references filled in, from a map of its own first."""
        text, variables = (argument, {}) if isinstance(argument, str) else argument
        worked = self.out(variables)
        return re.sub(r"\$\{([^!}]+)\}", lambda match: str(worked.get(match[1], self.ref(match[1]))), text)

    def pick(self, argument: list[Any]) -> Any:  # noqa: ANN401 - either branch
        """Fn::If."""
        return self.out(argument[1] if self.condition(argument[0]) else argument[2])


FUNCTIONS: dict[str, Callable[[Values, Any], Any]] = {
    "Ref": Values.ref,
    "Fn::Sub": Values.sub,
    "Fn::If": Values.pick,
    "Fn::GetAtt": lambda values, path: values.ref(path if isinstance(path, str) else ".".join(path)),
    "Condition": lambda values, name: values.condition(name),
    "Fn::And": lambda values, argument: all(values.out(element) for element in argument),
    "Fn::Select": lambda values, argument: values.out(argument[1])[int(argument[0])],
    "Fn::Not": lambda values, argument: not values.out(argument[0]),
    "Fn::Equals": lambda values, argument: len({str(values.out(side)) for side in argument}) == 1,
    "Fn::Split": lambda values, argument: values.out(argument[1]).split(argument[0]),
    "Fn::Join": lambda values, argument: argument[0].join(map(str, values.out(argument[1]))),
}
STACK = compiled()
