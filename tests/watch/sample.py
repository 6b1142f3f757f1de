# SPDX-License-Identifier: Apache-2.0
"""A cloud for the watch page to show, with everything that the page has a place for; it can be down."""

import copy
from dataclasses import dataclass, field
from typing import Any

from table_intake.wording import Text

from local.cloud.environments import LocalError
from local.cloud.home import NotRunningError
from local.watch.server import MissingError

KEY = "0123456789abcdef0123456789abcdef01234567"
ODD = "<b>o/dd & 'id'?#%"
REPORT = "reports/green/promoted-run/data-interactions.html"
REJECTS = "rejects/green/promoted-run/interactions.csv"
PAGE = b"<!doctype html><html lang=en><title>Report</title><h1>Interactions</h1>"


def run(name: str, status: str = "SUCCEEDED", **more: object) -> dict[str, Any]:
    return {
        "id": name, "run": name, "shop": "green", "kind": "interactions", "key": "drops/green/interactions/orders.csv",
        "status": status, "startedAt": "2026-11-30T20:00:00+00:00", "seconds": 83.4, "outcome": "promoted",
        "rows": 25_000, "why": "", "wrong": [], "files": ["drops/green/interactions/orders.csv"], **more,
    }  # fmt: skip


FAILED = run(
    "failed-run",
    "FAILED",
    outcome="",
    rows=None,
    why="Rejected: orders.csv: 52% of the rows are bad; mostly the column TIMESTAMP has no time",
)
PROMOTED = run("promoted-run", wrong=["looks wrong: half of the users of last time are missing"])
RUNNING = run("running-run", "RUNNING", outcome="", kind="retrain", files=[], rows=None)
STEPS = [
    {"what": "Check each drop", "resource": False, "status": "", "mark": "done", "began": 0.4, "seconds": 9.6},
    {"what": "Train each recipe", "resource": False, "status": "", "mark": "going", "began": 10.0, "seconds": 70.0},
    {"what": "solution version green-similar-items", "resource": True, "status": "CREATE IN_PROGRESS", "mark": "going",
     "began": 11.0, "seconds": 60.0},
]  # fmt: skip
PROBLEM = {**FAILED, "code": "failed", "at": "2026-11-30T19:00:00+00:00", "action": "continue",
           "command": "python -m local continue green failed-run"}  # fmt: skip
CAMPAIGNS = [
    {"name": "user-personalization", "recipe": "aws-user-personalization", "run": "promoted-run"},
    {"name": "similar-items", "recipe": "aws-similar-items", "run": "promoted-run"},
]


def release(at: str, *, serves: bool, withdrawn: str = "") -> dict[str, Any]:
    return {
        "run": "promoted-run", "promotedAt": at, "byHand": False, "withdrawnAt": withdrawn, "restoredAt": "",
        "serves": serves, "campaigns": CAMPAIGNS, "filters": ["no-repeats"], "placements": ["home"],
    }  # fmt: skip


