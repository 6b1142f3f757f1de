# SPDX-License-Identifier: Apache-2.0
"""The wire: routes, errors and constraints, as SDKs and bare HTTP clients meet them."""

import json
import urllib.request

import pytest
from personalize_local import coverage

from engine.tests.harness import SECONDS, Aws, Engine
from engine.tests.names import RECIPE, ROLE
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
    found, answer_headers, answer = engine.ask(path, body, **headers)
    assert (found, answer_headers["x-amzn-errortype"], json.loads(answer)["__type"]) == (status, code, code)


def test_get_of_the_root_is_a_health_check(engine: Engine) -> None:
    status, _, body = engine.ask("/", None, Authorization="")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    asked = urllib.request.Request(engine.url, method="HEAD")
    with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
        assert (answer.status, answer.read()) == (200, b"")


def test_unknown_members_and_nulls_are_ignored(engine: Engine) -> None:
    body = json.dumps({"colour": "red", "maxResults": None}).encode()
    assert engine.ask("/", body, **LIST_SCHEMAS)[0] == 200


def test_region_of_an_arn_is_that_of_the_signature(aws: Aws) -> None:
    made = aws.control.create_schema(name="here", schema=avro("Items"))
    assert made["schemaArn"] == f"arn:aws:personalize:{aws.region}:123456789012:schema/here"


@pytest.mark.parametrize(
    ("operation", "request_", "member", "constraint"),
    [
        ("CreateSchema", {"name": "a" * 64, "schema": "{}"}, "name", "at most 63 characters"),
        ("CreateSchema", {"name": "", "schema": "{}"}, "name", "at least 1 characters"),
        ("CreateSchema", {"name": "-x", "schema": "{}"}, "name", "match the pattern"),
        ("CreateSchema", {"name": "x y", "schema": "{}"}, "name", "match the pattern"),
        ("CreateSchema", {"name": "x\n", "schema": "{}"}, "name", "match the pattern"),
        ("CreateSchema", {"name": 5, "schema": "{}"}, "name", "must be a string"),
        ("CreateSchema", {"schema": "{}"}, "name", "is required"),
        ("CreateSchema", {"name": "x", "schema": "s" * 20_001}, "schema", "at most 20000 characters"),
        ("CreateSchema", {"name": "x", "schema": "{}", "domain": "BANK"}, "domain", "one of ECOMMERCE"),
        ("ListSchemas", {"maxResults": 0}, "maxResults", "at least 1"),
        ("ListSchemas", {"maxResults": 101}, "maxResults", "at most 100"),
        ("ListSchemas", {"maxResults": 1.5}, "maxResults", "whole number"),
        ("ListSchemas", {"maxResults": True}, "maxResults", "must be a number"),
        ("ListSchemas", {"maxResults": 10**400}, "maxResults", "must be a number"),
        ("ListSchemas", {"nextToken": "é"}, "nextToken", "match the pattern"),
        ("DescribeSchema", {"schemaArn": "schema/x"}, "schemaArn", "match the pattern"),
        ("CreateDatasetGroup", {"name": "x", "tags": [{"tagKey": "k"}]}, "tags[0].tagValue", "is required"),
        ("CreateDatasetGroup", {"name": "x", "tags": {"k": "v"}}, "tags", "must be a list"),
        ("CreateDatasetGroup", {"name": "x", "roleArn": "r"}, "roleArn", "match the pattern"),
        ("CreateDatasetGroup", {"name": "x", "tags": [{"tagKey": "a$", "tagValue": ""}]}, "tags[0].tagKey", "pattern"),
        ("CreateSolution", {"name": "x", "datasetGroupArn": "a:b", "performHPO": "no"}, "performHPO", "true or false"),
        ("CreateCampaign", {"name": "x", "minProvisionedTPS": 0}, "minProvisionedTPS", "at least 1"),
        ("CreateCampaign", {"name": "x", "campaignConfig": 5}, "campaignConfig", "must be an object"),
    ],
)
def test_constraints_of_the_model_are_held(
    engine: Engine, operation: str, request_: dict[str, object], member: str, constraint: str
) -> None:
    target = {"X_Amz_Target": f"AmazonPersonalize.{operation}"}
    status, _, answer = engine.ask("/", json.dumps(request_).encode(), **CONTROL, **target)
    error = json.loads(answer)
    assert (status, error["__type"]) == (400, "InvalidInputException")
    assert f"Value at '{member}' failed to satisfy constraint" in error["message"]
    assert constraint in error["message"]


@pytest.mark.parametrize(
    ("path", "request_", "member"),
    [
        ("/recommendations", {"numResults": -1}, "numResults"),
        ("/recommendations", {"userId": "u" * 257}, "userId"),
        ("/recommendations", {"context": {"a-b": "x"}}, "context (key)"),
        ("/recommendations", {"context": {"A": "x" * 1001}}, "context.A"),
        ("/recommendations", {"context": {f"k{n}": "x" for n in range(151)}}, "context"),
        ("/recommendations", {"filterValues": {f"k{n}": "x" for n in range(26)}}, "filterValues"),
        ("/recommendations", {"promotions": [{}, {}]}, "promotions"),
        ("/recommendations", {"promotions": [{"percentPromotedItems": 101}]}, "promotions[0].percentPromotedItems"),
        ("/events", {"eventList": []}, "eventList"),
        ("/events", {"eventList": [{}] * 11}, "eventList"),
        ("/events", {"eventList": [{"sentAt": "soon"}]}, "eventList[0].sentAt"),
        ("/events", {"eventList": [{"impression": ["i"] * 26}]}, "eventList[0].impression"),
        ("/events", {"eventList": [{"properties": "x" * 1025}]}, "eventList[0].properties"),
        ("/items", {"items": [{"itemId": "i" * 257}]}, "items[0].itemId"),
        ("/users", {"users": [{"userId": "u", "properties": {"a": 1}}]}, "users[0].properties"),
    ],
)
def test_constraints_of_the_rest_services_are_held(
    engine: Engine, path: str, request_: dict[str, object], member: str
) -> None:
    status, headers, answer = engine.ask(path, json.dumps(request_).encode())
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidInputException")
    assert f"Value at '{member}' failed" in json.loads(answer)["message"]


def test_every_broken_constraint_is_named_at_once(aws: Aws) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException) as caught:
        aws.control.create_solution(name="-", datasetGroupArn="x", recipeArn=RECIPE * 50)
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("3 validation errors detected: ")
    assert all(f"'{member}'" in message for member in ("name", "datasetGroupArn", "recipeArn"))


def test_values_are_never_repeated_in_a_message(aws: Aws) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException) as caught:
        aws.control.create_dataset_group(name="se cret", roleArn=ROLE)
    assert "se cret" not in str(caught.value)


def test_coverage_page_is_current() -> None:
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page(), "run python -m personalize_local.coverage"
