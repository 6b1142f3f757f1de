# SPDX-License-Identifier: Apache-2.0
"""Plan the removal of a shop: its resources in Personalize, their order, and the steps' messages.

The order follows from Amazon Personalize's refusals: of a solution with a campaign, of a dataset group with solutions,
event trackers or datasets, of a schema with a dataset. Resources that are billed by the hour go first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from personalization.core.errors import Rejected
from personalization.core.status import Progress, progress
from personalization.shop.keys import SHOP_RULE, is_shop
from personalization.shop.plan import Part
from personalization.shop.prices import Billed, campaign_month
from personalization.shop.recipes import RECIPES
from personalization.shop.settings import ShopSettings

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
"""Kinds that can be deleted at the same time; a stage begins when nothing of the one before is left."""
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
"""The cost of each kind of resource while it exists."""
FOLDERS = ("catalogue", "drops", "imports", "erasures", "evaluations", "events", "likelihood", "reports", "rejects")
"""Folders of the bucket with a subfolder for each shop."""


class Found(Part):
    """One of a shop's resources in Personalize."""

    kind: Kind
    name: str
    arn: str
    status: str
    bills: str
    month_dollars: float | None = None
    """The least monthly cost, or None if the price table has no price for it."""


class Removal(Part):
    """A shop's resources: the result of the step `list`, and of a dry run."""

    shop: str
    resources: tuple[Found, ...]
    """In the order of deletion."""
    schemas: tuple[str, ...]
    """ARNs of its datasets' schemas; those that another shop uses are kept."""
    records: tuple[str, ...]
    """Sort keys of its records in the table of shops."""
    schedules: tuple[str, ...]
    """Names of its schedules."""
    prices_as_of: str
    """The date of the prices behind `monthDollars`."""


class Left(Part):
    """The result of one call of the step `remove`: the number of remaining resources, and those in progress."""

    left: int
    waiting_for: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the JSON that the waiting state machine reads."""
        state = {"ready": self.left == 0, "status": "there", "name": ", ".join(self.waiting_for)}
        return {**super().as_json(), **state}


class Schemas(Part):
    """The result of the step `schemas`, as ARNs."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]


class Objects(Part):
    """The objects that one call of the step `objects` deleted, and whether there may be more."""

    removed: int
    more: bool


class Forgotten(Part):
    """The result of the step `forget`: sort keys of deleted records, and names of schedules."""

    records: tuple[str, ...]
    schedules: tuple[str, ...]


class Finished(Part):
    """The result of the step `finish`: the run for drops that came during the removal, if any."""

    shop: str
    next: str | None


class RemovalRequest(Part):
    """One step of a removal, as the state machine requests it."""

    step: Literal["list", "forget", "remove", "schemas", "objects", "finish"]
    shop: str
    run: str
    execution: str
    schemas: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """The shop's folders in the bucket; the final slash excludes shops with longer names."""
        return tuple(f"{folder}/{self.shop}/" for folder in FOLDERS)


def check(request: RemovalRequest) -> RemovalRequest:
    """Refuse an impossible name before any look-up.

    Raises:
        Rejected: the name is not a shop's.
    """
    if not is_shop(request.shop):
        raise Rejected(request.shop or "shop", f"a shop's name is {SHOP_RULE}")
    return request


def ordered(found: Iterable[Found]) -> tuple[Found, ...]:
    """Return the resources in the order of deletion."""
    places = {kind: place for place, kind in enumerate(kind for stage in STAGES for kind in stage)}
    return tuple(sorted(found, key=lambda piece: (places[piece.kind], piece.name)))


def priced(found: Iterable[Found], settings: ShopSettings) -> tuple[Found, ...]:
    """Return the resources with monthly costs where the price table has them: of campaigns, the most expensive ones."""
    return tuple(
        piece.model_copy(update={"month_dollars": campaign_month(settings.prices, _billed(piece.name, settings))})
        if piece.kind == "campaign"
        else piece
        for piece in found
    )


def _billed(campaign: str, settings: ShopSettings) -> Billed:
    """Return a campaign's cost properties, by the recipe that its name ends with."""
    alias = next((alias for alias in RECIPES if campaign.endswith(f"-{alias}")), None)
    if alias is None:
        return Billed(campaign)
    found = settings.billed(alias)
    return found if found.tps else replace(found, tps=1)


def stage(found: Iterable[Found]) -> tuple[Found, ...]:
    """Return the resources of the first stage with any left: they block all others."""
    pieces = ordered(found)
    return next(
        (here for kinds in STAGES if (here := tuple(piece for piece in pieces if piece.kind in kinds))),
        (),
    )


def to_delete(found: Iterable[Found]) -> tuple[Found, ...]:
    """Return resources of the stage whose deletion has not begun."""
    return tuple(piece for piece in stage(found) if progress(piece.status) is not Progress.LEAVING)