SHOP = {
    "shop": "green",
    "release": release("2026-11-30T20:01:23+00:00", serves=True),
    "history": [
        release("2026-11-30T20:01:23+00:00", serves=True),
        release("2026-11-29T20:01:23+00:00", serves=False, withdrawn="2026-11-29T22:00:00+00:00"),
    ],
    "before": "2026-11-28T20:01:23+00:00",
    "runs": [RUNNING, PROMOTED, FAILED],
    "leader": "running-run",
    "waiting": [{"kind": "users", "key": "drops/green/users/people.csv", "at": "2026-11-30T20:05:00+00:00",
                 "state": "pending", "reason": "", "recipes": []}],
    "errors": [PROBLEM],
    "likelihood": {"run": "promoted-run", "at": "2026-11-30T20:03:00+00:00", "why": ""},
    "papers": [
        {"key": key, "run": "promoted-run", "name": key.rpartition("/")[2], "kind": key.partition("/")[0],
         "at": "2026-11-30T20:01:00+00:00"}
        for key in (REPORT, REJECTS)
    ]
    + [
        {"key": f"reports/green/{run}/{name}", "run": run, "name": name, "kind": "reports",
         "at": "2026-11-30T20:02:00+00:00"}
        for run, name in (("shelves", "week.html"), ("shelves", "2026-11-23.html"), ("shelves", "today.html"),
                          ("experiments", "own-list/report.html"))
    ],
}  # fmt: skip
CUSTOMER = {
    "user": "u1",
    "columns": {"AGE": "25-34"},
    "interactions": 2,
    "history": [
        {"item": "i7", "name": "Lamp", "at": "2026-11-29T10:00:00+00:00", "type": "Purchase"},
        {"item": ODD, "name": "", "at": "2026-11-28T10:00:00+00:00", "type": "View"},
    ],
    "items": [
        {"item": "i1", "name": "Chair <i>of oak</i>", "price": "12.50", "source": "campaign", "because": "",
         "chance": 0.0421, "due": {"item": "i7", "name": "Lamp", "share": 0.431}},
        {"item": "i2", "name": "", "price": None, "source": "bestsellers", "because": "popular", "chance": None,
         "due": None},
    ],
    "likelihood": {"horizonDays": 7, "eventType": "Purchase", "baseRate": 0.002,
                   "verdict": {"meansWhatItSays": True}, "asOf": "2026-11-29T10:00:00Z"},
    "currency": "EUR",
}  # fmt: skip
USERS = [{"user": "u1", "columns": {"AGE": "25-34"}}, {"user": "u10", "columns": {}}]
ITEM = {
    "item": "i7", "name": "Lamp", "columns": {"NAME": "Lamp", "PRICE": "9.90"}, "rank": 3, "interactions": 1,
    "currency": None,
    "latest": [{"user": "u1", "at": "2026-11-29T10:00:00+00:00", "type": "Purchase"}],
    "similar": [{"item": "i1", "name": "Chair", "price": "12.50", "source": "campaign", "because": ""}],
}  # fmt: skip
OVERVIEW = {
    "shops": [
        {"shop": "green", "since": "2026-11-30T20:01:23+00:00", "campaigns": ["similar-items"], "running": RUNNING,
         "newest": RUNNING, "waiting": 1, "errors": 1},
        {"shop": "new-shop", "since": "", "campaigns": [], "running": None, "newest": None, "waiting": 0, "errors": 0},
    ],
    "events": {"queued": 3, "dead": 1},
    "errors": [PROBLEM],
    "unsaved": "",
    "command": ".venv/bin/python -m local command --run-dir /a",
    "places": {"api": "http://127.0.0.1:1/stage", "engine": "http://127.0.0.1:2", "docs": ""},
}  # fmt: skip


@dataclass
class Sample:
    """What the server of the page asks; `is_down` makes it a cloud that does not run."""

    is_down: bool = False
    facts: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(OVERVIEW))
    acts: list[tuple[str, str, str, str]] = field(default_factory=list)
    """What was done: shop, action, its id, and the user."""
    refusal: str = ""
    """Why the next action is refused."""

    def key(self) -> str:
        return KEY

    def overview(self) -> dict[str, Any]:
        self._up()
        return self.facts

    def shop(self, shop: str) -> dict[str, Any]:
        self._up()
        if shop != "green":
            raise MissingError(Text("watch.no-shop", "There is no shop {shop}", shop=shop))
        return copy.deepcopy(SHOP)

    def steps(self, run: str) -> dict[str, Any]:
        self._up()
        wanted = next((listed for listed in (RUNNING, PROMOTED, FAILED) if listed["run"] == run), None)
        if wanted is None:
            raise MissingError(f"There is no run {run}")
        return {**wanted, "steps": STEPS}

    def paper(self, key: str) -> bytes:
        self._up()
        if key not in {REPORT, REJECTS}:
            raise MissingError(f"There is no report {key}")
        return PAGE

    def customer(self, shop: str, user: str) -> dict[str, Any]:
        self._up()
        # The gate approved of no personal list of the shop blue.
        return {**copy.deepcopy(CUSTOMER), "shop": shop, "user": user, **({"items": []} if shop == "blue" else {})}

    def item(self, shop: str, item: str) -> dict[str, Any]:
        self._up()
        if item != "i7":
            raise MissingError(f"{shop} knows no item {item}")
        return copy.deepcopy(ITEM)

    def find(self, shop: str, text: str) -> dict[str, Any]:
        self._up()
        return {"shop": shop, "users": USERS, "items": [{"item": "i7", "name": text}]}

    def act(self, shop: str, action: str, name: str, user: str) -> dict[str, Any]:
        self._up()
        if self.refusal:
            raise LocalError(self.refusal)
        self.acts.append((shop, action, name, user))
        return {"receipt": "R-1"} if action == "erase" else {"run": name}

    def _up(self) -> None:
        if self.is_down:
            raise NotRunningError
