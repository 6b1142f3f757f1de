# SPDX-License-Identifier: Apache-2.0
"""The next best action: dropped, trained, judged, asked for over HTTP, followed by events, forgotten and removed."""

from typing import Any

from local.cloud.runs import Run
from tests.app import retail
from tests.app.conftest import Shop
from tests.app.deletions import delete
from tests.app.laptop import Laptop

SETTINGS = """
domain: custom
recipes: [popularity-count, next-best-action]
filters: {mails: 'INCLUDE ActionID WHERE Actions.TYPE IN ("mail")'}
probe: {latency_ms: 60000}
"""
ACTIONS = """
ACTION_ID,VALUE,REPEAT_FREQUENCY,EXPIRATION_TIMESTAMP,TYPE,AREA
coupon,5,,,offer,kitchen
newsletter,5,30,,mail,garden
app,9,,,offer,both
old,9,,2023-11-14,offer,both
survey,1,,,mail,both
""".lstrip()


def deeds(users: int = 300) -> str:
    """Old people take coupons, young ones newsletters; nobody knows the app, and hardly anybody takes the survey."""
    rows = ["USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP"]
    for user in range(users):
        for step, (action, likely) in enumerate((("coupon", not user % 2), ("newsletter", user % 2), ("old", 1))):
            took = likely if user % 5 else not likely
            rows.append(f"u{user},{action},{'Taken' if took else 'Not taken'},{retail.START + step}")
        if user < 120:
            rows.append(f"u{user},survey,{'TAKEN' if user < 55 else 'viewed'},{retail.START + 500}")
    return "\n".join(rows) + "\n"


def begin(laptop: Laptop, shop: str) -> Run:
    """Make a shop with actions, and return the run that trained it."""
    assert laptop.put(f"drops/{shop}/settings.yaml", SETTINGS).status == "SUCCEEDED"
    for kind, text in {"users": retail.users(300), "actions": ACTIONS, "action-interactions": deeds()}.items():
        run = laptop.drop(shop, kind, text)
        assert run.status == "SUCCEEDED", run.reason or run.output
    return laptop.drop(shop, "interactions", retail.interactions())


def best(laptop: Laptop, shop: str, user: str, **query: str) -> Any:  # noqa: ANN401 - an answer's JSON
    answer = laptop.call("GET", f"/shops/{shop}/users/{user}/actions", **query)
    assert answer.status == 200, answer.body
    return answer.body


def test_users_get_the_actions_that_people_like_them_take(laptop: Laptop) -> None:
    shop = "deeds"
    run = begin(laptop, shop)
    assert run.output["outcome"] == "promoted", run.reason or run.output
    old, young = (best(laptop, shop, user) for user in ("u2", "u3"))
    assert (old["actions"][0]["actionId"], young["actions"][0]["actionId"]) == ("coupon", "newsletter")
    assert {action["source"] for action in old["actions"]} == {"campaign"}
    assert "old" not in {action["actionId"] for action in old["actions"]}
    assert old["recommendationId"]
    mails = best(laptop, shop, "u2", filter="mails", limit="10")["actions"]
    assert {action["actionId"] for action in mails} == {"newsletter", "survey"}
    assert len(best(laptop, shop, "nobody", limit="2")["actions"]) == 2

    event = {"eventType": "Taken", "actionId": "newsletter", "recommendationId": young["recommendationId"]}
    view = {"eventType": "Purchase", "itemId": "garden-03"}
    sent = laptop.call("POST", f"/shops/{shop}/events", {"userId": "u3", "sessionId": "s", "events": [event, view]})
    assert (sent.status, [answer["status"] for answer in sent.body["events"]]) == (202, ["delivered", "delivered"])
    assert "newsletter" not in {action["actionId"] for action in best(laptop, shop, "u3")["actions"]}

    with laptop.faults.during("throttle", "GetActionRecommendations"):
        again, stranger = best(laptop, shop, "u2"), best(laptop, shop, "somebody-else")
    assert [action["actionId"] for action in again["actions"]] == [action["actionId"] for action in old["actions"]]
    assert (again["degraded"], {action["source"] for action in again["actions"]}) == (True, {"cache"})
    assert {action["source"] for action in stranger["actions"]} == {"popular"}

    delete(Shop(shop, laptop, ()), "u3")
    assert "newsletter" in {action["actionId"] for action in best(laptop, shop, "u3")["actions"]}

    removed = laptop.command("teardown", shop, "--yes", "--objects")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    groups = laptop.listed("list_dataset_groups")
    assert f"retail-{shop}" not in {group["name"] for group in groups}
