# SPDX-License-Identifier: Apache-2.0
"""The API of browsers: off unless it is asked for, and then with a token before everything that names a shopper."""

import json
import re
from typing import Any

from personalization.api import routes

from tests.template.stack import STACK, compiled

OF_BROWSERS = ("GET", "POST", "PUT")

API = STACK.of("ApiGateway::RestApi")["BrowserApi"]
BODY: dict[str, Any] = API["Body"]
METHODS = {
    (method.upper(), path): operation
    for path, operations in BODY["paths"].items()
    for method, operation in operations.items()
}
SESSIONS = ("POST", "/shops/{shop}/sessions")
OFF = compiled({"Browsers": "false", "WebAcl": "false", "Storefront": "false"})


def test_nothing_of_it_is_made_unless_it_is_asked_for() -> None:
    made = {resource["Type"] for name, resource in OFF.resources.items()}
    assert not made & {"AWS::WAFv2::WebACL", "AWS::WAFv2::WebACLAssociation"}
    assert list(OFF.of("SecretsManager::Secret")) == ["ListIdKeys"]
    assert list(OFF.of("ApiGateway::RestApi")) == ["Api"]
    assert not {"AuthorizeRequestFunction", "IssueSessionFunction"} & set(OFF.of("Lambda::Function"))
    assert "BrowserApi" not in json.dumps(OFF.resources)
    assert STACK.source["Parameters"]["Browsers"]["Default"] == "false"


def test_its_routes_are_those_that_browsers_may_call() -> None:
    described = {(route.method.upper(), route.path) for route in routes.ROUTES if route.callers == "browsers too"}
    assert {route for route in METHODS if route[0] != "OPTIONS"} == described | {SESSIONS}
    assert {method for method, _ in METHODS} == {*OF_BROWSERS, "OPTIONS"}
    assert [path for method, path in METHODS if method == "PUT"] == ["/shops/{shop}/users/{userId}/personalization"]


def test_every_route_but_that_which_makes_tokens_has_the_authorizer_and_a_plan() -> None:
    for route, operation in METHODS.items():
        guards = {name for requirement in operation.get("security", []) for name in requirement}
        assert guards == (set() if route == SESSIONS or route[0] == "OPTIONS" else {"Token", "api_key"}), route


def test_the_authorizer_is_kept_for_the_header_that_it_depends_on() -> None:
    told = BODY["securityDefinitions"]["Token"]["x-amazon-apigateway-authorizer"]
    assert (told["type"], told["identitySource"]) == ("request", "method.request.header.Authorization")
    assert 0 < told["authorizerResultTtlInSeconds"] <= 300
    assert "AuthorizeRequestFunctionAliaslive/" in told["authorizerUri"]


def test_the_authorizer_names_the_plan_and_the_functions_ask_for_the_authorizer() -> None:
    assert API["ApiKeySourceType"] == "AUTHORIZER"
    assert STACK.of("ApiGateway::Stage")["BrowserApiv1Stage"]["Variables"]["callers"] == "browsers"
    variables = STACK.of("Lambda::Function")["AuthorizeRequestFunction"]["Environment"]["Variables"]
    for kind in ("Shopper", "Visitor"):
        key, plan = STACK.of("ApiGateway::ApiKey")[f"{kind}Key"], STACK.of("ApiGateway::UsagePlan")[f"{kind}Plan"]
        assert key["Value"] == variables[f"{kind.upper()}_KEY"]
        assert len(key["Value"]) >= 20
        assert plan["ApiStages"] == [{"ApiId": "BrowserApi", "Stage": "BrowserApiv1Stage"}]
        assert plan["Throttle"] == {"RateLimit": 100, "BurstLimit": 200}
        link = STACK.of("ApiGateway::UsagePlanKey")[f"{kind}PlanKey"]
        assert link == {"KeyId": f"{kind}Key", "KeyType": "API_KEY", "UsagePlanId": f"{kind}Plan"}


