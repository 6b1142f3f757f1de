# SPDX-License-Identifier: Apache-2.0
"""The API: its routes, its key, its rates, its refusals and what browsers may do."""

import json
import re
from typing import Any

import pytest

from functions.get_recommendations import app as get_recommendations
from functions.record_events import app as record_events
from tests.template.stack import STACK, compiled

STAGE = STACK.of("ApiGateway::Stage")["Apiv1Stage"]
BODY: dict[str, Any] = STACK.of("ApiGateway::RestApi")["Api"]["Body"]
REFUSALS: dict[str, Any] = BODY["x-amazon-apigateway-gateway-responses"]
METHODS = {
    (method.upper(), path): operation
    for path, operations in BODY["paths"].items()
    for method, operation in operations.items()
}
FUNCTIONS = {"GetRecommendationsFunction": get_recommendations.API, "RecordEventsFunction": record_events.API}
ROUTES = {route: function for function, api in FUNCTIONS.items() for route in api.handlers}
"""The functions that answer the table of routes; `tests/api/test_openapi.py` holds that none is missing."""


def test_the_routes_are_those_of_the_contract_and_go_to_the_live_version() -> None:
    served = {route: METHODS[route] for route in METHODS if route[0] != "OPTIONS"}
    assert set(served) == set(ROUTES)
    for route, function in ROUTES.items():
        assert f"/{function}Aliaslive/invocations" in served[route]["x-amazon-apigateway-integration"]["uri"]


def test_every_route_but_health_asks_for_the_key() -> None:
    guarded = {route for route, operation in METHODS.items() if {"api_key": []} in operation.get("security", [])}
    assert guarded == set(ROUTES) - {("GET", "/health")}


def test_the_key_belongs_to_a_plan_with_a_rate() -> None:
    plan, key = (
        STACK.of("ApiGateway::UsagePlan")["ApiUsagePlan"],
        STACK.of("ApiGateway::UsagePlanKey")["ApiUsagePlanKey"],
    )
    assert plan["Throttle"] == {"RateLimit": 100, "BurstLimit": 200}
    assert plan["ApiStages"] == [{"ApiId": "Api", "Stage": "Apiv1Stage"}]
    assert key == {"KeyId": "ApiApiKey", "KeyType": "API_KEY", "UsagePlanId": "ApiUsagePlan"}
    assert STACK.outputs["ApiKeyId"]["Value"] == "ApiApiKey"


def test_routes_without_a_key_have_a_rate_as_well() -> None:
    (every,) = STAGE["MethodSettings"]
    assert (every["ResourcePath"], every["HttpMethod"]) == ("/*", "*")
    assert (every["ThrottlingRateLimit"], every["ThrottlingBurstLimit"]) == (100, 200)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_of_the_gateway_is_a_problem_that_browsers_may_read(kind: str) -> None:
    refusal = REFUSALS[kind]
    headers = refusal["responseParameters"]
    assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"
    text = refusal["responseTemplates"]["application/json"].replace("$context.error.messageString", '"text"')
    problem = json.loads(text)
    assert set(problem) >= {"type", "title", "detail", "requestId"}
    assert str(problem.get("status")) == str(refusal.get("statusCode"))


def test_the_refusals_that_the_contract_names_have_their_status() -> None:
    statuses = {kind: int(refusal.get("statusCode", 0)) for kind, refusal in REFUSALS.items()}
    assert {403, 404, 413, 429, 503, 504} <= set(statuses.values())
    assert statuses["INVALID_API_KEY"] == 403
    assert statuses["MISSING_AUTHENTICATION_TOKEN"] == 404  # API Gateway's name for a route that is not there
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= set(statuses)


def test_who_should_try_again_is_told_when() -> None:
    later = {kind for kind, refusal in REFUSALS.items() if int(refusal.get("statusCode", 0)) in {429, 503, 504}}
    told = {
        kind
        for kind, refusal in REFUSALS.items()
        if "gatewayresponse.header.Retry-After" in refusal["responseParameters"]
    }
    assert told == later


def test_browsers_ask_first_and_without_a_key() -> None:
    preflights = {path for method, path in METHODS if method == "OPTIONS"}
    assert preflights == {path for _, path in ROUTES}
    answer = METHODS["OPTIONS", "/shops/{shop}/popular"]["x-amazon-apigateway-integration"]["responses"]["default"]
    headers = answer["responseParameters"]
    assert headers["method.response.header.Access-Control-Allow-Headers"] == "'Content-Type,X-Api-Key,X-Time-Zone'"
    assert "PUT" in headers["method.response.header.Access-Control-Allow-Methods"]


def test_the_allowed_origin_is_a_parameter() -> None:
    stack = compiled({"AllowedOrigin": "https://shop.example.com"})
    origins = re.findall(r"Access-Control-Allow-Origin': \"'([^']*)'\"", str(stack.of("ApiGateway::RestApi")))
    told = {stage["Variables"]["origins"] for stage in stack.of("ApiGateway::Stage").values()}
    assert set(origins) == told == {"https://shop.example.com"}
    # A stage variable takes no *; the functions take it from one that is not there.
    assert (
        "Variables" not in compiled({"AllowedOrigin": "*", "Browsers": "false"}).of("ApiGateway::Stage")["Apiv1Stage"]
    )


@pytest.mark.parametrize("parameter", ["AllowedOrigin", "MoreOrigins"])
def test_another_origin_makes_another_deployment_which_the_stage_serves(parameter: str) -> None:
    # API Gateway serves an API as it was when it was deployed last, the answers to preflights included.
    before = {"AllowedOrigin": "https://shop.example.com", "MoreOrigins": "https://m.example.com"}
    stacks = compiled(before, second=1), compiled(before | {parameter: "https://new.example.com"}, second=61)
    for api in ("Api", "BrowserApi"):
        stood, stands = (stack.of("ApiGateway::Stage")[f"{api}v1Stage"]["DeploymentId"] for stack in stacks)
        assert stood != stands
        assert stands in stacks[1].of("ApiGateway::Deployment")


@pytest.mark.parametrize("api", ["Api", "BrowserApi"])
def test_an_api_is_written_as_api_gateway_reads_it(api: str) -> None:
    body = STACK.of("ApiGateway::RestApi")[api]["Body"]
    assert body["swagger"] == "2.0"
    assert "openapi" not in body
    assert "schema" not in str(body["paths"])
    operations = [operation for path in body["paths"].values() for operation in path.values()]
    assert all("responses" in operation for operation in operations)


def test_access_is_logged_by_route_and_never_by_path() -> None:
    logged = json.loads(STAGE["AccessLogSetting"]["Format"])
    assert set(logged.values()) & {"$context.path", "$context.identity.sourceIp"} == set()
    assert {"requestId", "resourcePath", "status", "responseLatency"} <= set(logged)
    assert STAGE["AccessLogSetting"]["DestinationArn"] == "ApiLogGroup.Arn"
