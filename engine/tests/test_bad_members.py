# SPDX-License-Identifier: Apache-2.0
"""Every member of every operation, wrong in every way that its model rules out; and ARNs that lead nowhere."""

from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from engine.tests.bare import Bare
from engine.tests.breaches import arn_members, breaches, whole
from engine.tests.calls import BUCKET, MODELS, WORLD, Json, filled, play, requests_of, write_files
from engine.tests.harness import EngineProcess

REGION: Final = "bad-members"
OPERATIONS: Final = sorted(MODELS)
OF_ANY_KIND: Final = {"resourceArn", "recipeArn", "algorithmArn", "featureTransformationArn"}
"""Members that take ARNs of every kind, or of a kind of which nobody owns one."""


@pytest.fixture(scope="module")
def bare(engine: EngineProcess) -> Iterator[Bare]:
    with Bare(engine, REGION) as client:
        yield client


@pytest.fixture(scope="module")
def made(engine: EngineProcess, bare: Bare) -> Mapping[str, str]:
    """One resource of every kind: ARNs by their names in the calls."""
    write_files(engine.s3_root / BUCKET)
    found: dict[str, str] = {}
    for call, answer in play(bare.perform, WORLD):
        found |= {name: str(answer[member]) for member, name in call.keeps.items() if member in answer}
    return found


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


def test_arns_that_lead_nowhere_are_refused(bare: Bare, made: Mapping[str, str]) -> None:
    accepted = []
    for operation, member in ((each, arn) for each in OPERATIONS for arn in arn_members(each)):
        request: Json = filled(requests_of()[operation], made)
        for what, arn in _nowhere(member, made):
            status, answer = bare.ask(operation, request | {member: arn})
            listed = operation.startswith("List") and status == 200 and not any(answer.values())
            if not listed and (status not in {400, 404} or answer["__type"] not in _allowed(operation)):
                accepted.append(f"{operation}.{member} {what}: {status} {answer}")
    assert accepted == []


def _nowhere(member: str, made: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    mine = made["group"] if member == "resourceArn" else made.get(member.removesuffix("Arn"), made["group"])
    yield "of nothing", f"{mine}-none"
    yield "of another account", mine.replace("123456789012", "999999999999")
    yield "of another region", mine.replace(REGION, "elsewhere")
    yield "of another service", mine.replace(":personalize:", ":s3:")
    if member not in OF_ANY_KIND:
        yield "of another kind", made["schema-items" if member == "datasetImportJobArn" else "import-items"]
        yield "of a recipe", "arn:aws:personalize:::recipe/aws-sims"


def _allowed(operation: str) -> set[str]:
    modelled = {shape.name for shape in MODELS[operation].error_shapes}
    return modelled & {"ResourceNotFoundException", "InvalidInputException"}