def test_a_key_of_servers_opens_the_servers_api_alone() -> None:
    plan = STACK.of("ApiGateway::UsagePlan")["ApiUsagePlan"]
    assert plan["ApiStages"] == [{"ApiId": "Api", "Stage": "Apiv1Stage"}]
    assert "ApiKeySourceType" not in STACK.of("ApiGateway::RestApi")["Api"]


def test_its_routes_go_to_the_live_versions_which_it_may_call() -> None:
    permissions = STACK.of("Lambda::Permission").values()
    callable_ = {
        permission["FunctionName"]
        for permission in permissions
        if ":BrowserApi/v1/" in str(permission.get("SourceArn"))
    }
    uris = {operation["x-amazon-apigateway-integration"].get("uri") for operation in METHODS.values()} - {None}
    called = {re.search(r"functions/(\w+)\.Arn:live/invocations$", uri)[1] for uri in uris}  # type: ignore[index]
    assert callable_ == {f"{function}Aliaslive" for function in called}


def test_a_bad_token_is_unauthorized_and_a_failing_check_is_for_later() -> None:
    refusals = BODY["x-amazon-apigateway-gateway-responses"]
    for kind in ("UNAUTHORIZED", "ACCESS_DENIED"):
        assert str(refusals[kind]["statusCode"]) == "401"
        assert refusals[kind]["responseParameters"]["gatewayresponse.header.WWW-Authenticate"] == "'Bearer'"
    assert str(refusals["AUTHORIZER_FAILURE"]["statusCode"]) == "503"
    assert str(STACK.of("ApiGateway::RestApi")["Api"]["Body"]["x-amazon-apigateway-gateway-responses"]["ACCESS_DENIED"]
               ["statusCode"]) == "403"  # fmt: skip


def test_browsers_ask_first_without_a_token_and_may_send_one() -> None:
    assert {path for method, path in METHODS if method == "OPTIONS"} == {path for _, path in METHODS}
    for (method, _), operation in METHODS.items():
        if method == "OPTIONS":
            headers = operation["x-amazon-apigateway-integration"]["responses"]["default"]["responseParameters"]
            allowed = headers["method.response.header.Access-Control-Allow-Headers"]
            assert allowed == "'Authorization,Content-Type,X-Time-Zone'"


def test_a_secret_signs_sessions_and_only_who_needs_it_reads_it() -> None:
    secret = STACK.of("SecretsManager::Secret")["SessionKeys"]
    assert secret["GenerateSecretString"]["PasswordLength"] >= 32
    readers = {
        name for name, role in STACK.of("IAM::Role").items() if "SessionKeys" in json.dumps(role.get("Policies", []))
    }
    assert readers == {"AuthorizeRequestFunctionRole", "IssueSessionFunctionRole"}


def test_one_function_makes_the_key_of_hashed_ids_and_only_who_needs_it_reads_it() -> None:
    rights = {
        name: {
            action
            for policy in role.get("Policies", [])
            for statement in policy["PolicyDocument"]["Statement"]
            if "-hash-key" in json.dumps(statement["Resource"])
            for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        }
        for name, role in STACK.of("IAM::Role").items()
    }
    read, make = "secretsmanager:GetSecretValue", "secretsmanager:CreateSecret"
    readers = ("CheckPart", "GetRecommendations", "IssueSession", "RecordEvents", "RunBatch")
    assert {name: actions for name, actions in rights.items() if actions} == {
        "ValidateDropFunctionRole": {read, make},
        **{f"{name}FunctionRole": {read} for name in readers},
    }
    text = json.dumps(STACK.of("IAM::Role"))
    assert not any(f"secretsmanager:{verb}" in text for verb in ("Update", "Delete", "Rotate"))


