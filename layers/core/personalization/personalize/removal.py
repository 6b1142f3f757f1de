# SPDX-License-Identifier: Apache-2.0
"""Remove a shop from Personalize: list its resources, and delete them in an order that Personalize accepts.

A shop's resources are those that its dataset group owns, by the group's ARN: by name, those of the shop `a-b` would be
among those of `a`. The order follows from Amazon Personalize's refusals: of a solution with a campaign, of a dataset
group with solutions, event trackers or datasets, of a schema with a dataset. Resources that are billed by the hour go
first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from personalization.core.aws.errors import false_on, none_if_missing
from personalization.core.aws.pagination import paginate
from personalization.core.errors import Rejected
from personalization.core.messages import Part
from personalization.core.names import RAMP, is_of_engine
from personalization.core.status import Progress, progress
from personalization.personalize.ensure import list_recommenders
from personalization.shop.keys import SHOP_RULE, is_shop
from personalization.shop.settings.prices import Billed, campaign_month
from personalization.shop.settings.recipes import TRAINABLE
from personalization.shop.settings.settings import ShopSettings

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient

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
FOLDERS = (
    "aggregates",
    "catalogue",
    "drops",
    "engine",
    "imports",
    "erasures",
    "evaluations",
    "events",
    "exports",
    "exposures",
    "impressions",
    "likelihood",
    "reports",
    "rejects",
    "work",
)
"""Folders of the bucket with a subfolder for each shop."""


class OwnedResource(Part):
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
    resources: tuple[OwnedResource, ...]
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
    in_use: tuple[str, ...] = Field(validation_alias="kept", serialization_alias="kept")
    """Schemas that another shop's dataset has."""


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


def _shop_name(name: str) -> str:
    """Return the name; an error other than a ValueError leaves pydantic as it is."""
    if not is_shop(name):
        raise Rejected(name or "shop", f"a shop's name is {SHOP_RULE}")
    return name


class RemovalRequest(Part):
    """A step of a removal; Rejected where no shop can have the name."""

    shop: Annotated[str, AfterValidator(_shop_name)]
    run: str
    execution: str


class ListRequest(RemovalRequest):
    """List what the shop has."""

    step: Literal["list"]


class ForgetRequest(RemovalRequest):
    """Delete the shop's records and schedules."""

    step: Literal["forget"]


class RemoveRequest(RemovalRequest):
    """Delete the next resources in Personalize."""

    step: Literal["remove"]


class SchemasRequest(RemovalRequest):
    """Delete the schemas that no other shop uses."""

    step: Literal["schemas"]
    schemas: tuple[str, ...]


class ObjectsRequest(RemovalRequest):
    """Delete the next objects."""

    step: Literal["objects"]

    @property
    def folders(self) -> tuple[str, ...]:
        """The shop's folders in the bucket; the final slash excludes shops with longer names."""
        return tuple(f"{folder}/{self.shop}/" for folder in FOLDERS)


class FinishRequest(RemovalRequest):
    """Give the shop's lease back."""

    step: Literal["finish"]


def ordered(resources: Iterable[OwnedResource]) -> tuple[OwnedResource, ...]:
    """Return the resources in the order of deletion."""
    places = {kind: position for position, kind in enumerate(kind for stage in STAGES for kind in stage)}
    return tuple(sorted(resources, key=lambda piece: (places[piece.kind], piece.name)))


def priced(resources: Iterable[OwnedResource], settings: ShopSettings) -> tuple[OwnedResource, ...]:
    """Return the resources with monthly costs where the price table has them: of campaigns, the most expensive ones."""
    return tuple(
        piece.replaced(month_dollars=campaign_month(settings.prices, _billed(piece, settings)))
        if piece.kind == "campaign"
        else piece
        for piece in resources
    )


def _billed(campaign: OwnedResource, settings: ShopSettings) -> Billed:
    """Return a campaign's cost properties, by the recipe that its name ends with, and by whose it is."""
    name = campaign.name.removesuffix(f"-{RAMP}")
    alias = next((alias for alias in TRAINABLE if name.endswith(f"-{alias}")), None)
    billed = settings.billed(alias) if alias else Billed(alias=campaign.name)
    return replace(billed, tps=billed.tps or 1, engine=is_of_engine(campaign.arn))


def stage(resources: Iterable[OwnedResource]) -> tuple[OwnedResource, ...]:
    """Return the resources of the first stage with any left: they block all others."""
    pieces = ordered(resources)
    stages = (tuple(piece for piece in pieces if piece.kind in kinds) for kinds in STAGES)
    return next(filter(None, stages), ())


