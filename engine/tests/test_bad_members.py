# SPDX-License-Identifier: Apache-2.0
"""Every member of every operation, wrong in every way that its model rules out; and ARNs that lead nowhere."""

from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from engine.tests.bare import Bare
from engine.tests.breaches import arn_members, breaches, whole
from engine.tests.calls import MODELS, Json, filled, requests_of
from engine.tests.harness import Engine

OPERATIONS: Final = sorted(MODELS)
BUILT_IN: Final = {"DescribeRecipe", "DescribeAlgorithm", "DescribeFeatureTransformation"}
"""What is about the service's own, which everybody sees."""
NEEDING_ONE: Final = {"ListMetricAttributionMetrics", "ListTagsForResource"}
"""Lists of one resource."""
OF_ANY_KIND: Final = {"resourceArn", "recipeArn", "algorithmArn", "featureTransformationArn"}
"""Members that take ARNs of every kind, or of a kind of which nobody owns one."""


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whole_request_breaks_no_rule_of_its_model(bare: Bare, operation: str) -> None:
    _, answer = bare.ask(operation, whole(operation))
    assert "failed to satisfy constraint" not in answer.get("message", "")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_wrong_member_is_refused_by_its_name(bare: Bare, operation: str) -> None:
    accepted = []
    for breach in breaches(operation):
        status, answer = bare.ask(operation, breach.request)
        named = f"'{breach.member}" in answer.get("message", "")
        if (status, answer.get("__type"), named) != (400, "InvalidInputException", True):
            accepted.append(f"{breach.member} {breach.rule}: {status} {answer}")
    assert accepted == []


def test_arns_that_lead_nowhere_are_refused(bare: Bare, world: Mapping[str, str]) -> None:
    accepted = []
    for operation, member in ((name, arn) for name in OPERATIONS for arn in arn_members(name)):
        request: Json = filled(requests_of()[operation], world)
        for what, arn in _nowhere(member, world):
            status, answer = bare.ask(operation, request | {member: arn})
            listed = operation.startswith("List") and status == 200 and not any(answer.values())
            if not listed and (status not in {400, 404} or answer["__type"] not in _allowed(operation)):
                accepted.append(f"{operation}.{member} {what}: {status} {answer}")
    assert accepted == []


def test_another_account_and_region_see_nothing(engine: Engine, world: Mapping[str, str]) -> None:
    """Even with right ARNs and tracking ids: every request is refused, and lists are empty."""
    shown = []
    for region, key in (("world", "999999999999"), ("elsewhere", "t")):
        with Bare(engine, region, key) as stranger:
            for operation, request in requests_of().items():
                if request == filled(request, {}) or operation in BUILT_IN:
                    continue
                status, answer = stranger.ask(operation, filled(request, world))
                if status == 200 or answer["__type"] not in _allowed(operation):
                    shown.append(f"{operation} in {region} for {key}: {status} {answer}")
            listed = {name for name in MODELS if name.startswith("List") and name not in {"ListRecipes", *NEEDING_ONE}}
            shown += [name for name in listed if any(stranger.perform(name, {}).values())]
    assert shown == []


def test_campaigns_deploy_no_segments(bare: Bare, world: Mapping[str, str]) -> None:
    segments = {"solutionVersionArn": world["version-segments"]}
    for operation, members in {
        "CreateCampaign": {"name": "s"},
        "UpdateCampaign": {"campaignArn": world["campaign-popular"]},
    }.items():
        status, answer = bare.ask(operation, segments | members)
        assert (status, "makes segments of users" in answer["message"]) == (400, True)


def _nowhere(member: str, world: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    arn = world.get(member.removesuffix("Arn"), "")
    own_arn = arn if ":123456789012:" in arn else world["group"]  # what is built in belongs to no account
    yield "of nothing", f"{own_arn}-none"
    yield "of another account", own_arn.replace("123456789012", "999999999999")
    yield "of another region", own_arn.replace(":world:", ":elsewhere:")
    yield "of another service", own_arn.replace(":personalize:", ":s3:")
    if member not in OF_ANY_KIND:
        yield "of another kind", world["schema-items" if member == "datasetImportJobArn" else "import-items"]
        yield "of a recipe", "arn:aws:personalize:::recipe/aws-sims"


def _allowed(operation: str) -> set[str]:
    modelled = {shape.name for shape in MODELS[operation].error_shapes}
    return modelled & {"ResourceNotFoundException", "InvalidInputException"}