def test_the_daily_round_alone_renews_the_key_of_list_ids_and_cannot_read_it() -> None:
    rights: dict[str, list[str]] = {}
    for name, role in STACK.of("IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                if "ListIdKeys" in json.dumps(statement["Resource"]):
                    # The ARN: a local cloud's Ref of a secret is its name, of which no policy is.
                    assert "ListIdKeys.Id" in json.dumps(statement["Resource"])
                    rights.setdefault(name, []).append(statement["Action"])
    assert rights == {
        "GetRecommendationsFunctionRole": ["secretsmanager:GetSecretValue"],
        "RecordEventsFunctionRole": ["secretsmanager:GetSecretValue"],
        "KeepHouseFunctionRole": [["secretsmanager:ListSecretVersionIds", "secretsmanager:PutSecretValue"]],
    }
    assert json.dumps(STACK.of("IAM::Role")).count("secretsmanager:PutSecretValue") == 1


def test_with_browsers_origins_are_named_and_with_an_issuer_its_audience() -> None:
    rules = STACK.source["Rules"]
    named = ("BrowsersComeFromNamedOrigins", "AnIssuerNeedsAnAudience")
    (origin,), (audience,) = (rules[name]["Assertions"] for name in named)
    assert rules["BrowsersComeFromNamedOrigins"]["RuleCondition"] == {"Fn::Equals": [{"Ref": "Browsers"}, "true"]}
    assert origin["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AllowedOrigin"}, "*"]}]}
    assert audience["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "TokenAudience"}, ""]}]}


def test_no_algorithm_with_a_shared_secret_is_a_parameter() -> None:
    pattern = STACK.source["Parameters"]["TokenAlgorithms"]["AllowedPattern"]
    assert re.fullmatch(pattern, "RS256,ES256,PS512")
    for bad in ("HS256", "none", "RS256,HS256", "RS256,none", ""):
        assert not re.fullmatch(pattern, bad)
    issuer = STACK.source["Parameters"]["TokenIssuer"]["AllowedPattern"]
    assert re.fullmatch(issuer, "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A1")
    for bad in (
        "http://login.example",
        "https://",
        "https://a.example/?x=1",
        "ftp://a",
        "http://127.0.0.1.evil.example:1/",
    ):
        assert not re.fullmatch(issuer, bad), bad


def test_the_web_acl_stands_before_both_apis() -> None:
    (acl,) = STACK.of("WAFv2::WebACL").values()
    groups = [rule["Statement"].get("ManagedRuleGroupStatement", {}).get("Name") for rule in acl["Rules"]]
    assert {"AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"} <= set(groups)
    rates = [
        rule["Statement"]["RateBasedStatement"] for rule in acl["Rules"] if "RateBasedStatement" in rule["Statement"]
    ]
    assert [(rate["AggregateKeyType"], rate["Limit"]) for rate in rates] == [("IP", 2000)]
    before = {association["ResourceArn"] for association in STACK.of("WAFv2::WebACLAssociation").values()}
    assert before == {
        f"arn:aws:apigateway:us-east-1::/restapis/{api}/stages/{api}v1Stage" for api in ("Api", "BrowserApi")
    }
    assert list(compiled({"Browsers": "false"}).of("WAFv2::WebACLAssociation")) == ["ApiBehindWebAccessList"]


def test_the_web_acl_shows_no_requests_to_anybody() -> None:
    assert '"SampledRequestsEnabled": true' not in json.dumps(STACK.of("WAFv2::WebACL"))


def test_several_origins_are_told_apart_by_the_functions() -> None:
    several = compiled({"AllowedOrigin": "https://a.example", "MoreOrigins": "https://b.example,https://c.example"})
    told = {stage["Variables"]["origins"] for stage in several.of("ApiGateway::Stage").values()}
    assert told == {"https://a.example,https://b.example,https://c.example"}
    # What a stage variable may have in it.
    assert all(re.fullmatch(r"[A-Za-z0-9._~:/?#&=,-]{1,512}", text) for text in told)


def test_no_page_is_allowed_credentials() -> None:
    # With them, any page could act as whoever is logged in; tokens are sent by the shop's own pages alone.
    assert "Allow-Credentials" not in json.dumps(STACK.resources)
