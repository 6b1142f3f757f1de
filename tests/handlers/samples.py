# SPDX-License-Identifier: Apache-2.0
"""What handler tests start from: the files in `events/`, and data that Personalize would take."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from personalization.shop.records.release import Value

from tests.handlers.fakes import ARN

EVENTS = Path(__file__).parents[2] / "events"
BUCKET = "retail-dropbucket-1a2b3c"
TABLE = "retail-shops"
SHOPPER_EVENTS = "retail-shopper-events"
LIVE = "retail-live"

Event = dict[str, Any]


def load(name: str) -> Event:
    """One of the files in `events/`, to change as a test likes."""
    event: Event = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def said(answer: Mapping[str, object]) -> dict[str, object]:
    """What a step says of its resource, without how far the step has come."""
    return {name: value for name, value in answer.items() if name not in {"name", "ready", "made"}}


def interactions(rows: int = 1200, users: int = 100, header: str = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_VALUE") -> str:
    """A history that Personalize can train on."""
    lines = [f"u{row % users},i{row % 50},{1_700_000_000 + row},{row % 7}.5" for row in range(rows)]
    return "\n".join([header, *lines]) + "\n"


Drop = Callable[[str, str | bytes], Event]
"""Puts an object into the bucket; gives the machine's input to the first step."""


def served(arn: str, version: str, recipe: str = "aws-sims", **more: Value) -> dict[str, Value]:
    """A campaign of a stored release."""
    usual: dict[str, Value] = {"baselineArn": None, "foundFrom": "", "metadata": None, "config": {}}
    return {"arn": arn, "solutionVersionArn": version, "run": "run-1", "recipe": recipe, **usual, **more}


def judged(shop: str, run: str, at: str, versions: Mapping[str, str]) -> dict[str, Value]:
    """A stored judgement of a run, of which nothing was refused."""
    record: dict[str, Value] = {"shop": shop, "record": f"candidate#{run}", "version": 1, "run": run, "judgedAt": at}
    return {**record, "plan": "{}", "versions": versions, "refused": []}


RELEASE: Mapping[str, Value] = {
    "shop": "demo",
    "record": "release",
    "version": 1,
    "run": "run-1",
    "promotedAt": "2026-11-25T08:30:00Z",
    "promotedBy": "run-1",
    "trackingId": "5d2f1b1e-6c1d-4a39-9a67-3a3b1f0e7c11",
    "datasetGroupArn": f"{ARN}:dataset-group/retail-demo",
    "domain": "ECOMMERCE",
    "campaigns": {
        alias: served(f"{ARN}:campaign/retail-demo-{alias}", f"{ARN}:solution/x/1f2e3d4c", f"aws-{alias}")
        for alias in ("user-personalization", "personalized-ranking", "similar-items", "popularity-count")
    },
    "baselineArn": None,
    "filters": ["not-purchased"],
    "filterParameters": {},
    "metadataColumns": ["PRICE", "CATEGORY_L1"],
    "contextColumns": ["DEVICE"],
    "placements": {
        "home": {
            "recipe": "user-personalization",
            "limit": 3,
            "fallback": "popular",
            "filterValues": {},
            "context": {},
            "promotions": [],
            "filter": "not-purchased",
        },
        "goes-with": {
            "recipe": "similar-items",
            "limit": 2,
            "fallback": "none",
            "filterValues": {},
            "context": {},
            "promotions": [],
            "metadata": ["PRICE"],
            "because": "goesWithBasket",
        },
    },
    "diversity": None,
    "datasets": {"ITEMS": f"{ARN}:dataset/retail-demo/ITEMS"},
    "withdrawnAt": "",
    "restoredAt": "",
}
"""What the last run of the shop `demo` left in the table."""

RECOMMENDED = {
    "recommendationId": "RID-1d9bb4a4-3c0b-4a29-9a5b-0d1c2e3f4a5b",
    "itemList": [
        {"itemId": "1082185", "score": 0.0123, "metadata": {"price": "1.29"}},
        {"itemId": "995242"},
    ],
}
"""An answer of GetRecommendations."""


def body(answer: Event) -> Any:  # noqa: ANN401 - it is JSON
    """The JSON of an API answer."""
    return json.loads(answer["body"])


def fields(answer: Event) -> list[str]:
    """The fields that a problem names."""
    return [error["field"] for error in body(answer)["errors"]]


def described(name: str, answer: Event) -> Any:  # noqa: ANN401 - one of the models
    """An API answer as the model of that name in the API's description; what does not fit fails."""
    from personalization.api.openapi import MODELS  # noqa: PLC0415 - only where a test asks for it

    return MODELS[name].model_validate_json(answer["body"])
