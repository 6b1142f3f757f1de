# SPDX-License-Identifier: Apache-2.0
"""The API of browsers on the local AWS: authorizer, plans, and that a token opens its own shopper's data alone."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import boto3
import pytest

from local.cloud import login
from local.cloud.home import access
from tests.app.conftest import Shop
from tests.app.waiting import tried, until

VIEW = {"eventType": "View", "itemId": "garden-01"}


@dataclass(frozen=True)
class Browser:
    """A page of the shop, with its session."""

    shop: Shop
    session: dict[str, Any]

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> tuple[int, dict[str, Any]]:
        """One request below ``/shops/<shop>`` with the session's token, or with another one."""
        proof = {"authorization": f"Bearer {self.session['token'] if token is None else token}"}
        return call(self.shop, method, path, body, **proof)

    def view(self, session: str, **more: object) -> int:
        """The status of an event in that session."""
        return self.call("POST", "/events", {"sessionId": session, "events": [VIEW], **more})[0]


def call(shop: Shop, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """One request to the API of browsers, with these headers."""
    address = f"{shop.laptop.state.browser_api}/shops/{shop.name}{path}"
    # On a busy machine a table may answer too late.
    response = tried(
        lambda: shop.laptop.client.http.request(method, address, json=body, headers=headers),
        lambda response: response.status != HTTPStatus.SERVICE_UNAVAILABLE,
    )
    return response.status, response.json()


def begin(shop: Shop, **fields: str) -> Browser:
    """A session."""
    status, told = call(shop, "POST", "/sessions", fields)
    assert status == 201, told
    return Browser(shop, told)


def logged_in(shop: Shop, user: str) -> str:
    """What the shopper has after her login."""
    return login.user_token(shop.laptop.home, shop.laptop.state, user, time.time())


def test_a_visitor_is_served_under_her_session_and_nobody_else_s(shop: Shop) -> None:
    visitor, other = begin(shop), begin(shop)
    status, answer = visitor.call("GET", f"/users/{visitor.session['userId']}/recommendations?limit=5")
    assert (status, len(answer["items"])) == (200, 5)
    for path in (
        f"/users/{other.session['userId']}/recommendations",
        "/users/u1/recommendations",
        "/popular?userId=u1",
    ):
        assert visitor.call("GET", path)[0] == 403, path
    assert visitor.call("POST", "/users/u1/ranking", {"itemIds": ["garden-01"]})[0] == 403
    assert visitor.view(visitor.session["sessionId"]) == 202
    assert visitor.view(other.session["sessionId"]) == 403
    assert visitor.view(visitor.session["sessionId"], userId="u1") == 403


def test_a_shopper_s_own_token_opens_her_own_data(shop: Shop) -> None:
    browser = Browser(shop, {"token": logged_in(shop, "u1")})
    assert browser.call("GET", "/users/u1/recommendations")[0] == 200
    assert browser.call("GET", "/users/u2/recommendations")[0] == 403
    assert browser.call("GET", "/users/u%31/recommendations")[0] == 200
    assert browser.call("GET", "/users/%2A/recommendations")[0] == 403
    assert browser.view("any") == 202
    assert browser.view("any", userId="u2") == 403


def test_what_a_visitor_did_counts_for_the_shopper_who_logs_in(shop: Shop) -> None:
    bought = shop.items("joins-later", limit="1")[0]
    visitor = begin(shop)
    events = {"sessionId": visitor.session["sessionId"], "events": [{"eventType": "Purchase", "itemId": bought}]}
    assert visitor.call("POST", "/events", events)[0] == 202
    assert bought in shop.items("joins-later", filter="not-purchased")
    token = logged_in(shop, "joins-later")
    joined = begin(shop, sessionToken=visitor.session["token"], userToken=token)
    assert joined.session["sessionId"] == visitor.session["sessionId"]
    assert joined.view(joined.session["sessionId"]) == 202
    # What waits in the queue on a busy machine is delivered soon.
    until(lambda: bought not in shop.items("joins-later", filter="not-purchased"), "what the visitor did counts")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic dTpw", "Bearer e30.e30.e30"])
def test_without_a_good_token_nobody_comes_in(shop: Shop, header: str) -> None:
    headers = {"authorization": header} if header else {}
    status, problem = call(shop, "GET", "/popular", **headers)
    assert (status, problem["status"], problem["title"]) == (401, 401, "Unauthorized")


def test_a_token_with_a_changed_bit_is_worth_nothing(shop: Shop) -> None:
    for token in (begin(shop).session["token"], logged_in(shop, "u1")):
        head, claims, signature = token.split(".")
        changed = signature[:9] + ("A" if signature[9] != "A" else "B") + signature[10:]
        assert call(shop, "GET", "/popular", authorization=f"Bearer {head}.{claims}.{changed}")[0] == 401
        assert call(shop, "GET", "/popular", authorization=f"Bearer {head}.{claims}.")[0] == 401


def test_keys_open_the_servers_api_and_tokens_the_browsers_one(shop: Shop) -> None:
    state, token = shop.laptop.state, begin(shop).session["token"]
    assert call(shop, "GET", "/popular", **{"x-api-key": state.key})[0] == 401
    proof = {"authorization": f"Bearer {token}"}
    response = shop.laptop.client.http.request("GET", f"{state.api}/shops/{shop.name}/popular", headers=proof)
    assert response.status == 403


def test_browsers_have_no_route_that_is_for_servers(shop: Shop) -> None:
    browser = begin(shop)
    for method, path in (("PUT", "/users/u1"), ("PUT", "/items/garden-01"), ("DELETE", "/users/u1")):
        assert browser.call(method, path, {"properties": {"AGE": 1}})[0] == 404


def test_a_browser_asks_first_without_a_token(shop: Shop) -> None:
    address = f"{shop.laptop.state.browser_api}/shops/{shop.name}/users/u1/recommendations"
    answer = shop.laptop.client.http.request("OPTIONS", address)
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:8080"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_the_authorizer_names_the_plan_that_pays(shop: Shop) -> None:
    visitor, shopper = begin(shop), Browser(shop, {"token": logged_in(shop, "u1")})
    gateway = boto3.client("apigateway", **access(shop.laptop.state))
    (key,) = [key["id"] for key in gateway.get_api_keys()["items"] if "visitor" in key["description"]]
    (plan,) = [plan["id"] for plan in gateway.get_usage_plans()["items"] if plan["description"] == "Rate of visitors."]
    gateway.delete_usage_plan_key(usagePlanId=plan, keyId=key)
    try:
        assert visitor.call("GET", "/popular")[0] == 403
        assert shopper.call("GET", "/popular")[0] == 200
    finally:
        gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    assert visitor.call("GET", "/popular")[0] == 200


def test_no_log_holds_a_token_or_its_user(shop: Shop) -> None:
    token = logged_in(shop, "a-shopper-for-no-log")
    browser = begin(shop, userToken=token)
    assert browser.view(browser.session["sessionId"]) == 202
    assert browser.call("GET", "/users/a-shopper-for-no-log/recommendations")[0] == 200
    assert browser.call("GET", "/users/somebody-else-in-a-log/recommendations")[0] == 403
    groups = [group for group in shop.laptop.client.functions().values() if "import" not in group]
    lines = "\n".join(line for group in groups for line in shop.laptop.client.log_lines(group, limit=10_000))
    assert "POST /shops/{shop}/events" in lines
    for secret in ("a-shopper-for-no-log", "somebody-else-in-a-log", token, *browser.session["token"].split(".")[1:]):
        assert secret not in lines
