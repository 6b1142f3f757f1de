# SPDX-License-Identifier: Apache-2.0
"""Removing a shop: what it has in Personalize, in which order that goes, and what the machine and its function say.

The order follows from what Amazon Personalize refuses: a solution while a campaign is based on it, a dataset group
while it owns solutions, event trackers or datasets, a schema while a dataset has it. What bills by the hour goes first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from personalization.core.errors import Rejected
from personalization.core.status import Progress, progress
from personalization.shop.keys import SHOP_RULE, is_shop
from personalization.shop.plan import Part
from personalization.shop.prices import Billed, campaign_month
from personalization.shop.settings import RECIPES, ShopSettings

Kind = Literal[
    "recommender",
    "campaign",
    "filter",
    "solution",
    "metricAttribution",
    "eventTracker",
    "dataset",
    "datasetGroup",
]
STAGES: tuple[tuple[Kind, ...], ...] = (
    ("recommender", "campaign", "filter"),
    ("solution", "metricAttribution", "eventTracker"),
    ("dataset",),
    ("datasetGroup",),
)
"""What can go at the same time; a stage begins when nothing of the one before is left."""
BILLS: Mapping[Kind, str] = {
    "recommender": "bills by the hour until it is gone, whether or not it is asked",
    "campaign": "bills by the hour until it is gone, whether or not it is asked",
    "filter": "nothing",
    "solution": "nothing; its solution versions go with it, and each training would have to be paid for again",
    "metricAttribution": "nothing",
    "eventTracker": "nothing",
    "dataset": "nothing once it is imported; the import would have to be paid for again",
    "datasetGroup": "nothing; it counts against the quota of dataset groups",
}
"""What each piece costs while it is there."""
FOLDERS = ("catalogue", "drops", "imports", "erasures", "evaluations", "events", "likelihood", "reports", "rejects")
"""The folders of the bucket that have one of each shop's."""


class Found(Part):
    """One piece of a shop in Personalize."""

    kind: Kind
    name: str
    arn: str
    status: str
    bills: str
    month_dollars: float | None = None
    """The least that it costs a month, or None where the price table does not know."""


class Removal(Part):
    """What a shop has: the answer of the step `list`, and what a dry run reports."""

    shop: str
    resources: tuple[Found, ...]
    """In the order in which they go."""
    schemas: tuple[str, ...]
    """ARNs of the schemas of its datasets; those that another shop uses as well are kept."""
    records: tuple[str, ...]
    """Sort keys of its records in the table of shops."""
    schedules: tuple[str, ...]
    """Names of its schedules."""
    prices_as_of: str
    """When the prices were right that `monthDollars` are made with."""


class Left(Part):
    """What one look of the step `remove` saw: how many pieces are still there, and which of them it waits for."""

    left: int
    waiting_for: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The piece as the machine that waits reads it."""
        there = {"ready": self.left == 0, "status": "there", "name": ", ".join(self.waiting_for)}
        return {**super().as_json(), **there}


class Schemas(Part):
    """What the step `schemas` did, as ARNs."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]


class Objects(Part):
    """What one call of the step `objects` removed, and whether there may be more."""

    removed: int
    more: bool


class Forgotten(Part):
    """What the step `forget` deleted: sort keys of records, and names of schedules."""

    records: tuple[str, ...]
    schedules: tuple[str, ...]


class Finished(Part):
    """The answer of the step `finish`: the run that handles what was dropped during the removal, if there is any."""

    shop: str
    next: str | None


class RemovalRequest(Part):
    """One step of a removal, as the machine asks for it."""

    step: Literal["list", "forget", "remove", "schemas", "objects", "finish"]
    shop: str
    run: str
    """The execution's name."""
    execution: str
    """Its ARN."""
    schemas: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """The shop's folders in the bucket, each with the slash that tells it from those of longer names."""
        return tuple(f"{folder}/{self.shop}/" for folder in FOLDERS)


def check(request: RemovalRequest) -> RemovalRequest:
    """Refuse a name that no shop can have, before anything is looked for under it.

    Raises:
        Rejected: the name is not a shop's.
    """
    if not is_shop(request.shop):
        raise Rejected(request.shop or "shop", f"a shop's name is {SHOP_RULE}")
    return request


def ordered(found: Iterable[Found]) -> tuple[Found, ...]:
    """The pieces in the order in which they go."""
    places = {kind: place for place, kind in enumerate(kind for stage in STAGES for kind in stage)}
    return tuple(sorted(found, key=lambda piece: (places[piece.kind], piece.name)))


def priced(found: Iterable[Found], settings: ShopSettings) -> tuple[Found, ...]:
    """The pieces, with what each costs a month where the price table knows: of campaigns, which are its dearest."""
    return tuple(
        piece.model_copy(update={"month_dollars": campaign_month(settings.prices, _billed(piece.name, settings))})
        if piece.kind == "campaign"
        else piece
        for piece in found
    )


def _billed(campaign: str, settings: ShopSettings) -> Billed:
    """A campaign as the bill sees it, by the recipe that its name ends with."""
    alias = next((alias for alias in RECIPES if campaign.endswith(f"-{alias}")), None)
    if alias is None:
        return Billed(campaign)
    found = settings.billed(alias)
    return found if found.tps else replace(found, tps=1)


def stage(found: Iterable[Found]) -> tuple[Found, ...]:
    """The pieces of the first stage that has any left: nothing else can go before them."""
    pieces = ordered(found)
    return next(
        (here for kinds in STAGES if (here := tuple(piece for piece in pieces if piece.kind in kinds))),
        (),
    )


def to_delete(found: Iterable[Found]) -> tuple[Found, ...]:
    """Those of the stage that have not been told to go yet."""
    return tuple(piece for piece in stage(found) if progress(piece.status) is not Progress.LEAVING)
