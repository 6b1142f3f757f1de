# SPDX-License-Identifier: Apache-2.0
"""The wire: routes, errors and constraints, as SDKs and bare HTTP clients meet them."""

import json
import urllib.request
from pathlib import Path

import pytest
from personalize_local import coverage

from engine.tests.harness import SECONDS, Aws, Engine
from engine.tests.names import RECIPE
from engine.tests.shop_data import avro

CONTROL = {"Content_Type": "application/x-amz-json-1.1"}
LIST_SCHEMAS = CONTROL | {"X_Amz_Target": "AmazonPersonalize.ListSchemas"}
SOMEBODY = "arn:aws:personalize:us-east-1:123456789012:"


def test_control_plane_answer_has_request_id_and_content_type(engine: Engine, region: str) -> None:
    signed = f"AWS4-HMAC-SHA256 Credential=t/20260101/{region}/personalize/aws4_request"
    status, headers, body = engine.ask("/", b"{}", **LIST_SCHEMAS, Authorization=signed)
    assert (status, json.loads(body)) == (200, {"schemas": []})
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert len(headers["x-amzn-requestid"]) == 36


def test_rest_error_carries_its_code_in_a_header(engine: Engine) -> None:
    arn = f"{SOMEBODY}campaign/none"
    status, headers, body = engine.ask("/recommendations", json.dumps({"campaignArn": arn}).encode())
    assert (status, headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    assert json.loads(body)["message"] == f"Resource Arn {arn} does not exist."


def test_control_plane_error_is_400_with_type_and_message(engine: Engine) -> None:
    target = {"X_Amz_Target": "AmazonPersonalize.DescribeSchema"}
    body = json.dumps({"schemaArn": f"{SOMEBODY}schema/none"}).encode()
    status, _, answer = engine.ask("/", body, **CONTROL, **target)
    assert status == 400
    assert json.loads(answer)["__type"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "code"),
    [
        ("/", {"X_Amz_Target": "AmazonPersonalize.MakeTea"}, b"{}", 400, "UnknownOperationException"),
        ("/", {}, b"{}", 404, "UnknownOperationException"),
        ("/tea", {}, b"{}", 404, "UnknownOperationException"),
        ("/events", {"X_Amz_Target": "AmazonPersonalize.ListSchemas"}, b"{}", 400, "UnknownOperationException"),
        ("/", LIST_SCHEMAS, b"{", 400, "SerializationException"),
        ("/", LIST_SCHEMAS, b"[]", 400, "SerializationException"),
        ("/", LIST_SCHEMAS, b"\xff", 400, "SerializationException"),
        ("/", LIST_SCHEMAS, rb'{"nextToken": "\ud800"}', 400, "SerializationException"),
        ("/", LIST_SCHEMAS, b"[" * 100_000, 400, "SerializationException"),
        ("/", LIST_SCHEMAS | {"Authorization": ""}, b"{}", 403, "MissingAuthenticationTokenException"),
        ("/events", {}, b" " * 1_000_001, 413, "RequestEntityTooLargeException"),
    ],
)
def test_bad_request_is_answered_by_name(
    engine: Engine, path: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    answer_status, answer_headers, answer = engine.ask(path, body, **headers)
    assert (answer_status, answer_headers["x-amzn-errortype"], json.loads(answer)["__type"]) == (status, code, code)


def test_get_of_the_root_is_a_health_check(engine: Engine) -> None:
    status, _, body = engine.ask("/", None, Authorization="")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    request = urllib.request.Request(engine.url, method="HEAD")
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        assert (answer.status, answer.read()) == (200, b"")


def test_unknown_members_and_nulls_are_ignored(engine: Engine) -> None:
    body = json.dumps({"colour": "red", "maxResults": None}).encode()
    assert engine.ask("/", body, **LIST_SCHEMAS)[0] == 200


def test_region_of_an_arn_is_that_of_the_signature(aws: Aws) -> None:
    made = aws.control.create_schema(name="here", schema=avro("Items"))
    assert made["schemaArn"] == f"arn:aws:personalize:{aws.region}:123456789012:schema/here"


NAME = r"Member must satisfy regular expression pattern: ^[a-zA-Z0-9][a-zA-Z0-9\-_]*"
"""In AWS's own words, as those of all its services that are described by models."""


@pytest.mark.parametrize(
    ("operation", "request_", "where", "constraint"),
    [
        (
            "CreateSchema",
            {"name": "a" * 64},
            f"'{'a' * 64}' at 'name'",
            "Member must have length less than or equal to 63",
        ),
        ("CreateSchema", {"name": ""}, "'' at 'name'", "Member must have length greater than or equal to 1"),
        ("CreateSchema", {"name": "-x"}, "'-x' at 'name'", NAME),
        ("CreateSchema", {"name": "x y"}, "'x y' at 'name'", NAME),
        ("CreateSchema", {"name": "x\n"}, "'x\n' at 'name'", NAME),
        ("CreateSchema", {"name": 5}, "at 'name'", "Member must be a string"),
        ("CreateSchema", {"name": None}, "null at 'name'", "Member must not be null"),
        (
            "CreateSchema",
            {"schema": "s" * 20_001},
            f"'{'s' * 256}...' at 'schema'",
            "Member must have length less than or equal to 20000",
        ),
        (
            "CreateSchema",
            {"domain": "BANK"},
            "'BANK' at 'domain'",
            "Member must satisfy enum value set: [ECOMMERCE, VIDEO_ON_DEMAND]",
        ),
        ("ListSchemas", {"maxResults": 0}, "'0' at 'maxResults'", "Member must have value greater than or equal to 1"),
        (
            "ListSchemas",
            {"maxResults": 101},
            "'101' at 'maxResults'",
            "Member must have value less than or equal to 100",
        ),
        ("ListSchemas", {"maxResults": 1.5}, "at 'maxResults'", "Member must be a whole number"),
        ("ListSchemas", {"maxResults": True}, "at 'maxResults'", "Member must be a number"),
        ("ListSchemas", {"maxResults": 10**400}, "at 'maxResults'", "Member must be a number"),
        ("ListSchemas", {"nextToken": "é"}, "'é' at 'nextToken'", "Member must satisfy regular expression pattern"),
        (
            "CreateDatasetGroup",
            {"tags": [{"tagKey": "k"}]},
            "null at 'tags.1.member.tagValue'",
            "Member must not be null",
        ),
        ("CreateDatasetGroup", {"tags": {"k": "v"}}, "at 'tags'", "Member must be a list"),
        (
            "CreateDatasetGroup",
            {"tags": [{"tagKey": "k", "tagValue": ""}, {"tagKey": "a$", "tagValue": ""}]},
            "at 'tags.2.member.tagKey'",
            "Member must satisfy regular expression pattern",
        ),
        ("CreateSolution", {"performHPO": "no"}, "at 'performHPO'", "Member must be true or false"),
        ("CreateCampaign", {"campaignConfig": 5}, "at 'campaignConfig'", "Member must be an object"),
        (
            "CreateSolution",
            {"solutionConfig": {"trainingDataConfig": {"excludedDatasetColumns": {"ITEMS": ["-"]}}}},
            "'{ITEMS=[-]}' at 'solutionConfig.trainingDataConfig.excludedDatasetColumns'",
            r"Map value must satisfy constraint: [Member must have length less than or equal to 50, Member must "
            r"satisfy constraint: [Member must have length less than or equal to 150, Member must satisfy regular "
            r"expression pattern: [A-Za-z_][A-Za-z\d_]*]]",
        ),
    ],
)
def test_constraints_of_the_model_are_held(
    engine: Engine, operation: str, request_: dict[str, object], where: str, constraint: str
) -> None:
    target = {"X_Amz_Target": f"AmazonPersonalize.{operation}"}
    status, _, answer = engine.ask("/", json.dumps(REQUIRED[operation] | request_).encode(), **CONTROL, **target)
    error = json.loads(answer)
    assert (status, error["__type"]) == (400, "InvalidInputException")
    assert f"detected: Value {where} failed to satisfy constraint: {constraint}" in error["message"]


@pytest.mark.parametrize(
    ("path", "request_", "where"),
    [
        ("/recommendations", {"numResults": -1}, "'-1' at 'numResults'"),
        ("/recommendations", {"userId": "u" * 257}, f"'{'u' * 256}...' at 'userId'"),
        ("/recommendations", {"context": {"a-b": "x"}}, "at 'context'"),
        ("/recommendations", {"context": {"A": "x" * 1001}}, "at 'context'"),
        ("/recommendations", {"context": {f"k{n}": "x" for n in range(151)}}, "at 'context'"),
        ("/recommendations", {"filterValues": {f"k{n}": "x" for n in range(26)}}, "at 'filterValues'"),
        ("/recommendations", {"promotions": [{}, {}]}, "'[{}, {}]' at 'promotions'"),
        (
            "/recommendations",
            {"promotions": [{"percentPromotedItems": 101}]},
            "'101' at 'promotions.1.member.percentPromotedItems'",
        ),
        ("/events", {"eventList": []}, "at 'eventList'"),
        ("/events", {"eventList": [{"eventType": "View", "sentAt": 1}] * 11}, "at 'eventList'"),
        ("/events", {"eventList": [{"sentAt": "soon"}]}, "at 'eventList.1.member.sentAt'"),
        ("/events", {"eventList": [{"impression": ["i"] * 26}]}, "at 'eventList.1.member.impression'"),
        ("/events", {"eventList": [{"properties": "x" * 1025}]}, "at 'eventList.1.member.properties'"),
        ("/items", {"items": [{"itemId": "i" * 257}]}, f"'{'i' * 256}...' at 'items.1.member.itemId'"),
        ("/users", {"users": [{"userId": "u", "properties": {"a": 1}}]}, "at 'users.1.member.properties'"),
    ],
)
def test_constraints_of_the_rest_services_are_held(
    engine: Engine, path: str, request_: dict[str, object], where: str
) -> None:
    status, headers, answer = engine.ask(path, json.dumps(request_).encode())
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidInputException")
    assert f"Value {where} failed" in json.loads(answer)["message"]


REQUIRED: dict[str, dict[str, object]] = {
    "CreateSchema": {"name": "x", "schema": "{}"},
    "ListSchemas": {},
    "CreateDatasetGroup": {"name": "x"},
    "CreateSolution": {"name": "x", "datasetGroupArn": f"{SOMEBODY}dataset-group/x"},
    "CreateCampaign": {"name": "x", "solutionVersionArn": f"{SOMEBODY}solution/x/1"},
}


def test_every_broken_constraint_is_named_at_once(aws: Aws) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException) as caught:
        aws.control.create_solution(name="-", datasetGroupArn="x", recipeArn=RECIPE * 50)
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("3 validation errors detected: ")
    assert all(f"'{member}'" in message for member in ("name", "datasetGroupArn", "recipeArn"))


def test_a_message_quotes_no_value_that_the_model_calls_sensitive(aws: Aws) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException) as caught:
        aws.control.create_dataset_group(name="x", tags=[{"tagKey": "se$cret", "tagValue": ""}])
    assert "Value at 'tags.1.member.tagKey' failed" in str(caught.value)
    assert "se$cret" not in str(caught.value)


def test_coverage_page_is_current() -> None:
    assert (Path(__file__).parents[1] / "COVERAGE.md").read_text(encoding="utf-8") == coverage.page(), (
        "run python -m personalize_local.coverage"
    )