def to_delete(resources: Iterable[OwnedResource]) -> tuple[OwnedResource, ...]:
    """Return resources of the stage whose deletion has not begun."""
    return tuple(piece for piece in stage(resources) if progress(piece.status) is not Progress.LEAVING)


def inventory(client: "PersonalizeClient", *groups: str) -> tuple[OwnedResource, ...]:
    """Return what existing dataset groups (ARNs) own, themselves included, in the order of deletion."""
    resources: list[OwnedResource] = []
    for group in groups:
        described = none_if_missing(client.describe_dataset_group, datasetGroupArn=group)
        if described:
            resources += [_piece("datasetGroup", described["datasetGroup"]), *_members(client, group)]
    return ordered(resources)


def _members(client: "PersonalizeClient", group: str) -> Iterator[OwnedResource]:
    for solution in paginate(client.list_solutions, "solutions", datasetGroupArn=group):
        yield _piece("solution", solution)
        campaigns = paginate(client.list_campaigns, "campaigns", solutionArn=solution["solutionArn"])
        yield from (_piece("campaign", campaign) for campaign in campaigns)
    lists: tuple[tuple[Kind, Callable[..., Any], str], ...] = (
        ("filter", client.list_filters, "Filters"),
        ("eventTracker", client.list_event_trackers, "eventTrackers"),
        ("metricAttribution", client.list_metric_attributions, "metricAttributions"),
        ("dataset", client.list_datasets, "datasets"),
    )
    yield from (_piece("recommender", recommender) for recommender in list_recommenders(client, group))
    for kind, ask, member in lists:
        yield from (_piece(kind, resource) for resource in paginate(ask, member, datasetGroupArn=group))


def _piece(kind: Kind, described: Mapping[str, Any]) -> OwnedResource:
    return OwnedResource(
        kind=kind, name=described["name"], arn=described[f"{kind}Arn"], status=described["status"], bills=BILLS[kind]
    )


def schemas_of(client: "PersonalizeClient", pieces: tuple[OwnedResource, ...]) -> tuple[str, ...]:
    """Return the ARNs of the schemas of the datasets among `pieces`."""
    arns: list[str] = []
    for dataset in pieces:
        if dataset.kind == "dataset":
            described = none_if_missing(client.describe_dataset, datasetArn=dataset.arn)
            arns += [described["dataset"]["schemaArn"]] if described else []
    return tuple(dict.fromkeys(arns))


def remove(client: "PersonalizeClient", *groups: str) -> Left:
    """Delete resources that nothing depends on any more; resources in progress are left to the next call."""
    pieces = inventory(client, *groups)
    for piece in to_delete(pieces):
        _delete(client, piece)
    return Left(left=len(pieces), waiting_for=tuple(piece.name for piece in stage(pieces)))


def _delete(client: "PersonalizeClient", piece: OwnedResource) -> None:
    arn = piece.arn
    deletes: Mapping[Kind, Callable[[], object]] = {
        "recommender": lambda: client.delete_recommender(recommenderArn=arn),
        "campaign": lambda: client.delete_campaign(campaignArn=arn),
        "filter": lambda: client.delete_filter(filterArn=arn),
        "solution": lambda: client.delete_solution(solutionArn=arn),
        "metricAttribution": lambda: client.delete_metric_attribution(metricAttributionArn=arn),
        "eventTracker": lambda: client.delete_event_tracker(eventTrackerArn=arn),
        "dataset": lambda: client.delete_dataset(datasetArn=arn),
        "datasetGroup": lambda: client.delete_dataset_group(datasetGroupArn=arn),
    }
    gone_or_busy(deletes[piece.kind])


def gone_or_busy(delete: Callable[[], object]) -> bool:
    """Delete; return False if Personalize says that the resource is in use. A missing one counts as deleted."""
    return false_on("ResourceInUseException", lambda: none_if_missing(delete))


def remove_schemas(client: "PersonalizeClient", arns: tuple[str, ...]) -> Schemas:
    """Delete schemas without a dataset of any shop: Personalize refuses the others."""
    removed: list[str] = []
    in_use: list[str] = []
    for arn in arns:
        gone = gone_or_busy(partial(client.delete_schema, schemaArn=arn))
        (removed if gone else in_use).append(arn)
    return Schemas(removed=tuple(removed), in_use=tuple(in_use))
